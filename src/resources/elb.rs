//! Helpers of the kinds around a load balancer.
use super::prelude::*;
use crate::aws::words::{self, elb::target_group_name};
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, FixedResponseActionConfig, ForwardActionConfig, RedirectActionConfig,
    RedirectActionStatusCodeEnum, TargetGroupTuple, TargetHealthDescription, TargetHealthStateEnum,
};
use std::{collections::HashMap, rc::Rc};

pub(super) use crate::aws::listing::{balancer, listeners, rules};

/// Returns the tags of several objects by ARN, in as few calls as AWS allows.
///
/// Objects that are gone are left out.
pub(super) async fn tags_of(aws: &Aws, cx: &Cx<'_>, arns: Vec<String>) -> Result<Rc<HashMap<String, Tags>>> {
    if aws.reads.is_look() {
        // One call shows the stack's objects of all services. Others are read from the service itself, and so are all
        // if none has the step's own tags: the listing can lag behind.
        let (all, own) = (tags::of_stack(aws, &cx.env.stack).await?, cx.tags());
        let listed = arns.iter().map(|arn| Some((arn.clone(), all.get(arn)?.clone())));
        let is_complete = |tags: &Tags| own.iter().all(|(k, v)| tags.get(k) == Some(v));
        if let Some(all) = listed.collect::<Option<HashMap<_, _>>>()
            && all.values().any(is_complete)
        {
            return Ok(Rc::new(all));
        }
    }
    let ask = async |arns: &[String]| {
        let answer = aws.elb.describe_tags().set_resource_arns(Some(arns.to_vec())).send().await;
        let all = answer.or_absent("DescribeTags")?.map(|a| a.tag_descriptions.unwrap_or_default());
        Ok::<_, Error>(all.map(|all| {
            let pair = |t: &aws_sdk_elasticloadbalancingv2::types::TagDescription| {
                Some((t.resource_arn()?.to_owned(), tags::elb::from(t.tags())))
            };
            all.iter().filter_map(pair).collect::<Vec<_>>()
        }))
    };
    let call = async || {
        let mut found = HashMap::new();
        // A call accepts at most 20, and fails completely if one object is gone.
        for some in arns.chunks(20) {
            match ask(some).await? {
                Some(all) => found.extend(all),
                None => {
                    for one in some {
                        found.extend(ask(std::slice::from_ref(one)).await?.unwrap_or_default());
                    }
                }
            }
        }
        Ok(found)
    };
    aws.reads.get(format!("tags of {}", arns.join(" ")), call).await
}

/// Puts tags on an object of Elastic Load Balancing.
pub(super) async fn tag(aws: &Aws, arn: &str, tags: &Tags) -> Result<()> {
    let call = aws.elb.add_tags().resource_arns(arn).set_tags(Some(tags::elb::to(tags)));
    call.send().await.during("AddTags").map(drop)
}

/// Finds the object of this step, with its tags.
///
/// The object is the one tagged for the step, or else the one in the place where the step would create its own.
pub(super) async fn pick<T: Clone>(
    aws: &Aws,
    cx: &Cx<'_>,
    all: &[T],
    arn: impl Fn(&T) -> Option<&str>,
    in_place: impl Fn(&T) -> bool,
) -> Result<Option<(T, Tags)>> {
    if all.is_empty() {
        return Ok(None);
    }
    let tags = tags_of(aws, cx, all.iter().filter_map(|t| arn(t).map(Into::into)).collect()).await?;
    let tags_of = |t: &T| arn(t).and_then(|a| tags.get(a));
    let is_this = |t: &&T| {
        tags_of(t).is_some_and(|tags| {
            tags.get(cx.env.keys.stack()) == Some(&cx.env.stack)
                && tags.get(cx.env.keys.step()).is_some_and(|k| k == cx.key.as_str())
        })
    };
    let mine: Vec<&T> = all.iter().filter(is_this).collect();
    let one = match mine[..] {
        [] => all.iter().find(|t| in_place(t)),
        [one] => Some(one),
        _ => {
            let ids = mine.into_iter().filter_map(|t| arn(t).map(Into::into)).collect();
            return Err(Error::Ambiguous { key: cx.key.clone(), ids });
        }
    };
    Ok(one.and_then(|t| Some((t.clone(), tags_of(t)?.clone()))))
}

/// An answer that a load balancer gives by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 403: the request is refused.
    Refused,
    /// 404: nothing has this path.
    NotFound,
    /// 301 to the same address with HTTPS.
    ToHttps,
}

impl Answer {
    /// Returns the action that gives the answer.
    pub(super) fn action(self) -> Action {
        let (code, text) = match self {
            Self::Refused => ("403", "forbidden"),
            Self::NotFound => ("404", "not found"),
            // Host, path and query stay as they are without further fields.
            Self::ToHttps => {
                let to = RedirectActionConfig::builder().protocol("HTTPS").port("443");
                let to = to.status_code(RedirectActionStatusCodeEnum::Http301).build();
                return Action::builder().r#type(ActionTypeEnum::Redirect).redirect_config(to).build();
            }
        };
        let answer = FixedResponseActionConfig::builder().status_code(code);
        let answer = answer.content_type("text/plain").message_body(text).build();
        Action::builder().r#type(ActionTypeEnum::FixedResponse).fixed_response_config(answer).build()
    }
}

/// Describes the answer in the words of `describe_actions`.
impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Refused => "answer 403",
            Self::NotFound => "answer 404",
            Self::ToHttps => "redirect to HTTPS 443",
        })
    }
}

/// Returns the action that forwards to a target group.
pub(super) fn forward(target: &str) -> Action {
    Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(target).build()
}

/// Returns the action that forwards to several groups by weight.
fn split(groups: &[(String, i32)]) -> Action {
    let tuple =
        |(arn, weight): &(String, i32)| TargetGroupTuple::builder().target_group_arn(arn).weight(*weight).build();
    let to = ForwardActionConfig::builder().set_target_groups(Some(groups.iter().map(tuple).collect()));
    Action::builder().r#type(ActionTypeEnum::Forward).forward_config(to.build()).build()
}

/// Returns the target groups of forward actions with their weights. A single group has weight 1.
fn forwards(actions: &[Action]) -> Vec<(String, i32)> {
    let mut to: Vec<(String, i32)> = vec![];
    for (arn, weight) in actions.iter().flat_map(words::elb::forwards) {
        if !to.iter().any(|(known, _)| *known == arn) {
            to.push((arn, weight));
        }
    }
    if let [(_, weight)] = &mut to[..] {
        *weight = 1;
    }
    to.sort();
    to
}

/// The switch to another target group without losing requests.
///
/// The new group is added to the serving ones with a weight of 0. Once `enough` of its targets are healthy, it gets all
/// requests. Targets of a group that no listener or rule forwards to are `unused` and not checked; targets of a group
/// with weight 0 are checked [AWS V1].
pub(super) struct Handover<'a> {
    pub aws: &'a Aws,
    pub enough: i32,
}

impl Handover<'_> {
    /// Returns the next action on the way from the current actions to `new`.
    pub(super) async fn next(&self, now: &[Action], new: &str) -> Result<Action> {
        Ok(match self.missing(now, new).await? {
            None => forward(new),
            Some(_) => {
                let mut all: Vec<_> = forwards(now).into_iter().filter(|(arn, _)| arn != new).collect();
                all.push((new.into(), 0));
                split(&all)
            }
        })
    }

    /// Returns what the switch waits for while the group has weight 0.
    pub(super) async fn waits(&self, now: &[Action], target: Option<&str>) -> Result<Option<String>> {
        match target {
            Some(new) if forwards(now).iter().any(|(arn, weight)| arn == new && *weight == 0) => {
                self.missing(now, new).await
            }
            _ => Ok(None),
        }
    }

    /// Returns what the group lacks before it can take over. It lacks nothing if no other group serves.
    async fn missing(&self, now: &[Action], new: &str) -> Result<Option<String>> {
        let mut serving = vec![];
        for (arn, weight) in forwards(now) {
            if arn != new && weight > 0 && healthy(self.aws, &arn).await? > 0 {
                serving.push(target_group_name(&arn).to_owned());
            }
        }
        let healthy = if serving.is_empty() { self.enough } else { healthy(self.aws, new).await? };
        Ok((healthy < self.enough).then(|| {
            format!(
                "{healthy} of {} targets of {} healthy; {} serves",
                self.enough,
                target_group_name(new),
                serving.join(" and ")
            )
        }))
    }
}

/// Returns the number of healthy targets of a group, 0 if it is gone.
async fn healthy(aws: &Aws, group: &str) -> Result<i32> {
    let call = async || {
        let answer = aws.elb.describe_target_health().target_group_arn(group).send().await;
        let all =
            answer.or_absent("DescribeTargetHealth")?.and_then(|a| a.target_health_descriptions).unwrap_or_default();
        let is_healthy = |t: &&TargetHealthDescription| {
            t.target_health().and_then(|h| h.state()) == Some(&TargetHealthStateEnum::Healthy)
        };
        Ok(all.iter().filter(is_healthy).count() as i32)
    };
    Ok(*aws.reads.get(format!("healthy targets of {group}"), call).await?)
}

/// The beginning of the description of an action that forwards.
pub(super) const FORWARD: &str = "forward to ";

/// Describes the action of [`forward`] for a spec.
pub(super) fn describe_target(target: Known<String>) -> Known<String> {
    target.map(|arn| format!("{FORWARD}{arn}"))
}

/// Describes AWS's actions in the same words.
pub(super) fn describe_actions(actions: &[Action]) -> Known<String> {
    let one = |a: &Action| match a.r#type() {
        Some(ActionTypeEnum::Forward) => {
            let to = match &forwards(std::slice::from_ref(a))[..] {
                [(arn, _)] => arn.clone(),
                several => {
                    let weighted = several.iter().map(|(arn, weight)| format!("{arn} (weight {weight})"));
                    weighted.collect::<Vec<_>>().join(" and ")
                }
            };
            format!("{FORWARD}{to}")
        }
        Some(ActionTypeEnum::FixedResponse) => {
            format!("answer {}", a.fixed_response_config().and_then(|f| f.status_code()).unwrap_or_default())
        }
        Some(ActionTypeEnum::Redirect) => {
            let to = a.redirect_config();
            let part = |part: Option<&str>| part.unwrap_or("the same").to_owned();
            let moved = |part: Option<&str>, usual: &str| match part {
                Some(part) if part != usual => format!(", {part}"),
                _ => String::new(),
            };
            format!(
                "redirect to {} {}{}{}{}",
                part(to.and_then(|t| t.protocol())),
                part(to.and_then(|t| t.port())),
                moved(to.and_then(|t| t.host()), "#{host}"),
                moved(to.and_then(|t| t.path()), "/#{path}"),
                moved(to.and_then(|t| t.query()), "#{query}"),
            )
        }
        other => other.map_or("nothing", |t| t.as_str()).to_owned(),
    };
    Known::Now(actions.iter().map(one).collect::<Vec<_>>().join(", then "))
}

/// Returns the part of an ARN after `mark`, which names the object in metrics and descriptions.
pub(super) fn tail<'a>(arn: &'a str, mark: &str) -> &'a str {
    arn.split_once(mark).map_or(arn, |(_, rest)| rest)
}
