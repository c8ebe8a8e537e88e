//! Programs from Debian's packages that a test runs.
use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
};

/// Installs a package if its program is missing. If that fails, the test fails and says what to do.
pub fn need(program: &str, package: &str) {
    let there = || Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    if there().is_ok_and(|s| s.success()) {
        return;
    }
    // Other installations for tests wait for the same lock (tests/machines/prepare.sh), because apt does not wait.
    let folder = Path::new("/var/cache/gameday-test");
    let lock = fs::create_dir_all(folder).and_then(|()| File::create(folder.join("lock")));
    let _alone = lock.and_then(|lock| lock.lock().map(|()| lock));
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
