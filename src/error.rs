//! The one error type, from the engine.
pub use gameday_engine::error::*;
