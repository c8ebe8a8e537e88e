//! The references between steps: [`Ref`] is a handle, [`Known`] the value that it gives.
use crate::{Resource, error::*};
use serde::{Serialize, Serializer};
use std::{
    cell::{Ref as Borrow, RefCell},
    fmt,
    rc::Rc,
};

/// The name of a step, `kind/name`: the same in the plan, the logs and the tags.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    /// Makes the key of a step of this kind.
    pub fn new(kind: &str, name: &str) -> Self {
        Self(format!("{kind}/{name}"))
    }

    /// True if a text from outside has the form of a key.
    pub fn is_one(text: &str) -> bool {
        let is_plain = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        text.len() <= 120 && text.split_once('/').is_some_and(|(kind, name)| is_plain(kind) && is_plain(name))
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the kind: `database` in `database/main`.
    pub fn kind(&self) -> &str {
        self.0.split_once('/').map_or("", |(k, _)| k)
    }

    /// Returns the name within the kind: `main` in `database/main`.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or(self.0.as_str(), |(_, n)| n)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A value that perhaps does not exist yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known<T> {
    /// The value.
    Now(T),
    /// The value will be known after this step.
    After(Key),
}

impl<T> Known<T> {
    /// Returns the value, if it is known.
    pub fn now(self) -> Option<T> {
        match self {
            Self::Now(v) => Some(v),
            Self::After(_) => None,
        }
    }

    /// Returns the value, or the error that it was needed too early.
    pub fn get(&self) -> Result<&T> {
        match self {
            Self::Now(v) => Ok(v),
            Self::After(k) => Err(Error::Unknown(k.clone())),
        }
    }

    /// Changes the value, once it is known.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Known<U> {
        match self {
            Self::Now(v) => Known::Now(f(v)),
            Self::After(k) => Known::After(k),
        }
    }

    /// Changes the value, once it is known, to another one that is perhaps not.
    pub fn and_then<U>(self, f: impl FnOnce(T) -> Known<U>) -> Known<U> {
        match self {
            Self::Now(v) => f(v),
            Self::After(k) => Known::After(k),
        }
    }
}

/// Writes the value, or `(known after database/main)`.
impl<T: fmt::Display> fmt::Display for Known<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(v) => v.fmt(f),
            Self::After(k) => write!(f, "(known after {k})"),
        }
    }
}

impl<T: Serialize> Serialize for Known<T> {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Now(v) => v.serialize(s),
            Self::After(k) => s.collect_str(&format_args!("(known after {k})")),
        }
    }
}

/// A typed handle to a step in the graph.
pub struct Ref<R: Resource> {
    pub(crate) key: Key,
    pub(crate) slot: Rc<RefCell<Option<R::Output>>>,
}

impl<R: Resource> Clone for Ref<R> {
    fn clone(&self) -> Self {
        Self { key: self.key.clone(), slot: self.slot.clone() }
    }
}

impl<R: Resource> Ref<R> {
    pub(crate) fn new(key: Key) -> Self {
        Self { key, slot: Rc::default() }
    }

    /// Returns the step's key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Returns the outputs that the last look saw, for code outside the graph.
    pub fn output(&self) -> Option<R::Output> {
        self.peek().clone()
    }

    pub(crate) fn set(&self, out: Option<R::Output>) {
        *self.slot.borrow_mut() = out;
    }

    pub(crate) fn peek(&self) -> Borrow<'_, Option<R::Output>> {
        self.slot.borrow()
    }
}

/// Reads references, and keeps a list of them: they are the needs of a step.
#[derive(Default)]
pub struct Inputs {
    read: RefCell<Vec<Key>>,
}

impl Inputs {
    /// Reads a value from the outputs of a step.
    pub fn read<R: Resource, T>(&self, from: &Ref<R>, pick: impl FnOnce(&R::Output) -> T) -> Known<T> {
        self.read.borrow_mut().push(from.key.clone());
        match &*from.peek() {
            Some(out) => Known::Now(pick(out)),
            None => Known::After(from.key.clone()),
        }
    }

    /// Reads a value from each of several steps, in their order. Unknown until all are known.
    pub fn read_all<R: Resource, T>(&self, from: &[Ref<R>], pick: impl Fn(&R::Output) -> T) -> Known<Vec<T>> {
        let mut all = Known::Now(Vec::new());
        for r in from {
            let one = self.read(r, &pick);
            all = all.and_then(|mut v| {
                one.map(|x| {
                    v.push(x);
                    v
                })
            });
        }
        all
    }

    pub(crate) fn into_keys(self) -> Vec<Key> {
        let mut k = self.read.into_inner();
        k.sort();
        k.dedup();
        k
    }
}
