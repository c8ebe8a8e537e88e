//! Folders and files of the user alone: nobody else reads or writes them, or redirects gameday by a link.
use super::error::{Error, at};
use crate::private::{is_ours, me};
use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions},
    io::{self, Read},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The size limit of files that are read back.
const LARGEST: u64 = 64 * 1024;
/// The owner that is shown for users that a user namespace does not know.
const NOBODY: u32 = 65_534;

/// Creates a folder, or closes an existing one to others. Refuses one where others could have put files.
pub(super) fn folder(path: &Path) -> Result<(), Error> {
    let parent = path.parent().unwrap_or(path);
    DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(at(parent))?;
    // Links above it belong to the system or the user, so their targets are checked.
    for above in fs::canonicalize(parent).map_err(at(parent))?.ancestors() {
        let found = fs::symlink_metadata(above).map_err(at(above))?;
        let sticky = found.mode() & 0o1000 != 0;
        let somebody = found.uid() != NOBODY || is_a_user(NOBODY);
        if !is_ours(&found) && somebody {
            return Err(foreign(above, &found));
        }
        if found.mode() & 0o002 != 0 && !sticky {
            return Err(Error::Open { path: above.into() });
        }
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            let found = ours(path)?;
            if !found.is_dir() {
                return Err(Error::Foreign { path: path.into(), why: "is not a folder".into() });
            }
            close(path, &found, 0o700)
        }
        Err(e) => Err(at(path)(e)),
    }
}

/// True if processes of that user can exist here: a user namespace maps only some.
fn is_a_user(id: u32) -> bool {
    let Ok(map) = fs::read_to_string("/proc/self/uid_map") else { return true };
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(|n| n.parse::<u64>().unwrap_or(0));
        let (first, _, count) = (numbers.next().unwrap_or(0), numbers.next(), numbers.next().unwrap_or(0));
        (first..first + count).contains(&id.into())
    })
}

/// Returns the metadata of a path that is no link and belongs to the user.
pub(super) fn ours(path: &Path) -> Result<Metadata, Error> {
    let found = fs::symlink_metadata(path).map_err(at(path))?;
    if found.is_symlink() {
        return Err(Error::Foreign { path: path.into(), why: "is a link".into() });
    }
    if is_ours(&found) { Ok(found) } else { Err(foreign(path, &found)) }
}

fn foreign(path: &Path, found: &Metadata) -> Error {
    Error::Foreign { path: path.into(), why: format!("belongs to the user {}, not to you ({})", found.uid(), me()) }
}

/// Removes the permissions of others.
fn close(path: &Path, found: &Metadata, most: u32) -> Result<(), Error> {
    let mode = found.mode() & 0o7777;
    if mode & !most == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode & most)).map_err(at(path))
}

/// True if everything in a folder belongs to the user and nobody else can write it.
///
/// Links are checked themselves, not their targets. Files of others are an error.
pub(super) fn is_closed(path: &Path) -> Result<bool, Error> {
    let mut ahead = vec![path.to_owned()];
    while let Some(next) = ahead.pop() {
        let found = fs::symlink_metadata(&next).map_err(at(&next))?;
        if !is_ours(&found) {
            return Err(foreign(&next, &found));
        }
        if !found.is_symlink() && found.mode() & 0o022 != 0 {
            return Ok(false);
        }
        if found.is_dir() {
            for entry in fs::read_dir(&next).map_err(at(&next))? {
                ahead.push(entry.map_err(at(&next))?.path());
            }
        }
    }
    Ok(true)
}

/// Creates an empty file for writing, in place of an existing one.
pub(super) fn create(path: &Path) -> Result<File, Error> {
    remove(path)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(at(path))
}

/// Opens a file for a lock, which is never replaced.
pub(super) fn keep(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let opened = options.open(path);
    // The check of an existing file says why it cannot be opened.
    if fs::symlink_metadata(path).is_ok() {
        close(path, &ours(path)?, 0o600)?;
    }
    opened.map_err(at(path))
}

/// Replaces a file at once: concurrent readers see the old content or the new.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    crate::private::write(path, bytes).map_err(at(path))
}

/// Reads a file, `None` if it does not exist. Refuses files of others, and links.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let file = match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        // The check says whether it is a link or somebody else's.
        Err(e) => return Err(ours(path).err().unwrap_or_else(|| at(path)(e))),
    };
    let found = file.metadata().map_err(at(path))?;
    if !is_ours(&found) {
        return Err(foreign(path, &found));
    }
    close(path, &found, 0o600)?;
    let mut bytes = vec![];
    file.take(LARGEST).read_to_end(&mut bytes).map_err(at(path))?;
    Ok(Some(bytes))
}

/// Removes a file, a folder or a link, but not the target of a link.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(found) if found.is_dir() => {
            // Renamed first: a process that still writes into it cannot delay this.
            let old = with_suffix(path, &format!(".old-{}", std::process::id()));
            let _ = fs::remove_dir_all(&old);
            fs::rename(path, &old).map_err(at(path))?;
            let _ = fs::remove_dir_all(&old);
            return Ok(());
        }
        _ => {}
    }
    fs::remove_file(path).map_err(at(path))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Write, os::unix::fs::symlink};

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    fn widen(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_folder_is_closed_to_others_also_where_it_was_open() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b/c");
        folder(&path).unwrap();
        assert_eq!((mode(&path), mode(&home.path().join("a"))), (0o700, 0o700));
        widen(&path, 0o755);
        folder(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
    }

    #[test]
    fn a_link_is_no_folder_of_ours() {
        let home = tempfile::tempdir().unwrap();
        let (elsewhere, path) = (home.path().join("elsewhere"), home.path().join("sandbox"));
        fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert!(folder(&path).unwrap_err().to_string().contains("is a link"));
        // Above it a link may stand: /home is one on many machines.
        folder(&path.join("deeper")).unwrap();
    }

    #[test]
    fn a_folder_under_what_everybody_may_write_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let open = home.path().join("open");
        fs::create_dir(&open).unwrap();
        widen(&open, 0o777);
        assert!(folder(&open.join("sandbox")).unwrap_err().to_string().contains("everybody"));
        widen(&open, 0o1777);
        folder(&open.join("sandbox")).unwrap();
    }

    #[test]
    fn files_are_the_users_alone_and_never_behind_a_link() {
        let home = tempfile::tempdir().unwrap();
        let (theirs, path) = (home.path().join("theirs"), home.path().join("server.json"));
        fs::write(&theirs, "precious").unwrap();
        symlink(&theirs, &path).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("is a link"));
        assert!(keep(&path).unwrap_err().to_string().contains("is a link"));
        write(&path, b"ours").unwrap();
        symlink(&theirs, home.path().join("log")).unwrap();
        create(&home.path().join("log")).unwrap().write_all(b"ours").unwrap();
        assert_eq!(fs::read(&theirs).unwrap(), b"precious");
        assert_eq!((read(&path).unwrap().unwrap(), mode(&path)), (b"ours".to_vec(), 0o600));
        assert_eq!(mode(&home.path().join("log")), 0o600);
        let lock = home.path().join("lock");
        fs::write(&lock, "").unwrap();
        widen(&lock, 0o666);
        keep(&lock).unwrap();
        assert_eq!(mode(&lock), 0o600);
        assert!(read(&home.path().join("none")).unwrap().is_none());
    }

    #[test]
    fn what_others_may_write_is_not_closed() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("lib")).unwrap();
        let file = home.path().join("lib/code.py");
        fs::write(&file, "").unwrap();
        widen(&file, 0o644);
        assert!(is_closed(home.path()).unwrap());
        widen(&file, 0o666);
        assert!(!is_closed(home.path()).unwrap());
    }
}
