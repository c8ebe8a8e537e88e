//! The objects that prevent the deletion of a part of the network.
//!
//! In the end the cause is always a network interface.
use super::{database, elb, prelude::*, vpc_endpoint};
use crate::{said, shell::command};
use aws_sdk_ec2::types::{NatGateway, NetworkInterface, VpcEndpoint};
use aws_sdk_efs::types::LifeCycleState;
use aws_sdk_rds::types::DbInstance;
use std::collections::HashMap;

/// The IAM actions by which the holders are read.
pub(super) const ACTIONS: [&str; 3] =
    ["ec2:DescribeInstances", "ec2:DescribeNetworkInterfaces", "elasticloadbalancing:DescribeLoadBalancers"];

/// Returns the network interfaces that match an EC2 filter.
pub(super) async fn interfaces(aws: &Aws, filter: &str, value: &str) -> Result<Vec<NetworkInterface>> {
    let pages = aws.ec2.describe_network_interfaces().filters(ec2_filter(filter, value)).into_paginator();
    pages.items().send().try_collect().await.during("DescribeNetworkInterfaces")
}

/// Returns the owners of the interfaces, and whether each is about to disappear.
pub(super) async fn interface_owners(aws: &Aws, stack: &str, all: &[NetworkInterface]) -> Result<Vec<Holder>> {
    let instances = states(aws, stack, all.iter().filter_map(instance)).await?;
    let mut holders: Vec<Holder> = vec![];
    for eni in all {
        let holder = match instance(eni) {
            Some(i) => {
                let (state, passes) = instances.get(i).map_or(("terminated", true), |(s, p)| (s.as_str(), *p));
                Holder { what: format!("instance {i} ({state})"), passes }
            }
            None => service_owner(aws, eni).await,
        };
        // A balancer has one interface per zone, all with the same owner.
        if holders.iter().all(|h| h.what != holder.what) {
            holders.push(holder);
        }
    }
    Ok(holders)
}

/// Returns the owner of an interface that belongs to no instance.
async fn service_owner(aws: &Aws, eni: &NetworkInterface) -> Holder {
    let id = eni.network_interface_id().unwrap_or_default();
    // The description was written by whoever created the interface.
    let what = said::words(eni.description().filter(|d| !d.is_empty()).unwrap_or("no description"));
    let what = what.as_str();
    // The services of a stack remove their interfaces by themselves, a balancer minutes later [AWS 4.5].
    if is_of_stack(what) {
        let by = eni.requester_id().unwrap_or("AWS");
        // If the owner cannot be looked up, the interface is waited for.
        return match owner(aws, eni, what).await.unwrap_or_default() {
            Some(owner) => Holder { what: format!("interface {id} ({what}, of {owner})"), passes: false },
            None => Holder { what: format!("interface {id} ({what}, of {by})"), passes: true },
        };
    }
    if let Some(holder) = endpoint_of(aws, eni, what).await {
        return holder;
    }
    if let Some((owner, command)) = by_description(what) {
        return Holder { what: format!("{owner}: `{command}`"), passes: false };
    }
    if let Some(holder) = nat_gateway_of(aws, eni, what).await {
        return holder;
    }
    let owner = match (eni.requester_managed(), eni.requester_id()) {
        (Some(true), Some(by)) => format!("interface {id} ({what}, of {by}): delete what it belongs to"),
        (Some(true), None) => format!("interface {id} ({what}, of AWS): delete what it belongs to"),
        _ => format!(
            "interface {id} ({what}): `{}`",
            command!("aws ec2 delete-network-interface --network-interface-id {}", id)
        ),
    };
    Holder { what: owner, passes: false }
}

/// True if a load balancer, RDS, ElastiCache or EFS created the interface.
fn is_of_stack(what: &str) -> bool {
    what == "RDSNetworkInterface"
        || what.starts_with("ELB app/")
        || what.starts_with("ElastiCache ")
        || what.contains("(fsmt-")
}

/// Returns the VPC endpoint of this interface, if it still exists.
async fn endpoint_of(aws: &Aws, eni: &NetworkInterface, what: &str) -> Option<Holder> {
    let id = eni.network_interface_id()?;
    let named = word(what, "vpce-");
    let all = listing::vpc_endpoints(aws).await.unwrap_or_default();
    let is_this =
        |e: &&VpcEndpoint| e.vpc_endpoint_id() == named || e.network_interface_ids().iter().any(|other| other == id);
    match all.iter().find(is_this) {
        Some(endpoint) => Some(endpoint_holder(endpoint)),
        // The endpoint was deleted since, or is not visible to the caller.
        None => named.map(|endpoint| Holder { what: format!("VPC endpoint {endpoint}"), passes: !all.is_empty() }),
    }
}

/// Describes a VPC endpoint and the command that deletes it.
pub(super) fn endpoint_holder(endpoint: &VpcEndpoint) -> Holder {
    let (id, service) = (endpoint.vpc_endpoint_id().unwrap_or_default(), endpoint.service_name().unwrap_or_default());
    let passes = vpc_endpoint::is_going(endpoint);
    let tags = tags::ec2::from(endpoint.tags());
    let what = match tags.get("Firewall").or_else(|| tags.get("AWSNetworkFirewallManaged")) {
        Some(arn) if tags.contains_key("AWSNetworkFirewallManaged") => {
            format!(
                "VPC endpoint {id} of a network firewall: `{}`",
                command!("aws network-firewall delete-firewall --firewall-arn {}", arn)
            )
        }
        _ => format!(
            "VPC endpoint {id} ({service}): `{}`",
            command!("aws ec2 delete-vpc-endpoints --vpc-endpoint-ids {}", id)
        ),
    };
    Holder { what, passes }
}

/// Returns the NAT gateway of this interface, if it still exists.
async fn nat_gateway_of(aws: &Aws, eni: &NetworkInterface, what: &str) -> Option<Holder> {
    let named = word(what, "nat-");
    if named.is_none() && eni.requester_managed() != Some(true) {
        return None;
    }
    let all = listing::nat_gateways(aws).await.unwrap_or_default();
    let has = |n: &&NatGateway| {
        let mut addresses = n.nat_gateway_addresses().iter().filter_map(|a| a.network_interface_id());
        n.nat_gateway_id() == named || addresses.any(|id| eni.network_interface_id() == Some(id))
    };
    let found = all.iter().find(has);
    let id = found.and_then(|n| n.nat_gateway_id()).or(named)?;
    let passes = found.is_none_or(|n| n.state().is_some_and(|s| matches!(s.as_str(), "deleting" | "deleted")));
    Some(nat_holder(id, passes))
}

/// Describes a NAT gateway and the command that deletes it.
pub(super) fn nat_holder(id: &str, passes: bool) -> Holder {
    let command = command!("aws ec2 delete-nat-gateway --nat-gateway-id {}", id);
    Holder { what: format!("NAT gateway {id}: `{command}`"), passes }
}

/// Returns the owner of another service's interface, and the command that deletes the owner.
///
/// The service's description of the interface decides.
fn by_description(what: &str) -> Option<(String, String)> {
    if let Some(rest) = what.strip_prefix("AWS Lambda VPC ENI-") {
        // The function's name is followed by a UUID.
        let name = rest.len().checked_sub(37).and_then(|n| rest.get(..n)).unwrap_or(rest);
        let owner = format!("Lambda function {name} (its interfaces disappear some 20 minutes later)");
        return Some((owner, command!("aws lambda delete-function --function-name {}", name)));
    }
    if let Some(name) = what.strip_prefix("Network interface for DBProxy ") {
        return Some((format!("RDS proxy {name}"), command!("aws rds delete-db-proxy --db-proxy-name {}", name)));
    }
    if let Some(name) = what.strip_prefix("Amazon EKS ") {
        return Some((format!("EKS cluster {name}"), command!("aws eks delete-cluster --name {}", name)));
    }
    if let Some(rest) = what.strip_prefix("ELB ") {
        let name = rest.split('/').nth(1).unwrap_or(rest);
        let new = command!(
            "aws elbv2 describe-load-balancers --names {} --query LoadBalancers[].LoadBalancerArn --output text | \
             xargs aws elbv2 delete-load-balancer --load-balancer-arn",
            name
        );
        let classic = command!("aws elb delete-load-balancer --load-balancer-name {}", name);
        return Some((format!("load balancer {name}"), if rest.contains('/') { new } else { classic }));
    }
    let found = BY_ID.iter().find_map(|(prefix, owner, command)| Some((word(what, prefix)?, owner, command)));
    let (id, owner, command) = found?;
    Some((format!("{owner} {id}"), format!("{command} {id}")))
}

/// Prefixes of ids, with the noun of the object and the command that ends with the id.
const BY_ID: &[(&str, &str, &str)] = &[
    (
        "tgw-attach-",
        "transit gateway attachment",
        "aws ec2 delete-transit-gateway-vpc-attachment --transit-gateway-attachment-id",
    ),
    ("d-", "directory", "aws ds delete-directory --directory-id"),
    (
        "eice-",
        "EC2 Instance Connect endpoint",
        "aws ec2 delete-instance-connect-endpoint --instance-connect-endpoint-id",
    ),
    ("rslvr-in-", "resolver endpoint", "aws route53resolver delete-resolver-endpoint --resolver-endpoint-id"),
    ("rslvr-out-", "resolver endpoint", "aws route53resolver delete-resolver-endpoint --resolver-endpoint-id"),
    ("fs-", "FSx file system", "aws fsx delete-file-system --file-system-id"),
    ("cvpn-endpoint-", "Client VPN endpoint", "aws ec2 delete-client-vpn-endpoint --client-vpn-endpoint-id"),
];

/// Returns the word of a text that begins with the prefix.
fn word<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words.into_iter().find(|w| w.len() > prefix.len() && w.starts_with(prefix))
}

/// Returns the balancer, database, cache node or mount target of an interface, if it exists and is not being deleted.
///
/// The interface disappears only together with it.
async fn owner(aws: &Aws, eni: &NetworkInterface, what: &str) -> Result<Option<String>> {
    if let Some(name) = what.strip_prefix("ELB app/").and_then(|rest| rest.split('/').next()) {
        let found = elb::balancer(aws, name).await?.and_then(|b| b.load_balancer_arn);
        let this = found.filter(|arn| what.ends_with(elb::tail(arn, "loadbalancer/")));
        let command = |arn: &str| command!("aws elbv2 delete-load-balancer --load-balancer-arn {}", arn);
        return Ok(this.map(|arn| format!("{name}: `{}`", command(&arn))));
    }
    let groups: Vec<&str> = eni.groups().iter().filter_map(|g| g.group_id()).collect();
    if what == "RDSNetworkInterface" {
        let shares = |db: &DbInstance| {
            db.vpc_security_groups().iter().filter_map(|g| g.vpc_security_group_id()).any(|id| groups.contains(&id))
        };
        let all = database::holders(aws, shares).await?;
        return Ok(all.into_iter().find(|h| !h.passes).map(|h| h.what));
    }
    if let Some(node) = what.strip_prefix("ElastiCache ") {
        let call = aws.elasticache.describe_cache_clusters().cache_cluster_id(node).send().await;
        let found = call.or_absent("DescribeCacheClusters")?.and_then(|a| a.cache_clusters?.pop());
        let stands = found.is_some_and(|c| c.cache_cluster_status() != Some("deleting"));
        return Ok(stands.then(|| format!("cache node {node}")));
    }
    if let Some((_, target)) = what.trim_end_matches(')').split_once("(fsmt-") {
        let call = aws.efs.describe_mount_targets().mount_target_id(format!("fsmt-{target}")).send().await;
        let found = call.or_absent("DescribeMountTargets")?.and_then(|a| a.mount_targets?.pop());
        let stands =
            found.is_some_and(|t| !matches!(t.life_cycle_state(), LifeCycleState::Deleting | LifeCycleState::Deleted));
        return Ok(stands.then(|| format!("mount target fsmt-{target}")));
    }
    Ok(None)
}

/// True if another owner's instance uses one of the interfaces.
pub(super) async fn has_other_instances(aws: &Aws, stack: &str, all: &[NetworkInterface]) -> Result<bool> {
    let states = states(aws, stack, all.iter().filter_map(instance)).await?;
    // An ECS task has an interface of its own.
    let task = |eni: &NetworkInterface| eni.description().is_some_and(|d| d.contains(":ecs:"));
    Ok(states.values().any(|(_, passes)| !passes) || all.iter().any(task))
}

fn instance(eni: &NetworkInterface) -> Option<&str> {
    eni.attachment()?.instance_id()
}

/// Returns the state of each instance, and whether it ends by itself.
///
/// Instances of the stack's groups do so as soon as the group is deleted, although they still run for some seconds.
async fn states(aws: &Aws, stack: &str, ids: impl Iterator<Item = &str>) -> Result<HashMap<String, (String, bool)>> {
    let ids: Vec<String> = ids.map(Into::into).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    // A filter is used because a missing id would fail the call for all.
    let filter = aws_sdk_ec2::types::Filter::builder().name("instance-id").set_values(Some(ids)).build();
    let pages = aws.ec2.describe_instances().filters(filter).into_paginator().items().send();
    let all: Vec<aws_sdk_ec2::types::Reservation> = pages.try_collect().await.during("DescribeInstances")?;
    let state = |i: &aws_sdk_ec2::types::Instance| {
        let (state, has) = (i.state()?.name()?.as_str(), tags::ec2::from(i.tags()));
        let of_our_group = has.contains_key(tags::GROUP_TAG) && has.get(aws.keys.stack()).is_some_and(|s| s == stack);
        let passes = of_our_group || matches!(state, "shutting-down" | "terminated");
        Some((i.instance_id()?.to_owned(), (state.to_owned(), passes)))
    };
    Ok(all.iter().flat_map(|r| r.instances()).filter_map(state).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_say_whose_they_are() {
        for (what, owner, command) in [
            (
                "AWS Lambda VPC ENI-score-keeper-0f3c5e2a-1b2c-4d5e-8f90-123456789abc",
                "Lambda function score-keeper",
                "delete-function --function-name score-keeper",
            ),
            ("Network interface for DBProxy pool", "RDS proxy pool", "delete-db-proxy --db-proxy-name pool"),
            (
                "Network Interface for Transit Gateway Attachment tgw-attach-0a1b",
                "transit gateway attachment tgw-attach-0a1b",
                "--transit-gateway-attachment-id tgw-attach-0a1b",
            ),
            (
                "AWS created network interface for directory d-90670a1b",
                "directory d-90670a1b",
                "--directory-id d-90670a1b",
            ),
            ("EC2 Instance Connect Endpoint: eice-0a1b", "EC2 Instance Connect endpoint eice-0a1b", "eice-0a1b"),
            ("Route 53 Resolver: rslvr-in-0a1b:rni-1", "resolver endpoint rslvr-in-0a1b", "rslvr-in-0a1b"),
            ("ELB net/game/0123456789abcdef", "load balancer game", "--names game"),
            ("ELB old-one", "load balancer old-one", "aws elb delete-load-balancer --load-balancer-name old-one"),
            ("Amazon EKS arena", "EKS cluster arena", "delete-cluster --name arena"),
        ] {
            let (found, says) = by_description(what).unwrap_or_default();
            assert!(found.starts_with(owner), "{what}: {found}");
            assert!(says.contains(command), "{what}: {says}");
        }
        for what in ["no description", "RDSNetworkInterface", "made by hand", "and-x"] {
            assert_eq!(by_description(what), None, "{what}");
        }
    }
}
