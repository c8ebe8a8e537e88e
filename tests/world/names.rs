//! The life of a stack with a name of its own: the alias, the certificate for it, and the records of others.
use crate::{
    life::{as_described, changed_nothing, changes, dump, policy_allows_all, settled, untouched, up},
    tools::account::World,
};
use serde_json::json;
use std::path::Path;

const NAMED: &str = "tests/life/named.toml";

fn record(world: &World, zone: &str, action: &str, name: &str, value: &str) {
    let _: () = world.account(json!({"do": "record", "zone": zone, "action": action, "name": name, "value": value}));
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_stack_gets_its_name_and_a_certificate_and_leaves_neither() {
    let world = World::start();
    // Without a zone that has the name there is nothing to do.
    let plan = world.run(NAMED, &["plan"]).ends(1);
    let said = format!("{}{}", plan.out, plan.err);
    assert!(said.contains("hosted-zone/app.example.com (to be used) does not exist"), "{said}");
    changed_nothing(&plan);

    let zone: String = world.account(json!({"do": "zone", "name": "example.com"}));
    let before = dump(&world);
    let built = up(&world, NAMED);
    let at = |name: &str| built.calls.iter().position(|c| c.operation == name).unwrap_or_else(|| panic!("no {name}"));
    assert!(at("RequestCertificate") < at("ChangeResourceRecordSets"));
    let listeners = built.calls.iter().rposition(|c| c.operation == "CreateListener").expect("HTTPS");
    assert!(at("ChangeResourceRecordSets") < listeners, "HTTPS comes once its certificate is issued");
    println!("{} properties read back", as_described(&world, Path::new(NAMED)));
    settled(&world, NAMED);
    changed_nothing(&up(&world, NAMED));
    let status = world.run(NAMED, &["status", "-o", "json"]).ends(0).json();
    let verdict = status["verdict"].as_str().expect("a text");
    assert!(verdict.starts_with("SERVING https://app.example.com/"), "{verdict}");

    for (drift, change, finding) in [
        ("record-deleted", "dns-record/app.example.com create", Some("dns-record-missing")),
        ("record-sent-elsewhere", "dns-record/app.example.com update", Some("dns-record-elsewhere")),
        ("proof-deleted", "dns-record/_proof.app.example.com create", None),
    ] {
        let _: () = world.account(json!({"do": "drift", "name": drift, "stack": "named", "service": "api"}));
        let plan = changes(&world.run(NAMED, &["plan", "-o", "json"]).ends(2));
        let plan: Vec<String> = plan.iter().map(|(key, change, _)| format!("{key} {change}")).collect();
        assert_eq!(plan, [change], "{drift}");
        let why = world.run(NAMED, &["why", "-o", "json"]);
        assert!(finding.is_none_or(|rule| why.out.contains(rule)), "{drift}: {}", why.out);
        up(&world, NAMED);
        settled(&world, NAMED);
        as_described(&world, Path::new(NAMED));
    }

    // Another name: the new one is there before the old one goes.
    let web = [("name = \"app.example.com\"", "name = \"web.example.com\""), ("domain = \"app", "domain = \"web")];
    let renamed = world.file("renamed.toml", NAMED, &web);
    up(&world, &renamed);
    settled(&world, &renamed);
    as_described(&world, &renamed);
    let names = dump(&world)["dns_records"].to_string();
    assert!(names.contains("web.example.com.") && !names.contains("app.example.com"), "{names}");

    // A record of somebody else is refused, and taken over once it is named.
    record(&world, &zone, "CREATE", "www.example.com", "192.0.2.1");
    let www =
        [web[0].0, web[1].0].into_iter().zip(["name = \"www.example.com\"", "domain = \"www"]).collect::<Vec<_>>();
    let www = world.file("www.toml", NAMED, &www);
    let refused = world.run(&www, &["up", "--yes"]).ends(1);
    let adopt = format!("dns-record/www.example.com={zone}/www.example.com/A");
    assert!(refused.err.contains(&format!("up --adopt {adopt}` puts")), "{}", refused.err);
    let said = format!("{}{}", refused.out, refused.err);
    assert!(said.contains("nothing says that it is of stack `named`") && !said.contains("carries"), "{said}");
    assert!(dump(&world)["dns_records"].to_string().contains("192.0.2.1"));
    let taken = world.run(&www, &["up", "--yes", "--adopt", &adopt]).ends(0);
    assert!(!taken.err.contains("tags."), "a record gets none: {}", taken.err);
    settled(&world, &www);
    as_described(&world, &www);

    // Without the name in the file the tag of the balancer tells of it.
    let keys = [("[dns]\nname = \"app.example.com\"\n\n[balancer.tls]\ndomain = \"app.example.com\"\n", "")];
    let plain = world.file("plain.toml", NAMED, &keys);
    up(&world, &plain);
    settled(&world, &plain);
    as_described(&world, &plain);
    assert!(!dump(&world)["dns_records"].to_string().contains("www.example.com"));

    // A name that somebody has pointed elsewhere since is not deleted.
    up(&world, NAMED);
    record(&world, &zone, "UPSERT", "app.example.com", "192.0.2.2");
    world.run(NAMED, &["teardown", "--confirm", "named"]).ends(0);
    record(&world, &zone, "DELETE", "app.example.com", "192.0.2.2");
    policy_allows_all(&world);
    untouched(&world, &before);
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn records_move_to_a_nearer_zone_and_leave_none_behind() {
    let world = World::start();
    let first: String = world.account(json!({"do": "zone", "name": "example.com"}));
    up(&world, NAMED);
    let nearer: String = world.account(json!({"do": "zone", "name": "app.example.com"}));
    let mut plan = changes(&world.run(NAMED, &["plan", "-o", "json"]).ends(2));
    plan.sort();
    let moves = |name: &str| (format!("dns-record/{name}"), "update".into(), vec!["zone".into()]);
    assert_eq!(plan, [moves("_proof.app.example.com"), moves("app.example.com")]);
    up(&world, NAMED);
    settled(&world, NAMED);
    // The names of the records beside those that each zone has by itself.
    let records = |zone: &str| {
        let all = dump(&world)["dns_records"].clone();
        let keys = all.as_object().expect("an object").keys().filter(|key| key.contains(zone)).cloned();
        keys.filter(|key| !key.ends_with("/NS") && !key.ends_with("/SOA")).count()
    };
    assert_eq!([records(&first), records(&nearer)], [0, 2]);
    world.run(NAMED, &["teardown", "--confirm", "named"]).ends(0);
    assert_eq!([records(&first), records(&nearer)], [0, 0]);
    policy_allows_all(&world);
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn an_internal_balancer_is_named_in_the_private_zone_of_its_vpc() {
    let world = World::start();
    let _: String = world.account(json!({"do": "theirs"}));
    let public: String = world.account(json!({"do": "zone", "name": "example.com"}));
    let private: String = world.account(json!({"do": "zone", "name": "example.com", "private": true}));
    let before = dump(&world);
    let named = "[balancer]\nscheme = \"internal\"\n\n[dns]\nname = \"app.example.com\"\n\n[cache]\n";
    let file = world.file("internal.toml", "examples/locked-down.toml", &[("[cache]\n", named)]);
    up(&world, &file);
    settled(&world, &file);
    let records = dump(&world)["dns_records"].clone();
    let of = |zone: &str| records[format!("/hostedzone/{zone}/app.example.com./A")]["AliasTarget"]["DNSName"].clone();
    assert!(of(&private).as_str().is_some_and(|target| target.contains("locked-main-")), "{records}");
    assert!(of(&public).is_null(), "{records}");
    world.run(&file, &["teardown", "--confirm", "locked"]).ends(0);
    policy_allows_all(&world);
    untouched(&world, &before);
}
