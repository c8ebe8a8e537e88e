//! The rules of the house, checked against the text of its files. They need no network, no sandbox and no root.
use regex::Regex;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Every text file of the project, by its path from the root.
static FILES: LazyLock<Vec<(String, String)>> = LazyLock::new(files);

/// Reads the project's text files. It lists folders rather than asking git, so that it also works in an unpacked
/// archive.
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

/// Asserts that there are no complaints. A failure lists all of them, each on its line.
#[track_caller]
fn none(complaints: Vec<String>, rule: &str) {
    assert!(complaints.is_empty(), "{rule}:\n  {}\n", complaints.join("\n  "));
}

/// Returns the lines of a text with their numbers, counted from 1.
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
    // Citations of papers that are not in the repository, and of sources that nobody can look up.
    let other =
        re(r"(?i)\b(?:aws-)?facts? \d|\bfact sheet|\bfield[- ](?:notes|cases)\b|\bfrom memory\b|\baudit [A-Z]?\d");
    let mut wrong = Vec::new();
    for (path, text) in FILES.iter().filter(|(path, _)| path != SELF) {
        for (n, line) in lines(text) {
            // Running a regular expression on every line would take most of the time.
            let lower = line.to_ascii_lowercase();
            if !["[aws", "fact", "field", "memory", "audit"].iter().any(|word| lower.contains(word)) {
                continue;
            }
            let numbers: Vec<_> = cited.captures_iter(line).map(|c| c[1].to_owned()).collect();
            // `[AWS n]` is the description of the form.
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

/// The paper with the layers and the kinds.
const ARCHITECTURE: &str = "docs/architecture.md";

/// Returns the rows of a table of the architecture paper, by the beginning of the table's header.
fn table(header: &str) -> Vec<Vec<String>> {
    let text = read(ARCHITECTURE);
    let rows: Vec<Vec<String>> = text
        .lines()
        .skip_while(|line| !line.starts_with(header))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect())
        .collect();
    assert!(!rows.is_empty(), "{ARCHITECTURE} has no table below {header:?}");
    rows
}

/// Returns the words between backquotes.
fn quoted(cell: &str) -> Vec<String> {
    re("`([^`]+)`").captures_iter(cell).map(|c| c[1].to_owned()).collect()
}

/// A file of the program, without its tests.
struct Source {
    path: String,
    /// The text as it is written.
    text: String,
    /// The text without comments.
    code: String,
}

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let tests = re(r"/(?:tests|testing|laws|fuzz)\.rs$|/tests/");
    let ours = |path: &str| path.starts_with("src/") && (path.ends_with(".rs") || path.ends_with(".py"));
    let source = |(path, text): &(String, String)| {
        let text = without_tests(text).to_owned();
        Source { path: path.clone(), code: code(&text), text }
    };
    FILES.iter().filter(|(path, _)| ours(path) && !tests.is_match(path)).map(source).collect()
});

/// Returns the part of a file before its module of tests, which ends the file.
fn without_tests(text: &str) -> &str {
    let mut at = 0;
    let mut test = None;
    for line in text.split_inclusive('\n') {
        match test {
            Some(start) if line.starts_with("mod ") && line.trim_end().ends_with('{') => return &text[..start],
            Some(_) if line.starts_with("#[") => {}
            _ => test = line.starts_with("#[cfg(test)]").then_some(at),
        }
        at += line.len();
    }
    text
}

/// Returns a text without Rust's comments.
fn code(text: &str) -> String {
    let line = |line: &str| match line.find("//") {
        // `//` inside a word is part of an address.
        Some(at) if at == 0 || line[..at].ends_with(char::is_whitespace) => line[..at].to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Returns the module of a file: `output` for `src/output/why.rs`; `None` for the entry points and the crates beside
/// them.
fn module(path: &str) -> Option<&str> {
    let inner = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let top = inner.split('/').next()?;
    (!matches!(top, "main" | "lib" | "config" | "engine")).then_some(top)
}

/// Returns the modules that code names after `crate::`, also in a list between braces.
fn imports(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, root) in code.match_indices("crate::") {
        let rest = &code[at + root.len()..];
        match rest.strip_prefix('{') {
            Some(list) => names.extend(listed(list)),
            None => names.extend(word(rest)),
        }
    }
    if code.contains("aws_sdk_") {
        names.insert("aws_sdk".into());
    }
    names
}

/// Returns the name of the module at the beginning of a text.
fn word(text: &str) -> Option<String> {
    let word: String = text.trim_start().chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

/// Returns the first word of each entry of a list, up to the brace that ends the list.
fn listed(list: &str) -> Vec<String> {
    let mut entries = vec![String::new()];
    let mut depth = 1;
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match (c, depth) {
            (_, 0) => break,
            (',', 1) => entries.push(String::new()),
            (_, _) => entries.last_mut().expect("an entry").push(c),
        }
    }
    entries.iter().filter_map(|entry| word(entry)).collect()
}

#[test]
fn imports_are_read_as_they_are_written() {
    let text = "use crate::{\n    aws::{Aws, error::AwsResult},\n    error::Result, // said::x\n    said,\n};\n\
                fn f() { crate::shell::quoted(\"x\"); aws_sdk_ec2::Client }\n// crate::cost";
    assert_eq!(Vec::from_iter(imports(&code(text))), ["aws", "aws_sdk", "error", "said", "shell"]);
}

#[test]
fn a_module_imports_only_what_is_below_it() {
    let rows = table("| row |");
    let modules_of: Vec<Vec<String>> = rows.iter().map(|row| quoted(&row[1])).collect();
    let row_of = |module: &str| modules_of.iter().position(|row| row.iter().any(|m| m == module));
    // `parts/*/see` is a row's word for the file of that name in each folder of `parts`.
    let row_of_file = |path: &str| {
        let parts: Vec<&str> = path.trim_start_matches("src/").trim_end_matches(".rs").split('/').collect();
        let is = |word: &String| {
            let words: Vec<&str> = word.split('/').collect();
            words.len() > 1 && words.len() <= parts.len() && words.iter().zip(&parts).all(|(w, p)| *w == "*" || w == p)
        };
        modules_of.iter().position(|row| row.iter().any(is)).or_else(|| row_of(parts[0]))
    };
    let exceptions: BTreeSet<(String, String)> =
        table("| file | imports |").iter().map(|row| (quoted(&row[0]).remove(0), quoted(&row[1]).remove(0))).collect();
    let mut used = BTreeSet::new();
    let mut wrong = BTreeSet::new();
    for Source { path, code, .. } in SOURCES.iter() {
        let Some(module) = module(path) else { continue };
        let Some(row) = row_of_file(path) else {
            wrong.insert(format!("`{module}` is in no row of {ARCHITECTURE}: which layer is it?"));
            continue;
        };
        for import in imports(code) {
            let allowed = match import.as_str() {
                "aws_sdk" => rows[row][2] == "yes",
                // The name is a macro, or an item of the root.
                other => row_of(other).is_none_or(|other| other >= row),
            };
            let pair = (path.clone(), import);
            if !allowed && !exceptions.contains(&pair) {
                let from = if pair.1 == "aws_sdk" { "the AWS SDK, which its row does not use" } else { "a row above" };
                wrong.insert(format!("{path} imports `{}`: {from}", pair.1));
            }
            if !allowed {
                used.insert(pair);
            }
        }
    }
    for (path, import) in exceptions.difference(&used) {
        wrong.insert(format!("{ARCHITECTURE}: {path} no longer imports `{import}`: the exception goes"));
    }
    let modules: BTreeSet<_> = SOURCES.iter().filter_map(|source| module(&source.path).map(str::to_owned)).collect();
    let crates = ["said", "config", "engine"];
    for name in modules_of.iter().flatten() {
        let name = name.split('/').next().expect("a word").to_owned();
        if !modules.contains(&name) && !crates.contains(&name.as_str()) {
            wrong.insert(format!("{ARCHITECTURE}: there is no module `{name}`"));
        }
    }
    none(Vec::from_iter(wrong), "the layers are those of docs/architecture.md");
}

#[test]
fn the_crates_know_neither_each_other_nor_aws() {
    let mut wrong = Vec::new();
    for (home, other) in [("src/engine/", "gameday_config"), ("src/config/", "gameday_engine")] {
        let not = re(&format!(r"\b(?:{other}|aws_(?:sdk|config|smithy|types|runtime)\w*)\b"));
        for Source { path, code, .. } in SOURCES.iter().filter(|source| source.path.starts_with(home)) {
            wrong.extend(not.find(code).map(|found| format!("{path} uses {}", found.as_str())));
        }
    }
    none(wrong, "`config` and `engine` know neither each other nor AWS");
}

/// The files outside `src/output/` that print, each with the reason.
const PRINTERS: &[(&str, &str)] = &[];

#[test]
fn only_the_views_print() {
    const MACROS: [&str; 3] = ["print!(", "println!(", "dbg!("];
    const STREAMS: [&str; 2] = ["stdout()", "stderr()"];
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    let ours = |source: &&Source| source.path.ends_with(".rs") && !source.path.starts_with("src/output/");
    for Source { path, code, .. } in SOURCES.iter().filter(ours) {
        for (n, line) in lines(code) {
            // Any file is allowed to ask whether the output is a terminal.
            let stream = STREAMS.iter().any(|stream| line.contains(stream)) && !line.contains("is_terminal");
            if stream || MACROS.iter().any(|name| line.contains(name)) {
                used.insert(path.as_str());
                if !PRINTERS.iter().any(|(printer, _)| printer == path) {
                    wrong.push(format!("{path}:{n}: {}", line.trim()));
                }
            }
        }
    }
    wrong.extend(PRINTERS.iter().filter(|(p, _)| !used.contains(*p)).map(|(p, _)| format!("{p} no longer prints")));
    none(wrong, "only src/output prints; others are named in PRINTERS of tests/rules.rs with a reason");
}

/// Production files over 400 lines, each with the reason.
const LONG: &[(&str, &str)] = &[
    ("src/aws/credentials.rs", "one look for credentials, with what each source answers where it has none"),
    ("src/cli.rs", "the command line is one definition; help, man page and completions come from it"),
    ("src/config/command.rs", "one grammar: a start command as bash reads it"),
    ("src/config/model.rs", "to be cut: the structs, their defaults"),
    ("src/output/progress.rs", "one view in three forms: live lines, plain lines, JSON"),
    ("src/policy.rs", "one document: what each action needs to reach"),
    ("src/resources/database.rs", "to be cut: versions and words that the cache uses too"),
    ("src/resources/role.rs", "one kind: the role's policy and its parts are compared word for word"),
    ("src/sandbox/install.rs", "what is installed and how it is verified are told together"),
    ("src/sandbox/plugin/autoscaling.py", "one service of the sandbox"),
    ("src/sandbox/plugin/elasticache.py", "one service of the sandbox, without moto's help"),
    ("src/sandbox/plugin/elbv2.py", "one service of the sandbox"),
    ("src/sandbox/plugin/model.py", "one check of a request against the API model, in each protocol's words"),
    ("src/sandbox/plugin/policy.py", "one judge: what each call of each service reaches"),
    ("src/sandbox/plugin/rds.py", "one service of the sandbox"),
    ("src/userdata/template.rs", "the template engine with the filters of its own"),
];

#[test]
fn long_files_have_a_reason() {
    const MOST: usize = 400;
    let mut wrong = Vec::new();
    for Source { path, text, .. } in SOURCES.iter() {
        let (count, named) = (text.lines().count(), LONG.iter().any(|(long, _)| long == path));
        if count > MOST && !named {
            wrong.push(format!("{path} has {count} lines of production code"));
        } else if count <= MOST && named {
            wrong.push(format!("{path} has only {count} lines now: its name goes from the list"));
        }
    }
    let gone = LONG.iter().filter(|(long, _)| SOURCES.iter().all(|source| source.path != *long));
    wrong.extend(gone.map(|(path, _)| format!("{path} does not exist: its name goes from the list")));
    none(wrong, "files over 400 lines are named in LONG of tests/rules.rs with a reason");
}

/// A kind as its file describes it.
struct Kind {
    file: String,
    word: String,
    actions: Vec<String>,
}

/// The kinds of `src/resources/`.
fn kinds() -> Vec<Kind> {
    let (word, list) = (re(r#"const KIND: &'static str = "([^"]+)""#), re(r"(?s)const ACTIONS: [^=]*=\s*&\[(.*?)\];"));
    let action = re(r#""([a-z0-9]+:[A-Za-z]+)""#);
    let mut kinds = Vec::new();
    for Source { path: file, code, .. } in SOURCES.iter().filter(|source| source.path.starts_with("src/resources/")) {
        for part in code.split("\nimpl Resource for ").skip(1) {
            let actions = list.captures(part).map(|c| c[1].to_owned()).unwrap_or_default();
            kinds.push(Kind {
                file: file.clone(),
                word: word.captures(part).unwrap_or_else(|| panic!("{file} has no KIND"))[1].to_owned(),
                actions: action.captures_iter(&actions).map(|c| c[1].to_owned()).collect(),
            });
        }
    }
    assert!(kinds.len() > 30, "only {} kinds were found", kinds.len());
    kinds
}

#[test]
fn every_kind_is_in_the_tables() {
    const TABLE: &str = "src/config/kinds.rs";
    // The word and the group of each row.
    let row = re(r#"(?m)^\s+kind\("([^"]+)", (\w+),"#);
    let text = read(TABLE);
    let rows: BTreeSet<(String, String)> =
        row.captures_iter(&text).map(|c| (c[1].to_owned(), c[2].to_lowercase())).collect();
    let told: BTreeSet<(String, String)> = table("| group | kinds |")
        .iter()
        .flat_map(|row| quoted(&row[1]).into_iter().map(|word| (word, row[0].clone())))
        .collect();
    let kinds = kinds();
    let mut wrong = Vec::new();
    for kind in &kinds {
        if !rows.iter().any(|(word, _)| *word == kind.word) {
            wrong.push(format!("{TABLE} has no row \"{}\" ({})", kind.word, kind.file));
        }
        if !told.iter().any(|(word, _)| *word == kind.word) {
            wrong.push(format!("{ARCHITECTURE} does not list `{}` ({})", kind.word, kind.file));
        }
    }
    for (word, group) in &told {
        if !rows.contains(&(word.clone(), group.clone())) {
            wrong.push(format!("{ARCHITECTURE} lists `{word}` under {group}, {TABLE} does not"));
        }
        if kinds.iter().all(|kind| kind.word != *word) {
            wrong.push(format!("{ARCHITECTURE} lists `{word}`, which no file of src/resources is"));
        }
    }
    none(wrong, "every kind is in the table of kinds and in the paper");
}

/// Kinds that a policy covers through the name of another kind, although objects of their service have names.
const REACHED: &[(&str, &str)] = &[
    ("scaling-policy", "under its group's ARN"),
    ("log-group", "under the stack's path, for logs that outlive a step too"),
];

#[test]
fn the_policy_knows_every_kind() {
    const POLICY: &str = "src/policy.rs";
    // Services whose objects `gameday policy` names. Objects of other services are covered by tags, or all of those in
    // a region.
    const NAMED: [&str; 6] = ["autoscaling", "cloudwatch", "elasticache", "elasticloadbalancing", "logs", "rds"];
    let policy = read(POLICY);
    let reads = re("^(?:Describe|Get|List)");
    let mut wrong = Vec::new();
    for kind in kinds() {
        if kind.actions.is_empty() {
            wrong.push(format!("{}: `{}` declares no ACTIONS", kind.file, kind.word));
        }
        let named = kind.actions.iter().any(|action| {
            let (service, call) = action.split_once(':').expect("service:Call");
            NAMED.contains(&service) && !reads.is_match(call)
        });
        let known = policy.contains(&format!("\"{}\"", kind.word));
        let reached = REACHED.iter().any(|(word, _)| *word == kind.word);
        if named && !known && !reached {
            wrong.push(format!("{POLICY} does not say what an object of `{}` is called ({})", kind.word, kind.file));
        }
        if reached && (known || !named) {
            wrong.push(format!("`{}` needs no line in REACHED", kind.word));
        }
    }
    none(wrong, "`gameday policy` reaches the objects of every kind");
}

/// Returns the anchor that GitHub gives to a heading.
fn anchor(heading: &str) -> String {
    let plain = heading.to_lowercase();
    let kept = plain.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_link_of_a_paper_leads_somewhere() {
    let link = re(r"\]\(([^)\s]+)\)");
    let mut wrong = Vec::new();
    for (path, text) in FILES.iter().filter(|(path, _)| path.ends_with(".md")) {
        let folder = Path::new(path).parent().expect("a folder");
        for found in link.captures_iter(text).map(|c| c[1].to_owned()).filter(|l| !l.starts_with("http")) {
            let (file, to) = found.split_once('#').unwrap_or((&found, ""));
            let file = if file.is_empty() { PathBuf::from(path) } else { folder.join(file) };
            let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
            let leads = match std::fs::read_to_string(&whole) {
                Ok(text) if !to.is_empty() => text
                    .lines()
                    .filter(|line| line.starts_with('#'))
                    .any(|line| anchor(line.trim_start_matches('#').trim()) == to),
                _ => whole.exists() && to.is_empty(),
            };
            if !leads {
                wrong.push(format!("{path}: {found}"));
            }
        }
    }
    none(wrong, "links in papers lead somewhere");
}
