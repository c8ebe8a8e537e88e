//! What was not seen is never reported as absent: on an existing stack, each read call is refused in turn. Every verb
//! still reports what it saw, what it could not see and how to see it, and nothing is built twice.

use crate::{support::Said, tools::account::World};
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path};

/// Returns every read that a command made, as `service:Operation`.
fn reads(said: &Said) -> BTreeSet<String> {
    said.calls.iter().filter(|c| !c.mutating).map(|c| format!("{}:{}", c.service, c.operation)).collect()
}

fn rules(v: &Value) -> BTreeSet<String> {
    let of = |f: &Value| {
        format!("{} ({})", f["rule"].as_str().unwrap_or_default(), f["severity"].as_str().unwrap_or_default())
    };
    v["services"][0]["findings"].as_array().expect("findings").iter().map(of).collect()
}

fn word(verdict: &str) -> &str {
    let words = ["SERVING", "AT RISK", "BUILDING", "NOT BUILT", "NOT SERVING", "UNKNOWN"];
    words.into_iter().find(|w| verdict.starts_with(w)).unwrap_or_else(|| panic!("no verdict: {verdict:?}"))
}

/// Returns the claim in a text that is wrong about an existing stack, if there is one.
fn claims(text: &str) -> Option<&'static str> {
    [
        "there is no ",
        "knows none",
        "is gone",
        "no load balancer",
        "no target group",
        "no Auto Scaling group",
        "nothing of stack",
    ]
    .into_iter()
    .find(|c| text.contains(c))
}

struct Stack {
    world: World,
    file: std::path::PathBuf,
    quiet: Value,
}

impl Stack {
    fn up() -> Self {
        let world = World::start();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/billing-api.toml");
        world.plain(&file, &["up", "--yes"]).ends(0);
        let quiet = world.plain(&file, &["-o", "json", "status"]).ends(0).json();
        assert_eq!(word(quiet["verdict"].as_str().unwrap()), "SERVING");
        Self { world, file, quiet }
    }

    fn run(&self, faults: Value, args: &[&str]) -> Said {
        self.world.tell("POST", "faults", faults);
        let said = self.world.plain(&self.file, args);
        self.world.tell("POST", "faults", json!({}));
        said
    }

    /// Returns the result of `status` if this operation fails for this reason, after checking it.
    fn status(&self, faults: Value, operation: &str) -> Value {
        let said = self.run(faults, &["-o", "json", "status"]);
        let here = format!("without {operation}: exit code {}\n{}\n{}", said.code, said.out, said.err);
        let status = said.json();
        let verdict = status["verdict"].as_str().unwrap_or_else(|| panic!("{here}")).to_owned();
        assert_eq!(said.code == 0, word(&verdict) == "SERVING", "{here}");
        assert_eq!(status["serving"].as_bool(), Some(said.code == 0), "{here}");
        assert_ne!(word(&verdict), "NOT SERVING", "{here}");
        assert_eq!(claims(&said.out), None, "{here}");
        assert!(rules(&status).is_subset(&rules(&self.quiet)), "{:?}\n{here}", rules(&status));
        let steps = status["steps"].as_array().expect("steps");
        assert!(steps.iter().all(|s| s["phase"] != "missing" && s["drift"] == json!([])), "{here}");
        status
    }
}

/// Refuses every third read in turn, so that three tests share the time.
fn refused_in_turn(third: usize) {
    let stack = Stack::up();
    let mut all = BTreeSet::new();
    let verbs: [&[&str]; 3] = [&["-o", "json", "status"], &["-o", "json", "why"], &["-o", "json", "plan"]];
    let of: Vec<BTreeSet<String>> = verbs.iter().map(|v| reads(&stack.world.plain(&stack.file, v).ends(0))).collect();
    of.iter().for_each(|o| all.extend(o.clone()));
    assert!(all.len() > 25, "{all:?}");
    let mut words = BTreeSet::new();
    for operation in all.iter().skip(third).step_by(3) {
        let (deny, name) = (json!({"deny": [operation]}), operation.split(':').nth(1).unwrap());

        let status = stack.status(deny.clone(), operation);
        words.insert(word(status["verdict"].as_str().unwrap()).to_owned());
        let gaps = status["gaps"].as_array().unwrap();
        for gap in gaps {
            assert!(gap["help"].as_str().is_some_and(|h| h.contains(" policy`")), "{operation}: {gap}");
        }
        // If the verdict depends on the call, the verdict names it.
        if word(status["verdict"].as_str().unwrap()) == "UNKNOWN" {
            assert!(status["verdict"].as_str().unwrap().contains(name), "{operation}: {}", status["verdict"]);
        }

        let why = stack.run(deny.clone(), &["-o", "json", "why"]);
        let here = format!("why without {operation}: exit code {}\n{}\n{}", why.code, why.out, why.err);
        let seen = why.json();
        assert_eq!(claims(&why.out), None, "{here}");
        assert_eq!(seen["broken"], false, "{here}");
        assert!(rules(&seen).is_subset(&rules(&stack.quiet)), "{here}");
        assert_eq!(why.code, i32::from(word(seen["word"].as_str().unwrap()) == "UNKNOWN"), "{here}");

        let plan = stack.run(deny.clone(), &["-o", "json", "plan"]);
        let here = format!("plan without {operation}: exit code {}\n{}\n{}", plan.code, plan.out, plan.err);
        let seen = plan.json();
        assert_eq!(seen["changes"], json!([]), "{here}");
        assert_eq!(plan.code, i32::from(seen["errors"].as_array().is_some_and(|e| !e.is_empty())), "{here}");

        let up = stack.run(deny, &["up", "--yes"]);
        assert_eq!(up.changes(), Vec::<String>::new(), "up without {operation}\n{}\n{}", up.out, up.err);
        // A missing optional part is reported, and is no failure.
        if let Some(without) = seen["without"].as_array() {
            assert!(without.iter().all(|w| up.err.contains(w["key"].as_str().unwrap())), "{}", up.err);
            assert!(up.err.contains("the service is served without it"), "{}", up.err);
        }
        let fails = plan.code != 0 || word(up.out.lines().next().unwrap_or("UNKNOWN")) != "SERVING";
        assert_eq!(up.code != 0, fails, "up without {operation}\n{}\n{}", up.out, up.err);
    }
    assert!(words.contains("UNKNOWN") && words.contains("SERVING"), "{words:?}");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn each_read_refused_in_turn_1_of_3() {
    refused_in_turn(0);
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn each_read_refused_in_turn_2_of_3() {
    refused_in_turn(1);
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn each_read_refused_in_turn_3_of_3() {
    refused_in_turn(2);
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn people_are_told_what_was_not_seen_and_the_way_out() {
    let stack = Stack::up();
    for (operation, word) in [
        ("elbv2:DescribeLoadBalancers", "UNKNOWN"),
        ("elbv2:DescribeTargetHealth", "UNKNOWN"),
        ("elbv2:DescribeTargetGroups", "UNKNOWN"),
        ("elbv2:DescribeListeners", "UNKNOWN"),
        ("cloudwatch:DescribeAlarms", "SERVING"),
        ("rds:DescribeDBInstances", "SERVING"),
    ] {
        let name = operation.split(':').nth(1).unwrap();
        let said = stack.run(json!({"deny": [operation]}), &["status"]).ends(i32::from(word != "SERVING"));
        assert!(said.out.starts_with(word), "{}", said.out);
        assert!(said.out.contains(&format!("not seen {name}: {name} failed: ")), "{}", said.out);
        assert!(said.out.contains("policy` prints the IAM policy"), "{}", said.out);
        assert_eq!(claims(&said.out), None, "{}", said.out);
    }
    let said = stack.run(json!({"deny": ["elbv2:DescribeTargetHealth"]}), &["up", "--yes"]).ends(1);
    assert!(said.err.contains("could not be seen (DescribeTargetHealth)"), "{}", said.err);
    assert!(said.err.contains("gameday -c "), "{}", said.err);

    // The tags cannot find an object with a changed name: `plan` says so.
    let name = ("[names]\n", "[names]\n\"database/main\" = \"billing-main\"\n");
    let named = stack.world.file("named.toml", "examples/billing-api.toml", &[name]);
    stack.world.tell("POST", "faults", json!({"deny": ["*:GetResources"]}));
    let said = stack.world.plain(&named, &["plan"]).ends(0);
    stack.world.tell("POST", "faults", json!({}));
    assert!(
        said.err.contains("under another name than the one under [names] is not known: GetResources"),
        "{}",
        said.err
    );

    // The findings are printed even if they cannot be saved.
    let said = stack.run(json!({}), &["why", "--save", "/dev/full"]).ends(1);
    assert!(said.out.contains("nothing is broken"), "{}", said.out);
    assert_eq!(said.err.matches("cannot write /dev/full").count(), 1, "{}", said.err);

    // A missing answer, an endless fault and endless throttling are reported like a refusal.
    for (faults, operation) in [
        (json!({"error500": 1.0, "only": "elbv2:DescribeTargetHealth"}), "DescribeTargetHealth"),
        (json!({"throttle": 1.0, "only": "elbv2:DescribeLoadBalancers"}), "DescribeLoadBalancers"),
        (json!({"delay": 60, "only": "ec2:DescribeRouteTables"}), "DescribeRouteTables"),
        (json!({"error500": 1.0, "only": "autoscaling:DescribeAutoScalingGroups"}), "DescribeAutoScalingGroups"),
    ] {
        let status = stack.status(faults, operation);
        let calls = status["gaps"].as_array().unwrap().iter().map(|g| g["call"].as_str().unwrap());
        assert!(calls.collect::<Vec<_>>().contains(&operation), "{status}");
    }
}
