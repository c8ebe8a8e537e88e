//! What the shape of the graph promises.
use crate::{
    aws::{Aws, Target, note},
    config::{self, SERVICES},
    engine::{
        Direction, Env, Events, Record,
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

/// Wires as many services as a stack takes, with all that a stack can have besides.
async fn largest() -> (config::Loaded, stack::Stack) {
    let mut text = "name = \"billing\"\n[cache]\nnodes = 2\n[balancer]\nblock = [{ path = \"/a\" }]\n\
                    [balancer.tls]\nself_signed = true\n"
        .to_owned();
    for n in 1..=SERVICES {
        text += &format!("[service.s{n}]\nsource = \"https://example.com/server\"\nroutes = [\"/s{n}\"]\n");
    }
    let loaded = config::parse("gameday.toml", &text).map_err(|e| e.render(false, 100)).expect("it is sound");
    let aws = Aws::connect(&Target { region: loaded.config.region.clone(), ..Target::default() }).await;
    let wired = stack::wire(&loaded, &Facts::offline(&loaded.config), &aws);
    (loaded, wired.map_err(|e| e.to_string()).expect("it renders"))
}

#[tokio::test]
async fn the_largest_stack_is_within_the_limits() {
    let (loaded, stack) = largest().await;
    let of = |kind: &str| stack.graph.nodes().filter(|n| n.key().kind() == kind).count();
    assert_eq!(of("listener-rule"), loaded.config.balancer_rules(), "the rules are counted as they are made");
    assert!(of("alarm") <= 100, "an alarm widget takes 100 alarms, not {}", of("alarm"));
    // Each service is a rule in the groups of the balancer and the stores, and two during a change of its name.
    assert!(SERVICES < 60 && of("target-group") <= 100);
    let mut record = Record::default();
    for node in stack.graph.nodes() {
        record.add(node.key().as_str(), "id");
    }
    let size = serde_json::to_string(&record).expect("a record serialises").len();
    assert!(size <= note::LARGEST, "the record of {} steps has {size} bytes", stack.graph.nodes().count());
}
