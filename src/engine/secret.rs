//! Values that must not be shown.
use serde::{Serialize, Serializer};
use std::{collections::BTreeSet, fmt, sync::Mutex};

/// All passwords that this process has seen.
static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Returns the passwords that this process has seen, for the code that keeps them out of all output.
pub fn known() -> Vec<String> {
    KNOWN.lock().unwrap_or_else(|e| e.into_inner()).iter().cloned().collect()
}

/// A password. It prints and serialises as dots; only [`Secret::reveal`] returns it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

const DOTS: &str = "••••••••";

impl Secret {
    /// Makes a password, and adds it to those that this process has seen.
    pub fn new(value: impl Into<String>) -> Self {
        let value = value.into();
        KNOWN.lock().unwrap_or_else(|e| e.into_inner()).insert(value.clone());
        Self(value)
    }
    /// Returns the password itself. Reviews look at every call of this.
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
