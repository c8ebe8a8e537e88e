//! One stack file per mistake in tests/mistakes, and beside it what a competitor gets to read.
use gameday_config::{ConfigErrors, Loaded, NamedRegion, Outside, Severity, load, parse, parse_in};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/mistakes")
}

fn files() -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

/// Reads a stack file. One that begins with `# elsewhere: AWS_REGION = eu-west-1` is read as where that is set.
fn read(name: &str, text: &str) -> Result<Loaded, ConfigErrors> {
    let elsewhere = text.lines().next().and_then(|l| l.strip_prefix("# elsewhere: ")?.split_once(" = "));
    let usual = elsewhere.map(|(by, region)| NamedRegion { region: region.into(), by: by.into() });
    // The support of versions ends with time.
    let today = Some(jiff::civil::date(2026, 12, 1));
    parse_in(name, text, &Outside { usual, include: vec![folder().join("../..")], today, ..Outside::default() })
}

#[test]
fn every_mistake_is_explained() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let files = files();
    assert!(files.len() >= 45, "only {} mistakes", files.len());
    for path in files {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let shown = match read(&format!("{name}.toml"), &text) {
            Ok(loaded) => {
                assert!(!loaded.warnings.is_empty(), "{name} has no mistake");
                loaded.render_warnings(false, 100)
            }
            Err(errors) => {
                assert!(errors.problems.iter().any(|p| p.severity == Severity::Error), "{name}");
                errors.render(false, 100)
            }
        };
        settings.bind(|| insta::assert_snapshot!(name, shown));
    }
}

/// A file is named after the rule that it breaks (`zone_unknown`, `zone_unknown-region`); it breaks no
/// other, so that each picture shows one mistake.
#[test]
fn every_file_breaks_the_rule_of_its_name_only() {
    for path in files() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let rule = name.split('-').next().unwrap();
        if rule == "many" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let problems = match read(name, &text) {
            Ok(loaded) => loaded.warnings,
            Err(errors) => errors.problems,
        };
        let broken: BTreeSet<_> = problems.iter().map(|problem| problem.rule).collect();
        assert_eq!(broken, BTreeSet::from([rule]), "{name}");
    }
}

/// Rules are found in the source: a rule without an example is a rule nobody has read.
#[test]
fn every_rule_has_an_example() {
    let mut rules = BTreeSet::new();
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources: Vec<_> = std::fs::read_dir(own.join("rules")).unwrap().map(|e| e.unwrap().path()).collect();
    sources.extend(["shape.rs", "syntax.rs"].map(|file| own.join(file)));
    for source in sources {
        let text = std::fs::read_to_string(source).unwrap();
        for opening in [
            "found.error(",
            "found.warn(",
            "Issue::error(",
            "Issue::warning(",
            "let rule = if message.contains(\"duplicate key\") {",
        ] {
            for (at, _) in text.match_indices(opening) {
                let rest = text[at + opening.len()..].trim_start();
                if let Some(rule) = rest.strip_prefix('"').and_then(|rest| rest.split('"').next()) {
                    rules.insert(rule.to_owned());
                }
            }
        }
    }
    assert!(rules.len() > 70, "found only {rules:?}");
    let shown: BTreeSet<_> = files()
        .iter()
        .map(|path| path.file_stem().unwrap().to_str().unwrap().split('-').next().unwrap().to_owned())
        .collect();
    let missing: Vec<_> = rules.difference(&shown).collect();
    assert!(missing.is_empty(), "no file in tests/mistakes for {missing:?}");
}

#[test]
fn a_file_that_is_not_there() {
    let errors = load(Path::new("nowhere/gameday.toml")).unwrap_err();
    assert_eq!(
        errors.render(false, 200),
        "  × cannot read nowhere/gameday.toml: No such file or directory (os error 2) (no_file)\n  help: `gameday init` \
         writes one, with every key explained; -c FILE names another\n\nnowhere/gameday.toml: 1 error\n"
    );
}

#[test]
fn a_file_that_is_not_text() {
    let path = std::env::temp_dir().join(format!("gameday-config-{}.toml", std::process::id()));
    std::fs::write(&path, b"name = \"x\"\nregion = \"\xff\"\n").unwrap();
    let errors = load(&path).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(errors.problems[0].rule, "no_file");
    assert!(errors.problems[0].message.ends_with("is not UTF-8 text (line 2)"), "{errors:?}");
}

#[test]
fn colors_only_when_asked() {
    let errors = parse("gameday.toml", "name = 'X'\n").unwrap_err();
    assert!(!errors.render(false, 80).contains('\u{1b}'));
    assert!(errors.render(true, 80).contains('\u{1b}'));
}
