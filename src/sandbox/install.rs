//! What the sandbox is made of, in the user's cache folder: a Python, a virtual environment, the unpacked plugin.
use super::error::{Error, at};
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
    "cbor.py",
    "clock.py",
    "cloudwatch.py",
    "control.py",
    "ec2_groups.py",
    "ec2_instances.py",
    "ec2_network.py",
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
    "model.py",
    "quotas.py",
    "rds.py",
    "rds_catalog.py",
    "rds_groups.py",
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
    pub(super) async fn ready(home: &Path, say: &impl Fn(&str)) -> Result<Self, Error> {
        let plugin = unpack(home)?;
        let (python, version) = python().await?;
        let name = hash(&[REQUIREMENTS, &python.to_string_lossy(), &version]);
        let venv = home.join(format!("venv-{name}"));
        let inside = venv.join("bin/python");
        // Written last: an installation that was cut off is started again from nothing.
        let done = venv.join("installed");
        if !done.exists() || !inside.exists() {
            if venv.exists() {
                fs::remove_dir_all(&venv).map_err(at(&venv))?;
            }
            say(&format!("installing the sandbox into {} (once, about a minute)", venv.display()));
            make(&python, &venv).await?;
            pip(&inside, &venv, say).await?;
            fs::write(&done, REQUIREMENTS).map_err(at(&done))?;
            tidy(home, &[&venv, &plugin], Duration::from_secs(24 * 3600));
            say("the sandbox is installed");
        }
        Ok(Self { python: inside, plugin })
    }
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
    let out = Command::new(name).args(["-c", ASK]).stdin(Stdio::null()).output().await.ok()?;
    let text = String::from_utf8(out.stdout).ok().filter(|_| out.status.success())?;
    let mut lines = text.lines();
    let (path, version, venv) = (lines.next()?, lines.next()?, lines.next()?);
    let mut numbers = version.split('.').map(|n| n.parse().unwrap_or(0));
    let minor = (numbers.next()?, numbers.next()?);
    Some(Python { path: path.into(), version: version.into(), minor, venv: venv == "True" })
}

async fn make(python: &Path, venv: &Path) -> Result<(), Error> {
    let out = Command::new(python).args(["-m", "venv"]).arg(venv).stdin(Stdio::null()).output().await;
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

async fn pip(python: &Path, venv: &Path, say: &impl Fn(&str)) -> Result<(), Error> {
    let list = venv.join("requirements.txt");
    fs::write(&list, REQUIREMENTS).map_err(at(&list))?;
    let mut child = Command::new(python)
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
        let mut seen = Vec::new();
        if let Some(pipe) = pipe {
            let mut lines = BufReader::new(pipe).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(package) = line.strip_prefix("Collecting ") {
                    say(&format!("installing {}", package.split(" (from").next().unwrap_or(package)));
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

    #[tokio::test]
    async fn a_program_that_is_no_python_is_none() {
        assert!(probe("/bin/false").await.is_none() && probe("/no/such/python").await.is_none());
    }
}
