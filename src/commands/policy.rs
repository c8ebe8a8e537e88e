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
    let aws = Aws::connect(&Target { region: loaded.config.region.clone(), ..Target::default() }).await;
    let facts = Facts::offline(&loaded.config);
    let stack = stack::wire(&loaded, &facts, &aws).map_err(session::template)?;
    let before = stack::remains::imaginable(&loaded, &facts, &aws);
    let policies = policy::of(&stack.graph, &before, &loaded.config);
    let object = serde_json::json!({"stack": loaded.config.name, "policies": policies});
    if out.json() {
        out.line(&object);
    } else {
        out.verbatim(serde_json::to_string_pretty(&object).expect("policies serialise"));
    }
    Ok(DONE)
}
