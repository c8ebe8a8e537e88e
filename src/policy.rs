//! The least-privilege IAM policy of whoever runs gameday, from the actions that each step declares.
use crate::{
    aws::{calls::only_reads, partition},
    config::Config,
    engine::{Graph, Node},
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

/// Services whose first use in an account creates a service-linked role (aws-facts 9.2).
const LINKED: &[(&str, &str)] = &[
    ("auto-scaling-group", "autoscaling.amazonaws.com"),
    ("load-balancer", "elasticloadbalancing.amazonaws.com"),
    ("database", "rds.amazonaws.com"),
    ("cache", "elasticache.amazonaws.com"),
    ("file-system", "elasticfilesystem.amazonaws.com"),
    // In accounts without it the first alarm is refused, whatever it does (aws-samples/amazon-cloudwatch-auto-alarms,
    // issue 47).
    ("alarm", "events.amazonaws.com"),
];

/// The policies for one stack: as few as AWS's size limit allows. `before` is all that an earlier stack file may have
/// left ([`crate::stack::remains::imaginable`]): it is looked for.
pub fn of(graph: &Graph, before: &Graph, config: &Config) -> Vec<Policy> {
    let mut rights = Rights::new(config);
    for node in graph.nodes() {
        rights.add(node, |action| !node.is_used() || only_reads(verb(action)) || action == PASS);
    }
    for node in before.nodes() {
        rights.add(node, |action| only_reads(verb(action)));
    }
    let mut linked: Vec<&str> = LINKED
        .iter()
        .filter(|(kind, _)| graph.nodes().any(|n| n.key().kind() == *kind && !n.is_used()))
        .map(|(_, service)| *service)
        .collect();
    linked.extend(config.service().1.spot.as_ref().map(|_| "spot.amazonaws.com"));
    pack(rights.statements(&linked), &config.name)
}

fn service(action: &str) -> &str {
    action.split_once(':').map_or(action, |(service, _)| service)
}

fn verb(action: &str) -> &str {
    action.split_once(':').map_or(action, |(_, verb)| verb)
}

/// Rights as they are gathered: IAM and SSM name their resources, and there they reach no further than this stack.
struct Rights<'a> {
    config: &'a Config,
    partition: &'static str,
    regional: BTreeSet<&'static str>,
    by_name: BTreeMap<String, BTreeSet<&'static str>>,
}

impl<'a> Rights<'a> {
    fn new(config: &'a Config) -> Self {
        let mut rights = Self {
            config,
            partition: partition(&config.region),
            regional: ALWAYS.iter().copied().collect(),
            by_name: BTreeMap::new(),
        };
        let notes = rights.parameter("*", &format!("gameday/{}/*", config.name));
        rights.by_name.entry(notes).or_default().extend(NOTES);
        if config.service().1.image.is_none() {
            // Parameters of AWS's own are in no account.
            let image = rights.parameter("", "aws/service/ami-amazon-linux-latest/*");
            rights.by_name.entry(image).or_default().insert("ssm:GetParameter");
        }
        rights
    }

    /// The actions of a step that are needed.
    fn add(&mut self, node: &dyn Node, needed: impl Fn(&str) -> bool) {
        for action in node.actions().iter().filter(|a| needed(a)) {
            match self.resource(node, action) {
                Some(arn) => _ = self.by_name.entry(arn).or_default().insert(action),
                None => _ = self.regional.insert(action),
            }
        }
    }

    /// What a policy can name.
    fn resource(&self, node: &dyn Node, action: &str) -> Option<String> {
        let (key, config) = (node.key(), self.config);
        match (service(action), key.kind()) {
            // Of a profile that is used nobody knows the role.
            ("iam", _) if action == PASS => {
                let role = node.needs().iter().find(|k| k.kind() == "role");
                Some(match role {
                    Some(role) => self.iam_ours("role", &config.name_of(role.as_str())),
                    None => self.iam("role", "*"),
                })
            }
            ("iam", kind) => {
                let used = config.iam.instance_profile.as_ref().filter(|_| node.is_used());
                Some(match used {
                    // A policy names it with its path, which the stack file does not know.
                    Some(used) => self.iam(kind, used),
                    None => self.iam_ours(kind, &config.name_of(key.as_str())),
                })
            }
            // Parameters are listed all or not at all.
            ("ssm", _) if action == "ssm:DescribeParameters" => None,
            ("ssm", _) => {
                let used = match key.name() {
                    "db-master-password" => &config.secrets.master_password,
                    _ => &config.secrets.app_password,
                };
                Some(match used.as_ref().filter(|_| node.is_used()) {
                    Some(path) => self.parameter("*", path.trim_start_matches('/')),
                    None => self.parameter("*", &format!("gameday/{}/*", config.name)),
                })
            }
            _ => None,
        }
    }

    fn iam(&self, kind: &str, name: &str) -> String {
        format!("arn:{}:iam::*:{kind}/{name}", self.partition)
    }

    /// Role and profile of ours, under their path.
    fn iam_ours(&self, kind: &str, name: &str) -> String {
        self.iam(kind, &format!("{}{name}", self.config.iam.path.trim_start_matches('/')))
    }

    fn parameter(&self, account: &str, path: &str) -> String {
        format!("arn:{}:ssm:{}:{account}:parameter/{path}", self.partition, self.config.region)
    }

    /// The condition under which an action on something that is named is needed; none where it is not needed at all.
    fn condition(&self, action: &str, ec2: &[&str]) -> Option<Option<Value>> {
        let iam = &self.config.iam;
        Some(match action {
            PASS => Some(json!({"StringEquals": {"iam:PassedToService": ec2}})),
            "iam:CreateRole" | "iam:PutRolePermissionsBoundary" => match &iam.permissions_boundary {
                Some(arn) => Some(json!({"StringEquals": {"iam:PermissionsBoundary": arn}})),
                None if action == "iam:CreateRole" => None,
                None => return None,
            },
            // One that somebody else put on is taken off.
            "iam:DeleteRolePermissionsBoundary" if iam.permissions_boundary.is_some() => return None,
            "iam:AttachRolePolicy" if iam.policies.is_empty() => return None,
            "iam:AttachRolePolicy" => Some(json!({"ArnEquals": {"iam:PolicyARN": iam.policies}})),
            _ => None,
        })
    }

    /// One for each service and one for all that are only looked at, one for each thing that is named, one for the roles
    /// that services make for themselves.
    fn statements(&self, linked: &[&str]) -> Vec<Value> {
        let mut statements: Vec<Value> = vec![];
        let mut by_service: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for action in &self.regional {
            let changes = |a: &&&str| service(a) == service(action) && !only_reads(verb(a));
            let of = if self.regional.iter().any(|a| changes(&a)) { service(action) } else { "" };
            by_service.entry(of).or_default().push(action);
        }
        for actions in by_service.values() {
            statements.push(json!({
                "Effect": "Allow", "Action": actions, "Resource": "*",
                "Condition": {"StringEquals": {"aws:RequestedRegion": self.config.region}},
            }));
        }
        // EC2 has two names in China.
        let ec2: &[&str] = match self.partition {
            "aws-cn" => &["ec2.amazonaws.com", "ec2.amazonaws.com.cn"],
            _ => &["ec2.amazonaws.com"],
        };
        for (arn, actions) in &self.by_name {
            let mut by_condition: BTreeMap<String, (Option<Value>, Vec<&str>)> = BTreeMap::new();
            for action in actions {
                let Some(condition) = self.condition(action, ec2) else { continue };
                let same = condition.as_ref().map(Value::to_string).unwrap_or_default();
                by_condition.entry(same).or_insert((condition, vec![])).1.push(action);
            }
            for (condition, actions) in by_condition.into_values() {
                let mut statement = json!({"Effect": "Allow", "Action": actions, "Resource": arn});
                if let Some(condition) = condition {
                    statement["Condition"] = condition;
                }
                statements.push(statement);
            }
        }
        statements.push(json!({
            "Effect": "Allow", "Action": "iam:CreateServiceLinkedRole",
            "Resource": self.iam("role", "aws-service-role/*"),
            "Condition": {"StringEquals": {"iam:AWSServiceName": linked}},
        }));
        statements
    }
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
        let before = stack::remains::imaginable(&loaded, &facts, &aws);
        let all = of(&stack.graph, &before, &loaded.config);
        all.into_iter().flat_map(|p| p.document["Statement"].as_array().cloned().expect("statements")).collect()
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
        let always: BTreeSet<&str> = ALWAYS.iter().chain(NOTES).chain([&IMAGES]).map(|a| verb(a)).collect();
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
            let named = all.iter().filter_map(|s| s["Resource"].as_str()).filter(|r| *r != "*");
            assert!(named.clone().count() > 4 && named.clone().all(|r| r.starts_with(arn)), "{region}: {all:?}");
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
        let role = "arn:aws:iam::*:role/event/billing-instance";
        for action in ["iam:CreateRole", "iam:PutRolePermissionsBoundary"] {
            let [statement] = &with(action, &all)[..] else { panic!("one statement allows {action}: {all:?}") };
            assert_eq!(statement["Resource"], role);
            assert_eq!(statement["Condition"], json!({"StringEquals": {"iam:PermissionsBoundary": boundary}}));
        }
        let [attach] = &with("iam:AttachRolePolicy", &all)[..] else { panic!("{all:?}") };
        assert_eq!(attach["Condition"], json!({"ArnEquals": {"iam:PolicyARN": [agent]}}));
        assert_eq!(with("iam:DeleteRolePermissionsBoundary", &all), Vec::<Value>::new());
        assert_eq!(with("iam:PassRole", &all)[0]["Resource"], role);
        let profile = "arn:aws:iam::*:instance-profile/event/billing-instance";
        assert_eq!(with("iam:CreateInstanceProfile", &all)[0]["Resource"], profile);
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
        // Nothing of others is changed by its name: only the stack's own notes are, and roles are passed on.
        let named = all.iter().filter(|s| s["Resource"] != "*" && !changes(s).is_empty());
        let named: Vec<&str> = named.filter_map(|s| s["Resource"].as_str()).collect();
        let notes = "arn:aws:ssm:us-east-1:*:parameter/gameday/billing/*";
        assert_eq!(named, ["arn:aws:iam::*:role/*", notes, "arn:aws:iam::*:role/aws-service-role/*"]);
    }
}
