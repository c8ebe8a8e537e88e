//! A rule of a listener: requests that meet its conditions are forwarded to a target group, or answered.
use super::{
    elb::{self, Answer},
    listener::Listener,
    origin_header::{self, Values},
    parameter::Parameter,
    prelude::*,
    rule_condition::{self, Condition},
    target_group::TargetGroup,
};
use crate::config::{Placed, Routing, priorities};
use aws_sdk_elasticloadbalancingv2::types::{Action, Rule as AwsRule, RuleCondition, RulePriorityPair};
use std::rc::Rc;

/// The wanted listener rule.
pub struct ListenerRule {
    pub aws: Aws,
    pub listener: Ref<Listener>,
    /// At most five values with at most five wildcards, `*` and `?`.
    pub conditions: Vec<Condition>,
    /// The value of the header that CloudFront sends, if only its requests are meant. It counts as a condition value,
    /// and so does an older value that is still being sent.
    pub header: Option<Ref<Parameter>>,
    pub then: Then,
    /// The number of healthy targets that a group needs before it replaces another serving group.
    pub enough: i32,
    /// All rules of the stack. Together they determine the priority of each.
    pub all: Rc<[WantedRule]>,
    /// The index of this rule among them.
    pub index: usize,
}

/// What happens to a request that meets the conditions.
pub enum Then {
    /// The request is forwarded.
    Forward(Ref<TargetGroup>),
    /// The load balancer itself answers.
    Answer(Answer),
}

/// A rule of the stack, as far as it matters for the priorities of others.
pub struct WantedRule {
    pub key: Key,
    pub order: Order,
}

/// The place of a rule among the others. The lowest matching priority wins.
pub enum Order {
    /// The rule has this priority, a number from 1 to 50000.
    At(i32),
    /// The rule routes requests to a service. Its priority is any number with which the more specific of such rules
    /// come first.
    Specific { service: String, routing: Routing },
}

/// The managed fields of a listener rule.
#[derive(Serialize)]
pub struct Spec {
    listener: Known<String>,
    /// Rules of services keep the number that they have in the account while the order of those that match the same
    /// requests is right.
    priority: String,
    conditions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<Known<Values>>,
    action: Known<String>,
}

/// The values of a listener rule that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub arn: String,
}

/// The wanted priority of a rule without a number of its own.
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
            priority: self.order_in_words(),
            conditions: self.in_words(),
            header: self.header.as_ref().map(|parameter| Values::wanted(inputs, parameter)),
            action: match &self.then {
                Then::Forward(target) => elb::describe_target(inputs.read(target, |t| t.arn.clone())),
                Then::Answer(answer) => Known::Now(answer.to_string()),
            },
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
        let target = self.target().and_then(|t| cx.read(t, |t| t.arn.clone()).now());
        let waits = self.handover().waits(rule.actions(), target.as_deref()).await?;
        Ok(Some(Found {
            spec: Spec {
                listener: Known::Now(listener),
                priority: match (self.priority(cx, &all), place(rule)) {
                    (wanted, Some(now)) if wanted == now => self.order_in_words(),
                    (_, now) => now.unwrap_or_default().to_string(),
                },
                conditions: in_words(rule),
                header: Values::found(rule_condition::origin_header(rule.conditions()), cx, self.header.as_ref()),
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
        let priority = self.priority(cx, &all);
        self.make_room(&all, priority).await?;
        self.aws
            .elb
            .create_rule()
            .listener_arn(listener)
            .priority(priority)
            .set_conditions(Some(self.wanted_conditions(want)?))
            .actions(self.action(cx, &[]).await?)
            .set_tags(Some(tags::elb::to(&cx.tags())))
            .send()
            .await
            .during("CreateRule")
            .map(drop)
    }

    async fn update(&self, cx: &Cx<'_>, want: &Spec, found: &Found<Self>, diff: &Diff) -> Result<()> {
        let is_other = diff.touches("conditions") || diff.touches("header");
        if is_other || diff.touches("action") {
            let all = elb::rules(&self.aws, want.listener.get()?).await?;
            let now = all.iter().find(|r| r.rule_arn() == Some(&found.id)).map(|r| r.actions()).unwrap_or_default();
            let next = self.action(cx, now).await?;
            // Without conditions in the call, those of the rule stay.
            let conditions = is_other.then(|| self.wanted_conditions(want)).transpose()?;
            let call = self.aws.elb.modify_rule().rule_arn(&found.id).set_conditions(conditions);
            call.actions(next).send().await.during("ModifyRule")?;
        }
        if diff.touches("priority") {
            let all = self.rules(cx, want.listener.get()?).await?;
            let priority = self.priority(cx, &all);
            self.make_room(&all, priority).await?;
            self.prioritize(&found.id, priority).await?;
        }
        Ok(())
    }

    /// The distribution sends a new value everywhere only once it is deployed. Until then, requests without the header,
    /// or with the value before, are forwarded, too.
    fn interim(&self, _: &Cx<'_>, found: &Found<Self>, mut want: Spec) -> Spec {
        match (&found.spec.header, want.header.take()) {
            (None, Some(_)) => want.conditions.clone_from(&found.spec.conditions),
            (Some(Known::Now(found)), Some(Known::Now(header))) => want.header = Some(Known::Now(header.beside(found))),
            (_, header) => want.header = header,
        }
        want
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
    /// Returns the conditions of a spec in AWS's types.
    fn wanted_conditions(&self, want: &Spec) -> Result<Vec<RuleCondition>> {
        let header = match &want.header {
            Some(header) => header.get()?.all().iter().map(|value| value.reveal().to_owned()).collect(),
            None => vec![],
        };
        let header = Condition::Header(origin_header::NAME.into(), header);
        let all = self.conditions.iter().cloned().chain([header].into_iter().filter(|c| !c.is_empty()));
        Ok(rule_condition::to(&all.collect::<Vec<_>>()))
    }

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
        let tagged: Vec<&Existing> = all.iter().filter(|e| e.wanted == Some(self.index)).collect();
        if tagged.len() > 1 {
            let ids = tagged.iter().filter_map(|e| e.rule.rule_arn().map(Into::into)).collect();
            return Err(Error::Ambiguous { key: cx.key.clone(), ids });
        }
        let is_alike = |e: &&Existing| e.wanted.is_none() && in_words(&e.rule) == self.in_words();
        // One of the stack's own before one that only looks like it.
        let alike = || all.iter().filter(is_alike).max_by_key(|e| cx.step_of(&e.tags).is_some());
        Ok(tagged.first().copied().or_else(alike))
    }

    /// Returns the priority that this rule has to have, among these rules.
    fn priority(&self, cx: &Cx<'_>, all: &[Existing]) -> i32 {
        let now = |i: usize| {
            let tagged = all.iter().find(|e| e.wanted == Some(i));
            let own = || self.pick(cx, all).ok().flatten().filter(|_| i == self.index);
            tagged.or_else(own).and_then(|e| place(&e.rule))
        };
        let (mut rules, mut indices) = (vec![], vec![]);
        for (i, rule) in self.all.iter().enumerate() {
            match &rule.order {
                Order::At(priority) if i == self.index => return *priority,
                Order::At(_) => {}
                Order::Specific { service, routing } => {
                    rules.push(Placed { service, routing, now: now(i) });
                    indices.push(i);
                }
            }
        }
        let taken: Vec<i32> = all.iter().filter(|e| e.wanted.is_none()).filter_map(|e| place(&e.rule)).collect();
        let given = priorities(&rules, &taken);
        given[indices.iter().position(|i| *i == self.index).expect("it is one of those without a number")]
    }

    /// Moves another rule of the stack to another priority if it has this one. The other rule's own step moves it on.
    ///
    /// A foreign rule keeps its priority, and AWS reports that the priority is in use.
    async fn make_room(&self, all: &[Existing], priority: i32) -> Result<()> {
        let is_in_the_way =
            |e: &&Existing| place(&e.rule) == Some(priority) && e.wanted.is_some_and(|i| i != self.index);
        let Some(other) = all.iter().find(is_in_the_way).and_then(|e| e.rule.rule_arn()) else { return Ok(()) };
        let last = all.iter().filter_map(|e| place(&e.rule)).max().unwrap_or(priority);
        self.prioritize(other, last + 1).await
    }

    async fn prioritize(&self, rule: &str, priority: i32) -> Result<()> {
        let pair = RulePriorityPair::builder().rule_arn(rule).priority(priority).build();
        self.aws.elb.set_rule_priorities().rule_priorities(pair).send().await.during("SetRulePriorities").map(drop)
    }

    /// Returns the wanted priority in words.
    fn order_in_words(&self) -> String {
        match &self.all[self.index].order {
            Order::At(priority) => priority.to_string(),
            Order::Specific { .. } => IN_ORDER.into(),
        }
    }

    fn in_words(&self) -> Vec<String> {
        sorted(self.conditions.iter().map(ToString::to_string).collect())
    }

    /// Returns the target group, if requests are forwarded.
    fn target(&self) -> Option<&Ref<TargetGroup>> {
        match &self.then {
            Then::Forward(target) => Some(target),
            Then::Answer(_) => None,
        }
    }

    /// Returns the next action on the way from the current ones to the wanted one.
    async fn action(&self, cx: &Cx<'_>, now: &[Action]) -> Result<Action> {
        match &self.then {
            Then::Forward(target) => self.handover().next(now, cx.read(target, |t| t.arn.clone()).get()?).await,
            Then::Answer(answer) => Ok(answer.action()),
        }
    }

    fn handover(&self) -> elb::Handover<'_> {
        elb::Handover { aws: &self.aws, enough: self.enough }
    }
}

/// Returns the priority of an existing rule.
fn place(rule: &AwsRule) -> Option<i32> {
    rule.priority()?.parse().ok()
}

/// Returns the conditions of an existing rule in words.
fn in_words(rule: &AwsRule) -> Vec<String> {
    let described = rule.conditions().iter().filter(|c| !rule_condition::is_on_origin_header(c));
    sorted(described.map(rule_condition::describe).collect())
}
