//! The rules of the house, held against the text of its files. Needs no network, no sandbox and no root, and takes seconds.
use regex::Regex;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Every text file that belongs to the project, by its path from the root.
///
/// Reads folders rather than asking git, so that it also works in an unpacked archive.
fn files() -> Vec<(String, String)> {
    const OTHERS: [&str; 4] = ["target", "node_modules", "__pycache__", "venv"];
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the project") {
            let entry = entry.expect("an entry of a folder");
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type().expect("a file's type");
            if kind.is_dir() {
                let hidden = name.starts_with('.') && name != ".ci";
                if !hidden && !OTHERS.contains(&name.as_str()) {
                    folders.push(entry.path());
                }
            } else if kind.is_file()
                && let Ok(text) = std::fs::read_to_string(entry.path())
            {
                found.push((from_root(&root, &entry.path()), text));
            }
        }
    }
    found.sort();
    assert!(found.len() > 100, "the project has more files than {}", found.len());
    found
}

fn from_root(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).expect("a path below the root").to_string_lossy().replace('\\', "/")
}

fn read(path: &str) -> String {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&whole).unwrap_or_else(|e| panic!("cannot read {path}: {e}"))
}

fn re(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern")
}

/// Fails with every complaint at once, each on its line.
#[track_caller]
fn none(complaints: Vec<String>, rule: &str) {
    assert!(complaints.is_empty(), "{rule}:\n  {}\n", complaints.join("\n  "));
}

/// The lines of a text with their numbers, as people count them.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(n, line)| (n + 1, line))
}

#[test]
fn every_fact_that_is_cited_is_in_the_paper() {
    const PAPER: &str = "docs/aws-facts.md";
    const SELF: &str = "tests/rules.rs";
    let number = r"[A-Z]?\d+(?:\.\d+)*";
    let (heading, row) = (re(&format!(r"^#+ ({number}|[A-Z])\.? ")), re(&format!(r"^\| \*\*({number})\*\* \|")));
    let mut known = BTreeSet::new();
    for (n, line) in lines(&read(PAPER)) {
        if let Some(found) = heading.captures(line).or_else(|| row.captures(line)) {
            assert!(known.insert(found[1].to_owned()), "{PAPER}:{n}: {} is there twice", &found[1]);
        }
    }
    assert!(known.contains("4.7") && known.contains("V1"), "the numbers of {PAPER} were not found");

    let (cited, any) = (re(&format!(r"\[AWS ({number})\]")), re(r"\[AWS\b"));
    // How other papers were cited that are not in the repository, and what nobody can look up.
    let other =
        re(r"(?i)\b(?:aws-)?facts? \d|\bfact sheet|\bfield[- ](?:notes|cases)\b|\bfrom memory\b|\baudit [A-Z]?\d");
    let mut wrong = Vec::new();
    for (path, text) in files().iter().filter(|(path, _)| path != SELF) {
        for (n, line) in lines(text) {
            let numbers: Vec<_> = cited.captures_iter(line).map(|c| c[1].to_owned()).collect();
            // `[AWS n]` says how they look.
            let forms =
                any.find_iter(line).count() - line.matches("[AWS n]").count() - line.matches("[AWS Gn]").count();
            if forms != numbers.len() {
                wrong.push(format!("{path}:{n}: a citation that is not of the form `[AWS 4.7]`"));
            }
            for unknown in numbers.iter().filter(|number| !known.contains(*number)) {
                wrong.push(format!("{path}:{n}: [AWS {unknown}] is neither a heading nor a row of {PAPER}"));
            }
            if let Some(found) = other.find(line) {
                wrong.push(format!("{path}:{n}: \"{}\": a fact is cited as `[AWS 4.7]`, from {PAPER}", found.as_str()));
            }
        }
    }
    none(wrong, "facts about AWS are cited from docs/aws-facts.md, in one form");
}
