//! Endless files and templates that never finish: the real binary reports them, soon, and in little memory.
mod support;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

/// The memory limit in KiB: what a verb needs, and as much again for what it tries before it is stopped.
const MOST: &str = "1048576";

fn gameday(folder: &Path, args: &[&str]) -> (i32, String) {
    // The system kills a process that takes more memory than that.
    let mut command = support::gameday_under("sh", &["-c", r#"ulimit -d "$0" && exec "$@""#, MOST]);
    command.current_dir(folder).args(args).env("COLUMNS", "200");
    // No server listens there: none of these commands is allowed to ask AWS anything.
    command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let Output { status, stdout, stderr } = command.output().expect("gameday starts");
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    (status.code().unwrap_or_else(|| panic!("{args:?} was killed: {status}\n{text}")), text)
}

/// Creates a folder with a stack file that has these lines in its service.
fn stack(lines: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("name = \"billing\"\n\n[service.api]\nsource = \"https://example.com/server\"\n{lines}\n");
    fs::write(folder.path().join("gameday.toml"), text).unwrap();
    folder
}

#[test]
fn files_without_an_end_are_refused() {
    let folder = stack("");
    let at = |name: &str| folder.path().join(name);
    // The file is sparse: it takes no space on the disk.
    fs::File::create(at("sparse")).unwrap().set_len(8 << 30).unwrap();
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    for file in ["/dev/zero", "/dev/urandom", "sparse"] {
        for args in [
            vec!["-c", file, "render"],
            vec!["why", "--from", file],
            vec!["cost", "--planned", "--prices", file],
            vec!["serve", "--token-file", file],
        ] {
            let (code, said) = gameday(folder.path(), &args);
            assert!(code == 1 || code == 2, "{args:?} ended with {code}: {said}");
            assert!(said.contains("holds more than") && said.contains(file), "{args:?}: {said}");
        }
    }
    for args in [vec!["-c", "pipe", "render"], vec!["why", "--from", "pipe"], vec!["serve", "--token-file", "pipe"]] {
        let (code, said) = gameday(folder.path(), &args);
        assert!(code == 1 || code == 2, "{args:?} ended with {code}: {said}");
    }
    for key in ["config", "user_data"] {
        for file in ["sparse", "/dev/zero"] {
            let folder = stack(&format!("{key} = {file:?}"));
            if file == "sparse" {
                fs::hard_link(at("sparse"), folder.path().join("sparse")).unwrap();
            }
            let (code, said) = gameday(folder.path(), &["render"]);
            assert!(code == 2 && said.contains(file), "{key}: {said}");
        }
    }
}

#[test]
fn templates_without_an_end_are_refused() {
    let twice = "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}";
    // Each line doubles the text: few steps, and four GiB if there is no limit.
    let doubled = format!("{{% set x = 'x' * 1024 %}}\n{}", "{% set x = x ~ x %}\n".repeat(22));
    let kept = format!("{{% set x = 'x' * 1024 %}}\n{}", "{% set x %}{{ x }}{{ x }}{% endset %}\n".repeat(22));
    for (name, text, why) in
        [("twice.j2", twice, "steps"), ("doubled.j2", doubled.as_str(), "memory"), ("kept.j2", kept.as_str(), "memory")]
    {
        let folder = stack(&format!("config = {name:?}"));
        fs::write(folder.path().join(name), text).unwrap();
        let (code, said) = gameday(folder.path(), &["render"]);
        assert!(code == 2 && said.contains(name) && said.contains(why), "{name} ended with {code}: {said}");
    }
    let folder = stack(&format!("env = {{ KEY = \"{twice}\" }}"));
    let (code, said) = gameday(folder.path(), &["render"]);
    assert!(code == 2 && said.contains("env.KEY") && said.contains("steps"), "{said}");
}

#[test]
fn syntax_that_takes_stack_or_memory_is_refused() {
    let elif = format!("{{% if false %}}{}{{% endif %}}", "{% elif false %}x".repeat(20_000));
    for (what, text) in [
        ("a long sum", format!("{{{{ 1{} }}}}", "+1".repeat(20_000))),
        ("signs", format!("{{{{ {}1 }}}}", "-".repeat(20_000))),
        ("filters", format!("{{{{ 1{} }}}}", "|abs".repeat(20_000))),
        ("conditions", format!("{{{{ {}1 }}}}", "not ".repeat(20_000))),
        ("branches", elif),
        ("a wide number", "{{ '%1000000000000d'|format(1) }}".into()),
        ("a width that is given", "{{ '%*d'|format(1000000000000, 1) }}".into()),
        ("an indentation", "{{ 'x'|indent(100000000000) }}".into()),
        ("one that is named", "{{ 'x'|indent(width=100000000000) }}".into()),
        ("JSON", "{{ [1]|tojson(indent=100000000000) }}".into()),
    ] {
        let folder = stack("config = \"own.j2\"");
        fs::write(folder.path().join("own.j2"), text).unwrap();
        let (code, said) = gameday(folder.path(), &["render"]);
        assert!(code == 2 && said.contains("own.j2"), "{what} ended with {code}: {said}");
    }
    let fine = "{{ 'a\nb'|indent(2) }} {{ [1]|tojson(indent=2) }} {{ '%05.1f and %d'|format(1.5, 123456) }}";
    let folder = stack("config = \"own.j2\"");
    fs::write(folder.path().join("own.j2"), fine).unwrap();
    let (code, said) = gameday(folder.path(), &["render", "own"]);
    assert!(code == 0 && said.contains("  b") && said.contains("001.5 and 123456"), "{said}");
}

#[test]
fn a_file_of_nothing_but_mistakes_is_answered_with_some_of_them() {
    let lines = |line: &dyn Fn(usize) -> String| (0..20_000).map(line).collect::<String>();
    for (what, text) in [
        ("one key again and again", lines(&|_| "x = 1\n".into())),
        ("unknown tables", lines(&|i| format!("[s{i}]\n"))),
        ("unclosed syntax", format!("env = {{ KEY = '{}' }}", "{{".repeat(200_000))),
        ("values", format!("[service.api.env]\n{}", lines(&|i| format!("A{i} = '{{{{ x }}}}'\n")))),
        ("networks", format!("[access]\nhttp = [{}]", lines(&|_| "'10.0.0.0/8', ".into()))),
        ("parameters", format!("[database.parameters]\n{}", lines(&|i| format!("p{i} = 'x'\n")))),
    ] {
        let folder = stack(&text);
        let (code, said) = gameday(folder.path(), &["render"]);
        assert!(code == 2 && said.len() < 200_000, "{what} ended with {code} and {} bytes", said.len());
    }
}

#[test]
fn a_snapshot_that_is_none_is_told_from_one() {
    let folder = stack("");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/why/unbroken.json");
    fs::copy(fixture, folder.path().join("seen.json")).unwrap();
    let (code, said) = gameday(folder.path(), &["why", "--from", "seen.json"]);
    assert_eq!(code, 0, "{said}");
    // A file that is cut, doubled or something else is an error that says so.
    let text = fs::read_to_string(folder.path().join("seen.json")).unwrap();
    for (name, text) in
        [("cut", text[..text.len() / 2].to_owned()), ("twice", text.repeat(2)), ("deep", "[".repeat(1 << 20))]
    {
        fs::write(folder.path().join(name), text).unwrap();
        let (code, said) = gameday(folder.path(), &["why", "--from", name]);
        assert!(code == 1 && said.contains("not a snapshot"), "{name}: {said}");
    }
}
