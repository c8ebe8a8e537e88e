//! The sandbox as a process: started once for many callers, found again, stopped; used with the Rust SDK; its own
//! tests.
use crate::tools::pytest;

use gameday::sandbox::{Doing, Pace, Running, Sandbox};
use serde_json::{Value, json};
use std::{
    fs::Permissions,
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    sync::{Arc, Mutex},
};
use tokio::process::Command;

fn quiet(_: Doing<'_>) {}

fn mine(name: &str) -> Sandbox {
    Sandbox::of_user_named(&format!("test-{name}-{}", std::process::id())).unwrap()
}

/// Stops the sandbox and removes its folder, also if the test fails.
struct Guard(Sandbox, tokio::runtime::Runtime);
impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.1.block_on(self.0.stop());
        self.0.forget();
    }
}

fn with<T>(name: &str, test: impl AsyncFnOnce(&Sandbox) -> T) -> T {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let guard = Guard(mine(name), runtime());
    runtime().block_on(test(&guard.0))
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn two_at_once_get_one_server() {
    with("twins", async |sandbox| {
        let (one, two) = tokio::join!(sandbox.ensure(None, quiet), sandbox.ensure(Some(Pace::Fast), quiet));
        let (one, two): (Running, Running) = (one.unwrap(), two.unwrap());
        assert_eq!((one.pid, &one.endpoint), (two.pid, &two.endpoint));
        assert!(one.endpoint.starts_with("http://127.0.0.1:"));
        assert_eq!(sandbox.status().await.unwrap().unwrap().pace, Pace::Fast);
        // Without an explicit pace, the sandbox keeps its pace.
        assert_eq!(sandbox.ensure(None, quiet).await.unwrap().pace, Pace::Fast);
        assert!(sandbox.reset().await.unwrap());
        assert!(sandbox.stop().await.unwrap());
        assert!(sandbox.status().await.unwrap().is_none() && !sandbox.stop().await.unwrap());
        let again = sandbox.ensure(None, quiet).await.unwrap();
        assert!(again.pid != one.pid && again.pace == Pace::Instant);
    });
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_killed_server_is_started_again() {
    with("killed", async |sandbox| {
        let first = sandbox.ensure(None, quiet).await.unwrap();
        let killed = Command::new("kill").args(["-9", &first.pid.to_string()]).status().await.unwrap();
        assert!(killed.success());
        let second = sandbox.ensure(None, quiet).await.unwrap();
        assert_ne!(first.pid, second.pid);
    });
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn state_lasts_between_clients_and_the_sdk_speaks_to_it() {
    with("sdk", async |sandbox| {
        let running = sandbox.ensure(None, quiet).await.unwrap();
        let config = aws_config::SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .endpoint_url(&running.endpoint)
            .region(aws_types::region::Region::new("eu-west-1"))
            .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(
                aws_credential_types::Credentials::new(&running.key, "sandbox", None, None, "test"),
            ))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        // CloudWatch: Smithy RPC v2 CBOR.
        use aws_sdk_cloudwatch::types::{ComparisonOperator, StateValue, Statistic};
        let watch = aws_sdk_cloudwatch::Client::new(&config);
        let put = watch.put_metric_alarm().alarm_name("a").namespace("n").metric_name("m").period(60);
        let put = put.statistic(Statistic::Sum).evaluation_periods(3).threshold(1.5);
        put.comparison_operator(ComparisonOperator::GreaterThanThreshold).send().await.unwrap();
        let alarms = aws_sdk_cloudwatch::Client::new(&config).describe_alarms().send().await.unwrap();
        let alarm = &alarms.metric_alarms()[0];
        assert_eq!((alarm.alarm_name(), alarm.threshold()), (Some("a"), Some(1.5)));
        assert_eq!(alarm.state_value(), Some(&StateValue::InsufficientData));
        assert!(alarm.state_updated_timestamp().is_some());
        let missing = watch.get_dashboard().dashboard_name("none").send().await.unwrap_err();
        use aws_sdk_cloudwatch::error::ProvideErrorMetadata;
        assert!(missing.code().is_some_and(|c| c.starts_with("ResourceNotFound")), "{missing:?}");
        // EC2 query, EFS REST JSON, ElastiCache query: the errors' codes are AWS's.
        let ec2 = aws_sdk_ec2::Client::new(&config);
        let error = ec2.describe_vpcs().vpc_ids("vpc-0123456789abcdef0").send().await.unwrap_err();
        assert_eq!(error.code(), Some("InvalidVpcID.NotFound"));
        let efs = aws_sdk_efs::Client::new(&config);
        let made = efs.create_file_system().creation_token("t").send().await.unwrap();
        let error = efs.create_file_system().creation_token("t").send().await.unwrap_err().into_service_error();
        let aws_sdk_efs::operation::create_file_system::CreateFileSystemError::FileSystemAlreadyExists(error) = error
        else {
            panic!("{error:?}")
        };
        assert_eq!(error.file_system_id(), made.file_system_id());
        let cache = aws_sdk_elasticache::Client::new(&config);
        let error = cache.describe_replication_groups().replication_group_id("x").send().await.unwrap_err();
        assert_eq!(error.code(), Some("ReplicationGroupNotFoundFault"));
    });
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn serve_ends_with_its_parent() {
    with("serve", async |sandbox| {
        let (say, mut said) = tokio::sync::mpsc::unbounded_channel();
        let serving = sandbox.serve(0, Some(Pace::Real), |doing| {
            drop(say.send(if let Doing::Says(line) = doing { line.to_owned() } else { String::new() }))
        });
        let endpoint = tokio::select! {
            ended = serving => panic!("{ended:?}"),
            endpoint = async {
                loop {
                    let line = said.recv().await.unwrap();
                    if let Some((_, rest)) = line.split_once("ready on http://") {
                        let endpoint = rest.split_whitespace().next().unwrap().to_owned();
                        // The server keeps accepting connections.
                        for _ in 0..50 {
                            tokio::net::TcpStream::connect(&endpoint).await.unwrap();
                        }
                        break endpoint;
                    }
                }
            } => endpoint,
        };
        // The future was dropped, as if gameday were killed: no server listens any more.
        let gone = async {
            while tokio::net::TcpStream::connect(&endpoint).await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), gone).await.unwrap();
    });
}

/// A user that is neither root nor the one that runs the tests.
const NOBODY: u32 = 65_534;

/// A server at the sandbox's port that agrees to everything, claims this process id, and records what it gets.
struct Impostor {
    port: u16,
    heard: Arc<Mutex<String>>,
}

impl Impostor {
    fn on(port: u16, pid: u32) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(String::new()));
        let hears = heard.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut head = vec![0; 4096];
                let n = stream.read(&mut head).unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..n]).into_owned();
                // It repeats the nonce that it is asked to prove.
                let nonce = head.split_whitespace().nth(1).and_then(|p| p.rsplit('/').next()).unwrap_or_default();
                let body = match head.contains("/proof/") {
                    true => nonce.to_owned(),
                    false => format!(r#"{{"status": "ok", "pid": {pid}, "pace": "instant"}}"#),
                };
                hears.lock().unwrap().push_str(&head);
                let _ = write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            }
        });
        Self { port, heard }
    }

    fn was_told(&self, secret: &str) -> bool {
        self.heard.lock().unwrap().contains(secret)
    }
}

/// A process of the user's that has nothing to do with the sandbox.
struct Bystander(std::process::Child);

impl Bystander {
    fn start() -> Self {
        Self(std::process::Command::new("sleep").arg("600").spawn().unwrap())
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Returns the start time of the process, as the kernel reports it.
    fn begun(&self) -> String {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap_or_default();
        stat.rsplit(')').next().and_then(|s| s.split_whitespace().nth(19)).unwrap_or_default().into()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn stop_ends_nobody_else_whatever_says_that_it_is_the_one() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("x");
    let sandbox = Sandbox::named(home.path(), "x");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut bystander = Bystander::start();
    let impostor = Impostor::on(0, bystander.0.id());
    let (pid, port) = (bystander.0.id(), impostor.port);
    let left = |more: Value| {
        let mut left = json!({"pid": pid, "port": port});
        left.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        left
    };
    let key = "SANDBOX0123456789ABCDEF";
    for left in [
        // The file of an older version of gameday, which asked the port for the id.
        left(json!({})),
        left(json!({"key": key, "secret": ""})),
        left(json!({"key": key, "secret": "s", "begun": "1"})),
        // The process itself, by everything that the kernel reports except its program.
        left(json!({"key": key, "secret": "s", "begun": bystander.begun()})),
        json!({"pid": pid, "port": port, "begun": bystander.begun(), "secret": null}),
        json!({"pid": u32::MAX, "port": port, "key": key}),
    ] {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("server.json"), left.to_string()).unwrap();
        runtime.block_on(async {
            assert!(sandbox.status().await.unwrap().is_none(), "{left}");
            assert!(!sandbox.reset().await.unwrap(), "{left}");
            assert!(!sandbox.stop().await.unwrap(), "{left}");
        });
        assert!(bystander.lives(), "{left}");
        assert!(!impostor.was_told(key) && !impostor.was_told("POST"), "{left}");
    }
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn who_took_the_port_of_a_dead_sandbox_is_told_nothing() {
    with("impostor", async |sandbox| {
        let running = sandbox.ensure(None, quiet).await.unwrap();
        let killed = Command::new("kill").args(["-9", &running.pid.to_string()]).status().await.unwrap();
        assert!(killed.success());
        let mut free = TcpListener::bind(("127.0.0.1", running.port));
        while free.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            free = TcpListener::bind(("127.0.0.1", running.port));
        }
        drop(free);
        let impostor = Impostor::on(running.port, running.pid);
        assert!(sandbox.status().await.unwrap().is_none() && !sandbox.reset().await.unwrap());
        // The next sandbox starts on another port, with another key.
        let next = sandbox.ensure(Some(Pace::Fast), quiet).await.unwrap();
        assert!(next.port != running.port && next.key != running.key);
        assert!(!impostor.was_told(&running.key) && !impostor.was_told(&next.key));
    });
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn one_that_hangs_is_stopped_all_the_same() {
    with("hangs", async |sandbox| {
        let running = sandbox.ensure(None, quiet).await.unwrap();
        let halted = Command::new("kill").args(["-STOP", &running.pid.to_string()]).status().await.unwrap();
        assert!(halted.success());
        assert!(sandbox.stop().await.unwrap());
        assert!(std::net::TcpStream::connect(("127.0.0.1", running.port)).is_err(), "nobody listens any more");
    });
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn one_of_an_older_gameday_is_replaced_with_a_word() {
    with("older", async |sandbox| {
        let first = sandbox.ensure(None, quiet).await.unwrap();
        let file = first.log.with_file_name("server.json");
        let older = json!({"pid": first.pid, "port": first.port, "version": "older"});
        std::fs::write(file, older.to_string()).unwrap();
        assert!(sandbox.status().await.unwrap().is_none(), "it cannot prove anything");
        let said = std::cell::RefCell::new(String::new());
        let hear = |doing: Doing<'_>| {
            if let Doing::Says(text) = doing {
                said.borrow_mut().push_str(text);
            }
        };
        let second = sandbox.ensure(None, hear).await.unwrap();
        assert!(second.pid != first.pid && second.key != first.key);
        assert!(said.borrow().contains("of another version of gameday"), "{}", said.borrow());
        let listens = std::net::TcpStream::connect(("127.0.0.1", first.port)).is_ok();
        assert!(!listens || first.port == second.port, "the older one is gone");
    });
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn its_files_are_the_users_alone() {
    with("modes", async |sandbox| {
        let running = sandbox.ensure(None, quiet).await.unwrap();
        let folder = running.log.parent().unwrap();
        let mode = |path: &Path| std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
        let files = || std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
        let closed = || mode(folder) == 0o700 && files().all(|path| mode(&path) == 0o600);
        assert!(closed() && files().count() >= 3, "{:?}", files().map(|p| (mode(&p), p)).collect::<Vec<_>>());
        // The modes that an older version of gameday or another umask left.
        let widen = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        widen(folder, 0o755);
        files().for_each(|path| widen(&path, 0o666));
        assert_eq!(sandbox.status().await.unwrap().unwrap().key, running.key);
        assert_eq!((mode(folder), mode(&folder.join("server.json"))), (0o700, 0o600));
        assert!(sandbox.stop().await.unwrap());
        sandbox.ensure(None, quiet).await.unwrap();
        assert!(closed(), "{:?}", files().map(|p| (mode(&p), p)).collect::<Vec<_>>());
    });
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn nothing_of_it_is_read_or_written_behind_a_link() {
    with("links", async |sandbox| {
        let running = sandbox.ensure(None, quiet).await.unwrap();
        assert!(sandbox.stop().await.unwrap());
        let folder = running.log.parent().unwrap().to_owned();
        let elsewhere = tempfile::tempdir().unwrap();
        let theirs = elsewhere.path().join("precious");
        for name in ["log", "ready.json", "ready.json.new", "server.json.new"] {
            std::fs::write(&theirs, "precious").unwrap();
            let _ = std::fs::remove_file(folder.join(name));
            symlink(&theirs, folder.join(name)).unwrap();
            sandbox.ensure(None, quiet).await.unwrap();
            sandbox.stop().await.unwrap();
            assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "precious", "{name}");
        }
        for name in ["server.json", "lock"] {
            let _ = std::fs::remove_file(folder.join(name));
            symlink(&theirs, folder.join(name)).unwrap();
            let refused = sandbox.ensure(None, quiet).await.unwrap_err();
            assert!(refused.to_string().contains(&format!("{name} is a link")), "{refused}");
            std::fs::remove_file(folder.join(name)).unwrap();
        }
        std::fs::rename(&folder, elsewhere.path().join("moved")).unwrap();
        symlink(elsewhere.path().join("moved"), &folder).unwrap();
        let refused = sandbox.ensure(None, quiet).await.unwrap_err();
        assert!(refused.to_string().contains("is a link"), "{refused}");
        std::fs::remove_file(&folder).unwrap();
    });
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_folder_of_somebody_else_is_refused_wherever_it_stands() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give a folder away");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for theirs in ["cache", "cache/gameday/sandbox", "cache/gameday/sandbox/x", "cache/gameday/sandbox/x/server.json"] {
        let top = tempfile::tempdir().unwrap();
        let home = top.path().join("cache/gameday/sandbox");
        std::fs::create_dir_all(home.join("x")).unwrap();
        std::fs::write(home.join("x/server.json"), r#"{"pid": 1, "port": 1}"#).unwrap();
        std::os::unix::fs::chown(top.path().join(theirs), Some(NOBODY), None).unwrap();
        let sandbox = Sandbox::named(&home, "x");
        for refused in [
            runtime.block_on(sandbox.ensure(None, quiet)).unwrap_err(),
            runtime.block_on(sandbox.stop()).unwrap_err(),
            runtime.block_on(sandbox.status()).unwrap_err(),
        ] {
            assert!(refused.to_string().contains("belongs to the user 65534"), "{theirs}: {refused}");
        }
    }
}

/// Starts a package index on this machine with these files. Returns its URL.
fn index(files: Vec<(String, Vec<u8>)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/simple", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = vec![0; 8192];
            let n = stream.read(&mut head).unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..n]).into_owned();
            let path = head.split_whitespace().nth(1).unwrap_or_default();
            let found = files.iter().find(|(name, _)| name == path);
            let (status, body) = found.map_or(("404 Not Found", &b""[..]), |(_, body)| ("200 OK", body));
            let kind = if path.ends_with('/') { "text/html" } else { "application/octet-stream" };
            let length = body.len();
            let _ = write!(stream, "HTTP/1.0 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
            let _ = stream.write_all(body);
        }
    });
    url
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_package_that_is_not_the_one_is_not_installed() {
    let home = tempfile::tempdir().unwrap();
    let ran = home.path().join("ran");
    let source = home.path().join("blinker-1.9.0");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("setup.py"), format!("open({ran:?}, 'w')\nfrom setuptools import setup\nsetup()"))
        .unwrap();
    let tar = std::process::Command::new("tar").current_dir(home.path()).args(["czf", "-", "blinker-1.9.0"]).output();
    let sdist = tar.unwrap().stdout;
    for (file, bytes, says) in [
        ("blinker-1.9.0-py3-none-any.whl", b"another".to_vec(), "DO NOT MATCH THE HASHES"),
        // A package that has to be built runs its own code when pip inspects it.
        ("blinker-1.9.0.tar.gz", sdist, "No matching distribution found for blinker"),
    ] {
        let page = format!("<a href=\"/{file}\">{file}</a>");
        let url = index(vec![("/simple/blinker/".into(), page.into()), (format!("/{file}"), bytes)]);
        let mut gameday = std::process::Command::new(env!("CARGO_BIN_EXE_gameday"));
        gameday.args(["sandbox", "start"]).env("XDG_CACHE_HOME", home.path()).env_remove("GAMEDAY_SANDBOX");
        gameday
            .env("PIP_INDEX_URL", url)
            .env("PIP_RETRIES", "0")
            .env_remove("PIP_FIND_LINKS")
            .env("PIP_NO_CACHE_DIR", "1");
        let out = gameday.output().unwrap();
        let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
        assert!(!out.status.success() && said.contains(says), "{said}");
        assert!(!ran.exists(), "its code ran");
    }
}

/// The sandbox is installed under settings that would break it, then broken by hand and repaired.
#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn the_installation_is_none_of_the_users_other_pythons() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let (cache, elsewhere, config) = (path("cache"), path("elsewhere"), path("pip.conf"));
    std::fs::create_dir_all(path("python/moto")).unwrap();
    std::fs::write(path("python/moto/__init__.py"), "raise SystemExit('not this one')").unwrap();
    std::fs::write(&config, "[install]\nuser = yes\nrequire-hashes = yes\n[global]\nno-index = yes\n").unwrap();
    // Downloads are cached.
    let downloads = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pip-cache");
    let gameday = |verb: &str| {
        let mut gameday = std::process::Command::new(env!("CARGO_BIN_EXE_gameday"));
        gameday.arg("sandbox").args(verb.split(' ')).env("XDG_CACHE_HOME", &cache).env_remove("GAMEDAY_SANDBOX");
        gameday.env("PIP_CACHE_DIR", &downloads).env("PIP_CONFIG_FILE", &config).env("PIP_TARGET", &elsewhere);
        gameday.env("PIP_USER", "1").env("PIP_REQUIRE_HASHES", "1").env("PIP_PREFIX", &elsewhere);
        gameday.env("PYTHONPATH", path("python")).env("PYTHONHOME", "/nowhere").env("VIRTUAL_ENV", "/nowhere");
        gameday.env("PYTHONUSERBASE", &elsewhere).env("HTTP_PROXY", "http://127.0.0.1:9");
        gameday
    };
    let sandbox = |verb: &str| {
        let out = gameday(verb).output().unwrap();
        let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
        assert!(out.status.success(), "gameday sandbox {verb}: {said}");
        said
    };
    sandbox("start");
    assert!(!elsewhere.exists(), "nothing was installed for the user");
    sandbox("stop --yes");
    // Foreign code in the cache, in each place where Python would run it.
    let named = |begin: &str| {
        let all = std::fs::read_dir(cache.join("gameday/sandbox")).unwrap().map(|e| e.unwrap());
        let mut all = all.filter(|e| e.file_name().to_string_lossy().starts_with(begin));
        all.next().unwrap().path()
    };
    let plugin = named("plugin-");
    let ran = path("ran");
    for file in ["plugin/__init__.py", "plugin/gate.py", "plugin/json.py", "json.py", "moto/__init__.py"] {
        let at = plugin.join(file);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        let before = std::fs::read_to_string(&at).unwrap_or_default();
        std::fs::write(&at, format!("open({ran:?}, 'w')\n{before}")).unwrap();
    }
    let said = sandbox("start");
    assert!(said.contains("is not what this gameday put there"), "{said}");
    assert!(!ran.exists(), "it ran");
    sandbox("stop --yes");
    // Only root can change a file's owner.
    if rustix::process::geteuid().is_root() {
        for theirs in [plugin.clone(), plugin.join("plugin/gate.py"), named("venv-"), named("venv-").join("pyvenv.cfg")]
        {
            std::os::unix::fs::chown(&theirs, Some(NOBODY), None).unwrap();
            let refused = gameday("start").output().unwrap();
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(!refused.status.success() && said.contains("belongs to the user 65534"), "{said}");
            assert!(said.contains("rm -r"), "with a way out: {said}");
            std::os::unix::fs::chown(&theirs, Some(0), None).unwrap();
        }
    }
    let venv = |e: &std::fs::DirEntry| e.file_name().to_string_lossy().starts_with("venv-");
    let venv = std::fs::read_dir(cache.join("gameday/sandbox")).unwrap().flatten().find(venv).unwrap().path();
    let libraries = std::fs::read_dir(venv.join("lib")).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_dir_all(libraries.join("site-packages/moto")).unwrap();
    let said = sandbox("start");
    assert!(said.contains("made again"), "{said}");
    sandbox("stop --yes");
}

/// The plugin's own tests pass in the environment that users get, with pytest added.
#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn the_plugin_passes_its_tests() {
    with("pytest", async |sandbox| {
        let python = sandbox.install(&quiet).await.unwrap().python;
        pytest::passes(pytest::pytest(&python, "sandbox", "sandbox"));
    });
}

/// Chromium is installed if it is missing, as root on Debian or Ubuntu. Elsewhere it has to exist.
#[test]
#[ignore = "needs the sandbox and Chromium: cargo test -- --include-ignored"]
fn no_page_of_another_site_reaches_it() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/prepare.sh");
    let found = std::process::Command::new("bash").arg(script).output().unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let chromium = String::from_utf8(found.stdout).unwrap();
    pytest::in_a_sandbox("serve", "browser", |pytest| {
        _ = pytest.env("GAMEDAY_CHROMIUM", chromium.trim());
    });
}
