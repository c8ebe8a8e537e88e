//! The stores that services use.
use crate::{Config, Mode, Need, Service};

impl Config {
    /// Returns the mode of a store.
    pub fn mode_of(&self, store: Need) -> Mode {
        match store {
            Need::Database => self.database.mode,
            Need::Cache => self.cache.mode,
            Need::Files => self.files.mode,
        }
    }

    /// True if the stack has the store and some service uses it.
    pub fn is_needed(&self, store: Need) -> bool {
        self.mode_of(store) != Mode::Off && self.service.values().any(|service| service.needs(store))
    }
}

impl Service {
    /// True if the service uses the store, in case the stack has it.
    pub fn needs(&self, store: Need) -> bool {
        self.needs.as_ref().is_none_or(|needs| needs.contains(&store))
    }
}

impl Need {
    /// All stores.
    pub const ALL: [Self; 3] = [Self::Database, Self::Cache, Self::Files];

    /// Returns the store's word in a stack file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Cache => "cache",
            Self::Files => "files",
        }
    }
}
