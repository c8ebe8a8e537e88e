//! Files that a stack file names: its own folder's, and none outside of it that nobody allowed.
use gameday_config::{Outside, load_in};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder with a stack file's folder in it, and a file beside that.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("gameday-includes-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("stack/sub")).unwrap();
        fs::write(root.join("secret"), "SELECT 'theirs';\n").unwrap();
        fs::write(root.join("stack/sub/own.sql"), "SELECT 1;\n").unwrap();
        Self(fs::canonicalize(root).unwrap())
    }

    /// The rules that a stack file breaks with one file in each of the places that take one, in words.
    fn said(&self, file: &str, allowed: &[&Path]) -> Vec<String> {
        let keys = [
            format!("[database]\nsql = [{file:?}]\n[service.api]\n"),
            format!("[service.api]\nconfig = {file:?}\n"),
            format!("[service.api]\nuser_data = {file:?}\n"),
        ];
        let stack = self.0.join("stack/gameday.toml");
        let outside = Outside { include: allowed.iter().map(|p| p.to_path_buf()).collect(), ..Outside::default() };
        keys.iter()
            .map(|keys| {
                let text = format!("name = \"shop\"\n{keys}source = \"https://example.com/server\"\n");
                fs::write(&stack, text).unwrap();
                match load_in(&stack, &outside) {
                    Ok(_) => String::new(),
                    Err(e) => e.render(false, 500),
                }
            })
            .collect()
    }

    #[track_caller]
    fn refused(&self, file: &str, rule: &str) -> String {
        let said = self.said(file, &[]);
        assert!(said.iter().all(|s| s.contains(&format!("({rule})"))), "{file}: {said:#?}");
        said.concat()
    }

    #[track_caller]
    fn taken(&self, file: &str, allowed: &[&Path]) {
        assert_eq!(self.said(file, allowed), [""; 3], "{file}");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_outside_is_refused_however_it_is_named() {
    let place = Place::new("outside");
    let stack = place.0.join("stack");
    symlink("../secret", stack.join("link.sql")).unwrap();
    symlink("..", stack.join("up")).unwrap();
    symlink("/proc/self/environ", stack.join("sub/deep.sql")).unwrap();
    // A folder whose name only begins like the stack file's.
    fs::create_dir(place.0.join("stack-other")).unwrap();
    fs::write(place.0.join("stack-other/a.sql"), "SELECT 1;\n").unwrap();
    let absolute = place.0.join("secret").display().to_string();
    for file in [
        "/proc/self/environ",
        "/proc/self/cmdline",
        "/etc/passwd",
        &absolute,
        "../secret",
        "sub/../../secret",
        "link.sql",
        "up/secret",
        "sub/deep.sql",
        "../stack-other/a.sql",
        "/dev/zero",
    ] {
        let said = place.refused(file, "file_outside");
        assert!(said.contains("--include-outside"), "{said}");
    }
    let said = place.refused("link.sql", "file_outside");
    assert!(said.contains(&format!("{absolute:?}")), "it says where the link leads: {said}");
}

#[test]
fn what_is_inside_is_read_however_it_is_named() {
    let place = Place::new("inside");
    symlink("sub/own.sql", place.0.join("stack/link.sql")).unwrap();
    let absolute = place.0.join("stack/sub/own.sql").display().to_string();
    for file in ["sub/own.sql", "link.sql", "./sub/../sub/own.sql", "../stack/sub/own.sql", &absolute] {
        place.taken(file, &[]);
    }
}

#[test]
fn a_folder_is_allowed_by_who_runs_it_alone() {
    let place = Place::new("allowed");
    place.taken("../secret", &[&place.0]);
    assert!(place.said("/etc/passwd", &[&place.0]).iter().all(|s| s.contains("(file_outside)")));
    // It is no key of the stack file.
    fs::write(place.0.join("stack/gameday.toml"), "name = \"shop\"\ninclude_outside = [\"/\"]\n").unwrap();
    let said = load_in(&place.0.join("stack/gameday.toml"), &Outside::default()).unwrap_err().render(false, 200);
    assert!(said.contains("include_outside"), "{said}");
}

#[test]
fn only_files_are_read_and_no_more_than_fits() {
    let place = Place::new("kinds");
    let stack = place.0.join("stack");
    // Whoever opened it would wait for somebody to write.
    assert!(Command::new("mkfifo").arg(stack.join("pipe.sql")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(stack.join("socket.sql")).unwrap();
    fs::write(stack.join("most.sql"), vec![b' '; 1 << 20]).unwrap();
    fs::write(stack.join("large.sql"), vec![b' '; (1 << 20) + 1]).unwrap();
    // Large without room on the disk.
    fs::File::create(stack.join("sparse.sql")).unwrap().set_len(1 << 40).unwrap();
    for file in ["pipe.sql", "socket.sql", "sub", ".", "large.sql", "sparse.sql"] {
        place.refused(file, "file_kind");
    }
    place.taken("most.sql", &[]);
    let zero = place.said("/dev/zero", &[Path::new("/dev")]);
    assert!(zero.iter().all(|s| s.contains("(file_kind)")), "{zero:?}");
    // The stack file itself.
    fs::write(stack.join("gameday.toml"), vec![b'#'; (1 << 20) + 1]).unwrap();
    let said = load_in(&stack.join("gameday.toml"), &Outside::default()).unwrap_err().render(false, 200);
    assert!(said.contains("more than 1 MiB"), "{said}");
}
