//! `gameday bake` on the emulator, with the rights that `gameday policy` prints.
use crate::tools::account::World;
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path};

const FILE: &str = "\
# our stack
name = \"billing\" # never change it

[service.api] # the only one
source = \"https://example-bucket.s3.amazonaws.com/server\" # from the organisers
packages = [\"nodejs\"]
";

/// Returns the ids of the images, or what else of bakes the account has.
fn baked(world: &World, what: &str) -> BTreeSet<String> {
    let all: Value = world.account(json!({"do": "baked"}));
    match &all[what] {
        Value::Array(ids) => ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect(),
        by_id => by_id.as_object().unwrap().keys().cloned().collect(),
    }
}

fn bake(world: &World, file: &Path) -> String {
    world.run(file, &["bake", "--yes", "-o", "json"]).ends(0).json()["image"].as_str().unwrap().to_owned()
}

fn set(ids: &[&String]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).clone()).collect()
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn an_image_is_baked_launched_and_removed_with_its_snapshot() {
    let world = World::start();
    let empty: Value = world.account(json!({"do": "dump"}));
    let file = world.folder.path().join("gameday.toml");
    std::fs::write(&file, FILE).unwrap();

    // Without a stack there is nothing to launch from.
    let said = world.run(&file, &["bake", "--yes"]).ends(1);
    assert!(
        said.err.contains("has no launch template yet") && said.err.contains(" up` builds the stack"),
        "{}",
        said.err
    );
    world.run(&file, &["up", "--yes"]).ends(0);
    let said = world.run(&file, &["bake"]).ends(1);
    assert!(said.err.contains("say --yes"), "it asks first: {}", said.err);
    assert_eq!(baked(&world, "images"), BTreeSet::new());

    // The image has the tags, its snapshot too, and the instance is gone.
    let said = world.run(&file, &["bake", "--set", "--yes"]).ends(0);
    let first = said.out.trim().to_owned();
    let all: Value = world.account(json!({"do": "baked"}));
    assert_eq!(all["instances"], json!([]));
    let tags = &all["images"][&first]["tags"];
    assert_eq!((&tags["gameday:stack"], &tags["gameday:bake"]), (&json!("billing"), &json!("api")), "{all}");
    assert!(tags.get("gameday:step").is_none(), "an image is no step: {tags}");
    assert_eq!(all["snapshots"].as_object().unwrap().values().next(), Some(tags), "{all}");
    assert!(said.err.contains("do not repeat: packages 30 s, fetch 2 s, agent_package 8 s"), "{}", said.err);
    assert!(said.err.contains("the service answered 40 s after"), "{}", said.err);
    // One line is new in the stack file, and new instances boot from it.
    let with_image = format!("{FILE}image = \"{first}\"\n");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), with_image);
    world.run(&file, &["up", "--yes"]).ends(0);
    let dump: Value = world.account(json!({"do": "dump"}));
    assert!(dump["instances"].to_string().contains(&first), "the fleet boots from the image");

    // The next one is based on the same image as the first, and leaves the file as it is.
    let second = world.run(&file, &["bake", "api", "--yes", "-o", "json"]).ends(0).json();
    let base = &tags["gameday:base"];
    assert_eq!((&second["base"], &second["skipped"][0]), (base, &json!({"name": "packages", "seconds": 30})));
    assert!(base != &json!(first));
    let second = second["image"].as_str().unwrap().to_owned();
    let third = bake(&world, &file);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), with_image);
    let said = world.run(&file, &["cost"]).ends(0);
    assert!(said.out.contains("GB of snapshots"), "{}", said.out);

    // What is used, the newest, and what only claims to be the stack's stay.
    let forged: String = world.account(json!({"do": "forged_image", "stack": "billing", "service": "api"}));
    let pruned = world.run(&file, &["bake", "--prune", "--yes", "-o", "json"]).ends(0).json();
    assert_eq!(pruned["deleted"], json!([second]), "{pruned}");
    assert_eq!(baked(&world, "images"), set(&[&first, &third, &forged]));
    assert_eq!(baked(&world, "snapshots").len(), 2);
    let again = world.run(&file, &["bake", "--prune", "--yes", "-o", "json"]).ends(0).json();
    assert_eq!(again["deleted"], json!([]));

    // A failure leaves nothing behind.
    let wrong = world.folder.path().join("wrong.toml");
    std::fs::write(&wrong, with_image.replace("nodejs", "no-such-package")).unwrap();
    let said = world.run(&wrong, &["bake", "--yes"]).ends(1);
    assert!(said.err.contains("could not install no-such-package: Error: Unable to find a match"), "{}", said.err);
    assert_eq!((baked(&world, "images").len(), baked(&world, "instances").len()), (3, 0));

    // An image that the stack file names and nobody has any more is said before anything is changed.
    world.account::<Value>(json!({"do": "delete_image", "image": third}));
    let lost = world.folder.path().join("lost.toml");
    std::fs::write(&lost, with_image.replace(&first, &third)).unwrap();
    let said = world.run(&lost, &["up", "--yes"]).ends(1);
    assert!(said.err.contains(&format!("there is no image {third}")), "{}", said.err);

    // The teardown lists the images, and takes them with their snapshots. What is not the stack's stays, and is named.
    let said = world.run(&file, &["teardown", "--confirm", "billing"]).ends(1);
    assert!(said.out.contains(&format!("image/{forged}: carries the stack's tag")), "{}", said.out);
    assert_eq!(baked(&world, "images"), set(&[&forged]));
    assert_eq!(baked(&world, "snapshots"), BTreeSet::new());
    world.account::<Value>(json!({"do": "delete_image", "image": forged}));
    assert_eq!(world.account::<Value>(json!({"do": "dump"})).to_string(), empty.to_string(), "nothing is left");
    let (judged, missing) = world.rights();
    assert!(judged > 100 && missing.is_empty(), "the policy lacks {missing:#?}");
}
