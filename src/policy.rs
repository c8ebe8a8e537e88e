//! The least-privilege IAM policy of a gameday user, from the actions that each step declares.
use crate::{
    aws::{GLOBAL, calls::only_reads, partition},
    config::{Config, KINDS, Kind, Life},
    engine::{Graph, Key, Node, TagKeys},
};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The size limit of a customer managed policy, without white space (IAM quotas).
pub const LIMIT: usize = 6144;

/// One managed policy.
#[derive(Debug, Serialize)]
pub struct Policy {
    pub name: String,
    pub document: Value,
}

/// Actions that no step declares: those of `status`, `why`, `cost`, `logs`, `targets` and `bake`, the facts, the lease, the
/// verdict, and the last look of a teardown.
const ALWAYS: &[&str] = &[
    "autoscaling:DescribeScalingActivities",
    "autoscaling:TerminateInstanceInAutoScalingGroup",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetMetricData",
    "ec2:CreateImage",
    "ec2:DeleteSnapshot",
    "ec2:DeregisterImage",
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstances",
    "ec2:DescribeInternetGateways",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:DescribeManagedPrefixLists",
    "ec2:DescribeNatGateways",
    "ec2:DescribeNetworkAcls",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSnapshots",
    "ec2:DescribeSubnets",
    "ec2:DescribeTags",
    "ec2:DescribeVolumes",
    "ec2:DescribeVpcAttribute",
    "ec2:DescribeVpcBlockPublicAccessExclusions",
    "ec2:DescribeVpcBlockPublicAccessOptions",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpcs",
    "ec2:GetConsoleOutput",
    "ec2:GetManagedPrefixListEntries",
    "ec2:RunInstances",
    "ec2:TerminateInstances",
    "elasticloadbalancing:DeregisterTargets",
    "elasticloadbalancing:DescribeTargetHealth",
    "elasticloadbalancing:RegisterTargets",
    "logs:FilterLogEvents",
    "rds:DescribeDBSnapshots",
    "rds:DescribeOrderableDBInstanceOptions",
    "sts:GetCallerIdentity",
    "tag:GetResources",
];

/// Actions for the stack's own notes (`aws/note.rs`): the lease, the history, the record.
const NOTES: &[&str] =
    &["ssm:AddTagsToResource", "ssm:DeleteParameter", "ssm:GetParameter", "ssm:GetParameters", "ssm:PutParameter"];

/// The right to pass on the role in a profile, which launching instances requires.
const PASS: &str = "iam:PassRole";

/// Returns the policies for one stack, as few as AWS's size limit allows.
///
/// `before` is everything that an earlier stack file may have left ([`crate::leftovers::imaginable`]), which has to be
/// looked for.
pub fn of(graph: &Graph, before: &[Graph], config: &Config) -> Vec<Policy> {
    let mut rights = Rights::new(config);
    for node in graph.nodes() {
        if !node.is_used() {
            rights.add_object(node);
        }
        rights.add(node, |action| !node.is_used() || only_reads(verb(action)) || action == PASS);
    }
    for node in before.iter().flat_map(Graph::nodes) {
        rights.add(node, |action| only_reads(verb(action)));
    }
    let made = |kind: &&Kind| graph.nodes().any(|n| n.key().kind() == kind.word && !n.is_used());
    let mut linked: Vec<&str> = KINDS.iter().filter(made).filter_map(|kind| kind.linked_role).collect();
    let has_spot = config.services().any(|service| service.spot.is_some());
    linked.extend(has_spot.then_some("spot.amazonaws.com"));
    pack(rights.statements(&linked), &config.name)
}

fn service(action: &str) -> &str {
    action.split_once(':').map_or(action, |(service, _)| service)
}

fn verb(action: &str) -> &str {
    action.split_once(':').map_or(action, |(_, verb)| verb)
}

/// Rights while they are collected.
///
/// Changing actions are limited to the stack's objects: by name if gameday chooses the name, by the stack's tag if AWS
/// assigns an id. Reading actions cover a whole region, because AWS supports neither for them.
struct Rights<'a> {
    config: &'a Config,
    /// The same with the keys of earlier versions, since a stack keeps the keys that it was built with.
    unnamed: Config,
    keys: TagKeys,
    partition: &'static str,
    /// Actions that read, and actions that create.
    region: BTreeSet<&'static str>,
    /// Objects with gameday's names and their actions, by service.
    named: BTreeMap<&'static str, (BTreeSet<String>, BTreeSet<&'static str>)>,
    /// Actions on objects to which AWS assigns an id.
    tagged: BTreeSet<&'static str>,
    /// Actions on objects that belong to no region.
    global: BTreeSet<&'static str>,
    /// Actions of Route 53.
    names: BTreeSet<&'static str>,
    /// Actions on IAM and SSM objects, by the objects' ARNs.
    own: BTreeMap<Vec<String>, BTreeSet<&'static str>>,
    /// Steps that AWS creates with a VPC, without a tag.
    made_with_vpc: BTreeSet<String>,
}

/// Actions with which services handle their interfaces with the caller's permissions.
const BY_SERVICES: &[&str] = &["ec2:DeleteNetworkInterface", "ec2:ModifyNetworkInterfaceAttribute"];

const EVENTS: &str = "logs:FilterLogEvents";
const SNAPSHOT: &str = "rds:CreateDBSnapshot";

/// True if an action only creates an object and changes no existing one.
fn makes_new(action: &str) -> bool {
    const PARTS: &[&str] = &[
        "CreateAccessPoint",
        "CreateImage",
        "CreateLaunchTemplateVersion",
        "CreateMountTarget",
        "CreateNetworkAclEntry",
        "CreateRoute",
        "CreateTags",
    ];
    let verb = verb(action);
    verb.starts_with("Create") && !PARTS.contains(&verb) || matches!(verb, "AllocateAddress" | "RunInstances")
}

/// True if an action tags an object to which AWS assigned an id.
fn is_tagging(action: &str) -> bool {
    matches!(action, "ec2:CreateTags" | "elasticfilesystem:TagResource")
}

impl<'a> Rights<'a> {
    fn new(config: &'a Config) -> Self {
        let mut rights = Self {
            config,
            unnamed: config.with_unnamed_keys(),
            keys: TagKeys::new(&config.tag_prefix),
            partition: partition(&config.region),
            region: BTreeSet::new(),
            named: BTreeMap::new(),
            tagged: BTreeSet::new(),
            global: BTreeSet::new(),
            names: BTreeSet::new(),
            own: BTreeMap::new(),
            made_with_vpc: BTreeSet::new(),
        };
        ALWAYS.iter().for_each(|action| rights.allow(action));
        // Teardown also looks for tagged objects that belong to no region.
        rights.global.extend((rights.partition == "aws").then_some("tag:GetResources"));
        let unnamed = rights.unnamed.clone();
        let services = config.services().chain(unnamed.services());
        for path in services.flat_map(|s| ["app", "boot"].map(|what| s.log_path(&config.name, what))) {
            // The streams of a log group follow after a colon.
            for end in ["", ":*"] {
                let arn = rights.arn("logs", &format!("log-group:{path}{end}"));
                rights.named.entry("logs").or_default().0.insert(arn);
            }
        }
        let notes = rights.parameter("*", &format!("gameday/{}/*", config.name));
        rights.own.entry(vec![notes]).or_default().extend(NOTES);
        if config.services().any(|service| service.image.is_none()) {
            // AWS's own parameters belong to no account.
            let image = rights.parameter("", "aws/service/ami-amazon-linux-latest/*");
            rights.own.entry(vec![image]).or_default().insert("ssm:GetParameter");
        }
        rights
    }

    /// Adds the needed actions of a step.
    fn add(&mut self, node: &dyn Node, needed: impl Fn(&str) -> bool) {
        for action in node.actions().iter().filter(|a| needed(a)) {
            match self.resource(node, action) {
                Some(arns) => _ = self.own.entry(arns).or_default().insert(action),
                None => self.allow(action),
            }
        }
    }

    /// Adds the object of a step.
    fn add_object(&mut self, node: &dyn Node) {
        let key = node.key();
        if Kind::by_word(key.kind()).is_some_and(|kind| kind.life == Life::WithVpc && kind.ec2.is_some()) {
            self.made_with_vpc.insert(key.to_string());
        }
        let wanted = self.config.name_of(key.as_str());
        // If a name is prescribed now, the object can still have the usual one.
        let usual = self.config.usual_name_of(key.as_str());
        for name in [wanted, usual].into_iter().chain(self.unnamed(key)) {
            for (service, arn) in self.objects(key.kind(), &name) {
                self.named.entry(service).or_default().0.insert(arn);
            }
        }
    }

    /// Returns the ARNs of an object, and of everything below it.
    fn objects(&self, kind: &str, name: &str) -> Vec<(&'static str, String)> {
        let of = |service: &'static str, what: String| (service, self.arn(service, &what));
        let end = Kind::by_word(kind).and_then(|kind| kind.arn_of(name));
        let own =
            |service: &'static str| of(service, end.clone().expect("the table says where the name is in its ARN"));
        match kind {
            "alarm" => vec![own("cloudwatch")],
            "auto-scaling-group" => {
                vec![of("autoscaling", format!("autoScalingGroup:*:autoScalingGroupName/{name}"))]
            }
            "cache" => vec![
                own("elasticache"),
                of("elasticache", format!("cluster:{name}-*")),
                // AWS's own parameter groups.
                of("elasticache", "parametergroup:default.*".into()),
            ],
            "cache-cluster" => vec![own("elasticache"), of("elasticache", "parametergroup:default.*".into())],
            "cache-subnet-group" => vec![own("elasticache")],
            // Dashboards belong to no region.
            "dashboard" => vec![("cloudwatch", format!("arn:{}:cloudwatch::*:dashboard/{name}", self.partition))],
            "database" => {
                // AWS's own option group.
                vec![own("rds"), of("rds", "og:default:*".into())]
            }
            "db-parameter-group" | "db-subnet-group" => vec![own("rds")],
            "load-balancer" => ["loadbalancer", "listener", "listener-rule"]
                .map(|what| of("elasticloadbalancing", format!("{what}/app/{name}/*")))
                .into(),
            "target-group" => vec![own("elasticloadbalancing")],
            _ => vec![],
        }
    }

    fn allow(&mut self, action: &'static str) {
        let service = service(action);
        match service {
            "autoscaling" | "cloudwatch" | "elasticache" | "elasticloadbalancing" | "logs" | "rds"
                if !only_reads(verb(action)) || action == EVENTS =>
            {
                self.named.entry(service).or_default().1.insert(action);
            }
            "cloudfront" => _ = self.global.insert(action),
            "route53" => _ = self.names.insert(action),
            "acm" | "ec2" | "elasticfilesystem" if !only_reads(verb(action)) && !makes_new(action) => {
                self.tagged.insert(action);
            }
            _ => _ = self.region.insert(action),
        }
    }

    /// Returns the ARNs of an IAM or SSM object.
    fn resource(&self, node: &dyn Node, action: &str) -> Option<Vec<String>> {
        let (key, config) = (node.key(), self.config);
        match (service(action), key.kind()) {
            ("iam", _) if action == PASS => {
                let role = node.needs().iter().find(|k| k.kind() == "role");
                Some(match (role, config.iam.used_role()) {
                    (Some(role), _) => self.iam_ours(role),
                    (None, Some(used)) => self.iam_theirs("role", used),
                    // Without a profile no role is passed on.
                    (None, None) => return None,
                })
            }
            // Listing the profiles is allowed for all or none.
            ("iam", kind) if action == "iam:ListInstanceProfiles" => Some(vec![self.iam(kind, "*")]),
            ("iam", kind) => {
                let used = config.iam.instance_profile.as_ref().filter(|_| node.is_used());
                Some(match used {
                    Some(used) => self.iam_theirs(kind, used),
                    None if only_reads(verb(action)) => self.iam_earlier(key),
                    None => self.iam_ours(key),
                })
            }
            // Listing parameters is allowed for all or none.
            ("ssm", _) if action == "ssm:DescribeParameters" => None,
            ("ssm", _) => {
                let used = match key.name() {
                    "db-master-password" => &config.secrets.master_password,
                    "db-app-password" => &config.secrets.app_password,
                    // gameday makes the other ones itself.
                    _ => &None,
                };
                Some(vec![match used.as_ref().filter(|_| node.is_used()) {
                    Some(path) => self.parameter("*", path.trim_start_matches('/')),
                    None => self.parameter("*", &format!("gameday/{}/*", config.name)),
                }])
            }
            _ => None,
        }
    }

    fn iam(&self, kind: &str, name: &str) -> String {
        format!("arn:{}:iam::*:{kind}/{name}", self.partition)
    }

    /// Returns the ARNs of the stack's role or profile, under its path.
    fn iam_ours(&self, key: &Key) -> Vec<String> {
        let names = [self.config.name_of(key.as_str())].into_iter().chain(self.unnamed(key));
        let path = self.config.iam.path.trim_start_matches('/');
        let mut arns: Vec<String> = names.map(|name| self.iam(key.kind(), &format!("{path}{name}"))).collect();
        arns.dedup();
        arns
    }

    /// Returns the ARNs of the stack's roles or profiles, those of services that an earlier stack file named included.
    ///
    /// Without them `up` would not see the fleet of a service that was removed, whose role has a name of its own.
    fn iam_earlier(&self, key: &Key) -> Vec<String> {
        let any = self.config.usual_name_of(&format!("{}/*", key.kind()));
        let (begin, end) = any.split_once('*').unwrap_or((&any, ""));
        let path = self.config.iam.path.trim_start_matches('/');
        let of_any = self.iam(key.kind(), &format!("{path}{any}"));
        let (begin, end) = (self.iam(key.kind(), &format!("{path}{begin}")), end);
        let others = self.iam_ours(key).into_iter().filter(|arn| !(arn.starts_with(&begin) && arn.ends_with(end)));
        [of_any].into_iter().chain(others).collect()
    }

    /// Returns the name that a service's own object had before keys carried the service's name.
    fn unnamed(&self, key: &Key) -> Option<String> {
        self.config.unnamed_key(key.as_str()).map(|key| self.unnamed.name_of(&key))
    }

    /// Returns the ARNs of an existing role or profile under any path.
    ///
    /// The stack file does not know the path. A name is unique in an account.
    fn iam_theirs(&self, kind: &str, name: &str) -> Vec<String> {
        vec![self.iam(kind, &format!("*/{name}")), self.iam(kind, name)]
    }

    fn parameter(&self, account: &str, path: &str) -> String {
        format!("arn:{}:ssm:{}:{account}:parameter/{path}", self.partition, self.config.region)
    }

    /// Returns the ARN of an object in the stack's region and in any account.
    fn arn(&self, service: &str, what: &str) -> String {
        format!("arn:{}:{service}:{}:*:{what}", self.partition, self.config.region)
    }

    /// Returns the condition for an action on a named object. The outer `None` means that the action is not needed.
    fn condition(&self, action: &str, ec2: &[&str]) -> Option<Option<Value>> {
        let iam = &self.config.iam;
        let bounded = iam.permissions_boundary.as_ref().map(|arn| ("iam:PermissionsBoundary", json!(arn)));
        Some(match action {
            PASS => Some(json!({"StringEquals": {"iam:PassedToService": ec2}})),
            "iam:PutRolePermissionsBoundary" if bounded.is_none() => return None,
            // A role without its boundary gets nothing until it has the boundary again.
            "iam:CreateRole" | "iam:PutRolePermissionsBoundary" | "iam:PutRolePolicy" => {
                bounded.map(|(key, arn)| json!({"StringEquals": {key: arn}}))
            }
            // A boundary that somebody else set is removed.
            "iam:DeleteRolePermissionsBoundary" if bounded.is_some() => return None,
            "iam:AttachRolePolicy" if iam.policies.is_empty() => return None,
            "iam:AttachRolePolicy" => {
                let mut condition = json!({"ArnEquals": {"iam:PolicyARN": iam.policies}});
                if let Some((key, arn)) = bounded {
                    condition["StringEquals"] = json!({key: arn});
                }
                Some(condition)
            }
            _ => None,
        })
    }

    /// Returns all statements.
    ///
    /// There is one per service, one for all reading actions, one per named object, and one for service-linked roles.
    fn statements(&self, linked: &[&str]) -> Vec<Value> {
        let mut statements: Vec<Value> = vec![];
        let mut by_service: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for action in &self.region {
            let changes = |a: &&&str| service(a) == service(action) && !only_reads(verb(a));
            let of = if self.region.iter().any(|a| changes(&a)) { service(action) } else { "" };
            by_service.entry(of).or_default().push(action);
        }
        for actions in by_service.values() {
            statements.push(allow(actions, "*", json!({"StringEquals": self.requested_region()})));
        }
        for (arns, actions) in self.named.values().filter(|(_, actions)| !actions.is_empty()) {
            statements.push(allow(&Vec::from_iter(actions), arns, Value::Null));
        }
        statements.extend(self.of_tagged());
        statements.extend(self.of_global());
        statements.extend(self.of_names());
        // EC2 has two names in China.
        let ec2: &[&str] = match self.partition {
            "aws-cn" => &["ec2.amazonaws.com", "ec2.amazonaws.com.cn"],
            _ => &["ec2.amazonaws.com"],
        };
        for (arns, actions) in &self.own {
            let mut by_condition: BTreeMap<String, (Option<Value>, Vec<&str>)> = BTreeMap::new();
            for action in actions {
                let Some(condition) = self.condition(action, ec2) else { continue };
                let same = condition.as_ref().map(Value::to_string).unwrap_or_default();
                by_condition.entry(same).or_insert((condition, vec![])).1.push(action);
            }
            for (condition, actions) in by_condition.into_values() {
                let one = if let [arn] = &arns[..] { json!(arn) } else { json!(arns) };
                statements.push(allow(&actions, one, condition.unwrap_or_default()));
            }
        }
        if self.named.get("rds").is_some_and(|(_, actions)| actions.contains(SNAPSHOT)) {
            // The snapshot of a teardown is named after the database.
            let name = self.config.name_of("database/main");
            let arn = self.arn("rds", &format!("snapshot:{name}-*"));
            statements.push(allow(&[SNAPSHOT, "rds:AddTagsToResource"], arn, Value::Null));
        }
        statements.push(json!({
            "Effect": "Allow", "Action": "iam:CreateServiceLinkedRole",
            "Resource": self.iam("role", "aws-service-role/*"),
            "Condition": {"StringEquals": {"iam:AWSServiceName": linked}},
        }));
        statements
    }

    fn requested_region(&self) -> Value {
        json!({"aws:RequestedRegion": self.config.region})
    }

    /// Returns the statements for objects that belong to no region. Their requests go to one region.
    fn of_global(&self) -> Vec<Value> {
        const TAG: &str = "cloudfront:TagResource";
        let among = |wanted: &dyn Fn(&str) -> bool| Vec::from_iter(self.global.iter().copied().filter(|a| wanted(a)));
        let is_harmless = |a: &str| only_reads(verb(a)) || makes_new(a);
        let (harmless, changing) = (among(&is_harmless), among(&|a| !is_harmless(a)));
        let mut all = vec![];
        if !harmless.is_empty() {
            all.push(allow(&harmless, "*", json!({"StringEquals": {"aws:RequestedRegion": GLOBAL}})));
        }
        let (stack, name) = (self.keys.stack(), &self.config.name);
        let arn = format!("arn:{}:cloudfront::*:distribution/*", self.partition);
        if !changing.is_empty() {
            let ours = json!({"StringEquals": {format!("aws:ResourceTag/{stack}"): name}});
            all.push(allow(&changing, &arn, ours));
        }
        // A new distribution is tagged when it is created.
        if self.global.contains(TAG) {
            let new = json!({
                "StringEquals": {format!("aws:RequestTag/{stack}"): name},
                "Null": {format!("aws:ResourceTag/{stack}"): "true"},
            });
            all.push(allow(&[TAG], &arn, new));
        }
        all
    }

    /// Returns the statements for Route 53: zones and records are read, and only the stack's own names are changed.
    fn of_names(&self) -> Vec<Value> {
        const NAMES: &str = "route53:ChangeResourceRecordSetsNormalizedRecordNames";
        const TYPES: &str = "route53:ChangeResourceRecordSetsRecordTypes";
        let (reads, changes): (Vec<&str>, Vec<&str>) = self.names.iter().partition(|action| only_reads(verb(action)));
        let mut all = vec![];
        if !reads.is_empty() {
            all.push(allow(&reads, "*", Value::Null));
        }
        let (dns, tls) = (self.config.dns.as_ref(), self.config.balancer.tls.as_ref());
        let domain = tls.and_then(|tls| tls.domain.as_deref());
        let proof = domain.map(|domain| format!("_*.{}", domain.strip_prefix("*.").unwrap_or(domain)));
        let names: Vec<String> = dns.map(|dns| dns.name.clone()).into_iter().chain(proof).collect();
        if changes.is_empty() || names.is_empty() {
            return all;
        }
        let of_name = dns.map(|dns| dns.zone.as_deref());
        let zones = of_name.into_iter().chain(domain.and(tls).map(|tls| tls.zone.as_deref()));
        let arn = |zone: Option<&str>| format!("arn:{}:route53:::hostedzone/{}", self.partition, zone.unwrap_or("*"));
        let zones: BTreeSet<String> = zones.map(arn).collect();
        let condition = json!({"ForAllValues:StringLike": {NAMES: names, TYPES: ["A", "CNAME"]}});
        all.push(allow(&changes, zones, condition));
        all
    }

    /// Returns the statements for objects to which AWS assigns an id.
    ///
    /// They cover only objects with the stack's tag, which the creating call sets.
    fn of_tagged(&self) -> Vec<Value> {
        let (stack, step) = (self.keys.stack(), self.keys.step());
        let with = |key: String, value: Value| {
            let mut all = self.requested_region();
            all[key] = value;
            json!({"StringEquals": all})
        };
        let among = |wanted: &dyn Fn(&str) -> bool| Vec::from_iter(self.tagged.iter().copied().filter(|a| wanted(a)));
        let mut all = vec![allow(
            &among(&|a| !BY_SERVICES.contains(&a)),
            "*",
            with(format!("aws:ResourceTag/{stack}"), json!(self.config.name)),
        )];
        for tagging in among(&is_tagging) {
            // The file system of a new access point has the tag, the instance of a new image, too; they themselves do
            // not yet.
            let makes =
                |a: &&&str| makes_new(a) || matches!(**a, "elasticfilesystem:CreateAccessPoint" | "ec2:CreateImage");
            let all_of = self.region.iter().chain(&self.tagged).filter(|a| service(a) == service(tagging));
            let makers: BTreeSet<&str> = all_of.filter(makes).map(|a| verb(a)).collect();
            all.push(allow(&[tagging], "*", with(format!("{}:CreateAction", service(tagging)), json!(makers))));
        }
        // A new certificate has no tag yet.
        let certificates =
            among(&|a| matches!(a, "acm:AddTagsToCertificate" | "acm:ImportCertificate" | "acm:RequestCertificate"));
        if !certificates.is_empty() {
            all.push(allow(&certificates, "*", with(format!("aws:RequestTag/{stack}"), json!(self.config.name))));
        }
        // A new image and its snapshots have no tag yet. The instance has one.
        let new = ["image/*", "snapshot/*"].map(|what| self.arn("ec2", what));
        all.push(allow(&["ec2:CreateImage"], new, with(format!("aws:RequestTag/{stack}"), json!(self.config.name))));
        // Rules have no tag. Their group has one.
        let rules = among(&|a| {
            a.contains("SecurityGroupRules") || a.contains("SecurityGroupEgress") || a.contains("SecurityGroupIngress")
        });
        if !rules.is_empty() {
            all.push(allow(&rules, self.arn("ec2", "security-group-rule/*"), Value::Null));
        }
        // AWS's set of options has no tag. The VPC has one.
        let options = among(&|a| a == "ec2:AssociateDhcpOptions");
        if !options.is_empty() {
            all.push(allow(&options, self.arn("ec2", "dhcp-options/*"), Value::Null));
        }
        let by_services = among(&|a| BY_SERVICES.contains(&a));
        if !by_services.is_empty() {
            all.push(allow(&by_services, "*", json!({"Bool": {"aws:ViaAWSService": "true"}})));
        }
        // GuardDuty's objects in a VPC prevent its deletion.
        let guards = among(&|a| matches!(a, "ec2:DeleteSecurityGroup" | "ec2:DeleteVpcEndpoints"));
        if self.tagged.contains("ec2:DeleteVpc") && !guards.is_empty() {
            all.push(allow(&guards, "*", with("aws:ResourceTag/GuardDutyManaged".into(), json!("true"))));
        }
        // AWS creates these objects with the VPC and without a tag. They get the stack's tags, and no others.
        if !self.made_with_vpc.is_empty() {
            let kinds: BTreeSet<&str> = self.made_with_vpc.iter().filter_map(|key| Kind::by_key(key)?.ec2).collect();
            let arns: Vec<String> = kinds.into_iter().map(|what| self.arn("ec2", &format!("{what}/*"))).collect();
            let tags = json!({
                format!("aws:RequestTag/{stack}"): self.config.name,
                format!("aws:RequestTag/{step}"): self.made_with_vpc,
            });
            let untagged = json!({format!("aws:ResourceTag/{stack}"): "true"});
            all.push(allow(&["ec2:CreateTags"], arns, json!({"StringEquals": tags, "Null": untagged})));
        }
        all
    }
}

/// Returns a statement without a condition if that is `null`.
fn allow(actions: &[impl Serialize], resource: impl Serialize, condition: Value) -> Value {
    let mut statement = json!({"Effect": "Allow", "Action": actions, "Resource": resource});
    if !condition.is_null() {
        statement["Condition"] = condition;
    }
    statement
}

/// Packs statements by first fit. They are never split, so each policy makes sense by itself.
fn pack(statements: Vec<Value>, stack: &str) -> Vec<Policy> {
    let document = |s: &[Value]| json!({"Version": "2012-10-17", "Statement": s});
    let mut parts: Vec<Vec<Value>> = vec![];
    for statement in statements {
        let fits = |part: &&mut Vec<Value>| {
            let mut with = (**part).clone();
            with.push(statement.clone());
            document(&with).to_string().len() <= LIMIT
        };
        match parts.iter_mut().find(fits) {
            Some(part) => part.push(statement),
            None => parts.push(vec![statement]),
        }
    }
    let many = parts.len() > 1;
    parts
        .iter()
        .enumerate()
        .map(|(i, part)| Policy {
            name: if many { format!("gameday-{stack}-{}", i + 1) } else { format!("gameday-{stack}") },
            document: document(part),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        aws::{Aws, Target},
        facts::Facts,
        stack,
    };

    /// Returns every statement of the policies for a stack file.
    async fn statements(head: &str) -> Vec<Value> {
        let text = format!("name = \"billing\"\n{head}\n[service.api]\nsource = \"https://example.com/server\"\n");
        let loaded = crate::config::parse("gameday.toml", &text).expect("a sound stack file");
        let facts = Facts::offline(&loaded.config);
        let aws = Aws::connect(&Target { region: loaded.config.region.clone(), ..Target::default() }).await;
        let stack = stack::wire(&loaded, &facts, &aws).map_err(|e| e.to_string()).expect("it renders");
        let before = crate::leftovers::imaginable(&loaded, &facts, &aws).unwrap();
        let all = of(&stack.graph, &before, &loaded.config);
        all.into_iter().flat_map(|p| p.document["Statement"].as_array().cloned().expect("statements")).collect()
    }

    /// Returns one text or several, as IAM allows both.
    fn texts(value: &Value) -> Vec<&str> {
        match value {
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        }
    }

    /// Returns the quoted texts that directly follow one of these words.
    fn quoted<'t>(text: &'t str, behind: &[&str]) -> BTreeSet<&'t str> {
        let after = |word: &&str| text.match_indices(*word).map(|(at, w)| &text[at + w.len()..]).collect::<Vec<_>>();
        let quoted = |rest: &'t str| rest.trim_start().strip_prefix('"')?.split_once('"').map(|(name, _)| name);
        behind.iter().flat_map(after).filter_map(quoted).collect()
    }

    /// Covers also calls that no test makes. Each is named where its error is read, and a kind declares its own.
    #[test]
    fn every_call_in_the_source_is_declared() {
        let always: BTreeSet<&str> = ALWAYS.iter().chain(NOTES).map(|a| verb(a)).collect();
        let (mut files, mut calls, mut missing) = (vec![std::path::PathBuf::from("src")], vec![], vec![]);
        while let Some(path) = files.pop() {
            let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(&path);
            if here.is_dir() {
                files.extend(std::fs::read_dir(here).unwrap().map(|e| path.join(e.unwrap().file_name())));
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("aws/credentials.rs") {
                // A profile's role is adopted before a role exists.
                calls.push((path, std::fs::read_to_string(here).unwrap()));
            }
        }
        let actions = |text: &str| -> BTreeSet<String> {
            let declared = text.split("const ACTIONS").skip(1).filter_map(|t| t.split_once("];").map(|(list, _)| list));
            declared.flat_map(|list| list.split('"').map(|a| verb(a).to_owned()).collect::<Vec<_>>()).collect()
        };
        let kinds: BTreeSet<String> = calls.iter().flat_map(|(_, text)| actions(text)).collect();
        let mut seen = 0;
        for (path, text) in &calls {
            // Actions of shared helpers are declared by one of the kinds.
            let own = if text.contains("impl Resource for") { actions(text) } else { BTreeSet::new() };
            for call in quoted(text, &["during(", "or_absent(", "or_gone(", "$describe,"]) {
                let declared = if own.is_empty() { kinds.contains(call) } else { own.contains(call) };
                seen += 1;
                if call.starts_with(char::is_uppercase) && !declared && !always.contains(call) {
                    missing.push(format!("{}: {call}", path.display()));
                }
            }
        }
        assert!(seen > 150, "only {seen} calls were found");
        assert!(missing.is_empty(), "no policy allows\n{}", missing.join("\n"));
    }

    #[tokio::test]
    async fn a_stack_may_have_the_roles_made_that_its_services_need() {
        let of = async |head: &str| -> Vec<String> {
            let all = statements(head).await;
            let linked = all.iter().find(|s| s["Action"] == "iam:CreateServiceLinkedRole").expect("a statement");
            let names = linked["Condition"]["StringEquals"]["iam:AWSServiceName"].as_array().expect("a list");
            names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let events = "events.amazonaws.com".to_owned();
        assert!(of("").await.contains(&events), "alarms");
        assert!(!of("[monitoring]\nmode = \"off\"").await.contains(&events));
    }

    #[tokio::test]
    async fn arns_are_those_of_the_partition() {
        for (region, arn) in
            [("us-east-1", "arn:aws:"), ("cn-north-1", "arn:aws-cn:"), ("us-gov-west-1", "arn:aws-us-gov:")]
        {
            let all = statements(&format!("region = \"{region}\"")).await;
            let named = all.iter().flat_map(|s| texts(&s["Resource"])).filter(|r| *r != "*");
            assert!(named.clone().count() > 20 && named.clone().all(|r| r.starts_with(arn)), "{region}: {all:?}");
        }
    }

    #[tokio::test]
    async fn a_role_is_made_with_what_the_organisation_demands_and_nothing_else() {
        let with = |action: &str, all: &[Value]| -> Vec<Value> {
            let has = |s: &&Value| match &s["Action"] {
                Value::Array(all) => all.iter().any(|a| a == action),
                one => one == action,
            };
            all.iter().filter(has).cloned().collect()
        };
        let free = statements("").await;
        assert_eq!(with("iam:CreateRole", &free)[0]["Condition"], Value::Null);
        for needless in ["iam:PutRolePermissionsBoundary", "iam:AttachRolePolicy"] {
            assert_eq!(with(needless, &free), Vec::<Value>::new(), "{needless}");
        }
        assert_eq!(with("iam:DeleteRolePermissionsBoundary", &free).len(), 1);

        let boundary = "arn:aws:iam::111122223333:policy/Boundary";
        let agent = "arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy";
        let head = format!(
            "[iam]\npath = \"/event/\"\npermissions_boundary = \"{boundary}\"\npolicies = [\"{agent}\"]\nssm = true"
        );
        let all = statements(&head).await;
        // Under today's name, and under that of a stack whose keys did not carry the service's name.
        let named = |what: &str| {
            json!(["api", "instance"].map(|name| format!("arn:aws:iam::*:{what}/event/billing-{name}-us-east-1")))
        };
        let role = named("role");
        for action in ["iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"] {
            let [statement] = &with(action, &all)[..] else { panic!("one statement allows {action}: {all:?}") };
            assert_eq!(statement["Resource"], role);
            assert_eq!(statement["Condition"], json!({"StringEquals": {"iam:PermissionsBoundary": boundary}}));
        }
        let [attach] = &with("iam:AttachRolePolicy", &all)[..] else { panic!("{all:?}") };
        let bounded = json!({"iam:PermissionsBoundary": boundary});
        assert_eq!(attach["Condition"], json!({"ArnEquals": {"iam:PolicyARN": [agent]}, "StringEquals": bounded}));
        assert_eq!(with("iam:DeleteRolePermissionsBoundary", &all), Vec::<Value>::new());
        assert_eq!(with("iam:PassRole", &all)[0]["Resource"], role);
        assert_eq!(with("iam:CreateInstanceProfile", &all)[0]["Resource"], named("instance-profile"));
    }

    #[tokio::test]
    async fn what_is_used_or_off_is_only_looked_at() {
        let head = "[network]\nmode = \"use\"\nvpc = \"default\"\n[cache]\nmode = \"off\"\n[files]\nmode = \"off\"\n\
                    [database]\nmode = \"use\"\nendpoint = \"db.local:3306\"\n[secrets]\nmode = \"use\"\n\
                    master_password = \"/m\"\napp_password = \"/a\"\n[iam]\nmode = \"use\"\n\
                    instance_profile = \"Lab\"\n[monitoring]\nmode = \"off\"";
        let all = statements(head).await;
        let actions = |s: &Value| match &s["Action"] {
            Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            one => vec![one.as_str().unwrap_or_default().to_owned()],
        };
        let changes = |s: &Value| -> Vec<String> { actions(s).into_iter().filter(|a| !only_reads(verb(a))).collect() };
        let changed: BTreeSet<String> = all.iter().flat_map(changes).map(|a| service(&a).to_owned()).collect();
        let ours = ["autoscaling", "ec2", "elasticloadbalancing", "iam", "ssm"];
        assert_eq!(changed, ours.map(String::from).into(), "{all:?}");
        let networks = all.iter().flat_map(changes).filter(|a| a.contains("Vpc") || a.contains("Subnet"));
        assert_eq!(networks.collect::<Vec<_>>(), ["elasticloadbalancing:SetSubnets"]);
        // Only the stack's own objects and notes are changed by name, and the profile's role is passed on.
        let named = all.iter().filter(|s| s["Resource"] != "*" && !changes(s).is_empty());
        let named: BTreeSet<&str> = named.flat_map(|s| texts(&s["Resource"])).collect();
        // What has no tag yet, or never has one, belongs to something that has: a group, or the instance of an image.
        let of_tagged =
            |arn: &str| ["security-group-rule/*", "image/*", "snapshot/*"].iter().any(|end| arn.ends_with(end));
        let others = named.iter().filter(|arn| !arn.contains("billing") && !of_tagged(arn));
        let role = "arn:aws:iam::*:role/Lab";
        assert_eq!(
            Vec::from_iter(others),
            [&"arn:aws:iam::*:role/*/Lab", &role, &"arn:aws:iam::*:role/aws-service-role/*"]
        );
    }

    #[tokio::test]
    async fn the_role_that_is_passed_on_is_that_of_the_profile() {
        let passed = async |iam: &str| -> Vec<String> {
            let all = statements(&format!("[iam]\nmode = \"use\"\n{iam}")).await;
            let pass = all.iter().filter(|s| texts(&s["Action"]).contains(&PASS));
            let pass = pass.inspect(|s| assert!(s["Condition"].to_string().contains("ec2.amazonaws.com"), "{s}"));
            pass.flat_map(|s| texts(&s["Resource"])).map(str::to_owned).collect()
        };
        let role = |name: &str| vec![format!("arn:aws:iam::*:role/*/{name}"), format!("arn:aws:iam::*:role/{name}")];
        assert_eq!(passed("instance_profile = \"team\"").await, role("team"));
        assert_eq!(passed("instance_profile = \"team\"\nrole = \"team-role\"").await, role("team-role"));
        assert_eq!(passed("instance_profile = \"LabInstanceProfile\"").await, role("LabRole"));
    }

    /// Finds actions that change or delete anything in a region without a condition on the owner.
    #[tokio::test]
    async fn nothing_is_changed_or_deleted_that_nobody_says_is_ours() {
        let files = [
            "",
            "[network]\ninstances = \"private\"",
            "[network]\nmode = \"use\"\nvpc = \"default\"",
            "tag_prefix = \"event-\"",
            "[cdn]\nmode = \"create\"",
            "[dns]\nname = \"app.example.com\"\n[balancer.tls]\ndomain = \"*.example.com\"",
        ];
        for head in files {
            for statement in statements(head).await {
                let wide = texts(&statement["Resource"]).iter().any(|r| *r == "*" || r.ends_with(":role/*"));
                let condition = statement["Condition"].to_string();
                let asks =
                    ["aws:ResourceTag/", ":CreateAction", "aws:ViaAWSService"].iter().any(|k| condition.contains(k));
                // ACM has no condition for the call that creates, either: a certificate gets the stack's tags, and only these.
                let tags_own = |a: &str| service(a) == "acm" && condition.contains("aws:RequestTag/");
                let changes = |a: &&str| !only_reads(verb(a)) && !makes_new(a) && !tags_own(a);
                let bad: Vec<&str> = texts(&statement["Action"]).into_iter().filter(|a| changes(a)).collect();
                assert!(!wide || asks || bad.is_empty(), "{head:?}: {bad:?} on everything");
            }
        }
    }
}
