//! The least-privilege IAM policy of whoever runs gameday, from the actions that each step declares.
use crate::{
    aws::{calls::only_reads, partition},
    config::{Config, KINDS, Kind, Life},
    engine::{Graph, Key, Node, TagKeys},
};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a customer managed policy may hold, white space not counted (IAM quotas).
pub const LIMIT: usize = 6144;

/// One managed policy.
#[derive(Debug, Serialize)]
pub struct Policy {
    pub name: String,
    pub document: Value,
}

/// What no step declares: what `status`, `why`, `cost`, `logs` and `targets` look at or change, the facts, the lease on
/// time, the verdict, and the last look of a teardown.
const ALWAYS: &[&str] = &[
    "autoscaling:DescribeScalingActivities",
    "autoscaling:TerminateInstanceInAutoScalingGroup",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetMetricData",
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
    "elasticloadbalancing:DeregisterTargets",
    "elasticloadbalancing:DescribeTargetHealth",
    "elasticloadbalancing:RegisterTargets",
    "logs:FilterLogEvents",
    "rds:DescribeDBSnapshots",
    "rds:DescribeOrderableDBInstanceOptions",
    "sts:GetCallerIdentity",
    "tag:GetResources",
];

/// What is done with the stack's own notes (`aws/note.rs`): the lease, the history, the record.
const NOTES: &[&str] =
    &["ssm:AddTagsToResource", "ssm:DeleteParameter", "ssm:GetParameter", "ssm:GetParameters", "ssm:PutParameter"];

/// Whoever has instances launched passes on the role in their profile.
const PASS: &str = "iam:PassRole";

/// The policies for one stack: as few as AWS's size limit allows. `before` is all that an earlier stack file may have
/// left ([`crate::leftovers::imaginable`]): it is looked for.
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

/// Rights as they are gathered. What changes something reaches what is the stack's: by its name where we give it one, by the
/// stack's tag where AWS does. AWS has neither for what is looked at, which is all of a region.
struct Rights<'a> {
    config: &'a Config,
    /// The same with the keys of another time: a stack keeps those that it was built with.
    unnamed: Config,
    keys: TagKeys,
    partition: &'static str,
    /// What is looked at, and what makes something new.
    region: BTreeSet<&'static str>,
    /// By service: the objects that have names of ours, and what is done with them.
    named: BTreeMap<&'static str, (BTreeSet<String>, BTreeSet<&'static str>)>,
    /// What is done with objects that AWS gives an id.
    tagged: BTreeSet<&'static str>,
    /// IAM and SSM: by the object's ARNs.
    own: BTreeMap<Vec<String>, BTreeSet<&'static str>>,
    /// The steps that AWS makes with a VPC, without a tag.
    born: BTreeSet<String>,
}

/// What services do in the caller's name with the interfaces that they make.
const BY_SERVICES: &[&str] = &["ec2:DeleteNetworkInterface", "ec2:ModifyNetworkInterfaceAttribute"];

const EVENTS: &str = "logs:FilterLogEvents";
const SNAPSHOT: &str = "rds:CreateDBSnapshot";

/// Whether an action makes something that was not there, and changes nothing that was.
fn makes_new(action: &str) -> bool {
    const PARTS: &[&str] = &[
        "CreateAccessPoint",
        "CreateLaunchTemplateVersion",
        "CreateMountTarget",
        "CreateNetworkAclEntry",
        "CreateRoute",
        "CreateTags",
    ];
    let verb = verb(action);
    verb.starts_with("Create") && !PARTS.contains(&verb) || matches!(verb, "AllocateAddress" | "RunInstances")
}

/// Whether an action puts tags on something that has an id of AWS's.
fn tags(action: &str) -> bool {
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
            own: BTreeMap::new(),
            born: BTreeSet::new(),
        };
        ALWAYS.iter().for_each(|action| rights.allow(action));
        let unnamed = rights.unnamed.clone();
        let services = config.services().chain(unnamed.services());
        for path in services.flat_map(|s| ["app", "boot"].map(|what| s.log_path(&config.name, what))) {
            // Its streams stand behind a colon.
            for end in ["", ":*"] {
                let arn = rights.arn("logs", &format!("log-group:{path}{end}"));
                rights.named.entry("logs").or_default().0.insert(arn);
            }
        }
        let notes = rights.parameter("*", &format!("gameday/{}/*", config.name));
        rights.own.entry(vec![notes]).or_default().extend(NOTES);
        if config.services().any(|service| service.image.is_none()) {
            // Parameters of AWS's own are in no account.
            let image = rights.parameter("", "aws/service/ami-amazon-linux-latest/*");
            rights.own.entry(vec![image]).or_default().insert("ssm:GetParameter");
        }
        rights
    }

    /// The actions of a step that are needed.
    fn add(&mut self, node: &dyn Node, needed: impl Fn(&str) -> bool) {
        for action in node.actions().iter().filter(|a| needed(a)) {
            match self.resource(node, action) {
                Some(arns) => _ = self.own.entry(arns).or_default().insert(action),
                None => self.allow(action),
            }
        }
    }

    /// The object of a step of ours.
    fn add_object(&mut self, node: &dyn Node) {
        let key = node.key();
        if Kind::of(key.kind()).is_some_and(|kind| kind.life == Life::WithVpc && kind.ec2.is_some()) {
            self.born.insert(key.to_string());
        }
        let wanted = self.config.name_of(key.as_str());
        // Where a name is prescribed now, it may stand under the usual one still.
        let usual = self.config.usual_name_of(key.as_str());
        for name in [wanted, usual].into_iter().chain(self.unnamed(key)) {
            for (service, arn) in self.objects(key.kind(), &name) {
                self.named.entry(service).or_default().0.insert(arn);
            }
        }
    }

    /// What a policy calls an object of ours, and what is under it.
    fn objects(&self, kind: &str, name: &str) -> Vec<(&'static str, String)> {
        let of = |service: &'static str, what: String| (service, self.arn(service, &what));
        match kind {
            "alarm" => vec![of("cloudwatch", format!("alarm:{name}"))],
            "auto-scaling-group" => {
                vec![of("autoscaling", format!("autoScalingGroup:*:autoScalingGroupName/{name}"))]
            }
            "cache" => vec![
                of("elasticache", format!("replicationgroup:{name}")),
                of("elasticache", format!("cluster:{name}-*")),
                // AWS's own.
                of("elasticache", "parametergroup:default.*".into()),
            ],
            "cache-subnet-group" => vec![of("elasticache", format!("subnetgroup:{name}"))],
            // Of no region.
            "dashboard" => vec![("cloudwatch", format!("arn:{}:cloudwatch::*:dashboard/{name}", self.partition))],
            "database" => {
                // AWS's own option group.
                vec![of("rds", format!("db:{name}")), of("rds", "og:default:*".into())]
            }
            "db-parameter-group" => vec![of("rds", format!("pg:{name}"))],
            "db-subnet-group" => vec![of("rds", format!("subgrp:{name}"))],
            "load-balancer" => ["loadbalancer", "listener", "listener-rule"]
                .map(|what| of("elasticloadbalancing", format!("{what}/app/{name}/*")))
                .into(),
            "target-group" => vec![of("elasticloadbalancing", format!("targetgroup/{name}/*"))],
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
            "ec2" | "elasticfilesystem" if !only_reads(verb(action)) && !makes_new(action) => {
                self.tagged.insert(action);
            }
            _ => _ = self.region.insert(action),
        }
    }

    /// What a policy can name of IAM and SSM.
    fn resource(&self, node: &dyn Node, action: &str) -> Option<Vec<String>> {
        let (key, config) = (node.key(), self.config);
        match (service(action), key.kind()) {
            ("iam", _) if action == PASS => {
                let role = node.needs().iter().find(|k| k.kind() == "role");
                Some(match (role, config.iam.used_role()) {
                    (Some(role), _) => self.iam_ours(role),
                    (None, Some(used)) => self.iam_theirs("role", used),
                    // Without a profile there is no role to pass on.
                    (None, None) => return None,
                })
            }
            ("iam", kind) => {
                let used = config.iam.instance_profile.as_ref().filter(|_| node.is_used());
                Some(match used {
                    Some(used) => self.iam_theirs(kind, used),
                    None => self.iam_ours(key),
                })
            }
            // Parameters are listed all or not at all.
            ("ssm", _) if action == "ssm:DescribeParameters" => None,
            ("ssm", _) => {
                let used = match key.name() {
                    "db-master-password" => &config.secrets.master_password,
                    _ => &config.secrets.app_password,
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

    /// A role or profile of ours, under its path.
    fn iam_ours(&self, key: &Key) -> Vec<String> {
        let names = [self.config.name_of(key.as_str())].into_iter().chain(self.unnamed(key));
        let path = self.config.iam.path.trim_start_matches('/');
        let mut arns: Vec<String> = names.map(|name| self.iam(key.kind(), &format!("{path}{name}"))).collect();
        arns.dedup();
        arns
    }

    /// The name that a service's own object had before keys carried the service's name.
    fn unnamed(&self, key: &Key) -> Option<String> {
        self.config.unnamed_key(key.as_str()).map(|key| self.unnamed.name_of(&key))
    }

    /// What somebody else made, under whatever path: the stack file does not know it. A name is taken once in an account.
    fn iam_theirs(&self, kind: &str, name: &str) -> Vec<String> {
        vec![self.iam(kind, &format!("*/{name}")), self.iam(kind, name)]
    }

    fn parameter(&self, account: &str, path: &str) -> String {
        format!("arn:{}:ssm:{}:{account}:parameter/{path}", self.partition, self.config.region)
    }

    /// An object in the stack's region and whichever account.
    fn arn(&self, service: &str, what: &str) -> String {
        format!("arn:{}:{service}:{}:*:{what}", self.partition, self.config.region)
    }

    /// The condition under which an action on something that is named is needed; none where it is not needed at all.
    fn condition(&self, action: &str, ec2: &[&str]) -> Option<Option<Value>> {
        let iam = &self.config.iam;
        let bounded = iam.permissions_boundary.as_ref().map(|arn| ("iam:PermissionsBoundary", json!(arn)));
        Some(match action {
            PASS => Some(json!({"StringEquals": {"iam:PassedToService": ec2}})),
            "iam:PutRolePermissionsBoundary" if bounded.is_none() => return None,
            // Nothing is given to a role that lost its boundary, until it has it again.
            "iam:CreateRole" | "iam:PutRolePermissionsBoundary" | "iam:PutRolePolicy" => {
                bounded.map(|(key, arn)| json!({"StringEquals": {key: arn}}))
            }
            // One that somebody else put on is taken off.
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

    /// One for each service and one for all that are only looked at, one for each thing that is named, one for the roles
    /// that services make for themselves.
    fn statements(&self, linked: &[&str]) -> Vec<Value> {
        let mut statements: Vec<Value> = vec![];
        let mut by_service: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for action in &self.region {
            let changes = |a: &&&str| service(a) == service(action) && !only_reads(verb(a));
            let of = if self.region.iter().any(|a| changes(&a)) { service(action) } else { "" };
            by_service.entry(of).or_default().push(action);
        }
        for actions in by_service.values() {
            statements.push(allow(actions, "*", json!({"StringEquals": self.here()})));
        }
        for (arns, actions) in self.named.values().filter(|(_, actions)| !actions.is_empty()) {
            statements.push(allow(&Vec::from_iter(actions), arns, Value::Null));
        }
        statements.extend(self.of_tagged());
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
            // The one that a teardown leaves is called after the database.
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

    fn here(&self) -> Value {
        json!({"aws:RequestedRegion": self.config.region})
    }

    /// What is done with objects that AWS gives an id: only with those that carry the stack's tag, which they are given with
    /// the call that makes them.
    fn of_tagged(&self) -> Vec<Value> {
        let (stack, step) = (self.keys.stack(), self.keys.step());
        let with = |key: String, value: Value| {
            let mut all = self.here();
            all[key] = value;
            json!({"StringEquals": all})
        };
        let among = |wanted: &dyn Fn(&str) -> bool| Vec::from_iter(self.tagged.iter().copied().filter(|a| wanted(a)));
        let mut all = vec![allow(
            &among(&|a| !BY_SERVICES.contains(&a)),
            "*",
            with(format!("aws:ResourceTag/{stack}"), json!(self.config.name)),
        )];
        for tagging in among(&tags) {
            // An access point's file system has the tag, it has not yet.
            let makes = |a: &&&str| makes_new(a) || **a == "elasticfilesystem:CreateAccessPoint";
            let all_of = self.region.iter().chain(&self.tagged).filter(|a| service(a) == service(tagging));
            let makers: BTreeSet<&str> = all_of.filter(makes).map(|a| verb(a)).collect();
            all.push(allow(&[tagging], "*", with(format!("{}:CreateAction", service(tagging)), json!(makers))));
        }
        // Rules have no tag; their group has.
        let rules = among(&|a| {
            a.contains("SecurityGroupRules") || a.contains("SecurityGroupEgress") || a.contains("SecurityGroupIngress")
        });
        if !rules.is_empty() {
            all.push(allow(&rules, self.arn("ec2", "security-group-rule/*"), Value::Null));
        }
        // The set of options that AWS made has none; the VPC that is led to it has.
        let options = among(&|a| a == "ec2:AssociateDhcpOptions");
        if !options.is_empty() {
            all.push(allow(&options, self.arn("ec2", "dhcp-options/*"), Value::Null));
        }
        let by_services = among(&|a| BY_SERVICES.contains(&a));
        if !by_services.is_empty() {
            all.push(allow(&by_services, "*", json!({"Bool": {"aws:ViaAWSService": "true"}})));
        }
        // What GuardDuty puts into a VPC keeps that from being deleted.
        let guards = among(&|a| matches!(a, "ec2:DeleteSecurityGroup" | "ec2:DeleteVpcEndpoints"));
        if self.tagged.contains("ec2:DeleteVpc") && !guards.is_empty() {
            all.push(allow(&guards, "*", with("aws:ResourceTag/GuardDutyManaged".into(), json!("true"))));
        }
        // AWS makes them with the VPC and without a tag: they are given ours, and no other.
        if !self.born.is_empty() {
            let kinds: BTreeSet<&str> = self.born.iter().filter_map(|key| Kind::of_key(key)?.ec2).collect();
            let arns: Vec<String> = kinds.into_iter().map(|what| self.arn("ec2", &format!("{what}/*"))).collect();
            let tags = json!({
                format!("aws:RequestTag/{stack}"): self.config.name, format!("aws:RequestTag/{step}"): self.born,
            });
            let untagged = json!({format!("aws:ResourceTag/{stack}"): "true"});
            all.push(allow(&["ec2:CreateTags"], arns, json!({"StringEquals": tags, "Null": untagged})));
        }
        all
    }
}

/// A statement, its condition `null` where there is none.
fn allow(actions: &[impl Serialize], resource: impl Serialize, condition: Value) -> Value {
    let mut statement = json!({"Effect": "Allow", "Action": actions, "Resource": resource});
    if !condition.is_null() {
        statement["Condition"] = condition;
    }
    statement
}

/// First fit: statements are never torn apart, so each policy makes sense by itself.
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

    /// Every statement of the policies for a stack file.
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

    /// One text or several, as IAM has it.
    fn texts(value: &Value) -> Vec<&str> {
        match value {
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        }
    }

    /// The texts in quotes that stand right behind one of these words.
    fn quoted<'t>(text: &'t str, behind: &[&str]) -> BTreeSet<&'t str> {
        let after = |word: &&str| text.match_indices(*word).map(|(at, w)| &text[at + w.len()..]).collect::<Vec<_>>();
        let quoted = |rest: &'t str| rest.trim_start().strip_prefix('"')?.split_once('"').map(|(name, _)| name);
        behind.iter().flat_map(after).filter_map(quoted).collect()
    }

    /// Also the calls that no test makes: each is named where its error is read, and a kind declares its own.
    #[test]
    fn every_call_in_the_source_is_declared() {
        let always: BTreeSet<&str> = ALWAYS.iter().chain(NOTES).map(|a| verb(a)).collect();
        let (mut files, mut calls, mut missing) = (vec![std::path::PathBuf::from("src")], vec![], vec![]);
        while let Some(path) = files.pop() {
            let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(&path);
            if here.is_dir() {
                files.extend(std::fs::read_dir(here).unwrap().map(|e| path.join(e.unwrap().file_name())));
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("aws/credentials.rs") {
                // A role that a profile takes on is taken on before there is one to have a policy.
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
            // What several kinds share is declared by one of them.
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
        // Nothing of others is changed by its name: the stack's own objects and notes are, and the profile's role is passed.
        let named = all.iter().filter(|s| s["Resource"] != "*" && !changes(s).is_empty());
        let named: BTreeSet<&str> = named.flat_map(|s| texts(&s["Resource"])).collect();
        let others = named.iter().filter(|arn| !arn.contains("billing") && !arn.ends_with(":security-group-rule/*"));
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

    /// An action that changes or deletes, on all of a region without a condition that asks whose it is.
    #[tokio::test]
    async fn nothing_is_changed_or_deleted_that_nobody_says_is_ours() {
        let files = [
            "",
            "[network]\ninstances = \"private\"",
            "[network]\nmode = \"use\"\nvpc = \"default\"",
            "tag_prefix = \"event-\"",
        ];
        for head in files {
            for statement in statements(head).await {
                let wide = texts(&statement["Resource"]).iter().any(|r| *r == "*" || r.ends_with(":role/*"));
                let condition = statement["Condition"].to_string();
                let asks =
                    ["aws:ResourceTag/", ":CreateAction", "aws:ViaAWSService"].iter().any(|k| condition.contains(k));
                let changes = |a: &&str| !only_reads(verb(a)) && !makes_new(a);
                let bad: Vec<&str> = texts(&statement["Action"]).into_iter().filter(|a| changes(a)).collect();
                assert!(!wide || asks || bad.is_empty(), "{head:?}: {bad:?} on everything");
            }
        }
    }
}
