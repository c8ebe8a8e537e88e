//! One look at everything that carries requests: what the stack file says, what AWS says, and what the service answers
//! from outside.
//!
//! A snapshot is plain data, so that it can be saved, sent to somebody without access, and diagnosed again
//! (`gameday why --save`, `--from`). It holds no secrets: of the user data only a hash.
//!
//! Each part of a stack is read in its own folder, `parts/*/see`.
mod answer;
mod expected;
mod gap;
mod look;
pub(crate) mod probe;
pub(crate) mod read;
pub mod saved;

pub use crate::parts::{
    access::see::{Acl, AclEntry, Endpoint, GroupRule, PrefixList, SecurityGroup},
    balancer::see::{Action, Balancer, Condition, Listener, Rule, Weighted, ZoneSubnet},
    cache::see::{Cache, CacheMember},
    cdn::see::Distribution,
    database::see::Database,
    dns::see::Name,
    files::see::{Files, MountTarget},
    monitoring::see::Alarm,
    network::see::{InternetGateway, NatGateway, PublicAccess, Route, RouteTable, Subnet, Vpc},
    service::see::{
        Activity, AutoScalingGroup, HealthCheck, Instance, Member, Profile, Target, TargetGroup, Template,
        TemplateVersion, targets,
    },
    tls::see::Certificate,
};
pub use answer::{Answer, Beacon, CopyState, Probe, is_instance_id};
pub use expected::{Cdn, Dns, Expected, Names, Own, Sibling, Whose, matches, sample_host, sample_path};
pub use gap::{Gap, Part};
pub use look::{Asking, Depth, gather, verdict};
pub(crate) use look::{Look, listed};
pub use probe::{ask_address, host_and_path};

use crate::{
    error::{Error, Result},
    hidden, said,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The version of the JSON. It is raised when a field changes its meaning, not when one is added.
pub const VERSION: u32 = 1;

/// The account at one moment. An absent object is `None` or empty, unless `gaps` says that it was not seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    pub version: u32,
    pub at: Timestamp,
    #[serde(flatten)]
    pub whose: Whose,
    pub expected: Expected,
    /// The name of the service as Route 53 has it. `None`: it was not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The distribution before the balancer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cdn: Option<Distribution>,
    pub balancer: Option<Balancer>,
    pub listeners: Vec<Listener>,
    /// The certificate of the HTTPS listener, read only if the stack file asks for HTTPS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    pub target_group: Option<TargetGroup>,
    pub targets: Vec<Target>,
    pub auto_scaling_group: Option<AutoScalingGroup>,
    /// The latest activities of the Auto Scaling group, newest first.
    pub activities: Vec<Activity>,
    pub template: Option<Template>,
    /// The instance profile, if the stack creates it. `None`: it was not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    pub instances: Vec<Instance>,
    pub vpc: Option<Vpc>,
    pub subnets: Vec<Subnet>,
    pub route_tables: Vec<RouteTable>,
    pub internet_gateways: Vec<InternetGateway>,
    /// The NAT gateways. They and the endpoints are read only if the instances have no public addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nat_gateways: Vec<NatGateway>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    pub acls: Vec<Acl>,
    pub security_groups: Vec<SecurityGroup>,
    /// The prefix lists that rules of the stack's security groups name, as far as they could be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prefix_lists: Vec<PrefixList>,
    /// The VPC setting that blocks public access, read only if it stops a subnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_access: Option<PublicAccess>,
    pub database: Option<Database>,
    pub cache: Option<Cache>,
    pub files: Option<Files>,
    /// The stack's alarms that are in the state ALARM.
    pub alarms: Vec<Alarm>,
    pub probe: Probe,
    pub gaps: Vec<Gap>,
    /// The number of AWS calls that the look made.
    pub calls: u64,
    /// The duration of the look.
    pub millis: u64,
}

impl Snapshot {
    /// True if a part was seen. Only then does its absence mean that it does not exist.
    pub fn saw(&self, part: Part) -> bool {
        self.gaps.iter().all(|g| g.part != part)
    }

    /// True if the targets' health was seen, or if there are no targets to see.
    pub fn saw_targets(&self) -> bool {
        self.saw(Part::Targets) && (self.target_group.is_some() || self.saw(Part::TargetGroup))
    }

    /// Returns the snapshot as JSON, without known secrets.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("a snapshot serialises");
        said::json(hidden::known(&text).into_owned()) + "\n"
    }

    /// Sanitises the texts of the gaps in a file, because anybody can have written the file: no help in it counts as
    /// gameday's own command.
    fn with_plain_gaps(mut self) -> Self {
        for gap in &mut self.gaps {
            [&mut gap.call, &mut gap.why].into_iter().for_each(|text| *text = said::words(text));
            gap.help = gap.help.as_deref().map(said::words);
        }
        self
    }

    /// Parses a snapshot that `gameday why --save` wrote. A snapshot of a newer version is an error.
    pub fn from_json(text: &str) -> Result<Self> {
        let no = |what: String| Error::other(what, "give a file that `gameday why --save FILE` wrote");
        let mut snapshot: Self = serde_json::from_str(text).map_err(|e| no(format!("this is not a snapshot: {e}")))?;
        for answer in &mut snapshot.probe.answers {
            answer.beacon = answer.beacon.take().map(Beacon::bounded);
        }
        match snapshot.version {
            0 => Err(no("this is not a snapshot: it has no version".into())),
            1..=VERSION => Ok(snapshot.with_plain_gaps()),
            newer => Err(Error::other(
                format!("this snapshot has version {newer}; this gameday reads up to {VERSION}"),
                "use the gameday that wrote it, or a newer one",
            )),
        }
    }

    /// Returns the id of the VPC, from the first of VPC, balancer and target group that was found.
    pub fn vpc_id(&self) -> Option<&str> {
        let own = self.vpc.as_ref().map(|v| &v.id);
        let of_balancer = || self.balancer.as_ref().map(|b| &b.vpc);
        let of_targets = || self.target_group.as_ref().map(|t| &t.vpc);
        own.or_else(of_balancer).or_else(of_targets).map(String::as_str)
    }

    /// Returns the name that requests are sent to: the distribution's, if it is the address of the stack.
    pub fn address(&self) -> Option<&str> {
        match &self.expected.cdn {
            Some(cdn) if cdn.endpoint => self.cdn.as_ref().map(|d| d.domain.as_str()),
            _ => self.balancer.as_ref().map(|b| b.dns_name.as_str()),
        }
    }

    /// Returns the number of targets that are wanted.
    pub fn targets_wanted(&self) -> usize {
        let wanted = self.auto_scaling_group.as_ref().map_or(self.expected.desired, |g| g.desired);
        wanted.try_into().unwrap_or_default()
    }
}
