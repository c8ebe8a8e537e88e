//! Several services behind one balancer: what one of them gets, keeps and loses does not touch the others.
use crate::tools::account::World;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Instant,
};

const SOURCE: &str = "source = \"https://example-bucket.s3.amazonaws.com/server\"\n";

/// Writes a stack file with these services: names, and their keys.
fn stack(world: &World, file: &str, services: &[(&str, &str)]) -> PathBuf {
    let tables = services.iter().map(|(name, keys)| format!("[service.{name}]\n{SOURCE}{keys}\n"));
    let path = world.folder.path().join(file);
    std::fs::write(&path, format!("name = \"billing\"\n{}", tables.collect::<String>())).expect("the temporary folder");
    path
}

/// Returns the objects of the steps whose keys belong to a service, as an independent client reads them.
fn objects(world: &World, service: &str) -> BTreeMap<String, Value> {
    let dump: Value = world.account(json!({"do": "dump"}));
    let mut all = BTreeMap::new();
    for (kind, objects) in dump.as_object().unwrap().iter().filter_map(|(k, o)| Some((k, o.as_object()?))) {
        for (id, object) in objects {
            let step = object["tags"]["gameday:step"].as_str().unwrap_or_default();
            let mut words = step.split(['/', '-']);
            if words.any(|word| word == service) {
                let mut object = object.clone();
                // Members and health change by themselves.
                for volatile in ["targets", "Instances", "activities"] {
                    object.as_object_mut().unwrap().remove(volatile);
                }
                all.insert(format!("{kind} {id} ({step})"), object);
            }
        }
    }
    assert!(!all.is_empty(), "{service} has objects");
    all
}

/// Returns the keys of the steps that a plan changes.
fn planned(plan: &Value) -> BTreeSet<String> {
    plan["changes"].as_array().unwrap().iter().map(|c| c["key"].as_str().unwrap().to_owned()).collect()
}

/// The steps that all services share, and which name each of them.
const SHARED: [&str; 6] = [
    "listener/http",
    "security-group-rules/alb",
    "security-group-rules/cache",
    "security-group-rules/db",
    "security-group-rules/files",
    "dashboard/main",
];

/// Plans and makes a change, in which no object of `others` has a part.
fn changes_only(world: &World, file: &PathBuf, service: &[&str], others: &[&str]) -> Value {
    let before: Vec<_> = others.iter().map(|other| objects(world, other)).collect();
    let plan = world.run(file, &["plan", "-o", "json"]).ends(2).json();
    let is_own = |key: &str| key.split(['/', '-']).any(|word| service.contains(&word));
    let strange: Vec<_> = planned(&plan).into_iter().filter(|k| !is_own(k) && !SHARED.contains(&k.as_str())).collect();
    assert_eq!(strange, Vec::<String>::new(), "the plan for {service:?}");
    world.run(file, &["up", "--yes"]).ends(0);
    assert_eq!(planned(&world.run(file, &["plan", "-o", "json"]).ends(0).json()), BTreeSet::new());
    for (other, before) in others.iter().zip(before) {
        let after = objects(world, other);
        for (id, object) in &before {
            assert_eq!(after.get(id), Some(object), "{id} of {other} is untouched");
        }
        assert_eq!(after.len(), before.len(), "{other}");
    }
    plan
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_service_comes_is_renamed_and_goes_without_the_others() {
    let world = World::start();
    let empty: Value = world.account(json!({"do": "dump"}));
    let root = ("root", "routes = [\"/\"]");
    let all = ("rest", "");
    let lookup = "port = 8080\nneeds = [\"cache\"]\nroutes = [\"/lookup\", \"/lookup/*\"]";
    let one = stack(&world, "one.toml", &[root]);
    world.run(&one, &["up", "--yes"]).ends(0);

    // A service is added: one with routes of its own, then one for everything else.
    let two = stack(&world, "two.toml", &[("lookup", lookup), root]);
    changes_only(&world, &two, &["lookup"], &["root"]);
    let dump: Value = world.account(json!({"do": "dump"}));
    let group = |name: &str| {
        let groups = dump["security_groups"].as_object().unwrap();
        groups.iter().find(|(_, g)| g["GroupName"] == name).unwrap_or_else(|| panic!("no {name}"))
    };
    // Only the stores that the service needs let it in, and it has no right to the passwords.
    let lets_in = |store: &str| group(store).1.to_string().contains(group("billing-app-lookup").0.as_str());
    assert_eq!((lets_in("billing-db"), lets_in("billing-cache"), lets_in("billing-files")), (false, true, false));
    let rights = |service: &str| dump["roles"][format!("billing-{service}-us-east-1")]["inline"].to_string();
    assert_eq!((rights("root").contains("db-app-password"), rights("lookup").contains("ssm:")), (true, false));
    let points: Vec<_> = objects(&world, "lookup").into_keys().filter(|k| k.contains("access-point/")).collect();
    assert_eq!(points, Vec::<String>::new());

    let three = stack(&world, "three.toml", &[("lookup", lookup), all, root]);
    let with_default = changes_only(&world, &three, &["rest"], &["lookup", "root"]);
    let changed: Vec<_> =
        with_default["changes"].as_array().unwrap().iter().filter(|c| c["key"] == "listener/http").collect();
    assert_eq!(changed.len(), 1, "other paths reach it");

    // A service is renamed while its fleet serves: the others are not part of the hand-over.
    let renamed = stack(&world, "renamed.toml", &[("find", lookup), all, root]);
    world.keep_rights(&renamed, &three);
    let plan = changes_only(&world, &renamed, &["lookup", "find"], &["rest", "root"]);
    assert_eq!(plan["handover"]["to"], "billing-find-8080");

    // A service is taken out: nobody takes over from it.
    let less = stack(&world, "less.toml", &[all, root]);
    world.keep_rights(&less, &renamed);
    let plan = changes_only(&world, &less, &["lookup", "find"], &["rest", "root"]);
    assert_eq!(plan["handover"], Value::Null);
    let last = stack(&world, "last.toml", &[root]);
    let plan = changes_only(&world, &last, &["rest"], &["root"]);
    assert_eq!(plan["handover"], Value::Null);
    world.run(&last, &["teardown", "--confirm", "billing"]).ends(0);
    assert_eq!(world.account::<Value>(json!({"do": "dump"})).to_string(), empty.to_string(), "nothing is left");
    let (judged, missing) = world.rights();
    assert!(judged > 100 && missing.is_empty(), "the policy lacks {missing:#?}");
}

/// The calls of a `status` with one service, and those for each other service.
const ONE: usize = 39;
const MORE: usize = 4;

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn each_further_service_takes_four_calls_and_no_round_and_twenty_serve() {
    let world = World::start();
    let empty: Value = world.account(json!({"do": "dump"}));
    let names: Vec<String> = (1..=20).map(|n| format!("s{n:02}")).collect();
    let keys: Vec<String> = names.iter().map(|name| format!("routes = [\"/{name}\", \"/{name}/*\"]")).collect();
    let services: Vec<(&str, &str)> = names.iter().zip(&keys).map(|(n, k)| (n.as_str(), k.as_str())).collect();
    for count in [1, 2, 5, 20] {
        let file = stack(&world, &format!("{count}.toml"), &services[..count]);
        let timed = |args: &[&str], code| {
            let began = Instant::now();
            let said = world.plain(&file, args).ends(code);
            println!("{count} services: {args:?} {:.1?}, {} calls", began.elapsed(), said.calls.len());
            said
        };
        timed(&["up", "--yes"], 0);
        // The more services, the longer answers have to wait for each other, which a busy machine does not manage for
        // twenty. What is asked then shows in the output.
        let args = ["status", "-o", "json"];
        let seen = match count <= 5 {
            true => world.bounded(&file, &args, 0, ONE + (count - 1) * MORE, 3).json(),
            false => timed(&args, 0).json(),
        };
        assert_eq!(seen["services"].as_array().map(Vec::len), Some(count));
        assert_eq!((&seen["serving"], &seen["gaps"]), (&json!(true), &json!([])), "{}", seen["verdict"]);
        for step in seen["steps"].as_array().expect("steps") {
            assert_eq!((&step["phase"], &step["drift"]), (&json!("ready"), &json!([])), "{step}");
        }
        timed(&["status"], 0);
        timed(&["plan"], 0);
        if count == services.len() {
            timed(&["teardown", "--confirm", "billing"], 0);
        }
    }
    assert_eq!(world.account::<Value>(json!({"do": "dump"})).to_string(), empty.to_string(), "nothing is left");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn the_number_of_refused_rows_is_what_an_instance_last_said() {
    let world = World::start();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/root-and-lookup.toml");
    world.run(&file, &["up", "--yes"]).ends(0);
    // The one service with the database counts; one more call reads it.
    let status = || world.bounded(&file, &["status", "-o", "json"], 0, ONE + MORE + 1, 3).json();
    let number = |seen: &Value| {
        let services = seen["services"].as_array().expect("services");
        let of = |name: &str| services.iter().find(|s| s["service"] == name).expect(name)["refused_rows"].clone();
        assert_eq!((&seen["gaps"], of("root")), (&json!([]), json!(null)));
        of("lookup")
    };
    assert_eq!(number(&status()), json!(null), "nothing was said");
    for (line, rows) in [
        ("2026-12-01T10:00:00Z refused   rows refused or deleted: 2", json!(2)),
        ("2026-12-01T10:00:30Z refused   rows refused or deleted: 14", json!(14)),
        ("what somebody else wrote", json!(null)),
    ] {
        world.account::<Value>(json!({"do": "says", "service": "lookup", "line": line}));
        assert_eq!(number(&status()), rows, "{line}");
        let text = world.run(&file, &["status"]).ends(0).out;
        let said = format!("rows refused by the database so far: {rows}");
        assert_eq!(text.contains(&said), rows != json!(null), "{text}");
    }
    let (judged, missing) = world.rights();
    assert!(judged > 50 && missing.is_empty(), "the policy lacks {missing:#?}");
}
