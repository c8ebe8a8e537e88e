//! The findings about the database: its status, its settings, and whether the instances can reach it.
use crate::{
    aws::words::{is, rds},
    config::{DatabaseEngine, Mode},
    diagnose::{Draft, Hop, HopName, State, UP, View, names},
    parts::store::{Place, Refusal, Status, Store, rules},
    resources::database::repair,
    shell::command,
    snapshot::Part,
};

/// A database of MySQL as a store.
pub(crate) const MYSQL: Store = store(DatabaseEngine::Mysql);
/// A database of PostgreSQL as a store.
pub(crate) const POSTGRES: Store = store(DatabaseEngine::Postgres);

const fn store(engine: DatabaseEngine) -> Store {
    Store {
        hop: HopName::Database,
        what: "the database",
        speaks: engine.speaks(),
        port: engine.port(),
        group: "db",
        stage: "database",
        rules: rules!("database"),
        statuses: STATUSES,
        refusal,
    }
}

/// Rule and cause for a database that cannot be repaired.
const FAILED: (&str, &str) = ("database-failed", "the database is broken");
const REPLACE: &str = "gameday up --replace database/main";

/// The meaning of the statuses of RDS.
const STATUSES: &[Status] = &[
    Status::broken(
        &["stopped", "stopping"],
        "database-stopped",
        "the database is stopped",
        UP,
        Some("starts it: about 5 minutes"),
    ),
    Status::broken(
        rds::DELETING,
        "database-deleting",
        "the database is being deleted",
        UP,
        Some("waits, then creates a new one"),
    ),
    Status::broken(
        rds::FULL,
        "database-full",
        "the database's storage is full",
        UP,
        Some("after raising storage_gb under [database]"),
    ),
    Status::broken(rds::LOST, FAILED.0, FAILED.1, REPLACE, Some("its data is lost")),
    Status::broken(rds::BLOCKED, FAILED.0, FAILED.1, REPLACE, Some("its data is lost")),
    Status::serves(rds::AVAILABLE),
    Status::busy(rds::RESTARTING, "database-busy", "the database is still restarting"),
    // A database accepts connections long before it is `available` [AWS 1.4].
    Status::serves_at_endpoint(Status::OTHER),
    Status::busy(Status::OTHER, "database-creating", "AWS is still creating the database"),
];

/// Returns the hop of the database, or `None` if the stack has none.
pub(crate) fn hop(view: &View<'_>) -> Option<Hop> {
    let s = view.s;
    let store = match s.expected.database_engine {
        DatabaseEngine::Mysql => &MYSQL,
        DatabaseEngine::Postgres => &POSTGRES,
    };
    match s.expected.database {
        Mode::Off => return None,
        Mode::Use => return Some(store.used(view, s.expected.database_endpoint.as_deref())),
        Mode::Create => {}
    }
    let mut hop = Draft::hop();
    let name = &s.expected.names.database;
    let Some(d) = &s.database else {
        if s.saw(Part::Database) {
            hop.push(Draft::new(
                "database-missing",
                format!("there is no database {name}"),
                "DescribeDBInstances returns none with this name",
                (UP, "5 to 10 minutes; the data is gone unless there is a snapshot"),
            ));
        }
        return Some(hop.done(
            HopName::Database,
            s.saw(Part::Database),
            view.absent(Part::Database, format!("no RDS instance {name}")),
        ));
    };
    let status = d.status.as_str();
    let mut trouble = store.status(&d.id, status, d.host.is_some());
    if let (Some(draft), Some(how)) = (&mut trouble, repair(status, &d.id).filter(|_| is(status, rds::BLOCKED))) {
        draft.fix = (UP, how).into();
    }
    hop.extend(trouble);
    if d.parameters.values().any(|v| v == "pending-reboot") {
        let which = names(d.parameters.keys());
        hop.push(
            Draft::new(
                "database-parameters",
                "parameters do not take effect until the database reboots",
                which,
                command!("aws rds reboot-db-instance --db-instance-identifier {}", d.id),
            )
            .weak(),
        );
    }
    if s.expected.multi_az && !d.multi_az && status == "available" && d.pending.is_empty() {
        hop.push(
            Draft::new(
                "database-standby",
                "the database has no standby, although the stack file says multi_az",
                format!("{} is {status}", d.id),
                UP,
            )
            .weak(),
        );
    }
    let place =
        Place { port: d.port, groups: vec![&d.groups], subnets: d.subnets.iter().map(String::as_str).collect() };
    store.reach(view, &place, &mut hop);
    store.beacons(view, &mut hop);
    let host = d.host.as_deref().unwrap_or("no endpoint yet");
    let mut told = format!("{} {status}, {host}", d.id);
    if let Some(rows) = d.refused_rows {
        told += &format!(", rows refused: {rows}");
    }
    let mut hop = hop.done(HopName::Database, s.saw(Part::Database), told);
    if hop.state == State::Good && status != "available" {
        hop.state = State::Busy;
    }
    Some(hop)
}

/// Returns the meaning of an error in the boot stage of the database.
fn refusal(view: &View<'_>, error: &str) -> Option<Refusal> {
    if error.contains("ERROR 1045") || error.contains("wrong password") {
        let fix = match view.s.expected.database {
            Mode::Create => UP.into(),
            _ => (UP, "after correcting the parameters under [secrets]").into(),
        };
        return Some(("database-credentials", "the database refuses the credentials", fix));
    }
    let reached = !error.contains("not reachable");
    let cause = "the instances reach the database, but cannot set it up";
    reached.then(|| ("database-sql", cause, "gameday logs --since 10m".into()))
}
