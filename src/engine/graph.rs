//! The steps and their needs.
use crate::{
    Direction, Inputs, Key, Node, Ref, Resource,
    node::{Managed, Role},
};
use std::collections::HashMap;

/// A stack as a graph of steps.
///
/// Steps are added in order and can only refer to earlier ones, so no cycle can exist.
#[derive(Default)]
pub struct Graph {
    nodes: Vec<Box<dyn Node>>,
}

impl Graph {
    /// Adds a step that the stack creates. It needs the steps that its spec reads from.
    pub fn add<R: Resource>(&mut self, name: &str, resource: R) -> Ref<R> {
        self.push(name, resource, &[], Role::Ours)
    }

    /// Adds a step that also comes after others, from which it reads nothing.
    pub fn add_after<R: Resource>(&mut self, name: &str, resource: R, after: &[&Key]) -> Ref<R> {
        self.push(name, resource, after, Role::Ours)
    }

    /// Adds an object that exists already: it is found and read, never changed, never deleted.
    pub fn add_used<R: Resource>(&mut self, name: &str, resource: R) -> Ref<R> {
        let given = resource.given();
        let used = self.push(name, resource, &[], Role::Used);
        used.set(given);
        used
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

    /// Returns the steps, in the order in which they were added.
    pub fn nodes(&self) -> impl Iterator<Item = &dyn Node> {
        self.nodes.iter().map(|n| &**n)
    }

    /// Returns the step with this key.
    pub fn get(&self, key: &str) -> Option<&dyn Node> {
        self.nodes().find(|n| n.key().as_str() == key)
    }

    /// Returns the steps for which `wanted` holds, and all that they need, directly or not.
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

    /// Removes every step that is not in `keys`, which [`Graph::with_needs`] returns.
    pub fn only(mut self, keys: &[Key]) -> Self {
        self.nodes.retain(|n| keys.contains(n.key()));
        self
    }

    /// Returns, for each step, the indices of the steps that go first.
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
