//! Folders and files that are the user's alone: nobody else reads or writes them, or leads us elsewhere by a link.
use super::error::{Error, at};
use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Nothing that we read back is larger.
const LARGEST: u64 = 64 * 1024;
/// As whose the files of everybody are shown that a user namespace does not know.
const NOBODY: u32 = 65_534;

pub fn me() -> u32 {
    // SAFETY: it reads a number and cannot fail.
    unsafe { libc::geteuid() }
}

/// Makes it if it is missing. One that is there is closed to others; it is refused where others could have filled it.
pub fn folder(path: &Path) -> Result<(), Error> {
    let parent = path.parent().unwrap_or(path);
    DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(at(parent))?;
    // Links above it are the system's and the user's own: what they lead to is looked at.
    for above in fs::canonicalize(parent).map_err(at(parent))?.ancestors() {
        let found = fs::symlink_metadata(above).map_err(at(above))?;
        let sticky = found.mode() & 0o1000 != 0;
        let somebody = found.uid() != NOBODY || is_a_user(NOBODY);
        if ![0, me()].contains(&found.uid()) && somebody {
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
                return Err(Error::Foreign { path: path.into(), why: "is no folder".into() });
            }
            close(path, &found, 0o700)
        }
        Err(e) => Err(at(path)(e)),
    }
}

/// Whether there can be a process of that user here: a user namespace knows some only.
fn is_a_user(id: u32) -> bool {
    let Ok(map) = fs::read_to_string("/proc/self/uid_map") else { return true };
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(|n| n.parse::<u64>().unwrap_or(0));
        let (first, _, count) = (numbers.next().unwrap_or(0), numbers.next(), numbers.next().unwrap_or(0));
        (first..first + count).contains(&id.into())
    })
}

/// What it is, if it is no link and the user's own.
pub fn ours(path: &Path) -> Result<Metadata, Error> {
    let found = fs::symlink_metadata(path).map_err(at(path))?;
    if found.is_symlink() {
        return Err(Error::Foreign { path: path.into(), why: "is a link".into() });
    }
    if [0, me()].contains(&found.uid()) { Ok(found) } else { Err(foreign(path, &found)) }
}

fn foreign(path: &Path, found: &Metadata) -> Error {
    Error::Foreign { path: path.into(), why: format!("belongs to the user {}, not to you ({})", found.uid(), me()) }
}

/// Takes from others what they may do with it.
fn close(path: &Path, found: &Metadata, most: u32) -> Result<(), Error> {
    let mode = found.mode() & 0o7777;
    if mode & !most == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode & most)).map_err(at(path))
}

/// Whether all that is in a folder is the user's own, and nobody else may write it. Links count as they are: what is behind
/// one is not looked at. What belongs to somebody else is refused.
pub fn is_closed(path: &Path) -> Result<bool, Error> {
    let mut ahead = vec![path.to_owned()];
    while let Some(next) = ahead.pop() {
        let found = fs::symlink_metadata(&next).map_err(at(&next))?;
        if ![0, me()].contains(&found.uid()) {
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

/// An empty file to write to, in the place of one that is there.
pub fn create(path: &Path) -> Result<File, Error> {
    remove(path)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(at(path))
}

/// A file that stays, for a lock.
pub fn keep(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let opened = options.open(path);
    // Of what is there already, and not ours to open, this says why.
    if fs::symlink_metadata(path).is_ok() {
        close(path, &ours(path)?, 0o600)?;
    }
    opened.map_err(at(path))
}

/// All of it at once: who reads it meanwhile sees the one before.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let new = with_suffix(path, ".new");
    create(&new)?.write_all(bytes).map_err(at(&new))?;
    fs::rename(&new, path).map_err(at(path))
}

/// What is in it; `None`: there is none. One of somebody else's, or behind a link, is refused.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let file = match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        // A link, or a file that is not ours to read: this says which.
        Err(e) => return Err(ours(path).err().unwrap_or_else(|| at(path)(e))),
    };
    let found = file.metadata().map_err(at(path))?;
    if ![0, me()].contains(&found.uid()) {
        return Err(foreign(path, &found));
    }
    close(path, &found, 0o600)?;
    let mut bytes = vec![];
    file.take(LARGEST).read_to_end(&mut bytes).map_err(at(path))?;
    Ok(Some(bytes))
}

/// That nothing is there, whatever it was: a link goes, and not what it leads to.
pub fn remove(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(found) if found.is_dir() => {
            // Out of the way first: who is still writing in it does not hold us up.
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
    use std::os::unix::fs::symlink;

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
