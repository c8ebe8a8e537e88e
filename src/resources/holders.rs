//! What still uses a part of the network when AWS will not delete it: in the end always a network interface.
use super::{database, elb, nat_gateway, prelude::*};
use aws_sdk_ec2::types::NetworkInterface;
use aws_sdk_efs::types::LifeCycleState;
use aws_sdk_rds::types::DbInstance;
use std::collections::HashMap;

pub(super) const ACTIONS: [&str; 3] =
    ["ec2:DescribeInstances", "ec2:DescribeNetworkInterfaces", "elasticloadbalancing:DescribeLoadBalancers"];

/// The network interfaces for which an EC2 filter holds.
pub(super) async fn interfaces(aws: &Aws, filter: &str, value: &str) -> Result<Vec<NetworkInterface>> {
    let pages = aws.ec2.describe_network_interfaces().filters(ec2_filter(filter, value)).into_paginator();
    pages.items().send().try_collect().await.during("DescribeNetworkInterfaces")
}

/// Who they belong to, and whether that one is on its way out.
pub(super) async fn of_interfaces(aws: &Aws, stack: &str, all: &[NetworkInterface]) -> Result<Vec<Holder>> {
    let instances = states(aws, stack, all.iter().filter_map(instance)).await?;
    let mut holders = vec![];
    for eni in all {
        let id = eni.network_interface_id().unwrap_or_default();
        let what = eni.description().filter(|d| !d.is_empty()).unwrap_or("no description");
        holders.push(if let Some(i) = instance(eni) {
            let (state, passes) = instances.get(i).map_or(("terminated", true), |(s, p)| (s.as_str(), *p));
            Holder { what: format!("instance {i} ({state})"), passes }
        } else if eni.requester_managed() == Some(true) {
            // Nobody but the service can remove it; a balancer's outlives it by minutes (aws-facts 4.5).
            let name = what.strip_prefix("ELB app/").and_then(|rest| rest.split('/').next());
            let in_use = match name {
                Some(name) => elb::balancer(aws, name).await?.is_some_and(|b| {
                    b.load_balancer_arn().is_some_and(|arn| what.ends_with(elb::tail(arn, "loadbalancer/")))
                }),
                None => false,
            };
            // Where that may not be looked at, it is waited for.
            let standing = standing(aws, eni, what).await.unwrap_or_default();
            let owner = standing.as_deref().or(eni.requester_id()).unwrap_or("AWS");
            Holder { what: format!("interface {id} ({what}, of {owner})"), passes: !in_use && standing.is_none() }
        } else {
            Holder { what: format!("interface {id} ({what})"), passes: false }
        });
    }
    // A balancer has one a zone, and each says the same of an instance.
    holders.dedup();
    Ok(holders)
}

/// The database, cache node, mount target or NAT gateway that such an interface belongs to, while nobody is deleting it: it goes with
/// that one only.
async fn standing(aws: &Aws, eni: &NetworkInterface, what: &str) -> Result<Option<String>> {
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
    if let Some(nat) = what.strip_prefix("Interface for NAT Gateway ") {
        let all = listing::nat_gateways(aws).await?;
        let stands = all.iter().any(|n| n.nat_gateway_id() == Some(nat) && nat_gateway::stands(n));
        return Ok(stands.then(|| format!("NAT gateway {nat}, which is not the stack's")));
    }
    Ok(None)
}

fn instance(eni: &NetworkInterface) -> Option<&str> {
    eni.attachment()?.instance_id()
}

/// The state of each, and whether it goes by itself. The instances of a group of the stack do, from the moment that the
/// group is deleted, though for some seconds they still run.
async fn states(aws: &Aws, stack: &str, ids: impl Iterator<Item = &str>) -> Result<HashMap<String, (String, bool)>> {
    let ids: Vec<String> = ids.map(Into::into).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    // By filter: asked by id, one that is gone fails the call for all.
    let filter = aws_sdk_ec2::types::Filter::builder().name("instance-id").set_values(Some(ids)).build();
    let pages = aws.ec2.describe_instances().filters(filter).into_paginator().items().send();
    let all: Vec<aws_sdk_ec2::types::Reservation> = pages.try_collect().await.during("DescribeInstances")?;
    let state = |i: &aws_sdk_ec2::types::Instance| {
        let (state, has) = (i.state()?.name()?.as_str(), tags::ec2::from(i.tags()));
        let of_our_group = has.contains_key(tags::GROUP_TAG) && has.get(STACK_TAG).is_some_and(|s| s == stack);
        let passes = of_our_group || matches!(state, "shutting-down" | "terminated");
        Some((i.instance_id()?.to_owned(), (state.to_owned(), passes)))
    };
    Ok(all.iter().flat_map(|r| r.instances()).filter_map(state).collect())
}
