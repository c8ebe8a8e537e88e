//! The shell around gameday: an output that cannot be written, a reader that is gone, a locale that knows only ASCII.
mod support;

use std::{
    fs::File,
    process::{Command, Output, Stdio},
};
use support::{path, run};

/// Returns command lines that print something without an account.
fn verbs() -> Vec<Vec<String>> {
    let stack = path("examples/billing-api.toml");
    let seen = path("tests/fixtures/why/listener-deleted.json");
    let unbroken = path("tests/fixtures/why/unbroken.json");
    let on_stack = [
        "policy",
        "render",
        "render user-data",
        "render --check",
        "cost --planned",
        "-o json policy",
        "-o json render",
    ];
    let mut all: Vec<Vec<String>> = on_stack
        .iter()
        .map(|verb| ["-c", &stack].into_iter().chain(verb.split(' ')).map(Into::into).collect())
        .collect();
    let alone =
        ["schema", "man", "completions zsh", "completions bash", "--help", "--version", "help status", "up --help"];
    all.extend(alone.iter().map(|verb| verb.split(' ').map(Into::into).collect()));
    for (json, file) in [(false, &seen), (true, &seen), (false, &unbroken)] {
        let mut why: Vec<String> = vec!["why".into(), "--from".into(), file.clone()];
        why.extend(json.then(|| ["-o".to_owned(), "json".to_owned()]).into_iter().flatten());
        all.push(why);
    }
    all
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs /dev/full")]
fn a_full_disk_is_an_error_of_every_verb() {
    for args in verbs() {
        let full = run(&args, |c| {
            c.stdout(File::options().write(true).open("/dev/full").expect("/dev/full"));
        });
        let said = String::from_utf8(full.stderr).unwrap();
        assert_eq!(full.status.code(), Some(1), "{args:?}: {said}");
        assert_eq!(said.matches("cannot write to stdout: No space left on device").count(), 1, "{args:?}: {said}");
    }
}

#[test]
fn a_reader_who_has_gone_is_no_error() {
    for args in verbs() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let gone = run(&args, |c| {
            c.stdout(writer.try_clone().expect("a second end"));
        });
        let whole = run(&args, |c| {
            c.stdout(Stdio::null());
        });
        assert_eq!(gone.status.code(), whole.status.code(), "{args:?}");
        assert_eq!(gone.stderr, whole.stderr, "{args:?}");
    }
}

/// A stack file behind a link, in a folder with accents, or from a pipe is the same stack.
#[test]
fn where_the_stack_file_lies_makes_no_difference() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let there = folder.path().join("Équipe éphémère");
    std::fs::create_dir(&there).expect("a folder");
    std::fs::copy(path("examples/billing-api.toml"), there.join("stäck.toml")).expect("a copy");
    std::os::unix::fs::symlink(there.join("stäck.toml"), folder.path().join("link.toml")).expect("a link");
    let policy = |file: &str, change: &dyn Fn(&mut Command)| {
        let args = ["-c", file, "policy"].map(Into::into);
        let done = run(&args, |c| {
            c.stdout(Stdio::piped());
            change(c);
        });
        assert!(done.status.success(), "{file}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    };
    let usual = policy(&path("examples/billing-api.toml"), &|_| ());
    for file in [there.join("stäck.toml"), folder.path().join("link.toml")] {
        assert_eq!(policy(&file.display().to_string(), &|_| ()), usual, "{}", file.display());
    }
    let piped = |c: &mut Command| {
        c.stdin(File::open(path("examples/billing-api.toml")).expect("the example"));
    };
    assert_eq!(policy("/dev/stdin", &piped), usual);
}

/// Runs a command with these variables of the locale, and no others.
fn in_locale(args: &[String], locale: &[(&str, &str)]) -> Output {
    run(args, |c| {
        c.stdout(Stdio::piped());
        ["LC_ALL", "LC_CTYPE", "LANG", "LC_MESSAGES"].iter().for_each(|v| {
            c.env_remove(v);
        });
        c.envs(locale.iter().copied());
    })
}

#[test]
fn without_utf8_everything_for_people_is_ascii() {
    let mistake = path("tests/mistakes/zones_too_few.toml");
    let mut all = verbs();
    all.push(vec!["-c".into(), mistake, "render".into(), "--check".into()]);
    all.push(vec!["-c".into(), "missing…toml".into(), "plan".into()]);
    all.push(vec!["--no-such-option".into()]);
    let in_utf8 = [("LC_ALL", "C.UTF-8")];
    let mut had_more = 0;
    for args in all {
        let rich = in_locale(&args, &in_utf8);
        had_more += usize::from(!rich.stdout.is_ascii() || !rich.stderr.is_ascii());
        let own_text = ["policy", "render", "schema", "man", "completions"].iter().any(|v| args.iter().any(|a| a == v));
        let own_text = (own_text || args.iter().any(|a| a == "json")) && !args.iter().any(|a| a == "--check");
        for locale in
            [&[("LC_ALL", "C")][..], &[("LANG", "POSIX")], &[("LANG", "en_US.ISO-8859-1"), ("TERM", "dumb")], &[]]
        {
            let plain = in_locale(&args, locale);
            assert_eq!(plain.status.code(), rich.status.code(), "{args:?} {locale:?}");
            assert!(plain.stderr.is_ascii(), "{args:?} {locale:?}: {}", String::from_utf8_lossy(&plain.stderr));
            if own_text {
                assert_eq!(plain.stdout, rich.stdout, "{args:?} {locale:?}: what is not ours stays as it is");
            } else {
                assert!(plain.stdout.is_ascii(), "{args:?} {locale:?}: {}", String::from_utf8_lossy(&plain.stdout));
            }
        }
        let falls_through = in_locale(&args, &[("LC_ALL", ""), ("LC_CTYPE", "en_US.utf8"), ("LANG", "C")]);
        assert_eq!(falls_through.stdout, rich.stdout, "{args:?}: an empty LC_ALL says nothing");
    }
    assert!(had_more >= 4, "only {had_more} of them have something to translate");
}
