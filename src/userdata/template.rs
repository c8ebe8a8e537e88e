//! The template engine with gameday's additions: `put`, the quoting filters, marks instead of passwords.
use super::{Boot, Comments, Database, Error, Finding, Result, SecretSource, copies};
use gameday_config::include::Includes;
use gameday_config::{APP_LOG, command, command::CommandLine, is_template, markup, said};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Rest, Serde};
use minijinja::{AutoEscape, Environment, ErrorKind, State, UndefinedBehavior, Value, context};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The shipped files, under the names that templates use for each other.
pub(super) const SHIPPED: &[(&str, &str)] = &[
    ("agent.json.j2", include_str!("../../templates/agent.json.j2")),
    ("bake.sh.j2", include_str!("../../userdata/bake.sh.j2")),
    ("beacon.py", include_str!("../../userdata/beacon.py")),
    ("beacon.service.j2", include_str!("../../userdata/beacon.service.j2")),
    ("boot.service.j2", include_str!("../../userdata/boot.service.j2")),
    ("boot.sh.j2", include_str!("../../userdata/boot.sh.j2")),
    ("copies.sh.j2", include_str!("../../userdata/copies.sh.j2")),
    ("database.sh.j2", include_str!("../../userdata/database.sh.j2")),
    ("database/mysql.sh.j2", include_str!("../../userdata/database/mysql.sh.j2")),
    ("database/postgres.sh.j2", include_str!("../../userdata/database/postgres.sh.j2")),
    ("env.j2", include_str!("../../templates/env.j2")),
    ("haproxy.cfg.j2", include_str!("../../templates/haproxy.cfg.j2")),
    ("logrotate.j2", include_str!("../../templates/logrotate.j2")),
    ("proxy.service.j2", include_str!("../../templates/proxy.service.j2")),
    ("refuse.sql.j2", include_str!("../../templates/refuse.sql.j2")),
    ("run/archive.fetch.sh.j2", include_str!("../../userdata/run/archive.fetch.sh.j2")),
    ("run/archive.start.j2", include_str!("../../userdata/run/archive.start.j2")),
    ("run/binary.fetch.sh.j2", include_str!("../../userdata/run/binary.fetch.sh.j2")),
    ("run/binary.start.j2", include_str!("../../userdata/run/binary.start.j2")),
    ("run/container.fetch.sh.j2", include_str!("../../userdata/run/container.fetch.sh.j2")),
    ("run/container.start.j2", include_str!("../../userdata/run/container.start.j2")),
    ("schema-postgres.sql.j2", include_str!("../../templates/schema-postgres.sql.j2")),
    ("schema.sql.j2", include_str!("../../templates/schema.sql.j2")),
    ("server.ini.j2", include_str!("../../templates/server.ini.j2")),
    ("service.service.j2", include_str!("../../templates/service.service.j2")),
    ("user-data.sh.j2", include_str!("../../userdata/user-data.sh.j2")),
];

/// The rendered texts.
pub(super) struct Output {
    pub script: Script,
    pub files: BTreeMap<String, String>,
    pub notes: Vec<Finding>,
}

/// The script of the user data.
pub(super) enum Script {
    /// Text rendered from a template.
    Rendered(String),
    /// Bytes of the user, unchanged.
    Raw(Vec<u8>),
}

/// A file of the user: a template by its name, or unchanged bytes.
enum UserFile {
    Template { key: String, text: String },
    Raw { key: String, bytes: Vec<u8> },
}

impl UserFile {
    fn key(&self) -> &str {
        match self {
            Self::Template { key, .. } | Self::Raw { key, .. } => key,
        }
    }
}

/// The prefix for a user's file with the name of a shipped one.
const OWN: &str = "./";

/// Returns the mark in the script for a password.
pub(super) fn mark(secret: &str) -> String {
    format!("@@literal:{secret}@@")
}

fn from(value: &impl serde::Serialize) -> Value {
    Value::from(Serde(value))
}

/// The most template instructions for one file. A loop that needs more practically never ends.
const STEPS: u64 = 200_000;
/// The largest piece of syntax in bytes, since each sign can take a step of the stack.
const PIECE: usize = 4 << 10;
/// The most pieces of syntax in one file, since each branch of a condition nests in the one before.
const PIECES: usize = 2000;
/// The widest column and the deepest indentation that a filter can produce.
const WIDEST: i64 = 1000;
/// The most time and memory for all files together, since texts can be doubled in a few steps.
const PATIENCE: Duration = Duration::from_secs(30);
const MEMORY: u64 = 512 << 20;
const LOOK: Duration = Duration::from_millis(5);
/// The stack size of the main thread.
const STACK: usize = 8 << 20;

/// Renders in a separate thread, so that the caller can stop waiting.
pub(super) fn render(
    boot: &Boot,
    includes: &Includes,
    secrets: &BTreeMap<&str, &SecretSource>,
    comments: Comments,
) -> Result<Output> {
    let (boot, includes) = (boot.clone(), includes.clone());
    let secrets: BTreeMap<String, SecretSource> =
        secrets.iter().map(|(name, source)| ((*name).to_owned(), (*source).clone())).collect();
    let (tell, told) = mpsc::channel();
    let at = Arc::new(Mutex::new(String::new()));
    let (begun, before, place) = (Instant::now(), memory(), at.clone());
    let work = move || {
        let secrets = secrets.iter().map(|(name, source)| (name.as_str(), source)).collect();
        _ = tell.send(all(&boot, &includes, &secrets, comments, &place));
    };
    let worker = thread::Builder::new().stack_size(STACK).spawn(work).expect("there is room for a thread");
    loop {
        let what = match told.recv_timeout(LOOK) {
            Ok(done) => return done,
            Err(RecvTimeoutError::Disconnected) => match worker.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(()) => unreachable!("it tells before it ends"),
            },
            Err(RecvTimeoutError::Timeout) if memory().saturating_sub(before) > MEMORY => {
                format!("it takes more than {} MiB of memory", MEMORY >> 20)
            }
            Err(RecvTimeoutError::Timeout) if begun.elapsed() > PATIENCE => {
                format!("it takes more than {} s", PATIENCE.as_secs())
            }
            Err(RecvTimeoutError::Timeout) => continue,
        };
        let at = at.lock().unwrap_or_else(|e| e.into_inner());
        return Err(refused(&at, "", None, what, ENDLESS.into()));
    }
}

/// Returns the memory that this process uses.
fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or_default() * 4096
}

const ENDLESS: &str = "make what it repeats or joins smaller: all of the user data is 16 KiB at most";

/// Renders everything. `at` receives the name of the current file.
fn all(
    boot: &Boot,
    includes: &Includes,
    secrets: &BTreeMap<&str, &SecretSource>,
    comments: Comments,
    at: &Arc<Mutex<String>>,
) -> Result<Output> {
    let mut notes = vec![];
    let shipped = |name: &str| SHIPPED.iter().any(|(shipped, _)| *shipped == name);
    let key_of = |name: &str| if shipped(name) { format!("{OWN}{name}") } else { name.to_owned() };
    let mut own = |path: &Option<std::path::PathBuf>| -> Result<Option<UserFile>> {
        let Some(path) = path else { return Ok(None) };
        let name = path.display().to_string();
        let bytes = super::read(includes, &name)?;
        let key = key_of(&name);
        Ok(Some(match is_template(&name) {
            true => UserFile::Template { key, text: template_text(&name, bytes, &mut notes)? },
            false => {
                as_written(&name, &bytes, &mut notes);
                UserFile::Raw { key, bytes }
            }
        }))
    };
    let config = own(&boot.config)?;
    let user_data = own(&boot.user_data)?;
    let sql = boot
        .database
        .iter()
        .flat_map(|d| &d.sql)
        .map(|(name, bytes)| match is_template(name) {
            true => Ok(UserFile::Template { key: key_of(name), text: template_text(name, bytes.clone(), &mut notes)? }),
            false => {
                as_written(name, bytes, &mut notes);
                Ok(UserFile::Raw { key: key_of(name), bytes: bytes.clone() })
            }
        })
        .collect::<Result<Vec<_>>>()?;

    for own in [&config, &user_data].into_iter().flatten().chain(&sql) {
        if let UserFile::Template { key, text } = own {
            ours_only(key, text, boot)?;
        }
    }

    let mut env = environment();
    let mut sources: BTreeMap<&str, &str> = SHIPPED.iter().copied().collect();
    let mut raw: Raw = BTreeMap::new();
    for own in [&config, &user_data].into_iter().flatten().chain(&sql) {
        match own {
            UserFile::Template { key, text } => drop(sources.insert(key, text)),
            UserFile::Raw { key, bytes } => drop(raw.insert(key.clone(), Arc::from(bytes.as_slice()))),
        }
    }
    for (name, text) in &sources {
        env.add_template(name, text).map_err(|e| failed(e, name, text))?;
    }

    let config_template = config.as_ref().map_or("server.ini.j2", UserFile::key);
    let config_name = Path::new(config_template).file_name().unwrap_or_default().to_string_lossy();
    let config_name = without_ending(&config_name);
    // It is written unchanged, so that not even a password's mark in it is replaced.
    let config_raw = matches!(config, Some(UserFile::Raw { .. }));
    // A container gets everything by its environment, unless the user gives a file.
    let has_config = config.is_some() || boot.run == super::Run::Binary;

    let by_source = |literal: bool| {
        secrets
            .iter()
            .filter(move |(_, source)| matches!(source, SecretSource::Literal(_)) == literal)
            .map(|(name, source)| ((*name).to_string(), (*source).clone()))
    };
    let sql_files: Vec<_> =
        sql.iter().map(|own| context! { template => own.key(), name => without_ending(own.key()) }).collect();
    let base_context = context! {
        name => format!("gameday-{}", boot.service),
        unit => boot.unit(),
        dir => "/opt/gameday/app",
        log_dir => "/var/log/gameday",
        fs_path => boot.files.as_ref().map_or(copies::local_files(boot), |f| f.path.trim_end_matches('/')),
        config => has_config.then(|| context! { template => config_template, name => config_name, raw => config_raw }),
        database => boot.database.as_ref().map(|database| database_context(database, &sql_files)),
        literals => by_source(true).map(|(name, _)| name).collect::<Vec<_>>(),
        parameters => from(&by_source(false).collect::<BTreeMap<_, _>>()),
        uid => super::SERVICE_UID,
        packages => copies::packages(boot),
        copy_list => copies::list(boot),
        log_files => log_files(boot),
        docker => (boot.run == super::Run::Container).then(|| docker_ranges(&boot.vpc)),
        ..from(boot)
    };
    // `env` and `command` are small templates, too. Each copy has them of its own.
    let copy_context = copies::context(boot, &base_context);
    for (name, text) in
        boot.env.iter().map(|(k, v)| (format!("env.{k}"), v)).chain(boot.command.iter().map(|c| ("command".into(), c)))
    {
        ours_only(&name, text, boot)?;
    }
    let own_env = boot
        .env
        .iter()
        .map(|(key, text)| Ok((key.clone(), inline(&env, &format!("env.{key}"), text, &copy_context, at)?)))
        .collect::<Result<BTreeMap<_, _>>>()?;
    // The port of a container becomes a word of root's command line.
    if let (super::Run::Container, Some(port)) = (boot.run, own_env.get("PORT"))
        && !port.parse::<u16>().is_ok_and(|port| port > 0)
    {
        let given = boot.env.get("PORT").map(String::as_str).unwrap_or_default();
        let help = "give the number of the port on which the service listens inside its container".into();
        return Err(refused("env.PORT", given, None, format!("{port:?} is not a port: 1 to 65535"), help));
    }
    let command = boot.command.as_ref().map(|c| inline(&env, "command", c, &copy_context, at)).transpose()?;
    if command.as_ref().is_some_and(|c| c.contains("_password@@")) {
        return Err(refused(
            "command",
            boot.command.as_deref().unwrap_or_default(),
            None,
            "a password in the start command would be seen in the list of processes".into(),
            "give it as a variable under env, and name that: \"$VARIABLE\"".into(),
        ));
    }
    let started = command.clone();
    let started = started.as_deref().unwrap_or("./server");
    let line = command::read(started).unwrap_or_default();
    let context = context! {
        env => own_env,
        command => command,
        // In the form for a start script, and as words for a container.
        start => CommandLine::in_foreground(started),
        arguments => line.commands.first().filter(|_| boot.command.is_some()).map(|c| c.words.clone()).unwrap_or_default(),
        programs => line.programs(),
        ..base_context
    };

    let files = Arc::new(Mutex::new(BTreeMap::new()));
    let puts = [("put", &context), ("put_copy", &copies::context(boot, &context))];
    add_puts(&mut env, puts, comments, &files, &raw, at);
    let script = match &user_data {
        Some(UserFile::Raw { bytes, .. }) => Script::Raw(bytes.clone()),
        own => {
            let top = own.as_ref().map_or("user-data.sh.j2", UserFile::key);
            set_current(at, top);
            let script = env.get_template(top).and_then(|template| template.render(&context));
            Script::Rendered(script.map_err(|e| failed(e, top, sources[top]))?)
        }
    };
    let files = std::mem::take(&mut *files.lock().expect("no thread panics"));
    Ok(Output { script, files, notes })
}

/// Unchanged files, by the names under which templates write them.
type Raw = BTreeMap<String, Arc<[u8]>>;

/// Returns a template's text: UTF-8, with Unix line ends.
fn template_text(name: &str, bytes: Vec<u8>, notes: &mut Vec<Finding>) -> Result<String> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(line_ends(name, &text, notes)),
        Err(e) => {
            let line = e.as_bytes()[..e.utf8_error().valid_up_to()].split(|b| *b == b'\n').count();
            Err(Error::NotText { file: name.into(), line }.into())
        }
    }
}

/// Notes probable mistakes in a file that is delivered unchanged.
fn as_written(name: &str, bytes: &[u8], notes: &mut Vec<Finding>) {
    if bytes.starts_with(b"#!") && bytes.split(|b| *b == b'\n').next().is_some_and(|first| first.ends_with(b"\r")) {
        let message = "has Windows line ends (CRLF) and is delivered unchanged: the kernel would look for an interpreter whose name ends in \\r";
        notes.push(Finding::warning(name, message.into()));
    } else if bytes.windows(2).any(|w| w == b"\r\n") {
        notes.push(Finding::warning(name, "has Windows line ends (CRLF) and is delivered unchanged".into()));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        notes.push(Finding::warning(name, "begins with a byte order mark and is delivered unchanged".into()));
    }
}

/// Rejects template syntax that would be lost, or that belongs to another template language.
fn ours_only(key: &str, text: &str, boot: &Boot) -> Result<()> {
    if let Some(long) = markup::marks(text).into_iter().find(|mark| mark.at.len() > PIECE) {
        let what = format!("a piece of template syntax is longer than {} KiB", PIECE >> 10);
        return Err(refused(key, text, Some(long.inner.start..long.inner.start), what, ENDLESS.into()));
    }
    if let Some(more) = markup::marks(text).into_iter().nth(PIECES) {
        let what = format!("it has more than {PIECES} pieces of template syntax");
        return Err(refused(key, text, Some(more.at), what, ENDLESS.into()));
    }
    let Some(foreign) = markup::unknown_syntax(text) else { return Ok(()) };
    let help = format!(
        "to keep it unchanged, put {{% raw %}} before and {{% endraw %}} after it{}. The available names are: {}",
        if is_template(key) { ", or use a file name without .j2" } else { "" },
        names(boot).join(", ")
    );
    Err(refused(key, text, Some(foreign.at), foreign.what, help))
}

/// Returns the names that this stack's templates can use.
pub(super) fn names(boot: &Boot) -> Vec<String> {
    let has = |table: &str| match table {
        "database" => boot.database.is_some(),
        "cache" => boot.cache.is_some(),
        "files" => boot.files.is_some(),
        "logs" => boot.logs.is_some(),
        _ => true,
    };
    markup::names(has).split(", ").map(str::to_owned).collect()
}

/// Returns a template's text for display: every character keeps its place, and none has an effect.
fn source(file: &str, text: &str) -> miette::NamedSource<String> {
    miette::NamedSource::new(said::line(file), said::in_place(text).into_owned())
}

fn refused(key: &str, text: &str, at: Option<std::ops::Range<usize>>, message: String, help: String) -> Box<Error> {
    let file = key.strip_prefix(OWN).unwrap_or(key).to_string();
    let line = at.as_ref().map_or(1, |at| text[..at.start].matches('\n').count() + 1);
    let code = source(&file, text);
    Box::new(Error::Template { file, line, message, code, span: at.map(Into::into), help })
}

/// Returns ranges for Docker's own networks outside those of the VPC, which can include Docker's usual 172.17.0.0/16.
fn docker_ranges(vpc: &[String]) -> Value {
    use gameday_config::Cidr;
    let vpc: Vec<Cidr> = vpc.iter().filter_map(|c| c.parse().ok()).collect();
    let apart = |range: &Cidr| vpc.iter().all(|c| !c.contains(range) && !range.contains(c));
    let ranges = ["192.168.240.0/20", "172.29.240.0/20", "10.253.240.0/20", "100.127.240.0/20"];
    let free = ranges.iter().find(|r| r.parse().is_ok_and(|r| apart(&r))).unwrap_or(&ranges[0]);
    // 192.168.240.1/24 for the bridge, the upper half for Docker's other networks.
    let head = free.trim_end_matches("240.0/20");
    context! { bridge => format!("{head}240.1/24"), pool => format!("{head}248.0/21") }
}

/// Returns the log files of the service, each with the end of the name of its log stream.
fn log_files(boot: &Boot) -> Vec<Value> {
    let named = boot.log_files.iter().map(|name| context! { name, stream => format!("/{name}") });
    std::iter::once(context! { name => APP_LOG, stream => "" }).chain(named).collect()
}

fn without_ending(name: &str) -> &str {
    if is_template(name) { &name[..name.len() - 3] } else { name }
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
    env.set_fuel(Some(STEPS));
    env.set_formatter(|out, state, value| match value.is_none() {
        true => {
            Err(minijinja::Error::new(ErrorKind::UndefinedError, "the value is not given; guard it with {% if … %}"))
        }
        false => minijinja::escape_formatter(out, state, value),
    });
    env.add_filter("sh", sh);
    env.add_filter("ini", |text: String| quoted(&text, "ini", &[('\\', "\\\\"), ('"', "\\\"")]));
    env.add_filter("sql", |text: String| {
        quoted(&text, "sql", &[('\\', "\\\\"), ('\'', "''")]).map(|text| format!("'{text}'"))
    });
    env.add_filter("line", |text: String| quoted(&text, "", &[]));
    for (name, hidden) in [("indent", "gameday_indent"), ("tojson", "gameday_tojson"), ("format", "gameday_format")] {
        let bounded = move |state: &mut State<'_, '_>, value: Value, args: Rest<Value>, named: Kwargs| {
            let named_ones = named.args().filter_map(|name| named.peek::<Value>(name).ok());
            if is_too_wide(name, &value, args.iter().cloned().chain(named_ones)) {
                let what = format!("wider than {WIDEST} columns");
                return Err(minijinja::Error::new(ErrorKind::InvalidOperation, what));
            }
            let named_ones = named.args().next().is_some().then(|| Value::from(named.clone()));
            state.apply_filter(hidden, &[vec![value], args.0, Vec::from_iter(named_ones)].concat())
        };
        env.add_filter(name, bounded);
    }
    env.add_filter("gameday_indent", minijinja::filters::indent);
    env.add_filter("gameday_tojson", minijinja::filters::tojson);
    env.add_filter("gameday_format", minijinja::filters::format);
    env.add_filter("basename", |text: String| text.rsplit(['/', '\\']).next().unwrap_or_default().to_string());
    env
}

/// True if the width of a filter takes too much memory, which the limit of instructions does not catch.
fn is_too_wide(filter: &str, value: &Value, mut args: impl Iterator<Item = Value>) -> bool {
    if filter == "format" {
        let format = value.as_str().unwrap_or_default();
        return format.contains('*') || format.split(|c: char| !c.is_ascii_digit()).any(|width| width.len() > 3);
    }
    args.any(|arg| arg.is_number() && arg.as_i64().is_none_or(|width| width > WIDEST))
}

/// Quotes a value for the shell, so that nothing in it is special. Plain words stay unchanged.
fn sh(value: Value) -> std::result::Result<String, minijinja::Error> {
    let text = match value.as_str() {
        Some(text) => text.to_owned(),
        None if value.is_number() => value.to_string(),
        None => return Err(minijinja::Error::new(ErrorKind::InvalidOperation, "neither a text nor a number")),
    };
    if let Some(name) = password_mark(&text) {
        return Ok(format!("@@sh:{name}@@"));
    }
    let text = quoted(&text, "sh", &[])?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c);
    Ok(if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) })
}

/// Escapes a value of one line. A password's mark gets the name of its escape.
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

fn database_context(database: &Database, sql: &[Value]) -> Value {
    // As hexadecimal digits no character has a meaning for a shell or a database.
    let refuse: Vec<String> =
        database.refuse.iter().map(|text| text.bytes().map(|byte| format!("{byte:02x}")).collect()).collect();
    let refuse_id = match refuse.is_empty() {
        true => String::new(),
        false => Sha256::digest(refuse.join(",")).iter().take(8).map(|byte| format!("{byte:02x}")).collect(),
    };
    context! {
        refuse,
        refuse_id,
        password => "@@app_password@@",
        master_password => database.master_password.as_ref().map(|_| "@@master_password@@"),
        sql,
        ..from(database)
    }
}

/// Adds `put(path, template, mode)` and similar functions, which write a file on the machine as a here-document.
///
/// `put_copy` writes a file that the machine fills in for each copy of the service.
fn add_puts(
    env: &mut Environment<'_>,
    puts: [(&'static str, &Value); 2],
    comments: Comments,
    files: &Arc<Mutex<BTreeMap<String, String>>>,
    raw: &Raw,
    at: &Arc<Mutex<String>>,
) {
    for (name, context) in puts {
        let (context, seen, at, raw) = (context.clone(), files.clone(), at.clone(), raw.clone());
        env.add_function(name, move |state: &State, path: String, template: String, mode: Option<String>| {
            if let Some(bytes) = raw.get(&template) {
                return as_bytes(&path, bytes, mode.as_deref(), &seen);
            }
            let outer = set_current(&at, &template);
            let mut text = state.env().get_template(&template)?.render(&context)?;
            if comments == Comments::Left && template == "boot.sh.j2" {
                text = without_comments(&text);
            }
            set_current(&at, &outer);
            if path.starts_with("/opt/gameday/etc/sql/") && text.contains("_password@@") {
                let why = "a password cannot be in an SQL file: the users are created without it";
                return Err(minijinja::Error::new(ErrorKind::InvalidOperation, why));
            }
            here_document(&path, &text, mode.as_deref(), &seen)
        });
    }
    let seen = files.clone();
    env.add_function("put_text", move |path: String, text: String, mode: Option<String>| {
        here_document(&path, &text, mode.as_deref(), &seen)
    });
    env.add_function("put_secret", move |name: String| {
        format!("put /opt/gameday/secrets/{name} 0600 <<'END_OF_SECRET'\n{}\nEND_OF_SECRET", mark(&name))
    });
}

/// Removes the lines of the boot script that only say something to its reader.
fn without_comments(script: &str) -> String {
    let is_comment = |line: &str| {
        let line = line.trim_start();
        line.starts_with("# ") && !line.starts_with("# shellcheck ")
    };
    script.split_inclusive('\n').filter(|line| !is_comment(line)).collect()
}

type FilterResult = std::result::Result<String, minijinja::Error>;

/// Writes a file byte for byte: unchanged if a here-document can hold it, otherwise as base64.
fn as_bytes(path: &str, bytes: &[u8], mode: Option<&str>, files: &Mutex<BTreeMap<String, String>>) -> FilterResult {
    use base64::Engine as _;
    match std::str::from_utf8(bytes) {
        Ok(text) if text.ends_with('\n') && !text.contains(['\0', '\r']) => here_document(path, text, mode, files),
        _ => {
            let mut coded = base64::prelude::BASE64_STANDARD.encode(bytes);
            for at in (76..coded.len()).step_by(77) {
                coded.insert(at, '\n');
            }
            let put = format!(
                "base64 -d <<'END_OF_FILE' | put {} {}\n{coded}\nEND_OF_FILE",
                sh(Value::from(path))?,
                mode.unwrap_or("0644")
            );
            files
                .lock()
                .expect("no thread panics")
                .insert(path.to_string(), String::from_utf8_lossy(bytes).into_owned());
            Ok(put)
        }
    }
}

fn here_document(path: &str, text: &str, mode: Option<&str>, files: &Mutex<BTreeMap<String, String>>) -> FilterResult {
    let mut text = text.to_string();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let mut end = "END_OF_FILE".to_string();
    while text.lines().any(|line| line == end) {
        end.push('_');
    }
    let document = format!("put {} {} <<'{end}'\n{text}{end}", sh(Value::from(path))?, mode.unwrap_or("0644"));
    files.lock().expect("no thread panics").insert(path.to_string(), text);
    Ok(document)
}

/// Replaces Windows line ends, since `/bin/bash\r` is no program on Linux.
fn line_ends(name: &str, text: &str, notes: &mut Vec<Finding>) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.contains("\r\n") {
        notes.push(Finding::warning(name, "has Windows line ends (CRLF); rendered with LF".into()));
    }
    text.replace("\r\n", "\n")
}

/// Notes the file that is being rendered, and returns the one before.
fn set_current(at: &Mutex<String>, name: &str) -> String {
    std::mem::replace(&mut at.lock().unwrap_or_else(|e| e.into_inner()), name.to_owned())
}

fn inline(env: &Environment<'_>, name: &str, text: &str, context: &Value, at: &Mutex<String>) -> Result<String> {
    set_current(at, name);
    let value = env.render_named_str(name, text, context).map_err(|e| failed(e, name, text))?;
    // This is reported here, where its name is known, and not by the file into which it is written.
    if value.chars().any(char::is_control) {
        return Err(Error::Control { what: name.into() }.into());
    }
    Ok(value)
}

fn failed(e: minijinja::Error, name: &str, text: &str) -> Box<Error> {
    // The innermost error with a position is the one in the user's template.
    let mut at = &e;
    let mut next: Option<&dyn std::error::Error> = Some(&e);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<minijinja::Error>().filter(|e| e.line().is_some()) {
            at = error;
        }
        next = error.source();
    }
    let file = at.name().unwrap_or(name);
    let file = file.strip_prefix(OWN).unwrap_or(file).to_string();
    let code = at.template_source().unwrap_or(text).to_string();
    let help = match at.kind() {
        ErrorKind::UndefinedError => {
            "templates are strict: every name has to be given. `gameday render --check` lists the names there are; \
             guard what may be off with {% if database %}"
        }
        ErrorKind::SyntaxError => {
            "the syntax is that of Jinja: {{ value }}, {% if … %} … {% endif %}. What is meant for somebody else goes \
             between {% raw %} and {% endraw %}, or into a file whose name does not end in .j2"
        }
        ErrorKind::OutOfFuel => ENDLESS,
        _ => "correct the template, or leave it out to use the shipped one",
    };
    let message = match at.kind() {
        ErrorKind::OutOfFuel => format!("it takes more than {STEPS} steps"),
        kind => at.detail().map_or_else(|| kind.to_string(), |d| format!("{kind}: {d}")),
    };
    Box::new(Error::Template {
        line: at.line().unwrap_or(1),
        message,
        span: at.range().map(Into::into),
        code: source(&file, &code),
        file,
        help: help.into(),
    })
}
