use super::*;
use std::fs;

fn database(password: SecretSource) -> Database {
    Database {
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
        cache: Some(Cache { host: "(known after cache/main)".into(), port: 6379 }),
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

/// Every style with everything, with nothing, and without a profile.
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
fn the_same_input_gives_the_same_bytes() {
    let (one, two) = (render(&full(), here()).unwrap(), render(&full(), here()).unwrap());
    assert_eq!(one.encoded, two.encoded);
    assert_eq!(decode(&one.encoded).unwrap(), one.user_data);
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
    assert_eq!(decode_raw(&rendered.encoded).unwrap().matches("s3cret-app").count(), 1);
    assert_eq!(decode(&rendered.encoded).unwrap(), rendered.user_data);
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

    // What is off is none: using it is as much an error as a misspelt name.
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
    // As a Windows editor would leave it.
    fs::write(folder.path().join("app.yaml.j2"), "\u{feff}redis: {{ cache.host | ini }}\r\nport: {{ port }}").unwrap();
    fs::write(
        folder.path().join("own.sh.j2"),
        "#!/bin/bash\r\necho {{ service | sh }}\r\n{{ put('/etc/app.yaml', config.template) }}\r\n",
    )
    .unwrap();
    let boot = Boot {
        config: Some("app.yaml.j2".into()),
        user_data: Some("own.sh.j2".into()),
        cache: Some(Cache { host: "r".into(), port: 6379 }),
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
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
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
