//! Runs Python tests: with their own packages besides the sandbox's, against a sandbox of their own and the real
//! binary.
#![allow(dead_code, reason = "not every test that runs some needs all of it")]
use gameday::sandbox::{Doing, Pace, Running, Sandbox};
use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use tempfile::TempDir;

fn quiet(_: Doing<'_>) {}

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// A sandbox of a test, stopped and removed when this value is dropped.
pub struct Guard(Sandbox);

impl Guard {
    /// Creates the guard of the sandbox with this name.
    pub fn named(name: &str) -> Self {
        Self(Sandbox::of_user_named(name).unwrap())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = block(self.0.stop());
        self.0.forget();
    }
}

/// Returns the sandbox's own Python. It is installed if it is missing.
pub fn python() -> PathBuf {
    block(Sandbox::of_user().unwrap().install(&quiet)).unwrap().python
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the folder with the packages of `tests/SUITE/requirements.lock`. They are installed if they are missing.
pub fn packages(python: &Path, suite: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(|e| e.into_inner());
    let list = root().join(format!("tests/{suite}/requirements.lock"));
    let folder = root().join(format!("target/{suite}-pytest"));
    let done = folder.join("requirements.lock");
    // If the list has changed or the folder is incomplete, the folder is made again.
    if fs::read(&done).ok() != fs::read(&list).ok() {
        let _ = fs::remove_dir_all(&folder);
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]).arg(&folder);
        pip.args(["--require-hashes", "--only-binary", ":all:"]);
        assert!(pip.arg("-r").arg(&list).status().unwrap().success(), "{} could not be installed", list.display());
        fs::copy(&list, &done).unwrap();
    }
    folder
}

/// Returns the command that runs pytest on a file or folder of `tests/`, with the packages of a suite.
pub fn pytest(python: &Path, suite: &str, what: &str) -> Command {
    let mut pytest = Command::new(python);
    pytest
        .args(["-m", "pytest", "-q", "-x", "--tb=short", "-p", "no:cacheprovider"])
        .arg(root().join("tests").join(what));
    // Compiled files are kept out of the repository.
    let paths = std::env::join_paths([packages(python, suite), root().join("tests/support")]).unwrap();
    pytest.env("PYTHONPATH", paths).env("PYTHONPYCACHEPREFIX", root().join("target/sandbox-pycache"));
    pytest.stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
    pytest
}

/// Runs pytest and asserts that all tests pass. Returns what it printed.
pub fn passes(mut pytest: Command) -> String {
    let out = pytest.output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{text}\n{}", String::from_utf8_lossy(&out.stderr));
    text
}

/// Runs pytest in a sandbox that nobody else uses meanwhile, with an empty account, at the pace `instant`. `more` can
/// add to the command.
pub fn in_a_sandbox(suite: &str, what: &str, more: impl FnOnce(&mut Command)) -> String {
    let sandbox = Lasting::taken();
    let mut pytest = pytest(&sandbox.python, suite, what);
    pytest.env("GAMEDAY_BINARY", env!("CARGO_BIN_EXE_gameday")).env("GAMEDAY_SANDBOX", &sandbox.name);
    pytest.env("GAMEDAY_SANDBOX_URL", &sandbox.running.endpoint).env("GAMEDAY_SANDBOX_KEY", &sandbox.running.key);
    pytest.env("GAMEDAY_RUN", run());
    more(&mut pytest);
    let said = passes(pytest);
    sandbox.release();
    said
}

/// Returns a folder for what the suites of one run find out once for all of them.
fn run() -> &'static Path {
    static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
        // Remove what earlier runs left.
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("run");
        let _ = fs::remove_dir_all(&kept);
        fs::create_dir_all(&kept).unwrap();
        tempfile::tempdir_in(kept).unwrap()
    });
    FOLDER.path()
}

/// A sandbox that one suite uses after the other, because starting one and letting it read AWS's models takes longer
/// than many tests.
struct Lasting {
    name: String,
    running: Running,
    python: PathBuf,
    guard: Guard,
    /// A process that stops the sandbox when this process ends, however it ends.
    _last: Child,
}

static FREE: Mutex<Vec<Lasting>> = Mutex::new(vec![]);
static STARTED: AtomicUsize = AtomicUsize::new(0);

impl Lasting {
    fn taken() -> Self {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let sandbox = free.unwrap_or_else(Self::start);
        assert!(block(sandbox.guard.0.reset()).unwrap(), "{} is not there any more", sandbox.name);
        block(sandbox.guard.0.ensure(Some(Pace::Instant), quiet)).unwrap();
        sandbox
    }

    fn start() -> Self {
        let name = format!("test-suites-{}-{}", STARTED.fetch_add(1, Ordering::Relaxed), std::process::id());
        let guard = Guard::named(&name);
        let python = block(guard.0.install(&quiet)).unwrap().python;
        let running = block(guard.0.ensure(Some(Pace::Instant), quiet)).unwrap();
        let mut last = Command::new("sh");
        last.args(["-c", r#"cat; "$0" sandbox stop --yes; rm -rf "$1""#, env!("CARGO_BIN_EXE_gameday")]);
        last.arg(running.log.parent().unwrap()).env("GAMEDAY_SANDBOX", &name).process_group(0);
        last.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let last = last.spawn().unwrap();
        Self { name, running, python, guard, _last: last }
    }

    /// Returns the sandbox for the next suite. After a failed suite it is not called, because the sandbox's state is
    /// unknown.
    fn release(self) {
        FREE.lock().unwrap_or_else(PoisonError::into_inner).push(self);
    }
}
