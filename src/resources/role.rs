//! The instances' IAM role.
//!
//! It allows what the boot script and the agent do, and nothing else.
use super::prelude::*;
use super::{
    instance_profile,
    log_group::LogGroup,
    parameter::{self, Parameter},
};
use crate::{
    aws::partition,
    set_up::{Done, digest},
    shell::command,
};
use serde_json::{Map, Value, json};
use std::{cell::Cell, collections::BTreeMap};

/// The wanted role.
pub struct Role {
    pub aws: Aws,
    /// Parameters that the instances are allowed to read.
    pub parameters: Vec<Ref<Parameter>>,
    /// The database's master password, which is readable until the database is set up.
    pub master: Option<Master>,
    /// Log groups to which the instances are allowed to write. With any, metrics are allowed too.
    pub log_groups: Vec<Ref<LogGroup>>,
    /// ARNs of S3 objects that the instances are allowed to read.
    pub objects: Vec<String>,
    /// ARNs of ECR repositories from which the instances are allowed to pull.
    pub repositories: Vec<String>,
    /// ARNs of KMS keys that encrypt these objects, and the services through which the keys can be used.
    pub keys: Vec<String>,
    pub keys_via: Vec<String>,
    /// True if Session Manager is allowed to open a shell.
    pub sessions: bool,
    /// ARNs of additional managed policies.
    pub policies: Vec<String>,
    /// The ARN of the permissions boundary.
    pub boundary: Option<String>,
    pub path: String,
    /// The name of the instance profile that holds the role.
    pub profile: String,
}

/// The master password of a database that the instances set up during their boot.
#[derive(Clone)]
pub struct Master {
    pub parameter: Ref<Parameter>,
    /// The password of the service's user, which is part of the set-up.
    pub app: Ref<Parameter>,
    /// The other parts of the set-up.
    pub what: String,
    pub done: Done,
    /// True if the state of the set-up is unknown.
    pub unseen: bool,
    /// True if the existing role is allowed to read it.
    pub has: Cell<Option<bool>>,
}

impl Master {
    /// Returns the digest of the wanted set-up.
    pub fn wanted(&self, app: &parameter::Output) -> String {
        digest(&self.what, &app.set)
    }

    fn is_needed(&self, inputs: &Inputs) -> bool {
        if let Some(has) = self.has.get().filter(|_| self.unseen) {
            return has;
        }
        let wanted = inputs.read(&self.app, |app| self.wanted(app)).now();
        wanted.is_none() || wanted != *self.done.borrow()
    }
}

/// The managed fields of a role.
#[derive(Serialize)]
pub struct Spec {
    /// The statements of the trust policy.
    trust: Value,
    /// The statements of the inline policy, by Sid.
    policy: Known<BTreeMap<String, Value>>,
    /// Names of foreign inline policies.
    others: Vec<String>,
    /// ARNs of managed policies.
    attached: Vec<String>,
    /// The ARN of the permissions boundary.
    boundary: Option<String>,
    path: String,
}

/// The values of a role that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub name: String,
    pub arn: String,
}

/// The name of the inline policy.
const POLICY: &str = "gameday";
/// The actions of Session Manager's agent. Its managed policy allows more, including every parameter of the account.
const SESSIONS: &[&str] = &[
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
];
/// The managed policy that Systems Manager's Quick Setup attaches to the roles of all instances.
pub const SESSIONS_POLICY: &str = ":iam::aws:policy/AmazonSSMManagedInstanceCore";

impl Resource for Role {
    const KIND: &'static str = "role";
    const FIXED: &'static [&'static str] = &["path"];
    const LOSES: Option<&'static str> = Some("the rights of the running instances, until they are replaced");
    const ACTIONS: &'static [&'static str] = &[
        "iam:GetRole",
        "iam:GetRolePolicy",
        "iam:ListRolePolicies",
        "iam:ListAttachedRolePolicies",
        "iam:ListInstanceProfilesForRole",
        "iam:CreateRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:PutRolePermissionsBoundary",
        "iam:DeleteRolePermissionsBoundary",
        "iam:PutRolePolicy",
        "iam:AttachRolePolicy",
        "iam:DeleteRolePolicy",
        "iam:DetachRolePolicy",
        "iam:DeleteRole",
        "iam:TagRole",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        let master = self.master.iter().filter(|m| m.is_needed(inputs)).map(|m| m.parameter.clone());
        let parameters: Vec<_> = self.parameters.iter().cloned().chain(master).collect();
        let parameters = inputs.read_all(&parameters, |p| p.arn.clone());
        let groups = inputs.read_all(&self.log_groups, |g| g.arn.clone());
        let policy = parameters.and_then(|parameters| groups.map(|groups| self.policy(parameters, groups)));
        Spec {
            trust: statements(&trust(&self.aws.region)),
            policy,
            others: vec![],
            attached: sorted(self.policies.clone()),
            boundary: self.boundary.clone(),
            path: self.path.clone(),
        }
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let name = cx.name();
        let (iam, reads) = (&self.aws.iam, &self.aws.reads);
        // Policies that others have added take no right from the instances, so a status leaves them to `plan`.
        let is_status = reads.is_status();
        let attached =
            async { if is_status && self.policies.is_empty() { Ok(vec![]) } else { self.attached(&name).await } };
        let others = async { if is_status { Ok(vec![]) } else { self.inline(&name).await } };
        // All at once. A missing part counts as empty.
        let (role, attached, mut others, policy) = futures::try_join!(
            reads.get(format!("role {name}"), async || {
                Ok(iam.get_role().role_name(&name).send().await.or_absent("GetRole")?.and_then(|r| r.role))
            }),
            attached,
            others,
            async {
                let answer = reads
                    .get(format!("policy of {name}"), async || {
                        let call = iam.get_role_policy().role_name(&name).policy_name(POLICY);
                        call.send().await.or_absent("GetRolePolicy")
                    })
                    .await?;
                Ok(answer.as_ref().as_ref().map(|p| by_sid(&decoded(p.policy_document()))))
            }
        )?;
        let Some(role) = &*role else { return Ok(None) };
        if let Some(master) = &self.master {
            let arn = cx.read(&master.parameter, |p| p.arn.clone()).now();
            let text = |policy: &BTreeMap<String, Value>| serde_json::to_string(policy).unwrap_or_default();
            let has = |arn: String| policy.as_ref().map(|p| text(p).contains(&format!("{arn:?}")));
            master.has.set(arn.and_then(has));
        }
        others.retain(|p| p != POLICY);
        let quick = |arn: &String| self.sessions && arn.ends_with(SESSIONS_POLICY) && !self.policies.contains(arn);
        let attached = sorted(attached.into_iter().filter(|arn| !quick(arn)).collect());
        Ok(Some(Found {
            spec: Spec {
                trust: statements(&decoded(role.assume_role_policy_document().unwrap_or_default())),
                policy: Known::Now(policy.unwrap_or_default()),
                others,
                attached,
                boundary: role.permissions_boundary().and_then(|b| b.permissions_boundary_arn()).map(Into::into),
                path: role.path().into(),
            },
            output: Some(Output { name: name.clone(), arn: role.arn().into() }),
            phase: Phase::Ready,
            tags: tags::global::from(&self.aws, role.tags()),
            id: name,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        self.aws
            .iam
            .create_role()
            .role_name(cx.name())
            .path(&want.path)
            .assume_role_policy_document(trust(&self.aws.region).to_string())
            .set_permissions_boundary(want.boundary.clone())
            .set_tags(Some(tags::global::to(&self.aws, cx.tags())))
            .send()
            .await
            .during("CreateRole")
            .map_err(|e| no_policy(e, "permissions_boundary", want.boundary.as_deref()))?;
        cx.note_created(&cx.name());
        self.put_policy(&cx.name(), want).await?;
        self.attach(&cx.name(), &want.attached).await
    }

    async fn update(&self, _: &Cx<'_>, want: &Spec, found: &Found<Self>, diff: &Diff) -> Result<()> {
        let (iam, name) = (&self.aws.iam, &found.id);
        if diff.touches("trust") {
            let call =
                iam.update_assume_role_policy().role_name(name).policy_document(trust(&self.aws.region).to_string());
            call.send().await.during("UpdateAssumeRolePolicy")?;
        }
        match &want.boundary {
            Some(arn) if diff.touches("boundary") => {
                let call = iam.put_role_permissions_boundary().role_name(name).permissions_boundary(arn).send().await;
                let put = call.during("PutRolePermissionsBoundary");
                put.map_err(|e| no_policy(e, "permissions_boundary", Some(arn)))?;
            }
            None if diff.touches("boundary") => {
                let call = iam.delete_role_permissions_boundary().role_name(name).send().await;
                call.or_gone("DeleteRolePermissionsBoundary")?;
            }
            _ => {}
        }
        if diff.touches("policy") {
            self.put_policy(name, want).await?;
        }
        let without = |all: &[String], others: &[String]| -> Vec<String> {
            all.iter().filter(|arn| !others.contains(arn)).cloned().collect()
        };
        let (have, want) = (&found.spec.attached, &want.attached);
        self.strip(name, &found.spec.others, &without(have, want)).await?;
        self.attach(name, &without(want, have)).await
    }

    async fn delete(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        // A role with policies cannot be deleted.
        self.strip(&found.id, &self.inline(&found.id).await?, &self.attached(&found.id).await?).await?;
        if cx.env.consent.replaces(cx.key) {
            // The step of the profile adds the new role.
            instance_profile::remove_role(&self.aws, &self.profile, &found.id).await?;
        }
        self.aws.iam.delete_role().role_name(&found.id).send().await.or_gone("DeleteRole")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        let call = self.aws.iam.tag_role().role_name(&found.id).set_tags(Some(tags::iam::to(tags)));
        call.send().await.during("TagRole").map(drop)
    }

    async fn holders(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<Vec<Holder>> {
        let call = self.aws.iam.list_instance_profiles_for_role().role_name(&found.id);
        let profiles = call.into_paginator().items().send().try_collect().await;
        let profiles = profiles.during("ListInstanceProfilesForRole")?;
        let holder = |p: &str| Holder { what: format!("instance profile {p}: remove the role"), passes: false };
        Ok(profiles.iter().map(|p| holder(p.instance_profile_name())).collect())
    }
}

impl Role {
    /// Returns the statements for the instances, by Sid.
    fn policy(&self, parameters: Vec<String>, groups: Vec<String>) -> BTreeMap<String, Value> {
        let mut policy = BTreeMap::new();
        let mut allow = |sid: &str, actions: &[&str], resources: Vec<String>, condition: Option<Value>| {
            if !resources.is_empty() {
                let mut s = json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources});
                if let Some(condition) = condition {
                    s["Condition"] = condition;
                }
                policy.insert(sid.to_owned(), canonical(s));
            }
        };
        let anything = || vec!["*".to_owned()];
        allow("Parameters", &["ssm:GetParameter"], parameters, None);
        allow("Objects", &["s3:GetObject"], self.objects.clone(), None);
        if !self.repositories.is_empty() {
            // The login is for all of ECR. Nothing narrower exists.
            allow("Registry", &["ecr:GetAuthorizationToken"], anything(), None);
        }
        let pull = &["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
        allow("Images", pull, self.repositories.clone(), None);
        let via = json!({"StringEquals": {"kms:ViaService": self.keys_via}});
        allow("Keys", &["kms:Decrypt"], self.keys.clone(), Some(via));
        if self.sessions {
            allow("Sessions", SESSIONS, anything(), None);
        }
        if !groups.is_empty() {
            // As a resource, a log group's ARN ends in `:*`, which covers its streams too.
            let groups = groups.iter().map(|arn| format!("{}:*", arn.trim_end_matches(":*"))).collect();
            let logs = &["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"];
            allow("Logs", logs, groups, None);
            let ours = json!({"StringEqualsIgnoreCase": {"cloudwatch:namespace": "GameDay"}});
            allow("Metrics", &["cloudwatch:PutMetricData"], anything(), Some(ours));
            // The agent reads the tag that names its Auto Scaling group. Nothing narrower exists.
            allow("OwnTags", &["ec2:DescribeTags"], anything(), None);
        }
        policy
    }

    async fn put_policy(&self, role: &str, want: &Spec) -> Result<()> {
        let wanted = want.policy.get()?;
        if wanted.is_empty() {
            let call = self.aws.iam.delete_role_policy().role_name(role).policy_name(POLICY);
            return call.send().await.or_gone("DeleteRolePolicy");
        }
        let document = json!({"Version": "2012-10-17", "Statement": wanted.values().collect::<Vec<_>>()});
        let call = self.aws.iam.put_role_policy().role_name(role).policy_name(POLICY);
        call.policy_document(document.to_string()).send().await.during("PutRolePolicy").map(drop)
    }

    /// Attaches managed policies.
    async fn attach(&self, role: &str, arns: &[String]) -> Result<()> {
        for arn in arns {
            let call = self.aws.iam.attach_role_policy().role_name(role).policy_arn(arn).send().await;
            call.during("AttachRolePolicy").map_err(|e| no_policy(e, "policies", Some(arn)))?;
        }
        Ok(())
    }

    /// Removes inline and managed policies.
    async fn strip(&self, role: &str, inline: &[String], attached: &[String]) -> Result<()> {
        for name in inline {
            let call = self.aws.iam.delete_role_policy().role_name(role).policy_name(name);
            call.send().await.or_gone("DeleteRolePolicy")?;
        }
        for arn in attached {
            let call = self.aws.iam.detach_role_policy().role_name(role).policy_arn(arn);
            call.send().await.or_gone("DetachRolePolicy")?;
        }
        Ok(())
    }

    /// Returns the names of the inline policies.
    async fn inline(&self, role: &str) -> Result<Vec<String>> {
        let all = self.aws.reads.get(format!("inline policies of {role}"), async || {
            let call = self.aws.iam.list_role_policies().role_name(role).into_paginator().items().send();
            Ok(call.try_collect().await.or_absent("ListRolePolicies")?.unwrap_or_default())
        });
        Ok(all.await?.to_vec())
    }

    /// Returns the ARNs of the managed policies.
    async fn attached(&self, role: &str) -> Result<Vec<String>> {
        let all = self.aws.reads.get(format!("policies attached to {role}"), async || {
            let call = self.aws.iam.list_attached_role_policies().role_name(role).into_paginator().items();
            Ok(call.send().try_collect().await.or_absent("ListAttachedRolePolicies")?.unwrap_or_default())
        });
        Ok(all.await?.iter().filter_map(|p| p.policy_arn().map(Into::into)).collect())
    }
}

/// Explains that a policy does not exist, which waiting does not change.
///
/// For a role that is not visible yet, AWS uses other words.
fn no_policy(e: Error, key: &str, arn: Option<&str>) -> Error {
    match arn {
        Some(arn) if e.class() == Some(Class::NotFound) && e.to_string().contains(arn) => Error::other(
            format!("the policy {arn} does not exist, or cannot be attached to a role: {e}"),
            format!(
                "correct `{key}` under [iam] in gameday.toml; `{}` looks for it",
                command!("aws iam get-policy --policy-arn {}", arn)
            ),
        ),
        _ => e,
    }
}

/// Returns the trust policy for EC2.
///
/// China has another service name; aws-cn refuses the usual one, or accepts it without effect.
fn trust(region: &str) -> Value {
    let ec2 = match partition(region) {
        "aws-cn" => "ec2.amazonaws.com.cn",
        _ => "ec2.amazonaws.com",
    };
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": ec2}, "Action": "sts:AssumeRole"},
    ]})
}

/// Decodes a document, which IAM returns URL-encoded (RFC 3986).
fn decoded(document: &str) -> Value {
    let bytes = document.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = (bytes[i] == b'%').then(|| document.get(i + 1..i + 3)).flatten();
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => (out.push(byte), i += 3).1,
            None => (out.push(bytes[i]), i += 1).1,
        }
    }
    serde_json::from_slice(&out).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&out).into_owned()))
}

/// Returns the statements of a document in one form.
fn statements(document: &Value) -> Value {
    match &document["Statement"] {
        Value::Array(all) => all.iter().cloned().map(canonical).collect(),
        one => Value::Array(vec![canonical(one.clone())]),
    }
}

fn by_sid(document: &Value) -> BTreeMap<String, Value> {
    let sid = |(i, s): (usize, &Value)| s["Sid"].as_str().map_or_else(|| format!("statement {i}"), Into::into);
    let all = statements(document);
    all.as_array().into_iter().flatten().enumerate().map(|(i, s)| (sid((i, s)), s.clone())).collect()
}

/// Turns single strings into sorted lists, since both mean the same to IAM.
fn canonical(statement: Value) -> Value {
    fn many(v: Value) -> Value {
        match v {
            Value::String(_) => Value::Array(vec![v]),
            Value::Array(mut all) => {
                all.sort_by_key(|v| v.to_string());
                Value::Array(all)
            }
            Value::Object(m) => Value::Object(m.into_iter().map(|(k, v)| (k, many(v))).collect::<Map<_, _>>()),
            v => v,
        }
    }
    let Value::Object(fields) = statement else { return statement };
    let one = |k: &str| matches!(k, "Sid" | "Effect");
    Value::Object(fields.into_iter().map(|(k, v)| if one(&k) { (k, v) } else { (k, many(v)) }).collect())
}
