//! The files that a stack file names. Whoever wrote it may not be whoever runs it: it names none outside its own folder,
//! unless the command line allows that.
use crate::file;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the files are that a stack file names.
#[derive(Clone, Debug, PartialEq)]
pub struct Includes {
    /// The stack file's folder: names are looked up in it.
    base: PathBuf,
    /// Folders outside of it that are allowed too.
    allowed: Vec<PathBuf>,
}

/// Why a file is not read.
#[derive(Debug)]
pub enum Refused {
    Missing,
    Unreadable(io::Error),
    /// What it is instead of a file.
    Kind(&'static str),
    Large,
    /// Where it really is.
    Outside(PathBuf),
}

impl Includes {
    pub fn new(stack_file: &Path, allowed: &[PathBuf]) -> Self {
        Self { base: stack_file.parent().unwrap_or(Path::new("")).into(), allowed: allowed.into() }
    }

    /// Where a file is looked up.
    pub fn path(&self, file: &str) -> PathBuf {
        self.base.join(file)
    }

    /// Reads a file. Links and `..` are followed first: what counts is where it really is.
    pub fn read(&self, file: &str) -> Result<Vec<u8>, Refused> {
        let path = fs::canonicalize(self.path(file)).map_err(Refused::of)?;
        let base = if self.base.as_os_str().is_empty() { Path::new(".") } else { &self.base };
        let folders = [base].into_iter().chain(self.allowed.iter().map(PathBuf::as_path));
        if !folders.filter_map(|f| fs::canonicalize(f).ok()).any(|folder| path.starts_with(folder)) {
            return Err(Refused::Outside(path));
        }
        // A device or a pipe is no file of a stack.
        regular(&fs::metadata(&path).map_err(Refused::of)?)?;
        file::read(&path, file::MOST).map_err(Refused::of)
    }
}

fn regular(found: &fs::Metadata) -> Result<(), Refused> {
    match found {
        f if f.is_dir() => Err(Refused::Kind("a folder")),
        f if !f.is_file() => Err(Refused::Kind("a device, a pipe or a socket")),
        f if f.len() > file::MOST as u64 => Err(Refused::Large),
        _ => Ok(()),
    }
}

/// The folder of a stack file that has no name of its own.
impl<T: AsRef<Path> + ?Sized> From<&T> for Includes {
    fn from(base: &T) -> Self {
        Self { base: base.as_ref().into(), allowed: vec![] }
    }
}

impl Refused {
    fn of(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::reading(error),
        }
    }

    /// Why a file that may be missing is not read.
    pub(crate) fn reading(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::FileTooLarge => Self::Large,
            _ => Self::Unreadable(error),
        }
    }

    /// The way out.
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

/// What follows the name of the file.
impl fmt::Display for Refused {
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

impl std::error::Error for Refused {}
