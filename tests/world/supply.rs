//! The Python packages of sandbox and tests, checked at PyPI. tests/supply.rs checks all that is Rust's.
use crate::tools::pytest;
use serde_json::Value;
use std::{fs, io::Write, path::Path, process::Command};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Prints a line for people, also if the test passes.
fn say(what: &str) {
    writeln!(std::io::stderr(), "supply: {what}").expect("stderr");
}

/// No advisory of the PyPA's database, which pip-audit reads from PyPI, applies. A mirror can lack the advisories: then
/// the packages that were not checked are listed.
#[test]
#[ignore = "needs PyPI: cargo test -- --include-ignored"]
fn no_advisory_is_about_a_python_package_in_use() {
    let python = &pytest::python();
    let mut audit = Command::new(python);
    audit.args(["-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off", "-f", "json"]);
    let mut lists: Vec<_> = fs::read_dir(root().join("tests")).expect("tests").flatten().map(|e| e.path()).collect();
    lists.push(root().join("src/sandbox"));
    for list in lists.iter().map(|folder| folder.join("requirements.lock")).filter(|list| list.is_file()) {
        audit.arg("-r").arg(list);
    }
    let output = audit.env("PYTHONPATH", pytest::packages(python, "supply")).output().expect("Python starts");
    let text = String::from_utf8_lossy(&output.stderr);
    let found: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("pip-audit did not look at the Python packages ({e}): is PyPI reached?\n{text}"));
    let all = found["dependencies"].as_array().expect("a list");
    assert!(all.len() > 8, "only {} packages", all.len());
    let name = |d: &Value| format!("{} {}", d["name"].as_str().unwrap_or("?"), d["version"].as_str().unwrap_or(""));
    let bad: Vec<_> = all.iter().filter(|d| d["vulns"].as_array().is_some_and(|v| !v.is_empty())).collect();
    assert!(bad.is_empty(), "update these: {bad:#?}");
    let unknown: Vec<String> = all.iter().filter(|d| d.get("skip_reason").is_some()).map(name).collect();
    say(&format!("{} Python packages against PyPI's advisories", all.len() - unknown.len()));
    if !unknown.is_empty() {
        say(&format!("NOT CHECKED, since PyPI's mirror here has no advisories: {}", unknown.join(", ")));
    }
}
