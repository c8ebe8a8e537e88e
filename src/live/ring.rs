//! Memory that does not grow: the newest values of a series, and their percentiles.
use std::collections::VecDeque;

/// A buffer that keeps the newest `most` values.
#[derive(Clone, Debug)]
pub struct Ring<T> {
    most: usize,
    kept: VecDeque<T>,
}

impl<T> Ring<T> {
    /// Creates an empty buffer for `most` values.
    pub fn new(most: usize) -> Self {
        Self { most, kept: VecDeque::with_capacity(most.min(1024)) }
    }

    /// Adds a value, and drops the oldest one if the buffer is full.
    pub fn push(&mut self, value: T) {
        if self.kept.len() == self.most {
            self.kept.pop_front();
        }
        self.kept.push_back(value);
    }

    /// Iterates over the values, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.kept.iter()
    }
    /// Returns the newest value.
    pub fn last(&self) -> Option<&T> {
        self.kept.back()
    }
    /// Returns the newest value, to change it.
    pub fn last_mut(&mut self) -> Option<&mut T> {
        self.kept.back_mut()
    }
    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.kept.len()
    }
    /// True if there are no values.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

/// Returns the value that `of_hundred` percent of the values do not exceed: exact, by the nearest rank.
pub fn percentile(sorted: &[u32], of_hundred: u32) -> Option<u32> {
    let rank = (sorted.len() * of_hundred as usize).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_newest() {
        let mut ring = Ring::new(3);
        (0..10).for_each(|n| ring.push(n));
        assert_eq!(ring.iter().copied().collect::<Vec<_>>(), [7, 8, 9]);
        assert_eq!((ring.len(), ring.last()), (3, Some(&9)));
    }

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let hundred: Vec<u32> = (1..=100).collect();
        assert_eq!([50, 90, 99, 100].map(|p| percentile(&hundred, p).unwrap()), [50, 90, 99, 100]);
        assert_eq!([50, 90, 99].map(|p| percentile(&[7], p).unwrap()), [7, 7, 7]);
        assert_eq!([50, 99].map(|p| percentile(&[1, 2, 3], p).unwrap()), [2, 3]);
        assert_eq!(percentile(&[], 50), None);
    }
}
