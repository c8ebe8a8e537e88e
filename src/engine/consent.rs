//! The user's consent to what is otherwise refused.
use crate::Key;
use std::collections::{BTreeMap, BTreeSet};

/// The steps and objects that the user has named, to permit what is otherwise refused.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Consent {
    /// Steps that can be deleted and created again although something is lost by it.
    pub replace: BTreeSet<String>,
    /// Objects to take over, by step: an id, or the name in an ARN. No proof of ownership is asked for.
    pub adopt: BTreeMap<String, String>,
    /// Ids of objects to delete without a proof of ownership, and although they are protected.
    pub delete: BTreeSet<String>,
}

impl Consent {
    /// True if the step can be replaced whatever is lost by it.
    pub fn replaces(&self, key: &Key) -> bool {
        self.replace.contains(key.as_str())
    }

    /// True if this object was named to be taken over as this step.
    pub fn adopts(&self, key: &Key, id: &str) -> bool {
        self.adopt.get(key.as_str()).is_some_and(|typed| is_id_or_name(typed, id))
    }

    /// True if this object was named for deletion.
    pub fn deletes(&self, id: &str) -> bool {
        self.delete.iter().any(|typed| is_id(typed, id))
    }

    /// True if this object was named, to be taken over as this step or for deletion.
    pub fn names(&self, key: &Key, id: &str) -> bool {
        self.adopts(key, id) || self.deletes(id)
    }
}

/// True if this text is the id, or the part of an ARN after the account.
pub fn is_id(typed: &str, id: &str) -> bool {
    typed == id || id.starts_with("arn:") && id.splitn(6, ':').last() == Some(typed)
}

/// True if this text is the id, or the name in an ARN. It tells apart the objects of one step, but not those of all
/// steps.
pub fn is_id_or_name(typed: &str, id: &str) -> bool {
    is_id(typed, id) || id.starts_with("arn:") && id.rsplit('/').nth(1) == Some(typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_meant_by_the_name_in_it() {
        let target = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/customers/0123456789abcdef";
        for typed in [target, "targetgroup/customers/0123456789abcdef", "customers"] {
            assert!(is_id_or_name(typed, target), "{typed}");
        }
        assert!(is_id(target, target) && !is_id("customers", target), "a database can have the same name");
        for (typed, id) in [("targetgroup", target), ("", target), ("main", "vpc/main/x"), ("0123456789abcdef", target)]
        {
            assert!(!is_id_or_name(typed, id), "{typed}");
        }
    }
}
