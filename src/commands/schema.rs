//! `gameday schema`
use super::{DONE, Outcome};
use crate::output::Printer;

pub fn run(out: Printer) -> Outcome {
    out.verbatim(serde_json::to_string_pretty(&crate::config::schema()).expect("a schema serialises"));
    Ok(DONE)
}
