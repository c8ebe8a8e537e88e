//! The database: version, class, users, names, parameters.
use super::Rules;
use super::class::{class, warn_unless_t};
use crate::check::Issue;
use crate::derived::{NEW_IN_8_4, host_port};
use crate::place::{Place, at};
use crate::suggest::nearest;
use crate::{Database, Mode};

pub(super) fn check(rules: &mut Rules<'_>) {
    let database = &rules.config.database;
    if let Some(text) = &database.endpoint {
        endpoint(rules, at("database.endpoint"), text, 3306);
    }
    if database.mode == Mode::Off {
        return;
    }
    if database.mode == Mode::Create {
        version(rules, database);
        instance_class(rules, database);
        parameters(rules, database);
        if database.deletion_protection && database.mode == Mode::Create {
            rules.found.warn(
                "deletion_protection",
                at("database.deletion_protection"),
                "`gameday teardown` will stop at the database",
                "no tool can delete it while this is on",
                "set it to false before `gameday teardown`",
            );
        }
    }
    database_name(rules, database);
    users(rules, database);
    if database.sql.len() > SQL_FILES {
        let what = format!("`database.sql` names {} files", database.sql.len());
        rules.found.error(
            "sql_many",
            at("database.sql"),
            what,
            format!("{SQL_FILES} at most"),
            "join them: user data takes 16 KiB in all, or let the service set up its own tables",
        );
        return;
    }
    for (i, file) in database.sql.iter().enumerate() {
        rules.file_exists(at("database.sql").item(i), file);
        super::source::template_without_ending(rules, at("database.sql").item(i), file);
    }
}

/// The most files that are read for the database, each of at most 1 MiB.
const SQL_FILES: usize = 16;

/// Checks `host:port` of an existing server.
pub(super) fn endpoint(rules: &mut Rules<'_>, place: Place, text: &str, port: u16) {
    if host_port(text).is_some() {
        return;
    }
    let (why, fix) = match text.split_once("://") {
        Some((_, rest)) => ("a scheme is not allowed here", format!("write \"{}\"", rest.trim_end_matches('/'))),
        None if host_port(&format!("{text}:{port}")).is_some() => {
            ("the port is missing", format!("write \"{text}:{port}\""))
        }
        None => ("it has to be a host, a colon and a port", format!("for example \"db.example.internal:{port}\"")),
    };
    rules.found.error("endpoint_form", place, format!("{text:?} is not host:port"), why, fix);
}

fn version(rules: &mut Rules<'_>, database: &Database) {
    let version = &database.version;
    let here = at("database.version");
    let is = |series: &str| {
        version == series
            || version.strip_prefix(series).is_some_and(|rest| {
                rest.strip_prefix('.').is_some_and(|minor| minor.starts_with(|c: char| c.is_ascii_digit()))
            })
    };
    if is("8.4") {
    } else if is("8.0") {
        rules.found.warn(
            "version_extended_support",
            here,
            "MySQL 8.0 is past its standard support (2026-07-31)",
            "Extended Support: $0.10 per vCPU and hour, 12 times the price of a db.t3.micro",
            "use \"8.4\", unless the service's client cannot log in to it",
        );
    } else if version.starts_with("5.") {
        rules.found.error(
            "version_ended",
            here,
            format!("MySQL {version} is too old for RDS"),
            "its standard support ended on 2024-02-29",
            "use \"8.4\"",
        );
    } else {
        rules.found.error(
            "version_unknown",
            here,
            format!("RDS has no MySQL {version}"),
            "not a version that RDS offers",
            "use \"8.4\" (the newest 8.4), or an exact one such as \"8.4.8\"",
        );
    }
}

fn instance_class(rules: &mut Rules<'_>, database: &Database) {
    let here = at("database.class");
    let Some(class) = class(rules, here.clone(), "db.", &database.class) else { return };
    if matches!(class.family, "t1" | "t2" | "m1" | "m2" | "m3") {
        let size = if matches!(class.size, "nano" | "micro") { "micro" } else { class.size };
        rules.found.error(
            "class_retired",
            here,
            format!("RDS no longer creates {} with MySQL", database.class),
            "the class is retired (the API refuses it since 2024)",
            format!("use \"db.t3.{size}\": same size, same T series"),
        );
        return;
    }
    warn_unless_t(rules, here, &class, &database.class, "db.t3.micro");
}

fn database_name(rules: &mut Rules<'_>, database: &Database) {
    let name = &database.database;
    let here = at("database.database");
    let length = name.chars().count();
    let why = if !(1..=64).contains(&length) {
        format!("{length} characters; 1 to 64 are allowed")
    } else if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        "it has to begin with a letter".into()
    } else if let Some(bad) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '_')) {
        format!("{bad:?} is not allowed")
    } else if ["mysql", "sys", "information_schema", "performance_schema", "innodb"]
        .contains(&name.to_lowercase().as_str())
    {
        "MySQL reserves this name".into()
    } else {
        return;
    };
    let fix = "letters, digits and _, a letter first: \"unicorndb\"";
    rules.found.error("database_name", here, format!("{name:?} cannot be the name of a database"), why, fix);
}

fn users(rules: &mut Rules<'_>, database: &Database) {
    let (user, master) = (&database.user, &database.master_user);
    let form = |name: &str, longest: usize| {
        let length = name.chars().count();
        if !(1..=longest).contains(&length) {
            Some(format!("{length} characters; 1 to {longest} are allowed"))
        } else if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            Some("it has to begin with a letter".to_owned())
        } else {
            let bad = name.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '_'))?;
            Some(format!("{bad:?} is not allowed"))
        }
    };
    // RDS and MySQL reserve these names.
    let reserved = |name: &str| {
        ["rdsadmin", "rdsrepladmin", "rdsproxyadmin", "rds_superuser_role", "mysql", "sys", "user", "public", "default"]
            .contains(&name.to_lowercase().as_str())
    };
    if let Some(why) = form(master, 16) {
        let fix = "letters, digits and _, a letter first, at most 16: \"gdadmin\"";
        rules.found.error(
            "master_user",
            at("database.master_user"),
            format!("{master:?} cannot be a master user"),
            why,
            fix,
        );
    } else if database.mode == Mode::Create && reserved(master) {
        rules.found.error(
            "master_user",
            at("database.master_user"),
            format!("{master:?} cannot be a master user"),
            "RDS reserves this name",
            "choose another, such as \"gdadmin\"",
        );
    }
    if let Some(why) = form(user, 32) {
        let fix = "letters, digits and _, a letter first, at most 32: \"gdapp\"";
        rules.found.error("user", at("database.user"), format!("{user:?} cannot be a database user"), why, fix);
    } else if user.eq_ignore_ascii_case("root") || user.eq_ignore_ascii_case("admin") || reserved(user) {
        rules.found.error(
            "user_root",
            at("database.user"),
            format!("the service is not allowed to log in as {user}"),
            "an application needs its own user, without the administrator's rights",
            "choose another, such as \"gdapp\"",
        );
    } else if user.eq_ignore_ascii_case(master) {
        rules.found.push(
            Issue::error(
                "user_is_master",
                at("database.user"),
                "the service would log in as the master user",
                "an application needs its own user, without the administrator's rights",
                "give `user` another name; gameday creates it",
            )
            .with(at("database.master_user"), "the master user"),
        );
    }
}

/// Parameters that events set most. A typing error shows only when RDS refuses the whole group.
const KNOWN: &[&str] = &[
    "authentication_policy",
    "binlog_format",
    "character_set_client",
    "character_set_server",
    "collation_server",
    "connect_timeout",
    "event_scheduler",
    "general_log",
    "innodb_buffer_pool_size",
    "innodb_flush_log_at_trx_commit",
    "innodb_lock_wait_timeout",
    "interactive_timeout",
    "local_infile",
    "log_bin_trust_function_creators",
    "log_output",
    "long_query_time",
    "lower_case_table_names",
    "max_allowed_packet",
    "max_connect_errors",
    "max_connections",
    "max_user_connections",
    "net_read_timeout",
    "net_write_timeout",
    "performance_schema",
    "require_secure_transport",
    "skip_name_resolve",
    "slow_query_log",
    "sql_mode",
    "table_open_cache",
    "thread_cache_size",
    "time_zone",
    "tmp_table_size",
    "transaction_isolation",
    "wait_timeout",
];

fn parameters(rules: &mut Rules<'_>, database: &Database) {
    for (name, value) in &database.parameters {
        let here = at("database.parameters").key(name);
        if !rules.map.given(&here) {
            continue;
        }
        let well_formed =
            !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-".contains(c));
        let gone = name.starts_with("query_cache_")
            || (name == "default_authentication_plugin" && !database.extended_support());
        let to_come = name == NEW_IN_8_4 && database.extended_support();
        let meant = if KNOWN.contains(&name.as_str()) { None } else { nearest(name, KNOWN.iter().copied()) };
        if !well_formed {
            let lower = name.to_lowercase();
            let issue = Issue::error(
                "parameter_name",
                here,
                format!("{name:?} is not the name of a MySQL parameter"),
                "small letters, digits and _",
                match nearest(&lower, KNOWN.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "see `SHOW VARIABLES`".into(),
                },
            );
            rules.found.push(issue.on_key());
        } else if gone || to_come {
            let issue = Issue::error(
                "parameter_gone",
                here,
                format!("MySQL {} has no `{name}`", database.version),
                if to_come { "the parameter is new in 8.4" } else { "the parameter was removed" },
                match name.as_str() {
                    NEW_IN_8_4 => {
                        "delete the line: 8.0 uses mysql_native_password by default; or use version = \"8.4\""
                    }
                    "default_authentication_plugin" => {
                        "use `authentication_policy = \"*:mysql_native_password\"` (the default here)"
                    }
                    _ => "delete the line",
                },
            );
            rules.found.push(issue.on_key());
        } else if value.is_empty() {
            rules.found.error(
                "parameter_value",
                here,
                format!("`{name}` has no value"),
                "RDS accepts no empty value",
                "give a value, or delete the line to keep the default",
            );
        } else if let Some(meant) = meant {
            let issue = Issue::warning(
                "parameter_slip",
                here,
                format!("`{name}` is probably a typing error"),
                "RDS refuses the whole group because of one unknown name",
                format!("did you mean `{meant}`?"),
            );
            rules.found.push(issue.on_key());
        } else if name == "require_secure_transport" && matches!(value.to_lowercase().as_str(), "1" | "on") {
            rules.found.warn(
                "parameter_tls_only",
                here,
                "the database will refuse clients without TLS",
                "the service's server.ini cannot ask for TLS",
                "set it to \"0\", unless your service uses TLS to MySQL",
            );
        }
    }
}
