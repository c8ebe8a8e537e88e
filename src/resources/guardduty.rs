//! The objects that GuardDuty puts into a VPC.
//!
//! AWS creates an endpoint and a security group when an instance starts, and does not delete them after the last
//! instance.
use super::{holders, prelude::*, vpc_endpoint};
use aws_sdk_ec2::types::{SecurityGroup, Tag, VpcEndpoint};

/// The tag that AWS puts on both objects.
const MANAGED: &str = "GuardDutyManaged";

/// True if the endpoint is GuardDuty's, by its service and AWS's mark.
fn is_its_endpoint(e: &VpcEndpoint) -> bool {
    let service = e.service_name().unwrap_or_default();
    service.ends_with("guardduty-data") && (e.requester_managed() == Some(true) || is_marked(e.tags()))
}

/// True if the group is GuardDuty's, by its name and AWS's mark.
fn is_its_group(g: &SecurityGroup) -> bool {
    g.group_name().is_some_and(|name| name.starts_with("GuardDutyManagedSecurityGroup-")) && is_marked(g.tags())
}

fn is_marked(tags: &[Tag]) -> bool {
    tags.iter().any(|t| t.key() == Some(MANAGED) && t.value() == Some("true"))
}

/// Deletes both objects if the VPC belongs to the stack and runs no foreign instance.
///
/// The endpoint goes first, the group once the endpoint is gone. Objects that cannot be deleted are reported as holders
/// of the VPC.
pub(super) async fn clear(aws: &Aws, stack: &str, vpc: &str) -> Result<()> {
    let (endpoints, groups) = futures::try_join!(listing::vpc_endpoints(aws), listing::security_groups(aws))?;
    let endpoints: Vec<&VpcEndpoint> =
        endpoints.iter().filter(|e| e.vpc_id() == Some(vpc) && is_its_endpoint(e)).collect();
    let groups: Vec<&SecurityGroup> = groups.iter().filter(|g| g.vpc_id() == Some(vpc) && is_its_group(g)).collect();
    if endpoints.is_empty() && groups.is_empty() {
        return Ok(());
    }
    let vpcs = listing::vpcs(aws).await?;
    let ours = vpcs.iter().find(|v| v.vpc_id() == Some(vpc)).map(|v| tags::ec2::from(v.tags()));
    if ours.and_then(|tags| tags.get(aws.keys.stack()).cloned()).as_deref() != Some(stack) {
        return Ok(());
    }
    let interfaces = holders::interfaces(aws, "vpc-id", vpc).await?;
    if holders::has_other_instances(aws, stack, &interfaces).await? {
        return Ok(());
    }
    for id in endpoints.iter().filter(|e| !vpc_endpoint::is_going(e)).filter_map(|e| e.vpc_endpoint_id()) {
        vpc_endpoint::delete(aws, id).await?;
    }
    if endpoints.is_empty() {
        for id in groups.iter().filter_map(|g| g.group_id()) {
            aws.ec2.delete_security_group().group_id(id).send().await.or_gone("DeleteSecurityGroup")?;
        }
    }
    Ok(())
}

/// True if the group is GuardDuty's and disappears once its endpoint is gone.
pub(super) fn is_being_removed(group: &SecurityGroup, endpoints: &[VpcEndpoint]) -> bool {
    let going = |e: &&VpcEndpoint| vpc_endpoint::state(e) == "deleting";
    is_its_group(group) && endpoints.iter().filter(|e| is_its_endpoint(e)).any(|e| going(&e))
}
