//! Identifies processes by number and start time, since the kernel reuses numbers.
use crate::private;
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;

/// A process of the user.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub id: u32,
    /// The start time in the kernel's form. No two processes of one number share it.
    pub begun: String,
    /// The words of its command line.
    command: Vec<String>,
}

impl Process {
    /// Returns the running process of this number, if it belongs to the user.
    #[cfg(target_os = "linux")]
    pub(super) fn find(id: u32) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let folder = Path::new("/proc").join(id.to_string());
        let owner = std::fs::metadata(&folder).ok()?.uid();
        let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
        // The name in brackets can hold anything. After it come the state and, 19 fields later, the start time.
        let mut after = stat.rsplit_once(')')?.1.split_whitespace();
        let ended = matches!(after.next()?, "Z" | "X" | "x");
        let begun = after.nth(18)?.to_owned();
        let line = std::fs::read(folder.join("cmdline")).ok()?;
        let command = line.split(|b| *b == 0).map(|w| String::from_utf8_lossy(w).into_owned()).collect();
        (owner == private::me() && !ended).then_some(Self { id, begun, command })
    }

    /// Returns the running process of this number, if it belongs to the user.
    #[cfg(not(target_os = "linux"))]
    pub fn find(id: u32) -> Option<Self> {
        let ask = |what: &str| {
            let out = std::process::Command::new("ps").args(["-o", what, "-p", &id.to_string()]).output().ok()?;
            let said = String::from_utf8_lossy(&out.stdout).trim().to_owned();
            (out.status.success() && !said.is_empty()).then_some(said)
        };
        let owner: u32 = ask("uid=")?.parse().ok()?;
        let ended = ask("state=")?.starts_with('Z');
        let command = ask("command=")?.split_whitespace().map(Into::into).collect();
        (owner == private::me() && !ended).then_some(Self { id, begun: ask("lstart=")?, command })
    }

    /// True if it runs a plugin that was unpacked in this home of sandboxes.
    pub(super) fn runs_a_plugin_of(&self, home: &Path) -> bool {
        let begin = home.join("plugin-");
        self.command.iter().any(|word| word.starts_with(&*begin.to_string_lossy()) && word.contains("/plugin"))
    }

    /// True if it still runs.
    pub(super) fn is_there(&self) -> bool {
        Self::find(self.id).is_some_and(|now| now.begun == self.begun)
    }

    /// Sends it a signal, if it still runs.
    pub(super) fn signal(&self, signal: Signal) {
        if self.is_there()
            && let Some(id) = self.id.try_into().ok().and_then(Pid::from_raw)
        {
            // The process may have ended since.
            _ = kill_process(id, signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_when_it_began_and_what_it_runs() {
        let mine = Process::find(std::process::id()).unwrap();
        assert!(mine.is_there() && !mine.runs_a_plugin_of(Path::new("/home/sandbox")));
        let another = Process { begun: "1".into(), ..Process::find(std::process::id()).unwrap() };
        assert!(!another.is_there());
        let words = ["python", "-I", "/home/sandbox/plugin-0123/plugin/__main__.py", "--port"].map(Into::into);
        let server = Process { command: words.into(), ..mine };
        assert!(server.runs_a_plugin_of(Path::new("/home/sandbox")) && !server.runs_a_plugin_of(Path::new("/tmp")));
    }

    #[test]
    fn who_has_ended_is_not_there() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let process = Process::find(child.id()).unwrap();
        process.signal(Signal::KILL);
        // A zombie until it is waited for, and gone all the same.
        while process.is_there() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(Process::find(process.id).is_none());
    }
}
