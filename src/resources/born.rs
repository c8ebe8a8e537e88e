//! What the kinds share that AWS makes with a VPC and deletes with it: it is never created, and ours as the VPC is.
use super::prelude::*;
use aws_sdk_ec2::types::Tag;

/// Its tags. Where they do not say whose it is, the VPC does; and then that it is not told what step it is, so that both
/// are put there.
pub(super) fn tags_of(cx: &Cx<'_>, own: &[Tag]) -> Tags {
    let mut tags = tags::ec2::from(own);
    let keys = &cx.env.keys;
    if !tags.contains_key(keys.stack()) {
        tags.remove(keys.step());
        tags.insert(keys.stack().into(), cx.env.stack.clone());
    }
    tags
}

/// Puts all of a step's tags on it, the stack's too.
pub(super) async fn tag(aws: &Aws, cx: &Cx<'_>, id: &str) -> Result<()> {
    tag_ec2(aws, id, &cx.tags()).await
}

/// For a create, which is only asked for when it was not found: what comes with a VPC of a moment ago may not be visible
/// everywhere yet. The engine looks again.
pub(super) fn not_there_yet(call: &'static str, what: &str) -> Error {
    let message = format!("the {what} of the VPC is not there yet");
    Error::Aws(Box::new(AwsError::new(call, Class::NotYetVisible, message)))
}
