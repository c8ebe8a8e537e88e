//! The steps and who needs whom.
use crate::{
    Direction, Inputs, Key, Node, Ref, Resource,
    node::{Managed, Role},
};
use std::collections::HashMap;

/// A stack as a graph of steps. Steps are added in order and can only refer to earlier ones: no cycle can exist.
#[derive(Default)]
pub struct Graph {
    nodes: Vec<Box<dyn Node>>,
}

impl Graph {
    /// Adds a step of ours. It needs whatever its spec reads.
    pub fn add<R: Resource>(&mut self, name: &str, resource: R) -> Ref<R> {
        self.push(name, resource, &[], Role::Ours)
    }

    /// Adds a step that must also come after others it reads nothing from.
    pub fn add_after<R: Resource>(&mut self, name: &str, resource: R, after: &[&Key]) -> Ref<R> {
        self.push(name, resource, after, Role::Ours)
    }

    /// Adds something that exists already: found and read, never changed, never deleted.
    pub fn add_used<R: Resource>(&mut self, name: &str, resource: R) -> Ref<R> {
        self.push(name, resource, &[], Role::Used)
    }

    fn push<R: Resource>(&mut self, name: &str, resource: R, after: &[&Key], role: Role) -> Ref<R> {
        let me = Ref::new(Key::new(R::KIND, name));
        assert!(self.nodes.iter().all(|n| n.key() != me.key()), "{} added twice", me.key());
        let inputs = Inputs::default();
        resource.spec(&inputs);
        let mut needs = inputs.into_keys();
        needs.extend(after.iter().map(|&k| k.clone()));
        needs.sort();
        needs.dedup();
        self.nodes.push(Box::new(Managed { resource, me: me.clone(), needs, role }));
        me
    }

    pub fn nodes(&self) -> impl Iterator<Item = &dyn Node> {
        self.nodes.iter().map(|n| &**n)
    }

    pub fn get(&self, key: &str) -> Option<&dyn Node> {
        self.nodes().find(|n| n.key().as_str() == key)
    }

    /// The steps for which `wanted` holds, and all that they need, directly or not.
    pub fn with_needs(&self, wanted: impl Fn(&Key) -> bool) -> Vec<Key> {
        let mut keep = vec![false; self.nodes.len()];
        let before = self.before(Direction::Forward);
        for i in (0..self.nodes.len()).rev() {
            keep[i] |= wanted(self.nodes[i].key());
            if keep[i] {
                for &d in &before[i] {
                    keep[d] = true;
                }
            }
        }
        self.nodes().zip(keep).filter(|(_, k)| *k).map(|(n, _)| n.key().clone()).collect()
    }

    /// Forgets every step that is not in `keys` (as [`Graph::with_needs`] gives them).
    pub fn only(mut self, keys: &[Key]) -> Self {
        self.nodes.retain(|n| keys.contains(n.key()));
        self
    }

    /// For each node, the places of those that must go first.
    pub(crate) fn before(&self, dir: Direction) -> Vec<Vec<usize>> {
        let at: HashMap<&Key, usize> = self.nodes.iter().enumerate().map(|(i, n)| (n.key(), i)).collect();
        let mut before = vec![vec![]; self.nodes.len()];
        for (i, n) in self.nodes.iter().enumerate() {
            for d in n.needs() {
                let d = at[d];
                match dir {
                    Direction::Forward => before[i].push(d),
                    Direction::Reverse => before[d].push(i),
                }
            }
        }
        before
    }
}
