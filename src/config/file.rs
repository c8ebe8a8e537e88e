//! Bounded reading of named files: never more than a limit, and a pipe only for a while.
use std::{
    fs::OpenOptions,
    io::{Error, ErrorKind, Read, Result},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

/// The limit of a stack file and of the files that it names.
pub const MOST: usize = 1 << 20;
/// The longest time to read from a pipe.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest time to wait until somebody writes into a pipe.
const NOBODY: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(10);

/// Reads a whole file of at most `most` bytes. An endless file, such as a device, is refused by its size.
pub fn read(path: &Path, most: usize) -> Result<Vec<u8>> {
    // Opening a pipe without a writer would block without end.
    let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let is_pipe = file.metadata()?.file_type().is_fifo();
    let begun = Instant::now();
    let (mut bytes, mut chunk) = (vec![], [0; 16 * 1024]);
    loop {
        match file.read(&mut chunk) {
            Ok(0) if is_pipe && bytes.is_empty() && begun.elapsed() < NOBODY => sleep(PAUSE),
            Ok(0) => return Ok(bytes),
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => sleep(PAUSE),
            Err(e) => return Err(e),
        }
        if bytes.len() > most {
            return Err(Error::new(ErrorKind::FileTooLarge, format!("it holds more than {}", size(most))));
        }
        if begun.elapsed() > PATIENCE {
            return Err(Error::new(ErrorKind::TimedOut, format!("it did not end within {} s", PATIENCE.as_secs())));
        }
    }
}

/// Reads a whole file of at most `most` bytes as UTF-8 text.
pub fn read_text(path: &Path, most: usize) -> Result<String> {
    let text = String::from_utf8(read(path, most)?);
    text.map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / (1024 * 1024)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, io::Write, process::Command};

    #[test]
    fn what_has_no_end_is_read_to_its_bound() {
        let begun = Instant::now();
        let said = read(Path::new("/dev/zero"), 4096).unwrap_err();
        assert_eq!((said.kind(), said.to_string().as_str()), (ErrorKind::FileTooLarge, "it holds more than 4 KiB"));
        assert_eq!(read(Path::new("/dev/urandom"), MOST).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert!(read(Path::new("/dev/null"), 4096).unwrap().is_empty());
        assert_eq!(read(Path::new("/"), 4096).unwrap_err().kind(), ErrorKind::IsADirectory);
        assert!(begun.elapsed() < PATIENCE);
    }

    #[test]
    fn a_file_of_exactly_the_bound_is_read() {
        let folder = std::env::temp_dir().join(format!("gameday-file-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (file, pipe) = (folder.join("file"), folder.join("pipe"));
        fs::write(&file, [b'x'; 4096]).unwrap();
        assert_eq!(read(&file, 4096).unwrap().len(), 4096);
        assert_eq!(read(&file, 4095).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(read(&pipe, 4096).unwrap().is_empty(), "nobody writes into it");
        let writer = pipe.clone();
        let writer = std::thread::spawn(move || {
            let mut pipe = OpenOptions::new().write(true).open(writer).unwrap();
            // The reader closes the pipe at its limit.
            while pipe.write_all(&[b'x'; 4096]).is_ok() {}
        });
        assert_eq!(read(&pipe, 10_000).unwrap_err().kind(), ErrorKind::FileTooLarge);
        writer.join().unwrap();
        fs::remove_dir_all(folder).unwrap();
    }
}
