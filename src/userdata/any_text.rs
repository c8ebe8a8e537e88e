//! Rendering any template of a user ends in user data, or in an error that names file and line. Neither contains a
//! password.
use super::*;
use proptest::prelude::*;
use std::path::Path;

const CANARY: &str = "c4n'ary\"\\-7f3a";

/// Generates text with typing errors: pieces of templates in any order, and anything between.
fn text() -> impl Strategy<Value = String> {
    let pieces = [
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        " if ",
        " else ",
        " endif ",
        " for x in ",
        " endfor ",
        "database",
        ".host",
        ".password",
        ".app_password",
        ".master_password",
        "cache",
        "files",
        "env",
        "stack",
        "nothing",
        "|sh",
        "|sql",
        "|ini",
        "|line",
        "|upper",
        "|tojson",
        "put(",
        "put_text(",
        "put_secret(",
        "include ",
        "'server.ini.j2'",
        "'own.ini.j2'",
        "'app_password'",
        ", ",
        ")",
        "(",
        "[0]",
        "range(9)",
        "\n",
        "\r\n",
        "\t",
        "0",
        "-",
        "%",
        "#",
        "@@app_password@@",
        "END_OF_FILE",
        "END_OF_SECRET",
        "\u{feff}",
        "ä",
    ];
    let piece = prop_oneof![4 => proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,6}"];
    proptest::collection::vec(piece, 0..24).prop_map(|all| all.concat())
}

fn boot(config: bool, user_data: bool, env: &str, command: &str) -> Boot {
    Boot {
        config: config.then(|| "own.ini.j2".into()),
        user_data: user_data.then(|| "own.sh.j2".into()),
        env: [("KEY".to_owned(), env.to_owned())].into(),
        command: Some(command.to_owned()),
        database: Some(Database {
            engine: DatabaseEngine::Mysql,
            refuse: vec![],
            host: "db.example".into(),
            port: 3306,
            database: "unicorndb".into(),
            user: "gdapp".into(),
            app_password: SecretSource::Literal(CANARY.into()),
            app_password_set: None,
            master_user: "gdadmin".into(),
            master_password: Some(SecretSource::Literal(CANARY.into())),
            sql: vec![],
        }),
        ..Boot::new("demo", "billing", "https://example.com/server")
    }
}

fn check(boot: &Boot, base: &Path, own: &[(&str, &str)]) -> std::result::Result<(), TestCaseError> {
    match render(boot, base) {
        Ok(done) => prop_assert!(!done.user_data.contains(CANARY), "what is shown has the password"),
        Err(e) => {
            let plain = e.to_string();
            let said = format!("{plain} {:?}", miette::Report::new(*e));
            prop_assert!(!said.contains(CANARY) && !said.contains("c4n"), "{said}");
            if !said.contains("line break or another control character in it") && !said.contains("when compressed") {
                prop_assert!(said.contains(", line "), "{said}");
                prop_assert!(own.iter().any(|(file, _)| said.contains(file)), "no file of the user's in {said}");
            }
        }
    }
    Ok(())
}

#[test]
fn any_template_is_rendered_or_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    proptest!(ProptestConfig::with_cases(400), |(config in text(), user_data in text())| {
        std::fs::write(folder.path().join("own.ini.j2"), &config).unwrap();
        std::fs::write(folder.path().join("own.sh.j2"), &user_data).unwrap();
        let own = [("own.ini.j2", config.as_str()), ("own.sh.j2", user_data.as_str())];
        check(&boot(true, false, "", "./server"), folder.path(), &own)?;
        check(&boot(true, true, "", "./server"), folder.path(), &own)?;
    });
}

#[test]
fn any_value_is_rendered_or_refused_with_its_place() {
    let own = [("env.KEY", ""), ("command", "")];
    proptest!(ProptestConfig::with_cases(400), |(env in text(), command in text())| {
        check(&boot(false, false, &env, &command), Path::new("."), &own)?;
    });
}

#[test]
fn a_secret_is_nowhere_but_where_it_is_revealed() {
    let secret = crate::engine::Secret::new(CANARY);
    let lost = std::panic::catch_unwind(|| panic!("with {:?} and {}", secret.clone(), secret)).unwrap_err();
    let all = [
        format!("{secret} {secret:?} {secret:#?} {:?}", Some(&secret)),
        serde_json::to_string(&secret).unwrap(),
        lost.downcast_ref::<String>().unwrap().clone(),
    ];
    assert!(all.iter().all(|said| !said.contains("c4n")), "{all:?}");
    let given = boot(false, false, "", "./server");
    let said = format!("{given:?}");
    assert!(!said.contains("c4n"), "{said}");
}
