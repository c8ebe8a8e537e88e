//! Tags in the shape that each service wants.
use super::{Aws, GLOBAL, error::AwsResult, partition};
use crate::{
    engine::{Cx, Tags},
    error::{Error, Result},
};
use aws_sdk_resourcegroupstagging::{
    operation::get_resources::builders::GetResourcesFluentBuilder,
    types::{ResourceTagMapping, Tag, TagFilter},
};
use std::{collections::BTreeMap, rc::Rc};

macro_rules! pairs {
    ($name:ident, $tag:ty) => {
        /// Both ways between our tags and those of one service.
        pub mod $name {
            use super::Tags;
            pub fn to(tags: &Tags) -> Vec<$tag> {
                tags.iter().map(|(k, v)| <$tag>::builder().key(k).value(v).build()).collect()
            }
            pub fn from(tags: &[$tag]) -> Tags {
                tags.iter().filter_map(|t| Some((t.key()?.into(), t.value().unwrap_or_default().into()))).collect()
            }
        }
    };
}
/// For services whose model requires key and value.
macro_rules! required_pairs {
    ($name:ident, $tag:ty) => {
        /// Both ways between our tags and those of one service.
        pub mod $name {
            use super::Tags;
            pub fn to(tags: &Tags) -> Vec<$tag> {
                tags.iter()
                    .map(|(k, v)| <$tag>::builder().key(k).value(v).build().expect("key and value are set"))
                    .collect()
            }
            pub fn from(tags: &[$tag]) -> Tags {
                tags.iter().map(|t| (t.key().into(), t.value().into())).collect()
            }
        }
    };
}

pairs!(ec2, aws_sdk_ec2::types::Tag);
pairs!(rds, aws_sdk_rds::types::Tag);
pairs!(elasticache, aws_sdk_elasticache::types::Tag);
pairs!(cloudwatch, aws_sdk_cloudwatch::types::Tag);
pairs!(elb, aws_sdk_elasticloadbalancingv2::types::Tag);
required_pairs!(efs, aws_sdk_efs::types::Tag);
required_pairs!(iam, aws_sdk_iam::types::Tag);
required_pairs!(ssm, aws_sdk_ssm::types::Tag);

/// Both ways between our tags and those of CloudFront.
pub mod cloudfront {
    use super::Tags;
    use aws_sdk_cloudfront::types;
    pub fn to(tags: &Tags) -> types::Tags {
        let tag = |(k, v)| types::Tag::builder().key(k).value(v).build().expect("the key is set");
        types::Tags::builder().set_items(Some(tags.iter().map(tag).collect())).build()
    }
    pub fn from(tags: &[types::Tag]) -> Tags {
        tags.iter().map(|t| (t.key().into(), t.value().unwrap_or_default().into())).collect()
    }
}

/// Both ways between our tags and those of ACM, whose model requires the key only.
pub mod acm {
    use super::Tags;
    use aws_sdk_acm::types::Tag;
    pub fn to(tags: &Tags) -> Vec<Tag> {
        tags.iter().map(|(k, v)| Tag::builder().key(k).value(v).build().expect("the key is set")).collect()
    }
    pub fn from(tags: &[Tag]) -> Tags {
        tags.iter().map(|t| (t.key().into(), t.value().unwrap_or_default().into())).collect()
    }
}

/// The tag that Auto Scaling gives the instances of a group.
pub const GROUP_TAG: &str = "aws:autoscaling:groupName";
/// The tag of global objects that names the region of the stack that made them.
const REGION: &str = "region";

/// Both ways for global objects, with the region: objects of a stack of the same name in another region are not ours.
pub mod global {
    use super::*;
    pub fn to(aws: &Aws, tags: Tags) -> Vec<aws_sdk_iam::types::Tag> {
        iam::to(&with_region(aws, tags))
    }
    pub fn from(aws: &Aws, tags: &[aws_sdk_iam::types::Tag]) -> Tags {
        of_region(aws, iam::from(tags))
    }
    /// Returns the tags to put on a global object.
    pub fn with_region(aws: &Aws, mut tags: Tags) -> Tags {
        tags.insert(aws.keys.other(REGION), aws.region.clone());
        tags
    }
    /// Returns the tags of a global object. If they name another region, the stack in them is not ours.
    pub fn of_region(aws: &Aws, mut tags: Tags) -> Tags {
        if let (Some(region), Some(stack)) = (tags.get(&aws.keys.other(REGION)), tags.get(aws.keys.stack()))
            && *region != aws.region
        {
            tags.insert(aws.keys.stack().into(), format!("{stack} in {region}"));
        }
        tags
    }
}

/// Returns the `TagSpecifications` of an EC2 create call.
pub fn on_create(kind: aws_sdk_ec2::types::ResourceType, tags: &Tags) -> aws_sdk_ec2::types::TagSpecification {
    aws_sdk_ec2::types::TagSpecification::builder().resource_type(kind).set_tags(Some(ec2::to(tags))).build()
}

/// Returns an EC2 describe filter on one tag.
pub fn filter(key: &str, value: &str) -> aws_sdk_ec2::types::Filter {
    aws_sdk_ec2::types::Filter::builder().name(format!("tag:{key}")).values(value).build()
}

/// The objects with the stack's tag, and why they could not be listed.
type Listing = (Rc<BTreeMap<String, Tags>>, Option<Error>);

async fn listing_of_stack(aws: &Aws, stack: &str) -> Result<Rc<Listing>> {
    let call = async || {
        Ok(match now_of_stack(aws, stack).await {
            Ok(all) => (Rc::new(all), None),
            Err(e) => (Rc::default(), Some(e)),
        })
    };
    aws.reads.get(format!("all that is tagged {stack}"), call).await
}

/// Returns the tags of every object with the stack's tag, by ARN, in one call for all services.
///
/// Recent changes may be missing. The result is empty if the account does not allow the call.
pub async fn of_stack(aws: &Aws, stack: &str) -> Result<Rc<BTreeMap<String, Tags>>> {
    Ok(listing_of_stack(aws, stack).await?.0.clone())
}

/// Returns the reason if [`of_stack`] is empty because the call failed.
pub async fn unlisted(aws: &Aws, stack: &str) -> Option<Error> {
    listing_of_stack(aws, stack).await.ok()?.1.clone()
}

/// Fetches the same now, past the shared reads. Fails if the account does not allow the call.
pub async fn now_of_stack(aws: &Aws, stack: &str) -> Result<BTreeMap<String, Tags>> {
    tagged(aws, stack, aws.tagging.get_resources()).await
}

/// Fetches the same with the stack's objects that belong to no region.
pub async fn now_of_stack_everywhere(aws: &Aws, stack: &str) -> Result<BTreeMap<String, Tags>> {
    let mut all = now_of_stack(aws, stack).await?;
    if aws.region != GLOBAL && partition(&aws.region) == "aws" {
        let call = aws.tagging_global.get_resources().resource_type_filters("cloudfront:distribution");
        all.extend(tagged(aws, stack, call).await?);
    }
    Ok(all)
}

async fn tagged(aws: &Aws, stack: &str, call: GetResourcesFluentBuilder) -> Result<BTreeMap<String, Tags>> {
    // The largest page size.
    let call = call.resources_per_page(100);
    let call = call.tag_filters(TagFilter::builder().key(aws.keys.stack()).values(stack).build());
    let all: Vec<_> = call.into_paginator().items().send().try_collect().await.during("GetResources")?;
    let tags = |tags: &[Tag]| tags.iter().map(|t| (t.key().into(), t.value().into())).collect::<Tags>();
    let of = |r: &ResourceTagMapping| {
        let (arn, tags) = (r.resource_arn()?.to_owned(), tags(r.tags()));
        // A stack of the same name in another region can have one, too.
        let is_global = arn.contains(":cloudfront:");
        let is_ours = |tags: &Tags| tags.get(aws.keys.stack()).is_some_and(|s| s == stack);
        let tags = if is_global { global::of_region(aws, tags) } else { tags };
        Some((arn, tags)).filter(|(_, tags)| is_ours(tags))
    };
    Ok(all.iter().filter_map(of).collect())
}

/// Returns the tags of one object out of [`of_stack`] if they are complete: only then the listing does not lag behind.
pub async fn listed(aws: &Aws, cx: &Cx<'_>, arn: &str) -> Result<Option<Tags>> {
    let all = of_stack(aws, &cx.env.stack).await?;
    let complete = |tags: &&Tags| cx.tags().iter().all(|(k, v)| tags.get(k) == Some(v));
    Ok(all.get(arn).filter(complete).cloned())
}

/// Returns the same in a look that changes nothing, and `None` while something is being built: then the owner is read
/// from the service itself.
pub async fn at_a_look(aws: &Aws, cx: &Cx<'_>, arn: &str) -> Result<Option<Tags>> {
    if aws.reads.is_look() { listed(aws, cx, arn).await } else { Ok(None) }
}

/// Returns the tags of an RDS object whose description lacks them, or `None` if it is gone.
pub async fn of_rds(aws: &Aws, cx: &Cx<'_>, arn: &str) -> Result<Option<Tags>> {
    if let Some(tags) = at_a_look(aws, cx, arn).await? {
        return Ok(Some(tags));
    }
    let call =
        async || aws.rds.list_tags_for_resource().resource_name(arn).send().await.or_absent("ListTagsForResource");
    let answer = aws.reads.get(format!("tags of {arn}"), call).await?;
    Ok(answer.as_ref().as_ref().map(|a| rds::from(a.tag_list())))
}

/// Returns the tags of a distribution, or `None` if it is gone.
pub async fn of_cloudfront(aws: &Aws, cx: &Cx<'_>, arn: &str) -> Result<Option<Tags>> {
    if let Some(tags) = at_a_look(aws, cx, arn).await? {
        return Ok(Some(global::of_region(aws, tags)));
    }
    let call =
        async || aws.cloudfront.list_tags_for_resource().resource(arn).send().await.or_absent("ListTagsForResource");
    let answer = aws.reads.get(format!("tags of {arn}"), call).await?;
    let tags = answer.as_ref().as_ref().map(|a| a.tags().map(|t| cloudfront::from(t.items())).unwrap_or_default());
    Ok(tags.map(|tags| global::of_region(aws, tags)))
}

/// Puts tags on an RDS object.
pub async fn put_rds(aws: &Aws, arn: &str, tags: &Tags) -> Result<()> {
    let call = aws.rds.add_tags_to_resource().resource_name(arn).set_tags(Some(rds::to(tags)));
    call.send().await.during("AddTagsToResource").map(drop)
}

/// Returns the tags of an ElastiCache object, or `None` if it is gone.
pub async fn of_elasticache(aws: &Aws, cx: &Cx<'_>, arn: &str) -> Result<Option<Tags>> {
    if let Some(tags) = at_a_look(aws, cx, arn).await? {
        return Ok(Some(tags));
    }
    let call = async || {
        aws.elasticache.list_tags_for_resource().resource_name(arn).send().await.or_absent("ListTagsForResource")
    };
    let answer = aws.reads.get(format!("tags of {arn}"), call).await?;
    Ok(answer.as_ref().as_ref().map(|a| elasticache::from(a.tag_list())))
}

/// Puts tags on an ElastiCache object.
pub async fn put_elasticache(aws: &Aws, arn: &str, tags: &Tags) -> Result<()> {
    let call = aws.elasticache.add_tags_to_resource().resource_name(arn).set_tags(Some(elasticache::to(tags)));
    call.send().await.during("AddTagsToResource").map(drop)
}

/// Puts tags on an EFS object.
pub async fn put_efs(aws: &Aws, id: &str, tags: &Tags) -> Result<()> {
    let call = aws.efs.tag_resource().resource_id(id).set_tags(Some(efs::to(tags)));
    call.send().await.during("TagResource").map(drop)
}
