//! The supply chain of the program, checked against deny.toml without a network: licences, bans, sources, and the
//! advisories that were known on the day of tests/supply/advisories.toml.
//!
//! `cargo deny check` does the same with today's advisories. The Python packages of sandbox and tests are checked at
//! PyPI by tests/world/supply.rs. What could not be checked is reported on stderr.
use semver::{Version, VersionReq};
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeSet, fs, io::Write, path::Path, process::Command};

#[derive(Deserialize)]
struct Deny {
    advisories: Ignored,
    licenses: Licenses,
    bans: Bans,
}
#[derive(Deserialize)]
struct Ignored {
    ignore: Vec<Ignore>,
}
#[derive(Deserialize)]
struct Ignore {
    id: String,
}
#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}
#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}
#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
}

#[derive(Deserialize)]
struct Known {
    /// The day of the advisory database.
    database: String,
    advisory: Vec<Advisory>,
}
#[derive(Deserialize)]
struct Advisory {
    id: String,
    package: String,
    patched: Vec<String>,
    unaffected: Vec<String>,
}
impl Advisory {
    fn is_about(&self, name: &str, version: &str) -> bool {
        let version = Version::parse(version).expect("a version");
        let range = |text: &String| VersionReq::parse(text).unwrap_or_else(|e| panic!("{}: {text:?}: {e}", self.id));
        let out = || self.patched.iter().chain(&self.unaffected).any(|r| range(r).matches(&version));
        self.package == name && !out()
    }
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}
#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read<T: for<'a> Deserialize<'a>>(file: &str) -> T {
    let text = fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    toml::from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// Prints a line for people, also if the test passes.
fn say(what: &str) {
    writeln!(std::io::stderr(), "supply: {what}").expect("stderr");
}

#[test]
fn no_advisory_is_about_a_crate_in_use() {
    let (known, lock, deny): (Known, Lock, Deny) =
        (read("tests/supply/advisories.toml"), read("Cargo.lock"), read("deny.toml"));
    assert!(known.advisory.len() > 50, "only {} advisories", known.advisory.len());
    // The check itself works: it finds a known advisory.
    let about = |version| known.advisory.iter().any(|a| a.is_about("anstream", version));
    assert!(about("0.6.7") && !about("0.6.8"), "RUSTSEC-2024-0404 is about anstream before 0.6.8");
    let ignored = |a: &&Advisory| !deny.advisories.ignore.iter().any(|i| i.id == a.id);
    let found: Vec<String> = lock
        .package
        .iter()
        .flat_map(|p| {
            let about = known.advisory.iter().filter(|a| a.is_about(&p.name, &p.version)).filter(ignored);
            about.map(|a| format!("{}: {} {}", a.id, p.name, p.version)).collect::<Vec<_>>()
        })
        .collect();
    assert!(found.is_empty(), "update these, or say in deny.toml why not:\n{}", found.join("\n"));
    say(&format!(
        "{} crates against {} advisories of {}; later ones were not checked (`cargo deny check advisories` does)",
        lock.package.len(),
        known.advisory.len(),
        known.database
    ));
}

#[test]
fn crates_come_from_the_registry_and_none_is_banned() {
    let (lock, deny): (Lock, Deny) = (read("Cargo.lock"), read("deny.toml"));
    let banned: BTreeSet<&str> = deny.bans.deny.iter().map(|b| b.name.as_str()).collect();
    assert!(banned.contains("openssl-sys"));
    for Locked { name, version, source, checksum } in &lock.package {
        let Some(source) = source else {
            assert!(name.starts_with("gameday"), "{name} is of no source and not of this workspace");
            continue;
        };
        assert!(source.starts_with("registry+"), "{name} {version} is from {source}");
        assert!(checksum.as_ref().is_some_and(|c| c.len() == 64), "{name} {version} has no checksum");
        assert!(!banned.contains(name.as_str()), "{name} is banned by deny.toml");
    }
}

/// True if a licence expression can be satisfied by allowed licences. `/` is an old form of `OR`.
fn allowed(expression: &str, allow: &BTreeSet<String>) -> bool {
    let text = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut at = 0;
    either(&words, &mut at, allow) && at == words.len()
}

fn either(words: &[&str], at: &mut usize, allow: &BTreeSet<String>) -> bool {
    let mut good = all(words, at, allow);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        // Read the second side in any case, to move on.
        good |= all(words, at, allow);
    }
    good
}

fn all(words: &[&str], at: &mut usize, allow: &BTreeSet<String>) -> bool {
    let mut good = one(words, at, allow);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        good &= one(words, at, allow);
    }
    good
}

fn one(words: &[&str], at: &mut usize, allow: &BTreeSet<String>) -> bool {
    if words.get(*at) == Some(&"(") {
        *at += 1;
        let good = either(words, at, allow);
        *at += 1;
        return good;
    }
    let mut name = words.get(*at).copied().unwrap_or_default().to_owned();
    *at += 1;
    if words.get(*at) == Some(&"WITH") {
        name = format!("{name} WITH {}", words.get(*at + 1).copied().unwrap_or_default());
        *at += 2;
    }
    allow.contains(&name)
}

#[test]
fn licences_are_those_of_deny_toml() {
    let allow = read::<Deny>("deny.toml").licenses.allow;
    for (expression, good) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR GPL-3.0) AND ISC", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0 WITH another", false),
        ("Unlicense/MIT", true),
        ("", false),
    ] {
        assert_eq!(allowed(expression, &allow), good, "{expression:?}");
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["metadata", "--format-version", "1", "--locked", "--offline"]);
    let output = cargo.output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let all: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = all["packages"].as_array().expect("packages");
    assert!(packages.len() > 200, "only {}", packages.len());
    let bad: Vec<_> = packages
        .iter()
        .filter(|p| !allowed(p["license"].as_str().unwrap_or_default(), &allow))
        .map(|p| format!("{} {}: {}", p["name"], p["version"], p["license"]))
        .collect();
    assert!(bad.is_empty(), "deny.toml does not allow\n{}", bad.join("\n"));
}
