//! `gameday policy`: the IAM policies of whoever runs gameday on this stack file.
use super::{DONE, Outcome, session};
use crate::{
    aws::{Aws, Target},
    cli::Global,
    facts::Facts,
    output::Printer,
    policy, stack,
};

pub async fn run(global: &Global, out: Printer) -> Outcome {
    let loaded = session::load(global, &out)?;
    let region = loaded.config.region.clone();
    let target = Target { region: region.clone(), ..Target::default() };
    let facts = Facts::offline(&loaded.config);
    let stack = stack::wire(&loaded, &facts, &Aws::connect(&target).await).map_err(session::template)?;
    let policies = policy::of(&stack.graph, &loaded.config, &region);
    let object = serde_json::json!({"stack": loaded.config.name, "policies": policies});
    if out.json() {
        out.line(&object);
    } else {
        out.data(serde_json::to_string_pretty(&object).expect("policies serialise"));
    }
    Ok(DONE)
}
