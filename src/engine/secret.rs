//! A value that must not be seen.
use serde::{Serialize, Serializer};
use std::{collections::BTreeSet, fmt, sync::Mutex};

/// All that this process has had in its hands.
static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The passwords that this process knows, for who has to see that none is printed.
pub fn known() -> Vec<String> {
    KNOWN.lock().unwrap_or_else(|e| e.into_inner()).iter().cloned().collect()
}

/// A password. Prints and serialises as dots; only [`Secret::reveal`] gives it out.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

const DOTS: &str = "••••••••";

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        let value = value.into();
        KNOWN.lock().unwrap_or_else(|e| e.into_inner()).insert(value.clone());
        Self(value)
    }
    /// The value itself. Every call of this is a place to look at in a review.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DOTS)
    }
}
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DOTS)
    }
}
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(DOTS)
    }
}
