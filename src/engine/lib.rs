//! The engine: steps, their one life, and the walk over them.
//!
//! A *step* is one object that is kept as described. Each *kind* of object implements [`Resource`]: a pure `spec` (what
//! is wanted) and four verbs. The engine knows no AWS service and no command line, and prints nothing.
//!
//! | module | |
//! | --- | --- |
//! | [`resource`] | the trait that a kind implements |
//! | [`context`], [`env`](mod@env) | what a step is given; what all steps of a run share |
//! | [`refs`] | how one step reads from another: its needs are the references that its spec reads |
//! | [`graph`] | the steps of a stack |
//! | [`walk`](mod@walk) | visits the steps, as many at once as their needs allow |
//! | [`node`] | the life of a step, as below |
//! | [`change`] | the difference between what is wanted and what is found |
//! | [`wait`] | how often to look, how long, and how often to try again |
//! | [`error`] | what can go wrong |
//! | [`event`] | what happens during a walk, as data |
//! | [`forecast`] | how long the rest takes |
//! | [`ownership`], [`record`] | what proves that an object is the stack's |
//! | [`consent`], [`names`], [`tags`] | what the user permits; how objects are called and marked |
//! | [`handover`] | how the objects of a changed stack file take over from those of the earlier one |
//! | [`secret`], [`stop`] | passwords, and the request to stop |
//!
//! # The life of a step
//!
//! Find the object; check that it is the stack's; wait while it is busy; compare; create, update, replace or refuse;
//! wait until it is ready *and* as wanted; publish its outputs. A failure that passes begins all of that again, after a
//! pause. So a run can be cut anywhere, and the next one finishes its work.
//!
//! # Example
//!
//! A kind that keeps a file with a text in it, and a walk that creates two of them. The second file has the name of the
//! first one as its text, and is created after it for that reason.
//!
//! ```
//! use gameday_engine::*;
//! use serde::Serialize;
//! use std::{cell::RefCell, collections::BTreeMap, rc::Rc};
//!
//! /// A file system that lives in memory.
//! type Files = Rc<RefCell<BTreeMap<String, (String, Tags)>>>;
//!
//! struct File {
//!     files: Files,
//!     heading: Option<Ref<File>>,
//! }
//!
//! #[derive(Serialize)]
//! struct Spec {
//!     text: Known<String>,
//! }
//!
//! #[derive(Clone, Serialize)]
//! struct Output {
//!     name: String,
//! }
//!
//! impl Resource for File {
//!     const KIND: &'static str = "file";
//!     type Spec = Spec;
//!     type Output = Output;
//!
//!     fn spec(&self, inputs: &Inputs) -> Spec {
//!         let text = self.heading.as_ref().map(|file| inputs.read(file, |o| o.name.clone()));
//!         Spec { text: text.unwrap_or(Known::Now("hello".into())) }
//!     }
//!
//!     async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
//!         let found = self.files.borrow().get(&cx.name()).cloned();
//!         Ok(found.map(|(text, tags)| Found {
//!             id: cx.name(),
//!             spec: Spec { text: Known::Now(text) },
//!             output: Some(Output { name: cx.name() }),
//!             phase: Phase::Ready,
//!             tags,
//!         }))
//!     }
//!
//!     async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
//!         self.files.borrow_mut().insert(cx.name(), (want.text.get()?.clone(), cx.tags()));
//!         Ok(())
//!     }
//!
//!     async fn update(&self, cx: &Cx<'_>, want: &Spec, _: &Found<Self>, _: &Diff) -> Result<()> {
//!         self.create(cx, want).await
//!     }
//!
//!     async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
//!         self.files.borrow_mut().remove(&found.id);
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let files = Files::default();
//! let mut graph = Graph::default();
//! let title = graph.add("title", File { files: files.clone(), heading: None });
//! graph.add("page", File { files: files.clone(), heading: Some(title) });
//!
//! let env = Env::new("book", Events::silent());
//! let report = walk(&graph, Direction::Forward, &env, async |step: &dyn Node| step.reconcile(&env).await).await;
//! assert!(report.all_done());
//! assert_eq!(files.borrow()["book-page"].0, "book-title");
//!
//! // A second walk finds nothing to do.
//! let report = walk(&graph, Direction::Forward, &env, async |step: &dyn Node| step.reconcile(&env).await).await;
//! assert!(report.done().all(|(_, change)| change.is_none()));
//! # }
//! ```
#![warn(missing_docs, unreachable_pub, clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]

pub mod change;
pub mod consent;
pub mod context;
mod converge;
mod create;
mod decide;
pub mod env;
pub mod error;
pub mod event;
mod evidence;
pub mod forecast;
pub mod graph;
pub mod handover;
mod input;
mod look;
pub mod names;
pub mod node;
pub mod ownership;
pub mod record;
pub mod refs;
mod remove;
pub mod resource;
pub mod secret;
pub mod stop;
pub mod tags;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod wait;
pub mod walk;

#[cfg(test)]
mod laws;

pub use change::{Change, Diff, Field};
pub use consent::{Consent, is_id, is_id_or_name};
pub use context::Cx;
pub use env::{Advice, Env, FinalSnapshot};
pub use error::{AwsError, Class, Error, Result};
pub use event::{Event, Events};
pub use forecast::{Forecast, Progress};
pub use graph::Graph;
pub use input::Input;
pub use names::Names;
pub use node::{Node, Status};
pub use ownership::{Ownership, RecordReader};
pub use record::{Ledger, Record};
pub use refs::{Inputs, Key, Known, Ref};
pub use resource::{Found, Holder, Phase, Resource, Typical};
pub use secret::Secret;
pub use stop::Stop;
pub use tags::{TagKeys, Tags};
pub use wait::Pace;
pub use walk::{Direction, Report, Visit, glance, walk};
