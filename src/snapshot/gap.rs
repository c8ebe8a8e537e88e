//! Gaps: what a look could not see.
use crate::error::{Class, Error, Help as _};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::value::{Error as ValueError, StrDeserializer},
};

/// A part that could not be seen, with the reason. The look goes on without it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Gap {
    pub part: Part,
    /// The API operation.
    pub call: String,
    /// `None`: of none, or of one that only another version of gameday knows.
    #[serde(default, deserialize_with = "known")]
    #[schemars(with = "Option<Class>")]
    pub class: Option<Class>,
    pub why: String,
    /// What the user can do about the error, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// Reads a class. A saved snapshot stays readable if this gameday does not know a class in it.
fn known<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<Class>, D::Error> {
    let word = Option::<String>::deserialize(from)?;
    Ok(word.and_then(|word| Class::deserialize(StrDeserializer::<ValueError>::new(&word)).ok()))
}

impl Gap {
    /// Creates the gap that an error leaves.
    pub fn new(part: Part, call: &str, e: &Error) -> Self {
        Self { part, call: call.into(), class: e.class(), why: e.to_string(), help: e.help() }
    }

    /// True if an error of this class caused the gap.
    pub fn is(&self, class: Class) -> bool {
        self.class == Some(class)
    }
}

/// The parts of a look that can fail on their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Name,
    Dns,
    Cdn,
    Balancer,
    Listeners,
    Rules,
    Certificate,
    TargetGroup,
    TargetGroupAttributes,
    Targets,
    AutoScalingGroup,
    Activities,
    Template,
    Profile,
    Instances,
    Vpc,
    VpcAttributes,
    DhcpOptions,
    Subnets,
    RouteTables,
    InternetGateways,
    NatGateways,
    Endpoints,
    Acls,
    SecurityGroups,
    Database,
    RefusedRows,
    Cache,
    CacheNodes,
    Files,
    MountTargets,
    Alarms,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_is_not_known_is_none() {
        let class = |class: &str| {
            let text = format!(r#"{{"part":"cache","call":"DescribeCacheClusters"{class},"why":"no"}}"#);
            serde_json::from_str::<Gap>(&text).expect("a gap").class
        };
        assert_eq!(class(r#","class":"Denied""#), Some(Class::Denied));
        assert_eq!(class(r#","class":"Exhausted""#), None);
        assert_eq!((class(r#","class":null"#), class("")), (None, None));
    }
}
