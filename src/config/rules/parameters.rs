//! The parameters of the database's group.
use super::Rules;
use crate::check::Issue;
use crate::derived::NEW_IN_8_4;
use crate::place::at;
use crate::suggest::nearest;
use crate::{Database, DatabaseEngine};

/// Parameters of MySQL that events set most.
const MYSQL: &[&str] = &[
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

/// Parameters of PostgreSQL that events set most.
const POSTGRES: &[&str] = &[
    "autovacuum",
    "checkpoint_timeout",
    "client_encoding",
    "client_min_messages",
    "deadlock_timeout",
    "default_transaction_isolation",
    "effective_cache_size",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "lock_timeout",
    "log_connections",
    "log_disconnections",
    "log_min_duration_statement",
    "log_min_messages",
    "log_statement",
    "maintenance_work_mem",
    "max_connections",
    "max_wal_size",
    "password_encryption",
    "random_page_cost",
    "rds.force_ssl",
    "rds.logical_replication",
    "search_path",
    "shared_buffers",
    "shared_preload_libraries",
    "statement_timeout",
    "synchronous_commit",
    "tcp_keepalives_idle",
    "timezone",
    "track_io_timing",
    "work_mem",
];

/// Returns the parameters of an engine that events set most.
///
/// A typing error shows only when RDS refuses the whole group.
fn known_of(engine: DatabaseEngine) -> &'static [&'static str] {
    match engine {
        DatabaseEngine::Mysql => MYSQL,
        DatabaseEngine::Postgres => POSTGRES,
    }
}

pub(super) fn check(rules: &mut Rules<'_>, database: &Database) {
    let engine = database.engine;
    let (speaks, known) = (engine.speaks(), known_of(engine));
    for (name, value) in &database.parameters {
        let here = at("database.parameters").key(name);
        if !rules.map.given(&here) {
            continue;
        }
        let well_formed =
            !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-".contains(c));
        let family = database.family();
        let of_mysql = engine == DatabaseEngine::Mysql;
        let gone = of_mysql
            && (name.starts_with("query_cache_") || (name == "default_authentication_plugin" && family != "mysql8.0"));
        let to_come = name == NEW_IN_8_4 && family == "mysql8.0";
        let meant = if known.contains(&name.as_str()) { None } else { nearest(name, known.iter().copied()) };
        let other = DatabaseEngine::ALL.into_iter().find(|other| {
            *other != engine && known_of(*other).contains(&name.as_str()) && !known.contains(&name.as_str())
        });
        if !well_formed {
            let lower = name.to_lowercase();
            let issue = Issue::error(
                "parameter_name",
                here,
                format!("{name:?} is not the name of a {speaks} parameter"),
                "small letters, digits and _",
                match nearest(&lower, known.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None if of_mysql => "see `SHOW VARIABLES`".into(),
                    None => "see `SHOW ALL`".into(),
                },
            );
            rules.found.push(issue.on_key());
        } else if gone || to_come {
            let issue = Issue::error(
                "parameter_gone",
                here,
                format!("MySQL {} has no `{name}`", database.engine_version()),
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
        } else if let Some(other) = other {
            let issue = Issue::error(
                "parameter_engine",
                here,
                format!("{speaks} has no `{name}`"),
                format!("it is a parameter of {}", other.speaks()),
                "delete the line",
            );
            rules.found.push(issue.on_key().with(at("database.engine"), "the engine"));
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
        } else if name == engine.tls_parameter() && matches!(value.to_lowercase().as_str(), "1" | "on") {
            rules.found.warn(
                "parameter_tls_only",
                here,
                "the database will refuse clients without TLS",
                "the service's server.ini cannot ask for TLS",
                format!("set it to \"0\", unless your service uses TLS to {speaks}"),
            );
        }
    }
}
