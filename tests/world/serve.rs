//! `gameday serve` as a process, against the sandbox: its API as a script uses it, and its page in a real browser.
//!
//! The tests themselves are Python (`tests/serve/`), which drives the browser.
use crate::tools::pytest;

use std::{path::Path, process::Command};

fn pytest(name: &str, env: &[(&str, &str)]) {
    let screens = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/serve-screens");
    pytest::in_a_sandbox("serve", &format!("serve/test_{name}.py"), |pytest| {
        pytest.env("GAMEDAY_SCREENS", screens).env_remove("GAMEDAY_TOKEN").envs(env.iter().copied());
    });
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn the_api_answers_and_refuses_as_it_should() {
    pytest("api", &[]);
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn what_others_do_to_it_has_bounds() {
    pytest("bounds", &[]);
}

/// Chromium is installed if it is missing, as root on Debian or Ubuntu. Elsewhere it has to exist.
#[test]
#[ignore = "needs the sandbox and Chromium: cargo test -- --include-ignored"]
fn the_page_shows_in_a_browser_what_is() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/prepare.sh");
    let found = Command::new("bash").arg(script).output().unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let chromium = String::from_utf8(found.stdout).unwrap();
    pytest("page", &[("GAMEDAY_CHROMIUM", chromium.trim())]);
}
