//! The handover from objects of an earlier stack file to those of this one.
//!
//! A change of the stack file can turn a step into another one: a service gets a new name, so a new fleet is created
//! beside the old one. The old objects serve until the new ones do, so both exist for a while, and both refer to shared
//! steps, such as a listener or a set of security group rules. Four parts work together:
//!
//! 1. An update that moves requests goes in stages ([`Resource::STAGED`]). Each call of [`Resource::update`] does one
//!    stage, [`Resource::find`] reports [`Phase::Busy`] until the next one can follow, and the engine attempts the step
//!    again after each stage. All stages share one [`Resource::PATIENCE`].
//! 2. In the first walk, a shared step converges on [`Resource::interim`]: its spec, and whatever the old objects still
//!    need. The engine keeps a list of the steps whose interim spec differs from the spec.
//! 3. The caller deletes the old objects, which are no steps of this graph.
//! 4. [`finish`] walks once more, over the listed steps only, and converges them on the spec itself.
//!
//! A run that is cut between these parts is continued by the next one: it finds old objects, or none, and acts
//! accordingly.
//!
//! [`Phase::Busy`]: crate::Phase::Busy
//! [`Resource::STAGED`]: crate::Resource::STAGED
//! [`Resource::PATIENCE`]: crate::Resource::PATIENCE
//! [`Resource::find`]: crate::Resource::find
//! [`Resource::interim`]: crate::Resource::interim
//! [`Resource::update`]: crate::Resource::update
use crate::{Change, Direction, Env, Graph, Key, Node, Report, walk};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
};

/// The state of the handover in this run.
#[derive(Default)]
pub(crate) struct Handover {
    /// True once nothing remains from an earlier stack file.
    is_finishing: Cell<bool>,
    /// Steps that have converged on an interim spec.
    interim: RefCell<BTreeSet<Key>>,
}

impl Handover {
    /// True once nothing remains from an earlier stack file, so that specs hold as they are.
    pub(crate) fn is_finishing(&self) -> bool {
        self.is_finishing.get()
    }

    /// Notes that a step converges on an interim spec that differs from its spec.
    pub(crate) fn note_interim(&self, key: &Key) {
        self.interim.borrow_mut().insert(key.clone());
    }
}

/// True if steps of this run have kept what older objects still need, and nothing has finished them.
pub fn is_unfinished(env: &Env) -> bool {
    !env.run.handover.interim.borrow().is_empty()
}

/// Converges the steps that had an interim spec on their spec, and puts their results into the report of the first
/// walk.
///
/// Call it once the objects of an earlier stack file are deleted. It does nothing if no step had an interim spec.
pub async fn finish(graph: &Graph, env: &Env, report: &mut Report<Change>) {
    let interim = env.run.handover.interim.take();
    if interim.is_empty() {
        return;
    }
    env.run.handover.is_finishing.set(true);
    let last = walk(graph, Direction::Forward, env, async |n: &dyn Node| {
        if interim.contains(n.key()) { n.reconcile(env).await } else { Ok(Change::None) }
    })
    .await;
    for (key, visit) in last.0.into_iter().filter(|(k, _)| interim.contains(k)) {
        report.0.retain(|(k, _)| *k != key);
        report.0.push((key, visit));
    }
}
