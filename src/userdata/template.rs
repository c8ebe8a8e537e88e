//! The template engine with what is ours: `put`, the quoting filters, marks instead of passwords.
use super::{Boot, Database, Error, Finding, Result, SecretSource};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, State, UndefinedBehavior, Value, context};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What is shipped, under the names that templates use for one another.
const SHIPPED: &[(&str, &str)] = &[
    ("agent.json.j2", include_str!("../../templates/agent.json.j2")),
    ("beacon.py", include_str!("../../userdata/beacon.py")),
    ("beacon.service.j2", include_str!("../../userdata/beacon.service.j2")),
    ("boot.service.j2", include_str!("../../userdata/boot.service.j2")),
    ("boot.sh.j2", include_str!("../../userdata/boot.sh.j2")),
    ("database.sh.j2", include_str!("../../userdata/database.sh.j2")),
    ("env.j2", include_str!("../../templates/env.j2")),
    ("logrotate.j2", include_str!("../../templates/logrotate.j2")),
    ("run/archive.fetch.sh.j2", include_str!("../../userdata/run/archive.fetch.sh.j2")),
    ("run/archive.start.j2", include_str!("../../userdata/run/archive.start.j2")),
    ("run/binary.fetch.sh.j2", include_str!("../../userdata/run/binary.fetch.sh.j2")),
    ("run/binary.start.j2", include_str!("../../userdata/run/binary.start.j2")),
    ("run/container.fetch.sh.j2", include_str!("../../userdata/run/container.fetch.sh.j2")),
    ("run/container.start.j2", include_str!("../../userdata/run/container.start.j2")),
    ("schema.sql.j2", include_str!("../../templates/schema.sql.j2")),
    ("server.ini.j2", include_str!("../../templates/server.ini.j2")),
    ("service.service.j2", include_str!("../../templates/service.service.j2")),
    ("user-data.sh.j2", include_str!("../../userdata/user-data.sh.j2")),
];

pub(super) struct Output {
    pub script: String,
    pub files: BTreeMap<String, String>,
    pub notes: Vec<Finding>,
}

/// What stands in the script where a password comes.
pub(super) fn mark(secret: &str) -> String {
    format!("@@literal:{secret}@@")
}

fn from(value: &impl serde::Serialize) -> Value {
    Value::from(Serde(value))
}

pub(super) fn render(boot: &Boot, base: &Path, secrets: &BTreeMap<&str, &SecretSource>) -> Result<Output> {
    let mut notes = vec![];
    let mut own = |path: &Option<std::path::PathBuf>| -> Result<Option<(String, String)>> {
        let Some(path) = path else { return Ok(None) };
        let text =
            std::fs::read_to_string(base.join(path)).map_err(|source| Error::Read { path: base.join(path), source })?;
        let name = path.display().to_string();
        let text = line_ends(&name, &text, &mut notes);
        Ok(Some((name, text)))
    };
    let config = own(&boot.config)?;
    let user_data = own(&boot.user_data)?;
    let sql: Vec<_> = boot
        .database
        .iter()
        .flat_map(|d| &d.sql)
        .map(|(name, text)| context! { name, text => line_ends(name, text, &mut notes) })
        .collect();

    let mut env = environment();
    let mut sources: BTreeMap<&str, &str> = SHIPPED.iter().copied().collect();
    for (name, text) in [&config, &user_data].into_iter().flatten() {
        sources.insert(name, text);
    }
    for (name, text) in &sources {
        env.add_template(name, text).map_err(|e| failed(e, name, text))?;
    }

    let config_template = config.as_ref().map_or("server.ini.j2", |(name, _)| name);
    let config_name = Path::new(config_template).file_name().unwrap_or_default().to_string_lossy();
    let config_name = config_name.strip_suffix(".j2").unwrap_or(&config_name);
    // A container is told everything by its environment, unless the user says otherwise.
    let has_config = config.is_some() || boot.run == super::Run::Binary;

    let by_source = |literal: bool| {
        secrets
            .iter()
            .filter(move |(_, source)| matches!(source, SecretSource::Literal(_)) == literal)
            .map(|(name, source)| ((*name).to_string(), (*source).clone()))
    };
    let base_context = context! {
        name => format!("gameday-{}", boot.service),
        unit => boot.unit(),
        dir => "/opt/gameday/app",
        log_dir => "/var/log/gameday",
        fs_path => boot.files.as_ref().map_or("/opt/gameday/app/cache", |f| f.path.trim_end_matches('/')),
        config => has_config.then(|| context! { template => config_template, name => config_name }),
        database => boot.database.as_ref().map(|database| of_database(database, &sql)),
        literals => by_source(true).map(|(name, _)| name).collect::<Vec<_>>(),
        parameters => from(&by_source(false).collect::<BTreeMap<_, _>>()),
        ..from(boot)
    };
    // `env` and `command` are small templates themselves.
    let own_env = boot
        .env
        .iter()
        .map(|(key, text)| Ok((key.clone(), inline(&env, &format!("env.{key}"), text, &base_context)?)))
        .collect::<Result<BTreeMap<_, _>>>()?;
    let command = boot.command.as_ref().map(|c| inline(&env, "command", c, &base_context)).transpose()?;
    let context = context! { env => own_env, command, ..base_context };

    let files = Arc::new(Mutex::new(BTreeMap::new()));
    add_puts(&mut env, &context, &files);
    let top = user_data.as_ref().map_or("user-data.sh.j2", |(name, _)| name);
    let script = env
        .get_template(top)
        .and_then(|template| template.render(&context))
        .map_err(|e| failed(e, top, sources[top]))?;
    let files = std::mem::take(&mut *files.lock().expect("no thread panics"));
    Ok(Output { script, files, notes })
}

fn environment<'a>() -> Environment<'a> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    let mut syntax = SyntaxConfig::builder();
    env.set_syntax(
        syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build().expect("nothing odd in it"),
    );
    env.set_debug(true);
    env.add_filter("sh", sh);
    env.add_filter("ini", |text: String| quoted(&text, "ini", &[('\\', "\\\\"), ('"', "\\\"")]));
    env.add_filter("sql", |text: String| {
        quoted(&text, "sql", &[('\\', "\\\\"), ('\'', "''")]).map(|text| format!("'{text}'"))
    });
    env.add_filter("line", |text: String| quoted(&text, "", &[]));
    env.add_filter("basename", |text: String| text.rsplit(['/', '\\']).next().unwrap_or_default().to_string());
    env
}

/// Between single quotes for the shell: nothing in it is special any more. Plain words stay as they are.
fn sh(text: String) -> std::result::Result<String, minijinja::Error> {
    if let Some(name) = password_mark(&text) {
        return Ok(format!("@@sh:{name}@@"));
    }
    let text = quoted(&text, "sh", &[])?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c);
    Ok(if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) })
}

/// Escapes for a place of one line. A password's mark is told how its password has to be escaped.
fn quoted(text: &str, way: &str, escapes: &[(char, &str)]) -> std::result::Result<String, minijinja::Error> {
    if text.chars().any(char::is_control) {
        return Err(minijinja::Error::new(
            ErrorKind::InvalidOperation,
            "a line break or another control character in a value that has to stay on one line",
        ));
    }
    if let (Some(name), false) = (password_mark(text), way.is_empty()) {
        return Ok(format!("@@{way}:{name}@@"));
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match escapes.iter().find(|(from, _)| *from == c) {
            Some((_, to)) => out.push_str(to),
            None => out.push(c),
        }
    }
    Ok(out)
}

fn password_mark(text: &str) -> Option<&str> {
    text.strip_prefix("@@")?.strip_suffix("@@").filter(|name| name.ends_with("_password") && !name.contains([':', '@']))
}

fn of_database(database: &Database, sql: &[Value]) -> Value {
    context! {
        password => "@@app_password@@",
        master_password => database.master_password.as_ref().map(|_| "@@master_password@@"),
        sql,
        ..from(database)
    }
}

/// `put(path, template, mode)` and its kin write a file on the machine, as a here-document of the script.
fn add_puts(env: &mut Environment<'_>, context: &Value, files: &Arc<Mutex<BTreeMap<String, String>>>) {
    let (context, seen) = (context.clone(), files.clone());
    env.add_function("put", move |state: &State, path: String, template: String, mode: Option<String>| {
        let text = state.env().get_template(&template)?.render(&context)?;
        here_document(&path, &text, mode.as_deref(), &seen)
    });
    let seen = files.clone();
    env.add_function("put_text", move |path: String, text: String, mode: Option<String>| {
        here_document(&path, &text, mode.as_deref(), &seen)
    });
    env.add_function("put_secret", move |name: String| {
        format!("put /opt/gameday/secrets/{name} 0600 <<'END_OF_SECRET'\n{}\nEND_OF_SECRET", mark(&name))
    });
}

fn here_document(
    path: &str,
    text: &str,
    mode: Option<&str>,
    files: &Mutex<BTreeMap<String, String>>,
) -> std::result::Result<String, minijinja::Error> {
    let mut text = text.to_string();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let mut end = "END_OF_FILE".to_string();
    while text.lines().any(|line| line == end) {
        end.push('_');
    }
    let document = format!("put {} {} <<'{end}'\n{text}{end}", sh(path.to_string())?, mode.unwrap_or("0644"));
    files.lock().expect("no thread panics").insert(path.to_string(), text);
    Ok(document)
}

/// Windows line ends would end up in front of every newline on a Linux machine: `/bin/bash\r` is no program.
fn line_ends(name: &str, text: &str, notes: &mut Vec<Finding>) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.contains("\r\n") {
        notes.push(Finding::warning(name, "has Windows line ends (CRLF); rendered with LF".into()));
    }
    text.replace("\r\n", "\n")
}

fn inline(env: &Environment<'_>, name: &str, text: &str, context: &Value) -> Result<String> {
    let value = env.render_named_str(name, text, context).map_err(|e| failed(e, name, text))?;
    // Said here, where its name is known, and not by the file that it would be written into.
    if value.chars().any(char::is_control) {
        return Err(Error::Control { what: name.into() }.into());
    }
    Ok(value)
}

fn failed(e: minijinja::Error, name: &str, text: &str) -> Box<Error> {
    // The innermost error that has a place is the one in the template the user wrote.
    let mut at = &e;
    let mut next: Option<&dyn std::error::Error> = Some(&e);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<minijinja::Error>().filter(|e| e.line().is_some()) {
            at = error;
        }
        next = error.source();
    }
    let file = at.name().unwrap_or(name).to_string();
    let code = at.template_source().unwrap_or(text).to_string();
    let help = match at.kind() {
        ErrorKind::UndefinedError => {
            "templates are strict: every name has to be given. `gameday render --check` shows the names there are; \
             guard what may be off with {% if database %}"
        }
        ErrorKind::SyntaxError => "the syntax is that of Jinja: {{ value }}, {% if … %} … {% endif %}",
        _ => "correct the template, or leave it out to take the shipped one",
    };
    Box::new(Error::Template {
        line: at.line().unwrap_or(1),
        message: at.detail().map_or_else(|| at.kind().to_string(), |d| format!("{}: {d}", at.kind())),
        span: at.range().map(Into::into),
        code: miette::NamedSource::new(&file, code),
        file,
        help: help.into(),
    })
}
