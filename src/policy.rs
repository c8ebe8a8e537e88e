//! The least-privilege IAM policy of whoever runs gameday, from the actions that each step declares.
use crate::{config::Config, engine::Graph};
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
    "cloudwatch:GetMetricData",
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:DescribeNatGateways",
    "ec2:DescribeNetworkAcls",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSubnets",
    "ec2:DescribeTags",
    "ec2:DescribeVolumes",
    "ec2:DescribeVpcs",
    "ec2:GetConsoleOutput",
    "elasticloadbalancing:DeregisterTargets",
    "elasticloadbalancing:DescribeTargetHealth",
    "elasticloadbalancing:RegisterTargets",
    "logs:FilterLogEvents",
    "ssm:GetParameter",
    "sts:GetCallerIdentity",
    "tag:GetResources",
];

/// Services whose first use in an account creates a service-linked role (aws-facts 9.2).
const LINKED: &[(&str, &str)] = &[
    ("auto-scaling-group", "autoscaling.amazonaws.com"),
    ("load-balancer", "elasticloadbalancing.amazonaws.com"),
    ("database", "rds.amazonaws.com"),
    ("cache", "elasticache.amazonaws.com"),
    ("file-system", "elasticfilesystem.amazonaws.com"),
];

/// The policies for one stack: as few as AWS's size limit allows.
pub fn of(graph: &Graph, config: &Config, region: &str) -> Vec<Policy> {
    let mut regional = BTreeSet::new();
    let mut by_name: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for action in ALWAYS {
        regional.insert(*action);
    }
    for node in graph.nodes().filter(|n| !n.is_used()) {
        for action in node.actions() {
            let service = action.split(':').next().unwrap_or_default();
            let kind = node.key().kind();
            // IAM and SSM name their resources: these rights reach no further than this stack.
            let resource = match service {
                "iam" => {
                    let kind = if kind == "instance-profile" && *action != "iam:PassRole" {
                        "instance-profile"
                    } else {
                        "role"
                    };
                    Some(format!("arn:aws:iam::*:{kind}/{}", config.name_of(node.key().as_str())))
                }
                "ssm" if kind == "parameter" && *action != "ssm:DescribeParameters" => {
                    Some(format!("arn:aws:ssm:{region}:*:parameter/gameday/{}/*", config.name))
                }
                _ => None,
            };
            match resource {
                Some(arn) => _ = by_name.entry(arn).or_default().insert(action),
                None => _ = regional.insert(action),
            }
        }
    }
    let mut statements: Vec<Value> = vec![];
    let mut by_service: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for action in &regional {
        by_service.entry(action.split(':').next().unwrap_or_default()).or_default().push(action);
    }
    for actions in by_service.values() {
        statements.push(json!({
            "Effect": "Allow", "Action": actions, "Resource": "*",
            "Condition": {"StringEquals": {"aws:RequestedRegion": region}},
        }));
    }
    for (arn, actions) in &by_name {
        let (pass, rest): (Vec<&&str>, Vec<&&str>) = actions.iter().partition(|a| **a == "iam:PassRole");
        if !rest.is_empty() {
            statements.push(json!({"Effect": "Allow", "Action": rest, "Resource": arn}));
        }
        if !pass.is_empty() {
            statements.push(json!({
                "Effect": "Allow", "Action": "iam:PassRole", "Resource": arn,
                "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
            }));
        }
    }
    let linked: Vec<&str> = LINKED
        .iter()
        .filter(|(kind, _)| graph.nodes().any(|n| n.key().kind() == *kind && !n.is_used()))
        .map(|(_, service)| *service)
        .collect();
    statements.push(json!({
        "Effect": "Allow", "Action": "iam:CreateServiceLinkedRole",
        "Resource": "arn:aws:iam::*:role/aws-service-role/*",
        "Condition": {"StringEquals": {"iam:AWSServiceName": linked}},
    }));
    pack(statements, &config.name)
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
