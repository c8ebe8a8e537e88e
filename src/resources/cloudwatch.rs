//! Tags of alarms and dashboards.
use super::prelude::*;

/// Tags of an alarm or a dashboard: of all of the stack's in one call where that can be had. What was made a moment
/// ago is not in that answer yet, so what it lacks is asked for by itself.
pub(super) async fn cloudwatch_tags(aws: &Aws, cx: &Cx<'_>, arn: &str) -> Result<Tags> {
    let ours = tags::of_stack(aws, &cx.env.stack).await?;
    // An answer that is behind may lack a tag that was just put: such a one is asked again, too.
    if let Some(tags) = ours.as_ref().as_ref().ok().and_then(|all| all.get(arn))
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
