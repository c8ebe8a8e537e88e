//! The user data of an instance: the boot script and the files that it writes, rendered from `userdata/` and
//! `templates/`.
//!
//! Rendering is strict: an undefined name in a template is an error with file and line, now and not on the instance. It
//! is also deterministic: the same [`Boot`] gives the same bytes, since other bytes mean a new launch template version.
//!
//! Passwords are not rendered. Templates get marks such as `@@ini:app_password@@`, and the instance puts the password
//! in. Without an instance profile the password itself is in the script, in one place, and only in
//! [`Rendered::encoded`]; every other text shows dots.
mod check;
mod template;

pub use check::{Finding, Level, check};
pub use gameday_config::Run;
use gameday_config::include::{Includes, Refused};
use gameday_config::signed;

use crate::hidden::DOTS;
use base64::Engine as _;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

/// The size limit of EC2, before base64.
pub const LIMIT: usize = 16 * 1024;
/// User and group id of the service's user, which owns the access point's folder.
pub const SERVICE_UID: u32 = 1818;

/// All inputs of the user data. Values that are not known yet can be texts in parentheses.
#[derive(Clone, Debug, Serialize)]
pub struct Boot {
    pub stack: String,
    /// The service's name; its systemd unit is `gameday-NAME.service`.
    pub service: String,
    pub region: String,
    pub run: Run,
    /// `https://…`, `s3://…`, or a container image.
    pub source: String,
    pub sha256: Option<String>,
    /// The command instead of `./server`, in the working directory. For a container, the arguments after the image.
    pub command: Option<String>,
    /// Values may hold `{{ }}` expressions.
    pub env: BTreeMap<String, String>,
    pub port: u16,
    pub health_path: String,
    /// The user's file instead of the shipped `server.ini.j2`, relative to the stack file. The suffix `.j2` makes it a
    /// template.
    pub config: Option<PathBuf>,
    /// The user's script instead of the shipped `user-data.sh.j2`, found likewise.
    pub user_data: Option<PathBuf>,
    pub database: Option<Database>,
    pub cache: Option<Cache>,
    pub files: Option<Files>,
    pub logs: Option<Logs>,
    /// True if the service may read the instance metadata.
    pub metadata: bool,
    /// The address ranges of the VPC, and those used in it.
    pub vpc: Vec<String>,
    pub limits: Limits,
}

impl Boot {
    /// Makes a service that needs nothing. Callers override fields with `..`.
    pub fn new(stack: &str, service: &str, source: &str) -> Self {
        Self {
            stack: stack.into(),
            service: service.into(),
            region: "us-east-1".into(),
            run: Run::Binary,
            source: source.into(),
            sha256: None,
            command: None,
            env: BTreeMap::new(),
            port: 80,
            health_path: "/healthcheck".into(),
            config: None,
            user_data: None,
            database: None,
            cache: None,
            files: None,
            logs: None,
            metadata: false,
            vpc: vec!["10.0.0.0/16".into()],
            limits: Limits::default(),
        }
    }

    /// Returns the name of the service's systemd unit.
    pub fn unit(&self) -> String {
        format!("gameday-{}.service", self.service)
    }
}

/// The database and its users.
#[derive(Clone, Debug, Serialize)]
pub struct Database {
    pub host: String,
    pub port: u16,
    pub database: String,
    pub user: String,
    pub app_password: SecretSource,
    /// When the parameter was set: a new password changes the user data, and so reaches running instances.
    pub app_password_set: Option<String>,
    pub master_user: String,
    /// `None` if the database exists already and is only used.
    pub master_password: Option<SecretSource>,
    /// SQL to run once after the schema, by name. Names in `.j2` are templates.
    pub sql: Vec<(String, Vec<u8>)>,
}

/// The address of the cache.
#[derive(Clone, Debug, Serialize)]
pub struct Cache {
    pub host: String,
    pub port: u16,
}

/// The shared file system.
#[derive(Clone, Debug, Serialize)]
pub struct Files {
    pub file_system: String,
    /// The access point, with which the EFS mount helper mounts over TLS. Without one, NFS mounts the root.
    pub access_point: Option<String>,
    /// The mount point.
    pub path: String,
    /// The address of the mount target, by Availability Zone.
    pub mount_targets: BTreeMap<String, String>,
}

/// CloudWatch log groups. Only with an instance profile.
#[derive(Clone, Debug, Serialize)]
pub struct Logs {
    pub app_group: String,
    pub boot_group: String,
}

/// Where the instance gets a password from.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// The name of an SSM SecureString parameter, read with the instance's role.
    Parameter(String),
    /// The password itself, in the user data. Only without an instance profile.
    Literal(String),
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(name) => f.debug_tuple("Parameter").field(name).finish(),
            Self::Literal(_) => f.write_str("Literal(••••••••)"),
        }
    }
}

impl Serialize for SecretSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Parameter(name) => name,
            Self::Literal(_) => DOTS,
        })
    }
}

/// Seconds a stage may take before the beacon reports it as failed, and between the attempts after that.
#[derive(Clone, Debug, Serialize)]
pub struct Limits {
    pub packages: u32,
    pub files: u32,
    pub secrets: u32,
    pub fetch: u32,
    pub config: u32,
    pub database: u32,
    pub cache: u32,
    pub service: u32,
    pub agent: u32,
    pub pause: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            packages: 120,
            files: 45,
            secrets: 60,
            fetch: 180,
            config: 20,
            database: 120,
            cache: 60,
            service: 60,
            agent: 120,
            pause: 10,
        }
    }
}

/// The rendered user data. `Debug` and all fields but `encoded` are free of passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The script, with dots for passwords: for plans, diffs and people.
    pub user_data: String,
    /// True if it is the user's file, byte for byte.
    pub as_written: bool,
    /// Base64 of what AWS gets. It holds the passwords if there is no instance profile.
    pub encoded: String,
    /// True if the script exceeds AWS's limit and is compressed. cloud-init unpacks it.
    pub gzipped: bool,
    /// Bytes that count against the limit of 16384.
    pub size: usize,
    /// Every file that the script writes on the instance, by path, and `user-data.sh` itself.
    pub files: BTreeMap<String, String>,
    /// Remarks for the user: changed line ends, passwords in clear.
    pub notes: Vec<Finding>,
    /// The names that templates can use.
    pub names: Vec<String>,
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered")
            .field("size", &self.size)
            .field("gzipped", &self.gzipped)
            .field("files", &self.files.keys())
            .finish_non_exhaustive()
    }
}

/// The result of rendering.
pub type Result<T> = std::result::Result<T, Box<Error>>;

/// Why user data cannot be rendered.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    #[error("{} {source}", path.display())]
    #[diagnostic(help("{}", source.fix()))]
    Read { path: PathBuf, source: Refused },

    #[error("{file}, line {line}: {message}")]
    Template {
        file: String,
        line: usize,
        message: String,
        #[source_code]
        code: miette::NamedSource<String>,
        #[label("here")]
        span: Option<miette::SourceSpan>,
        #[help]
        help: String,
    },

    #[error("{file} is not UTF-8 text (line {line})")]
    #[diagnostic(help("a template is text; a file whose name does not end in .j2 is delivered as it stands"))]
    NotText { file: String, line: usize },

    #[error("the value of {what} has a line break or another control character in it")]
    #[diagnostic(help("it is written into files of one line per value; take it out"))]
    Control { what: String },

    #[error("the user data has {size} bytes even when compressed; AWS takes {LIMIT}")]
    #[diagnostic(help("large SQL files and templates are what takes room: fetch them at boot instead"))]
    TooLarge { size: usize },

    #[error(
        "the user data has {size} bytes before it is compressed: it would never fit into the {LIMIT} that AWS takes"
    )]
    #[diagnostic(help("large SQL files and templates are what takes room: fetch them at boot instead"))]
    TooLong { size: usize },
}

impl Error {
    /// Returns the template that has to be corrected.
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::Template { file, .. } | Self::NotText { file, .. } => Some(file),
            Self::Read { path, .. } => path.to_str(),
            _ => None,
        }
    }

    /// Returns the line in it, counted from 1.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Template { line, .. } | Self::NotText { line, .. } => Some(*line),
            _ => None,
        }
    }
}

/// Returns the shipped schema of the database, a template.
pub fn schema() -> &'static str {
    include_str!("../../templates/schema.sql.j2")
}

/// Reads a file that the stack file names.
pub fn read(includes: &Includes, file: &str) -> Result<Vec<u8>> {
    includes.read(file).map_err(|source| Error::Read { path: includes.path(file), source }.into())
}

/// Renders the user data. `includes` says which files it may read.
pub fn render(boot: &Boot, includes: impl Into<Includes>) -> Result<Rendered> {
    let includes = includes.into();
    let mut secrets = BTreeMap::new();
    if let Some(database) = &boot.database {
        secrets.insert("app_password", &database.app_password);
        if let Some(master) = &database.master_password {
            secrets.insert("master_password", master);
        }
    }
    for (name, secret) in &secrets {
        if let SecretSource::Literal(text) = secret
            && text.chars().any(char::is_control)
        {
            return Err(Error::Control { what: (*name).into() }.into());
        }
    }

    let template::Output { script, mut files, mut notes } = template::render(boot, &includes, &secrets)?;
    let (mut shown, mut sent, as_written) = match script {
        template::Script::Rendered(script) => (script.clone(), script.into_bytes(), false),
        template::Script::Raw(bytes) => (String::from_utf8_lossy(&unpacked(&bytes)).into_owned(), bytes, true),
    };
    // The only place where passwords enter the script, at the marks of `put_secret`.
    for (name, secret) in &secrets {
        if let SecretSource::Literal(text) = secret {
            if as_written {
                let message = format!(
                    "{name} is nowhere put on the machine: a script that is no template cannot hold it; end its name in \
                     .j2 and write {{{{ put_secret('{name}') }}}}"
                );
                notes.push(Finding::warning("user-data.sh", message));
                continue;
            }
            let script = String::from_utf8(sent).expect("a template is text");
            let mark = template::mark(name);
            if !script.contains(&mark) {
                notes.push(Finding::error("user-data.sh", format!("{name} is nowhere put on the machine")));
            }
            if !text.is_empty() && script.contains(text.as_str()) {
                notes.push(Finding::error("user-data.sh", format!("{name} stands in a template in clear")));
                shown = shown.replace(text.as_str(), DOTS);
                files.values_mut().for_each(|file| *file = file.replace(text.as_str(), DOTS));
            }
            notes.push(Finding::warning("user-data.sh", format!(
                "{name} is in the user data: whoever may read launch templates or the instance's metadata can read it (no instance profile)"
            )));
            sent = script.replace(&mark, text).into_bytes();
            shown = shown.replace(&mark, DOTS);
        }
    }
    shown = signed::masked(&shown);
    files.values_mut().for_each(|file| *file = signed::masked(file));

    if sent.len() as u64 > UNPACKED {
        return Err(Error::TooLong { size: sent.len() }.into());
    }
    let gzipped = sent.len() > LIMIT && !sent.starts_with(GZIP);
    let bytes = if gzipped { gzip(&sent) } else { sent };
    let size = bytes.len();
    if size > LIMIT {
        return Err(Error::TooLarge { size }.into());
    }
    files.insert("user-data.sh".into(), shown.clone());
    let encoded = base64::prelude::BASE64_STANDARD.encode(bytes);
    let names = template::names(boot);
    Ok(Rendered { user_data: shown, as_written, encoded, gzipped, size, files, notes, names })
}

/// The size limit of unpacked user data: a few bytes can unpack to any size.
const UNPACKED: u64 = 16 << 20;

/// The first bytes of gzip data.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// Returns user data without base64 and gzip, as the instance runs it, passwords included. Never shown.
pub fn decode(encoded: &str) -> Vec<u8> {
    let bytes = base64::prelude::BASE64_STANDARD.decode(encoded.trim());
    unpacked(&bytes.unwrap_or_else(|_| encoded.as_bytes().to_vec())).into_owned()
}

/// Removes gzip compression, if there is any that can be read.
fn unpacked(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut text = vec![];
    let is_packed = bytes.starts_with(GZIP)
        && flate2::read::MultiGzDecoder::new(bytes).take(UNPACKED).read_to_end(&mut text).is_ok();
    if is_packed { text.into() } else { bytes.into() }
}

/// Without time and operating system in the header, so that the same script gives the same bytes.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gz = flate2::GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), flate2::Compression::best());
    gz.write_all(bytes).expect("a Vec takes everything");
    gz.finish().expect("a Vec takes everything")
}

#[cfg(test)]
mod any_text;
#[cfg(test)]
mod tests;
