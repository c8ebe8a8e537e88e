//! Requests that the load balancer refuses, as conditions of its rules.
use crate::{Block, Config};

/// A condition of a listener rule, with AWS's field of the same meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `path-pattern`: a pattern of the path, case-sensitive.
    Path(String),
    /// `query-string`: patterns of a key and its value, whatever their case. Without a key, any key has the value.
    Query {
        /// The pattern of the key.
        key: Option<String>,
        /// The pattern of the value.
        value: String,
    },
    /// `http-header`: a header and a pattern of its value, whatever their case.
    Header {
        /// The name of the header, without wildcards.
        name: String,
        /// The pattern of the value.
        value: String,
    },
}

/// The highest number of entries. Each is a rule with its place in the list as its priority, and the rules of the
/// services begin at 100.
pub const BLOCKS: usize = 98;

impl Block {
    /// Returns the conditions of the entry, all of which a request has to meet.
    pub fn conditions(&self) -> Vec<Condition> {
        let path = self.path.clone().map(Condition::Path);
        let query = self.query.as_deref().map(|text| match text.split_once('=') {
            Some((key, value)) => Condition::Query { key: Some(key.into()), value: value.into() },
            None => Condition::Query { key: None, value: text.into() },
        });
        let header = self.header.as_deref().map(|text| {
            let (name, value) = text.split_once(':').unwrap_or((text, ""));
            Condition::Header { name: name.trim().into(), value: value.trim().into() }
        });
        path.into_iter().chain(query).chain(header).collect()
    }
}

impl Config {
    /// Returns the entries of `block` with their priorities, which are also their places from 1.
    pub fn blocks(&self) -> impl Iterator<Item = (i32, &Block)> {
        (1..).zip(&self.balancer.block)
    }
}
