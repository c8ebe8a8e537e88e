//! What the kinds around a load balancer share.
use super::prelude::*;
use aws_sdk_elasticloadbalancingv2::types::{Action, ActionTypeEnum, FixedResponseActionConfig};
use std::{collections::HashMap, rc::Rc};

pub(super) use crate::aws::listing::{balancer, listeners, rules};

/// The tags of several objects, by ARN, in as few calls as AWS allows. What is gone is not in it.
pub(super) async fn tags_of(aws: &Aws, cx: &Cx<'_>, arns: Vec<String>) -> Result<Rc<HashMap<String, Tags>>> {
    if aws.reads.is_look() {
        // Whose they are is told of all services at once; of what is not ours, or new, by the service itself.
        let all = tags::of_stack(aws, &cx.env.stack).await?;
        let ours = |arn: &String| {
            let tags = all.get(arn).filter(|tags| cx.inherited().iter().all(|(k, v)| tags.get(k) == Some(v)))?;
            Some((arn.clone(), tags.clone()))
        };
        if let Some(all) = arns.iter().map(ours).collect() {
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
        // 20 is the most a call takes; one object that is gone fails it for all.
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

pub(super) async fn tag(aws: &Aws, arn: &str, tags: &Tags) -> Result<()> {
    let call = aws.elb.add_tags().resource_arns(arn).set_tags(Some(tags::elb::to(tags)));
    call.send().await.during("AddTags").map(drop)
}

/// The object of this step, with its tags: the one that says so, or else the one that stands where ours would.
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
            tags.get(STACK_TAG) == Some(&cx.env.stack)
                && tags.get(STEP_TAG).is_some_and(|k| k == cx.key.as_str())
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

/// What is done with a request: forwarded to a target group, or answered with 404 when there is none.
pub(super) fn action(target: Option<&str>) -> Action {
    let to = Action::builder();
    match target {
        Some(arn) => to.r#type(ActionTypeEnum::Forward).target_group_arn(arn).build(),
        None => {
            let answer = FixedResponseActionConfig::builder()
                .status_code("404")
                .content_type("text/plain")
                .message_body("not found");
            to.r#type(ActionTypeEnum::FixedResponse).fixed_response_config(answer.build()).build()
        }
    }
}

/// [`action`] as a spec says it.
pub(super) fn said(target: Option<Known<String>>) -> Known<String> {
    target.map_or(Known::Now("answer 404".into()), |t| t.map(|arn| format!("forward to {arn}")))
}

/// What AWS has, in the same words.
pub(super) fn shown(actions: &[Action]) -> Known<String> {
    let one = |a: &Action| {
        let groups = a.forward_config().map(|f| f.target_groups()).unwrap_or_default();
        match a.r#type() {
            Some(ActionTypeEnum::Forward) => {
                let mut to: Vec<&str> = groups.iter().filter_map(|g| g.target_group_arn()).collect();
                to.extend(a.target_group_arn());
                let to = sorted(to);
                let distinct: std::collections::BTreeSet<_> = to.iter().copied().collect();
                format!("forward to {}", distinct.into_iter().collect::<Vec<_>>().join(" and "))
            }
            Some(ActionTypeEnum::FixedResponse) => {
                format!(
                    "answer {}",
                    a.fixed_response_config().and_then(|f| f.status_code()).unwrap_or_default()
                )
            }
            other => other.map_or("nothing", |t| t.as_str()).to_owned(),
        }
    };
    Known::Now(actions.iter().map(one).collect::<Vec<_>>().join(", then "))
}

/// An ARN's part after `mark`, which is what metrics and descriptions call an object.
pub(super) fn tail<'a>(arn: &'a str, mark: &str) -> &'a str {
    arn.split_once(mark).map_or(arn, |(_, rest)| rest)
}
