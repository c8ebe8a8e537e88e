use super::*;
use gameday_config::CacheEngine;
use std::fs;
use std::path::Path;

/// Returns the script in user data, passwords included.
fn script(encoded: &str) -> String {
    String::from_utf8(decode(encoded)).unwrap()
}

/// Returns the script with dots for the passwords, which are the line after each `put` of a secret.
fn masked(encoded: &str) -> String {
    let mut secret = false;
    let script = script(encoded);
    let lines = script.split_inclusive('\n').map(|line| {
        let hide = std::mem::replace(&mut secret, line.starts_with("put /opt/gameday/secrets/"));
        if hide { format!("{DOTS}\n") } else { line.to_string() }
    });
    gameday_config::signed::masked(&lines.collect::<String>())
}

fn database(password: SecretSource) -> Database {
    Database {
        engine: DatabaseEngine::Mysql,
        refuse: vec!["H@XX0RR333DDD".into()],
        host: "db.example".into(),
        port: 3306,
        database: "unicorndb".into(),
        user: "gdapp".into(),
        app_password: password.clone(),
        app_password_set: matches!(password, SecretSource::Parameter(_)).then(|| "2026-11-21T10:00:00Z".into()),
        master_user: "gdadmin".into(),
        master_password: Some(match password {
            SecretSource::Parameter(_) => SecretSource::Parameter("/gameday/demo/master".into()),
            SecretSource::Literal(_) => SecretSource::Literal("m4ster's".into()),
        }),
        sql: vec![("sql/more.sql".into(), "CREATE INDEX ix ON unicorns (unicornid);\n".into())],
    }
}

fn full() -> Boot {
    Boot {
        command: Some("./server -config server.ini".into()),
        env: [("MODE".into(), "{{ stack }} of {{ region }}".into()), ("DB".into(), "{{ database.password }}".into())]
            .into(),
        database: Some(database(SecretSource::Parameter("/gameday/demo/app".into()))),
        cache: Some(Cache::at(CacheEngine::Redis, "(known after cache/main)", 6379)),
        files: Some(Files {
            file_system: "fs-1".into(),
            access_point: Some("fsap-1".into()),
            path: "/mnt/efs".into(),
            mount_targets: [("us-east-1a".into(), "10.0.1.5".into()), ("us-east-1b".into(), "10.0.2.5".into())].into(),
        }),
        logs: Some(Logs { app_group: "/gameday/demo/app".into(), boot_group: "/gameday/demo/boot".into() }),
        ..Boot::new("demo", "billing", "https://example.com/server")
    }
}

/// Returns every style with everything, with nothing, and without a profile.
fn styles() -> Vec<(String, Boot)> {
    let mut all = vec![];
    for run in [Run::Binary, Run::Container, Run::Archive] {
        let boot = Boot { run, ..full() };
        let plain_files = boot.files.clone().map(|f| Files { access_point: None, ..f });
        all.push((format!("{run:?} with everything"), boot.clone()));
        all.push((format!("{run:?} with nothing"), Boot { run, ..Boot::new("demo", "billing", "s3://bucket/server") }));
        all.push((
            format!("{run:?} without a profile"),
            Boot {
                database: Some(database(SecretSource::Literal("pass'\"\\word".into()))),
                logs: None,
                files: plain_files,
                ..boot.clone()
            },
        ));
        all.push((
            format!("{run:?} with log files"),
            Boot { log_files: vec!["access_log".into(), "error.log".into()], ..boot.clone() },
        ));
        all.push((
            format!("{run:?} with packages"),
            Boot { packages: vec!["nodejs".into(), "git".into()], ..boot.clone() },
        ));
        let postgres = boot.database.clone().map(|d| Database { engine: DatabaseEngine::Postgres, port: 5432, ..d });
        all.push((format!("{run:?} with PostgreSQL"), Boot { database: postgres, ..boot.clone() }));
        all.push((format!("{run:?} with copies"), Boot { copies: 3, ..boot.clone() }));
        all.push((
            format!("{run:?} with copies and nothing"),
            Boot { run, copies: 2, ..Boot::new("demo", "billing", "s3://bucket/server") },
        ));
        all.push((format!("{run:?} that becomes an image"), Boot { bake: true, ..boot.clone() }));
        let ready_made = boot.database.clone().map(|d| Database { master_password: None, sql: vec![], ..d });
        all.push((format!("{run:?} with a ready made database"), Boot { database: ready_made, cache: None, ..boot }));
    }
    all
}

fn here() -> &'static Path {
    Path::new(".")
}

#[test]
fn every_rendered_script_passes_bash_and_shellcheck() {
    for (style, boot) in styles() {
        let rendered = render(&boot, here()).unwrap_or_else(|e| panic!("{style}: {e:?}"));
        let bad: Vec<_> = check(&rendered).into_iter().filter(|f| f.level > Level::Note).collect();
        let bad: Vec<_> =
            bad.iter().filter(|f| !f.message.contains("no instance profile")).map(ToString::to_string).collect();
        assert!(bad.is_empty(), "{style}:\n{}", bad.join("\n"));
        assert!(rendered.size <= LIMIT && rendered.gzipped, "{style}: {}", rendered.size);
    }
}

#[test]
fn a_boot_script_that_would_not_fit_loses_its_comments() {
    let boot = Boot { copies: 3, ..full() };
    let script = render(&boot, here()).unwrap().files["/opt/gameday/boot"].clone();
    assert!(!script.contains("# The service writes into APP") && script.starts_with("#!/bin/bash\n"), "{script}");
    let small =
        render(&Boot { copies: 3, ..Boot::new("demo", "billing", "https://example.com/server") }, here()).unwrap();
    assert!(small.files["/opt/gameday/boot"].contains("# The service writes into APP"));
}

#[test]
fn each_copy_has_a_port_and_folders_of_its_own_and_a_container_does_not_notice() {
    let boot = Boot {
        copies: 2,
        command: Some("./server --port {{ port }} --log {{ log_dir }}".into()),
        env: [("AT".into(), "{{ port }}".into())].into(),
        ..Boot::new("demo", "billing", "https://example.com/server")
    };
    let files = render(&boot, here()).unwrap().files;
    assert!(
        files["/opt/gameday/etc/start"].ends_with("./server --port @@port@@ --log /var/log/gameday/copy-@@copy@@\n")
    );
    assert_eq!(files["/opt/gameday/etc/env"], "AT=\"@@port@@\"\nPORT=\"@@port@@\"\n");
    assert!(files["/opt/gameday/etc/server.ini"].contains("\"Port\" = \"@@port@@\""));
    assert!(files["/opt/gameday/etc/haproxy.cfg"].contains("server copy-2 127.0.0.1:20002\n"));
    let container =
        render(&Boot { run: Run::Container, source: "httpd:2.4".into(), port: 8080, ..boot }, here()).unwrap().files;
    assert!(container["/opt/gameday/etc/start"].contains("--publish 127.0.0.1:@@port@@:8080 \\\n"), "{container:#?}");
    assert_eq!(container["/opt/gameday/etc/env"], "AT=8080\n");
    // The copies keep out of the way of a service that has one of their usual ports.
    let taken = Boot { copies: 2, port: 20002, ..Boot::new("demo", "billing", "https://example.com/server") };
    assert!(render(&taken, here()).unwrap().files["/opt/gameday/etc/haproxy.cfg"].contains("copy-2 127.0.0.1:21002\n"));
}

#[test]
fn each_log_file_has_a_stream_of_its_own() {
    let streams = |copies: u32, run: Run| -> BTreeMap<String, String> {
        let boot = Boot { log_files: vec!["access_log".into()], copies, run, ..full() };
        let files = render(&boot, here()).unwrap().files;
        let agent: serde_json::Value = serde_json::from_str(&files["/opt/gameday/etc/agent.json"]).unwrap();
        let all = agent["logs"]["logs_collected"]["files"]["collect_list"].as_array().unwrap().clone();
        let text = |entry: &serde_json::Value, field: &str| entry[field].as_str().unwrap().to_owned();
        let sent = all.iter().map(|entry| (text(entry, "file_path"), text(entry, "log_stream_name")));
        sent.filter(|(path, _)| !path.contains("boot") && !path.contains("cloud-init")).collect()
    };
    let one = streams(1, Run::Binary);
    let of = |path: &str| one[path].as_str();
    assert_eq!(
        (of("/var/log/gameday/app_log"), of("/opt/gameday/app/app_log")),
        ("{instance_id}", "{instance_id}/app")
    );
    assert_eq!(of("/var/log/gameday/access_log"), "{instance_id}/access_log");
    assert_eq!(of("/opt/gameday/app/access_log"), "{instance_id}/app/access_log");
    assert_eq!(of("/var/log/gameday-refused.log"), "{instance_id}/refused");
    assert_eq!(one.len(), 5);
    let copies = streams(2, Run::Binary);
    assert_eq!(copies["/var/log/gameday/copy-2/access_log"], "{instance_id}/copy-2/access_log");
    assert_eq!(copies["/opt/gameday/copies/2/access_log"], "{instance_id}/copy-2/app/access_log");
    assert_eq!((copies.len(), &*copies["/var/log/gameday/copy-1/app_log"]), (9, "{instance_id}/copy-1"));
    // Containers have one working directory.
    let containers = streams(2, Run::Container);
    assert_eq!(containers["/var/log/gameday/copy-2/app_log"], "{instance_id}/copy-2");
    assert_eq!((containers.len(), &*containers["/opt/gameday/app/app_log"]), (7, "{instance_id}/app"));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let (one, two) = (render(&full(), here()).unwrap(), render(&full(), here()).unwrap());
    assert_eq!(one.encoded, two.encoded);
    assert_eq!(masked(&one.encoded), one.user_data);
}

#[test]
fn server_ini_has_the_keys_of_the_task() {
    let rendered = render(&full(), here()).unwrap();
    insta::assert_snapshot!(rendered.files["/opt/gameday/etc/server.ini"], @r#"
    "MysqlHost" = "db.example"
    "MysqlPort" = "3306"
    "MysqlUser" = "gdapp"
    "MysqlPass" = "@@ini:app_password@@"
    "MysqlDb" = "unicorndb"
    "RedisHost" = "(known after cache/main)"
    "RedisPort" = "6379"
    "FsPath" = "/mnt/efs/"
    "LogLocation" = "/var/log/gameday/"
    "#);
    insta::assert_snapshot!(rendered.files["/opt/gameday/etc/env"], @r#"
    DB="@@ini:app_password@@"
    MODE="demo of us-east-1"
    "#);
}

/// A client divides the keys among the nodes by their order, so a file with another order finds other answers.
#[test]
fn templates_know_the_nodes_of_memcached_in_order() {
    let (folder, config) = (tempfile::tempdir().unwrap(), Some("root.ini.j2".into()));
    let template = fs::read_to_string(here().join("examples/root.ini.j2")).unwrap();
    fs::write(folder.path().join("root.ini.j2"), template).unwrap();
    let nodes = ["m.0.0001.cache:11211", "m.0.0002.cache:11211"].map(String::from);
    let cache = Cache { nodes: nodes.into(), ..Cache::at(CacheEngine::Memcached, "m.0.0001.cache", 11211) };
    let rendered = render(&Boot { cache: Some(cache.clone()), config, ..full() }, folder.path()).unwrap();
    let ini: Vec<&str> = rendered.files["/opt/gameday/etc/root.ini"].lines().filter(|l| !l.starts_with(';')).collect();
    let want = [
        "\"LogLocation\" = \"/var/log/gameday/\"",
        "\"Port\" = \"80\"",
        "\"MemcachedServers\" = \"m.0.0001.cache:11211,m.0.0002.cache:11211\"",
    ];
    assert_eq!(ini, want);
    let script = &rendered.user_data;
    assert!(script.contains("memcached is not reachable") && !script.contains("Redis"), "it asks for memcached");
    // The shipped file has no keys for memcached.
    let rendered = render(&Boot { cache: Some(cache), ..full() }, here()).unwrap();
    let ini = &rendered.files["/opt/gameday/etc/server.ini"];
    assert!(!ini.contains("Redis") && ini.contains("MysqlHost"), "{ini}");
}

#[test]
fn a_password_is_only_in_what_aws_gets() {
    let boot = Boot { database: Some(database(SecretSource::Literal("s3cret-app".into()))), ..full() };
    let rendered = render(&boot, here()).unwrap();
    let everything = format!(
        "{rendered:?} {boot:?} {} {:?} {} {:?}",
        rendered.user_data,
        rendered.files,
        serde_json::to_string(&boot).unwrap(),
        check(&rendered)
    );
    assert!(!everything.contains("s3cret-app") && !everything.contains("m4ster"));
    assert_eq!(script(&rendered.encoded).matches("s3cret-app").count(), 1);
    assert_eq!(masked(&rendered.encoded), rendered.user_data);
    let parameter = render(&full(), here()).unwrap();
    assert!(!parameter.user_data.contains("END_OF_SECRET"), "with a profile nothing is put");
}

#[test]
fn a_missing_name_is_an_error_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("my.ini.j2"), "\"A\" = \"{{ stack }}\"\n\"B\" = \"{{ cache.hots }}\"\n").unwrap();
    let boot = Boot { config: Some("my.ini.j2".into()), ..full() };
    let error = render(&boot, folder.path()).unwrap_err();
    let Error::Template { file, line, span, code, .. } = &*error else { panic!("{error:?}") };
    assert_eq!((file.as_str(), *line), ("my.ini.j2", 2));
    let span = span.expect("it points at the name");
    assert_eq!(&code.inner()[span.offset()..span.offset() + span.len()], "cache.hots");

    // A group that is off does not exist, so using it is an error like a misspelt name.
    fs::write(folder.path().join("my.ini.j2"), "{{ cache.host }}").unwrap();
    assert!(render(&Boot { cache: None, ..boot.clone() }, folder.path()).is_err());
    fs::write(folder.path().join("my.ini.j2"), "{% if cache %}").unwrap();
    assert!(render(&boot, folder.path()).unwrap_err().to_string().contains("syntax error"));
    let gone = render(&Boot { config: Some("gone.j2".into()), ..boot.clone() }, folder.path()).unwrap_err();
    assert!(gone.to_string().contains("gone.j2"), "{gone}");
    let env = Boot { env: [("X".into(), "{{ nope }}".into())].into(), ..full() };
    assert!(render(&env, here()).unwrap_err().to_string().starts_with("env.X, line 1"));
}

#[test]
fn the_user_can_replace_config_and_script() {
    let folder = tempfile::tempdir().unwrap();
    // The file comes from a Windows editor.
    fs::write(folder.path().join("app.yaml.j2"), "\u{feff}redis: {{ cache.host | ini }}\r\nport: {{ port }}").unwrap();
    fs::write(
        folder.path().join("own.sh.j2"),
        "#!/bin/bash\r\necho {{ service | sh }}\r\n{{ put('/etc/app.yaml', config.template) }}\r\n",
    )
    .unwrap();
    let boot = Boot {
        config: Some("app.yaml.j2".into()),
        user_data: Some("own.sh.j2".into()),
        cache: Some(Cache::at(CacheEngine::Redis, "r", 6379)),
        ..Boot::new("demo", "it's", "x")
    };
    let rendered = render(&boot, folder.path()).unwrap();
    assert_eq!(
        rendered.user_data,
        "#!/bin/bash\necho 'it'\\''s'\nput /etc/app.yaml 0644 <<'END_OF_FILE'\nredis: r\nport: 80\nEND_OF_FILE\n"
    );
    assert!(!rendered.gzipped);
    assert_eq!(rendered.notes.iter().filter(|n| n.message.contains("CRLF")).count(), 2);
}

#[test]
fn check_finds_what_would_not_boot() {
    let folder = tempfile::tempdir().unwrap();
    let messages = |text: &str| -> String {
        fs::write(folder.path().join("own.sh.j2"), text).unwrap();
        let boot = Boot { user_data: Some("own.sh.j2".into()), ..Boot::new("demo", "x", "y") };
        check(&render(&boot, folder.path()).unwrap()).iter().map(|f| format!("{f}\n")).collect()
    };
    assert!(messages("echo hello\n").contains("error: user-data.sh:1: does not start with #!"));
    assert!(messages("#!/bin/bash\nif true; then\n").contains("error: user-data.sh:"), "bash -n");
    assert!(messages("#!/bin/bash\necho hi").contains("no newline"));
    assert!(messages("#!/bin/bash\nexport DB_PASSWORD=hunter2\n").contains("user-data.sh:2"), "{}", messages(""));
    assert!(messages("#!/bin/bash\nPASSWORD=$(cat /x)\n").lines().all(|l| !l.contains("in clear")));
    assert!(messages("#!/bin/bash\n# AKIAABCDEFGHIJKLMNOP\n").contains("AWS access key"));
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut noise = String::new();
    let mut x: u64 = 1;
    while noise.len() < 40_000 {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.push_str(&format!("{x:x}\n"));
    }
    let mut boot = full();
    boot.database.as_mut().unwrap().sql.push(("noise.sql".into(), noise.into_bytes()));
    let error = render(&boot, here()).unwrap_err();
    assert!(matches!(*error, Error::TooLarge { size } if size > LIMIT), "{error}");
    boot.database.as_mut().unwrap().sql.clear();
    boot.database.as_mut().unwrap().app_password = SecretSource::Literal("a\nb".into());
    assert!(matches!(*render(&boot, here()).unwrap_err(), Error::Control { .. }));
}

/// Returns what a machine gets: EC2's bytes, and the files that bash writes when it runs the script.
fn delivered(boot: &Boot, base: &Path) -> (Vec<u8>, PathBuf, tempfile::TempDir) {
    let rendered = render(boot, base).unwrap_or_else(|e| panic!("{e:?}"));
    let bytes = base64::prelude::BASE64_STANDARD.decode(&rendered.encoded).unwrap();
    let root = tempfile::tempdir().unwrap();
    let mut script = vec![];
    if rendered.gzipped {
        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut script).unwrap();
    } else {
        script.clone_from(&bytes);
    }
    let path = root.path().join("script");
    fs::write(&path, &script).unwrap();
    (bytes, path, root)
}

const ODD: &[(&str, &[u8])] = &[
    ("mime", b"Content-Type: multipart/mixed; boundary=\"//\"\nMIME-Version: 1.0\n\n--//\nContent-Type: text/cloud-config\n\n#cloud-config\n--//--\n"),
    ("cloud-config", b"#cloud-config\nwrite_files:\n- content: |\n    {{ ds.meta_data.x }} {# jinja #}\n"),
    ("include", b"#include\nhttps://example.com/script\n"),
    ("crlf", b"#!/bin/bash\r\necho {{ port }}\r\n"),
    ("no final newline", b"#!/bin/bash\necho ${#array[@]} {{ nothing }} {% raw"),
    ("not UTF-8", b"#!/bin/bash\necho '\xff\xfe\x00 \xe4' # @@app_password@@\n"),
    ("a mark of ours", b"#!/bin/sh\nEND_OF_FILE\n@@app_password@@\nEND_OF_FILE\n"),
    ("empty", b""),
    ("byte order mark", b"\xef\xbb\xbf#!/bin/sh\n"),
    ("part-handler", b"#part-handler\ndef list_types():\n    return ['text/x']\n"),
    ("blank lines", b"\n\n#!/bin/sh\n\n\n"),
];

#[test]
fn a_script_that_is_no_template_arrives_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in ODD {
        for file in ["boot.sh", "boot", "user-data.sh", "boot.sh.j2.txt", "boot.jinja"] {
            fs::write(folder.path().join(file), bytes).unwrap();
            let boot = Boot { user_data: Some(file.into()), ..full() };
            assert_eq!(delivered(&boot, folder.path()).0, *bytes, "{name} as {file}");
        }
    }
    // A file compressed by the user is unchanged, and shown unpacked.
    let packed = gzip(b"#!/bin/bash\necho hello\n");
    fs::write(folder.path().join("boot.sh"), &packed).unwrap();
    let boot = Boot { user_data: Some("boot.sh".into()), ..full() };
    assert_eq!(delivered(&boot, folder.path()).0, packed);
    assert_eq!(render(&boot, folder.path()).unwrap().user_data, "#!/bin/bash\necho hello\n");
    // A large script is compressed, which cloud-init unpacks. A larger one is refused with numbers.
    let large = [b"#!/bin/bash\n# ".as_slice(), &b"x".repeat(LIMIT)].concat();
    fs::write(folder.path().join("boot.sh"), &large).unwrap();
    let (sent, script, _root) = delivered(&boot, folder.path());
    assert!(sent.len() < LIMIT && fs::read(script).unwrap() == large);
    let next = |x: &u64| Some(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
    let noise: Vec<u8> = std::iter::successors(Some(1u64), next).map(|x| (x >> 56) as u8).take(40_000).collect();
    fs::write(folder.path().join("boot.sh"), noise).unwrap();
    let error = render(&boot, folder.path()).unwrap_err().to_string();
    assert!(error.contains("bytes even when compressed; AWS allows 16384"), "{error}");
}

#[test]
fn a_configuration_file_that_is_no_template_arrives_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in ODD {
        // Also with the name of a shipped file.
        for file in ["app.conf", "beacon.py", "server.ini"] {
            fs::write(folder.path().join(file), bytes).unwrap();
            let boot = Boot { config: Some(file.into()), ..full() };
            let (_, script, root) = delivered(&boot, folder.path());
            let text = String::from_utf8(fs::read(&script).unwrap()).expect("a script of ours is text");
            // The part of the script that writes the file is run by bash itself.
            let at = format!("/opt/gameday/etc/{file} ");
            let lines: Vec<&str> = text.lines().collect();
            let begin = lines.iter().position(|l| l.contains(&format!("put {at}"))).unwrap_or_else(|| panic!("{name}"));
            let end = lines[begin].split("<<'").nth(1).unwrap().split('\'').next().unwrap();
            let length = lines[begin + 1..].iter().position(|l| *l == end).unwrap() + 2;
            let piece = lines[begin..begin + length].join("\n");
            let run = format!("put() {{ cat >'{}/file'; }}\n{piece}\n", root.path().display());
            fs::write(&script, run).unwrap();
            assert!(std::process::Command::new("bash").arg(&script).status().unwrap().success());
            assert_eq!(fs::read(root.path().join("file")).unwrap(), *bytes, "{name} as {file}");
            // Nothing is inserted into it on the machine.
            assert!(text.contains(&format!("put_if_changed \"$ETC/\"{file} \"$RELEASE/etc/\"{file}")), "{name}");
            assert!(!text.contains(&format!("fill \"$ETC/\"{file}")), "{name}");
            assert!(text.contains("class Beacon("), "the beacon is still ours");
        }
    }
}

#[test]
fn sql_is_a_template_only_by_its_name_too() {
    let with = |name: &str, text: &[u8]| {
        let mut boot = full();
        boot.database.as_mut().unwrap().sql = vec![(name.into(), text.to_vec())];
        render(&boot, here())
    };
    let plain = with("a/more.sql", b"SELECT '{{ stack }}', '${#x}'").unwrap();
    assert_eq!(plain.files["/opt/gameday/etc/sql/101-more.sql"], "SELECT '{{ stack }}', '${#x}'");
    let template = with("a/more.sql.j2", b"SELECT '{{ stack }}'").unwrap();
    assert_eq!(template.files["/opt/gameday/etc/sql/101-more.sql"], "SELECT 'demo'\n");
    let error = with("more.sql.j2", b"SELECT '{{ nope }}'").unwrap_err().to_string();
    assert!(error.starts_with("more.sql.j2, line 1: ") && error.contains("`nope`"), "{error}");
    let error = with("more.sql.j2", b"SELECT '{{ database.password }}'").unwrap_err().to_string();
    assert!(error.contains("a password cannot be in an SQL file"), "{error}");
    assert!(with("more.sql.j2", b"\xff").unwrap_err().to_string().contains("not UTF-8 text (line 1)"));
}

#[test]
fn nothing_in_a_template_vanishes_or_is_taken_for_ours() {
    let folder = tempfile::tempdir().unwrap();
    let error = |text: &str| {
        fs::write(folder.path().join("my.conf.j2"), format!("first\n{text}\n")).unwrap();
        let boot = Boot { config: Some("my.conf.j2".into()), ..full() };
        match render(&boot, folder.path()) {
            Ok(done) => panic!("{text}: {}", done.files["/opt/gameday/etc/my.conf"]),
            Err(e) => format!("{e}\n{}", miette::Diagnostic::help(&*e).unwrap()),
        }
    };
    for text in [
        "{{ scoring.api_token }}",
        "{# a note #}",
        "echo ${#array[@]} # #}",
        "echo ${#array[@]}",
        "${{ secrets.KEY }}",
        "${{ port }}",
        "{{ .Values.image }}",
        "{{- range .Items }}x{{ end }}",
        "{{ ansible_default_ipv4.address }}",
        "{{ groups['web'] | first }}",
        "{{ lookup('env', 'HOME') }}",
        "{% if inventory_hostname == 'a' %}x{% endif %}",
        "{% if not database %}{{ vault_password }}{% endif %}",
        "{{ undefined_name | default('') }}",
        "{% load static %}",
        "{{#each items}}x{{/each}}",
        "{{> partial}}",
        "docker ps --format '{{.Names}}'",
        "{{ sha256 }}",
        "{% verbatim %}x{% endverbatim %}",
    ] {
        let said = error(text);
        assert!(said.starts_with("my.conf.j2, line 2: "), "{text}: {said}");
        assert!(said.contains("{% raw %}") || said.contains("lists the names"), "{text}: {said}");
    }
    assert!(error("{{ scoring.url }}").contains("cache.host"), "it lists the names");
    // The way out that the message names.
    for (text, delivered) in [
        ("{% raw %}{{ scoring.url }} ${#a} {# x #}{% endraw %} {{ port }}", "{{ scoring.url }} ${#a} {# x #} 80"),
        ("{{ '{#' }} {{ '{{' }}", "{# {{"),
    ] {
        fs::write(folder.path().join("my.conf.j2"), text).unwrap();
        let done = render(&Boot { config: Some("my.conf.j2".into()), ..full() }, folder.path()).unwrap();
        assert_eq!(done.files["/opt/gameday/etc/my.conf"].trim_end(), delivered);
        let env = Boot { env: [("X".into(), text.into())].into(), ..full() };
        assert!(render(&env, here()).unwrap().files["/opt/gameday/etc/env"].contains(delivered));
    }
}

/// Every name in messages exists, and every name that exists is known.
#[test]
fn the_names_that_are_listed_are_the_names_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let rendered = render(&full(), here()).unwrap();
    assert!(rendered.names.len() > 25, "{:?}", rendered.names);
    for name in &rendered.names {
        let text = format!("{{{{ {} }}}}", name.replace("env.NAME", "env.MODE"));
        fs::write(folder.path().join("my.conf.j2"), text).unwrap();
        let boot = Boot { config: Some("my.conf.j2".into()), sha256: Some("0".repeat(64)), ..full() };
        render(&boot, folder.path()).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let without = render(&Boot::new("demo", "billing", "https://example.com/server"), here()).unwrap().names;
    assert!(!without.iter().any(|n| n.starts_with("database.") || n.starts_with("cache.")), "{without:?}");
}

#[test]
fn start_commands_are_run_as_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let app = folder.path();
    fs::create_dir_all(app.join("app/venv/bin")).unwrap();
    fs::write(app.join("app/run.sh"), "echo \"run:$PORT:$$:$(basename \"$PWD\"):$*\"\n").unwrap();
    fs::write(app.join("app/venv/bin/activate"), "PATH=$PWD/app/venv/bin:$PATH\n").unwrap();
    fs::write(app.join("app/venv/bin/serve"), "#!/bin/sh\necho \"serve:$*\"\n").unwrap();
    for file in ["app/run.sh", "app/venv/bin/serve"] {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(app.join(file), fs::Permissions::from_mode(0o755)).unwrap();
    }
    for (command, said) in [
        ("PORT=80 bash app/run.sh", "run:80:PID:DIR:"),
        ("cd app && PORT=81 bash ./run.sh 'a b' \"$((1 + 1))\"", "run:81:PID:app:a b 2"),
        ("source app/venv/bin/activate && serve --x 'y  z'", "serve:--x y  z"),
        ("export PORT=7; cd app; exec bash run.sh *.sh", "run:7:PID:app:run.sh"),
        ("bash app/run.sh 2>&1 | sed s/run/piped/", "piped::"),
        ("A=1 B='2 3' env | grep ^B=", "B=2 3"),
        ("echo $HOME ~ >&2; bash app/run.sh", "run::PID:DIR:"),
        ("(cd app && bash run.sh)", "run::"),
    ] {
        let boot = Boot {
            run: Run::Archive,
            command: Some(command.into()),
            ..Boot::new("demo", "billing", "https://x/y.tar.gz")
        };
        let start = render(&boot, here()).unwrap().files["/opt/gameday/start"]
            .replace("/opt/gameday/app", app.to_str().unwrap());
        let script = app.join("start");
        fs::write(&script, start).unwrap();
        let child =
            std::process::Command::new("bash").arg(&script).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let pid = child.id().to_string();
        let out = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        let wanted = said.replace("PID", &pid).replace("DIR", app.file_name().unwrap().to_str().unwrap());
        assert!(out.trim_end().starts_with(&wanted), "{command}: {out:?}, not {wanted:?}");
    }
    let password = Boot { command: Some("./server --password {{ database.password }}".into()), ..full() };
    assert!(render(&password, here()).unwrap_err().to_string().contains("list of processes"));
}

#[test]
fn a_container_is_given_the_words_of_the_command() {
    let last = |command: &str| {
        let boot = Boot { run: Run::Container, command: Some(command.into()), ..Boot::new("demo", "web", "httpd:2.4") };
        let start = render(&boot, here()).unwrap().files["/opt/gameday/start"].clone();
        start.lines().last().unwrap().trim().to_owned()
    };
    assert_eq!(last("httpd-foreground -X"), "httpd:2.4 httpd-foreground -X");
    assert_eq!(last("sh -c 'a && b \"c d\"' $X"), "httpd:2.4 sh -c 'a && b \"c d\"' '$X'");
    assert_eq!(
        last("serve --url https://x/?a=1 \"it's\" --port {{ port }}"),
        "httpd:2.4 serve --url 'https://x/?a=1' 'it'\\''s' --port 80"
    );
    let none = render(&Boot { run: Run::Container, ..Boot::new("demo", "web", "httpd:2.4") }, here()).unwrap();
    assert!(none.files["/opt/gameday/start"].ends_with("  httpd:2.4\n"));
}

#[test]
fn docker_keeps_out_of_the_vpc() {
    let of = |vpc: &[&str]| {
        let vpc = vpc.iter().map(|c| (*c).to_owned()).collect();
        let boot = Boot { run: Run::Container, vpc, ..Boot::new("demo", "web", "httpd:2.4") };
        let script = render(&boot, here()).unwrap().files["/opt/gameday/boot"].clone();
        script.lines().find_map(|l| Some(l.split_once("\"bip\", \"")?.1.trim_end_matches("\")").to_owned())).unwrap()
    };
    assert_eq!(of(&["10.0.0.0/16"]), "192.168.240.1/24");
    assert_eq!(of(&["172.17.0.0/16"]), "192.168.240.1/24");
    assert_eq!(of(&["192.168.0.0/16"]), "172.29.240.1/24");
    assert_eq!(of(&["192.168.0.0/16", "172.16.0.0/12"]), "10.253.240.1/24");
    assert_eq!(of(&["192.168.241.5/32", "172.29.255.0/24", "10.0.0.0/8"]), "100.127.240.1/24");
    // A user's setting stays, and text that is no JSON is unchanged.
    let boot = Boot { run: Run::Container, ..Boot::new("demo", "web", "httpd:2.4") };
    let script = render(&boot, here()).unwrap().files["/opt/gameday/boot"].clone();
    let python = script.split("<<'PYTHON'\n").nth(1).unwrap().split("\nPYTHON").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("docker/daemon.json");
    let python = python.replace("/etc/docker/daemon.json", file.to_str().unwrap());
    let run = || std::process::Command::new("python3").args(["-I", "-c", &python]).output().unwrap();
    assert_eq!(run().stdout, b"written\n");
    assert_eq!(run().stdout, b"", "the second time there is nothing to do");
    for (before, bip) in [
        (r#"{"log-driver": "journald"}"#, Some("192.168.240.1/24")),
        (r#"{"bip": "10.9.0.1/24", "default-address-pools": []}"#, Some("10.9.0.1/24")),
        (r#"{"bridge": "none"}"#, None),
    ] {
        fs::write(&file, before).unwrap();
        assert!(run().status.success());
        let after: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(after["bip"].as_str(), bip, "{before}");
        let kept: serde_json::Value = serde_json::from_str(before).unwrap();
        assert!(kept.as_object().unwrap().iter().all(|(k, v)| after[k] == *v), "{before}: {after}");
    }
    fs::write(&file, "{ broken").unwrap();
    assert!(!run().status.success());
    assert_eq!(fs::read_to_string(&file).unwrap(), "{ broken");
}

/// Runs functions of the rendered boot script in bash after `before`, and returns the output.
fn bash(boot: &Boot, functions: &[&str], before: &str, after: &str) -> String {
    let script = render(boot, here()).unwrap().files["/opt/gameday/boot"].clone();
    let taken: String = functions
        .iter()
        .map(|name| {
            let begin = script.find(&format!("\n{name}() {{")).unwrap_or_else(|| panic!("{name}")) + 1;
            let line = script[begin..].lines().next().unwrap();
            let length = if line.ends_with('}') { line.len() } else { script[begin..].find("\n}\n").unwrap() + 2 };
            format!("{}\n", &script[begin..begin + length])
        })
        .collect();
    let text = format!("set -uo pipefail\n{taken}{before}\n{after}\n");
    let done = std::process::Command::new("bash").args(["-c", &text]).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr)).trim_end().to_owned()
}

#[test]
fn packages_have_the_names_of_the_family() {
    let stubs = "dnf() { case $* in *list*) printf '%b' \"$LIST\" ;; *) echo \"dnf: ${*: -1}\" ;; esac; }\n\
        apt() { case \" $GONE \" in *\" $1 \"*) return 1 ;; esac; echo \"apt: $*\"; }; snap() { echo \"snap: $*\"; }";
    let install = |family: &str, name: &str, list: &str, gone: &str| {
        let before = format!("{stubs}\nFAMILY={family} LIST='{list}' GONE='{gone}'");
        bash(&full(), &["package", "install_package"], &before, &format!("install_package {name}"))
    };
    let all = "Available Packages\\nmariadb105.x86_64 3:10.5 a\\nmariadb114.x86_64 3:11.4 a\\nmariadb1011.x86_64 3:10.11 a\\nmariadb118-server.x86_64 1 a\\n";
    assert_eq!(install("dnf", "mariadb", all, ""), "dnf: mariadb114");
    assert_eq!(install("dnf", "mariadb", "mariadb105.x86_64 1 a\\nmariadb1011.x86_64 1 a\\n", ""), "dnf: mariadb1011");
    assert_eq!(install("dnf", "mariadb", "", ""), "dnf: mariadb105", "nothing is listed");
    let all = "Available Packages\\npostgresql15.x86_64 15.9 a\\npostgresql17.x86_64 17.2 a\\npostgresql17-server.x86_64 17.2 a\\npostgresql16.x86_64 16.6 a\\n";
    assert_eq!(install("dnf", "postgresql", all, ""), "dnf: postgresql17");
    assert_eq!(install("dnf", "postgresql", "", ""), "dnf: postgresql15", "nothing is listed");
    assert_eq!(install("apt", "postgresql-client", "", ""), "apt: postgresql-client");
    assert_eq!(install("dnf", "amazon-efs-utils", "", ""), "dnf: amazon-efs-utils");
    assert_eq!(install("apt", "awscli", "", ""), "apt: awscli");
    assert_eq!(install("apt", "awscli", "", "awscli"), "snap: install aws-cli --classic");
    assert_eq!(install("apt", "mariadb-client", "", "mariadb-client"), "apt: mysql-client");
    assert_eq!(install("apt", "nfs-common", "", ""), "apt: nfs-common");

    let stage = |boot: &Boot, family: &str| {
        let before = format!(
            "FAMILY={family} SOURCE='{}' STATE=/nowhere\ncommand() {{ return 1; }}\ntimeout() {{ :; }}\ndocker_network() {{ :; }}\n\
             log() {{ echo \"${{1#installing }}\"; }}\ninstall_package() {{ :; }}",
            boot.source
        );
        let said = bash(boot, &["stage_packages"], &before, "stage_packages");
        said.replace('\n', " ")
    };
    assert_eq!(stage(&full(), "dnf"), "mariadb amazon-efs-utils awscli-2");
    assert_eq!(stage(&full(), "apt"), "mariadb-client nfs-common awscli");
    let archive = Boot {
        run: Run::Archive,
        source: "s3://bucket/dir with space/app.tar.xz".into(),
        ..Boot::new("demo", "x", "y")
    };
    assert_eq!(stage(&archive, "dnf"), "tar xz awscli-2");
    assert_eq!(stage(&archive, "apt"), "tar xz-utils awscli");
    let container =
        Boot { run: Run::Container, ..Boot::new("demo", "x", "210987654321.dkr.ecr.eu-west-1.amazonaws.com/x:1") };
    assert_eq!(stage(&container, "dnf"), "docker awscli-2");
    assert_eq!(stage(&container, "apt"), "docker.io awscli");
}

/// Returns scripts that root runs. All others belong to the service's user.
fn scripts_of_root() -> Vec<(&'static str, &'static str)> {
    let of_the_service = ["run/archive.start.j2", "run/binary.start.j2"];
    let is_script = |name: &str| name.ends_with(".sh.j2") || name.ends_with(".start.j2");
    template::SHIPPED.iter().copied().filter(|(name, _)| is_script(name) && !of_the_service.contains(name)).collect()
}

/// Returns each `{{ }}` of a script, and whether it is in quotes, in which the quotes of `| sh` have no effect.
fn values(text: &str) -> Vec<(String, bool)> {
    let mut found = vec![];
    for line in text.lines() {
        // The open signs: a quote, or `(` for a command in quotes.
        let (mut open, mut rest) = (vec![], line);
        let comment = line.trim_start().starts_with('#');
        while let Some(c) = rest.chars().next() {
            let mut step = c.len_utf8();
            match (open.last(), c) {
                _ if rest.starts_with("{{") => {
                    step = rest.find("}}").expect("it is closed on its line") + 2;
                    let quoted = !comment && matches!(open.last(), Some('"' | '\''));
                    found.push((rest[2..step - 2].trim().to_owned(), quoted));
                }
                _ if rest.starts_with("{%") => step = rest.find("%}").expect("it is closed on its line") + 2,
                (Some('\''), '\'') | (Some('"'), '"') | (Some('('), ')') => drop(open.pop()),
                (Some('\''), _) => {}
                (_, '\\') => step += rest[1..].chars().next().map_or(0, char::len_utf8),
                (_, '$') if rest.starts_with("$(") => (open.push('('), step += 1).0,
                (Some('"'), _) => {}
                (_, '"' | '\'') => open.push(c),
                (Some('('), '(') => open.push(c),
                _ => {}
            }
            rest = &rest[step..];
        }
    }
    found
}

#[test]
fn every_value_in_a_script_of_root_is_quoted() {
    let mut seen = 0;
    for (name, text) in scripts_of_root() {
        // The one Python part. Its delimiter is quoted, so no shell reads it.
        let python = text.find("<<'PYTHON'").map(|at| at..at + text[at..].find("\nPYTHON\n").unwrap());
        let (shell, python) = match python {
            Some(range) => (format!("{}{}", &text[..range.start], &text[range.end..]), &text[range]),
            None => (text.to_owned(), ""),
        };
        for (value, quoted) in values(&shell) {
            let puts = ["put(", "put_copy(", "put_secret("].iter().any(|put| value.starts_with(put));
            let is_word = value.ends_with("| sh") || value.ends_with("map(\"sh\") | join(\" \")");
            assert!(puts || is_word && !quoted, "{name}: {{{{ {value} }}}} is read by root's shell as it stands");
            seen += 1;
        }
        assert!(values(python).iter().all(|(value, _)| value.ends_with("| tojson")), "{name}");
    }
    assert!(seen > 60, "only {seen} values");
    // Mistakes that the walk has to find.
    let bad = [
        "--publish {{ port }}:80",
        "fail 1 \"{{ host | sh }}\"",
        "echo 'it is {{ x | sh }}'",
        "\"$(echo \"{{ x | sh }}\")\"",
    ];
    for line in bad {
        assert!(values(line).iter().any(|(value, quoted)| *quoted || !value.ends_with("| sh")), "{line}");
    }
    assert_eq!(
        values("\"a\"{{ x | sh }}\"b $(tr '\"' {{ y | sh }})\""),
        [("x | sh".into(), false), ("y | sh".into(), false)]
    );
}

#[test]
fn a_container_is_published_on_a_port_and_nothing_else() {
    let start = |port: &str| {
        let env = [("PORT".to_owned(), port.to_owned())].into();
        let boot = Boot { run: Run::Container, env, ..Boot::new("demo", "web", "httpd:2.4") };
        render(&boot, here()).map(|r| r.files["/opt/gameday/start"].clone())
    };
    assert!(start("8080").unwrap().contains("--publish 80:8080 "));
    assert!(start("{{ port }}").unwrap().contains("--publish 80:80 "));
    for port in
        ["80$(touch X) --privileged", "{{ 80 }} --volume /:/host", "80 80", "0", "65536", "-1", "", "{{ '8 0' }}"]
    {
        let said = start(port).expect_err(port).to_string();
        assert!(said.starts_with("env.PORT, line 1: "), "{port}: {said}");
    }
    // Other words of the same command line, each of which stays one word.
    let boot = Boot {
        run: Run::Container,
        source: "--privileged $(id)".into(),
        files: full().files.map(|f| Files { path: "/mnt/a b$(id)".into(), ..f }),
        ..Boot::new("demo", "web", "x")
    };
    let start = render(&boot, here()).unwrap().files["/opt/gameday/start"].clone();
    assert!(start.contains("--volume '/mnt/a b$(id):/mnt/a b$(id):rslave' "), "{start}");
    assert!(start.trim_end().ends_with("'--privileged $(id)'"), "{start}");
}

#[test]
fn a_refused_login_says_why() {
    let said = |error: &str| {
        let before =
            format!("SERVER=db.example:3306\nfail() {{ echo \"$1 $2\"; exit; }}\nsql_error() {{ echo '{error}'; }}");
        bash(&full(), &["login_refused"], &before, "login_refused 'the master user'")
    };
    let plugin =
        said("ERROR 1045 (28000): Plugin caching_sha2_password could not be loaded: cannot open shared object file");
    assert!(plugin.starts_with("78 the MySQL client of this image does not know the login"), "{plugin}");
    let password = said("ERROR 1045 (28000): Access denied for user");
    assert!(password.starts_with("78 wrong password: db.example refuses the master user"), "{password}");
    assert!(said("ERROR 2003 (HY000): gone").starts_with("1 MySQL at db.example:3306: ERROR 2003"));
}

/// Returns the full example with PostgreSQL.
fn postgres() -> Boot {
    let database = full().database.map(|d| Database { engine: DatabaseEngine::Postgres, port: 5432, ..d });
    Boot { database, ..full() }
}

#[test]
fn a_refused_login_to_postgres_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let said = |error: &str| {
        fs::write(folder.path().join("sql.err"), error).unwrap();
        let before =
            format!("STATE={} SERVER=db.example:5432\nfail() {{ echo \"$1 $2\"; exit; }}", folder.path().display());
        let functions = ["login_refused", "sql_error", "could_not_connect"];
        bash(
            &postgres(),
            &functions,
            &before,
            "could_not_connect && echo unreachable || login_refused 'the master user'",
        )
    };
    let at = "psql: error: connection to server at \"db.example\" (10.0.0.5), port 5432 failed: ";
    // With force_ssl, psql tries again without TLS: what that says is not the cause.
    let password = said(&format!(
        "{at}FATAL:  password authentication failed for user \"gdadmin\"\n\
         connection to server at \"db.example\" (10.0.0.5), port 5432 failed: FATAL:  no pg_hba.conf entry for host \
         \"10.0.0.9\", user \"gdadmin\", database \"postgres\", no encryption\n"
    ));
    assert!(password.starts_with("78 wrong password: db.example refuses the master user: connection to"), "{password}");
    assert!(password.contains("password authentication failed"), "{password}");
    let other = said(&format!("{at}FATAL:  database \"unicorndb\" does not exist\n"));
    assert!(other.starts_with("1 PostgreSQL at db.example:5432: connection to server"), "{other}");
    assert_eq!(said(&format!("{at}Connection refused\n\tIs the server running on that host?\n")), "unreachable");
    assert_eq!(said(&format!("{at}timeout expired\n")), "unreachable");
}

#[test]
fn the_shipped_configuration_has_no_keys_of_the_other_engine() {
    let rendered = render(&postgres(), here()).unwrap();
    assert!(!rendered.files["/opt/gameday/etc/server.ini"].contains("Mysql"));
    assert!(!rendered.files["/opt/gameday/boot"].contains("mariadb \""), "only one client is used");
    assert!(!rendered.files["/opt/gameday/etc/schema.sql"].contains("USE "));
}

/// A server that answers over TLS and redirects everybody to plain HTTP, where a program waits.
#[test]
fn a_redirect_does_not_leave_tls() {
    let server = r#"
import http.server, ssl, sys, threading
def serve(answer, tls):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self): answer(self)
        def log_message(self, *_): pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("tests/fixtures/access/server.pem", "tests/fixtures/access/server.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]
def give(h):
    h.send_response(200); h.end_headers(); h.wfile.write(b"program")
def to(url):
    def answer(h):
        h.send_response(302); h.send_header("Location", url() if h.path == "/away" else h.path.replace("/on", "/there")); h.end_headers()
    return lambda h: give(h) if h.path == "/there" else answer(h)
plain = serve(give, False)
tls = serve(to(lambda: f"http://127.0.0.1:{plain}/server"), True)
from_plain = serve(to(lambda: f"https://127.0.0.1:{tls}/there"), False)
print(plain, tls, from_plain, flush=True)
sys.stdin.read()
"#;
    use std::{io::BufRead, process::Stdio};
    let mut python = std::process::Command::new("python3")
        .args(["-c", server])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(python.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let [_, tls, from_plain] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("server");
    let get = |url: &str, sha256: &str| {
        let before = format!(
            "export CURL_CA_BUNDLE=tests/fixtures/access/ca.pem no_proxy='*' SHA256={sha256} SOURCE='{url}'\n\
             fail() {{ echo \"$1 $2\"; exit; }}\nfree_space() {{ :; }}"
        );
        bash(&full(), &["download"], &before, &format!("download '{0}' && cat '{0}'; rm -f '{0}'", to.display()))
    };
    let program = {
        use sha2::Digest as _;
        sha2::Sha256::digest(b"program").iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert_eq!(get(&format!("https://127.0.0.1:{tls}/on"), ""), "program", "a redirect over TLS is followed");
    assert_eq!(get(&format!("http://127.0.0.1:{from_plain}/away"), ""), "program", "and one that leads to TLS");
    for url in [format!("https://127.0.0.1:{tls}/away"), format!("HTTPS://127.0.0.1:{tls}/away")] {
        for sha256 in ["", &program] {
            let said = get(&url, sha256);
            assert!(said.starts_with("1 ") && said.contains("rotocol"), "{url} {sha256:?}: {said}");
        }
    }
    drop(python.stdin.take());
    python.wait().unwrap();
}

#[test]
fn a_signed_url_is_never_shown_whole() {
    let source = "https://b.s3.amazonaws.com/server?X-Amz-Credential=AKIAABCDEFGHIJKLMNOP%2F20261129&X-Amz-Security-Token=FwoGZXIvTOKEN&X-Amz-Signature=0123abcdef";
    let boot = Boot { source: source.into(), ..full() };
    let rendered = render(&boot, here()).unwrap();
    let all =
        format!("{} {:?} {:?} {}", rendered.user_data, rendered.files, check(&rendered), masked(&rendered.encoded));
    assert!(!all.contains("0123abcdef") && !all.contains("FwoGZXIvTOKEN"));
    assert!(!all.contains("an AWS access key in clear"));
    assert!(script(&rendered.encoded).contains(source), "the machine has it whole");
}

#[test]
fn check_knows_what_cloud_init_takes() {
    let folder = tempfile::tempdir().unwrap();
    let errors = |bytes: &[u8]| {
        fs::write(folder.path().join("own.sh"), bytes).unwrap();
        let boot = Boot { user_data: Some("own.sh".into()), ..Boot::new("demo", "x", "y") };
        let found = check(&render(&boot, folder.path()).unwrap());
        found.iter().filter(|f| f.level == Level::Error).map(ToString::to_string).collect::<Vec<_>>()
    };
    for (name, bytes) in ODD.iter().filter(|(name, _)| {
        !["empty", "byte order mark", "blank lines", "not UTF-8", "crlf", "a mark of ours"].contains(name)
    }) {
        assert_eq!(errors(bytes), Vec::<String>::new(), "{name}");
    }
    assert!(errors(b"<powershell>\nGet-Date\n</powershell>\n")[0].contains("is for Windows"));
    assert!(errors(b"echo hello\n")[0].contains("would not run it"));
}

#[test]
fn a_loop_without_an_end_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let twice = "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}";
    let own = |text: &str| {
        std::fs::write(folder.path().join("own.j2"), text).unwrap();
        Boot { config: Some("own.j2".into()), ..full() }
    };
    let value = Boot { env: [("KEY".to_owned(), twice.to_owned())].into(), ..full() };
    let command = Boot { command: Some(format!("./server {twice}")), ..full() };
    let calls =
        "{% macro again(n) %}{% for a in range(9999) %}{{ again(n + 1) }}{% endfor %}{% endmacro %}{{ again(0) }}";
    for (place, boot) in [
        ("env.KEY", value),
        ("command", command),
        ("own.j2", own(&format!("one\n{twice}"))),
        ("own.j2", own(&format!("{{% set all %}}{twice}{{% endset %}}"))),
    ] {
        let said = render(&boot, folder.path()).unwrap_err().to_string();
        assert!(said.contains(place) && said.contains("steps") && said.contains("line"), "{said}");
    }
    render(&own(calls), folder.path()).unwrap_err();
    let lines = "{% for n in range(5000) %}{{ n }}={{ n * 2 }}\n{% endfor %}";
    assert!(
        !render(&own(lines), folder.path()).is_err_and(|e| e.to_string().contains("steps")),
        "a loop of a sane length"
    );
}

#[test]
fn a_little_that_unpacks_to_very_much_is_not_unpacked() {
    let bomb = gzip(&vec![0; 20 << 20]);
    assert!(bomb.len() < 100_000);
    let encoded = base64::prelude::BASE64_STANDARD.encode(&bomb);
    assert!(decode(&encoded).len() <= UNPACKED as usize);
    assert!(unpacked(&bomb).len() <= UNPACKED as usize);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("own.sh"), &bomb).unwrap();
    let said = render(&Boot { user_data: Some("own.sh".into()), ..full() }, folder.path()).unwrap_err().to_string();
    assert!(said.contains("bytes even when compressed"), "{said}");
}
