//! Template syntax in a text, found without rendering: the parts in `{{ }}`, `{% %}` and `{# #}`.
use std::collections::BTreeSet;
use std::ops::Range;

/// Every name that a template can use. `env.NAME` is a variable of the stack file.
pub const NAMES: &[&str] = &[
    "stack",
    "service",
    "region",
    "name",
    "unit",
    "run",
    "source",
    "sha256",
    "command",
    "packages",
    "copies",
    "port",
    "health_path",
    "dir",
    "log_dir",
    "fs_path",
    "env.NAME",
    "config.name",
    "config.template",
    "database.engine",
    "database.host",
    "database.port",
    "database.database",
    "database.user",
    "database.password",
    "database.master_user",
    "database.master_password",
    "cache.host",
    "cache.port",
    "cache.nodes",
    "cache.engine",
    "files.path",
    "files.file_system",
    "files.access_point",
    "files.mount_targets",
    "logs.app_group",
    "logs.boot_group",
];

/// Names that only the shipped boot script uses.
const INNER: &[&str] = &[
    "user_data",
    "limits",
    "literals",
    "parameters",
    "start",
    "arguments",
    "programs",
    "docker",
    "bake",
    "copy_list",
    "log_files",
    "connections",
    "health_codes",
    "uid",
    "vpc",
    "database.sql",
    "database.refuse",
    "database.refuse_id",
    "database.app_password",
    "database.app_password_set",
];

/// Names from the template language and from gameday: functions, and names inside loops and macros.
const FUNCTIONS: &[&str] = &[
    "put",
    "put_copy",
    "put_text",
    "put_secret",
    "range",
    "dict",
    "namespace",
    "debug",
    "loop",
    "self",
    "super",
    "caller",
    "varargs",
    "kwargs",
];

const KEYWORDS: &[&str] = &[
    "and",
    "or",
    "not",
    "in",
    "is",
    "if",
    "else",
    "elif",
    "true",
    "false",
    "none",
    "True",
    "False",
    "None",
    "for",
    "endif",
    "endfor",
    "set",
    "endset",
    "with",
    "endwith",
    "without",
    "context",
    "recursive",
    "ignore",
    "missing",
    "do",
    "continue",
    "break",
    "autoescape",
    "endautoescape",
];

/// Statements that define names.
const DEFINE: &[&str] = &[
    "macro",
    "endmacro",
    "call",
    "endcall",
    "filter",
    "endfilter",
    "block",
    "endblock",
    "import",
    "from",
    "include",
    "extends",
];

/// The sorts of template syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{{ }}`
    Expression,
    /// `{% %}`
    Statement,
    /// `{# #}`
    Comment,
}

/// One piece of template syntax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The sort of syntax.
    pub kind: Kind,
    /// The range with its signs. It ends with the line if it is not closed.
    pub at: Range<usize>,
    /// The range between the signs.
    pub inner: Range<usize>,
    /// True if the closing sign exists.
    pub closed: bool,
}

/// A piece of syntax that gameday does not know, or that does not do what it seems to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSyntax {
    /// The exact range.
    pub at: Range<usize>,
    /// The range of the whole piece of syntax around it.
    pub piece: Range<usize>,
    /// The problem, for people.
    pub what: String,
}

/// Returns all template syntax outside `{% raw %}`.
pub fn marks(text: &str) -> Vec<Mark> {
    let mut found = vec![];
    let mut at = 0;
    // After one that never ends, none of the same kind can end.
    let mut endless = vec![];
    while let Some(open) = text[at..].find('{').map(|o| at + o) {
        let kind = match text.as_bytes().get(open + 1) {
            Some(b'{') => Kind::Expression,
            Some(b'%') => Kind::Statement,
            Some(b'#') => Kind::Comment,
            _ => {
                at = open + 1;
                continue;
            }
        };
        let end = match kind {
            kind if endless.contains(&kind) => None,
            Kind::Comment => text[open + 2..].find("#}").map(|e| open + 2 + e),
            Kind::Expression => end_of(text, open + 2, "}}"),
            Kind::Statement => end_of(text, open + 2, "%}"),
        };
        let Some(end) = end else {
            endless.push(kind);
            let line = text[open..].find('\n').map_or(text.len(), |e| open + e);
            found.push(Mark { kind, at: open..line, inner: open + 2..line, closed: false });
            at = open + 2;
            continue;
        };
        at = end + 2;
        let inner = trimmed(text, open + 2..end);
        if kind == Kind::Statement && text[inner.clone()].trim() == "raw" {
            at = end_of_raw(text, at).unwrap_or(at);
            continue;
        }
        found.push(Mark { kind, at: open..end + 2, inner, closed: true });
    }
    found
}

/// Returns the first piece that a template would lose or misread.
///
/// With `given` names, any other name counts.
pub fn unknown_syntax(text: &str) -> Option<UnknownSyntax> {
    let marks = marks(text);
    let own = defined(text, &marks);
    marks.iter().find_map(|mark| {
        let piece = &text[mark.at.clone()];
        let short: String = piece.lines().next().unwrap_or_default().chars().take(60).collect();
        let foreign = |what: String| Some(UnknownSyntax { at: mark.at.clone(), piece: mark.at.clone(), what });
        if mark.kind == Kind::Comment {
            return foreign(match mark.closed {
                true => format!("`{short}` is a comment of the template language: it would vanish"),
                false => "`{#` begins a comment of the template language, which never ends".into(),
            });
        }
        if !mark.closed {
            return foreign(format!("`{short}` is not closed"));
        }
        if mark.kind == Kind::Expression && text[..mark.at.start].ends_with('$') {
            let piece = mark.at.start - 1..mark.at.end;
            return Some(UnknownSyntax {
                at: piece.clone(),
                piece,
                what: format!(
                    "`${short}` is not an expression of gameday: the $ would stay, and what follows be replaced"
                ),
            });
        }
        let unknown = roots(&text[mark.inner.clone()]).into_iter().find(|name| !is_known(name, &own))?;
        let from = mark.inner.start + text[mark.inner.clone()].find(&unknown).unwrap_or_default();
        let what = format!("`{short}`: there is nothing called `{unknown}`");
        Some(UnknownSyntax { at: from..from + unknown.len(), piece: mark.at.clone(), what })
    })
}

/// Returns a piece if a text that is no template was surely meant as one: it uses gameday's names, and no others.
pub fn unrendered(text: &str) -> Option<Mark> {
    let marks = marks(text);
    if marks.iter().any(|m| !m.closed || m.kind == Kind::Comment) {
        return None;
    }
    let own = defined(text, &marks);
    let names = |m: &Mark| roots(&text[m.inner.clone()]);
    let all_known = marks.iter().flat_map(names).all(|name| is_known(&name, &own));
    let ours = |m: &&Mark| names(m).iter().any(|name| is_known(name, &BTreeSet::new()));
    marks.iter().find(ours).filter(|_| all_known).cloned()
}

/// Returns the available names for people. `has` decides about database, cache, files and logs.
pub fn names(has: impl Fn(&str) -> bool) -> String {
    let given =
        |name: &&&str| name.split_once('.').is_none_or(|(table, _)| matches!(table, "env" | "config") || has(table));
    NAMES.iter().filter(given).copied().collect::<Vec<_>>().join(", ")
}

fn is_known(name: &str, own: &BTreeSet<String>) -> bool {
    let root = name.split('.').next().unwrap_or_default();
    if own.contains(root) || FUNCTIONS.contains(&root) || root == "env" {
        return true;
    }
    let mut path = name.splitn(3, '.');
    let two = (path.next(), path.next());
    NAMES.iter().chain(INNER).any(|known| {
        let mut known_path = known.split('.');
        match (two, (known_path.next(), known_path.next())) {
            ((root, None), (known, _)) => root == known,
            ((root, field), (known, Some(known_field))) => root == known && field == Some(known_field),
            // The value has no fields, or its fields are not listed.
            ((root, _), (known, None)) => root == known,
        }
    })
}

/// Returns the names that the text itself defines: loop variables, `set`, macros.
fn defined(text: &str, marks: &[Mark]) -> BTreeSet<String> {
    let mut own = BTreeSet::new();
    for mark in marks.iter().filter(|m| m.kind == Kind::Statement) {
        let inner = text[mark.inner.clone()].trim();
        let (word, rest) = inner.split_once(char::is_whitespace).unwrap_or((inner, ""));
        let names = match word {
            "for" => rest.split(" in ").next().unwrap_or_default().to_owned(),
            "set" | "with" => rest.split(',').filter_map(|part| part.split('=').next()).collect::<Vec<_>>().join(" "),
            word if DEFINE.contains(&word) => rest.replace('=', " "),
            _ => continue,
        };
        own.extend(roots(&names).into_iter().map(|name| name.split('.').next().unwrap_or_default().to_owned()));
    }
    own
}

/// Returns the names that an expression reads, with their fields: `database.host`.
fn roots(inner: &str) -> Vec<String> {
    let bytes: Vec<char> = inner.chars().collect();
    let first = inner.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    if DEFINE.contains(&first) {
        return vec![];
    }
    let mut found = vec![];
    let mut at = 0;
    let mut before = ' ';
    let mut word_before = String::new();
    while let Some(&c) = bytes.get(at) {
        if c == '"' || c == '\'' {
            at += 1;
            while bytes.get(at).is_some_and(|q| *q != c) {
                at += if bytes[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
            (before, word_before) = (c, String::new());
        } else if c.is_alphabetic() || c == '_' {
            let begin = at;
            while bytes.get(at).is_some_and(|c| {
                c.is_alphanumeric()
                    || *c == '_'
                    || *c == '.' && bytes.get(at + 1).is_some_and(|n| n.is_alphabetic() || *n == '_')
            }) {
                at += 1;
            }
            let name: String = bytes[begin..at].iter().collect();
            let next: String = bytes[at..].iter().skip_while(|c| c.is_whitespace()).take(2).collect();
            let argument = next.starts_with('=') && next != "==";
            let test = word_before == "is" || word_before == "is not";
            if !matches!(before, '.' | '|') && !argument && !test && !KEYWORDS.contains(&name.as_str()) {
                found.push(name.clone());
            }
            word_before = if word_before == "is" && name == "not" { "is not".into() } else { name };
            before = 'a';
        } else if c.is_ascii_digit() {
            while bytes.get(at).is_some_and(|c| c.is_alphanumeric() || *c == '_') {
                at += 1;
            }
            (before, word_before) = ('0', String::new());
        } else {
            if !c.is_whitespace() {
                (before, word_before) = (c, String::new());
            }
            at += 1;
        }
    }
    found
}

/// Returns the end of an expression, outside quotes and brackets.
fn end_of(text: &str, from: usize, close: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut quote = None;
    let mut chars = text[from..].char_indices();
    while let Some((i, c)) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => drop(chars.next()),
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, _) if depth == 0 && text[from + i..].starts_with(close) => return Some(from + i),
            (None, '"' | '\'') => quote = Some(c),
            (None, '{' | '[' | '(') => depth += 1,
            (None, '}' | ']' | ')') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn end_of_raw(text: &str, from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(open) = text[at..].find("{%").map(|o| at + o) {
        let end = open + 2 + text[open + 2..].find("%}")?;
        if text[trimmed(text, open + 2..end)].trim() == "endraw" {
            return Some(end + 2);
        }
        at = open + 2;
    }
    None
}

/// Removes the signs that control white space.
fn trimmed(text: &str, inner: Range<usize>) -> Range<usize> {
    let piece = &text[inner.clone()];
    let start = inner.start + usize::from(piece.starts_with(['-', '+']));
    let end = inner.end - usize::from(piece.len() > 1 && piece.ends_with(['-', '+']));
    start..end.max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_passes() {
        for text in [
            "",
            "plain",
            "{ x }",
            "{{ port }}",
            "{{database.host|ini}}",
            "{{- region -}}",
            "a {{ 'x' ~ \"{{\" }} b",
            "{% if database %}{{ database.password }}{% endif %}",
            "{% raw %}{{ .Names }} {# x #}{% endraw %}",
            "{%- raw -%} {{ x }} {%- endraw -%}",
            "{% for zone, ip in files.mount_targets | items %}{{ zone }}={{ ip }}{{ loop.index }}{% endfor %}",
            "{% set x = port + 1 %}{{ x }}",
            "{{ env.ANYTHING }}",
            "{% include 'user-data.sh.j2' %}",
            "{{ put('/etc/x', config.template, mode='0600') }}",
            "{{ {'a': {'b': port}} }}",
            "{% macro m(a, b=1) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}",
            "{{ cache.host if cache else 'none' }}",
            "{{ sha256 is none }}",
            "{{ region | replace('-', '_') }}",
            "{{ '{#' }}",
            "{% if port is not even %}x{% endif %}",
            "{{ source.split('/') | last }}",
            "a }} b %} c #}",
            "$ {{ port }}",
        ] {
            assert_eq!(unknown_syntax(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_ours_is_found_with_its_place() {
        for (text, at, what) in [
            ("x {{ scoring.url }}", "{{ scoring.url }}", "scoring.url"),
            ("{{ groups['web'][0] }}", "{{ groups['web'][0] }}", "groups"),
            ("{% if false %}{{ ansible_host }}{% endif %}", "{{ ansible_host }}", "ansible_host"),
            ("{{ x | default('') }}", "{{ x | default('') }}", "`x`"),
            ("{% if x is defined %}a{% endif %}", "{% if x is defined %}", "`x`"),
            ("{{ database.hots }}", "{{ database.hots }}", "database.hots"),
            ("echo ${#array[@]}\necho #}", "{#array[@]}\necho #}", "vanish"),
            ("echo ${#array[@]}", "{#array[@]}", "never ends"),
            ("{# note #}", "{# note #}", "vanish"),
            ("${{ port }}", "${{ port }}", "$ would stay"),
            ("${{ secrets.KEY }}", "${{ secrets.KEY }}", "$ would stay"),
            ("a {{ port", "{{ port", "not closed"),
            ("{{ lookup('env', 'HOME') }}", "{{ lookup('env', 'HOME') }}", "lookup"),
            ("{{ end }}", "{{ end }}", "`end`"),
        ] {
            let found = unknown_syntax(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(&text[found.piece.clone()], at);
            assert!(text[found.piece.clone()].contains(&text[found.at.clone()]));
            assert!(found.what.contains(what), "{found:?}");
        }
    }

    #[test]
    fn a_file_without_the_ending_that_was_meant_as_a_template() {
        for text in ["host={{ database.host }}", "{% if cache %}x{% endif %}", "{{ region }} {{ port }}"] {
            assert!(unrendered(text).is_some(), "{text}");
        }
        for text in [
            "{{ scoring.url }}",
            "{{ region }} {{ other }}",
            "echo ${#a}",
            "{{.Names}}",
            "plain",
            "{{ 1 + 1 }}",
            "a {# b",
        ] {
            assert!(unrendered(text).is_none(), "{text}");
        }
    }
}
