//! What must survive: cuts, bad days, races, drift, second thoughts. The real binary against the sandbox, its faults
//! and a second pair of hands (boto3); each file of `tests/resilience/` is one law, with a sandbox of its own.
//!
//! `cargo test --test resilience` runs the fast form. The long one, with its counts:
//!
//! ```sh
//! GAMEDAY_CUTS=all GAMEDAY_SEEDS=100 cargo test --test resilience -- --nocapture --test-threads 2
//! ```
use gameday::sandbox::{Pace, Sandbox};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

fn quiet(_: &str) {}

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Stops the sandbox and forgets its folder, also when the test fails.
struct Guard(Sandbox);
impl Drop for Guard {
    fn drop(&mut self) {
        let _ = block(self.0.stop());
        self.0.forget();
    }
}

/// pytest, beside the sandbox's own packages; the same folder as the sandbox's tests use.
fn pytest(python: &Path, root: &Path) -> PathBuf {
    static EXTRA: OnceLock<PathBuf> = OnceLock::new();
    EXTRA
        .get_or_init(|| {
            let extra = root.join("target/sandbox-pytest");
            if !extra.join("pytest").exists() {
                let mut pip = Command::new(python);
                pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]).arg(&extra);
                pip.arg("-r").arg(root.join("tests/sandbox/requirements.txt"));
                assert!(pip.status().unwrap().success(), "pytest could not be installed");
            }
            extra
        })
        .clone()
}

fn law(name: &str) {
    let sandbox = format!("test-{name}-{}", std::process::id());
    let guard = Guard(Sandbox::of_user_named(&sandbox).unwrap());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = block(guard.0.install(&quiet)).unwrap().python;
    let running = block(guard.0.ensure(Some(Pace::Instant), quiet)).unwrap();
    let mut pytest_ = Command::new(&python);
    pytest_.args(["-m", "pytest", "-q", "-s", "-x", "--tb=short", "-p", "no:cacheprovider"]);
    pytest_.arg(root.join(format!("tests/resilience/test_{name}.py")));
    pytest_.env("PYTHONPATH", pytest(&python, root)).env("PYTHONPYCACHEPREFIX", root.join("target/sandbox-pycache"));
    pytest_.env("GAMEDAY_BINARY", env!("CARGO_BIN_EXE_gameday")).env("GAMEDAY_SANDBOX", &sandbox);
    pytest_.env("GAMEDAY_SANDBOX_URL", &running.endpoint).stdin(Stdio::null());
    let out = pytest_.output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}\n{}", String::from_utf8_lossy(&out.stderr));
    for line in text.lines().filter(|l| l.starts_with("count:")) {
        println!("{line}");
    }
}

#[test]
fn a_run_cut_anywhere_is_finished_by_the_next() {
    law("cuts");
}

#[test]
fn a_bad_day_ends_with_each_object_once() {
    law("bad_day");
}

#[test]
fn teammates_make_nothing_twice() {
    law("teammates");
}

#[test]
fn drift_is_shown_and_repaired_and_nothing_else() {
    law("drift");
}

#[test]
fn what_lost_its_tags_is_found_and_asked_for() {
    law("stripped");
}

#[test]
fn a_changed_mind_is_followed_or_refused_with_the_way_out() {
    law("mind");
}

#[test]
fn a_group_switched_to_use_or_off_takes_what_was_ours_and_nothing_else() {
    law("switches");
}

#[test]
fn another_name_or_port_of_the_service_is_a_handover_without_a_gap() {
    law("handover");
}

#[test]
fn ctrl_c_stops_and_what_stands_is_resumed() {
    law("interrupt");
}

#[test]
fn teardown_deletes_ours_and_names_who_is_in_the_way() {
    law("teardown");
}

#[test]
fn each_refusal_of_the_account_is_one_clear_error() {
    law("errors");
}
