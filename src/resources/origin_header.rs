//! The header by which the load balancer recognises the requests of the stack's own distribution.
//!
//! Anybody can put a distribution of their own before the balancer, and the prefix list of CloudFront lets all of them
//! in. The value is visible in the account, in the distribution and in the listener rules. Here it is shown nowhere.
use super::{parameter::Parameter, prelude::*};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The name of the header. CloudFront refuses names that begin with `X-Amz-` or `X-Edge-` [AWS C1].
pub(crate) const NAME: &str = "X-Gameday-Origin";

/// True if a header has this name.
pub(crate) fn is_name(name: &str) -> bool {
    name.eq_ignore_ascii_case(NAME)
}

/// The values of the header in a distribution or a rule, compared with the stack's own one.
#[derive(Clone)]
pub enum Values {
    /// The stack's own value.
    Own(Secret),
    /// The stack's own value, and others beside it.
    Beside(Secret, Vec<Secret>),
    /// Only other values.
    Others(Vec<Secret>),
}

impl Values {
    /// Returns the wanted value.
    pub(super) fn wanted(inputs: &Inputs, parameter: &Ref<Parameter>) -> Known<Self> {
        let value = inputs.read(parameter, |p| p.value.clone());
        value
            .and_then(|value| value.map_or(Known::After(parameter.key().clone()), |value| Known::Now(Self::Own(value))))
    }

    /// Returns the values that were found, or `None` if there is none.
    pub(super) fn found<'a>(
        values: impl Iterator<Item = &'a str>,
        cx: &Cx<'_>,
        parameter: Option<&Ref<Parameter>>,
    ) -> Option<Known<Self>> {
        let own = parameter.and_then(|p| cx.read(p, |p| p.value.clone()).now().flatten());
        let mut others: Vec<Secret> = values.map(Secret::new).collect();
        let count = others.len();
        others.retain(|value| Some(value) != own.as_ref());
        Some(Known::Now(match (own, count) {
            (_, 0) => return None,
            (Some(own), n) if n > others.len() && others.is_empty() => Self::Own(own),
            (Some(own), n) if n > others.len() => Self::Beside(own, others),
            _ => Self::Others(others),
        }))
    }

    /// Returns the wanted value beside one that was found.
    pub(super) fn beside(self, found: &Self) -> Self {
        match (self, found) {
            (Self::Own(own), Self::Beside(_, others) | Self::Others(others)) => {
                Self::Beside(own, others.first().cloned().into_iter().collect())
            }
            (wanted, _) => wanted,
        }
    }

    /// Returns all values, the stack's own one first.
    pub(super) fn all(&self) -> Vec<&Secret> {
        match self {
            Self::Own(own) => vec![own],
            Self::Beside(own, others) => std::iter::once(own).chain(others).collect(),
            Self::Others(others) => others.iter().collect(),
        }
    }
}

/// Says whose values these are. The values themselves are never written.
impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own(_) => "the stack's own value",
            Self::Beside(..) => "the stack's own value, or another one",
            Self::Others(_) => "another value",
        })
    }
}

impl Serialize for Values {
    fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// Returns a short text by which a snapshot can compare values. It does not reveal the value.
pub(crate) fn mark(value: &str) -> String {
    let value = Secret::new(value);
    let digest = Sha256::digest([NAME, value.reveal()].concat());
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_compared_and_never_written() {
        let own = || Values::Own(Secret::new("one-of-the-stack"));
        let others = Values::Others(vec![Secret::new("one-of-another"), Secret::new("a-third-one")]);
        let both = own().beside(&others);
        assert_eq!(both.all().len(), 2, "a rule has room for one older value");
        assert_eq!(both.all()[0].reveal(), "one-of-the-stack");
        assert_eq!(own().beside(&both).to_string(), both.to_string());
        assert_eq!(own().beside(&own()).to_string(), own().to_string());
        for values in [own(), others, both] {
            assert!(!serde_json::to_string(&values).unwrap().contains("one-of"));
        }
        assert_ne!(mark("one-of-the-stack"), mark("one-of-another"));
        assert!(!mark("one-of-the-stack").contains("one"));
    }
}
