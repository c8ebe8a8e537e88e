//! The files that a stack file names.
//!
//! The author of a stack file is not always its user. So a stack file can name files only in its own folder, unless the
//! command line allows more.
use crate::file;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folders of the files that a stack file names.
#[derive(Clone, Debug, PartialEq)]
pub struct Includes {
    /// The stack file's folder, to which names are relative.
    base: PathBuf,
    /// Other folders that are allowed.
    allowed: Vec<PathBuf>,
}

/// A reason why a file is not read.
#[derive(Debug)]
pub enum ReadError {
    /// The file does not exist.
    Missing,
    /// The system refuses to read it.
    Unreadable(io::Error),
    /// The kind of thing that it is instead of a file.
    Kind(&'static str),
    /// It is larger than the limit.
    Large,
    /// Its real path outside the allowed folders.
    Outside(PathBuf),
}

impl Includes {
    /// Returns the folders for a stack file, with further allowed ones.
    pub fn new(stack_file: &Path, allowed: &[PathBuf]) -> Self {
        Self { base: stack_file.parent().unwrap_or(Path::new("")).into(), allowed: allowed.into() }
    }

    /// Returns the path at which a file is looked up.
    pub fn path(&self, file: &str) -> PathBuf {
        self.base.join(file)
    }

    /// Reads a file. Links and `..` are resolved first, because its real path counts.
    pub fn read(&self, file: &str) -> Result<Vec<u8>, ReadError> {
        let path = fs::canonicalize(self.path(file)).map_err(ReadError::from_io)?;
        let base = if self.base.as_os_str().is_empty() { Path::new(".") } else { &self.base };
        let folders = [base].into_iter().chain(self.allowed.iter().map(PathBuf::as_path));
        if !folders.filter_map(|f| fs::canonicalize(f).ok()).any(|folder| path.starts_with(folder)) {
            return Err(ReadError::Outside(path));
        }
        // A device or a pipe is not a file of a stack.
        regular(&fs::metadata(&path).map_err(ReadError::from_io)?)?;
        file::read(&path, file::MOST).map_err(ReadError::from_io)
    }
}

fn regular(found: &fs::Metadata) -> Result<(), ReadError> {
    match found {
        f if f.is_dir() => Err(ReadError::Kind("a folder")),
        f if !f.is_file() => Err(ReadError::Kind("a device, a pipe or a socket")),
        f if f.len() > file::MOST as u64 => Err(ReadError::Large),
        _ => Ok(()),
    }
}

/// Returns the folder of a stack file that has no name of its own.
impl<T: AsRef<Path> + ?Sized> From<&T> for Includes {
    fn from(base: &T) -> Self {
        Self { base: base.as_ref().into(), allowed: vec![] }
    }
}

impl ReadError {
    fn from_io(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::reading(error),
        }
    }

    /// Returns the reason why a file that may be missing is not read.
    pub(crate) fn reading(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::FileTooLarge => Self::Large,
            _ => Self::Unreadable(error),
        }
    }

    /// Returns the way out.
    pub fn fix(&self) -> String {
        match self {
            Self::Missing => "correct the path, or create the file".into(),
            Self::Unreadable(_) => "make it readable for you".into(),
            Self::Kind(_) => "name a file".into(),
            Self::Large => "fetch it at boot instead: user data takes 16 KiB in all".into(),
            Self::Outside(to) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
                let folder = to.parent().and_then(Path::to_str).filter(|f| f.chars().all(plain));
                let folder = folder.unwrap_or("DIR");
                format!("copy it beside the stack file, or allow its folder: --include-outside {folder}")
            }
        }
    }
}

/// Writes the text after the name of the file.
impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is not there"),
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Self::Kind(kind) => write!(f, "is {kind}"),
            Self::Large => write!(f, "holds more than {} MiB", file::MOST >> 20),
            Self::Outside(_) => f.write_str("is outside the stack file's folder"),
        }
    }
}

impl std::error::Error for ReadError {}
