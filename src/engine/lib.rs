//! The engine: steps, their one life, and the walk over them.
//!
//! A *step* is one object that is kept as described. Each *kind* of object implements [`Resource`]:
//! a pure `spec` (what we want) and four verbs. The life of a step is written once, in [`node`]:
//! find; is it ours?; wait while busy; diff; create, update, replace or refuse; wait until it is ready *and*
//! matches; publish outputs. [`walk`] visits the steps, as many at once as their needs allow.
//!
//! The engine knows no AWS service and prints nothing: what it has to say are [`Event`]s.
#![warn(clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]
pub mod change;
pub mod error;
pub mod event;
pub mod forecast;
pub mod graph;
pub mod node;
pub mod record;
pub mod refs;
pub mod resource;
pub mod secret;
pub mod stop;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod wait;
pub mod walk;

#[cfg(test)]
mod laws;

pub use change::{Change, Diff, Field};
pub use error::{AwsError, Class, Error, Result};
pub use event::{Event, Events};
pub use forecast::{Forecast, Progress};
pub use graph::Graph;
pub use node::{Node, Status};
pub use record::{Proofs, Record, is_id, means};
pub use refs::{Inputs, Key, Known, Ref};
pub use resource::{Cx, Env, FinalSnapshot, Found, Holder, Phase, Reread, Resource, TagKeys, Tags, Typical};
pub use secret::Secret;
pub use stop::Stop;
pub use wait::Pace;
pub use walk::{Direction, Report, Visit, glance, walk};
