//! `gameday schema`: prints the JSON schema of the stack file, or of an output.
use super::{DONE, Outcome};
use crate::{
    cli, config,
    output::{Printer, schema},
};

/// Runs `gameday schema`.
pub fn run(out: Printer, output: Option<cli::Output>) -> Outcome {
    let schema = output.map_or_else(config::schema, |output| schema::of(output).to_value());
    out.verbatim(serde_json::to_string_pretty(&schema).expect("a schema serialises"));
    Ok(DONE)
}
