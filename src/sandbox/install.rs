//! The installation of the sandbox in the user's cache folder: a Python, a virtual environment, the unpacked plugin.
//!
//! Everything is verified before it runs: packages by their hashes, the plugin by comparison with the one in this
//! binary. Files that others own or can write are never run.
use super::{
    Doing,
    error::{Error, at},
    private,
};
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

/// All packages with their dependencies, by hash. `scripts/lock.sh` makes it of `requirements.txt`.
const LOCK: &str = include_str!("requirements.lock");

macro_rules! files {
    ($($name:literal),* $(,)?) => { &[$(($name, include_str!(concat!("plugin/", $name)))),*] };
}
/// All files of the plugin. A test compares the list with the folder.
const PLUGIN: &[(&str, &str)] = files![
    "__init__.py",
    "__main__.py",
    "acm.py",
    "asg_fleet.py",
    "asg_policies.py",
    "asg_refresh.py",
    "autoscaling.py",
    "boot_log.py",
    "cbor.py",
    "clock.py",
    "cloudfront.py",
    "cloudwatch.py",
    "control.py",
    "data.py",
    "door.py",
    "ec2_defaults.py",
    "ec2_endpoints.py",
    "ec2_groups.py",
    "ec2_images.py",
    "ec2_instances.py",
    "ec2_nat.py",
    "ec2_network.py",
    "ec2_public_access.py",
    "ec2_templates.py",
    "efs.py",
    "elasticache.py",
    "elasticache_clusters.py",
    "elasticache_events.py",
    "elasticache_groups.py",
    "elasticache_nodes.py",
    "elbv2.py",
    "faults.py",
    "gate.py",
    "iam.py",
    "interfaces.py",
    "logs.py",
    "model.py",
    "policy.py",
    "quotas.py",
    "rds.py",
    "rds_catalog.py",
    "rds_groups.py",
    "regions.py",
    "route53.py",
    "rules.py",
    "services.py",
    "ssm.py",
    "tagging.py",
    "wire.py",
];

/// The oldest Python that moto runs on.
const OLDEST: (u32, u32) = (3, 10);

/// The paths of an installation.
#[derive(Debug, Clone)]
pub struct Install {
    pub python: PathBuf,
    /// The main file. Python never caches a compiled form of the file that it is told to run.
    pub plugin: PathBuf,
}

impl Install {
    /// Installs what is missing. The caller holds the lock, since two installations would destroy each other.
    pub(super) async fn ready(home: &Path, say: &impl Fn(Doing<'_>)) -> Result<Self, Error> {
        private::folder(home)?;
        let plugin = unpack(home, say)?;
        let (python, version) = python().await?;
        let name = hash(&[LOCK, &python.to_string_lossy(), &version]);
        let venv = home.join(format!("venv-{name}"));
        let inside = venv.join("bin/python");
        // Written last, so that an interrupted or incomplete installation is repeated from scratch.
        let done = venv.join("installed");
        let there = fs::symlink_metadata(&venv).is_ok() && private::ours(&venv)?.is_dir();
        let mut whole = there && done.exists() && inside.exists();
        if whole && !private::is_closed(&venv)? {
            say(Doing::Says(&format!("{}: others may write in it, so it is made again", venv.display())));
            whole = false;
        }
        if !whole {
            private::remove(&venv)?;
            say(Doing::Says(&format!("installing the sandbox into {} (once, about a minute)", venv.display())));
            make(&python, &venv).await?;
            pip(&inside, &venv, say).await?;
            import(&inside).await.map_err(|output| Error::Install { venv: venv.clone(), output })?;
            private::write(&done, LOCK.as_bytes())?;
            tidy(home, &[&venv, &plugin], Duration::from_secs(24 * 3600));
            say(Doing::Says("the sandbox is installed"));
        }
        Ok(Self { python: inside, plugin: plugin.join("__main__.py") })
    }

    /// True if the installation is complete. Otherwise the next `ready` repeats it. Used after a failed start.
    pub(super) async fn is_whole(&self) -> bool {
        let whole = import(&self.python).await.is_ok();
        if !whole && let Some(venv) = self.python.ancestors().nth(2) {
            let _ = fs::remove_file(venv.join("installed"));
        }
        whole
    }
}

/// Imports the modules that the server needs first. The error names what is missing.
async fn import(python: &Path) -> Result<(), String> {
    const ALL: &str = "import boto3, cbor2, flask_cors, moto.moto_server.werkzeug_app";
    let mut command = alone(python);
    let out = command.args(["-c", ALL]).stdin(Stdio::null()).output().await.map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
    // The last line of a traceback names what is missing.
    if out.status.success() { Ok(()) } else { Err(said.lines().last().unwrap_or("it cannot be imported").to_owned()) }
}

/// Prepares a command of Python that ignores the user's variables, folders and packages.
///
/// An active virtual environment, `PYTHONPATH` or pip's `user`, `target` and `require-hashes` would break the
/// installation.
fn alone(python: &Path) -> Command {
    // The shell sets the mask of new files, so that what is installed belongs to the user alone.
    let mut command = Command::new("/bin/sh");
    command.args(["-c", r#"umask 077; exec "$0" "$@""#]).arg(python).arg("-I");
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_theirs(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command
}

/// True if a variable influences Python, pip, moto, its web server or AWS's clients in it.
pub(super) fn is_theirs(name: &str) -> bool {
    const BEGIN: &[&str] = &["AWS_", "BOTO", "CONDA_", "FLASK_", "MOTO_", "PIP_", "PYTHON", "WERKZEUG_", "__PYVENV_"];
    name == "VIRTUAL_ENV" || BEGIN.iter().any(|begin| name.starts_with(begin))
}

/// The pip settings that concern access to the package index, which a company may need. All others are for the user's
/// own installations.
const WAY: &[&str] = &[
    "cache-dir",
    "cert",
    "client-cert",
    "default-timeout",
    "extra-index-url",
    "find-links",
    "index-url",
    "keyring-provider",
    "proxy",
    "retries",
    "timeout",
    "trusted-host",
];

/// Returns these settings as variables, from the user's variables and configuration files, as pip reads them.
async fn way_to_the_index(python: &Path) -> Vec<(String, String)> {
    // If the list cannot be read, pip's defaults apply.
    let mut command = Command::new(python);
    command.env_remove("PIP_PYTHON");
    let out = command.args(["-I", "-m", "pip", "config", "list"]).stdin(Stdio::null()).output().await;
    let said = out.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
    let ours = |name: &str| std::env::var(name).ok().map(|value| (name.to_owned(), value));
    let from_files = settings(&said);
    WAY.iter()
        .filter_map(|key| {
            let name = format!("PIP_{}", key.replace('-', "_").to_uppercase());
            ours(&name).or_else(|| Some((name, from_files.iter().rfind(|(k, _)| k == key)?.1.clone())))
        })
        .collect()
}

/// Parses the lines `section.key='value'` of `pip config list` into keys and values, stronger ones last.
fn settings(list: &str) -> Vec<(String, String)> {
    let mut found: Vec<(u8, String, String)> = list
        .lines()
        .filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            let (section, key) = name.rsplit_once('.')?;
            // Settings of `pip install` override those of all of pip.
            let strength = ["global", "install"].iter().position(|s| *s == section)?;
            let value = value.strip_prefix(['\'', '"'])?.strip_suffix(['\'', '"'])?;
            Some((strength as u8, key.to_owned(), value.replace("\\n", "\n").trim().to_owned()))
        })
        .collect();
    found.sort_by_key(|(strength, ..)| *strength);
    found.into_iter().map(|(_, key, value)| (key, value)).collect()
}

/// Returns a hash that is short enough for a file name.
fn hash(parts: &[&str]) -> String {
    let mut all = Sha256::new();
    for part in parts {
        all.update((part.len() as u64).to_le_bytes());
        all.update(part);
    }
    all.finalize().iter().take(6).map(|b| format!("{b:02x}")).collect()
}

/// Returns the version of the plugin, by which a running server of another version is noticed.
pub(super) fn version() -> String {
    let parts: Vec<&str> = PLUGIN.iter().flat_map(|(name, text)| [*name, *text]).collect();
    hash(&[&[LOCK], &parts[..]].concat())
}

/// Unpacks the plugin of this binary, in place of any other content: it is Python, and runs as the user.
fn unpack(home: &Path, say: &impl Fn(Doing<'_>)) -> Result<PathBuf, Error> {
    let folder = home.join(format!("plugin-{}", version()));
    let plugin = folder.join("plugin");
    if fs::symlink_metadata(&folder).is_ok() {
        if is_unpacked(&folder)? {
            return Ok(plugin);
        }
        let text = format!("{} is not what this gameday put there: it is made again", folder.display());
        say(Doing::Says(&text));
        private::remove(&folder)?;
    }
    // Into a temporary folder first, so that the final name is always complete.
    let fresh = folder.with_extension(std::process::id().to_string());
    private::remove(&fresh)?;
    let inner = fresh.join("plugin");
    private::folder(&fresh)?;
    private::folder(&inner)?;
    for (name, text) in PLUGIN {
        private::write(&inner.join(name), text.as_bytes())?;
    }
    fs::rename(&fresh, &folder).map_err(at(&folder))?;
    Ok(plugin)
}

/// True if a folder holds exactly the plugin, byte for byte, since Python looks for all modules there first.
fn is_unpacked(folder: &Path) -> Result<bool, Error> {
    if !private::ours(folder)?.is_dir() || !private::is_closed(folder)? || names(folder)? != ["plugin"] {
        return Ok(false);
    }
    let plugin = folder.join("plugin");
    let mut shipped: Vec<_> = PLUGIN.iter().map(|(name, _)| name.to_string()).collect();
    shipped.sort();
    if fs::symlink_metadata(&plugin).map_err(at(&plugin))?.is_symlink() || names(&plugin)? != shipped {
        return Ok(false);
    }
    let same = |(name, text): &(&str, &str)| {
        let path = plugin.join(name);
        let is_file = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
        is_file && fs::read(&path).is_ok_and(|bytes| bytes == text.as_bytes())
    };
    Ok(PLUGIN.iter().all(same))
}

/// Returns the sorted names in a folder, none if it is not a folder.
fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotADirectory => return Ok(vec![]),
        entries => entries.map_err(at(folder))?,
    };
    let name = |e: std::io::Result<fs::DirEntry>| e.map(|e| e.file_name().to_string_lossy().into_owned());
    let mut names = entries.map(name).collect::<std::io::Result<Vec<_>>>().map_err(at(folder))?;
    names.sort();
    Ok(names)
}

/// Removes environments and plugins of other versions, as far as possible. Recent ones may belong to another gameday
/// that is starting right now.
fn tidy(home: &Path, keep: &[&Path], age: Duration) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let ours = name.starts_with("venv-") || name.starts_with("plugin-");
        // The time of a link itself.
        let made = entry.metadata().and_then(|m| m.modified()).ok();
        let old = made.and_then(|m| m.elapsed().ok()).is_some_and(|e| e >= age);
        if ours && old && !keep.iter().any(|k| k.starts_with(&path)) {
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// Finds a suitable Python and its version: `GAMEDAY_PYTHON`, or the first that is recent enough.
pub async fn python() -> Result<(PathBuf, String), Error> {
    let named = std::env::var("GAMEDAY_PYTHON").ok().filter(|p| !p.is_empty());
    let names = match &named {
        Some(path) => vec![path.clone()],
        None => ["python3".to_owned(), "python".to_owned()]
            .into_iter()
            .chain((OLDEST.1..=15).rev().map(|minor| format!("python3.{minor}")))
            .collect(),
    };
    let (mut old, mut bare) = (None, None);
    for name in names {
        match probe(&name).await {
            Some(p) if p.minor < OLDEST => old = old.or(Some((name, p.version))),
            Some(p) if !p.venv => bare = bare.or(Some(name)),
            Some(p) => return Ok((p.path, p.version)),
            None => {}
        }
    }
    Err(match (bare, old) {
        (Some(path), _) => Error::NoVenv { path },
        (None, Some((path, version))) => Error::OldPython { path, version },
        (None, None) => Error::NoPython,
    })
}

struct Python {
    path: PathBuf,
    version: String,
    minor: (u32, u32),
    venv: bool,
}

async fn probe(name: &str) -> Option<Python> {
    const ASK: &str = "import sys, importlib.util as u\n\
         print(sys.executable)\n\
         print('%d.%d.%d' % sys.version_info[:3])\n\
         print(all(u.find_spec(m) for m in ('venv', 'ensurepip')))";
    let out = alone(Path::new(name)).args(["-c", ASK]).stdin(Stdio::null()).output().await.ok()?;
    let text = String::from_utf8(out.stdout).ok().filter(|_| out.status.success())?;
    let mut lines = text.lines();
    let (path, version, venv) = (lines.next()?, lines.next()?, lines.next()?);
    let mut numbers = version.split('.').map(|n| n.parse().unwrap_or(0));
    let minor = (numbers.next()?, numbers.next()?);
    Some(Python { path: path.into(), version: version.into(), minor, venv: venv == "True" })
}

async fn make(python: &Path, venv: &Path) -> Result<(), Error> {
    let out = alone(python).args(["-m", "venv"]).arg(venv).stdin(Stdio::null()).output().await;
    let out = out.map_err(at(python))?;
    if out.status.success() {
        return Ok(());
    }
    let output = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).trim().to_owned();
    Err(match output.contains("ensurepip") {
        true => Error::NoVenv { path: python.display().to_string() },
        false => Error::Install { venv: venv.into(), output },
    })
}

async fn pip(python: &Path, venv: &Path, say: &impl Fn(Doing<'_>)) -> Result<(), Error> {
    let list = venv.join("requirements.txt");
    private::write(&list, LOCK.as_bytes())?;
    let mut child = alone(python)
        // No configuration file of pip, only its settings of the index. Not as arguments, which other users see.
        .env("PIP_CONFIG_FILE", "/dev/null")
        .envs(way_to_the_index(python).await)
        // Compiling all of moto takes longer than the download. Python compiles what it uses.
        .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-compile"])
        // Each by its hash. Source packages would bring build tools without hashes.
        .args(["--require-hashes", "--only-binary", ":all:", "-r"])
        .arg(&list)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(at(python))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let read = async |pipe: Option<_>| {
        let (mut seen, mut nth) = (Vec::new(), 0);
        if let Some(pipe) = pipe {
            let mut lines = BufReader::new(pipe).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(package) = line.strip_prefix("Collecting ") {
                    nth += 1;
                    say(Doing::Installs {
                        package: package.split([' ', '=', '<', '>', '!', '~', '[']).next().unwrap_or(package),
                        nth,
                    });
                }
                seen.push(line);
            }
        }
        seen
    };
    let read_errors = async |pipe: Option<_>| {
        let mut text = String::new();
        if let Some(mut pipe) = pipe {
            let _ = tokio::io::AsyncReadExt::read_to_string(&mut pipe, &mut text).await;
        }
        text
    };
    let (said, errors, status) = tokio::join!(read(out), read_errors(err), child.wait());
    if status.map_err(at(python))?.success() {
        return Ok(());
    }
    let last = said.into_iter().rev().take(5).collect::<Vec<_>>().into_iter().rev();
    let output = last.chain([errors.trim().to_owned()]).collect::<Vec<_>>().join("\n");
    Err(Error::Install { venv: venv.into(), output: output.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(_: Doing<'_>) {}

    #[test]
    fn every_file_of_the_plugin_is_shipped() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sandbox/plugin");
        let mut there: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|n| n.ends_with(".py"))
            .collect();
        there.sort();
        let mut shipped: Vec<&str> = PLUGIN.iter().map(|(name, _)| *name).collect();
        shipped.sort_unstable();
        assert_eq!(there, shipped);
    }

    #[test]
    fn the_hash_tells_parts_apart() {
        assert_eq!(hash(&["a", "b"]), hash(&["a", "b"]));
        assert_ne!(hash(&["a", "b"]), hash(&["ab"]));
        assert_ne!(hash(&["a", "b"]), hash(&["b", "a"]));
    }

    #[test]
    fn unpacks_once_and_whole() {
        let home = tempfile::tempdir().unwrap();
        let plugin = unpack(home.path(), &quiet).unwrap();
        assert_eq!(fs::read_dir(&plugin).unwrap().count(), PLUGIN.len());
        let never = |doing: Doing<'_>| panic!("{doing:?}");
        assert_eq!(unpack(home.path(), &never).unwrap(), plugin);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "no half-made folder stays");
    }

    #[test]
    fn what_is_not_the_plugin_does_not_stay_in_its_place() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let home = tempfile::tempdir().unwrap();
        let plugin = unpack(home.path(), &quiet).unwrap();
        let folder = plugin.parent().unwrap();
        let gate = plugin.join("gate.py");
        let elsewhere = home.path().join("elsewhere.py");
        fs::write(&elsewhere, "evil").unwrap();
        let evil = |path: PathBuf| fs::write(path, "evil").unwrap();
        let link = |path: &Path| {
            fs::remove_file(path).unwrap();
            symlink(&elsewhere, path).unwrap();
        };
        let changes: [(&str, &dyn Fn()); 9] = [
            ("what Python might have compiled of it", &|| {
                fs::create_dir(plugin.join("__pycache__")).unwrap();
                evil(plugin.join("__pycache__/gate.cpython-311.pyc"));
            }),
            ("a line more", &|| fs::write(&gate, format!("{}#", fs::read_to_string(&gate).unwrap())).unwrap()),
            ("other bytes of the same length", &|| {
                fs::write(&gate, " ".repeat(fs::metadata(&gate).unwrap().len() as usize)).unwrap()
            }),
            ("a file less", &|| fs::remove_file(&gate).unwrap()),
            ("a module more", &|| evil(plugin.join("json.py"))),
            ("a module beside it, which Python takes for its own", &|| evil(folder.join("json.py"))),
            ("a link", &|| link(&gate)),
            ("another folder behind a link", &|| {
                let other = home.path().join("other");
                fs::rename(&plugin, &other).unwrap();
                symlink(&other, &plugin).unwrap();
            }),
            ("what everybody may write", &|| fs::set_permissions(&gate, fs::Permissions::from_mode(0o666)).unwrap()),
        ];
        for (what, change) in changes {
            change();
            let said = std::cell::RefCell::new(String::new());
            let hear = |doing: Doing<'_>| *said.borrow_mut() = format!("{doing:?}");
            assert_eq!(unpack(home.path(), &hear).unwrap(), plugin, "{what}");
            assert!(said.borrow().contains("made again"), "{what}: {}", said.borrow());
            assert!(is_unpacked(folder).unwrap(), "{what}");
        }
        assert_eq!(fs::read(&elsewhere).unwrap(), b"evil", "what a link leads to is left alone");
    }

    #[test]
    fn every_package_of_the_lock_has_a_hash_and_the_lock_is_of_the_requirements() {
        let packages = LOCK.lines().filter(|l| !l.starts_with([' ', '#']) && !l.is_empty());
        let mut names = 0;
        for line in packages {
            assert!(line.contains("==") && line.ends_with('\\'), "{line}");
            names += 1;
        }
        assert!(names > 20, "with all that they need: {names}");
        for line in include_str!("requirements.txt").lines().filter(|l| !l.starts_with('#')) {
            assert!(LOCK.lines().any(|l| l.split_whitespace().next() == Some(line)), "{line}: run scripts/lock.sh");
        }
    }

    #[test]
    fn tidies_what_is_of_earlier_versions() {
        let home = tempfile::tempdir().unwrap();
        for name in ["venv-old", "plugin-old", "venv-new", "plugin-new/plugin", "default"] {
            fs::create_dir_all(home.path().join(name)).unwrap();
        }
        let keep = [home.path().join("venv-new"), home.path().join("plugin-new/plugin")];
        tidy(home.path(), &[&keep[0], &keep[1]], Duration::from_secs(3600));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 5, "all of it is young");
        tidy(home.path(), &[&keep[0], &keep[1]], Duration::ZERO);
        let mut left: Vec<_> = fs::read_dir(home.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["default", "plugin-new", "venv-new"]);
    }

    #[test]
    fn what_the_user_has_set_for_python_is_not_for_ours() {
        for name in ["PIP_USER", "PIP_TARGET", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "AWS_PROFILE", "MOTO_PORT"] {
            assert!(is_theirs(name), "{name}");
        }
        for name in ["PATH", "HOME", "PYENV_ROOT", "HTTPS_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"] {
            assert!(!is_theirs(name), "{name}");
        }
        let alone = alone(Path::new("python3"));
        let handed: Vec<_> = alone.as_std().get_envs().map(|(name, _)| name.to_string_lossy()).collect();
        let kept = std::env::vars().filter(|(name, _)| is_theirs(name) && !handed.contains(&name.as_str().into()));
        assert_eq!(kept.count(), 0);
        assert!(alone.as_std().get_args().any(|argument| argument == "-I"));
    }

    #[test]
    fn the_way_to_the_index_is_read_off_pips_own_list() {
        let list = "global.index-url='https://pypi.company.example/simple'\n\
                    global.extra-index-url='\\nhttps://a.example\\nhttps://b.example'\n\
                    install.index-url='https://install.example/simple'\n\
                    install.user='yes'\n:env:.target='/tmp/x'\nbroken line\n";
        let found: std::collections::BTreeMap<_, _> = settings(list).into_iter().collect();
        assert_eq!(found["index-url"], "https://install.example/simple");
        assert_eq!(found["extra-index-url"], "https://a.example\nhttps://b.example");
        assert!(!WAY.contains(&"user") && !WAY.contains(&"target") && !WAY.contains(&"require-hashes"));
    }

    #[tokio::test]
    async fn a_program_that_is_no_python_is_none() {
        assert!(probe("/bin/false").await.is_none() && probe("/no/such/python").await.is_none());
    }
}
