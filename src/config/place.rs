//! Places of values in the stack file.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

/// The path of a value: `service.api.port`, `zones[1]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Key(String),
    Item(usize),
}

/// Returns a place from fixed keys: `at("network.cidr")`.
pub(crate) fn at(path: &str) -> Place {
    Place(path.split('.').map(|key| Part::Key(key.into())).collect())
}

impl Place {
    pub(crate) fn key(&self, key: &str) -> Self {
        self.and(Part::Key(key.into()))
    }

    pub(crate) fn item(&self, index: usize) -> Self {
        self.and(Part::Item(index))
    }

    fn and(&self, part: Part) -> Self {
        Self(self.0.iter().cloned().chain([part]).collect())
    }

    /// True if the place is an item of a list.
    pub(crate) fn is_item(&self) -> bool {
        matches!(self.0.last(), Some(Part::Item(_)))
    }

    pub(crate) fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            match part {
                Part::Item(item) => write!(f, "[{item}]")?,
                Part::Key(key) => {
                    let dot = if index > 0 { "." } else { "" };
                    let bare = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
                    if bare && !key.is_empty() {
                        write!(f, "{dot}{key}")?;
                    } else {
                        write!(f, "{dot}{key:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The result of the walk over the text: positions of values and keys, and the unusable values.
#[derive(Debug, Default)]
pub(crate) struct Map {
    pub values: BTreeMap<Place, Range<usize>>,
    pub keys: BTreeMap<Place, Range<usize>>,
    /// Values that were reported already and replaced by a default. No rule judges them again.
    pub unsound: BTreeSet<Place>,
}

impl Map {
    /// True if the file itself contains the value, false for a default.
    pub(crate) fn given(&self, place: &Place) -> bool {
        self.values.contains_key(place)
    }

    /// Ignores a value of the file, because another one was given elsewhere.
    pub(crate) fn forget(&mut self, place: &Place) {
        self.values.remove(place);
        self.keys.remove(place);
    }

    pub(crate) fn sound(&self, place: &Place) -> bool {
        let mut place = Some(place.clone());
        while let Some(here) = place {
            if self.unsound.contains(&here) {
                return false;
            }
            place = here.parent();
        }
        true
    }

    /// Returns the range of a value; for a default, of the nearest table around it.
    pub(crate) fn span(&self, place: &Place) -> Range<usize> {
        let mut place = Some(place.clone());
        while let Some(here) = place {
            if let Some(span) = self.values.get(&here) {
                return span.clone();
            }
            place = here.parent();
        }
        0..0
    }

    pub(crate) fn key_span(&self, place: &Place) -> Range<usize> {
        self.keys.get(place).cloned().unwrap_or_else(|| self.span(place))
    }
}
