//! The running sandbox: one process, found again by the file that it left.
use super::{
    Doing, Install, Pace,
    control::Door,
    error::{Error, at},
    install, private,
    process::Process,
};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{process::Command, time::sleep};

/// How long a start may take: the first one compiles Python files, perhaps on a busy machine.
const START: Duration = Duration::from_secs(120);
/// How long to wait for another gameday, which may install over a slow network.
const LOCK: Duration = Duration::from_secs(900);
const STEP: Duration = Duration::from_millis(40);

/// A running sandbox.
#[derive(Debug, Clone)]
pub struct Running {
    pub endpoint: String,
    /// The access key id that it expects. Any secret key will do.
    pub key: String,
    pub port: u16,
    pub pid: u32,
    pub pace: Pace,
    pub log: PathBuf,
}

impl Running {
    /// Returns the endpoint for AWS clients.
    pub fn lead(&self) -> crate::aws::Endpoint {
        crate::aws::Endpoint { url: self.endpoint.clone(), key: self.key.clone() }
    }
}

/// The place of a sandbox, running or not.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// The folder that all sandboxes share: the environment and the plugin.
    home: PathBuf,
    /// The folder of this sandbox: `server.json`, `log`, `lock`.
    folder: PathBuf,
}

/// The content of `server.json`. The plugin writes the first four fields; older versions of gameday wrote fewer.
#[derive(Serialize, Deserialize)]
struct ServerFile {
    pid: u32,
    port: u16,
    #[serde(default)]
    key: String,
    #[serde(default)]
    secret: String,
    #[serde(default)]
    version: String,
    /// The start time of its process.
    #[serde(default)]
    begun: String,
}

impl ServerFile {
    fn door(&self) -> Door<'_> {
        Door { port: self.port, key: &self.key, secret: &self.secret }
    }
}

impl Sandbox {
    /// Returns the user's sandbox: `$XDG_CACHE_HOME/gameday/sandbox/default`, or another name in `GAMEDAY_SANDBOX`.
    pub fn of_user() -> Result<Self, Error> {
        use etcetera::BaseStrategy;
        let cache = etcetera::choose_base_strategy().map_err(|_| Error::NoHome)?.cache_dir();
        let name = std::env::var("GAMEDAY_SANDBOX").ok().filter(|n| !n.is_empty());
        Ok(Self::named(&cache.join("gameday/sandbox"), name.as_deref().unwrap_or("default")))
    }

    /// Returns one of several sandboxes under one home, which share the installation.
    pub fn named(home: &Path, name: &str) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let name: String = name.chars().map(plain).collect();
        Self { home: home.into(), folder: home.join(name) }
    }

    /// Returns a sandbox of another name in the user's home of sandboxes, for tests.
    pub fn of_user_named(name: &str) -> Result<Self, Error> {
        Self::of_user().map(|s| Self::named(&s.home, name))
    }

    /// Removes the folder of this sandbox, for tests.
    pub fn forget(&self) {
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// Installs and starts the sandbox if necessary, and sets its pace. Concurrent commands share one process.
    pub async fn ensure(&self, pace: Option<Pace>, say: impl Fn(Doing<'_>)) -> Result<Running, Error> {
        // The usual case needs no lock: it runs already.
        let mut running = match self.current().await? {
            Some(running) => running,
            None => {
                let _lock = self.lock(&self.folder.join("lock"), &say).await?;
                match self.current().await? {
                    Some(running) => running,
                    None => {
                        let old = self.left()?.is_some_and(|l| l.version != install::version());
                        if self.stop_now().await? && old {
                            say(Doing::Says(
                                "the sandbox was of another version of gameday: it is stopped, and an empty one started",
                            ));
                        }
                        self.start(pace.unwrap_or(Pace::Instant), &say).await?
                    }
                }
            }
        };
        if let Some(pace) = pace.filter(|p| *p != running.pace) {
            let text = format!("the sandbox now lives at the pace {}, for everybody who uses it", pace.word());
            say(Doing::Says(&text));
            if let Some(left) = self.proven().await? {
                left.door().set_pace(pace).await?;
            }
            running.pace = pace;
        }
        Ok(running)
    }

    /// Returns the environment and the plugin, installed if necessary.
    pub async fn install(&self, say: &impl Fn(Doing<'_>)) -> Result<Install, Error> {
        let _lock = self.lock(&self.home.join("lock"), say).await?;
        Install::ready(&self.home, say).await
    }

    /// Returns the running sandbox, if it answers.
    pub async fn status(&self) -> Result<Option<Running>, Error> {
        let Some(left) = self.proven().await? else { return Ok(None) };
        match left.door().health().await {
            Ok(health) if health.pid == left.pid => Ok(Some(self.running(&left, health.pace()))),
            _ => Ok(None),
        }
    }

    /// Reads `server.json` and checks that the process there is the sandbox: it may have died, and its port may be
    /// somebody else's since.
    async fn proven(&self) -> Result<Option<ServerFile>, Error> {
        match self.left()? {
            Some(left) if left.door().is_the_sandbox().await => Ok(Some(left)),
            _ => Ok(None),
        }
    }

    /// Stops the sandbox. Returns true if one was running.
    pub async fn stop(&self) -> Result<bool, Error> {
        if !self.folder.exists() {
            return Ok(false);
        }
        let _lock = self.lock(&self.folder.join("lock"), &|_: Doing<'_>| {}).await?;
        self.stop_now().await
    }

    /// Empties the account in the sandbox. Returns true if one was running.
    pub async fn reset(&self) -> Result<bool, Error> {
        match self.proven().await? {
            Some(left) => left.door().reset().await.map(|()| true),
            None => Ok(false),
        }
    }

    /// Runs a sandbox of its own in the foreground until Ctrl-C or SIGTERM. No other command finds it.
    pub async fn serve(&self, port: u16, pace: Option<Pace>, say: impl Fn(Doing<'_>)) -> Result<(), Error> {
        let mut install = self.install(&say).await?;
        if !install.is_whole().await {
            install = self.install(&say).await?;
        }
        let mut child = command(&install, port, pace.unwrap_or(Pace::Instant))
            .arg("--until-eof")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(at(&install.python))?;
        // Kept until the end, since waiting for a child closes the standard input that it still has.
        let alive = child.stdin.take();
        let out = child.stdout.take();
        let relay = async {
            use tokio::io::{AsyncBufReadExt, BufReader};
            let Some(out) = out else { return };
            let mut lines = BufReader::new(out).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                say(Doing::Says(&line));
            }
        };
        let mut term =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(at(&install.python))?;
        let ended = tokio::select! {
            _ = tokio::signal::ctrl_c() => None,
            _ = term.recv() => None,
            (status, ()) = async { tokio::join!(child.wait(), relay) } => Some(status),
        };
        match ended {
            // The child ends when its standard input closes, at the latest when dropped.
            None => {
                drop(alive);
                let _ = tokio::time::timeout(Duration::from_secs(5), child.wait()).await;
                Ok(())
            }
            Some(status) if status.as_ref().is_ok_and(|s| s.success()) => Ok(()),
            Some(_) => Err(Error::Start { path: install.plugin, log: format!("is port {port} in use?") }),
        }
    }

    fn left(&self) -> Result<Option<ServerFile>, Error> {
        if fs::symlink_metadata(&self.folder).is_err() {
            return Ok(None);
        }
        private::folder(&self.home)?;
        private::folder(&self.folder)?;
        Ok(private::read(&self.file())?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    fn file(&self) -> PathBuf {
        self.folder.join("server.json")
    }

    fn running(&self, left: &ServerFile, pace: Pace) -> Running {
        Running {
            endpoint: format!("http://127.0.0.1:{}", left.port),
            key: left.key.clone(),
            port: left.port,
            pid: left.pid,
            pace,
            log: self.folder.join("log"),
        }
    }

    /// Returns the running sandbox if it has this version. An older one is stopped, since its plugin may lack what this
    /// gameday needs.
    async fn current(&self) -> Result<Option<Running>, Error> {
        let ours = self.left()?.is_some_and(|l| l.version == install::version());
        if ours { self.status().await } else { Ok(None) }
    }

    /// Starts it. Installs again first if the start failed because the installation is damaged.
    async fn start(&self, pace: Pace, say: &impl Fn(Doing<'_>)) -> Result<Running, Error> {
        let install = self.install(say).await?;
        say(Doing::Starts);
        match self.start_with(&install, pace).await {
            Err(Error::Start { .. }) if !install.is_whole().await => {
                say(Doing::Says("the sandbox is broken, and is made again"));
                self.start_with(&self.install(say).await?, pace).await
            }
            started => started,
        }
    }

    /// Returns the same port after each stop, since addresses are noted elsewhere. 0 if it is in use.
    fn usual_port(&self) -> u16 {
        let digest = Sha256::digest(self.folder.as_os_str().as_encoded_bytes());
        // Above the ports of services, below those that the kernel assigns.
        let port = 20_000 + u16::from_be_bytes([digest[0], digest[1]]) % 10_000;
        std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).map_or(0, |_| port)
    }

    async fn start_with(&self, install: &Install, pace: Pace) -> Result<Running, Error> {
        let (log, fresh) = (self.folder.join("log"), self.folder.join("ready.json"));
        private::remove(&fresh)?;
        private::remove(&self.folder.join("ready.json.new"))?;
        let out = private::create(&log)?;
        let err = out.try_clone().map_err(at(&log))?;
        let mut command = command(install, self.usual_port(), pace);
        command.arg("--ready-file").arg(&fresh).stdin(Stdio::null()).stdout(out).stderr(err);
        // In a process group of its own, since the sandbox outlives this command: Ctrl-C and a closed terminal signal
        // the group in the foreground.
        command.process_group(0);
        let mut child = command.spawn().map_err(at(&install.python))?;
        let begun = Instant::now();
        loop {
            if let Some(mut left) = private::read(&fresh)?.and_then(|b| serde_json::from_slice::<ServerFile>(&b).ok()) {
                left.version = install::version();
                left.begun = Process::find(left.pid).map(|p| p.begun).unwrap_or_default();
                let health = left.door().health().await?;
                let text = serde_json::to_vec(&left).unwrap_or_default();
                private::write(&self.file(), &text)?;
                private::remove(&fresh)?;
                return Ok(self.running(&left, health.pace()));
            }
            let died = !matches!(child.try_wait(), Ok(None));
            if died || begun.elapsed() > START {
                let _ = child.start_kill();
                return Err(Error::Start { log: tail(&log), path: log });
            }
            sleep(STEP).await;
        }
    }

    /// Ends the process in `server.json`, if it is really a sandbox, and removes the file. Also works if it no longer
    /// answers.
    async fn stop_now(&self) -> Result<bool, Error> {
        let server = self.left()?.and_then(|left| self.process(&left));
        if let Some(process) = &server {
            process.signal(Signal::TERM);
            let begun = Instant::now();
            while process.is_there() {
                if begun.elapsed() > Duration::from_secs(5) {
                    process.signal(Signal::KILL);
                }
                if begun.elapsed() > Duration::from_secs(30) {
                    return Err(Error::Stays { pid: process.id });
                }
                sleep(STEP).await;
            }
        }
        private::remove(&self.file())?;
        Ok(server.is_some())
    }

    /// Returns the process that was started, if it still runs.
    ///
    /// Nobody's word on its port counts: the process belongs to the user, began at the noted time and runs a plugin
    /// from this home.
    fn process(&self, left: &ServerFile) -> Option<Process> {
        // Older versions of gameday did not note the start time.
        let same = |p: &Process| left.begun.is_empty() || p.begun == left.begun;
        Process::find(left.pid).filter(|p| same(p) && p.runs_a_plugin_of(&self.home))
    }

    /// Takes the lock, which is held until dropped, also if the process dies.
    async fn lock(&self, path: &Path, say: &impl Fn(Doing<'_>)) -> Result<File, Error> {
        private::folder(&self.home)?;
        private::folder(path.parent().unwrap_or(path))?;
        let file = private::keep(path)?;
        let begun = Instant::now();
        let mut said = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(fs::TryLockError::Error(e)) => return Err(at(path)(e)),
                Err(fs::TryLockError::WouldBlock) if begun.elapsed() > LOCK => {
                    return Err(Error::Busy { lock: path.into(), seconds: LOCK.as_secs() });
                }
                Err(fs::TryLockError::WouldBlock) => {
                    if begun.elapsed() > Duration::from_secs(1) && !said {
                        said = true;
                        say(Doing::Says("another gameday is starting the sandbox: waiting for it"));
                    }
                    sleep(STEP).await;
                }
            }
        }
    }
}

fn command(install: &Install, port: u16, pace: Pace) -> Command {
    let mut command = Command::new(&install.python);
    command.arg("-I").arg(&install.plugin).args(["--port", &port.to_string(), "--pace", pace.word()]);
    // Not the user's current folder, so that no file there can be reached by a short name.
    command.current_dir("/");
    // Variables of the shell do not change the sandbox, and it uses no proxy.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if install::is_theirs(&text) || text.to_lowercase().ends_with("_proxy") {
            command.env_remove(&name);
        }
    }
    command
}

/// Returns the end of a log, for an error.
fn tail(path: &Path) -> String {
    let mut text = String::new();
    let _ = File::open(path).and_then(|mut f| f.read_to_string(&mut text));
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_runs_in_an_empty_home() {
        let home = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::named(home.path(), "x");
        assert!(sandbox.status().await.unwrap().is_none());
        assert!(!sandbox.stop().await.unwrap() && !sandbox.reset().await.unwrap());
    }

    #[tokio::test]
    async fn a_stale_file_is_no_server() {
        let home = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::named(home.path(), "x");
        fs::create_dir_all(&sandbox.folder).unwrap();
        // A port on which something else listens.
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = other.local_addr().unwrap().port();
        std::thread::spawn(move || drop(other.accept()));
        let left = format!(r#"{{"pid": {}, "port": {port}, "version": "{}"}}"#, std::process::id(), install::version());
        fs::write(sandbox.file(), left).unwrap();
        assert!(sandbox.status().await.unwrap().is_none());
        assert!(!sandbox.stop().await.unwrap(), "and the process lives on");
        assert!(!sandbox.file().exists());
    }

    #[test]
    fn names_stay_in_their_folder() {
        let home = Path::new("/home");
        assert_eq!(Sandbox::named(home, "../x y").folder, home.join("___x_y"));
    }

    #[tokio::test]
    async fn the_lock_is_for_one() {
        let home = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::named(home.path(), "x");
        let path = home.path().join("lock");
        let first = sandbox.lock(&path, &|_: Doing<'_>| {}).await.unwrap();
        let second = tokio::time::timeout(Duration::from_millis(200), sandbox.lock(&path, &|_: Doing<'_>| {})).await;
        assert!(second.is_err(), "still held");
        drop(first);
        sandbox.lock(&path, &|_: Doing<'_>| {}).await.unwrap();
    }
}
