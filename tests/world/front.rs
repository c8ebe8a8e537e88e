//! The life of what is before the services: the load balancer's scheme.
use crate::{
    life::{as_described, changed_nothing, changes, dump, settled, untouched, up},
    tools::account::World,
};

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
