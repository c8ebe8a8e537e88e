//! A rule of a listener: requests that meet its conditions are forwarded to a target group, or answered.
use super::{
    elb::{self, Answer},
    listener::Listener,
    prelude::*,
    rule_condition::{self, Condition},
    target_group::TargetGroup,
};
use aws_sdk_elasticloadbalancingv2::types::{Action, Rule as AwsRule, RulePriorityPair};
use std::rc::Rc;

/// The wanted listener rule.
pub struct ListenerRule {
    pub aws: Aws,
    pub listener: Ref<Listener>,
    /// At most five values with at most five wildcards, `*` and `?`.
    pub conditions: Vec<Condition>,
    pub then: Then,
    /// A number from 1 to 50000. The lowest matching rule wins.
    pub priority: i32,
    /// The number of healthy targets that a group needs before it replaces another serving group.
    pub enough: i32,
    /// The keys of all rules of the stack, this one's included.
    ///
    /// If another one of them has this rule's priority, that rule is moved and not taken over.
    pub all_keys: Rc<[Key]>,
}

/// What happens to a request that meets the conditions.
pub enum Then {
    /// The request is forwarded.
    Forward(Ref<TargetGroup>),
    /// The load balancer itself answers.
    Answer(Answer),
}

/// The managed fields of a listener rule.
#[derive(Serialize)]
pub struct Spec {
    listener: Known<String>,
    priority: String,
    conditions: Vec<String>,
    action: Known<String>,
}

/// The values of a listener rule that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub arn: String,
}

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
            priority: self.priority.to_string(),
            conditions: sorted(self.conditions.iter().map(ToString::to_string).collect()),
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
        let all = elb::rules(&self.aws, &listener).await?;
        let all: Vec<AwsRule> = all.iter().filter(|r| r.is_default() != Some(true)).cloned().collect();
        // A priority is unique within a listener.
        let priority = self.priority.to_string();
        let one = elb::pick(&self.aws, cx, &all, |r| r.rule_arn(), |r| r.priority() == Some(&priority)).await?;
        let Some((rule, tags)) = one.filter(|(_, tags)| !self.is_other(cx, tags)) else { return Ok(None) };
        let arn = rule.rule_arn().unwrap_or_default().to_owned();
        let target = self.target().and_then(|t| cx.read(t, |t| t.arn.clone()).now());
        let waits = self.handover().waits(rule.actions(), target.as_deref()).await?;
        Ok(Some(Found {
            spec: Spec {
                listener: Known::Now(listener),
                priority: rule.priority().unwrap_or_default().into(),
                conditions: sorted(rule.conditions().iter().map(rule_condition::describe).collect()),
                action: elb::describe_actions(rule.actions()),
            },
            output: Some(Output { arn: arn.clone() }),
            phase: waits.map_or(Phase::Ready, Phase::Busy),
            tags,
            id: arn,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        self.make_room(cx, want.listener.get()?).await?;
        self.aws
            .elb
            .create_rule()
            .listener_arn(want.listener.get()?)
            .priority(self.priority)
            .set_conditions(Some(rule_condition::to(&self.conditions)))
            .actions(self.action(cx, &[]).await?)
            .set_tags(Some(tags::elb::to(&cx.tags())))
            .send()
            .await
            .during("CreateRule")
            .map(drop)
    }

    async fn update(&self, cx: &Cx<'_>, want: &Spec, found: &Found<Self>, diff: &Diff) -> Result<()> {
        if diff.touches("conditions") || diff.touches("action") {
            let all = elb::rules(&self.aws, want.listener.get()?).await?;
            let now = all.iter().find(|r| r.rule_arn() == Some(&found.id)).map(|r| r.actions()).unwrap_or_default();
            let next = self.action(cx, now).await?;
            let conditions = Some(rule_condition::to(&self.conditions));
            let call = self.aws.elb.modify_rule().rule_arn(&found.id).set_conditions(conditions);
            call.actions(next).send().await.during("ModifyRule")?;
        }
        if diff.touches("priority") {
            self.make_room(cx, want.listener.get()?).await?;
            self.prioritize(&found.id, self.priority).await?;
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

/// The prefix of the keys of listener rules.
const OF_KIND: &str = "listener-rule/";

/// The difference of priority by which a rule that is in the way of another one is moved.
const ASIDE: i32 = 1000;

impl ListenerRule {
    /// True if these are the tags of another rule of the stack as it is now.
    fn is_other(&self, cx: &Cx<'_>, tags: &Tags) -> bool {
        cx.step_of(tags).is_some_and(|step| self.all_keys.iter().any(|key| key.as_str() == step && key != cx.key))
    }

    /// Moves another rule of the stack to another priority if it has this rule's one.
    ///
    /// The other rule's own step moves it on. Without such a step, the rule belongs to a service that has been removed.
    async fn make_room(&self, cx: &Cx<'_>, listener: &str) -> Result<()> {
        let all = elb::rules(&self.aws, listener).await?;
        let place = |r: &AwsRule| r.priority().and_then(|p| p.parse::<i32>().ok());
        let Some(taken) = all.iter().find(|r| place(r) == Some(self.priority)).and_then(|r| r.rule_arn()) else {
            return Ok(());
        };
        let tags = elb::tags_of(&self.aws, cx, vec![taken.into()]).await?;
        // A foreign rule keeps its priority, and AWS reports that the priority is in use.
        let step = tags.get(taken).and_then(|tags| cx.step_of(tags)).filter(|step| step.starts_with(OF_KIND));
        if step.is_none_or(|step| step == cx.key.as_str()) {
            return Ok(());
        }
        // Several steps can move rules at the same moment, each from another priority.
        let mut aside = self.priority + ASIDE;
        if all.iter().any(|r| place(r) == Some(aside)) {
            aside = all.iter().filter_map(place).max().unwrap_or(aside) + 1;
        }
        self.prioritize(taken, aside).await
    }

    async fn prioritize(&self, rule: &str, priority: i32) -> Result<()> {
        let pair = RulePriorityPair::builder().rule_arn(rule).priority(priority).build();
        self.aws.elb.set_rule_priorities().rule_priorities(pair).send().await.during("SetRulePriorities").map(drop)
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
