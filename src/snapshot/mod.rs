//! One look at everything that carries the requests: what the stack file says, what AWS says, and what the service
//! answers from outside. Plain data of our own, so that it can be saved, sent to somebody without access, and
//! diagnosed again (`gameday why --save`, `--from`). No secrets: of the user data only a hash.
mod expected;
mod gather;
mod network;
pub(crate) mod probe;
mod read;

pub use expected::{Expected, Names, Own, Sibling, Whose, matches};
pub use gather::{Asking, Depth, gather, targets, verdict};
pub use network::{
    Acl, AclEntry, Endpoint, GroupRule, InternetGateway, NatGateway, PrefixList, PublicAccess, Route, RouteTable,
    SecurityGroup, Subnet, Vpc,
};
pub use probe::ask_address;

use crate::{
    error::{Class, Error, Help as _, Result},
    hidden, said,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the JSON. It grows when a field changes its meaning, not when one is added.
pub const VERSION: u32 = 1;

/// The account, seen at one moment. What is absent is `None` or empty, unless `gaps` says it was not seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    pub version: u32,
    pub at: Timestamp,
    #[serde(flatten)]
    pub whose: Whose,
    pub expected: Expected,
    pub balancer: Option<Balancer>,
    pub listeners: Vec<Listener>,
    pub target_group: Option<TargetGroup>,
    pub targets: Vec<Target>,
    pub auto_scaling_group: Option<AutoScalingGroup>,
    /// The newest first.
    pub activities: Vec<Activity>,
    pub template: Option<Template>,
    /// The instance profile, when it is ours; `None`: it was not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    pub instances: Vec<Instance>,
    pub vpc: Option<Vpc>,
    pub subnets: Vec<Subnet>,
    pub route_tables: Vec<RouteTable>,
    pub internet_gateways: Vec<InternetGateway>,
    /// These and the endpoints are looked at for instances without public addresses only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nat_gateways: Vec<NatGateway>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    pub acls: Vec<Acl>,
    pub security_groups: Vec<SecurityGroup>,
    /// Those that rules of the stack's security groups name, as far as they could be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prefix_lists: Vec<PrefixList>,
    /// Looked at only where a subnet is stopped by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_access: Option<PublicAccess>,
    pub database: Option<Database>,
    pub cache: Option<Cache>,
    pub files: Option<Files>,
    /// Those of the stack that are in ALARM.
    pub alarms: Vec<Alarm>,
    pub probe: Probe,
    pub gaps: Vec<Gap>,
    /// What the look cost.
    pub calls: u64,
    pub millis: u64,
}

impl Snapshot {
    /// Whether this part was seen: only then does its absence mean that it is not there.
    pub fn saw(&self, part: Part) -> bool {
        self.gaps.iter().all(|g| g.part != part)
    }

    /// Whether the targets' health was seen, or that there can be none.
    pub fn saw_targets(&self) -> bool {
        self.saw(Part::Targets) && (self.target_group.is_some() || self.saw(Part::TargetGroup))
    }

    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("a snapshot serialises");
        said::json(hidden::known(&text).into_owned()) + "\n"
    }

    /// What a file says of its own gaps is somebody's words: no command of ours is among them.
    fn of_somebody(mut self) -> Self {
        for gap in &mut self.gaps {
            [&mut gap.call, &mut gap.why].into_iter().for_each(|text| *text = said::words(text));
            gap.help = gap.help.as_deref().map(said::words);
        }
        self
    }

    pub fn from_json(text: &str) -> Result<Self> {
        let no = |what: String| Error::other(what, "give a file that `gameday why --save FILE` wrote");
        let mut snapshot: Self = serde_json::from_str(text).map_err(|e| no(format!("this is no snapshot: {e}")))?;
        for answer in &mut snapshot.probe.answers {
            answer.beacon = answer.beacon.take().map(Beacon::bounded);
        }
        match snapshot.version {
            0 => Err(no("this is no snapshot: it has no version".into())),
            1..=VERSION => Ok(snapshot.of_somebody()),
            newer => Err(Error::other(
                format!("this snapshot has version {newer}; this gameday reads up to {VERSION}"),
                "use the gameday that wrote it, or a newer one",
            )),
        }
    }
}

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

/// A load balancer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Balancer {
    pub arn: String,
    pub name: String,
    pub dns_name: String,
    pub scheme: String,
    pub state: String,
    pub reason: Option<String>,
    pub vpc: String,
    pub zones: Vec<ZoneSubnet>,
    pub groups: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ZoneSubnet {
    pub zone: String,
    pub subnet: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Listener {
    pub arn: String,
    pub port: u16,
    pub protocol: String,
    /// What happens to a request that no rule takes.
    pub default: Vec<Action>,
    /// Without the default one; the lowest priority first.
    pub rules: Vec<Rule>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rule {
    pub arn: String,
    pub priority: u32,
    pub conditions: Vec<Condition>,
    pub actions: Vec<Action>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// `path-pattern`, `host-header`, `source-ip`…
    pub field: String,
    pub values: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Action {
    Forward { targets: Vec<Weighted> },
    FixedResponse { code: String },
    Redirect { to: String, code: String },
    Other { name: String },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Weighted {
    /// ARN of a target group.
    pub target_group: String,
    pub weight: i32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetGroup {
    pub arn: String,
    pub name: String,
    pub port: u16,
    pub protocol: String,
    pub target_type: String,
    pub vpc: String,
    pub health: HealthCheck,
    pub attributes: BTreeMap<String, String>,
    /// ARNs of the balancers that use it.
    pub balancers: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthCheck {
    pub enabled: bool,
    pub protocol: String,
    /// A number, or `traffic-port`.
    pub port: String,
    pub path: String,
    pub matcher: String,
    pub interval: i32,
    pub timeout: i32,
    pub healthy_after: i32,
    pub unhealthy_after: i32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Target {
    pub id: String,
    pub port: u16,
    pub state: String,
    /// `Target.FailedHealthChecks`, `Elb.InternalError`…
    pub reason: Option<String>,
    pub description: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutoScalingGroup {
    pub name: String,
    /// Only while it is being deleted.
    pub status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    pub min: i32,
    pub desired: i32,
    pub max: i32,
    pub template: Option<String>,
    /// A number, or `$Default`, `$Latest`.
    pub template_version: Option<String>,
    pub subnets: Vec<String>,
    pub zones: Vec<String>,
    pub target_groups: Vec<String>,
    pub suspended: Vec<String>,
    pub health_check_type: String,
    pub grace_seconds: i32,
    pub members: Vec<Member>,
    /// How far the instance refresh is that replaces members of another version, in percent. Looked for where there are
    /// such members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<i32>,
}

impl AutoScalingGroup {
    /// Members of another version of the launch template than the group's.
    pub fn outdated(&self) -> Vec<&Member> {
        let other = |m: &&Member| m.template_version.is_some() && m.template_version != self.template_version;
        self.members.iter().filter(|m| !m.lifecycle.starts_with("Terminat")).filter(other).collect()
    }
}

/// An instance as its Auto Scaling group sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Member {
    pub id: String,
    pub zone: String,
    pub lifecycle: String,
    pub health: String,
    pub instance_type: String,
    pub template_version: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Activity {
    pub start: Timestamp,
    pub end: Option<Timestamp>,
    pub status: String,
    pub description: String,
    pub cause: String,
    pub message: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Template {
    pub id: String,
    pub name: String,
    pub default_version: i64,
    pub latest_version: i64,
    /// The versions that matter: the default, the latest and the one the Auto Scaling group names.
    pub versions: Vec<TemplateVersion>,
}

/// How an instance gets at what it may do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    pub exists: bool,
    /// One at the most.
    pub role: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TemplateVersion {
    pub number: i64,
    pub description: Option<String>,
    pub created_at: Option<Timestamp>,
    pub created_by: Option<String>,
    pub image: Option<String>,
    pub instance_type: Option<String>,
    pub key_pair: Option<String>,
    pub groups: Vec<String>,
    pub profile: Option<String>,
    /// SHA-256 of the user data, decoded. The text itself may hold passwords.
    pub user_data_sha256: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Instance {
    pub id: String,
    pub state: String,
    /// Why it is stopped or gone, in AWS's words.
    pub state_reason: Option<String>,
    pub zone: String,
    pub subnet: String,
    pub private_ip: Option<String>,
    pub public_ip: Option<String>,
    pub instance_type: String,
    pub image: String,
    pub launched_at: Option<Timestamp>,
    pub groups: Vec<String>,
    /// The name of its instance profile.
    pub profile: Option<String>,
}

/// An RDS instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Database {
    pub id: String,
    pub status: String,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub class: String,
    pub engine_version: String,
    pub multi_az: bool,
    pub zone: Option<String>,
    pub groups: Vec<String>,
    pub subnets: Vec<String>,
    /// Parameter groups and whether their values are in force: `in-sync`, `pending-reboot`…
    pub parameters: BTreeMap<String, String>,
    /// Names of the settings that AWS has yet to change.
    pub pending: Vec<String>,
}

/// An ElastiCache replication group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cache {
    pub id: String,
    pub status: String,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub class: String,
    pub tls: bool,
    pub members: Vec<CacheMember>,
    pub groups: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CacheMember {
    pub id: String,
    pub zone: Option<String>,
    /// `primary` or `replica`, where AWS says it.
    pub role: Option<String>,
    pub status: Option<String>,
}

/// An EFS file system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Files {
    pub id: String,
    pub state: String,
    /// It was found by the token that it was made with: it lost the stack's tags.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub untagged: bool,
    pub mount_targets: Vec<MountTarget>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MountTarget {
    pub id: String,
    pub state: String,
    pub zone: String,
    pub subnet: String,
    pub ip: Option<String>,
    pub groups: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Alarm {
    pub name: String,
    /// What it means, in our words.
    pub description: Option<String>,
    /// Why it fires, in CloudWatch's.
    pub reason: Option<String>,
    pub since: Option<Timestamp>,
}

/// What was seen from outside.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Probe {
    /// What was, or would have been, asked.
    pub url: Option<String>,
    /// Why nothing was asked: an emulator, or the user did not want it.
    pub unasked: Option<String>,
    /// The proxy that it was asked through, which resolves the name; `None`: straight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// What the host of `url` resolves to.
    pub addresses: Vec<String>,
    /// What the balancer's own name resolves to, when `url` goes by another one.
    pub balancer_addresses: Vec<String>,
    /// Why the name does not resolve.
    pub unresolved: Option<String>,
    pub answers: Vec<Answer>,
}

/// The answer of one address of the balancer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Answer {
    pub address: String,
    pub status: Option<u16>,
    pub error: Option<String>,
    pub millis: u64,
    pub beacon: Option<Beacon>,
}

impl Answer {
    pub fn good(&self) -> bool {
        self.status.is_some_and(|s| (200..400).contains(&s))
    }
}

impl Beacon {
    /// More than any boot takes, and more stages and tries than there are.
    const LONGEST: u64 = 7 * 24 * 3600;
    const MANY: u32 = 100_000;
    /// Warnings of one boot, and the characters of a text in it.
    const WARNINGS: usize = 32;
    const TEXT: usize = 4096;

    /// Without what no boot says: whoever answers there may say anything.
    fn bounded(self) -> Self {
        let short =
            |text: String| if text.len() <= Self::TEXT { text } else { text.chars().take(Self::TEXT).collect() };
        let time = |seconds: Option<u64>| seconds.filter(|s| *s <= Self::LONGEST);
        let number = |n: Option<u32>| n.filter(|n| *n <= Self::MANY);
        let warnings = self.warnings.into_iter().take(Self::WARNINGS);
        Self {
            instance: self.instance.map(short),
            zone: self.zone.map(short),
            stage: short(self.stage),
            step: number(self.step),
            of: number(self.of),
            status: self.status.map(short),
            attempt: number(self.attempt),
            seconds: time(self.seconds),
            stage_seconds: time(self.stage_seconds),
            error: self.error.map(short),
            warnings: warnings.map(|(what, text)| (short(what), short(text))).collect(),
        }
    }
}

/// `fetch, 37 s: curl: (6)…`
impl std::fmt::Display for Beacon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.stage)?;
        if let Some(s) = self.seconds {
            write!(f, ", {s} s")?;
        }
        match &self.error {
            Some(e) => write!(f, ": {e}"),
            None => Ok(()),
        }
    }
}

/// True if this has the form of an instance's id: `i-` and 17 hexadecimal digits; 8 for instances from before 2016.
pub fn is_instance_id(text: &str) -> bool {
    let digits = text.strip_prefix("i-").unwrap_or_default();
    matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn an_instance_id<'de, D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.filter(|id| is_instance_id(id)))
}

/// What an instance says of its own boot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Beacon {
    /// Only what has the form of an id: commands are made of it.
    #[serde(deserialize_with = "an_instance_id")]
    pub instance: Option<String>,
    pub zone: Option<String>,
    pub stage: String,
    pub step: Option<u32>,
    pub of: Option<u32>,
    /// `running`, `retrying`, `failed`…
    pub status: Option<String>,
    pub attempt: Option<u32>,
    pub seconds: Option<u64>,
    pub stage_seconds: Option<u64>,
    pub error: Option<String>,
    pub warnings: BTreeMap<String, String>,
}
