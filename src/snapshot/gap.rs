//! What a look could not see.
use crate::error::{Class, Error, Help as _};
use serde::{Deserialize, Serialize};

/// What could not be seen, and why. A look goes on without it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Gap {
    pub part: Part,
    /// The API operation.
    pub call: String,
    pub class: Option<Class>,
    pub why: String,
    /// The way out, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Gap {
    pub fn new(part: Part, call: &str, e: &Error) -> Self {
        Self { part, call: call.into(), class: e.class(), why: e.to_string(), help: e.help() }
    }

    pub fn is(&self, class: Class) -> bool {
        self.class == Some(class)
    }
}

/// The parts of a look that can fail on their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Name,
    Balancer,
    Listeners,
    Rules,
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
    Cache,
    CacheNodes,
    Files,
    MountTargets,
    Alarms,
}
