//! Programs of Debian's packages that a test drives.
use std::{
    fs::File,
    process::{Command, Stdio},
};

/// Installs a package when its program is missing; a test that cannot have it fails, and says what to do.
pub fn need(program: &str, package: &str) {
    let there = || Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    // Two tests that miss something at the same moment wait for each other: apt has one lock, and does not wait for it.
    let lock = File::create(std::env::temp_dir().join("gameday-test-apt")).expect("a lock file");
    lock.lock().expect("the lock of apt");
    if there().is_ok_and(|s| s.success()) {
        return;
    }
    let install = format!("apt-get update -qq && apt-get install -y -qq --no-install-recommends {package}");
    let out = Command::new("sh").args(["-c", &install]).env("DEBIAN_FRONTEND", "noninteractive").output();
    let said = out.as_ref().map_or(String::new(), |o| String::from_utf8_lossy(&o.stderr).into_owned());
    assert!(
        there().is_ok_and(|s| s.success()),
        "{program} is missing and could not be installed; as root: {install}\n{said}"
    );
}
