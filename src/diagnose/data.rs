//! What the service needs behind it: database, cache, files.
use super::{
    Draft, Drafts, Fix, Hop, HopName, State, UP, View, adopt, fleet, names, no_group, reach::anywhere, sorted,
};
use crate::{
    config::Mode,
    resources::database::repair,
    shell::command,
    snapshot::{Beacon, Part},
};

/// A service that the instances connect to.
struct Store<'a> {
    hop: HopName,
    /// Its step's security group, and the stage of the boot that looks for it.
    group: &'static str,
    stage: &'static str,
    what: &'static str,
    port: u16,
    rules: Rules,
    groups: Vec<&'a [String]>,
    subnets: Vec<&'a str>,
}

/// The names of the rules that all three share.
struct Rules {
    wrong_group: &'static str,
    ingress: &'static str,
    egress: &'static str,
    acl: &'static str,
    beacon: &'static str,
}

pub(super) fn database(view: &View<'_>) -> Option<Hop> {
    let s = view.s;
    let rules = Rules {
        wrong_group: "database-groups",
        ingress: "database-ingress",
        egress: "database-egress",
        acl: "acl-database",
        beacon: "boot-database",
    };
    let port = s.database.as_ref().and_then(|d| d.port).unwrap_or(3306);
    let mut store = Store {
        hop: HopName::Database,
        group: "db",
        stage: "database",
        what: "the database",
        port,
        rules,
        groups: vec![],
        subnets: vec![],
    };
    let mut hop = Draft::hop();
    match s.expected.database {
        Mode::Off => return None,
        Mode::Use => return Some(used(view, store, s.expected.database_endpoint.as_deref())),
        Mode::Create => {}
    }
    let name = &s.expected.names.database;
    let Some(d) = &s.database else {
        if s.saw(Part::Database) {
            hop.push(Draft::new(
                "database-missing",
                format!("there is no database {name}"),
                "DescribeDBInstances gives none of this name",
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
    let evidence = format!("{} is {status}", d.id);
    match status {
        "stopped" | "stopping" => hop.push(Draft::new(
            "database-stopped",
            "the database is stopped",
            &evidence,
            (UP, "starts it: about 5 minutes"),
        )),
        "deleting" | "delete-precheck" => hop.push(Draft::new(
            "database-deleting",
            "the database is being deleted",
            &evidence,
            (UP, "waits, then makes a new one"),
        )),
        "storage-full" => hop.push(Draft::new(
            "database-full",
            "the database's storage is full",
            &evidence,
            (UP, "after raising storage_gb under [database]"),
        )),
        "failed" | "restore-error" | "insufficient-capacity" => hop.push(failed(&evidence, None)),
        s if s.starts_with("incompatible-") || s.starts_with("inaccessible-") => {
            hop.push(failed(&evidence, repair(s, &d.id)))
        }
        "available" => {}
        "starting" | "rebooting" | "renaming" | "upgrading" | "resetting-master-credentials" => {
            hop.push(busy("database-busy", "the database is not back yet", &evidence))
        }
        // It takes connections long before it is `available` [AWS 1.4].
        _ if d.host.is_some() => {}
        _ => hop.push(busy("database-creating", "AWS is still making the database", &evidence)),
    }
    if d.parameters.values().any(|v| v == "pending-reboot") {
        let which = names(d.parameters.keys());
        hop.push(
            Draft::new(
                "database-parameters",
                "parameters are not in force until the database reboots",
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
                "the database has no standby, though the stack file says multi_az",
                evidence.clone(),
                UP,
            )
            .weak(),
        );
    }
    store.groups = vec![&d.groups];
    store.subnets = d.subnets.iter().map(String::as_str).collect();
    reach(view, &store, &mut hop);
    beacons(view, &store, &mut hop);
    let host = d.host.as_deref().unwrap_or("no endpoint yet");
    let told = format!("{} {status}, {host}", d.id);
    let mut hop = hop.done(HopName::Database, s.saw(Part::Database), told);
    if hop.state == State::Good && status != "available" {
        hop.state = State::Busy;
    }
    Some(hop)
}

fn failed(evidence: &str, repair: Option<String>) -> Draft {
    let again = || ("gameday up --replace database/main", "its data is lost").into();
    let fix: Fix = repair.map_or_else(again, |how| (UP, how).into());
    Draft::new("database-failed", "the database is broken", evidence, fix)
}

fn busy(rule: &'static str, cause: &str, evidence: &str) -> Draft {
    Draft::new(rule, cause, evidence, (UP, "waits for it")).waiting()
}

pub(super) fn cache(view: &View<'_>) -> Option<Hop> {
    let s = view.s;
    let rules = Rules {
        wrong_group: "cache-groups",
        ingress: "cache-ingress",
        egress: "cache-egress",
        acl: "acl-cache",
        beacon: "boot-cache",
    };
    let port = s.cache.as_ref().and_then(|c| c.port).unwrap_or(6379);
    let mut store = Store {
        hop: HopName::Cache,
        group: "cache",
        stage: "cache",
        what: "the cache",
        port,
        rules,
        groups: vec![],
        subnets: vec![],
    };
    let mut hop = Draft::hop();
    match s.expected.cache {
        Mode::Off => return None,
        Mode::Use => return Some(used(view, store, s.expected.cache_endpoint.as_deref())),
        Mode::Create => {}
    }
    let name = &s.expected.names.cache;
    let Some(c) = &s.cache else {
        if s.saw(Part::Cache) {
            hop.push(Draft::new(
                "cache-missing",
                format!("there is no cache {name}"),
                "DescribeReplicationGroups gives none of this name",
                (UP, "5 to 10 minutes"),
            ));
        }
        return Some(hop.done(
            HopName::Cache,
            s.saw(Part::Cache),
            view.absent(Part::Cache, format!("no replication group {name}")),
        ));
    };
    let evidence = format!("{} is {}", c.id, c.status);
    match c.status.as_str() {
        "available" | "snapshotting" => {}
        "deleting" => hop.push(Draft::new(
            "cache-deleting",
            "the cache is being deleted",
            &evidence,
            (UP, "waits, then makes a new one"),
        )),
        "create-failed" => hop.push(Draft::new(
            "cache-failed",
            "AWS could not make the cache",
            &evidence,
            "gameday up --replace cache/main",
        )),
        "modifying" if c.host.is_some() => {}
        _ => hop.push(busy("cache-creating", "AWS is still making the cache", &evidence)),
    }
    if c.tls {
        hop.push(
            Draft::new(
                "cache-tls",
                "the cache wants TLS, the service speaks plain Redis",
                evidence.clone(),
                "gameday up --replace cache/main",
            )
            .weak_if(view.serves()),
        );
    }
    let nodes = s.expected.cache_nodes as usize;
    if c.members.len() < nodes && c.status == "available" {
        let what = format!("{} of {nodes} nodes: {}", c.members.len(), names(c.members.iter().map(|m| &m.id)));
        hop.push(
            Draft::new("cache-replica-missing", "the cache has fewer nodes than the stack file says", what, UP).weak(),
        );
    }
    store.groups = vec![&c.groups];
    // A member says its groups only once it is there.
    if s.saw(Part::CacheNodes) && (!c.groups.is_empty() || c.status == "available") {
        reach(view, &store, &mut hop);
    }
    beacons(view, &store, &mut hop);
    let told = format!(
        "{} {}, {}, {}",
        c.id,
        c.status,
        super::names([count(c.members.len())]),
        c.host.as_deref().unwrap_or("no endpoint yet")
    );
    Some(hop.done(HopName::Cache, s.saw(Part::Cache), told))
}

fn count(nodes: usize) -> String {
    if nodes == 1 { "1 node".into() } else { format!("{nodes} nodes") }
}

pub(super) fn files(view: &View<'_>) -> Option<Hop> {
    let s = view.s;
    if s.expected.files == Mode::Off {
        return None;
    }
    let rules = Rules {
        wrong_group: "files-groups",
        ingress: "files-ingress",
        egress: "files-egress",
        acl: "acl-files",
        beacon: "boot-files",
    };
    let mut hop = Draft::hop();
    let seen = s.saw(Part::Files);
    let Some(f) = &s.files else {
        if seen {
            hop.push(Draft::new(
                "files-missing",
                "there is no file system of the stack",
                "DescribeFileSystems gives none with its tag",
                UP,
            ));
        }
        return Some(hop.done(HopName::Files, seen, view.absent(Part::Files, "no EFS file system")));
    };
    if let Some(key) = s.expected.step("file-system").filter(|_| f.untagged) {
        hop.push(
            Draft::new(
                "files-untagged",
                "the file system has lost the stack's tags: gameday does not touch it",
                format!("{} was made for {}, and does not say so any more", f.id, s.whose.stack),
                adopt(key, &f.id),
            )
            .weak_if(view.serves()),
        );
    }
    match f.state.as_str() {
        "available" | "updating" => {}
        "deleting" | "deleted" => hop.push(Draft::new(
            "files-deleting",
            "the file system is being deleted",
            format!("{} is {}", f.id, f.state),
            UP,
        )),
        state => {
            hop.push(busy("files-creating", "AWS is still making the file system", &format!("{} is {state}", f.id)))
        }
    }
    if s.saw(Part::MountTargets) {
        let here = |zone: &str| f.mount_targets.iter().find(|m| m.zone == zone);
        let gone: Vec<&String> = s.expected.zones.iter().filter(|z| here(z).is_none()).collect();
        if !gone.is_empty() {
            hop.push(
                Draft::new(
                    "files-zone-missing",
                    format!("the file system has no mount target in {}", names(&gone)),
                    format!(
                        "{} has them in {}: an instance that boots in another zone has only a local directory",
                        f.id,
                        names(sorted(f.mount_targets.iter().map(|m| &m.zone)))
                    ),
                    UP,
                )
                .weak_if(view.serves()),
            );
        }
        let unready: Vec<&str> =
            f.mount_targets.iter().filter(|m| m.state != "available").map(|m| m.id.as_str()).collect();
        if !unready.is_empty() {
            hop.push(
                busy("files-mount-target", "mount targets are not available yet", &names(&unready))
                    .weak_if(view.serves()),
            );
        }
    }
    let store = Store {
        hop: HopName::Files,
        group: "files",
        stage: "files",
        what: "the file system",
        port: 2049,
        rules,
        groups: f.mount_targets.iter().map(|m| m.groups.as_slice()).collect(),
        subnets: f.mount_targets.iter().map(|m| m.subnet.as_str()).collect(),
    };
    if s.expected.files == Mode::Create && s.saw(Part::MountTargets) {
        reach(view, &store, &mut hop);
    }
    beacons(view, &store, &mut hop);
    let told =
        format!("{} {}, mount targets in {}", f.id, f.state, names(sorted(f.mount_targets.iter().map(|m| &m.zone))));
    Some(hop.done(HopName::Files, seen && s.saw(Part::MountTargets), told))
}

/// Something that is used as it is: only the instances' side can be judged.
fn used(view: &View<'_>, store: Store<'_>, endpoint: Option<&str>) -> Hop {
    let mut hop = Draft::hop();
    let endpoint = endpoint.unwrap_or("?");
    let port = endpoint.rsplit_once(':').and_then(|(_, p)| p.parse().ok()).unwrap_or(store.port);
    let app = view.group_id(view.instances_group()).to_owned();
    if view.saw_groups() && !app.is_empty() && !view.lets_out_to_all(std::slice::from_ref(&app), port) {
        hop.push(Draft::new(
            store.rules.egress,
            format!("the instances' security group lets nothing out to {}", store.what),
            format!("{app} has no egress rule for TCP {port}"),
            UP,
        ));
    }
    beacons(view, &store, &mut hop);
    let mut hop = hop.done(store.hop, true, format!("{endpoint}, not the stack's own"));
    if hop.state == State::Good && !view.serves() {
        hop.state = State::Unknown;
    }
    hop
}

/// The security groups and network ACLs between the instances and it.
fn reach(view: &View<'_>, store: &Store<'_>, hop: &mut Drafts) {
    if !view.saw_groups() {
        return;
    }
    let (what, port) = (store.what, store.port);
    let ours = view.group_id(store.group);
    let app = view.app();
    let wrong = store.groups.iter().find(|carried| !carried.iter().any(|g| g == ours));
    if let Some(carried) = wrong {
        let evidence = if ours.is_empty() {
            no_group(view, store.group)
        } else {
            format!("it carries {}, not {ours}", names(carried.iter()))
        };
        let open = store.groups.iter().all(|c| view.lets_in(c, port, &app) || view.lets_in(c, port, &anywhere()));
        hop.push(
            Draft::new(store.rules.wrong_group, format!("{what} does not carry its security group"), evidence, UP)
                .weak_if(open),
        );
    } else if store.groups.iter().any(|carried| !view.lets_in(carried, port, &app)) {
        hop.push(Draft::new(
            store.rules.ingress,
            format!("the security group of {what} does not let the instances in"),
            format!("{ours} has no ingress rule for TCP {port} from {}", names(&app.groups)),
            UP,
        ));
    }
    let carried = view.group(view.instances_group()).map(|g| g.id.clone()).into_iter().collect::<Vec<_>>();
    let mut groups: Vec<String> = store.groups.iter().flat_map(|g| g.iter().cloned()).collect();
    groups.sort();
    groups.dedup();
    let to = super::reach::Peer { groups, ..Default::default() };
    if !carried.is_empty()
        && !to.groups.is_empty()
        && !view.lets_out(&carried, port, &to)
        && !view.lets_out_to_all(&carried, port)
    {
        hop.push(
            Draft::new(
                store.rules.egress,
                format!("the instances' security group lets nothing out to {what}"),
                format!(
                    "{} has no egress rule for TCP {port} to {}: connections time out silently",
                    names(&carried),
                    names(&to.groups)
                ),
                UP,
            )
            .symptom_if(wrong.is_some()),
        );
    }
    let inside = app.nets.first().map(|n| n.addr());
    if let Some(stop) = inside.and_then(|from| view.acl_stops(&store.subnets, from, port)) {
        hop.push(stop.finding(view, store.rules.acl, &format!("connections of the instances to {what}")));
    }
}

/// What booting instances say of it. Where a configuration explains it, that is the cause.
fn beacons(view: &View<'_>, store: &Store<'_>, hop: &mut Drafts) {
    let explained = hop.0.iter().any(|d| d.severity != super::Severity::Weak);
    for beacon in view.beacons().into_iter().filter(|b| b.stage == store.stage) {
        let draft = fleet::stage(view, beacon, store.rules.beacon);
        if beacon.error.is_none() {
            let fails = matches!(beacon.status.as_deref(), Some("failed" | "retrying"));
            hop.push(draft.symptom_if(explained && fails));
            continue;
        }
        let (rule, cause, fix) = refused(store, beacon, view);
        hop.push(Draft { rule, cause, fix, ..draft }.symptom_if(explained));
    }
}

fn refused(store: &Store<'_>, b: &Beacon, view: &View<'_>) -> (&'static str, String, Fix) {
    let error = b.error.as_deref().unwrap_or_default();
    let mine = view.s.expected.database == Mode::Create;
    if store.stage == "database" && (error.contains("ERROR 1045") || error.contains("wrong password")) {
        let fix = if mine { UP.into() } else { (UP, "after correcting the parameters under [secrets]").into() };
        return ("database-credentials", "the database refuses the credentials".into(), fix);
    }
    if store.stage == "database" && !error.contains("not reachable") {
        return (
            "database-sql",
            "the database is reached, but setting it up fails".into(),
            "gameday logs --since 10m".into(),
        );
    }
    (store.rules.beacon, format!("the instances do not reach {}", store.what), UP.into())
}
