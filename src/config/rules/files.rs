//! The shared file system.
use super::{Rules, is_id};
use crate::Mode;
use crate::place::at;

/// Folders in which users other than root write, such as the service, and folders of the kernel.
const ANYBODYS: [&str; 9] =
    ["/opt/gameday", "/var/log/gameday", "/run", "/var/run", "/tmp", "/var/tmp", "/dev", "/proc", "/sys"];

pub(super) fn check(rules: &mut Rules<'_>) {
    let files = &rules.config.files;
    if let Some(id) = &files.file_system
        && !is_id(id, "fs-")
    {
        rules.found.error(
            "file_system_id",
            at("files.file_system"),
            format!("{id:?} is not the id of a file system"),
            "ids look like fs-0123456789abcdef0",
            "copy the id from the EFS console",
        );
    }
    if files.mode == Mode::Off {
        return;
    }
    let path = files.path.as_str();
    let system = [
        "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/mnt", "/opt", "/proc", "/root", "/run",
        "/sbin", "/sys", "/tmp", "/usr", "/var",
    ];
    let (why, fix) = if !path.starts_with('/') {
        (
            "not an absolute path",
            format!("write \"/mnt/{}\"", path.trim_matches(['.', '/', '~']).trim_start_matches("mnt/")),
        )
    } else if system.contains(&path.trim_end_matches('/')) || path == "/" {
        ("the mount would hide the system's own folder", "mount it in a separate folder: \"/mnt/efs\"".into())
    } else if let Some(folder) = ANYBODYS.iter().find(|f| path.starts_with(&format!("{f}/")) || path == **f) {
        ("root mounts it, and other users could put links there", format!("mount it outside of {folder}: \"/mnt/efs\""))
    } else if path.ends_with('/') {
        (
            "a slash at the end is not allowed here",
            format!("write \"{}\"; gameday adds the slash in server.ini", path.trim_end_matches('/')),
        )
    } else if path.contains("//") || path.split('/').any(|part| part == "." || part == "..") {
        ("not the shortest form of the path", "write it without //, . and ..".into())
    } else if let Some(_bad) = path.chars().find(|c| !(c.is_ascii_alphanumeric() || "/_.-".contains(*c))) {
        ("letters, digits and / _ . - only", "for example \"/mnt/efs\"".into())
    } else {
        return;
    };
    rules.found.error("files_path", at("files.path"), format!("nothing can be mounted at {path:?}"), why, fix);
}
