//! Tags of alarms and dashboards.
use super::prelude::*;

/// Tags of an alarm or a dashboard: of all of the stack's in one call where that can be had. What was made a moment
/// ago is not in that answer yet, so what it lacks is asked for by itself.
pub(super) async fn cloudwatch_tags(aws: &Aws, cx: &Cx<'_>, arn: &str) -> Result<Tags> {
    if let Some(tags) = tags::listed(aws, cx, arn).await? {
        return Ok(tags);
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
