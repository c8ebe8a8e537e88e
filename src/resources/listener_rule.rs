//! A rule of a listener: requests for these hosts and paths are forwarded to a target group.
use super::{elb, listener::Listener, prelude::*, target_group::TargetGroup};
use crate::config::{Placed, Routing, priorities};
use aws_sdk_elasticloadbalancingv2::types::{
    HostHeaderConditionConfig, PathPatternConditionConfig, Rule as AwsRule, RuleCondition, RulePriorityPair,
};
use std::rc::Rc;

/// The wanted listener rule.
pub struct ListenerRule {
    pub aws: Aws,
    pub listener: Ref<Listener>,
    pub target: Ref<TargetGroup>,
    /// The hosts and paths, at most five patterns in all.
    pub routing: Routing,
    /// The number of healthy targets that a group needs before it replaces another serving group.
    pub enough: i32,
    /// All rules of the stack, this one included. Together they determine the priority of each.
    pub all: Rc<[WantedRule]>,
}

/// A rule of the stack, as far as it matters for the priorities of others.
pub struct WantedRule {
    pub key: Key,
    pub service: String,
    pub routing: Routing,
}

/// The managed fields of a listener rule.
#[derive(Serialize)]
pub struct Spec {
    listener: Known<String>,
    /// A number that the account decides: rules keep theirs while the order of those that match the same requests is
    /// right.
    priority: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<String>,
    paths: Vec<String>,
    action: Known<String>,
}

/// The values of a listener rule that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub arn: String,
}

const HOST: &str = "host-header";
const PATH: &str = "path-pattern";
/// The wanted priority: any number with which the more specific of the stack's rules come first.
const IN_ORDER: &str = "the more specific rules first";

impl Resource for ListenerRule {
    const KIND: &'static str = "listener-rule";
    const OF_PARENT: bool = true;
    const FIXED: &'static [&'static str] = &["listener"];
    const DISPOSABLE: bool = true;
    const STAGED: bool = true;
    /// Long enough for instances to boot and pass their health checks.
    const PATIENCE: Duration = Duration::from_secs(900);
    const ACTIONS: &'static [&'static str] = &[
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:CreateRule",
        "elasticloadbalancing:DeleteRule",
        "elasticloadbalancing:DescribeRules",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:DescribeTargetHealth",
        "elasticloadbalancing:ModifyRule",
        "elasticloadbalancing:SetRulePriorities",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec {
            listener: inputs.read(&self.listener, |l| l.arn.clone()),
            priority: IN_ORDER.into(),
            hosts: lower(&self.routing.hosts),
            paths: sorted(self.routing.paths.clone()),
            action: elb::describe_target(Some(inputs.read(&self.target, |t| t.arn.clone()))),
        }
    }
    fn typical(&self) -> Typical {
        Typical::secs(1, 1, 1)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let Some(listener) = cx.read(&self.listener, |l| l.arn.clone()).now() else { return Ok(None) };
        let all = self.rules(cx, &listener).await?;
        let Some(Existing { rule, tags, .. }) = self.pick(cx, &all)? else { return Ok(None) };
        let arn = rule.rule_arn().unwrap_or_default().to_owned();
        let target = cx.read(&self.target, |t| t.arn.clone()).now();
        let waits = self.handover().waits(rule.actions(), target.as_deref()).await?;
        Ok(Some(Found {
            spec: Spec {
                listener: Known::Now(listener),
                priority: match (self.priority(cx, &all), place(rule)) {
                    (wanted, Some(now)) if wanted == now => IN_ORDER.into(),
                    (_, now) => now.unwrap_or_default().to_string(),
                },
                hosts: lower(&hosts(rule)),
                paths: sorted(paths(rule)),
                action: elb::describe_actions(rule.actions()),
            },
            output: Some(Output { arn: arn.clone() }),
            phase: waits.map_or(Phase::Ready, Phase::Busy),
            tags: tags.clone(),
            id: arn,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let listener = want.listener.get()?;
        let all = self.rules(cx, listener).await?;
        self.aws
            .elb
            .create_rule()
            .listener_arn(listener)
            .priority(self.priority(cx, &all))
            .set_conditions(Some(self.conditions()))
            .actions(elb::action(Some(cx.read(&self.target, |t| t.arn.clone()).get()?)))
            .set_tags(Some(tags::elb::to(&cx.tags())))
            .send()
            .await
            .during("CreateRule")
            .map(drop)
    }

    async fn update(&self, cx: &Cx<'_>, want: &Spec, found: &Found<Self>, diff: &Diff) -> Result<()> {
        if ["hosts", "paths", "action"].iter().any(|field| diff.touches(field)) {
            let all = elb::rules(&self.aws, want.listener.get()?).await?;
            let now = all.iter().find(|r| r.rule_arn() == Some(&found.id)).map(|r| r.actions()).unwrap_or_default();
            let target = cx.read(&self.target, |t| t.arn.clone());
            let next = self.handover().next(now, Some(target.get()?)).await?;
            let call = self.aws.elb.modify_rule().rule_arn(&found.id).set_conditions(Some(self.conditions()));
            call.actions(next).send().await.during("ModifyRule")?;
        }
        if diff.touches("priority") {
            let all = self.rules(cx, want.listener.get()?).await?;
            let pair = RulePriorityPair::builder().rule_arn(&found.id).priority(self.priority(cx, &all)).build();
            self.aws.elb.set_rule_priorities().rule_priorities(pair).send().await.during("SetRulePriorities")?;
        }
        Ok(())
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        self.aws.elb.delete_rule().rule_arn(&found.id).send().await.or_gone("DeleteRule")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        elb::tag(&self.aws, &found.id, tags).await
    }
}

/// An existing rule of the listener.
struct Existing {
    rule: AwsRule,
    tags: Tags,
    /// The index of the stack's rule that it is, if it is one of those.
    wanted: Option<usize>,
}

impl ListenerRule {
    /// Returns the existing rules of the listener.
    async fn rules(&self, cx: &Cx<'_>, listener: &str) -> Result<Vec<Existing>> {
        let all = elb::rules(&self.aws, listener).await?;
        let all: Vec<&AwsRule> = all.iter().filter(|r| r.is_default() != Some(true)).collect();
        if all.is_empty() {
            return Ok(vec![]);
        }
        let arn = |r: &AwsRule| r.rule_arn().unwrap_or_default().to_owned();
        let tags = elb::tags_of(&self.aws, cx, all.iter().map(|r| arn(r)).collect()).await?;
        let existing = |rule: &&AwsRule| {
            // A rule that is gone meanwhile has no tags.
            let tags = tags.get(&arn(rule))?.clone();
            let step = cx.step_of(&tags);
            let wanted = self.all.iter().position(|other| step == Some(other.key.as_str()));
            Some(Existing { rule: (*rule).clone(), tags, wanted })
        };
        Ok(all.iter().filter_map(existing).collect())
    }

    /// Returns the rule of this step: the one tagged for it, or else one that matches the same requests and is none of
    /// the stack's other rules.
    ///
    /// Such a rule is that of a service that was renamed, or one that has lost its tags.
    fn pick<'a>(&self, cx: &Cx<'_>, all: &'a [Existing]) -> Result<Option<&'a Existing>> {
        let is_this = |e: &&Existing| e.wanted.is_some_and(|i| self.all[i].key == *cx.key);
        let tagged: Vec<&Existing> = all.iter().filter(is_this).collect();
        if tagged.len() > 1 {
            let ids = tagged.iter().filter_map(|e| e.rule.rule_arn().map(Into::into)).collect();
            return Err(Error::Ambiguous { key: cx.key.clone(), ids });
        }
        let is_alike = |e: &&Existing| {
            let same = lower(&hosts(&e.rule)) == lower(&self.routing.hosts)
                && sorted(paths(&e.rule)) == sorted(self.routing.paths.clone());
            e.wanted.is_none()
                && same
                && e.rule.conditions().iter().all(|c| [Some(HOST), Some(PATH)].contains(&c.field()))
        };
        // One of the stack's own before one that only looks like it.
        let alike = || all.iter().filter(is_alike).max_by_key(|e| cx.step_of(&e.tags).is_some());
        Ok(tagged.first().copied().or_else(alike))
    }

    /// Returns the priority that this rule has to have, among these rules.
    fn priority(&self, cx: &Cx<'_>, all: &[Existing]) -> i32 {
        let now = |i: usize| {
            let tagged = all.iter().find(|e| e.wanted == Some(i));
            let own = || self.pick(cx, all).ok().flatten().filter(|_| self.all[i].key == *cx.key);
            tagged.or_else(own).and_then(|e| place(&e.rule))
        };
        let placed = |(i, rule): (usize, &'_ WantedRule)| (i, now(i), rule.routing.clone());
        let wanted: Vec<_> = self.all.iter().enumerate().map(placed).collect();
        let rules =
            wanted.iter().map(|(i, now, routing)| Placed { service: &self.all[*i].service, routing, now: *now });
        let taken: Vec<i32> = all.iter().filter(|e| e.wanted.is_none()).filter_map(|e| place(&e.rule)).collect();
        let given = priorities(&rules.collect::<Vec<_>>(), &taken);
        let this = self.all.iter().position(|rule| rule.key == *cx.key).expect("the stack's rules include this one");
        given[this]
    }

    fn conditions(&self) -> Vec<RuleCondition> {
        let mut all = vec![];
        if !self.routing.hosts.is_empty() {
            let hosts = HostHeaderConditionConfig::builder().set_values(Some(self.routing.hosts.clone())).build();
            all.push(RuleCondition::builder().field(HOST).host_header_config(hosts).build());
        }
        if !self.routing.paths.is_empty() {
            let paths = PathPatternConditionConfig::builder().set_values(Some(self.routing.paths.clone())).build();
            all.push(RuleCondition::builder().field(PATH).path_pattern_config(paths).build());
        }
        all
    }

    fn handover(&self) -> elb::Handover<'_> {
        elb::Handover { aws: &self.aws, enough: self.enough }
    }
}

/// Returns the priority of an existing rule.
fn place(rule: &AwsRule) -> Option<i32> {
    rule.priority()?.parse().ok()
}

/// Returns host names in one form: a load balancer does not distinguish capital letters in them.
fn lower(hosts: &[String]) -> Vec<String> {
    sorted(hosts.iter().map(|host| host.to_lowercase()).collect())
}

/// Returns the hosts of a rule.
fn hosts(rule: &AwsRule) -> Vec<String> {
    let hosts = rule.conditions().iter().filter(|c| c.field() == Some(HOST));
    hosts.flat_map(|c| listed(c.host_header_config().map(|h| h.values()), c)).collect()
}

/// Returns the paths of a rule. Conditions of other kinds are returned by their field.
fn paths(rule: &AwsRule) -> Vec<String> {
    let others = rule.conditions().iter().filter(|c| c.field() != Some(HOST));
    let paths = |c: &RuleCondition| match c.field() {
        Some(PATH) => listed(c.path_pattern_config().map(|p| p.values()), c),
        other => vec![format!("({})", other.unwrap_or("another condition"))],
    };
    others.flat_map(paths).collect()
}

/// Returns the values of a condition, which AWS returns twice: for its field and in a plain list.
fn listed(of_field: Option<&[String]>, condition: &RuleCondition) -> Vec<String> {
    of_field.filter(|values| !values.is_empty()).unwrap_or(condition.values()).to_vec()
}
