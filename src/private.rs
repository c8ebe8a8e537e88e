//! Files for the user alone.
use rustix::process::geteuid;
use std::{
    fs::{self, Metadata, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

/// Returns the id of the user that this process runs as.
pub(crate) fn me() -> u32 {
    geteuid().as_raw()
}

/// True if a file belongs to this user, or to root.
pub(crate) fn is_ours(found: &Metadata) -> bool {
    [0, me()].contains(&found.uid())
}

/// Writes a file that only the user can read, in place of an existing one or link.
///
/// Concurrent readers see the old content or the new, and nothing half-written is left in case of an error.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().ok_or_else(|| io::Error::other("it names no file"))?.to_owned();
    name.push(format!(".{:016x}", rand::random::<u64>()));
    let new = path.with_file_name(name);
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).and_then(|mut to| {
        to.write_all(bytes)?;
        fs::rename(&new, path)
    });
    if written.is_err() {
        _ = fs::remove_file(&new);
    }
    written
}
