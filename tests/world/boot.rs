//! The rendered user data boots real machines: Debian roots under systemd-nspawn, systemd as PID 1, cloud-init running
//! the script byte for byte, against a real MariaDB, a real Redis, a real memcached and a shared directory, with nginx
//! as the load balancer. HAProxy is the load balancer of the example with two services, with the listener rules that
//! `gameday up` makes of its stack file in the sandbox.
//!
//! Stand-ins exist only for what only Amazon has: instance metadata, `dnf`, the EFS mount helper, the AWS CLI. In
//! `tests/machines/`, `world.py` is the world, and `run.py` contains the assertions.
//!
//! Containers run under Debian's Docker 20.10 inside a machine, with the kernel's networks and control groups. They are
//! unlike those on EC2 in three points: a web server is the registry, nobody logs in to ECR, and a stand-in before `runc`
//! lowers the limit of open files to that of the machine.
//!
//! The test needs root on Debian or Ubuntu, and installs what it needs. `GAMEDAY_NO_MACHINES=1` skips it, with a
//! notice. `GAMEDAY_MACHINES=copies,containers` runs only some parts.
//! `GAMEDAY_DATABASE=mysql-8.4` takes MySQL itself, from Ubuntu's archive, with the default parameters of the stack
//! file.
use crate::tools::account::World;
use gameday::config::{self, CacheEngine, Need};
use gameday::userdata::{
    Boot, Cache, Database, DatabaseEngine, Files, Limits, Logs, Run, SecretSource, decode, render,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const HOST: &str = "10.213.0.1";
// The same values as in world.py, with every character that quoting has to preserve.
const MASTER: &str = "m4ster-Pw'\"x";
const APP: &str = "app-Pw\\'\"77";

/// A good row, and two bad ones from the time before the texts were refused.
const OLD_ROWS: &str = "INSERT INTO unicorns VALUES ('seed', 'it''s run once'), ('old', 'x H@XX0RR333DDD'), (NULL, NULL);\n\
                        INSERT INTO more (name) VALUES ('H@XX0RR333DDD'), ('h@xx0rr333ddd');\n";

/// Returns the texts that rows must not contain, with every character that quoting has to preserve.
fn refused() -> Vec<String> {
    vec!["H@XX0RR333DDD".into(), "it's \\ \"100%_\" `x` $y 🦄".into()]
}

fn parameter(name: &str) -> SecretSource {
    SecretSource::Parameter(format!("/gameday/demo/{name}"))
}

/// Returns the user data inputs of the example stack in the test's world.
fn main_boot() -> Boot {
    let more = "CREATE TABLE more (id serial, name text, raw blob, at date) CHARACTER SET utf8mb4;\n";
    Boot {
        env: [("GAMEDAY_COMPUTE_SECONDS".into(), "2".into())].into(),
        database: Some(Database {
            engine: DatabaseEngine::Mysql,
            refuse: refused(),
            host: HOST.into(),
            port: 3306,
            database: "unicorndb".into(),
            user: "gdapp".into(),
            app_password: parameter("app"),
            app_password_set: Some("2026-11-21T10:00:00Z".into()),
            master_user: "gdadmin".into(),
            master_password: Some(parameter("master")),
            sql: vec![("more.sql".into(), format!("{more}{OLD_ROWS}").into_bytes())],
        }),
        cache: Some(Cache::at(CacheEngine::Redis, HOST, 6379)),
        files: Some(Files {
            file_system: "fs-0123".into(),
            access_point: Some("fsap-0123".into()),
            path: "/mnt/efs".into(),
            mount_targets: [("us-east-1a", "10.213.0.21"), ("us-east-1b", "10.213.0.22")]
                .map(|(zone, ip)| (zone.into(), ip.into()))
                .into(),
        }),
        logs: Some(Logs { app_group: "/gameday/demo/app".into(), boot_group: "/gameday/demo/boot".into() }),
        log_files: vec!["access_log".into()],
        ..Boot::new("demo", "billing", &format!("http://{HOST}:8000/server"))
    }
}

/// Returns a service that needs PostgreSQL only.
fn postgres_boot() -> Boot {
    let sql = format!("CREATE TABLE more (id serial, name text, raw bytea, at date);\n{OLD_ROWS}");
    let database = main_boot().database.map(|d| Database {
        engine: DatabaseEngine::Postgres,
        port: 5432,
        sql: vec![("more.sql".into(), sql.clone().into())],
        ..d
    });
    Boot {
        run: Run::Archive,
        source: format!("http://{HOST}:8000/page.tar.gz"),
        command: Some("exec python3 -m http.server 80".into()),
        database,
        cache: None,
        files: None,
        ..main_boot()
    }
}

/// Returns every scenario of run.py. Failures get short limits, so that the test sees them end.
fn scenarios(sha256: String) -> Vec<(&'static str, Boot)> {
    let limits = Limits {
        packages: 30,
        files: 12,
        secrets: 5,
        fetch: 8,
        config: 10,
        database: 8,
        cache: 8,
        service: 12,
        agent: 20,
        pause: 2,
    };
    let limits_of_machines = limits.clone();
    let short = Boot { limits, ..main_boot() };
    let postgres = |change: &dyn Fn(&mut Database)| {
        let mut boot = postgres_boot();
        change(boot.database.as_mut().expect("it has one"));
        boot
    };
    let short_limits = |boot: Boot| Boot { limits: short.limits.clone(), ..boot };
    let with_source = |file: &str| Boot { source: format!("http://{HOST}:8000/{file}"), ..short.clone() };
    let with_database = |change: &dyn Fn(&mut Database)| {
        let mut boot = short.clone();
        change(boot.database.as_mut().expect("it has one"));
        boot
    };
    let with_files = |change: &dyn Fn(&mut Files)| {
        let mut boot = short.clone();
        change(boot.files.as_mut().expect("it has some"));
        boot
    };
    let ten = Boot {
        sha256: Some(sha256),
        ..with_database(&|d| {
            d.database = "tendb".into();
            d.user = "tenapp".into();
        })
    };
    // Ten machines on two cores are slow, so they get the real limits.
    let ten = Boot { limits: Limits::default(), ..ten };
    let mut literal = with_database(&|d| {
        d.app_password = SecretSource::Literal(APP.into());
        d.master_password = Some(SecretSource::Literal(MASTER.into()));
    });
    literal.logs = None;
    // As on Ubuntu: missing packages come from apt, and NFS replaces the helper that only Amazon Linux has.
    let apt = Boot { logs: None, ..short.clone() };
    let archive = |file: &str, command: &str| Boot {
        run: Run::Archive,
        command: Some(command.into()),
        logs: None,
        ..with_source(file)
    };
    let mac = Boot {
        config: Some("raw.ini".into()),
        ..archive("mac.tar", ". ./vars && cd release-1/bin && HELLO=\"$GREETING you\" ./server -config ../raw.ini")
    };
    // The root server and two nodes of memcached.
    let nodes = ["11211", "11212"].map(|port| format!("{HOST}:{port}"));
    let root = Boot {
        command: Some("./server -config root.ini".into()),
        config: Some("root.ini.j2".into()),
        database: None,
        files: None,
        logs: None,
        cache: Some(Cache { nodes: nodes.into(), ..Cache::at(CacheEngine::Memcached, HOST, 11211) }),
        ..with_source("root-server")
    };
    literal.files.as_mut().expect("it has some").access_point = None;
    vec![
        ("main", main_boot()),
        ("ten", ten),
        ("root", root),
        ("missing", with_source("missing")),
        ("checksum", Boot { sha256: Some("0".repeat(64)), ..short.clone() }),
        ("architecture", with_source("server-arm64")),
        ("page", with_source("page.html")),
        ("crlf", with_source("script-crlf")),
        ("database-down", with_database(&|d| d.port = 3307)),
        (
            "wrong-password",
            with_database(&|d| {
                d.database = "wrongdb".into();
                d.user = "wrongapp".into();
                d.master_password = Some(parameter("wrong"));
            }),
        ),
        ("postgres", postgres(&|_| ())),
        ("other-texts", with_database(&|d| d.refuse = vec!["other".into()])),
        ("postgres-other-texts", postgres(&|d| d.refuse = vec!["other".into()])),
        ("postgres-no-texts", postgres(&|d| d.refuse = vec![])),
        // On a server of somebody else's, where the database is missing.
        ("postgres-new", postgres(&|d| d.database = "newdb".into())),
        ("postgres-down", short_limits(postgres(&|d| d.port = 5433))),
        (
            "postgres-password",
            short_limits(postgres(&|d| {
                d.database = "wrongdb".into();
                d.master_password = Some(parameter("wrong"));
            })),
        ),
        ("redis-down", Boot { cache: Some(Cache::at(CacheEngine::Redis, HOST, 6380)), ..short.clone() }),
        ("no-profile", short.clone()),
        ("disk-full", short.clone()),
        ("service-ends", Boot { command: Some("./server -config nope.ini".into()), ..short.clone() }),
        (
            "silent",
            Boot {
                command: Some("exec 2>/dev/null; ./server -config nope.ini".into()),
                files: None,
                logs: None,
                ..short.clone()
            },
        ),
        ("no-efs", with_files(&|f| f.mount_targets = [("us-east-1a".into(), "10.213.0.250".into())].into())),
        ("literal", literal),
        ("apt", apt),
        (
            "node",
            Boot {
                packages: vec!["nodejs".into()],
                env: [("PORT".into(), "{{ port }}".into())].into(),
                logs: None,
                ..archive("node.tar.gz", "node app.js")
            },
        ),
        ("bake", Boot { bake: true, packages: vec!["nodejs".into()], ..main_boot() }),
        ("baked", Boot { packages: vec!["nodejs".into()], ..main_boot() }),
        ("copies", Boot { copies: 3, ..main_boot() }),
        (
            "one-copy-fails",
            Boot {
                copies: 3,
                command: Some("test $PORT != 20002 && ./server -config server.ini".into()),
                limits: Limits { service: 30, ..limits_of_machines.clone() },
                ..main_boot()
            },
        ),
        (
            "containers",
            Boot {
                run: Run::Container,
                copies: 3,
                source: format!("{HOST}:8000/server:1"),
                command: Some("-config /opt/gameday/app/bin-server.ini".into()),
                config: Some("bin-server.ini.j2".into()),
                ..main_boot()
            },
        ),
        ("copies-end", Boot { copies: 2, command: Some("./server -config nope.ini".into()), ..short.clone() }),
        (
            "node-copies",
            Boot { copies: 2, packages: vec!["nodejs".into()], logs: None, ..archive("node.tar.gz", "node app.js") },
        ),
        (
            "no-package",
            Boot { packages: vec!["no-such-package".into(), "nodejs".into()], ..archive("node.tar.gz", "node app.js") },
        ),
        ("mac", mac),
        ("background", archive("background.tar.gz", "./start.sh")),
        (
            "archive",
            Boot {
                run: Run::Archive,
                command: Some("bin/server -config bin-server.ini".into()),
                config: Some("bin-server.ini.j2".into()),
                ..with_source("server.tar.gz")
            },
        ),
    ]
}

const TWO_SERVICES: &str = "examples/root-and-lookup.toml";

/// Returns the services of the example with two services, with the stores of the test's world.
fn two_services() -> Vec<(String, Boot)> {
    let loaded = config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(TWO_SERVICES)).expect("the example is sound");
    let config = &loaded.config;
    let boot = |service: config::ServiceScope<'_>| {
        let source = service.source.rsplit('/').next().expect("a name");
        let database = main_boot().database.map(|d| Database {
            engine: config.database.engine,
            port: config.database.engine.port(),
            refuse: config.database.refuse.clone(),
            database: "lookupdb".into(),
            user: "lookupapp".into(),
            sql: vec![("rows.sql".into(), OLD_ROWS.lines().next().expect("a line").into())],
            ..d
        });
        let port = 11213;
        let cache = Cache::at(config.cache.engine, HOST, port);
        let boot = Boot {
            command: service.command.clone(),
            config: service.config.clone().map(PathBuf::from),
            port: service.port,
            health_path: service.health_path.clone(),
            health_codes: service.health_codes.clone(),
            database: database.filter(|_| service.needs(Need::Database)),
            cache: Some(cache).filter(|_| service.needs(Need::Cache)),
            files: None,
            logs: None,
            ..main_boot()
        };
        (service.name.into(), Boot { source: format!("http://{HOST}:8000/{source}"), ..boot })
    };
    config.services().map(boot).collect()
}

/// Builds the example with two services in the sandbox. Returns the listener rules and target groups that an
/// independent client reads.
fn rules() -> serde_json::Value {
    let world = World::start();
    for file in ["root.ini.j2", "lookup.ini.j2"] {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        fs::copy(examples.join(file), world.folder.path().join(file)).unwrap();
    }
    let block = "block = [{ path = \"/lookup/admin*\" }, \
                 { query = \"q=*drop-table*\", header = \"User-Agent: *sqlmap*\" }]";
    let block = format!("[balancer]\n{block}\n\n[files]");
    let file = world.file("stack.toml", TWO_SERVICES, &[("[files]", &block)]);
    world.run(&file, &["up", "--yes"]).ends(0);
    let dump: serde_json::Value = world.account(serde_json::json!({"do": "dump"}));
    serde_json::json!({"rules": dump["rules"], "target_groups": dump["target_groups"]})
}

/// Builds a stand-in for one of the contest's servers as a static binary. Only the link step differs from cargo's
/// build.
fn static_server(example: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let status = Command::new(env!("CARGO"))
        .args([
            "rustc",
            "--quiet",
            "--offline",
            "--example",
            example,
            "--",
            "-C",
            "target-feature=+crt-static",
            "-C",
            "strip=symbols",
        ])
        .current_dir(root)
        .status();
    assert!(status.is_ok_and(|s| s.success()), "cargo rustc --example {example}");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    target.join("debug/examples").join(example)
}

fn run(command: &mut Command) {
    let status = command.status();
    assert!(status.as_ref().is_ok_and(std::process::ExitStatus::success), "{command:?}: {status:?}");
}

/// Writes what the machines download. Returns the SHA-256 of the server.
fn web(folder: &Path) -> String {
    fs::create_dir_all(folder).unwrap();
    let server = fs::read(static_server("server")).unwrap();
    for other in ["root-server", "lookup-server"] {
        fs::copy(static_server(other), folder.join(other)).unwrap();
    }
    fs::write(folder.join("server"), &server).unwrap();
    let mut other = server[..4096].to_vec();
    other[18] = 183; // e_machine: EM_AARCH64
    fs::write(folder.join("server-arm64"), other).unwrap();
    fs::write(folder.join("page.html"), "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>").unwrap();
    fs::write(folder.join("script-crlf"), "#!/bin/bash\r\nexec ./real-server\r\n").unwrap();
    let tree = folder.join("tree/release-1/bin");
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("server"), &server).unwrap();
    run(Command::new("tar")
        .arg("-czf")
        .arg(folder.join("server.tar.gz"))
        .arg("-C")
        .arg(folder.join("tree"))
        .arg("release-1"));
    // An archive as a Mac packs it: notes beside every file, and "./" before every name.
    let root = folder.join("tree");
    fs::write(root.join("release-1/vars"), "GREETING=hello\n").unwrap();
    fs::create_dir_all(root.join("__MACOSX/release-1")).unwrap();
    for note in ["._release-1", ".DS_Store", "release-1/._bin", "release-1/bin/._server", "__MACOSX/release-1/._bin"] {
        fs::write(root.join(note), "Mac OS X").unwrap();
    }
    run(Command::new("tar").arg("-cf").arg(folder.join("mac.tar")).arg("-C").arg(&root).arg("."));
    let start = "#!/bin/bash\nnohup ./release-1/bin/server -config server.ini >/dev/null 2>&1 &\n";
    fs::write(root.join("start.sh"), start).unwrap();
    run(Command::new("tar")
        .arg("-czf")
        .arg(folder.join("background.tar.gz"))
        .arg("-C")
        .arg(&root)
        .args(["start.sh", "release-1"]));
    let app = "require('http').createServer((_, answer) => answer.end(`node ${process.versions.node} on ${process.env.PORT}`)).listen(process.env.PORT);\n";
    fs::write(root.join("app.js"), app).unwrap();
    run(Command::new("tar").arg("-czf").arg(folder.join("node.tar.gz")).arg("-C").arg(&root).arg("app.js"));
    fs::write(root.join("healthcheck"), "served\n").unwrap();
    run(Command::new("tar").arg("-czf").arg(folder.join("page.tar.gz")).arg("-C").arg(&root).arg("healthcheck"));
    fs::remove_dir_all(root).unwrap();
    use sha2::Digest as _;
    sha2::Sha256::digest(&server).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
#[ignore = "needs root on Debian: cargo test -- --include-ignored"]
fn machines_boot_the_rendered_user_data() {
    if std::env::var_os("GAMEDAY_NO_MACHINES").is_some() {
        eprintln!(
            "\n*** LEFT OUT, because GAMEDAY_NO_MACHINES is set: nothing was booted, the user data is unproven ***\n"
        );
        return;
    }
    let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.trim_ascii() == b"0");
    let apt = Path::new("/usr/bin/apt-get").exists();
    assert!(
        root && apt,
        "this test boots machines under systemd-nspawn: it needs root on Debian or Ubuntu. GAMEDAY_NO_MACHINES=1 leaves it out"
    );
    let machines = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines");
    run(Command::new("bash").arg(machines.join("prepare.sh")));

    // The inputs are kept, so that run.py can be run again by hand.
    let inputs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("boot");
    let _ = fs::remove_dir_all(&inputs);
    let sha256 = web(&inputs.join("web"));
    fs::create_dir_all(inputs.join("user-data")).unwrap();
    fs::write(inputs.join("bin-server.ini.j2"), include_str!("../../templates/server.ini.j2")).unwrap();
    fs::write(inputs.join("root.ini.j2"), include_str!("../../examples/root.ini.j2")).unwrap();
    fs::write(inputs.join("lookup.ini.j2"), include_str!("../../examples/lookup.ini.j2")).unwrap();
    fs::write(inputs.join("rules.json"), rules().to_string()).unwrap();
    // By its name the file is no template. It has Windows line ends, none at the end, and text that templates would
    // render.
    let app = APP.replace('\\', "\\\\").replace('"', "\\\"");
    let raw = format!(
        "\"MysqlHost\" = \"{HOST}\"\r\n\"MysqlPort\" = \"3306\"\r\n\"MysqlUser\" = \"gdapp\"\r\n\"MysqlPass\" = \"{app}\"\r\n\
         \"MysqlDb\" = \"unicorndb\"\r\n\"RedisHost\" = \"{HOST}\"\r\n\"RedisPort\" = \"6379\"\r\n\"FsPath\" = \"/mnt/efs/\"\r\n\
         \"LogLocation\" = \"/var/log/gameday/\"\r\n# {{{{ scoring.url }}}} ${{#array}} @@app_password@@ {{% raw"
    );
    fs::write(inputs.join("raw.ini"), raw).unwrap();
    let two_services = two_services().into_iter().map(|(service, boot)| (format!("service-{service}"), boot));
    let all = scenarios(sha256).into_iter().map(|(name, boot)| (name.to_owned(), boot));
    for (name, boot) in all.chain(two_services) {
        let rendered = render(&boot, &inputs).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        use base64::Engine as _;
        // EC2 hands the user data over without base64, but still compressed.
        let bytes = base64::prelude::BASE64_STANDARD.decode(&rendered.encoded).unwrap();
        fs::write(inputs.join("user-data").join(&name), bytes).unwrap();
    }
    // In namespaces of its own: the network has no way out, and all mounts and processes end with the first process.
    // With a higher priority than the other suites, if allowed: machines have seconds for their work, tests have
    // minutes.
    let machines_run = Command::new("nice")
        .args([
            "-n",
            "-10",
            "unshare",
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "python3",
        ])
        .arg(machines.join("run.py"))
        .arg(&inputs)
        .status();
    // Only empty control groups outlive the machines.
    let _ = Command::new("find")
        .args(["/sys/fs/cgroup", "-depth", "-type", "d", "-path", "*/gameday-test-*", "-exec", "rmdir", "{}", ";"])
        .status();
    assert!(machines_run.is_ok_and(|s| s.success()), "see above, and the logs in {}", inputs.join("logs").display());
}

/// A boot script with Windows line ends gives the same user data, byte for byte.
#[test]
fn a_script_with_crlf_is_rendered_like_one_without() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = include_str!("../../userdata/user-data.sh.j2");
    fs::write(folder.path().join("own.sh.j2"), shipped.replace('\n', "\r\n")).unwrap();
    let own = render(&Boot { user_data: Some("own.sh.j2".into()), ..main_boot() }, folder.path()).unwrap();
    let ours = render(&main_boot(), folder.path()).unwrap();
    assert_eq!(own.encoded, ours.encoded);
    assert!(!decode(&own.encoded).contains(&b'\r'));
}
