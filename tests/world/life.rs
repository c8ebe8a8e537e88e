//! The whole life of a stack against the emulator over HTTP: built, read back by an independent client (`life/`:
//! boto3), changed by hand, repaired, changed in the stack file, torn down, without touching anybody else's objects.
use crate::{support::Said, tools::account::World};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path};

const BILLING: &str = "examples/billing-api.toml";
const RICH: &str = "tests/life/rich.toml";
const CDN: &str = "tests/life/cdn.toml";
const ORGANISATION: &str = "tests/life/organisation.toml";
const LOCKED: &str = "examples/locked-down.toml";
const PRIVATE: &str = "examples/private.toml";
const LOOKUP: &str = "examples/lookup.toml";

/// Returns an account with other users' objects in it, and its dump.
fn crowded_account(stack: &str, service: &str) -> (World, Value) {
    let world = World::start();
    let before = crowded(&world, stack, service);
    (world, before)
}

/// Fills an account with other users' objects. Returns its dump.
pub(crate) fn crowded(world: &World, stack: &str, service: &str) -> Value {
    let made: usize = world.account(json!({"do": "foreign", "stack": stack, "service": service}));
    assert!(made > 100, "{made} foreign objects");
    dump(world)
}

pub(crate) fn dump(world: &World) -> Value {
    world.account(json!({"do": "dump"}))
}

/// Returns the differences between two dumps, by kind and id.
fn differences(before: &Value, after: &Value, gone_only: bool) -> Vec<String> {
    let empty = serde_json::Map::new();
    let of = |v: &Value, kind: &str| v[kind].as_object().unwrap_or(&empty).clone();
    let kinds: BTreeSet<&String> =
        before.as_object().unwrap().keys().chain(after.as_object().unwrap().keys()).collect();
    let mut all = vec![];
    for kind in kinds {
        let (old, new) = (of(before, kind), of(after, kind));
        for (id, thing) in &old {
            match new.get(id) {
                None => all.push(format!("{kind} {id} is gone")),
                Some(now) if now != thing => all.push(format!("{kind} {id} was {thing}, is {now}")),
                Some(_) => {}
            }
        }
        if !gone_only {
            all.extend(
                new.keys().filter(|id| !old.contains_key(*id)).map(|id| format!("{kind} {id} is left: {}", new[id])),
            );
        }
    }
    all
}

/// Asserts that the account is as before, byte for byte, so that nothing of the stack is left either.
#[track_caller]
pub(crate) fn untouched(world: &World, before: &Value) {
    let after = dump(world);
    let wrong = differences(before, &after, false);
    assert!(wrong.is_empty(), "the account is not as it was before:\n{}", wrong.join("\n"));
    assert_eq!(before.to_string(), after.to_string());
}

/// Reads back every property of every object. Returns the number of properties.
#[track_caller]
pub(crate) fn as_described(world: &World, file: &Path) -> usize {
    as_described_with(world, file, None)
}

/// The same for a renamed service, whose kept objects carry its `first` name.
#[track_caller]
fn as_described_with(world: &World, file: &Path, first: Option<&str>) -> usize {
    #[derive(Deserialize)]
    struct Answer {
        checks: usize,
        wrong: Vec<String>,
    }
    let Answer { checks, wrong } = world.account(json!({"do": "check", "file": file, "owner": first}));
    assert!(
        wrong.is_empty(),
        "{} of {checks} properties are not as {} says:\n{}",
        wrong.len(),
        file.display(),
        wrong.join("\n")
    );
    checks
}

#[track_caller]
pub(crate) fn changed_nothing(said: &Said) {
    let all: Vec<_> = said.calls.iter().filter(|c| c.mutating).collect();
    assert!(all.is_empty(), "`gameday {}` changed something: {all:?}", said.line);
}

pub(crate) fn up(world: &World, file: impl AsRef<Path>) -> Said {
    world.run(file, &["up", "--yes", "-o", "json"]).ends(0)
}

/// Returns `(key, change, paths)` of each change.
pub(crate) fn changes(plan: &Said) -> Vec<(String, String, Vec<String>)> {
    let plan = plan.json();
    assert_eq!(plan["errors"], Value::Null, "the plan has errors");
    let text = |v: &Value| v.as_str().expect("a text").to_owned();
    let paths =
        |c: &Value| c["diff"].as_array().map(|d| d.iter().map(|f| text(&f["path"])).collect()).unwrap_or_default();
    plan["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .map(|c| (text(&c["key"]), text(&c["change"]), paths(c)))
        .collect()
}

#[track_caller]
pub(crate) fn settled(world: &World, file: impl AsRef<Path>) {
    let plan = world.run(file, &["plan", "-o", "json"]);
    assert_eq!(plan.json()["changes"], json!([]), "after `up` there is nothing to change");
    changed_nothing(&plan.ends(0));
}

/// Asserts the contract of `plan -o json`.
#[track_caller]
fn is_a_plan(plan: &Value, stack: &str) {
    assert_eq!(plan["stack"], stack);
    let changes = plan["changes"].as_array().expect("an array of changes");
    for change in changes {
        let fields: BTreeSet<&str> = change.as_object().expect("an object").keys().map(String::as_str).collect();
        let told = match change["change"].as_str().expect("a word") {
            "create" => "spec",
            "update" | "replace" | "refuse" => "diff",
            "delete" => "id",
            other => panic!("no such change: {other}"),
        };
        assert_eq!(fields, ["key", "group", "change", told].into(), "{change}");
    }
}

/// Asserts the contract of `status -o json`.
#[track_caller]
fn is_a_status(status: &Value, stack: &str) {
    assert_eq!(status["stack"], stack);
    assert!(
        status["serving"].is_boolean() && (status["endpoint"].is_string() || status["endpoint"].is_null()),
        "{status}"
    );
    for step in status["steps"].as_array().expect("an array of steps") {
        for field in ["key", "group", "phase"] {
            assert!(step[field].is_string(), "{field} of {step}");
        }
        assert!(step["id"].is_string() || step["id"].is_null(), "id of {step}");
        assert!(step["drift"].is_array(), "drift of {step}");
    }
}

/// Asserts that none of gameday's output contains a password.
#[track_caller]
pub(crate) fn keeps_its_secrets(world: &World, passwords: &[String]) {
    assert!(passwords.iter().all(|p| p.len() >= 24), "these are passwords: {}", passwords.len());
    let leaks = world.said_any(passwords);
    assert!(leaks.is_empty(), "a password was printed by: {leaks:?}");
}

pub(crate) fn passwords(world: &World, stack: &str) -> Vec<String> {
    world.account(json!({"do": "passwords", "stack": stack}))
}

/// Asserts that no right was missing: gameday ran with the policies that it prints for the stack file, see
/// [`World::plain`].
#[track_caller]
pub(crate) fn policy_allows_all(world: &World) {
    let (judged, missing) = world.rights();
    assert!(missing.is_empty(), "`gameday policy` does not allow\n{}", Vec::from_iter(missing).join("\n"));
    assert!(judged > 30, "only {judged} rights were judged");
    println!("{judged} rights needed");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_stack_is_built_as_described_and_taken_down_and_the_account_is_as_before() {
    let (world, before) = crowded_account("billing", "api");

    let plan = world.run(BILLING, &["plan", "-o", "json"]).ends(2);
    changed_nothing(&plan);
    is_a_plan(&plan.json(), "billing");
    let planned: BTreeSet<String> =
        changes(&plan).into_iter().map(|(key, change, _)| format!("{change} {key}")).collect();
    assert!(planned.iter().all(|p| p.starts_with("create ")), "an empty account: {planned:?}");
    let status = world.run(BILLING, &["status", "-o", "json"]).ends(1);
    is_a_status(&status.json(), "billing");
    assert_eq!(status.json()["serving"], false);
    changed_nothing(&status);
    changed_nothing(&world.run(BILLING, &["up"]).ends(1));

    let built = up(&world, BILLING);
    for line in built.lines() {
        assert!(line["at"].is_string() && line["event"].is_string(), "every line has a time and an event: {line}");
    }
    let events = built.lines();
    let done: BTreeSet<String> = events
        .iter()
        .filter(|e| e["event"] == "done")
        .map(|e| format!("create {}", e["key"].as_str().unwrap_or_default()))
        .collect();
    // A security group is created with its rules, so the step of the rules is an update.
    assert!(planned.iter().all(|p| done.contains(p)), "planned, not done: {:?}", planned.difference(&done));
    assert_eq!(events.last().expect("a last event")["event"], "serving");
    assert_eq!(differences(&before, &dump(&world), true), Vec::<String>::new(), "`up` touched what is not ours");
    let secrets = passwords(&world, "billing");
    println!("{} properties read back", as_described(&world, Path::new(BILLING)));

    settled(&world, BILLING);
    let again = up(&world, BILLING);
    changed_nothing(&again);
    let by: BTreeSet<String> = again.calls.iter().map(|c| format!("{}:{}", c.service, c.operation)).collect();
    println!("second up: {} calls of {} operations", again.calls.len(), by.len());
    // Two of the calls, about ACLs and instances, are made only because an emulator is not asked from outside.
    assert!(again.calls.len() <= 42, "a second `up` makes {} calls: {by:?}", again.calls.len());
    // Once with a healthy target, once without.
    world.bounded(BILLING, &["up", "--yes", "-o", "json"], 0, 42, 6);
    let seen = world.bounded(BILLING, &["status", "-o", "json"], 0, 39, 3).json();
    assert!(
        seen["services"][0]["chain"].as_array().is_some_and(|c| c.len() > 5),
        "the request path is always shown: {}",
        seen["services"]
    );
    assert_eq!(
        seen["services"][0]["seen"]["targets"]["zones"],
        json!(["us-east-1a", "us-east-1b"]),
        "{}",
        seen["verdict"]
    );
    world.tell("POST", "unhealthy", json!({"targets": ["*"]}));
    // If nothing is served, the lease is read, too.
    let seen = world.bounded(BILLING, &["status", "-o", "json"], 1, 40, 4).json();
    assert_eq!(
        (&seen["serving"], &seen["services"][0]["seen"]["targets"]["healthy"]),
        (&json!(false), &json!(0)),
        "{}",
        seen["verdict"]
    );
    assert_ne!(seen["services"][0]["findings"], json!([]), "what is wrong is told");
    world.tell("POST", "unhealthy", json!({"targets": []}));

    let status = world.run(BILLING, &["status", "-o", "json"]).ends(0);
    changed_nothing(&status);
    is_a_status(&status.json(), "billing");
    assert_eq!(status.json()["serving"], true);
    for step in status.json()["steps"].as_array().expect("steps") {
        assert_eq!((&step["phase"], &step["drift"]), (&json!("ready"), &json!([])), "{step}");
        assert!(
            planned.contains(&format!("create {}", step["key"].as_str().unwrap_or_default())),
            "{step} was planned"
        );
    }
    // The output for people agrees.
    for args in [&["plan"][..], &["status"], &["up", "--yes"], &["render"], &["policy"]] {
        changed_nothing(&world.run(BILLING, args).ends(0));
    }

    // Nothing is deleted without the right confirmation.
    let standing = dump(&world);
    for args in [&["teardown"][..], &["teardown", "--confirm", "billing2"], &["teardown", "--confirm", "Billing"]] {
        changed_nothing(&world.run(BILLING, args).ends(1));
    }
    changed_nothing(&world.run(BILLING, &["teardown", "--yes"]).ends(2));
    assert_eq!(differences(&standing, &dump(&world), false), Vec::<String>::new());

    let torn = world.run(BILLING, &["teardown", "--confirm", "billing", "-o", "json"]).ends(0);
    assert!(torn.lines().iter().all(|l| l["at"].is_string() && l["event"].is_string()), "{}", torn.out);
    assert_eq!(torn.lines().last().expect("a last line")["clean"], true);
    let tagged: Vec<String> = world.account(json!({"do": "tagged", "stack": "billing"}));
    assert_eq!(tagged, Vec::<String>::new(), "nothing carries the stack's tag");
    untouched(&world, &before);
    // A second teardown changes nothing. (It holds the lease while it looks, because a teammate could be building.)
    for args in [&["teardown", "--confirm", "billing", "-o", "json"][..], &["teardown", "--confirm", "billing"]] {
        assert_eq!(world.run(BILLING, args).ends(0).changes(), Vec::<String>::new(), "{args:?}");
    }
    untouched(&world, &before);

    keeps_its_secrets(&world, &secrets);
    policy_allows_all(&world);
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn everything_that_a_stack_file_can_ask_for_is_built() {
    let (world, before) = crowded_account("rich", "shop");
    up(&world, RICH);
    let secrets = passwords(&world, "rich");
    println!("{} properties read back", as_described(&world, Path::new(RICH)));
    let untagged: Vec<String> = world.account(json!({"do": "without_tag", "stack": "rich", "key": "cost:center"}));
    assert_eq!(untagged, Vec::<String>::new(), "each object carries the user's tags from the moment it is made");
    settled(&world, RICH);
    let shop = Fleet { stack: "rich", service: "shop", slot: "shop-8080" };
    let blocks = ["block-deleted", "block-told-to-say-200", "block-put-after-the-services"];
    are_repaired(&world, RICH, shop, &drifts(&world, shop, &blocks));
    as_described(&world, Path::new(RICH));
    // Tags that somebody else adds to the objects are left alone.
    let marked: usize = world.account(json!({"do": "strange_tags", "stack": "rich"}));
    assert!(marked > 15, "{marked}");
    changed_nothing(&world.run(RICH, &["plan"]).ends(0));
    let again = up(&world, RICH);
    changed_nothing(&again);
    println!("second up: {} calls", again.calls.len());
    world.run(RICH, &["teardown", "--confirm", "rich"]).ends(0);
    untouched(&world, &before);
    keeps_its_secrets(&world, &secrets);
    policy_allows_all(&world);
}

/// A stack of the same name exists beside this one, as far as no name is shared: its network, under the usual tags.
#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn an_organisations_rules_are_kept_under_a_tag_prefix_of_its_own() {
    let (world, _) = crowded_account("billing", "api");
    world.run(BILLING, &["network", "--yes"]).ends(0);
    // Both stacks keep their notes in the same place, whatever the prefix is.
    let but_notes = |mut dump: Value| {
        dump["parameters"] = json!({});
        dump
    };
    let before = but_notes(dump(&world));

    up(&world, ORGANISATION);
    println!("{} properties read back", as_described(&world, Path::new(ORGANISATION)));
    settled(&world, ORGANISATION);
    changed_nothing(&up(&world, ORGANISATION));
    let status = world.run(ORGANISATION, &["status", "--no-probe", "-o", "json"]).ends(0);
    assert_eq!(status.json()["serving"], true);
    let gone = differences(&before, &dump(&world), true);
    assert!(gone.is_empty(), "{gone:?}");

    // Without the prefix, or with another one, the error names the right one, and nothing is built.
    for (line, verb) in [("", "plan"), ("", "up"), ("tag_prefix = \"Event-\"", "up")] {
        let other = world.file("other.toml", ORGANISATION, &[("tag_prefix = \"event-\"", line)]);
        let said = world.run(&other, if verb == "up" { &["up", "--yes"] } else { &["plan"] }).ends(1);
        assert!(said.err.contains("this stack's under the tag prefix `event-`"), "{}", said.err);
        assert!(said.err.contains("tag_prefix = \"event-\""), "{}", said.err);
        changed_nothing(&said);
    }

    let said = world.run(ORGANISATION, &["teardown", "--confirm", "billing"]).ends(0);
    assert!(said.out.contains("nothing is left that carries the tag event-stack = billing"), "{}", said.out);
    let wrong = differences(&before, &but_notes(dump(&world)), false);
    assert!(wrong.is_empty(), "the account is not as it was before:\n{}", wrong.join("\n"));
    world.run(BILLING, &["teardown", "--confirm", "billing"]).ends(0);
    policy_allows_all(&world);
}

/// One service of a stack, whose own objects are changed by hand.
#[derive(Clone, Copy)]
pub(crate) struct Fleet<'a> {
    pub stack: &'a str,
    pub service: &'a str,
    /// The name of its target group and fleet.
    pub slot: &'a str,
}

/// A change by hand, of tests/life/drifts.py.
#[derive(Deserialize)]
pub(crate) struct Drift {
    name: String,
    step: String,
    change: String,
    paths: Vec<String>,
    /// Steps that read from this one: until it exists again, their plan cannot be known.
    follow: Vec<String>,
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn what_is_changed_by_hand_is_shown_and_repaired_and_nothing_else_changes() {
    let world = World::start();
    up(&world, BILLING);
    let api = Fleet { stack: "billing", service: "api", slot: "api" };
    let drifts = drifts(&world, api, &[]);
    assert!(drifts.len() >= 15);
    are_repaired(&world, BILLING, api, &drifts);
    // Every property is read once more: the repairs have changed nothing else.
    as_described(&world, Path::new(BILLING));
    keeps_its_secrets(&world, &passwords(&world, "billing"));
    policy_allows_all(&world);
}

/// Returns the drifts with these names, or those that any stack can have.
pub(crate) fn drifts(world: &World, of: Fleet<'_>, names: &[&str]) -> Vec<Drift> {
    world.account(json!({"do": "drifts", "service": of.service, "slot": of.slot, "names": names}))
}

/// Makes each change by hand, and asserts that `plan` and `status` show it and that `up` repairs it.
#[track_caller]
pub(crate) fn are_repaired(world: &World, file: &str, of: Fleet<'_>, drifts: &[Drift]) {
    let mut wrong = vec![];
    for d in drifts {
        let (stack, service, slot) = (of.stack, of.service, of.slot);
        let drift = json!({"do": "drift", "name": d.name, "stack": stack, "service": service, "slot": slot});
        let _: () = world.account(drift);
        let plan = world.run(file, &["plan", "-o", "json"]);
        let mut found = changes(&plan);
        let shown = format!("{found:?}");
        let at = found.iter().position(|(key, ..)| *key == d.step);
        let exact = at.map(|at| found.remove(at)).is_some_and(|(_, change, paths)| {
            let covers = |want: &String, path: &String| {
                path == want || want.strip_suffix(".*").is_some_and(|w| path.starts_with(w))
            };
            change == d.change
                && paths.iter().all(|p| d.paths.iter().any(|w| covers(w, p)))
                && d.paths.iter().all(|w| paths.iter().any(|p| covers(w, p)))
        });
        let others: Vec<_> = found.iter().filter(|(key, ..)| !d.follow.contains(key)).collect();
        if !exact || !others.is_empty() || plan.code != 2 {
            wrong.push(format!(
                "{}: want only {} {} {:?}, the plan (exit {}) is {shown}",
                d.name, d.change, d.step, d.paths, plan.code
            ));
        }
        let status = world.run(file, &["status", "-o", "json"]).json();
        let step = status["steps"]
            .as_array()
            .and_then(|s| s.iter().find(|s| s["key"] == *d.step))
            .cloned()
            .unwrap_or_default();
        let noticed = if d.change == "create" { step["phase"] == "missing" } else { step["drift"] != json!([]) };
        // What others attach to a role takes no right from the service, so `status` leaves it to `plan`.
        if noticed == (d.name == "role-made-administrator") {
            wrong.push(format!("{}: `status` {} it: {step}", d.name, if noticed { "sees" } else { "does not see" }));
        }
        let mended = world.run(file, &["up", "--yes", "-o", "json"]);
        let writes = mended.changes();
        println!("{:32} {}", d.name, writes.join(" "));
        if mended.code != 0 || writes.is_empty() || writes.len() > 4 {
            wrong.push(format!("{}: repaired with {writes:?}, exit {}: {}", d.name, mended.code, mended.err));
        }
        let after = world.run(file, &["plan", "-o", "json"]);
        if after.code != 0 {
            wrong.push(format!("{}: after the repair the plan is {}", d.name, after.out));
        }
    }
    assert!(wrong.is_empty(), "{} of {} drifts:\n{}", wrong.len(), drifts.len(), wrong.join("\n"));
}

/// The whole life of a stack whose database is PostgreSQL.
#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_stack_with_postgres_is_built_repaired_and_taken_down() {
    let (world, before) = crowded_account("lookup", "lookup");
    up(&world, LOOKUP);
    let secrets = passwords(&world, "lookup");
    println!("{} properties read back", as_described(&world, Path::new(LOOKUP)));
    settled(&world, LOOKUP);
    changed_nothing(&up(&world, LOOKUP));
    let lookup = Fleet { stack: "lookup", service: "lookup", slot: "lookup" };
    let of_database = |d: &Drift| ["database", "db-", "security-group-rules/"].iter().any(|k| d.step.starts_with(k));
    let drifts: Vec<Drift> = drifts(&world, lookup, &[]).into_iter().filter(of_database).collect();
    assert!(drifts.len() >= 5, "{}", drifts.len());
    are_repaired(&world, LOOKUP, lookup, &drifts);
    as_described(&world, Path::new(LOOKUP));

    // Another engine, and another series of the same one, is another database: refused, with what would be lost.
    let engine = "engine = \"postgres\"";
    for other in ["engine = \"mysql\"", "engine = \"postgres\"\nversion = \"16\""] {
        let file = world.file("other.toml", LOOKUP, &[(engine, other), ("config = \"lookup.ini.j2\"\n", "")]);
        let refused: Vec<_> = changes(&world.run(&file, &["plan", "-o", "json"]).ends(2))
            .into_iter()
            .filter(|(_, change, _)| change == "refuse")
            .map(|(key, ..)| key)
            .collect();
        assert_eq!(refused, ["db-parameter-group/main", "database/main"], "{other}");
        let said = world.run(&file, &["up", "--yes"]).ends(1);
        assert!(said.err.contains("--replace"), "{}", said.err);
    }
    world.run(LOOKUP, &["teardown", "--confirm", "lookup"]).ends(0);
    untouched(&world, &before);
    keeps_its_secrets(&world, &secrets);
    policy_allows_all(&world);
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn one_group_is_built_by_itself_and_its_gateway_attached_again() {
    let world = World::start();
    let built = world.run(BILLING, &["network", "--yes", "-o", "json"]).ends(0);
    let others: Vec<_> = built.changes().into_iter().filter(|c| !c.starts_with("ec2:")).collect();
    assert_eq!(others, Vec::<String>::new(), "`network` builds the network only");
    let _: () = world.account(json!({"do": "drift", "name": "gateway-detached", "stack": "billing", "service": "api"}));
    let plan = changes(&world.run(BILLING, &["plan", "network", "-o", "json"]).ends(2));
    assert!(plan.contains(&("internet-gateway/main".into(), "update".into(), vec!["vpc".into()])), "{plan:?}");
    world.run(BILLING, &["network", "--yes"]).ends(0);
    world.run(BILLING, &["plan", "network", "-o", "json"]).ends(0);
    for group in ["database", "cache", "files", "launch", "balancer", "fleet", "monitoring"] {
        world.run(BILLING, &[group, "--yes", "-o", "json"]).ends(0);
        changed_nothing(&world.run(BILLING, &[group, "--yes", "-o", "json"]).ends(0));
    }
    // All groups together are the whole stack.
    settled(&world, BILLING);
    as_described(&world, Path::new(BILLING));
    policy_allows_all(&world);
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_mind_that_changes_is_followed_and_what_is_no_longer_wanted_goes() {
    let (world, before) = crowded_account("billing", "api");
    up(&world, BILLING);

    let without = world.file("without-cache.toml", BILLING, &[("[cache]\n", "[cache]\nmode = \"off\"\n")]);
    let plan = world.run(&without, &["plan", "-o", "json"]).ends(2);
    is_a_plan(&plan.json(), "billing");
    let deleted: BTreeSet<String> =
        changes(&plan).into_iter().filter(|(_, change, _)| change == "delete").map(|(key, ..)| key).collect();
    let cache =
        ["alarm/cache-cpu", "alarm/cache-evictions", "cache-subnet-group/main", "cache/main", "security-group/cache"];
    for key in cache {
        assert!(deleted.contains(key), "without a cache {key} goes: {deleted:?}");
    }
    assert!(deleted.iter().all(|k| k.contains("cache")), "nothing else goes: {deleted:?}");
    up(&world, &without);
    settled(&world, &without);
    let now = dump(&world);
    for kind in ["replication_groups", "cache_clusters", "cache_subnet_groups"] {
        assert_eq!(now[kind], before[kind], "{kind} without a cache");
    }

    // The cache comes back, with a standby database.
    let standby =
        world.file("standby.toml", BILLING, &[("#multi_az = false", "multi_az = true"), ("#nodes = 1", "nodes = 2")]);
    up(&world, &standby);
    settled(&world, &standby);
    as_described(&world, &standby);

    // A new name for the service: the new fleet exists before the old one is deleted.
    let renamed = world.file(
        "renamed.toml",
        BILLING,
        &[
            ("[service.api]\n", "[service.shop]\n"),
            ("[service.api.env]", "[service.shop.env]"),
            ("[service.api.scale]", "[service.shop.scale]"),
        ],
    );
    world.keep_rights(&renamed, Path::new(BILLING));
    let plan = changes(&world.run(&renamed, &["plan", "-o", "json"]).ends(2));
    for key in ["auto-scaling-group/", "launch-template/", "target-group/"] {
        for (change, service) in [("create", "shop"), ("delete", "api")] {
            let there = plan.iter().any(|(k, c, _)| *k == format!("{key}{service}") && c == change);
            assert!(there, "renamed: {change} {key}{service} in {plan:?}");
        }
    }
    up(&world, &renamed);
    settled(&world, &renamed);
    as_described_with(&world, &renamed, Some("api"));

    world.run(&renamed, &["teardown", "--confirm", "billing"]).ends(0);
    untouched(&world, &before);
    policy_allows_all(&world);
}

/// Another engine is another object of AWS: the new one is built, and the old one is deleted after it.
#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_cache_becomes_memcached_and_redis_again() {
    let (world, before) = crowded_account("billing", "api");
    let memcached = |nodes: u32| {
        let file = format!("memcached-{nodes}.toml");
        let nodes = format!("nodes = {nodes}");
        world.file(&file, BILLING, &[("#engine = \"redis\"", "engine = \"memcached\""), ("#nodes = 1", &nodes)])
    };
    let redis = world.file("two.toml", BILLING, &[("#nodes = 1", "nodes = 2")]);
    let (one, two) = (memcached(1), memcached(2));
    let keys = |plan: &[(String, String, Vec<String>)], word: &str| -> BTreeSet<String> {
        plan.iter().filter(|(_, change, _)| change == word).map(|(key, ..)| key.clone()).collect()
    };
    let set = |all: &[&str]| all.iter().map(|k| (*k).to_owned()).collect::<BTreeSet<String>>();
    up(&world, &redis);
    as_described(&world, &redis);

    world.keep_rights(&one, &redis);
    let plan = world.run(&one, &["plan", "-o", "json"]).ends(2);
    is_a_plan(&plan.json(), "billing");
    let plan = changes(&plan);
    assert_eq!(keys(&plan, "create"), set(&["cache-cluster/main", "alarm/cache-memory"]));
    assert_eq!(keys(&plan, "delete"), set(&["cache/main", "alarm/cache-cpu-2", "alarm/cache-evictions-2"]));
    assert!(keys(&plan, "replace").is_empty() && keys(&plan, "refuse").is_empty(), "{plan:?}");
    let changed = up(&world, &one);
    settled(&world, &one);
    // The instances that still use Redis reach it until it is deleted.
    let order = |word: &str| changed.calls.iter().position(|c| c.operation.starts_with(word)).expect(word);
    assert!(order("DeleteReplicationGroup") < order("RevokeSecurityGroup"), "{:?}", changed.changes());
    println!("{} properties read back", as_described(&world, &one));
    assert_eq!(dump(&world)["replication_groups"], before["replication_groups"], "Redis is gone");
    let cost = world.run(&one, &["cost", "-o", "json"]).ends(0);
    assert!(cost.out.contains("cache.t3.micro, memcached"), "{}", cost.out);

    // A second node is added in place, and taken away again.
    let words = world.run(&two, &["plan"]).ends(2).err;
    assert!(words.contains("from 1 to 2 nodes") && words.contains("about half of the cached answers"), "{words}");
    let plan = changes(&world.run(&two, &["plan", "-o", "json"]).ends(2));
    assert!(plan.contains(&("cache-cluster/main".into(), "update".into(), vec!["nodes".into()])), "{plan:?}");
    up(&world, &two);
    settled(&world, &two);
    as_described(&world, &two);
    up(&world, &one);
    settled(&world, &one);

    for name in [
        "memcached-node-added",
        "memcached-class-changed",
        "memcached-group-swapped",
        "memcached-name-removed",
        "memcached-deleted",
    ] {
        let _: () = world.account(json!({"do": "drift", "name": name, "stack": "billing", "service": "api"}));
        let plan = changes(&world.run(&one, &["plan", "-o", "json"]).ends(2));
        assert!(plan.iter().any(|(key, ..)| key == "cache-cluster/main"), "{name}: {plan:?}");
        up(&world, &one);
        settled(&world, &one);
    }
    as_described(&world, &one);

    // AWS refuses a version that goes down.
    let older = "engine = \"memcached\"\nversion = \"1.6.17\"";
    let older = world.file("older.toml", BILLING, &[("#engine = \"redis\"", older)]);
    let plan = changes(&world.run(&older, &["plan", "-o", "json"]).ends(2));
    assert!(plan.contains(&("cache-cluster/main".into(), "refuse".into(), vec!["version".into()])), "{plan:?}");

    world.keep_rights(&redis, &one);
    let plan = changes(&world.run(&redis, &["plan", "-o", "json"]).ends(2));
    assert_eq!(keys(&plan, "delete"), set(&["cache-cluster/main", "alarm/cache-memory"]));
    up(&world, &redis);
    settled(&world, &redis);
    as_described(&world, &redis);
    up(&world, &two);
    world.run(&two, &["teardown", "--confirm", "billing"]).ends(0);
    untouched(&world, &before);
    policy_allows_all(&world);
}

/// Snapshots that no object of the stack holds are listed with the command that deletes them.
#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn snapshots_that_nothing_holds_are_left_with_what_deletes_them() {
    let world = World::start();
    let file = world.file("backups.toml", BILLING, &[("#backup_days = 0", "backup_days = 1")]);
    up(&world, &file);
    // One snapshot was made by RDS, is gone, but is still listed for a while; the other was made by a teammate.
    let by_rds =
        || world.tell("POST", "database", json!({"name": "billing-main", "snapshot": "rds:billing-main-0610"}));
    by_rds();
    let _: () = world.account(json!({"do": "snapshot", "stack": "billing", "name": "before-lunch"}));
    world.tell("POST", "faults", json!({"list_gone": true}));
    let listed: Vec<String> = world.account(json!({"do": "tagged", "stack": "billing"}));
    assert!(listed.iter().filter(|arn| arn.contains(":snapshot:")).count() >= 2, "{listed:?}");
    by_rds();
    let torn = world.run(&file, &["teardown", "--confirm", "billing"]).ends(1);
    let last: Vec<&str> = torn.out.lines().rev().take(2).collect();
    let command = "aws rds delete-db-snapshot --db-snapshot-identifier before-lunch --region us-east-1";
    assert_eq!(last[0].trim(), command, "{}", torn.out);
    assert!(
        last[1].contains("nothing holds these") && !torn.out.contains("run the same command again"),
        "{}",
        torn.out
    );
    assert!(!torn.out.contains("left arn:aws:rds:us-east-1:123456789012:snapshot:rds:"), "{}", torn.out);
    let torn = world.run(&file, &["teardown", "--confirm", "billing", "-o", "json"]).ends(1);
    let left = torn.lines().last().expect("a last line")["left"].clone();
    assert_eq!((left.as_array().map(Vec::len), &left[0]["command"]), (Some(1), &json!(command)), "{}", torn.out);
    let _: () = world.account(json!({"do": "delete_snapshot", "name": "before-lunch"}));
    world.run(&file, &["teardown", "--confirm", "billing"]).ends(0);
    policy_allows_all(&world);
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn what_passes_by_itself_or_can_be_done_without_fails_nothing() {
    let (world, before) = crowded_account("billing", "api");
    let refuse = |on: &str, code: &str, message: &str, times: i32| {
        world.tell(
            "POST",
            "faults",
            json!({"refuse": [{"on": on, "code": code, "message": message, "status": 400, "times": times}]}),
        )
    };
    // In a new account, this error has nothing to do with the policy.
    let support = "This AWS account currently does not support creating load balancers.";
    refuse("elbv2:CreateLoadBalancer", "OperationNotPermitted", support, -1);
    let refused = world.run(BILLING, &["up", "--yes"]).ends(1);
    assert!(refused.err.contains("ask AWS Support") && !refused.err.contains("gameday policy"), "{}", refused.err);
    // A region that was enabled today, and subnets and groups that other services do not see yet.
    let late = json!({"deny": ["cloudwatch:GetDashboard"], "hide_fresh_seconds": 2, "only": "rds|elasticache|elbv2"});
    world.tell("POST", "faults", late);
    let built = world.run(BILLING, &["up", "--yes"]).ends(0);
    assert!(built.err.contains("! dashboard/main") && built.err.contains("within the last day"), "{}", built.err);
    let without = world.run(BILLING, &["up", "--yes", "-o", "json"]).ends(0);
    assert_eq!(without.lines().last().expect("a last line")["event"], "serving");
    world.control("DELETE", "faults");
    up(&world, BILLING);
    settled(&world, BILLING);

    // A call during another change, and a lost answer to a call without a token.
    let bigger = world.file("bigger.toml", BILLING, &[("#max = 4", "max = 6")]);
    refuse("autoscaling:UpdateAutoScalingGroup", "ScalingActivityInProgress", "A scaling activity is in progress.", 2);
    up(&world, &bigger);
    settled(&world, &bigger);
    let told = world.file("told.toml", BILLING, &[("#max = 4", "max = 6"), ("#   LOG_LEVEL", "LOG_LEVEL")]);
    // At this pace the refresh is in progress when the call is sent again.
    world.control("POST", "pace?pace=fast");
    world.tell(
        "POST",
        "faults",
        json!({"lost_answer": 1.0, "only": "autoscaling:StartInstanceRefresh", "max_faults": 1}),
    );
    let changed = up(&world, &told);
    let of = |operation: &str| changed.calls.iter().filter(|c| c.operation == operation).count();
    // A call whose answer is lost is listed twice.
    assert_eq!((of("StartInstanceRefresh"), of("CancelInstanceRefresh")), (3, 0), "{:?}", changed.changes());
    world.control("DELETE", "faults");
    world.control("POST", "pace?pace=instant");
    settled(&world, &told);

    // A change that takes effect only after a reboot is reported at the end.
    let fixed = [
        ("#max = 4", "max = 6"),
        ("#   LOG_LEVEL", "LOG_LEVEL"),
        ("[database.parameters]\n", "[database.parameters]\ninnodb_ft_min_token_size = \"2\"\n"),
    ];
    let fixed = world.file("fixed.toml", BILLING, &fixed);
    let changed = world.run(&fixed, &["up", "--yes"]).ends(0);
    let reboot = "`aws rds reboot-db-instance --db-instance-identifier billing-main --region us-east-1`";
    assert!(changed.err.contains(reboot), "{}", changed.err);
    let events = up(&world, &fixed).lines();
    assert!(events.iter().any(|e| e["event"] == "pending_reboot"), "{events:?}");

    world.run(&fixed, &["teardown", "--confirm", "billing"]).ends(0);
    untouched(&world, &before);
}

/// What AWS refuses although the rules of the stack file allow it is built in another way, or with a warning.
#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn what_aws_takes_once_only_is_given_once() {
    let world = World::start();
    let _: String = world.account(json!({"do": "theirs"}));
    let routes = "routes = [\"/a/*/x/*\", \"/b/*/y/*\", \"/c/*/z/*\", \"/d\", \"/e?*\"]\n";
    let spot = format!("{routes}[service.api.spot]\ntypes = [\"t3a.micro\", \"t3a.micro\"]\n");
    let file = world.folder.path().join("twice.toml");
    let text = format!(
        "name = \"twice\"\n[access]\nhttp = [\"10.0.0.0/8\", \"10.0.0.0/08\", \"192.0.2.0/24\", \"192.0.2.0/24\"]\n\
         [database]\nmode = \"use\"\nendpoint = \"db.example.com:6379\"\n[cache]\nmode = \"use\"\n\
         endpoint = \"cache.example.com:6379\"\n[secrets]\nmode = \"use\"\n\
         master_password = \"/event/mysql/master\"\napp_password = \"/event/mysql/app\"\n[files]\nmode = \"off\"\n[service.api]\n\
         source = \"https://example-bucket.s3.amazonaws.com/server\"\n{spot}"
    );
    std::fs::write(&file, text).expect("the temporary folder");
    let built = world.run(&file, &["up", "--yes"]).ends(0);
    assert!(built.err.contains("is given twice"), "it warns:\n{}", built.err);
    settled(&world, &file);
    let of = |operation: &str| built.calls.iter().filter(|c| c.operation == operation).count();
    assert_eq!(
        of("CreateRule"),
        4,
        "two of the routes with four wildcards fit in one rule, and the other paths differ"
    );
    world.run(&file, &["teardown", "--confirm", "twice"]).ends(0);
}

/// A stack can be built in special regions: with other names of services, or opened after the emulator's lists were
/// made.
#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_stack_stands_in_regions_that_are_unlike_others() {
    let world = World::start();
    for region in ["cn-north-1", "us-gov-west-1", "mx-central-1", "ap-southeast-7"] {
        let file = world.folder.path().join(format!("{region}.toml"));
        let text = format!(
            "name = \"billing\"\nregion = \"{region}\"\n[database]\nmode = \"off\"\n[cache]\nmode = \"off\"\n\
             [service.api]\nsource = \"https://example-bucket.s3.amazonaws.com/server\"\n"
        );
        std::fs::write(&file, text).expect("the temporary folder");
        up(&world, &file);
        settled(&world, &file);
        world.run(&file, &["teardown", "--confirm", "billing"]).ends(0);
    }
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn instances_without_public_addresses_reach_out_by_one_way_or_the_other_and_leave_nothing() {
    let world = World::start();
    let before = dump(&world);
    let addresses = || {
        let all = dump(&world);
        let addresses = all["instances"].as_object().unwrap().values().map(|i| i["PublicIpAddress"].clone());
        addresses.collect::<Vec<Value>>()
    };
    let drift =
        |name: &str| -> () { world.account(json!({"do": "drift", "name": name, "stack": "inside", "service": "api"})) };
    let steps = |said: &Said, word: &str| -> BTreeSet<String> {
        changes(said).into_iter().filter(|(_, change, _)| change == word).map(|(key, ..)| key).collect()
    };
    let set = |all: &[&str]| all.iter().map(|k| (*k).to_owned()).collect::<BTreeSet<String>>();
    let plan = world.run(PRIVATE, &["plan", "-o", "json"]).ends(2);
    let egress = &plan.json()["egress"];
    assert_eq!(egress[2]["way"], "endpoints");
    assert_eq!(egress[2]["chosen"], true);
    up(&world, PRIVATE);
    settled(&world, PRIVATE);
    let first = addresses();
    assert!(first.len() == 2 && first.iter().all(Value::is_null), "{first:?}");
    drift("endpoint-of-a-service-deleted");
    let why = world.run(PRIVATE, &["why", "-o", "json"]);
    assert!(why.out.contains("endpoint-missing"), "{}", why.out);
    assert_eq!(changes(&world.run(PRIVATE, &["plan", "-o", "json"]).ends(2)).len(), 1);
    up(&world, PRIVATE);

    // Another way out: the old one is deleted once the new one exists.
    let nat = world.file("nat.toml", PRIVATE, &[("egress = \"endpoints\"", "egress = \"nat-per-zone\"")]);
    let plan = world.run(&nat, &["plan", "-o", "json"]).ends(2);
    let made = ["elastic-ip/nat-a", "elastic-ip/nat-b", "nat-gateway/a", "nat-gateway/b"];
    assert_eq!(steps(&plan, "create"), set(&made));
    let gone = ["ec2", "logs", "monitoring", "ssm"].map(|s| format!("interface-endpoint/{s}"));
    let gone = gone.into_iter().chain(["security-group/endpoints".into(), "security-group-rules/endpoints".into()]);
    assert_eq!(steps(&plan, "delete"), gone.collect());
    assert_eq!(steps(&plan, "update"), set(&["route-table/app-a", "route-table/app-b"]));
    up(&world, &nat);
    settled(&world, &nat);
    drift("nat-gateway-deleted");
    let why = world.run(&nat, &["why", "-o", "json"]);
    assert!(why.out.contains("nat-gateway-gone"), "{}", why.out);
    up(&world, &nat);
    settled(&world, &nat);

    // With public addresses, as in most stacks.
    let ways = "instances = \"private\"\n# nat: one NAT gateway, when the instances have to reach more than AWS. \
                nat-per-zone: one in each zone.\negress = \"endpoints\"";
    let public = world.file("public.toml", PRIVATE, &[(ways, "")]);
    let plan = world.run(&public, &["plan", "-o", "json"]).ends(2);
    let gone = made.iter().chain(&["subnet/app-a", "subnet/app-b", "route-table/app-a", "route-table/app-b"]);
    assert_eq!(steps(&plan, "delete"), gone.map(|k| (*k).to_owned()).collect());
    up(&world, &public);
    settled(&world, &public);
    let now = addresses();
    assert!(now.len() >= 2 && now.iter().all(Value::is_string), "{now:?}");

    // Back to NAT gateways; then everything is deleted.
    up(&world, &nat);
    settled(&world, &nat);
    world.run(&nat, &["teardown", "--confirm", "inside"]).ends(0);
    untouched(&world, &before);
    policy_allows_all(&world);
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn without_an_instance_profile_passwords_are_in_the_user_data_and_nowhere_else() {
    let world = World::start();
    let off = world.file("no-iam.toml", BILLING, &[("[iam]\n", "[iam]\nmode = \"off\"\n")]);
    let built = world.run(&off, &["up", "--yes"]).ends(0);
    assert!(built.err.contains("passwords"), "it warns:\n{}", built.err);
    let secrets = passwords(&world, "billing");
    let all = dump(&world);
    let scripts: Vec<String> = world.account(json!({"do": "user_data", "stack": "billing"}));
    assert!(scripts.iter().any(|s| s.contains(&secrets[1])), "the instances are told the application's password");
    for args in [
        &["plan"][..],
        &["plan", "-o", "json"],
        &["status"],
        &["status", "-o", "json"],
        &["up", "--yes"],
        &["render"],
        &["render", "-o", "json"],
    ] {
        changed_nothing(&world.run(&off, args).ends(0));
    }
    // A plan that shows the script, because an environment variable has changed.
    let told = world.file(
        "no-iam-env.toml",
        BILLING,
        &[("[iam]\n", "[iam]\nmode = \"off\"\n"), ("#   LOG_LEVEL", "LOG_LEVEL")],
    );
    for args in [&["plan"][..], &["plan", "-o", "json"]] {
        let plan = world.run(&told, args).ends(2);
        assert!(plan.out.contains("LOG_LEVEL"), "the plan shows what changes:\n{}", plan.out);
    }
    up(&world, &told);
    assert_eq!(all["roles"], json!({}), "no role is made");
    world.run(&told, &["teardown", "--confirm", "billing", "-o", "json"]).ends(0);
    keeps_its_secrets(&world, &secrets);
    policy_allows_all(&world);
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn what_others_made_is_used_with_the_rights_of_the_policy_and_with_hardly_any() {
    let world = World::start();
    let system: String = world.account(json!({"do": "theirs"}));
    let before = dump(&world);
    // A stack that uses every existing object that it can, with Spot instances.
    let spot = "[service.api.spot]\non_demand_base = 1\ntypes = [\"t3a.micro\"]\n\n[service.api]\n";
    let cache = "[cache]\nmode = \"use\"\nendpoint = \"redis.event.internal:6379\"";
    let files = format!("[files]\nmode = \"use\"\nfile_system = \"{system}\"\n\n[monitoring]\nmode = \"off\"");
    let changes = [("[cache]\nmode = \"off\"", cache), ("[files]\nmode = \"off\"", &files), ("[service.api]\n", spot)];
    let all_used = world.file("all-used.toml", LOCKED, &changes);
    // A stack with its own database and cache and without files, with existing passwords, and with its own profile
    // under another name.
    let secrets = "[secrets]\nmode = \"use\"\nmaster_password = \"/event/mysql/master\"\n\
                   app_password = \"/event/mysql/app\"\n";
    let names = "[names]\n\"role/instance\" = \"apdev-role\"\n\"instance-profile/instance\" = \"apdev-profile\"\n";
    let their_password = world.file(
        "their-password.toml",
        BILLING,
        &[("[secrets]\n", secrets), ("[names]\n", names), ("[files]\n", "[files]\nmode = \"off\"\n")],
    );
    for (file, stack) in [(Path::new(LOCKED), "locked"), (&all_used, "locked"), (&their_password, "billing")] {
        up(&world, file);
        settled(&world, file);
        for args in [&["status"][..], &["cost"], &["why"], &["targets", "list"]] {
            changed_nothing(&world.run(file, args));
        }
        world.run(file, &["teardown", "--confirm", stack]).ends(0);
        untouched(&world, &before);
    }
    policy_allows_all(&world);

    // If the account shows neither the profile nor the passwords, they are still used: the instances read them.
    let secret = |name: &str| json!({"on": "ssm:GetParameter", "code": "AccessDeniedException", "times": -1, "where": {"Name": name}});
    let hidden = [secret("/event/mysql/master"), secret("/event/mysql/app")];
    world.tell("POST", "faults", json!({"deny": ["iam:*", "ssm:DescribeParameters"], "refuse": hidden}));
    up(&world, LOCKED);
    settled(&world, LOCKED);
    world.run(LOCKED, &["teardown", "--confirm", "locked"]).ends(0);
    world.control("DELETE", "faults");
    untouched(&world, &before);
}

/// The policies allow nothing on objects that are not the stack's. The objects are of every kind that a stack has.
#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn what_is_not_the_stack_s_is_out_of_reach_of_its_policy() {
    let (world, before) = crowded_account("billing", "api");
    world.hold_to_policy(Path::new(BILLING), "attacker");
    let tried: Vec<(String, Option<String>)> =
        world.account(json!({"do": "attack", "stack": "billing", "ours": false}));
    assert!(tried.len() > 150, "{tried:?}");
    let denied = |code: &Option<String>| {
        matches!(code.as_deref(), Some("AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation"))
    };
    let through: Vec<_> = tried.iter().filter(|(_, code)| !denied(code)).collect();
    assert!(through.is_empty(), "the policy allows {through:?}");
    world.control("DELETE", "policy");
    untouched(&world, &before);

    // On the stack's own objects, the same calls are all allowed.
    up(&world, BILLING);
    world.hold_to_policy(Path::new(BILLING), "attacker");
    let tried: Vec<(String, Option<String>)> = world.account(json!({"do": "attack", "stack": "billing", "ours": true}));
    let refused: Vec<_> = tried.iter().filter(|(_, code)| denied(code)).collect();
    assert!(tried.len() > 80 && refused.is_empty(), "the policy does not allow {refused:?} of {tried:?}");
}

/// A distribution comes before a balancer that serves, and goes again.
#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_distribution_comes_before_the_balancer_and_goes_and_nothing_is_closed_meanwhile() {
    let (world, before) = crowded_account("edge", "api");
    let off = world.file("off.toml", CDN, &[("mode = \"create\"", "mode = \"off\"")]);
    up(&world, &off);
    as_described(&world, &off);

    let on = up(&world, CDN);
    let mut secrets = passwords(&world, "edge");
    assert_eq!(secrets.len(), 3);
    let at = |name: &str| on.calls.iter().position(|c| c.operation == name).unwrap_or_else(|| panic!("no {name}"));
    assert!(at("AuthorizeSecurityGroupIngress") < at("RevokeSecurityGroupIngress"));
    let until_closed = &on.calls[at("CreateDistributionWithTags")..at("RevokeSecurityGroupIngress")];
    let looks = until_closed.iter().filter(|c| c.operation == "ListDistributions").count();
    assert!(looks > 0, "it is closed once the distribution is deployed");
    // The rule for the requests of CloudFront exists before the distribution, and others are refused when it is deployed.
    assert!(at("CreateRule") < at("CreateDistributionWithTags"));
    let until_refused = &on.calls[at("CreateDistributionWithTags")..at("ModifyListener")];
    assert!(until_refused.iter().any(|c| c.operation == "ListDistributions"), "others are refused once it is deployed");
    println!("{} properties read back", as_described(&world, Path::new(CDN)));
    settled(&world, CDN);
    changed_nothing(&up(&world, CDN));
    let why = world.run(CDN, &["why", "-o", "json"]).json();
    let url = why["services"][0]["endpoint"].as_str();
    assert!(url.is_some_and(|url| url.contains(".cloudfront.net/")), "{why}");

    for (name, step, finding) in [
        ("distribution-disabled", "distribution/main", Some("cdn-disabled")),
        ("distribution-sent-elsewhere", "distribution/main", Some("cdn-origin")),
        ("distribution-given-a-policy", "distribution/main", None),
        ("distribution-stripped-of-its-name", "distribution/main", None),
        ("distribution-deleted", "distribution/main", Some("cdn-missing")),
        ("balancer-opened-beside-the-distribution", "security-group-rules/alb", Some("cdn-bypass")),
        ("distribution-sends-no-header", "distribution/main", Some("cdn-header-missing")),
        ("distribution-sends-another-header", "distribution/main", Some("cdn-header")),
        ("listener-forwards-without-the-header", "listener/http", Some("cdn-unchecked")),
        ("rule-asks-for-no-header", "listener-rule/cloudfront-requests", Some("cdn-unchecked")),
        ("header-deleted", "parameter/cdn-header", None),
    ] {
        let _: () = world.account(json!({"do": "drift", "name": name, "stack": "edge", "service": "api"}));
        let plan = changes(&world.run(CDN, &["plan", "-o", "json"]).ends(2));
        let keys: BTreeSet<&str> = plan.iter().map(|(key, ..)| key.as_str()).collect();
        // What a new value of the header changes, and what names the distribution.
        let follow: &[&str] = match name {
            "header-deleted" => &["distribution/main", "listener-rule/cloudfront-requests"],
            "distribution-deleted" => &["alarm/cdn-5xx", "dashboard/main"],
            _ => &[],
        };
        let can_change = |key: &&str| [step, "distribution-deployed/main"].contains(key) || follow.contains(key);
        assert!(keys.contains(step) && keys.iter().all(can_change), "{plan:?}");
        let why = world.run(CDN, &["why", "-o", "json"]);
        assert!(finding.is_none_or(|rule| why.out.contains(rule)), "{name}: {}", why.out);
        let repaired = up(&world, CDN);
        settled(&world, CDN);
        if name == "header-deleted" {
            // The rule takes both values before the distribution sends the new one, and the new one alone afterwards.
            let calls: Vec<&str> = repaired.calls.iter().map(|c| c.operation.as_str()).collect();
            let of = |name: &str| -> Vec<usize> { (0..calls.len()).filter(|i| calls[*i] == name).collect() };
            let (rules, sent) = (of("ModifyRule"), of("UpdateDistribution"));
            assert!(matches!((&rules[..], &sent[..]), ([a, b], [c]) if a < c && c < b), "{calls:?}");
        }
    }
    as_described(&world, Path::new(CDN));
    secrets.extend(passwords(&world, "edge"));
    assert_eq!(secrets.iter().collect::<BTreeSet<_>>().len(), 4, "the header has a new value");

    // Five paths are one rule without the header, and two with it. A range of its own reaches the balancer directly, so
    // that no header can be asked for.
    let routes = "[service.api]\nroutes = [\"/a\", \"/b\", \"/c\", \"/d\", \"/e\"]\n";
    let range = "[access]\nhttp = [\"203.0.113.7/32\"]\n\n[cdn]\n";
    let routed = world.file("routed.toml", CDN, &[("[service.api]\n", routes)]);
    let direct = world.file("direct.toml", CDN, &[("[service.api]\n", routes), ("[cdn]\n", range)]);
    for file in [&routed, &direct, &routed] {
        let said = up(&world, file);
        as_described(&world, file);
        settled(&world, file);
        let calls: Vec<&str> = said.calls.iter().map(|c| c.operation.as_str()).collect();
        let first =
            |name: &str| calls.iter().position(|c| *c == name).unwrap_or_else(|| panic!("no {name}: {calls:?}"));
        assert!(file == &routed || first("ModifyRule") < first("UpdateDistribution"), "{calls:?}");
    }
    up(&world, CDN);
    as_described(&world, Path::new(CDN));
    secrets.extend(passwords(&world, "edge"));

    // Switched off, it goes, and the balancer is open before.
    let gone = up(&world, &off);
    let at = |name: &str| gone.calls.iter().position(|c| c.operation == name).unwrap_or_else(|| panic!("no {name}"));
    assert!(at("AuthorizeSecurityGroupIngress") < at("UpdateDistribution"));
    assert!(at("ModifyListener") < at("UpdateDistribution") && at("ModifyListener") < at("DeleteRule"));
    assert!(at("UpdateDistribution") < at("DeleteDistribution"));
    as_described(&world, &off);
    settled(&world, &off);

    up(&world, CDN);
    secrets.extend(passwords(&world, "edge"));
    world.run(CDN, &["teardown", "--confirm", "edge"]).ends(0);
    untouched(&world, &before);
    keeps_its_secrets(&world, &secrets);
    policy_allows_all(&world);
}
