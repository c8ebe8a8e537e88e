//! Tags of alarms and dashboards.
use super::prelude::*;
use aws_sdk_resourcegroupstagging::types::{ResourceTagMapping, Tag, TagFilter};
use std::collections::BTreeMap;

/// Tags of an alarm or a dashboard: of all of the stack's in one call where that can be had. What was made a moment
/// ago is not in that answer yet, so what it lacks is asked for by itself.
pub(super) async fn cloudwatch_tags(aws: &Aws, cx: &Cx<'_>, kind: &'static str, arn: &str) -> Result<Tags> {
    let ours = aws
        .reads
        .get(format!("tags of {kind}"), async || {
            let filter = TagFilter::builder().key(STACK_TAG);
            let call = aws.tagging.get_resources().resource_type_filters(kind);
            let call = call.tag_filters(filter.values(&cx.env.stack).build());
            // Not every account allows it, not every emulator has it.
            let all = call.into_paginator().items().send().try_collect().await.unwrap_or_default();
            let tags =
                |tags: &[Tag]| tags.iter().map(|t| (t.key().into(), t.value().into())).collect::<Tags>();
            let of = |r: &ResourceTagMapping| Some((r.resource_arn()?.to_owned(), tags(r.tags())));
            Ok(all.iter().filter_map(of).collect::<BTreeMap<String, Tags>>())
        })
        .await?;
    // An answer that is behind may lack a tag that was just put: such a one is asked again, too.
    if let Some(tags) = ours.get(arn)
        && cx.tags().iter().all(|(k, v)| tags.get(k) == Some(v))
    {
        return Ok(tags.clone());
    }
    let answer = aws
        .reads
        .get(format!("tags of {arn}"), async || {
            let call = aws.cloudwatch.list_tags_for_resource().resource_arn(arn).send().await;
            Ok(call.or_absent("ListTagsForResource")?.and_then(|t| t.tags).unwrap_or_default())
        })
        .await?;
    Ok(tags::cloudwatch::from(&answer))
}

/// Puts tags on an alarm or a dashboard.
pub(super) async fn tag_cloudwatch(aws: &Aws, arn: &str, tags: &Tags) -> Result<()> {
    let call = aws.cloudwatch.tag_resource().resource_arn(arn).set_tags(Some(tags::cloudwatch::to(tags)));
    call.send().await.during("TagResource").map(drop)
}
