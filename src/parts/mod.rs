//! The parts of a stack, one folder each: `wire` says which steps it is made of, `see` what is seen of it in the
//! account, `judge` what is wrong with it, `measure` what CloudWatch measures of it, `bill` what it costs.
//!
//! Wiring is typed and explicit: a part is given the handles of the parts that it refers to. The order in which the
//! parts are wired is in [`crate::stack`]. What the look and the diagnosis do is the same for all parts: they go through
//! `LIST`.
pub mod access;
pub mod balancer;
pub mod cache;
pub mod database;
pub mod files;
pub mod metric;
pub mod monitoring;
pub mod network;
pub mod service;
pub(crate) mod store;

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

/// The parts of a stack, in the order in which a request, and then what it needs, comes to them.
///
/// To add a part: a folder, its `pub mod` above, a line here, and its call in [`crate::stack`].
pub(crate) const LIST: &[Entry] = &[
    balancer::ENTRY,
    service::ENTRY,
    network::ENTRY,
    access::ENTRY,
    database::ENTRY,
    cache::ENTRY,
    files::ENTRY,
    monitoring::ENTRY,
];

/// What the look and the diagnosis know of a part.
pub(crate) struct Entry {
    /// Looks for what is found by name or tag.
    pub find: Option<See>,
    /// Looks for what hangs on an id that some part has found.
    pub follow: Option<See>,
    /// The hops that a request passes, in order.
    pub way: &'static [fn(&View<'_>) -> Hop],
    /// The hops of what the instances need and of what watches them; `None` where the stack goes without.
    pub behind: &'static [fn(&View<'_>) -> Option<Hop>],
    /// The stores that the instances connect to, one for each protocol that the part can have.
    pub stores: &'static [&'static Store],
}

/// Looks at a part and keeps what was seen. Boxed: a call of the SDK is a large future, and a stack is small.
pub(crate) type See = for<'a, 'look> fn(&'a Look<'look>) -> LocalBoxFuture<'a, ()>;

impl Entry {
    /// A part of which nothing is seen.
    pub const NONE: Self = Self { find: None, follow: None, way: &[], behind: &[], stores: &[] };
}

/// A graph in the making, with what all parts read.
pub(crate) struct Builder<'a> {
    pub graph: Graph,
    pub loaded: &'a Loaded,
    pub config: &'a Config,
    pub facts: &'a Facts,
    /// The ways out for private instances. A stack file describes one; what remains of earlier ones may be of several.
    pub egress: &'a [Egress],
    aws: &'a Aws,
}

impl<'a> Builder<'a> {
    pub fn new(loaded: &'a Loaded, facts: &'a Facts, aws: &'a Aws, egress: &'a [Egress]) -> Self {
        Self { graph: Graph::default(), loaded, config: &loaded.config, facts, egress, aws }
    }

    /// Returns the clients, for a step to keep.
    pub fn aws(&self) -> Aws {
        self.aws.clone()
    }

    /// Adds a step of the stack.
    pub fn add<R: Resource + 'static>(&mut self, name: &str, resource: R) -> Ref<R> {
        self.graph.add(name, resource)
    }

    /// Adds a step that waits for others beside those that it reads.
    pub fn add_after<R: Resource + 'static>(&mut self, name: &str, resource: R, after: &[&Key]) -> Ref<R> {
        self.graph.add_after(name, resource, after)
    }

    /// Adds an object that the stack uses: it is looked at, and never changed or deleted.
    pub fn add_used<R: Resource + 'static>(&mut self, name: &str, resource: R) -> Ref<R> {
        self.graph.add_used(name, resource)
    }

    /// Adds a step that is the stack's own, or an object that it uses.
    pub fn add_or_use<R: Resource + 'static>(&mut self, ours: bool, name: &str, resource: R) -> Ref<R> {
        if ours { self.add(name, resource) } else { self.add_used(name, resource) }
    }

    /// True if everything is wired that an earlier stack file can have described.
    pub fn is_every(&self) -> bool {
        self.egress.len() > 1
    }

    /// Returns what names a zone within its region: `a` of `us-east-1a`.
    pub fn short(&self, zone: &'a str) -> &'a str {
        zone.strip_prefix(self.facts.region.as_str()).filter(|s| !s.is_empty()).unwrap_or(zone)
    }

    /// Returns the zones of the stack, in order.
    pub fn zones(&self) -> &'a [String] {
        &self.facts.zones
    }
}
