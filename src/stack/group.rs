//! The groups of steps that the stack file and the verbs speak of.
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(
    clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    Network,
    Database,
    Cache,
    Files,
    Launch,
    Balancer,
    Fleet,
    Monitoring,
}

impl Group {
    /// The group a kind belongs to.
    pub fn of(kind: &str) -> Self {
        match kind {
            "database" | "db-subnet-group" | "db-parameter-group" | "parameter" => Self::Database,
            "cache" | "cache-subnet-group" => Self::Cache,
            "file-system" | "mount-target" | "access-point" => Self::Files,
            "role" | "instance-profile" | "launch-template" => Self::Launch,
            "load-balancer" | "load-balancer-active" | "target-group" | "listener" | "listener-rule" => Self::Balancer,
            "auto-scaling-group" | "scaling-policy" => Self::Fleet,
            "alarm" | "dashboard" | "log-group" => Self::Monitoring,
            _ => Self::Network,
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network => "network",
            Self::Database => "database",
            Self::Cache => "cache",
            Self::Files => "files",
            Self::Launch => "launch",
            Self::Balancer => "balancer",
            Self::Fleet => "fleet",
            Self::Monitoring => "monitoring",
        })
    }
}
