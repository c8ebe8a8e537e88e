//! JSON schemas of the output with `-o json`, derived from the printed types.
use super::{
    bake::{Baked, Pruned},
    complaint::Complaint,
    cost::Cost,
    line::Line,
    live::LiveRound,
    plan::Plan,
    serve::Picture,
    status::Overview,
    targets, why,
};
use crate::cli::Output;
use schemars::{JsonSchema, Schema, generate::SchemaSettings};

/// Returns the schema of one output.
pub fn of(output: Output) -> Schema {
    match output {
        Output::Plan => schema::<Plan<'static>>(),
        Output::Status => schema::<Overview<'static>>(),
        Output::Watch => schema::<LiveRound<'static>>(),
        Output::Serve => schema::<Picture<'static>>(),
        Output::Why => schema::<why::Told<'static>>(),
        Output::Cost => schema::<Cost<'static>>(),
        Output::Logs => schema::<crate::logs::Event>(),
        Output::Targets => schema::<targets::Message<Vec<crate::targets::Machine>>>(),
        Output::Target => schema::<targets::Message<crate::targets::Machine>>(),
        Output::Bake => schema::<Baked>(),
        Output::Prune => schema::<Pruned>(),
        Output::Lines => schema::<Line<'static>>(),
        Output::Error => schema::<Failed>(),
    }
}

/// The output of a command that fails, whatever it prints otherwise.
#[derive(serde::Serialize, JsonSchema)]
struct Failed {
    at: jiff::Timestamp,
    /// Always `error`.
    event: String,
    errors: Vec<Complaint>,
}

/// Returns the schema of the written form, not of the readable one.
fn schema<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}
