//! What the shape of the graph promises.
use crate::{
    aws::{Aws, Target},
    config,
    engine::{
        Direction, Env, Events,
        testing::{World, critical_path, shadow, teardown, up},
    },
    facts::Facts,
    stack,
};
use std::path::Path;

/// In virtual time, with AWS's usual durations: nothing of an example waits for what it does not need.
#[tokio::test(start_paused = true)]
async fn no_example_takes_longer_than_its_critical_path() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    names.sort();
    assert!(names.len() >= 5, "{names:?}");
    let mut wrong = vec![];
    for path in names {
        let loaded = config::load(&path).expect("an example is sound");
        let region = loaded.config.region.clone();
        let aws = Aws::connect(&Target { region, ..Target::default() }).await;
        let graph = stack::wire(&loaded, &Facts::offline(&loaded.config), &aws).expect("it renders").graph;
        let (world, env) = (World::default(), Env::new("shadow", Events::silent()));
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        for direction in [Direction::Forward, Direction::Reverse] {
            let g = shadow(&graph, &world);
            let (longest, steps) = critical_path(&g, direction);
            let begun = tokio::time::Instant::now();
            let (verb, done) = match direction {
                Direction::Forward => ("up", up(&g, &env).await.all_done()),
                Direction::Reverse => ("teardown", teardown(&g, &env).await.all_done()),
            };
            assert!(done, "{name}");
            let (took, longest) = (begun.elapsed().as_secs_f64(), longest.as_secs_f64());
            let over = took / longest;
            let steps: Vec<_> = steps.iter().map(|key| key.name()).collect();
            println!("{name}: {verb} {over:.3} of {longest} s: {}", steps.join(" > "));
            // Polls have a random part, which matters only on a short path; a teardown also looks at everything first.
            let slack = if direction == Direction::Forward { 1.0 } else { 2.0 };
            if took > longest * 1.02 + slack {
                wrong.push(format!("{name}: {verb} takes {over:.3} of its critical path, {longest} s: {steps:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
