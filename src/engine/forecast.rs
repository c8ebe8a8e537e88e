//! How long the rest of a walk takes: the longest path through what is still to be done.
use crate::{Direction, Graph, Key};
use std::{collections::BTreeMap, time::Duration};

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// Not started; with its expected duration.
    Pending(Duration),
    /// At work.
    Running {
        /// How long it has been at work.
        since: Duration,
        /// Its expected duration in all.
        usually: Duration,
    },
    /// Nothing is left to do.
    Done,
}

impl Progress {
    /// Returns the expected rest. A late step is expected to need a tenth of its time more.
    fn left(self) -> Duration {
        match self {
            Self::Pending(d) => d,
            Self::Running { since, usually } => usually.saturating_sub(since).max(usually / 10),
            Self::Done => Duration::ZERO,
        }
    }
}

/// The shape of a walk, apart from the graph, so that a view can keep it.
#[derive(Clone, Debug)]
pub struct Forecast {
    steps: Vec<(Key, Vec<usize>)>,
    order: Vec<usize>,
}

impl Forecast {
    /// Makes the forecast of a walk in this direction.
    pub fn new(graph: &Graph, dir: Direction) -> Self {
        let before = graph.before(dir);
        let mut order: Vec<usize> = (0..before.len()).collect();
        if dir == Direction::Reverse {
            order.reverse();
        }
        Self { steps: graph.nodes().map(|n| n.key().clone()).zip(before).collect(), order }
    }

    /// Returns the time until all is done, and the steps of the longest path, first to last.
    ///
    /// A step that is not in `progress` counts as done.
    pub fn longest_path(&self, progress: &BTreeMap<Key, Progress>) -> (Duration, Vec<Key>) {
        let mut end = vec![Duration::ZERO; self.steps.len()];
        let mut via = vec![None; self.steps.len()];
        for &i in &self.order {
            let (key, before) = &self.steps[i];
            let own = progress.get(key).map_or(Duration::ZERO, |p| p.left());
            let last = before.iter().copied().max_by_key(|&d| end[d]);
            end[i] = own.saturating_add(last.map_or(Duration::ZERO, |d| end[d]));
            via[i] = last;
        }
        let mut at = (0..end.len()).max_by_key(|&i| end[i]);
        let total = at.map_or(Duration::ZERO, |i| end[i]);
        let mut path = vec![];
        while let Some(i) = at {
            if progress.get(&self.steps[i].0).is_some_and(|p| p.left() > Duration::ZERO) {
                path.push(self.steps[i].0.clone());
            }
            at = via[i];
        }
        path.reverse();
        (total, path)
    }
}
