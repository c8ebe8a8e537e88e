//! The database: version, class, users, names, parameters.
use super::Rules;
use super::class::{class, warn_unless_t};
use crate::check::Issue;
use crate::derived::host_port;
use crate::engines::today;
use crate::place::{Place, at};
use crate::{Database, DatabaseEngine, Mode, Run, ServiceScope};

pub(super) fn check(rules: &mut Rules<'_>) {
    let database = &rules.config.database;
    if let Some(text) = &database.endpoint {
        endpoint(rules, at("database.endpoint"), text, database.engine.port());
    }
    if database.mode == Mode::Off {
        return;
    }
    if database.mode == Mode::Create {
        version(rules, database);
        instance_class(rules, database);
        super::parameters::check(rules, database);
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
    configuration(rules, database);
    super::refuse::check(rules, database);
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

/// The shipped configuration file has the keys of a server that speaks MySQL.
fn configuration(rules: &mut Rules<'_>, database: &Database) {
    let shipped =
        |s: &ServiceScope<'_>| s.run == Run::Binary && s.config.is_none() && s.user_data.is_none() && s.env.is_empty();
    let Some(service) = rules.config.services().find(shipped).filter(|_| database.engine != DatabaseEngine::Mysql)
    else {
        return;
    };
    let place = at("service").key(service.name).key("source");
    let issue = Issue::warning(
        "config_engine",
        place,
        format!("nothing tells `{}` where the database is", service.name),
        "the shipped server.ini has keys for MySQL only",
        format!("give it a file under [service.{}], config = \"lookup.ini.j2\", or variables under env", service.name),
    );
    rules.found.push(issue.with(at("database.engine"), "the engine"));
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
    let Some(version) = &database.version else { return };
    let (engine, here) = (database.engine, at("database.version"));
    let (name, usual) = (engine.speaks(), engine.usual_version());
    let today = rules.outside.today.unwrap_or_else(today);
    let minor = |series: &str| version.strip_prefix(series).and_then(|rest| rest.strip_prefix('.'));
    let is_form = |series: &str| {
        version == series || minor(series).is_some_and(|minor| minor.starts_with(|c: char| c.is_ascii_digit()))
    };
    let Some(series) = engine.series(version).filter(|series| is_form(series.name)) else {
        return unknown_version(rules, database, version);
    };
    let oldest = series.oldest;
    let minor = minor(series.name).and_then(|minor| minor.split(['.', '-']).next()?.parse::<u64>().ok());
    if series.has_ended(today) {
        rules.found.warn(
            "version_extended_support",
            here,
            format!("{name} {} is past its standard support ({})", series.name, series.until),
            "Extended Support: $0.10 per vCPU and hour, 12 times the price of a db.t3.micro",
            format!("use \"{usual}\", unless the service's client cannot log in to it"),
        );
    } else if series.ends_soon(today) {
        rules.found.warn(
            "version_ends",
            here,
            format!("the standard support of {name} {} ends on {}", series.name, series.until),
            "from then on RDS bills Extended Support: $0.10 per vCPU and hour",
            format!("use \"{usual}\" for a new database"),
        );
    } else if minor.is_some_and(|minor| minor < oldest) {
        rules.found.warn(
            "version_closed",
            here,
            format!("RDS no longer creates {name} {version}"),
            format!("the oldest {} that it creates is {}.{oldest}", series.name, series.name),
            format!("use \"{0}\", the newest {0}, unless the database has this version already", series.name),
        );
    }
}

/// Reports a version that RDS does not create.
fn unknown_version(rules: &mut Rules<'_>, database: &Database, version: &str) {
    let (engine, here) = (database.engine, at("database.version"));
    let (name, usual) = (engine.speaks(), engine.usual_version());
    let first = version.split('.').next().and_then(|first| first.parse::<u64>().ok());
    let ended = match engine {
        DatabaseEngine::Mysql => version.starts_with("5.").then_some("2024-02-29"),
        DatabaseEngine::Postgres => first.filter(|first| (9..14).contains(first)).map(|_| "2026-02-28"),
    };
    let other = DatabaseEngine::ALL.into_iter().find(|other| *other != engine && other.series(version).is_some());
    if let Some(other) = other {
        let issue = Issue::error(
            "version_unknown",
            here,
            format!("RDS has no {name} {version}"),
            format!("this is a version of {}", other.speaks()),
            format!("set engine = \"{other}\", or version = \"{usual}\""),
        );
        rules.found.push(issue.with(at("database.engine"), "the engine"));
    } else if let Some(ended) = ended {
        rules.found.error(
            "version_ended",
            here,
            format!("{name} {version} is too old for RDS"),
            format!("its standard support ended on {ended}{}", if first == Some(5) { "" } else { " or earlier" }),
            format!("use \"{usual}\""),
        );
    } else {
        let exact = match engine {
            DatabaseEngine::Mysql => "8.4.8",
            DatabaseEngine::Postgres => "17.6",
        };
        rules.found.error(
            "version_unknown",
            here,
            format!("RDS has no {name} {version}"),
            "not a version that RDS offers",
            format!("use \"{usual}\" (the newest {usual}), or an exact one such as \"{exact}\""),
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
            format!("RDS no longer creates {} with {}", database.class, database.engine.speaks()),
            "the class is retired (the API refuses it since 2024)",
            format!("use \"db.t3.{size}\": same size, same T series"),
        );
        return;
    }
    warn_unless_t(rules, here, &class, &database.class, "db.t3.micro");
}

/// Returns why a name cannot be that of a database or user.
fn form(name: &str, longest: usize, engine: DatabaseEngine) -> Option<String> {
    let length = name.chars().count();
    if !(1..=longest).contains(&length) {
        Some(format!("{length} characters; 1 to {longest} are allowed"))
    } else if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        Some("it has to begin with a letter".into())
    } else if let Some(bad) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '_')) {
        Some(format!("{bad:?} is not allowed"))
    } else if engine == DatabaseEngine::Postgres && name.chars().any(|c| c.is_ascii_uppercase()) {
        Some("PostgreSQL turns names without quotes into small letters: clients would not find it".into())
    } else {
        None
    }
}

/// Returns the allowed characters, for a way out.
fn allowed(engine: DatabaseEngine) -> &'static str {
    match engine {
        DatabaseEngine::Mysql => "letters, digits and _, a letter first",
        DatabaseEngine::Postgres => "small letters, digits and _, a letter first",
    }
}

fn database_name(rules: &mut Rules<'_>, database: &Database) {
    let (name, engine) = (&database.database, database.engine);
    let why = form(name, engine.longest_database(), engine).or_else(|| {
        let reserved = engine.reserved_databases().contains(&name.to_lowercase().as_str());
        reserved.then(|| format!("{} reserves this name", engine.speaks()))
    });
    let Some(why) = why else { return };
    let fix = format!("{}: \"unicorndb\"", allowed(engine));
    let what = format!("{name:?} cannot be the name of a database");
    rules.found.error("database_name", at("database.database"), what, why, fix);
}

fn users(rules: &mut Rules<'_>, database: &Database) {
    let (user, master, engine) = (&database.user, &database.master_user, database.engine);
    // RDS and the engine reserve these names.
    let reserved = |name: &str| {
        let name = name.to_lowercase();
        let of_postgres = engine == DatabaseEngine::Postgres && name.starts_with("pg_");
        of_postgres || engine.reserved_users().contains(&name.as_str())
    };
    if let Some(why) = form(master, 16, engine) {
        let fix = format!("{}, at most 16: \"gdadmin\"", allowed(engine));
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
    if let Some(why) = form(user, engine.longest_user(), engine) {
        let fix = format!("{}, at most {}: \"gdapp\"", allowed(engine), engine.longest_user());
        rules.found.error("user", at("database.user"), format!("{user:?} cannot be a database user"), why, fix);
    } else if ["root", "admin", "postgres"].iter().any(|name| user.eq_ignore_ascii_case(name)) || reserved(user) {
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
