//! The user data of an instance: the boot script and its files, rendered from `userdata/` and `templates/`.
//!
//! It is strict: a template that uses an undefined name is an error with file and line, here and not on a machine. It
//! is deterministic: the same [`Boot`] gives the same bytes, because other bytes mean a new launch template version.
//!
//! No password is rendered. Templates get marks such as `@@ini:app_password@@`, and the machine inserts the password.
//! Without an instance profile the script contains the password itself, in one place, and only in
//! [`Rendered::encoded`]. Every other text has dots there.
mod boot;
mod check;
mod copies;
mod template;

pub use boot::{Boot, Cache, Database, Files, Limits, Logs, SecretSource};
pub use check::{Finding, Level, check};
use gameday_config::include::{Includes, ReadError};
use gameday_config::signed;
pub use gameday_config::{DatabaseEngine, Run};

use crate::hidden::DOTS;
use base64::Engine as _;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

/// The largest user data that EC2 accepts, before base64.
pub const LIMIT: usize = 16 * 1024;
/// The user and group id of the service's user, who owns the access point's folder.
pub const SERVICE_UID: u32 = 1818;

/// The result of [`render`]. `Debug` and every field except `encoded` are free of passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The script for plans, diffs and people, with dots instead of passwords.
    pub user_data: String,
    /// True if the script is the user's own, byte for byte.
    pub as_written: bool,
    /// The base64 text for AWS. It contains the passwords if there is no instance profile.
    pub encoded: String,
    /// True if the script exceeded AWS's limit and is compressed; cloud-init unpacks it.
    pub gzipped: bool,
    /// The number of bytes that count against the limit of 16384.
    pub size: usize,
    /// Every file that the script writes on the machine, by path, and `user-data.sh` itself.
    pub files: BTreeMap<String, String>,
    /// Remarks for the user: changed line ends, passwords in clear.
    pub notes: Vec<Finding>,
    /// The names that templates can use here.
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
    Read { path: PathBuf, source: ReadError },

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
    #[diagnostic(help("a template is text; a file whose name does not end in .j2 is delivered unchanged"))]
    NotText { file: String, line: usize },

    #[error("the value of {what} has a line break or another control character in it")]
    #[diagnostic(help("delete it: the value is written into files with one line per value"))]
    Control { what: String },

    #[error("the user data has {size} bytes even when compressed; AWS allows {LIMIT}")]
    #[diagnostic(help("download large SQL files and templates at boot instead"))]
    TooLarge { size: usize },

    #[error(
        "the user data has {size} bytes before it is compressed: it would never fit into the {LIMIT} that AWS allows"
    )]
    #[diagnostic(help("download large SQL files and templates at boot instead"))]
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

/// Returns the shipped schema of the database, as a template.
pub fn schema(engine: DatabaseEngine) -> &'static str {
    match engine {
        DatabaseEngine::Mysql => include_str!("../../templates/schema.sql.j2"),
        DatabaseEngine::Postgres => include_str!("../../templates/schema-postgres.sql.j2"),
    }
}

/// Reads a file that the stack file names.
pub fn read(includes: &Includes, file: &str) -> Result<Vec<u8>> {
    includes.read(file).map_err(|source| Error::Read { path: includes.path(file), source }.into())
}

/// Renders the user data. It can read files from the includes, such as the folder of the stack file.
///
/// A boot script that would not fit loses its comments.
pub fn render(boot: &Boot, includes: impl Into<Includes>) -> Result<Rendered> {
    let includes = includes.into();
    match render_with(boot, &includes, Comments::Kept) {
        Err(e) if matches!(*e, Error::TooLarge { .. }) => render_with(boot, &includes, Comments::Left),
        done => done,
    }
}

/// What becomes of the comments of the boot script.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comments {
    Kept,
    Left,
}

fn render_with(boot: &Boot, includes: &Includes, comments: Comments) -> Result<Rendered> {
    let mut secrets = BTreeMap::new();
    if let Some(database) = &boot.database {
        secrets.insert("app_password", &database.app_password);
        if let Some(master) = &database.master_password {
            secrets.insert("master_password", master);
        }
    }
    if boot.bake {
        // Everybody who launches an image can read what is in it.
        secrets.retain(|_, secret| matches!(secret, SecretSource::Parameter(_)));
    }
    for (name, secret) in &secrets {
        if let SecretSource::Literal(text) = secret
            && text.chars().any(char::is_control)
        {
            return Err(Error::Control { what: (*name).into() }.into());
        }
    }

    let template::Output { script, mut files, mut notes } = template::render(boot, includes, &secrets, comments)?;
    let (mut shown, mut sent, as_written) = match script {
        template::Script::Rendered(script) => (script.clone(), script.into_bytes(), false),
        template::Script::Raw(bytes) => (String::from_utf8_lossy(&unpacked(&bytes)).into_owned(), bytes, true),
    };
    // The only place where a password enters the script, at the mark that `put_secret` left.
    for (name, secret) in &secrets {
        if let SecretSource::Literal(text) = secret {
            if as_written {
                let message = format!(
                    "{name} is never written on the machine: a script that is not a template cannot contain it; end \
                     its name in .j2 and write {{{{ put_secret('{name}') }}}}"
                );
                notes.push(Finding::warning("user-data.sh", message));
                continue;
            }
            let script = String::from_utf8(sent).expect("a template is text");
            let mark = template::mark(name);
            if !script.contains(&mark) {
                notes.push(Finding::error("user-data.sh", format!("{name} is never written on the machine")));
            }
            if !text.is_empty() && script.contains(text.as_str()) {
                notes.push(Finding::error("user-data.sh", format!("a template contains {name} in clear")));
                shown = shown.replace(text.as_str(), DOTS);
                files.values_mut().for_each(|file| *file = file.replace(text.as_str(), DOTS));
            }
            notes.push(Finding::warning("user-data.sh", format!(
                "{name} is in the user data: everybody with the right to read launch templates or the instance's metadata can read it (no instance profile)"
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

/// The limit for unpacking user data, since a small archive can fill any memory.
const UNPACKED: u64 = 16 << 20;

/// The first bytes of compressed data.
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

/// Compresses a script. The header has no time and no operating system, so the result depends only on the script.
///
/// What would just not fit is compressed with more effort.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gz = flate2::GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), flate2::Compression::best());
    gz.write_all(bytes).expect("a Vec takes everything");
    let packed = gz.finish().expect("a Vec takes everything");
    let is_nearly_small_enough = (LIMIT + 1..=LIMIT + LIMIT / 10).contains(&packed.len());
    if !is_nearly_small_enough {
        return packed;
    }
    let mut smaller = vec![];
    zopfli::compress(zopfli::Options::default(), zopfli::Format::Gzip, bytes, &mut smaller)
        .expect("a Vec takes everything");
    smaller
}

#[cfg(test)]
mod any_text;
#[cfg(test)]
mod tests;
