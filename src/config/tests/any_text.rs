//! Whatever the file holds, reading it ends in a config or in problems that stand within the text.
use gameday_config::{Config, Problem, parse, render};
use proptest::prelude::*;
use std::path::Path;

fn texts(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let is_toml = |path: &Path| path.extension().is_some_and(|extension| extension == "toml");
    files.iter().filter(|path| is_toml(path)).map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

fn check(text: &str) {
    let (problems, source) = match parse("any.toml", text) {
        Ok(loaded) => {
            // A config without errors has everything the other crates rely on.
            assert!(loaded.config.services().next().is_some());
            loaded.config.subnets(loaded.config.zones.len().max(2)).unwrap();
            let json = serde_json::to_value(&loaded.config).unwrap();
            serde_json::from_value::<Config>(json).unwrap();
            (loaded.warnings, loaded.source)
        }
        Err(errors) => {
            assert!(!errors.problems.is_empty());
            (errors.problems, errors.source)
        }
    };
    for problem in &problems {
        assert_ne!(problem.rule, "unreadable", "serde refused what the walk let through: {problem:?}\n{text}");
        within(text, problem);
    }
    assert_eq!(render(&problems, &source, false, 80), render(&problems, &source, false, 80));
}

fn within(text: &str, problem: &Problem) {
    for span in std::iter::once(&problem.span).chain(problem.others.iter().map(|(span, _)| span)) {
        assert!(text.get(span.clone()).is_some(), "{problem:?} is not within {text:?}");
        let empty = text.trim().is_empty();
        assert!(empty || !span.is_empty(), "{problem:?} underlines nothing in {text:?}");
    }
    assert!(problem.line <= text.matches('\n').count() + 1 && problem.line > 0 && problem.column > 0);
}

/// Keys, values and signs as they occur, in any order.
fn soup() -> impl Strategy<Value = String> {
    let words = prop_oneof![
        Just("name = \"x\""),
        Just("[service.api]"),
        Just("[service]"),
        Just("source"),
        Just("="),
        Just("\n"),
        Just("["),
        Just("]"),
        Just("[["),
        Just("]]"),
        Just("{"),
        Just("}"),
        Just("\""),
        Just("'"),
        Just("\"\"\""),
        Just(","),
        Just("."),
        Just("10:00"),
        Just("-1"),
        Just("1e400"),
        Just("nan"),
        Just("0xff"),
        Just("true"),
        Just("mode"),
        Just("\"use\""),
        Just("[database]"),
        Just("[cache]"),
        Just("nodes"),
        Just("zones = ["),
        Just("\"10.0.0.0/33\""),
        Just("cidr = \"255.255.255.255/16\""),
        Just("[network]"),
        Just("#"),
        Just("\u{1F984}"),
        Just("\r\n"),
        Just("\u{0}"),
        Just("[tags]"),
        Just("ü"),
        Just(" "),
    ];
    prop::collection::vec(words, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn any_words(text in soup()) {
        check(&text);
    }

    #[test]
    fn an_example_with_a_piece_cut_out_or_put_in(
        which in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
        length in 0usize..40,
        piece in prop_oneof![Just(String::new()), any::<String>(), soup()],
    ) {
        let mut all = texts("examples");
        all.extend(texts("tests/mistakes"));
        let text = which.get(&all);
        let start = text.floor_char_boundary(from.index(text.len() + 1));
        let end = text.floor_char_boundary((start + length).min(text.len()));
        check(&format!("{}{piece}{}", &text[..start], &text[end..]));
    }

    #[test]
    fn an_example_with_another_value(
        which in any::<prop::sample::Index>(),
        line in any::<prop::sample::Index>(),
        value in prop_oneof![
            Just("\"\"".to_owned()), Just("0".into()), Just("-1".into()), Just("[]".into()), Just("{}".into()),
            Just("true".into()), Just("1.5".into()), Just("10:00".into()), Just("99999999999999999999".into()),
            Just("[[]]".into()), Just("[{}]".into()), "\"[ -~&&[^\"\\\\]]{0,40}\"", "\"\\PC{0,10}\"",
        ],
    ) {
        let all = texts("examples");
        let text = which.get(&all);
        let lines: Vec<_> = text.lines().map(|line| line.strip_prefix('#').unwrap_or(line)).collect();
        let candidates: Vec<_> = (0..lines.len()).filter(|i| lines[*i].contains(" = ")).collect();
        let chosen = *line.get(&candidates);
        let changed: Vec<_> = text
            .lines()
            .enumerate()
            .map(|(i, line)| match lines[i].split_once(" = ") {
                Some((key, _)) if i == chosen => format!("{} = {value}", key.trim()),
                _ => line.to_owned(),
            })
            .collect();
        check(&changed.join("\n"));
    }
}

#[test]
fn every_prefix_of_an_example() {
    for text in texts("examples") {
        for (at, _) in text.char_indices().step_by(7) {
            check(&text[..at]);
        }
    }
}
