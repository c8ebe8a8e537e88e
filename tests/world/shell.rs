//! The shell around gameday, as far as the sandbox is concerned: the home directory, and the user's settings for AWS.
//! See tests/shell.rs.
use crate::{
    support::{path, run},
    tools::pytest::Guard,
};
use std::process::Stdio;

/// Only the sandbox needs a home directory: it can be absent, empty, no folder or read-only.
#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_home_is_no_condition() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("a file");
    let name = format!("test-home-{}", std::process::id());
    let _sandbox = Guard::named(&name);
    for home in [None, Some(""), Some("/proc/nowhere"), Some("/proc"), file.to_str()] {
        let at_home = |line: &str| {
            let stack = path("examples/billing-api.toml");
            let args: Vec<String> = ["-c", &stack].into_iter().chain(line.split(' ')).map(Into::into).collect();
            let done = run(&args, |c| {
                c.env_remove("XDG_CACHE_HOME").env_remove("AWS_CONFIG_FILE").env_remove("AWS_SHARED_CREDENTIALS_FILE");
                match home {
                    Some(home) => c.env("HOME", home),
                    None => c.env_remove("HOME"),
                };
                c.env("GAMEDAY_SANDBOX", &name).stdout(Stdio::piped());
            });
            let text = |b| String::from_utf8(b).expect("it prints UTF-8");
            (done.status.code(), text(done.stdout), text(done.stderr))
        };
        let (code, _, said) = at_home("policy");
        assert_eq!(code, Some(0), "{home:?}: {said}");
        // If `HOME` is absent, the system is asked for it. If it is not writable, the error says what to do.
        let (code, out, said) = at_home("--sandbox status");
        let ways = ["help:", "XDG_CACHE_HOME"].iter().all(|w| said.contains(w));
        assert!(code == Some(1) && (out.starts_with("NOT BUILT") || ways), "{home:?}: {code:?}\n{out}\n{said}");
        at_home("sandbox stop");
    }
}

/// The sandbox ignores the user's own settings for AWS.
#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn the_sandbox_is_the_same_whatever_is_set_for_aws() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broken = folder.path().join("config");
    std::fs::write(&broken, "[profile\nregion\n= x\n").expect("a file");
    let name = format!("test-shell-{}", std::process::id());
    let _sandbox = Guard::named(&name);
    let status = |settings: &[(&str, &str)]| {
        let args = ["-c", &path("examples/billing-api.toml"), "--sandbox", "-o", "json", "status"].map(Into::into);
        let done = run(&args, |c| {
            c.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env("GAMEDAY_SANDBOX", &name);
            c.envs(settings.iter().copied()).stdout(Stdio::piped());
        });
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(done.status.code(), Some(1), "{settings:?}: {said}{}", String::from_utf8_lossy(&done.stderr));
        let seen: serde_json::Value = serde_json::from_str(&said).expect("a status");
        (seen["verdict"].clone(), seen["steps"].clone())
    };
    let usual = status(&[]);
    let config = broken.to_str().expect("UTF-8");
    for settings in [
        &[("AWS_CONFIG_FILE", config), ("AWS_SHARED_CREDENTIALS_FILE", config)][..],
        &[("AWS_PROFILE", "absent")],
        &[("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), ("AWS_ENDPOINT_URL_EC2", "http://127.0.0.1:9")],
        &[("AWS_USE_FIPS_ENDPOINT", "true"), ("AWS_USE_DUALSTACK_ENDPOINT", "true")],
        &[("AWS_CA_BUNDLE", "/nowhere.pem"), ("AWS_ACCESS_KEY_ID", "half a pair")],
    ] {
        assert_eq!(status(settings), usual, "{settings:?}");
    }
}
