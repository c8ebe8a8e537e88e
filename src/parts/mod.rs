//! The parts of a stack, one folder each.
//!
//! In such a folder, `wire` adds the steps of the part to the graph, `see` reads its objects in the account, `judge`
//! finds problems with them, `measure` lists its CloudWatch metrics, and `bill` prices it.
//!
//! Wiring is typed and explicit: a part is given the handles of the parts that it refers to. The order in which the
//! parts are wired is in [`crate::stack`]. The look and the diagnosis treat all parts alike and iterate over `LIST`.
pub mod access;
pub mod balancer;
pub mod cache;
pub mod cdn;
pub mod database;
pub mod dns;
pub mod files;
pub mod metric;
pub mod monitoring;
pub mod network;
pub mod service;
pub(crate) mod store;
pub mod tls;

use crate::{
    aws::Aws,
    config::{Config, Egress, Loaded},
    diagnose::{Hop, View},
    engine::{Graph, Key, Ref, Resource},
    facts::Facts,
    snapshot::Look,
};
use futures::future::LocalBoxFuture;
use store::Store;

/// The parts of a stack: first those on the request path, in the order of a request, then those behind it.
///
/// A new part needs a folder, its `pub mod` above, a line here, and a call in [`crate::stack`].
pub(crate) const LIST: &[Entry] = &[
    dns::ENTRY,
    cdn::ENTRY,
    balancer::ENTRY,
    tls::ENTRY,
    service::ENTRY,
    network::ENTRY,
    access::ENTRY,
    database::ENTRY,
    cache::ENTRY,
    files::ENTRY,
    monitoring::ENTRY,
];

/// The functions and data of a part that the look and the diagnosis use.
pub(crate) struct Entry {
    /// Finds objects by name or tag.
    pub find: Option<See>,
    /// Reads objects that can be read only by an id that a `find` has returned.
    pub follow: Option<See>,
    /// The hop on the request path that not every stack has. It comes before those of `way`.
    pub edge: Option<fn(&View<'_>) -> Option<Hop>>,
    /// The hops on the request path, in order.
    pub way: &'static [fn(&View<'_>) -> Hop],
    /// The hops behind the request path: stores and alarms. A function returns `None` if the stack has no such object.
    pub behind: &'static [fn(&View<'_>) -> Option<Hop>],
    /// The stores that the instances connect to, one for each protocol that the part can have.
    pub stores: &'static [&'static Store],
}

/// A function that reads a part and stores the result in the snapshot.
///
/// The future is boxed, because futures of SDK calls are large and the thread's stack is small.
pub(crate) type See = for<'a, 'look> fn(&'a Look<'look>) -> LocalBoxFuture<'a, ()>;

impl Entry {
    /// An entry without any function, as a base for the others.
    pub(crate) const NONE: Self = Self { find: None, follow: None, edge: None, way: &[], behind: &[], stores: &[] };
}

/// The graph under construction, and the inputs that all parts read.
pub(crate) struct Builder<'a> {
    /// The graph to which the parts add their steps.
    pub graph: Graph,
    pub loaded: &'a Loaded,
    pub config: &'a Config,
    pub facts: &'a Facts,
    /// The ways out for private instances.
    ///
    /// A stack file describes one. Remains of earlier stack files can belong to several.
    pub egress: &'a [Egress],
    /// What earlier stack files described beside what this one can.
    pub earlier: &'a Earlier,
    aws: &'a Aws,
}

/// Names and domains that earlier stack files have given to the stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Earlier {
    /// The names under `[dns]`.
    pub names: Vec<String>,
    /// The domains of requested certificates.
    pub domains: Vec<String>,
}

impl<'a> Builder<'a> {
    /// Returns a builder with an empty graph.
    pub(crate) fn new(
        loaded: &'a Loaded,
        facts: &'a Facts,
        aws: &'a Aws,
        egress: &'a [Egress],
        earlier: &'a Earlier,
    ) -> Self {
        Self { graph: Graph::default(), loaded, config: &loaded.config, facts, egress, earlier, aws }
    }

    /// Returns a copy of the clients for a step.
    pub(crate) fn aws(&self) -> Aws {
        self.aws.clone()
    }

    /// Adds a step of the stack.
    pub(crate) fn add<R: Resource + 'static>(&mut self, name: &str, resource: R) -> Ref<R> {
        self.graph.add(name, resource)
    }

    /// Adds a step that also waits for steps whose output it does not read.
    pub(crate) fn add_after<R: Resource + 'static>(&mut self, name: &str, resource: R, after: &[&Key]) -> Ref<R> {
        self.graph.add_after(name, resource, after)
    }

    /// Adds an object that the stack only uses. The engine reads it, and never changes or deletes it.
    pub(crate) fn add_used<R: Resource + 'static>(&mut self, name: &str, resource: R) -> Ref<R> {
        self.graph.add_used(name, resource)
    }

    /// Adds a step of the stack if `ours` is set, otherwise an object that the stack only uses.
    pub(crate) fn add_or_use<R: Resource + 'static>(&mut self, ours: bool, name: &str, resource: R) -> Ref<R> {
        if ours { self.add(name, resource) } else { self.add_used(name, resource) }
    }

    /// True if everything is wired that an earlier stack file can have described.
    pub(crate) fn is_every(&self) -> bool {
        self.egress.len() > 1
    }

    /// Returns the suffix of a zone within its region: `a` for `us-east-1a`.
    pub(crate) fn short(&self, zone: &'a str) -> &'a str {
        zone.strip_prefix(self.facts.region.as_str()).filter(|s| !s.is_empty()).unwrap_or(zone)
    }

    /// Returns the zones of the stack, in order.
    pub(crate) fn zones(&self) -> &'a [String] {
        &self.facts.zones
    }
}
