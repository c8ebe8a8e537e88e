//! The life of what is before the services: the load balancer's scheme, and HTTPS.
use crate::{
    life::{as_described, changed_nothing, changes, dump, policy_allows_all, settled, untouched, up},
    support::Call,
    tools::account::World,
};
use serde_json::json;
use std::collections::BTreeSet;

const BILLING: &str = "examples/billing-api.toml";

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn an_internal_balancer_serves_its_vpc_and_becomes_public_only_when_it_is_named() {
    let world = World::start();
    let before = dump(&world);
    let internal = world.file("internal.toml", BILLING, &[("#scheme = \"public\"", "scheme = \"internal\"")]);
    up(&world, &internal);
    let status = world.run(&internal, &["status", "-o", "json"]).ends(0);
    assert!(status.json()["verdict"].as_str().expect("a text").starts_with("SERVING"), "{}", status.out);
    settled(&world, &internal);
    as_described(&world, &internal);

    // AWS cannot change the scheme.
    let plan = world.run(BILLING, &["plan", "-o", "json"]);
    let refused = ("load-balancer/main".into(), "refuse".into(), vec!["scheme".into(), "subnets".into()]);
    assert!(changes(&plan).contains(&refused), "{}", plan.out);
    changed_nothing(&plan);
    world.run(BILLING, &["up", "--yes", "--replace", "load-balancer/main"]).ends(0);
    settled(&world, BILLING);
    as_described(&world, BILLING.as_ref());
    world.run(BILLING, &["teardown", "--confirm", "billing"]).ends(0);
    untouched(&world, &before);
}

/// A stack with rules that refuse requests, and routes, so that both listeners have rules of every sort.
const FRONT: &str = "tests/life/front.toml";

fn drift(world: &World, name: &str) {
    let _: () = world.account(json!({"do": "drift", "name": name, "stack": "front", "service": "api"}));
}

/// Returns the keys of a plan's changes of one sort.
fn keys(all: &[(String, String, Vec<String>)], change: &str) -> BTreeSet<String> {
    all.iter().filter(|(_, c, _)| c == change).map(|(key, ..)| key.clone()).collect()
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn https_is_turned_on_and_off_and_leaves_nothing() {
    let world = World::start();
    let before = dump(&world);
    let tls = "[balancer.tls]\nself_signed = true\n";
    let plain = world.file("plain.toml", FRONT, &[(tls, "")]);
    up(&world, &plain);
    settled(&world, &plain);
    as_described(&world, &plain);

    // On: HTTPS has every rule before port 80 redirects to it.
    let on = up(&world, FRONT);
    let at = |operation: &str| on.calls.iter().position(|c| c.operation == operation && c.mutating).expect("a call");
    assert!(at("ImportCertificate") < at("CreateListener") && at("CreateListener") < at("CreateRule"));
    // Only the lease is given back.
    let deletes = |c: &&Call| c.mutating && c.operation.starts_with("Delete") && c.service != "ssm";
    assert_eq!(on.calls.iter().filter(deletes).count(), 0, "nothing is deleted");
    settled(&world, FRONT);
    as_described(&world, FRONT.as_ref());
    let status = world.run(FRONT, &["status", "-o", "json"]).ends(0).json();
    assert!(status["verdict"].as_str().expect("a text").starts_with("SERVING https://"), "{}", status["verdict"]);

    // What people change by hand.
    for (name, change) in [
        ("redirect-deleted", "listener-rule/redirect-to-https create"),
        ("old-tls-allowed", "listener/https update"),
        ("certificate-for-another-name", "certificate/self-signed update"),
        ("https-deleted", "listener/https create"),
    ] {
        drift(&world, name);
        let plan = changes(&world.run(FRONT, &["plan", "-o", "json"]));
        assert!(plan.iter().any(|(key, c, _)| format!("{key} {c}") == change), "{name}: {plan:?}");
        up(&world, FRONT);
        settled(&world, FRONT);
        as_described(&world, FRONT.as_ref());
    }

    // Off: the redirect goes first.
    let plan = changes(&world.run(&plain, &["plan", "-o", "json"]));
    assert_eq!(keys(&plan, "update"), ["security-group-rules/alb".to_owned()].into(), "{plan:?}");
    let gone = keys(&plan, "delete");
    assert!(gone.contains("certificate/self-signed") && gone.contains("listener-rule/redirect-to-https"), "{gone:?}");
    let off = up(&world, &plain);
    let deleted = |c: &&Call| c.mutating && (c.operation.starts_with("Delete") || c.operation.starts_with("Revoke"));
    let order: Vec<&str> = off.calls.iter().filter(deleted).map(|c| c.operation.as_str()).collect();
    let place = |operation: &str| order.iter().position(|o| *o == operation).expect("a call");
    assert!(place("DeleteListener") < place("DeleteCertificate"), "{order:?}");
    assert!(place("DeleteListener") < place("RevokeSecurityGroupIngress"), "{order:?}");
    settled(&world, &plain);
    as_described(&world, &plain);

    up(&world, FRONT);
    world.run(FRONT, &["teardown", "--confirm", "front"]).ends(0);
    policy_allows_all(&world);
    untouched(&world, &before);
}
