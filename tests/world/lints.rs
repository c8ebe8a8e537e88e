//! The checks of rustfmt, clippy, rustdoc and ruff.
//!
//! The rules that apply are in rustfmt.toml, in `[lints]` of Cargo.toml with clippy.toml, and in ruff.toml. Licences
//! and advisories are checked in tests/supply.rs.
use crate::tools::pytest;
use std::process::Command;

fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
    // Cargo sets these variables for tests. Build scripts would see them as a change, and ring would be compiled again.
    let is_told = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars().filter(|(name, _)| is_told(name)) {
        cargo.env_remove(name);
    }
    cargo
}

/// Asserts that a tool succeeds. `help` is what to do if it complains.
#[track_caller]
fn passes(mut command: Command, help: &str) {
    let out = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{command:?}: {help}\n{text}");
}

#[test]
#[ignore = "needs rustfmt: cargo test -- --include-ignored"]
fn the_sources_are_formatted() {
    passes(cargo(&["fmt", "--all", "--check"]), "`cargo fmt` mends it (`rustup component add rustfmt`)");
}

/// In `.ci/run` the test has nothing to do: everything but the benchmark has been compiled with clippy. Elsewhere
/// clippy first checks all dependencies, unless that is done already: minutes, once.
#[test]
#[ignore = "needs clippy: cargo test -- --include-ignored"]
fn clippy_finds_nothing() {
    if let (Some("clippy-driver"), Some("-Dwarnings")) =
        (option_env!("RUSTC_WORKSPACE_WRAPPER"), option_env!("CLIPPY_ARGS"))
    {
        return;
    }
    let clippy = cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"]);
    passes(clippy, "mend it, or say at the place why not: #[expect(clippy::NAME, reason = \"…\")]");
}

/// The pages include private items, because their readers work on the code.
#[test]
#[ignore = "needs rustdoc: cargo test -- --include-ignored"]
fn rustdoc_finds_nothing() {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut doc = cargo(&["test", "--workspace", "--doc", "--locked", "--quiet"]);
    doc.env("RUSTDOC", format!("{root}/tests/lints/rustdoc.sh")).env("GAMEDAY_DOC", format!("{root}/target/doc"));
    passes(doc, "mend the comments");
    assert!(std::path::Path::new(root).join("target/doc/gameday/index.html").exists(), "no pages were made");
}

#[test]
#[ignore = "needs PyPI: cargo test -- --include-ignored"]
fn ruff_finds_nothing() {
    let python = pytest::python();
    let mut ruff = Command::new(&python);
    ruff.args(["-m", "ruff", "check", "--no-cache", "--quiet", env!("CARGO_MANIFEST_DIR")]);
    ruff.env("PYTHONPATH", pytest::packages(&python, "lints"));
    passes(ruff, "mend it, or say in ruff.toml why not");
}
