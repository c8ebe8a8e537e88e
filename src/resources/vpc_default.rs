//! Helpers for kinds that AWS creates and deletes together with a VPC.
//!
//! Such an object is never created by itself. It belongs to the stack if its VPC does.
use super::prelude::*;
use aws_sdk_ec2::types::Tag;

/// Returns the object's tags.
///
/// If they name no stack, the object belongs to the VPC's stack. Its step tag is then left out, so that both tags are
/// written.
pub(super) fn tags_of(cx: &Cx<'_>, own: &[Tag]) -> Tags {
    let mut tags = tags::ec2::from(own);
    let keys = &cx.env.keys;
    if !tags.contains_key(keys.stack()) {
        tags.remove(keys.step());
        tags.insert(keys.stack().into(), cx.env.stack.clone());
    }
    tags
}

/// Puts all tags of the step on the object, including the stack's.
pub(super) async fn tag(aws: &Aws, cx: &Cx<'_>, id: &str) -> Result<()> {
    tag_ec2(aws, id, &cx.tags()).await
}

/// Returns the error of a create, which is only called if the object was not found.
///
/// The default objects of a new VPC may not be visible everywhere yet, so the engine looks again.
pub(super) fn not_visible_yet(call: &'static str, what: &str) -> Error {
    let message = format!("the {what} of the VPC is not visible yet");
    Error::Aws(Box::new(AwsError::new(call, Class::NotYetVisible, message)))
}
