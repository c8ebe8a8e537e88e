//! The table of kinds: everything that depends on a kind's word.
//!
//! A kind is a file in `src/resources` and a row here. A test of the main crate compares both lists.
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// One kind of step, or of a part that a step creates.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The first half of a step's key: `database` in `database/main`.
    pub word: &'static str,
    /// The group of the stack.
    pub group: Group,
    /// The AWS noun with its article, for messages.
    pub noun: &'static str,
    /// The form of names that AWS accepts.
    pub name: NameForm,
    /// Other words that people use for the kind.
    pub also: &'static [&'static str],
    /// The place of the name in the object's ARN. `None`: the ARN contains an id, or the name is known otherwise.
    pub arn: Option<NameInArn>,
    /// The service-linked role that the first such object of an account needs, by its principal [AWS 9.2].
    pub linked_role: Option<&'static str>,
    /// EC2's resource type in filters and tag conditions, if EC2 has one for the kind.
    pub ec2: Option<&'static str>,
    /// The scope in which its names are unique.
    pub scope: Scope,
    /// The life cycle that the object follows.
    pub life: Life,
}

/// The scope in which names of a kind are unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The account and region.
    Region,
    /// The account: a stack of the same name can exist in another region.
    Account,
}

/// The life cycle of a kind's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// gameday creates and deletes it.
    Own,
    /// gameday creates and deletes it. Under another name it is recreated without a question.
    Renewable,
    /// AWS creates and deletes it together with a VPC.
    WithVpc,
    /// It is not a step: AWS creates it for another object, under a name that the stack file can prescribe.
    Part,
}

/// The place of an object's name in its ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameInArn {
    /// After this text, to the end.
    After(&'static str),
    /// After this text, up to the next slash: an id follows.
    Before(&'static str),
}

/// The form of names that AWS accepts for a kind. The limits are those of the service's API model.
#[derive(Clone, Copy, Debug)]
pub struct NameForm {
    /// Further requirements on the name.
    pub style: Style,
    /// The fewest characters.
    pub shortest: usize,
    /// The most characters.
    pub longest: usize,
    /// Characters beside letters and digits. `None`: any printable ones.
    pub also: Option<&'static str>,
}

/// Further requirements of AWS on a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// The name is only a title: the tag `Name`.
    Tag,
    /// The name begins with a letter, has no final or doubled hyphen, and is stored in lower case.
    Identifier,
    /// The name is stored in lower case.
    Lower,
    /// The name has no first or last hyphen, and does not begin with `internal-`.
    Balancer,
    /// The name has no further requirements.
    Free,
    /// The object has no name in AWS.
    Nameless,
    /// The name is a path that gameday chooses.
    Path,
}

impl NameForm {
    const fn new(style: Style, longest: usize, also: Option<&'static str>) -> Self {
        Self { style, shortest: 1, longest, also }
    }

    /// True if two objects of the kind cannot share a name in one account and region.
    pub fn is_unique(&self) -> bool {
        !matches!(self.style, Style::Tag | Style::Nameless)
    }
}

const TAG: NameForm = NameForm::new(Style::Tag, 256, Some(" _.:/=+-@"));
const NAMELESS: NameForm = NameForm::new(Style::Nameless, 0, None);
const PATH: NameForm = NameForm::new(Style::Path, 0, None);
const BALANCER: NameForm = NameForm::new(Style::Balancer, 32, Some("-"));

const fn identifier(longest: usize) -> NameForm {
    NameForm::new(Style::Identifier, longest, Some("-"))
}
const fn lower(also: &'static str) -> NameForm {
    NameForm::new(Style::Lower, 255, Some(also))
}
const fn free(longest: usize, also: &'static str) -> NameForm {
    NameForm::new(Style::Free, longest, Some(also))
}
const fn iam(longest: usize) -> NameForm {
    free(longest, "_+=,.@-")
}

const fn kind(word: &'static str, group: Group, noun: &'static str, name: NameForm) -> Kind {
    Kind {
        word,
        group,
        noun,
        name,
        also: &[],
        arn: None,
        linked_role: None,
        ec2: None,
        scope: Scope::Region,
        life: Life::Own,
    }
}

impl Kind {
    const fn also(mut self, words: &'static [&'static str]) -> Self {
        self.also = words;
        self
    }
    const fn arn(mut self, mark: NameInArn) -> Self {
        self.arn = Some(mark);
        self
    }
    const fn linked_role(mut self, principal: &'static str) -> Self {
        self.linked_role = Some(principal);
        self
    }
    /// EC2 uses the same word.
    const fn ec2(mut self) -> Self {
        self.ec2 = Some(self.word);
        self
    }
    const fn with_vpc(mut self, ec2: &'static str) -> Self {
        self.ec2 = Some(ec2);
        self.life = Life::WithVpc;
        self
    }
    const fn of_the_account(mut self) -> Self {
        self.scope = Scope::Account;
        self
    }
    const fn life(mut self, life: Life) -> Self {
        self.life = life;
        self
    }

    /// Returns the kind with this word.
    pub fn by_word(word: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.word == word)
    }

    /// Returns the kind of the step with this key.
    pub fn by_key(key: &str) -> Option<&'static Self> {
        Self::by_word(key.split('/').next().unwrap_or_default())
    }

    /// Returns the name in an object's ARN, if AWS identifies objects of this kind by name.
    pub fn name_in<'a>(&self, arn: &'a str) -> Option<&'a str> {
        match self.arn? {
            NameInArn::After(mark) => Some(arn.split_once(mark)?.1),
            NameInArn::Before(mark) => arn.split_once(mark)?.1.split('/').next(),
        }
    }

    /// Returns the end of an object's ARN, after region and account, if it contains the name: `db:billing-main`. An id
    /// after the name is a `*`.
    pub fn arn_of(&self, name: &str) -> Option<String> {
        Some(match self.arn? {
            NameInArn::After(mark) => format!("{}{name}", &mark[1..]),
            NameInArn::Before(mark) => format!("{}{name}/*", &mark[1..]),
        })
    }

    /// Returns the name in the ARN of this step's object.
    pub fn name_of_step<'a>(step: &str, arn: &'a str) -> Option<&'a str> {
        Self::by_key(step)?.name_in(arn)
    }
}

use Group::*;
use NameInArn::{After, Before};

/// All kinds, in the order in which a message names them.
#[rustfmt::skip] // a table
pub const KINDS: &[Kind] = &[
    kind("vpc", Network, "a VPC", TAG).also(&["network"]).ec2(),
    kind("internet-gateway", Network, "an internet gateway", TAG).also(&["igw"]).ec2(),
    kind("subnet", Network, "a subnet", TAG).ec2(),
    kind("route-table", Network, "a route table", TAG).ec2(),
    kind("vpc-endpoint", Network, "a VPC endpoint", TAG).also(&["endpoint", "vpce"]).ec2(),
    kind("interface-endpoint", Network, "an interface endpoint", TAG),
    kind("elastic-ip", Network, "an Elastic IP address", TAG).also(&["eip", "address"]),
    kind("nat-gateway", Network, "a NAT gateway", TAG).also(&["nat", "natgw", "ngw"]),
    kind("main-route-table", Network, "a main route table", TAG).with_vpc("route-table"),
    kind("default-network-acl", Network, "a default network ACL", TAG).also(&["acl", "nacl", "network-acl"]).with_vpc("network-acl"),
    kind("default-security-group", Network, "a default security group", TAG).with_vpc("security-group"),
    kind("dhcp-options", Network, "a set of DHCP options", NAMELESS).also(&["dhcp"]).life(Life::WithVpc),
    kind("security-group", Network, "a security group", free(255, " ._-:/()#,@[]+=&;{}!$*")).also(&["sg"]).ec2(),
    kind("security-group-rules", Network, "a set of security group rules", NAMELESS),
    kind("db-subnet-group", Database, "a DB subnet group", lower("._ -")).arn(After(":subgrp:")),
    kind("db-parameter-group", Database, "a DB parameter group", identifier(255)).arn(After(":pg:")),
    kind("database", Database, "a DB instance", identifier(63)).also(&["rds", "rds-instance", "db", "db-instance", "mysql", "postgres", "postgresql"]).arn(After(":db:")).linked_role("rds.amazonaws.com"),
    kind("cache-subnet-group", Cache, "a cache subnet group", lower("-")).arn(After(":subnetgroup:")),
    kind("cache", Cache, "a replication group", identifier(40)).also(&["redis", "elasticache", "replication-group"]).arn(After(":replicationgroup:")).linked_role("elasticache.amazonaws.com"),
    kind("cache-cluster", Cache, "a cache cluster", identifier(50)).also(&["memcached"]).arn(After(":cluster:")).linked_role("elasticache.amazonaws.com"),
    kind("file-system", Files, "a file system", TAG).also(&["efs", "files"]).linked_role("elasticfilesystem.amazonaws.com"),
    kind("mount-target", Files, "a mount target", NAMELESS),
    kind("access-point", Files, "an access point", TAG),
    kind("role", Launch, "a role", iam(64)).of_the_account(),
    kind("instance-profile", Launch, "an instance profile", iam(128)).of_the_account(),
    kind("parameter", Database, "an SSM parameter", PATH),
    kind("log-group", Monitoring, "a log group", PATH),
    kind("instance", Fleet, "an instance", TAG).also(&["ec2", "instances", "server", "machine", "vm", "node"]).life(Life::Part),
    kind("volume", Fleet, "an instance's volume", TAG).also(&["ebs", "disk", "volumes"]).life(Life::Part),
    kind("launch-template", Launch, "a launch template", NameForm { shortest: 3, ..free(128, "().-/_") }).also(&["lt", "launch"]),
    kind("target-group", Balancer, "a target group", BALANCER).also(&["tg", "targets"]).arn(Before(":targetgroup/")),
    kind("load-balancer", Balancer, "a load balancer", BALANCER).also(&["alb", "lb", "elb", "balancer"]).arn(Before(":loadbalancer/app/")).linked_role("elasticloadbalancing.amazonaws.com"),
    kind("load-balancer-active", Balancer, "a load balancer's state", NAMELESS),
    kind("distribution", Balancer, "a distribution", TAG).also(&["cdn", "cloudfront"]).of_the_account(),
    kind("distribution-deployed", Balancer, "a distribution's state", NAMELESS),
    kind("certificate", Balancer, "a certificate", TAG).also(&["acm", "cert", "tls"]),
    kind("certificate-issued", Balancer, "a certificate's state", NAMELESS),
    kind("hosted-zone", Balancer, "a hosted zone", NAMELESS).also(&["zone"]),
    kind("dns-record", Balancer, "a DNS record", NAMELESS).also(&["record", "dns"]),
    kind("listener", Balancer, "a listener", TAG),
    kind("listener-rule", Balancer, "a listener rule", TAG),
    kind("auto-scaling-group", Fleet, "an Auto Scaling group", free(255, "!\"#$%&'()*+,-./;<=>?@[\\]^_`{|}~")).also(&["asg", "fleet", "autoscaling-group"]).linked_role("autoscaling.amazonaws.com"),
    kind("scaling-policy", Fleet, "a scaling policy", NameForm::new(Style::Free, 255, None)),
    // An account without the role refuses the first alarm, whatever the alarm does
    // (aws-samples/amazon-cloudwatch-auto-alarms, issue 47).
    kind("alarm", Monitoring, "an alarm", NameForm::new(Style::Free, 255, None)).arn(After(":alarm:")).linked_role("events.amazonaws.com").life(Life::Renewable),
    kind("dashboard", Monitoring, "a dashboard", free(255, "-_")).arn(After(":dashboard/")).of_the_account().life(Life::Renewable),
];

/// The groups of steps in the stack file and the verbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// The VPC with its subnets, routes and security groups.
    Network,
    /// The database, its settings, and the passwords.
    Database,
    /// The cache.
    Cache,
    /// The shared file system.
    Files,
    /// The launch template, and the instances' role and profile.
    Launch,
    /// The load balancer with its listener, rules and target groups.
    Balancer,
    /// The Auto Scaling group and its policies.
    Fleet,
    /// Alarms, the dashboard and log groups.
    Monitoring,
}

impl Group {
    /// All groups, in the order of their display.
    pub const ALL: [Self; 8] = [Network, Database, Cache, Files, Launch, Balancer, Fleet, Monitoring];

    /// Returns the word of the group.
    pub const fn word(self) -> &'static str {
        match self {
            Network => "network",
            Database => "database",
            Cache => "cache",
            Files => "files",
            Launch => "launch",
            Balancer => "balancer",
            Fleet => "fleet",
            Monitoring => "monitoring",
        }
    }

    /// Returns the group of a kind's word.
    ///
    /// # Panics
    /// If no kind has this word.
    pub fn of_kind(kind: &str) -> Self {
        Kind::by_word(kind).unwrap_or_else(|| panic!("{kind} is not in the table of kinds")).group
    }
}

impl FromStr for Group {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|group| group.word() == word).ok_or_else(|| format!("there is no group {word:?}"))
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_word_means_one_kind() {
        let mut words = BTreeSet::new();
        for kind in KINDS {
            for word in [kind.word].iter().chain(kind.also) {
                assert!(words.insert(*word), "{word} means two kinds");
            }
        }
    }

    #[test]
    fn names_are_found_in_arns() {
        for (step, rest, name) in [
            ("database/main", "rds:us-east-1:123456789012:db:billing-main", Some("billing-main")),
            ("cache/main", "elasticache:us-east-1:123456789012:replicationgroup:billing-main", Some("billing-main")),
            // A node of a replication group carries the group's tags.
            ("cache/main", "elasticache:us-east-1:123456789012:cluster:billing-main-001", None),
            ("cache-cluster/main", "elasticache:us-east-1:123456789012:cluster:billing-main", Some("billing-main")),
            (
                "load-balancer/main",
                "elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/billing-main/0a1b",
                Some("billing-main"),
            ),
            (
                "target-group/api",
                "elasticloadbalancing:us-east-1:123456789012:targetgroup/billing-api/0a1b",
                Some("billing-api"),
            ),
            ("dashboard/main", "cloudwatch::123456789012:dashboard/billing-main", Some("billing-main")),
            ("vpc/main", "ec2:us-east-1:123456789012:vpc/vpc-0a1b", None),
        ] {
            let arn = format!("arn:aws:{rest}");
            assert_eq!(Kind::name_of_step(step, &arn), name, "{arn}");
            if let (Some(name), Some(kind)) = (name, Kind::by_key(step)) {
                let end = kind.arn_of(name).unwrap();
                let end = end.strip_suffix('*').unwrap_or(&end);
                assert!(arn.contains(&format!(":{end}")), "{end}");
            }
        }
    }
}
