//! `mode` and the keys beside it: keys that a mode requires, and keys that it ignores.
use super::Rules;
use crate::check::Issue;
use crate::place::at;
use crate::{CacheEngine, DatabaseEngine, Mode, Need, Origin, Switch};

/// The keys of one group by the mode that reads them. Keys in no list apply in both modes.
struct Group {
    name: &'static str,
    mode: &'static str,
    create: &'static [&'static str],
    /// Keys that `use` requires, with an example.
    use_: &'static [(&'static str, &'static str)],
    may_use: &'static [&'static str],
    both: &'static [&'static str],
}

pub(super) fn check(rules: &mut Rules<'_>) {
    let config = rules.config;
    let groups = [
        Group {
            name: "network",
            mode: origin(config.network.mode),
            create: &["cidr", "public", "private", "egress", "app"],
            use_: &[("vpc", "vpc = \"default\"")],
            may_use: &[],
            both: &[],
        },
        Group {
            name: "database",
            mode: mode(config.database.mode),
            create: &[
                "version",
                "class",
                "storage_gb",
                "encrypted",
                "multi_az",
                "backup_days",
                "deletion_protection",
                "parameters",
            ],
            use_: match config.database.engine {
                DatabaseEngine::Mysql => &[("endpoint", "endpoint = \"10.0.0.5:3306\"")],
                DatabaseEngine::Postgres => &[("endpoint", "endpoint = \"10.0.0.5:5432\"")],
            },
            may_use: &[],
            both: &["engine", "database", "user", "master_user", "sql", "refuse"],
        },
        Group {
            name: "cache",
            mode: mode(config.cache.mode),
            create: &["version", "class", "encrypted", "nodes"],
            use_: match config.cache.engine {
                CacheEngine::Redis | CacheEngine::Valkey => &[("endpoint", "endpoint = \"10.0.0.6:6379\"")],
                CacheEngine::Memcached => &[("endpoint", "endpoint = \"10.0.0.6:11211\"")],
            },
            may_use: &[],
            // The engine decides what is spoken with an existing server.
            both: &["engine"],
        },
        Group {
            name: "files",
            mode: mode(config.files.mode),
            create: &["throughput", "encrypted"],
            use_: &[("file_system", "file_system = \"fs-0123456789abcdef0\"")],
            may_use: &[],
            both: &["path"],
        },
        Group {
            name: "iam",
            mode: mode(config.iam.mode),
            create: &["read_objects", "kms_keys", "ssm", "policies", "permissions_boundary", "path"],
            use_: &[("instance_profile", "instance_profile = \"LabInstanceProfile\"")],
            may_use: &["role"],
            both: &["metadata"],
        },
        Group {
            name: "secrets",
            mode: origin(config.secrets.mode),
            create: &[],
            use_: &[
                ("master_password", "master_password = \"/event/master-password\""),
                ("app_password", "app_password = \"/event/app-password\""),
            ],
            may_use: &[],
            both: &[],
        },
        Group {
            name: "cdn",
            mode: if config.cdn.mode == Switch::Off { "off" } else { "create" },
            create: &[
                "ttl_seconds",
                "query",
                "headers",
                "price_class",
                "endpoint",
                "close_balancer",
                "repeated_percent",
            ],
            use_: &[],
            may_use: &[],
            both: &[],
        },
        Group {
            name: "monitoring",
            mode: if config.monitoring.mode == Switch::Off { "off" } else { "create" },
            create: &["notify", "log_days", "slow_seconds", "dashboard"],
            use_: &[],
            may_use: &[],
            both: &[],
        },
    ];
    for group in groups {
        check_group(rules, &group);
    }
    secrets_fit_database(rules);
    needs(rules);
}

fn check_group(rules: &mut Rules<'_>, group: &Group) {
    let Group { name, mode, .. } = group;
    let table = at(name);
    let mode_place = table.key("mode");
    for (key, example) in group.use_ {
        let here = table.key(key);
        match (*mode, rules.map.given(&here)) {
            ("use", false) => rules.found.error(
                "mode_needs",
                mode_place.clone(),
                format!("`{name}.mode` is \"use\", but no existing object is given"),
                format!("needs `{key}`"),
                format!("add `{example}` to [{name}], or set mode = \"create\""),
            ),
            ("create", true) => {
                let issue = Issue::error(
                    "mode_use_meant",
                    here,
                    format!("`{name}.{key}` names an existing object, but mode is \"create\""),
                    format!(
                        "gameday would create another one{}",
                        if *name == "database" { " and pay for it" } else { "" }
                    ),
                    format!("add mode = \"use\" to [{name}], or delete `{key}`"),
                );
                rules.found.push(issue.on_key().with(mode_place.clone(), "the mode"));
            }
            ("off", true) => idle(rules, group, key),
            _ => {}
        }
    }
    for key in group.create {
        if *mode != "create" && rules.map.given(&table.key(key)) {
            idle(rules, group, key);
        }
    }
    for key in group.may_use {
        if *mode != "use" && rules.map.given(&table.key(key)) {
            idle(rules, group, key);
        }
    }
    for key in group.both {
        if *mode == "off" && rules.map.given(&table.key(key)) {
            idle(rules, group, key);
        }
    }
}

fn idle(rules: &mut Rules<'_>, group: &Group, key: &str) {
    let Group { name, mode, .. } = group;
    let issue = Issue::warning(
        "mode_ignores",
        at(name).key(key),
        format!("`{name}.{key}` has no effect"),
        format!("it is ignored with mode = \"{mode}\""),
        format!("delete the line, or change `{name}.mode`"),
    );
    rules.found.push(issue.on_key().with(at(name).key("mode"), "the mode"));
}

/// Reports services that need a store which the stack does without, and stores that no service needs.
fn needs(rules: &mut Rules<'_>) {
    let config = rules.config;
    for (name, service) in &config.service {
        for (i, store) in service.needs.iter().flatten().enumerate() {
            let word = store.word();
            let here = at("service").key(name).key("needs").item(i);
            if config.mode_of(*store) == Mode::Off {
                let issue = Issue::error(
                    "needs_off",
                    here,
                    format!("{name} needs the {word}, but the stack has none"),
                    format!("`{word}.mode` is \"off\""),
                    format!("delete it here, or change `{word}.mode`"),
                );
                rules.found.push(issue.with(at(word).key("mode"), "the mode"));
            } else if service.needs.iter().flatten().take(i).any(|other| other == store) {
                rules.found.push(Issue::warning(
                    "value_twice",
                    here,
                    format!("{word} is given twice"),
                    "the second one has no effect",
                    "delete one",
                ));
            }
        }
    }
    for store in Need::ALL.into_iter().filter(|store| config.mode_of(*store) == Mode::Create) {
        let Some(name) = config.service.keys().next().filter(|_| !config.is_needed(store)) else { continue };
        let word = store.word();
        rules.found.push(Issue::warning(
            "store_unneeded",
            at("service").key(name).key("needs"),
            format!("no service needs the {word}"),
            "it is created and costs money, and nothing can reach it",
            format!("add \"{word}\" here, or write `mode = \"off\"` under [{word}]"),
        ));
    }
}

/// An existing database needs existing passwords.
fn secrets_fit_database(rules: &mut Rules<'_>) {
    let config = rules.config;
    if config.database.mode == Mode::Use && config.secrets.mode == Origin::Create {
        rules.found.push(
            Issue::error(
                "secrets_missing",
                at("database.mode"),
                "an existing database needs existing passwords",
                "gameday cannot generate them",
                "store them as SSM SecureString parameters and give their names: [secrets] mode = \"use\", \
                 master_password = \"/…\", app_password = \"/…\"",
            )
            .with(at("secrets.mode"), "\"create\" generates new ones"),
        );
    }
    if config.database.mode == Mode::Off && config.secrets.mode == Origin::Use {
        rules.found.push(
            Issue::warning(
                "secrets_idle",
                at("secrets.mode"),
                "the passwords have no effect",
                "there is no database",
                "delete [secrets], or give the stack a database",
            )
            .with(at("database.mode"), "off"),
        );
    }
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Create => "create",
        Mode::Use => "use",
        Mode::Off => "off",
    }
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Create => "create",
        Origin::Use => "use",
    }
}
