//! The whole life of the examples with more than one service, or without stores: each is one stack file of a system
//! that somebody described.
use crate::{
    life::{
        Fleet, are_repaired, as_described, changed_nothing, crowded, drifts, dump, keeps_its_secrets, passwords,
        policy_allows_all, settled, untouched, up,
    },
    tools::account::World,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path};

const TWO: &str = "examples/root-and-lookup.toml";
const AVAILABLE: &str = "examples/highly-available.toml";

/// The drifts of a system without stores, whose service has a port of its own.
const OF_FLEET: [&str; 10] = [
    "route-deleted",
    "subnet-taken-off-its-table",
    "ssh-closed",
    "processes-suspended",
    "fleet-taken-off-the-balancer",
    "cpu-target-raised",
    "health-path-changed",
    "template-replaced",
    "role-widened",
    "logs-kept-for-a-day",
];

/// The drifts of the second service, and of the stores that both share.
const OF_LOOKUP: [&str; 12] = [
    "egress-removed",
    "cache-closed-to-the-service",
    "fleet-sent-home",
    "health-path-changed",
    "route-of-the-service-deleted",
    "route-sent-to-another-service",
    "route-of-the-service-narrowed",
    "role-made-administrator",
    "alarm-of-the-service-deleted",
    "tls-demanded-by-postgres",
    "memcached-class-changed",
    "memcached-node-added",
];

/// Builds a system, reads every object back, and asks each verb about it. Returns the account as it was before.
fn build(world: &World, file: &str, fleets: &[Fleet<'_>]) -> Value {
    let stack = fleets[0].stack;
    let before = crowded(world, stack, fleets[0].service);
    let built = up(world, file);
    assert_eq!(built.lines().last().expect("a last line")["event"], "serving");
    println!("{} properties read back", as_described(world, Path::new(file)));
    settled(world, file);
    changed_nothing(&up(world, file));
    let status = world.plain(file, &["status", "-o", "json"]).ends(0).json();
    let names: Vec<&str> = fleets.iter().map(|fleet| fleet.service).collect();
    for view in [&status, &world.plain(file, &["why", "-o", "json"]).ends(0).json()] {
        let services = view["services"].as_array().expect("services");
        let shown: BTreeSet<&str> = services.iter().map(|s| s["service"].as_str().expect("a name")).collect();
        assert_eq!(shown, names.iter().copied().collect());
        assert!(services.iter().all(|s| s["findings"] == json!([])), "{view}");
    }
    assert_eq!(status["serving"], true);
    for args in [&["cost"][..], &["targets", "list"], &["policy"], &["render"], &["logs", "--since", "1h"]] {
        changed_nothing(&world.plain(file, args).ends(0));
    }
    before
}

/// Takes a system down, and asserts that nothing of it is left.
fn take_down(world: &World, file: &str, stack: &str, before: &Value) {
    let torn = world.run(file, &["teardown", "--confirm", stack, "-o", "json"]).ends(0);
    assert_eq!(torn.lines().last().expect("a last line")["clean"], true);
    let tagged: Vec<String> = world.account(json!({"do": "tagged", "stack": stack}));
    assert_eq!(tagged, Vec::<String>::new(), "nothing carries the stack's tag");
    untouched(world, before);
    policy_allows_all(world);
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn two_services_with_postgres_and_memcached_live_and_go() {
    let world = World::start();
    let lookup = Fleet { stack: "two-servers", service: "lookup", slot: "lookup-8080" };
    let root = Fleet { service: "root", slot: "root", ..lookup };
    let before = build(&world, TWO, &[lookup, root]);
    let secrets = passwords(&world, "two-servers");
    are_repaired(&world, TWO, lookup, &drifts(&world, lookup, &OF_LOOKUP));
    are_repaired(&world, TWO, root, &drifts(&world, root, &["deregistration-delay-raised", "role-widened"]));
    as_described(&world, Path::new(TWO));
    take_down(&world, TWO, "two-servers", &before);
    keeps_its_secrets(&world, &secrets);
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_highly_available_application_without_stores_lives_and_goes() {
    let world = World::start_in("ap-southeast-1");
    let web = Fleet { stack: "express", service: "web", slot: "web-3000" };
    let before = build(&world, AVAILABLE, &[web]);
    are_repaired(&world, AVAILABLE, web, &drifts(&world, web, &OF_FLEET));
    as_described(&world, Path::new(AVAILABLE));
    // No kind of a store is in the account, and only looking is allowed for those.
    let now = dump(&world);
    for kind in ["db_instances", "replication_groups", "cache_clusters", "file_systems", "parameters"] {
        let ours: Vec<_> =
            now[kind].as_object().expect(kind).keys().filter(|id| before[kind].get(*id).is_none()).collect();
        let notes = |id: &&&String| id.starts_with("/gameday/express/");
        assert_eq!(ours.iter().filter(|id| !notes(id)).collect::<Vec<_>>(), Vec::<&&String>::new(), "{kind}");
    }
    take_down(&world, AVAILABLE, "express", &before);
}
