//! The command line: help, exit codes, and what works without AWS. Nothing here may make a call: the endpoint is a port
//! that nobody listens on, and a call would take its time and end with exit code 1.
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

const EXAMPLES: &[&str] = &["archive", "billing-api", "container", "highly-available", "locked-down"];

fn gameday() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gameday"));
    for (name, _) in
        std::env::vars().filter(|(n, _)| ["AWS_", "GAMEDAY_", "CLICOLOR", "NO_COLOR"].iter().any(|p| n.starts_with(p)))
    {
        command.env_remove(name);
    }
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .env("AWS_ACCESS_KEY_ID", "x")
        .env("AWS_SECRET_ACCESS_KEY", "y");
    // Help wraps at the width of the terminal.
    command.env("COLUMNS", "100");
    command
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn said(command: &mut Command) -> Said {
    let output = command.output().expect("gameday starts");
    let text = |b| String::from_utf8(b).expect("it prints UTF-8");
    Said { code: output.status.code().expect("it ends by itself"), out: text(output.stdout), err: text(output.stderr) }
}

fn run(args: &[&str]) -> Said {
    said(gameday().args(args))
}

fn example(name: &str) -> String {
    format!("examples/{name}.toml")
}

/// Every verb, as `--help` lists them.
fn verbs() -> Vec<String> {
    let help = run(&["--help"]).out;
    let list = help.split("Commands:").nth(1).expect("a list of commands").split("\n\n").next().unwrap_or_default();
    let verbs = list.lines().filter(|l| l.starts_with("  ") && !l.starts_with("   "));
    verbs.filter_map(|l| l.split_whitespace().next()).filter(|v| *v != "help").map(Into::into).collect()
}

#[test]
fn help_of_every_verb() {
    let verbs = verbs();
    assert!(verbs.len() >= 18, "{verbs:?}");
    let first = run(&["--help"]);
    assert_eq!((first.code, first.err.as_str()), (0, ""));
    insta::assert_snapshot!("help", first.out);
    for verb in &verbs {
        let help = run(&[verb, "--help"]);
        assert_eq!(help.code, 0, "{verb}");
        // The global options are in the first one.
        let own = help.out.split("\nGlobal options:").next().unwrap_or_default();
        insta::assert_snapshot!(format!("help-{verb}"), own);
    }
}

#[test]
fn usage_errors_end_with_2_and_name_the_way_out() {
    for args in [
        &[][..],
        &["bild"],
        &["plan", "--colour"],
        &["plan", "nettwork"],
        &["-o", "yaml", "plan"],
        &["teardown", "--confirm"],
        &["up", "--wait", "--steal"],
        &["up", "--probe", "http://x/", "--no-probe"],
        &["up", "--probe", "/healthcheck"],
        &["status", "--probe", ""],
        &["status", "--probe", "ftp://billing.example.com/"],
        &["serve", "--probe", "http://"],
        &["why", "http:///healthcheck"],
        &["why", "not a url"],
        &["logs", "--instance", "foo"],
        &["completions", "basic"],
        &["--pace", "fast", "plan"],
    ] {
        let said = run(args);
        assert_eq!(said.code, 2, "gameday {args:?}: {}", said.err);
        assert!(said.err.contains("Usage:") || said.err.contains("--help"), "gameday {args:?}: {}", said.err);
        assert_eq!(said.out, "", "gameday {args:?}");
    }
    let json = run(&["plan", "nettwork", "-o", "json"]);
    let object: serde_json::Value = serde_json::from_str(&json.out).expect("one object");
    assert!(json.code == 2 && object["error"]["message"].as_str().is_some_and(|m| m.contains("nettwork")), "{object}");
    assert!(run(&["bild"]).err.contains("unrecognized subcommand"));
    for url in ["billing.example.com/healthcheck", "localhost:8080", "notaurl", "https://billing.example.com"] {
        for verb in [&["why"][..], &["up", "--probe"], &["status", "--probe"], &["serve", "--probe"]] {
            let said = run(&[&["-c", "/nowhere.toml"], verb, &[url]].concat());
            assert!(said.err.contains("/nowhere.toml"), "gameday {verb:?} {url}: {}", said.err);
        }
    }
    assert_eq!(run(&["--version"]).code, 0);
    assert_ne!(run(&["--pace", "fast", "sandbox", "status"]).code, 2, "whoever says sandbox need not say --sandbox");
}

#[test]
fn a_stack_file_that_is_missing_or_wrong_ends_with_2_before_any_call() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let wrong = folder.path().join("wrong.toml");
    std::fs::write(&wrong, "name = \"Bad Name\"\n[service.api]\nsorce = \"https://x/server\"\n").expect("a file");
    for file in ["/nowhere/gameday.toml", wrong.to_str().expect("UTF-8")] {
        for verb in verbs() {
            // These read no stack file.
            if ["schema", "sandbox", "completions", "man"].contains(&verb.as_str()) {
                continue;
            }
            for format in ["human", "json"] {
                // A verb of verbs needs one of them.
                let more: &[&str] = if verb == "targets" { &["list"] } else { &[] };
                let said = run(&[&["-c", file, &verb, "-o", format], more].concat());
                assert_eq!(said.code, 2, "gameday {verb} -c {file}: {}{}", said.out, said.err);
                if format == "json" {
                    let object: serde_json::Value = serde_json::from_str(&said.out).expect("one object");
                    let message = object["error"]["message"].as_str().expect("a message");
                    assert!(message.contains(file) && !message.contains('\u{1b}'), "{message}");
                }
                assert!(
                    said.err.contains(file) || said.out.contains(file),
                    "gameday {verb}: the file is named\n{}",
                    said.err
                );
            }
        }
    }
    let text = run(&["-c", wrong.to_str().expect("UTF-8"), "plan"]).err;
    assert!(
        text.contains("Bad Name") && text.contains("sorce") && text.contains("source"),
        "all mistakes at once:\n{text}"
    );
}

#[test]
fn what_needs_no_aws_prints_json_when_asked() {
    for name in EXAMPLES {
        let file = example(name);
        for args in [&["render"][..], &["render", "--check"], &["policy"]] {
            let said = said(gameday().args(["-c", &file, "-o", "json"]).args(args));
            assert_eq!(said.code, 0, "gameday -c {file} {args:?}: {}{}", said.out, said.err);
            let object: serde_json::Value =
                serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{file} {args:?}: {e}\n{}", said.out));
            assert!(object.as_object().is_some_and(|o| !o.is_empty()), "{file} {args:?}: {object}");
        }
    }
    let status = run(&["sandbox", "status", "-o", "json"]);
    let status: serde_json::Value = serde_json::from_str(&status.out).expect("JSON");
    assert!(status["running"].is_boolean());
}

#[test]
fn every_example_renders_and_is_sound() {
    for name in EXAMPLES {
        let file = example(name);
        let all = run(&["-c", &file, "render"]);
        assert_eq!((all.code, all.err.as_str()), (0, ""), "{file}");
        let names: BTreeSet<&str> =
            all.out.lines().filter_map(|l| l.strip_prefix("==> ")?.strip_suffix(" <==")).collect();
        assert!(names.iter().any(|n| n.contains("user-data")), "{file}: {names:?}");
        for file_name in &names {
            let one = run(&["-c", &file, "render", file_name]);
            assert_eq!(one.code, 0, "{file} render {file_name}");
            assert!(all.out.contains(one.out.trim_end()), "{file}: {file_name} alone is as in all");
        }
        assert!(run(&["-c", &file, "render", "user-data"]).out.starts_with("#!"), "{file}: as help names it");
        let check = run(&["-c", &file, "render", "--check"]);
        assert_eq!(check.code, 0, "{file}: {}", check.out);
        let missing = run(&["-c", &file, "render", "nothing.txt"]);
        assert_eq!(missing.code, 2, "{file}: a file that is not rendered");
        assert!(missing.err.contains("user-data"), "it lists those that are: {}", missing.err);
    }
}

#[test]
fn no_color_and_pipes_get_plain_text() {
    let file = example("billing-api");
    let escape = '\u{1b}';
    let plain = run(&["-c", &file, "render"]);
    assert!(!plain.out.contains(escape), "a pipe gets no colours");
    let forced = said(gameday().args(["-c", &file, "render"]).env("CLICOLOR_FORCE", "1"));
    assert!(forced.out.contains(escape), "CLICOLOR_FORCE gets them");
    let none = said(gameday().args(["-c", &file, "render"]).env("NO_COLOR", "1"));
    assert_eq!(none.out, plain.out);
    let mistake = said(gameday().args(["-c", "/nowhere.toml", "plan"]).env("NO_COLOR", "1"));
    assert!(!mistake.err.contains(escape), "{}", mistake.err);
}

#[test]
fn a_closed_pipe_is_no_error() {
    for args in [&["render"][..], &["schema"], &["man"], &["completions", "bash"], &["policy"], &["--help"]] {
        let mut child = gameday()
            .args(["-c", &example("billing-api")])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("gameday starts");
        // One line, then nobody reads on.
        let mut line = String::new();
        BufReader::with_capacity(16, child.stdout.take().expect("it is piped")).read_line(&mut line).expect("UTF-8");
        let said = child.wait_with_output().expect("it ends");
        let err = String::from_utf8_lossy(&said.stderr);
        assert!(!err.contains("panicked") && !err.contains("Broken pipe"), "gameday {args:?} | head -1: {err}");
        assert_eq!(said.status.code(), Some(0), "gameday {args:?} | head -1: {err}");
    }
}

#[test]
fn completions_and_the_man_page_know_every_verb() {
    let verbs = verbs();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = run(&["completions", shell]);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{shell}");
        let missing: Vec<&String> = verbs.iter().filter(|v| !said.out.contains(v.as_str())).collect();
        assert!(missing.is_empty(), "{shell}: {missing:?}");
    }
    let bash = run(&["completions", "bash"]).out;
    let mut check = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().expect("bash");
    std::io::Write::write_all(&mut check.stdin.take().expect("it is piped"), bash.as_bytes()).expect("bash reads");
    assert!(check.wait().expect("it ends").success(), "bash reads its completions");
    let man = run(&["man"]).out;
    assert!(man.contains(".TH gameday"), "roff");
    let plain = man.replace("\\-", "-");
    let missing: Vec<&String> = verbs.iter().filter(|v| !plain.contains(v.as_str())).collect();
    assert!(missing.is_empty(), "the man page: {missing:?}");
}

#[test]
fn the_schema_beside_the_examples_is_the_one_of_this_binary() {
    let said = run(&["schema"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/gameday.schema.json");
    let file = std::fs::read_to_string(&path).expect("the schema");
    assert_eq!(
        said.out.trim_end(),
        file.trim_end(),
        "`gameday schema > templates/gameday.schema.json` brings it up to date"
    );
    for name in EXAMPLES {
        let text = std::fs::read_to_string(example(name)).expect("an example");
        assert!(text.starts_with("#:schema ../templates/gameday.schema.json\n"), "{name}: editors find the schema");
    }
}

#[test]
fn all_examples_are_tested() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let there: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("examples")
        .filter_map(|e| {
            e.expect("an entry").file_name().into_string().expect("UTF-8").strip_suffix(".toml").map(Into::into)
        })
        .collect();
    assert_eq!(there, EXAMPLES.iter().map(|e| (*e).to_owned()).collect());
}
