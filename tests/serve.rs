//! `gameday serve` as a process, against the sandbox: its API as a script uses it, its page in a real browser.
//! The tests themselves are Python (`tests/serve/`): a browser is driven from there.
use gameday::sandbox::{Pace, Sandbox};
use std::{
    path::Path,
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

/// pytest and playwright, beside the sandbox's own packages.
fn packages(python: &Path, root: &Path) -> &'static Path {
    static EXTRA: OnceLock<std::path::PathBuf> = OnceLock::new();
    EXTRA.get_or_init(|| {
        let list = root.join("tests/serve/requirements.txt");
        let (extra, done) = (root.join("target/serve-pytest"), root.join("target/serve-pytest/requirements.txt"));
        // Another list of packages is another folder's content: what is there half or of another day is made anew.
        if std::fs::read(&done).ok() != std::fs::read(&list).ok() {
            let _ = std::fs::remove_dir_all(&extra);
            let mut pip = Command::new(python);
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]).arg(&extra);
            assert!(pip.arg("-r").arg(&list).status().unwrap().success(), "playwright could not be installed");
            std::fs::copy(&list, &done).unwrap();
        }
        extra
    })
}

fn pytest(name: &str, env: &[(&str, &str)]) {
    let sandbox = format!("test-serve-{name}-{}", std::process::id());
    let guard = Guard(Sandbox::of_user_named(&sandbox).unwrap());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = block(guard.0.install(&quiet)).unwrap().python;
    let running = block(guard.0.ensure(Some(Pace::Instant), quiet)).unwrap();
    let mut run = Command::new(&python);
    run.args(["-m", "pytest", "-q", "-x", "--tb=short", "-p", "no:cacheprovider"]);
    run.arg(root.join(format!("tests/serve/test_{name}.py")));
    run.env("PYTHONPATH", packages(&python, root)).env("PYTHONPYCACHEPREFIX", root.join("target/sandbox-pycache"));
    run.env("GAMEDAY_BINARY", env!("CARGO_BIN_EXE_gameday")).env("GAMEDAY_SANDBOX", &sandbox);
    run.env("GAMEDAY_SANDBOX_URL", &running.endpoint).env("GAMEDAY_SCREENS", root.join("target/serve-screens"));
    run.env_remove("GAMEDAY_TOKEN").envs(env.iter().copied()).stdin(Stdio::null());
    let out = run.output().unwrap();
    assert!(out.status.success(), "{}\n{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
}

#[test]
fn the_api_answers_and_refuses_as_it_should() {
    pytest("api", &[]);
}

/// As root on Debian and Ubuntu Chromium is installed when there is none; elsewhere it has to be there.
#[test]
fn the_page_shows_in_a_browser_what_is() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/prepare.sh");
    let found = Command::new("bash").arg(script).output().unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let chromium = String::from_utf8(found.stdout).unwrap();
    pytest("page", &[("GAMEDAY_CHROMIUM", chromium.trim())]);
}
