//! The command line: help, exit codes, and what works without AWS.
//!
//! No test here makes a call, except those of credentials. No server listens at the endpoint, so a call would take its
//! time and end with exit code 1.
mod support;

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
};
use support::Said;

const EXAMPLES: &[&str] =
    &["archive", "billing-api", "container", "highly-available", "locked-down", "lookup", "private", "root-and-lookup"];

fn gameday() -> Command {
    let mut command = support::gameday();
    // Help wraps at the width of the terminal.
    command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").env("COLUMNS", "100");
    command
}

fn said(command: &mut Command) -> Said {
    let output = command.output().expect("gameday starts");
    Said::of(format!("{:?}", Vec::from_iter(command.get_args())), output)
}

fn run(args: &[&str]) -> Said {
    said(gameday().args(args))
}

fn example(name: &str) -> String {
    format!("examples/{name}.toml")
}

/// Returns what a shell offers for the last word of a line.
fn completed(line: &[&str]) -> Vec<String> {
    let mut command = gameday();
    command.arg("--").arg("gameday").args(line).env("_GAMEDAY_COMPLETE", "bash").env("_CLAP_IFS", "\n");
    command.env("_CLAP_COMPLETE_INDEX", line.len().to_string()).env("_CLAP_COMPLETE_COMP_TYPE", "9");
    said(&mut command).out.lines().map(|l| l.trim().to_owned()).collect()
}

/// Returns every verb, as `--help` lists them.
fn verbs() -> Vec<String> {
    let help = run(&["--help"]).out;
    let list = help.split("\nOptions:").next().expect("verbs come before the options");
    let verbs = list.lines().filter(|l| l.starts_with("  ") && !l.starts_with("   "));
    verbs.filter_map(|l| l.split_whitespace().next()).map(Into::into).collect()
}

#[test]
fn help_of_every_verb() {
    let verbs = verbs();
    assert!(verbs.len() >= 15, "{verbs:?}");
    let first = run(&["--help"]);
    assert_eq!((first.code, first.err.as_str()), (0, ""));
    insta::assert_snapshot!("help", first.out);
    for verb in &verbs {
        let help = run(&[verb, "--help"]);
        assert_eq!(help.code, 0, "{verb}");
        // The global options are in the first snapshot.
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
        &["up", "--steal", "--no-lease"],
        &["teardown", "--confirm", "billing", "--wait", "--no-lease"],
        &["up", "--patience", "18446744073709551615"],
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
    let error = &object["errors"][0];
    assert!(json.code == 2 && error["code"] == "usage" && json.err.is_empty(), "{object}");
    assert!(error["message"].as_str().is_some_and(|m| m.contains("nettwork")), "{object}");
    assert!(run(&["bild"]).err.contains("unrecognized subcommand"));
    // A tip is given only if the words are similar.
    assert!(!run(&["start"]).err.contains("targets") && run(&["tear"]).err.contains("teardown"));
    // Without arguments, the error says where to begin.
    assert!(run(&[]).err.contains("gameday init"));
    let none = run(&["-c", "/dev/null", "teardown", "--yes"]);
    assert!(
        none.code == 2 && none.err.contains("--confirm") && none.err.contains("nothing was deleted"),
        "{}",
        none.err
    );
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
            // These verbs read no stack file.
            if ["init", "schema", "sandbox", "completions", "man"].contains(&verb.as_str()) {
                continue;
            }
            for format in ["human", "json"] {
                // A verb with subcommands needs one of them.
                let more: &[&str] = if verb == "targets" { &["list"] } else { &[] };
                let said = run(&[&["-c", file, &verb, "-o", format], more].concat());
                assert_eq!(said.code, 2, "gameday {verb} -c {file}: {}{}", said.out, said.err);
                if format == "json" {
                    let object: serde_json::Value = serde_json::from_str(&said.out).expect("one object");
                    let errors = object["errors"].as_array().expect("errors");
                    assert!(errors.iter().all(|e| e["file"] == file && e["line"].is_u64() && e["help"].is_string()));
                    assert!(!said.out.contains('\u{1b}') && said.err.is_empty(), "{}{}", said.out, said.err);
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
fn the_region_of_the_command_line_keeps_the_rules_of_the_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("gameday.toml");
    let text = "name = \"shop\"\nregion = \"eu-west-1\"\nzones = [\"eu-west-1a\", \"eu-west-1b\"]\n\
                [service.api]\nsource = \"https://x/server\"\n";
    std::fs::write(&file, text).expect("a file");
    let file = file.to_str().expect("UTF-8");
    for verb in ["plan", "status", "teardown", "render", "policy"] {
        let mars = run(&["-c", file, verb, "--region", "mars-1"]);
        assert_eq!(mars.code, 2, "gameday {verb}: {}", mars.err);
        assert!(mars.err.contains("--region: \"mars-1\" is not an AWS region"), "{}", mars.err);
        assert!(!mars.err.contains("region = "), "the file's own is not the mistake:\n{}", mars.err);
        let there = run(&["-c", file, verb, "--region", "us-east-1"]);
        assert_eq!(there.code, 2, "gameday {verb}: {}", there.err);
        assert!(there.err.contains("\"eu-west-1b\" is not a zone of us-east-1"), "{}", there.err);
        assert!(there.err.contains("or use --region eu-west-1"), "{}", there.err);
    }
    assert_eq!(run(&["-c", file, "render", "--region", "eu-west-1"]).code, 0);
    // With `--region`, a mistake in the file's region does not matter.
    let wrong = folder.path().join("wrong.toml");
    std::fs::write(&wrong, text.replace("region = \"eu-west-1\"", "region = \"mars-1\"")).expect("a file");
    let wrong = wrong.to_str().expect("UTF-8");
    assert_eq!(run(&["-c", wrong, "render"]).code, 2);
    assert_eq!(run(&["-c", wrong, "render", "--region", "eu-west-1"]).code, 0);
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
        let mut first: Option<&str> = None;
        for name in &names {
            // With several services the name of each is before its files.
            let (service, file_name) = name.split_once(": ").map_or((None, *name), |(s, name)| (Some(s), name));
            let of_service = service.map_or(vec![], |service| vec!["--service", service]);
            first = first.or(service);
            let one = run(&[&["-c", &file, "render", file_name][..], &of_service].concat());
            assert_eq!(one.code, 0, "{file} render {file_name}");
            assert!(all.out.contains(one.out.trim_end()), "{file}: {file_name} alone is as in all");
        }
        let of_first = first.map_or(vec![], |service| vec!["--service", service]);
        let user_data = run(&[&["-c", &file, "render", "user-data"][..], &of_first].concat());
        assert!(user_data.out.starts_with("#!"), "{file}: as help names it");
        let check = run(&["-c", &file, "render", "--check"]);
        assert_eq!(check.code, 0, "{file}: {}", check.out);
        let missing = run(&[&["-c", &file, "render", "nothing.txt"][..], &of_first].concat());
        assert_eq!(missing.code, 2, "{file}: a file that is not rendered");
        assert!(missing.err.contains("user-data"), "it lists those that are: {}", missing.err);
    }
}

#[test]
fn endpoints_of_the_stack_file_are_rendered_as_they_are() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, template) = (folder.path().join("gameday.toml"), folder.path().join("server.ini.j2"));
    let text =
        "{{ database.host }} {{ database.port }} {{ cache.host }} {{ cache.port }} {{ cache.nodes | join(' ') }}";
    std::fs::write(&template, text).expect("a template");
    for engine in ["redis", "valkey", "memcached"] {
        let stack = format!(
            "name = \"shop\"\n[database]\nmode = \"use\"\nendpoint = \"db.example.com:3307\"\n\
             [secrets]\nmode = \"use\"\nmaster_password = \"/shop/master\"\napp_password = \"/shop/app\"\n\
             [cache]\nmode = \"use\"\nengine = \"{engine}\"\nendpoint = \"cache.example.com:7000\"\n\
             [files]\nmode = \"use\"\nfile_system = \"fs-0123456789abcdef0\"\n\
             [service.api]\nsource = \"https://example.com/server\"\nconfig = \"server.ini.j2\"\n"
        );
        std::fs::write(&file, stack).expect("a stack file");
        let rendered = |name: &str| said(gameday().arg("-c").arg(&file).args(["render", name]));
        let config = rendered("server.ini");
        let (database, cache) = ("db.example.com 3307", "cache.example.com 7000 cache.example.com:7000");
        assert_eq!((config.out.trim(), config.err.as_str()), (&*format!("{database} {cache}"), ""), "{engine}");
        let boot = rendered("user-data");
        assert!(boot.out.contains("fs-0123456789abcdef0"), "{engine}: {}", boot.out);
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
        // Read one line, then close the pipe.
        let mut line = String::new();
        BufReader::with_capacity(16, child.stdout.take().expect("it is piped")).read_line(&mut line).expect("UTF-8");
        let said = child.wait_with_output().expect("it ends");
        let err = String::from_utf8_lossy(&said.stderr);
        assert!(!err.contains("panicked") && !err.contains("Broken pipe"), "gameday {args:?} | head -1: {err}");
        assert_eq!(said.status.code(), Some(0), "gameday {args:?} | head -1: {err}");
    }
}

/// Returns a command that runs `gameday` with two profiles and without keys in the environment.
fn with_profiles(folder: &Path) -> Command {
    let file = folder.join("config");
    let text = "[default]\nregion = eu-west-1\n[profile work]\naws_access_key_id = AKIDOFWORK\n\
                aws_secret_access_key = y\n[profile bare]\nregion = eu-west-1\n";
    std::fs::write(&file, text).expect("a file");
    let mut command = gameday();
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    command.env("AWS_CONFIG_FILE", file).env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command.args(["-c", &example("billing-api")]);
    command
}

/// Returns the access keys that a run signs its calls with. Each call is refused.
fn keys_of(command: &mut Command) -> BTreeSet<String> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    command.env("AWS_ENDPOINT_URL", format!("http://{}", listener.local_addr().expect("an address")));
    let (tell, told) = std::sync::mpsc::channel();
    // The thread ends with the test.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tell = tell.clone();
            std::thread::spawn(move || {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|l| !l.is_empty());
                // A connection that turned out not to be needed sends nothing.
                if let Some(key) =
                    lines.find_map(|l| Some(l.split_once("Credential=")?.1.split('/').next()?.to_owned()))
                {
                    _ = tell.send(key);
                }
                let refuse = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                _ = (&stream).write_all(refuse);
            });
        }
    });
    assert_eq!(said(command).code, 1, "all was refused");
    told.try_iter().collect()
}

#[test]
fn a_profile_that_is_named_wins_over_keys_in_the_environment() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let with_keys = || {
        let mut command = with_profiles(folder.path());
        command.env("AWS_ACCESS_KEY_ID", "AKIDOFSHELL").env("AWS_SECRET_ACCESS_KEY", "y");
        command
    };
    let one = |key: &str| BTreeSet::from([key.to_owned()]);
    assert_eq!(keys_of(with_keys().args(["plan"])), one("AKIDOFSHELL"));
    assert_eq!(keys_of(with_keys().args(["plan", "--profile", "work"])), one("AKIDOFWORK"));
    // As with the AWS CLI, keys in the environment win over `AWS_PROFILE`.
    assert_eq!(keys_of(with_keys().args(["plan"]).env("AWS_PROFILE", "work")), one("AKIDOFSHELL"));
    assert_eq!(keys_of(with_profiles(folder.path()).args(["plan"]).env("AWS_PROFILE", "work")), one("AKIDOFWORK"));
}

#[test]
fn missing_credentials_are_said_with_the_ways_to_have_some() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for verb in ["plan", "up", "status", "why", "teardown", "logs"] {
        let none = said(with_profiles(folder.path()).arg(verb));
        assert_eq!((none.code, none.out.as_str()), (1, ""), "gameday {verb}: {}", none.err);
        assert!(none.err.contains("no AWS credentials found"), "gameday {verb}: {}", none.err);
        for way in ["AWS_ACCESS_KEY_ID", "aws sso login", "--profile"] {
            assert!(none.err.contains(way), "gameday {verb} names {way}: {}", none.err);
        }
    }
    let named = said(with_profiles(folder.path()).args(["plan", "--profile", "nope"]));
    let set = said(with_profiles(folder.path()).arg("plan").env("AWS_PROFILE", "nope"));
    for nope in [named, set] {
        assert_eq!(nope.code, 1);
        assert!(nope.err.contains("there is no profile nope in "), "{}", nope.err);
        assert!(nope.err.contains("bare, default, work"), "the ones that are there: {}", nope.err);
    }
    let bare = said(with_profiles(folder.path()).args(["plan", "--profile", "bare"]));
    assert!(bare.err.contains("the profile bare in ") && bare.err.contains("has no credentials"), "{}", bare.err);
}

#[test]
fn completions_and_the_man_page_know_every_verb() {
    let verbs = verbs();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = run(&["completions", shell]);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{shell}");
        assert!(said.out.contains("_GAMEDAY_COMPLETE"), "{shell}: the script asks this program");
    }
    // Completion offers verbs, and names that come from the stack file, the profiles and AWS's regions.
    let offered = verbs.iter().filter(|v| !completed(&[v.as_str()]).contains(*v)).collect::<Vec<_>>();
    let all = completed(&[""]);
    assert!(verbs.iter().all(|v| all.contains(v)), "by their own names: {all:?}");
    assert!(["apply", "destroy", "diff", "network"].iter().all(|v| !all.iter().any(|o| o == v)), "{all:?}");
    assert!(offered.is_empty(), "not offered: {offered:?}");
    let file = example("billing-api");
    for (line, one) in [
        (&["-c", file.as_str(), "up", "--replace", "data"][..], "database/main"),
        (&["--region", "eu-ce"], "eu-central-1"),
        (&["schema", "sta"], "status"),
    ] {
        assert!(completed(line).iter().any(|c| c == one), "{line:?}: {:?}", completed(line));
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

/// A stack file from somebody else cannot read files of the user who runs it, because the user data goes to machines
/// that run the author's code.
#[test]
fn a_stack_file_takes_no_file_from_outside_its_folder_unless_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let (stack, secret) = (folder.path().join("stack"), folder.path().join("secret.sql"));
    std::fs::create_dir(&stack).expect("a folder");
    std::fs::write(&secret, "SELECT 'CANARY';\n").expect("a file");
    std::os::unix::fs::symlink("../secret.sql", stack.join("seed.sql")).expect("a link");
    let file = stack.join("gameday.toml");
    for (named, verb) in [
        ("seed.sql", "render"),
        ("../secret.sql", "plan"),
        (secret.to_str().expect("UTF-8"), "up"),
        ("/proc/self/environ", "render"),
        ("/dev/zero", "policy"),
    ] {
        let text = format!(
            "name = \"shop\"\n[database]\nsql = [{named:?}]\n[service.api]\nsource = \"https://example.com/server\"\n"
        );
        std::fs::write(&file, text).expect("a stack file");
        let said = said(gameday().arg("-c").arg(&file).arg(verb).env("AWS_SECRET_ACCESS_KEY", "CANARY"));
        assert_eq!(said.code, 2, "{named}: {}{}", said.out, said.err);
        assert!(said.err.contains("file_outside") && said.err.contains("--include-outside"), "{named}: {}", said.err);
        assert!(!said.out.contains("CANARY") && !said.err.contains("CANARY"), "{named}: {}{}", said.out, said.err);
    }
    let text =
        "name = \"shop\"\n[database]\nsql = [\"seed.sql\"]\n[service.api]\nsource = \"https://example.com/server\"\n";
    std::fs::write(&file, text).expect("a stack file");
    let told = said(gameday().arg("-c").arg(&file).arg("render").arg("--include-outside").arg(folder.path()));
    assert!(told.code == 0 && told.out.contains("CANARY"), "{}{}", told.out, told.err);
}
