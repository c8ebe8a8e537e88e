//! The one error type, from the engine, with its help texts.
pub use crate::help::Help;
pub use gameday_engine::error::*;
