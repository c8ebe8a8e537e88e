//! Tags of alarms and dashboards.
use super::prelude::*;

/// Returns the tags of an alarm or a dashboard.
///
/// The tags come from one call for the whole stack if possible. New objects are missing from that answer, so their tags
/// are read one by one.
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
