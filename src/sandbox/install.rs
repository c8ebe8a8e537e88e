//! What the sandbox is made of, in the user's cache folder: a Python, a virtual environment, the unpacked plugin.
use super::{
    Doing,
    error::{Error, at},
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

const REQUIREMENTS: &str = include_str!("requirements.txt");

macro_rules! files {
    ($($name:literal),* $(,)?) => { &[$(($name, include_str!(concat!("plugin/", $name)))),*] };
}
/// The plugin, every file of it (a test compares this with the folder).
const PLUGIN: &[(&str, &str)] = files![
    "__init__.py",
    "__main__.py",
    "asg_fleet.py",
    "asg_policies.py",
    "asg_refresh.py",
    "autoscaling.py",
    "boot_log.py",
    "cbor.py",
    "clock.py",
    "cloudwatch.py",
    "control.py",
    "ec2_defaults.py",
    "ec2_endpoints.py",
    "ec2_groups.py",
    "ec2_instances.py",
    "ec2_nat.py",
    "ec2_network.py",
    "ec2_public_access.py",
    "ec2_templates.py",
    "efs.py",
    "elasticache.py",
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
    "rules.py",
    "services.py",
    "ssm.py",
    "tagging.py",
    "wire.py",
];

/// The oldest Python that moto runs on.
const OLDEST: (u32, u32) = (3, 10);

/// Where the pieces are; `ready` makes them.
#[derive(Debug, Clone)]
pub struct Install {
    pub python: PathBuf,
    pub plugin: PathBuf,
}

impl Install {
    /// Installs what is missing. Under the caller's lock: two at once would undo each other.
    pub(super) async fn ready(home: &Path, say: &impl Fn(Doing<'_>)) -> Result<Self, Error> {
        let plugin = unpack(home)?;
        let (python, version) = python().await?;
        let name = hash(&[REQUIREMENTS, &python.to_string_lossy(), &version]);
        let venv = home.join(format!("venv-{name}"));
        let inside = venv.join("bin/python");
        // Written last: an installation that was cut off, or that lacks something, is started again from nothing.
        let done = venv.join("installed");
        if !done.exists() || !inside.exists() {
            if venv.exists() {
                fs::remove_dir_all(&venv).map_err(at(&venv))?;
            }
            say(Doing::Says(&format!("installing the sandbox into {} (once, about a minute)", venv.display())));
            make(&python, &venv).await?;
            pip(&inside, &venv, say).await?;
            import(&inside).await.map_err(|output| Error::Install { venv: venv.clone(), output })?;
            fs::write(&done, REQUIREMENTS).map_err(at(&done))?;
            tidy(home, &[&venv, &plugin], Duration::from_secs(24 * 3600));
            say(Doing::Says("the sandbox is installed"));
        }
        Ok(Self { python: inside, plugin })
    }

    /// Whether what it is made of is still there; if not, the next `ready` makes it again. For a server that did not
    /// start.
    pub(super) async fn is_whole(&self) -> bool {
        let whole = import(&self.python).await.is_ok();
        if !whole && let Some(venv) = self.python.ancestors().nth(2) {
            let _ = fs::remove_file(venv.join("installed"));
        }
        whole
    }
}

/// What the server imports first, and what of it is missing.
async fn import(python: &Path) -> Result<(), String> {
    const ALL: &str = "import boto3, cbor2, flask_cors, moto.moto_server.werkzeug_app";
    let mut command = alone(python);
    let out = command.args(["-c", ALL]).stdin(Stdio::null()).output().await.map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
    // The last line of a traceback names what is missing.
    if out.status.success() { Ok(()) } else { Err(said.lines().last().unwrap_or("it cannot be imported").to_owned()) }
}

/// A Python that only its own installation tells what to do: not the user's variables, folders and packages. An active
/// virtual environment, `PYTHONPATH` or pip's `user`, `target` and `require-hashes` would break ours.
fn alone(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.arg("-I");
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_theirs(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command
}

/// Whether a variable speaks to Python, pip, moto, its web server or AWS's clients in it.
pub(super) fn is_theirs(name: &str) -> bool {
    const BEGIN: &[&str] = &["AWS_", "BOTO", "CONDA_", "FLASK_", "MOTO_", "PIP_", "PYTHON", "WERKZEUG_", "__PYVENV_"];
    name == "VIRTUAL_ENV" || BEGIN.iter().any(|begin| name.starts_with(begin))
}

/// What of the user's pip settings is about the way to the package index, which a company may need; every other setting
/// is about what they install for themselves.
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

/// Those settings as variables, from the user's own and from their configuration files, as pip itself reads them.
async fn way_to_the_index(python: &Path) -> Vec<(String, String)> {
    // Where the list cannot be read, pip's own defaults have to do.
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

/// `key` and value of each line of `pip config list`, which is `section.key='value'`, later ones stronger.
fn settings(list: &str) -> Vec<(String, String)> {
    let mut found: Vec<(u8, String, String)> = list
        .lines()
        .filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            let (section, key) = name.rsplit_once('.')?;
            // What is for `pip install` is stronger than what is for all of pip.
            let strength = ["global", "install"].iter().position(|s| *s == section)?;
            let value = value.strip_prefix(['\'', '"'])?.strip_suffix(['\'', '"'])?;
            Some((strength as u8, key.to_owned(), value.replace("\\n", "\n").trim().to_owned()))
        })
        .collect();
    found.sort_by_key(|(strength, ..)| *strength);
    found.into_iter().map(|(_, key, value)| (key, value)).collect()
}

/// A hash short enough for a file name.
fn hash(parts: &[&str]) -> String {
    let mut all = Sha256::new();
    for part in parts {
        all.update((part.len() as u64).to_le_bytes());
        all.update(part);
    }
    all.finalize().iter().take(6).map(|b| format!("{b:02x}")).collect()
}

/// The name of the plugin's version, which is also how a running server of another version is noticed.
pub(super) fn version() -> String {
    let parts: Vec<&str> = PLUGIN.iter().flat_map(|(name, text)| [*name, *text]).collect();
    hash(&[&[REQUIREMENTS], &parts[..]].concat())
}

fn unpack(home: &Path) -> Result<PathBuf, Error> {
    let folder = home.join(format!("plugin-{}", version()));
    let plugin = folder.join("plugin");
    if !plugin.exists() {
        // Into a folder of its own first: what has the final name is whole.
        let fresh = folder.with_extension(std::process::id().to_string());
        let inner = fresh.join("plugin");
        fs::create_dir_all(&inner).map_err(at(&inner))?;
        for (name, text) in PLUGIN {
            fs::write(inner.join(name), text).map_err(at(inner.join(name)))?;
        }
        match fs::rename(&fresh, &folder) {
            Ok(()) => {}
            Err(_) if plugin.exists() => drop(fs::remove_dir_all(&fresh)),
            Err(e) => return Err(at(&folder)(e)),
        }
    }
    Ok(plugin)
}

/// Removes environments and plugins of earlier versions; that it can't is no harm. What is young may belong to a
/// gameday of another version that is starting right now.
fn tidy(home: &Path, keep: &[&Path], age: Duration) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let ours = name.starts_with("venv-") || name.starts_with("plugin-");
        let made = entry.metadata().and_then(|m| m.modified()).ok();
        let old = made.and_then(|m| m.elapsed().ok()).is_some_and(|e| e >= age);
        if ours && old && !keep.iter().any(|k| k.starts_with(&path)) {
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// A Python that will do, and its version: `GAMEDAY_PYTHON`, or the first that is new enough.
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
    fs::write(&list, REQUIREMENTS).map_err(at(&list))?;
    let mut child = alone(python)
        // None of pip's configuration files, but what of them leads to the index: not as arguments, which others see.
        .env("PIP_CONFIG_FILE", "/dev/null")
        .envs(way_to_the_index(python).await)
        // Compiling all of moto takes longer than downloading it; Python compiles what is used.
        .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-compile", "-r"])
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
        shipped.sort();
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
        let plugin = unpack(home.path()).unwrap();
        assert_eq!(fs::read_dir(&plugin).unwrap().count(), PLUGIN.len());
        assert_eq!(unpack(home.path()).unwrap(), plugin);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "no half-made folder stays");
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
        assert_eq!(alone.as_std().get_args().next().unwrap(), "-I");
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
