//! Describe calls shared by kinds, facts and snapshot, so that one look at a stack asks AWS once. Every listing has all
//! its pages.
//!
//! The parts of the network are listed without a filter: this is one call for all callers, and it also finds objects
//! that lost their tags or were moved. AWS's quotas keep these lists short (5 VPCs, 200 subnets and 200 route tables a
//! VPC, 2500 security groups a region by default).
mod dns;
mod edge;
mod iam;

pub use dns::{Zone, hosted_zones, hosted_zones_of_vpc, records};
pub use edge::{certificate, certificates, distributions};
pub use iam::{instance_profile, listed_profile};

use super::{Aws, error::AwsResult, tags};
use crate::error::Result;
use aws_sdk_autoscaling::types::{AutoScalingGroup, ScalingPolicy};
use aws_sdk_cloudwatch::{operation::get_dashboard::GetDashboardOutput, types::MetricAlarm};
use aws_sdk_ec2::types::{
    Address, DhcpOptions, Filter, Instance, InternetGateway, LaunchTemplateVersion, NatGateway, NetworkAcl,
    NetworkInterface, Reservation, RouteTable, SecurityGroup, Subnet, Vpc, VpcAttributeName, VpcEndpoint,
};
use aws_sdk_efs::types::{FileSystemDescription, MountTargetDescription};
use aws_sdk_elasticache::types::{CacheCluster, CacheSubnetGroup, ReplicationGroup};
use aws_sdk_elasticloadbalancingv2::types::{
    Listener, LoadBalancer, LoadBalancerAttribute, Rule, TargetGroup, TargetGroupAttribute,
};
use aws_sdk_rds::types::{DbInstance, DbSubnetGroup};
use std::{collections::HashMap, rc::Rc};

// The page size is always given: without one EC2 counts the call against a smaller budget [AWS 4.6]. It is the
// largest that each call accepts; AWS refuses more, and so does the emulator.
macro_rules! of_the_region {
    ($($name:ident: $item:ty = $describe:ident, $call:literal by $page:literal;)*) => {
        $(
            #[doc = concat!("All of the region, by `", $call, "`.")]
            pub async fn $name(aws: &Aws) -> Result<Rc<Vec<$item>>> {
                let call = async || {
                    let pages = aws.ec2.$describe().max_results($page).into_paginator().items().send();
                    pages.try_collect().await.during($call)
                };
                aws.reads.get($call, call).await
            }
        )*
    };
}

of_the_region! {
    dhcp_options: DhcpOptions = describe_dhcp_options, "DescribeDhcpOptions" by 1000;
    internet_gateways: InternetGateway = describe_internet_gateways, "DescribeInternetGateways" by 1000;
    nat_gateways: NatGateway = describe_nat_gateways, "DescribeNatGateways" by 1000;
    network_acls: NetworkAcl = describe_network_acls, "DescribeNetworkAcls" by 1000;
    route_tables: RouteTable = describe_route_tables, "DescribeRouteTables" by 100;
    security_groups: SecurityGroup = describe_security_groups, "DescribeSecurityGroups" by 1000;
    subnets: Subnet = describe_subnets, "DescribeSubnets" by 1000;
    vpc_endpoints: VpcEndpoint = describe_vpc_endpoints, "DescribeVpcEndpoints" by 1000;
    vpcs: Vpc = describe_vpcs, "DescribeVpcs" by 1000;
}

/// Returns all Elastic IP addresses of the region. The list has no pages.
pub async fn addresses(aws: &Aws) -> Result<Rc<Vec<Address>>> {
    let call = async || {
        let answer = aws.ec2.describe_addresses().send().await.during("DescribeAddresses")?;
        Ok(answer.addresses.unwrap_or_default())
    };
    aws.reads.get("DescribeAddresses", call).await
}

/// Returns an attribute of a VPC, or `None` if the VPC is gone.
pub async fn vpc_attribute(aws: &Aws, id: &str, name: VpcAttributeName) -> Result<Option<bool>> {
    let call = aws.ec2.describe_vpc_attribute().vpc_id(id).attribute(name.clone());
    let call = async || call.send().await.or_absent("DescribeVpcAttribute");
    let answer = aws.reads.get(format!("{id} {}", name.as_str()), call).await?;
    let Some(answer) = answer.as_ref() else { return Ok(None) };
    let value = match name {
        VpcAttributeName::EnableDnsSupport => answer.enable_dns_support(),
        _ => answer.enable_dns_hostnames(),
    };
    Ok(Some(value.and_then(|v| v.value()).unwrap_or_default()))
}

/// Returns the versions of a launch template, none if the template does not exist.
///
/// While nothing is changed, these are the default and the latest one, which one call shows for all services.
pub async fn template_versions(aws: &Aws, name: &str) -> Result<Rc<Vec<LaunchTemplateVersion>>> {
    if !aws.reads.is_look() {
        return all_template_versions(aws, name).await;
    }
    let call = async || {
        let call = aws.ec2.describe_launch_template_versions().versions("$Default").versions("$Latest");
        call.max_results(200)
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .during("DescribeLaunchTemplateVersions")
    };
    let all: Rc<Vec<LaunchTemplateVersion>> = aws.reads.get("versions of launch templates", call).await?;
    Ok(Rc::new(all.iter().filter(|v| v.launch_template_name() == Some(name)).cloned().collect()))
}

/// Returns all versions of a launch template, none if the template does not exist.
pub async fn all_template_versions(aws: &Aws, name: &str) -> Result<Rc<Vec<LaunchTemplateVersion>>> {
    let call = async || {
        let call = aws.ec2.describe_launch_template_versions().launch_template_name(name).max_results(200);
        let all: Option<Vec<_>> =
            call.into_paginator().items().send().try_collect().await.or_absent("DescribeLaunchTemplateVersions")?;
        Ok(all.unwrap_or_default())
    };
    aws.reads.get(format!("versions of launch template {name}"), call).await
}

/// Returns the load balancer of this name.
pub async fn balancer(aws: &Aws, name: &str) -> Result<Option<LoadBalancer>> {
    let call = async || {
        let answer = aws.elb.describe_load_balancers().names(name).send().await;
        Ok(answer.or_absent("DescribeLoadBalancers")?.and_then(|a| a.load_balancers?.pop()))
    };
    Ok((*aws.reads.get(format!("load balancer {name}"), call).await?).clone())
}

/// Returns the attributes of a load balancer, or `None` if it is gone.
pub async fn balancer_attributes(aws: &Aws, arn: &str) -> Result<Option<Vec<LoadBalancerAttribute>>> {
    let call = async || {
        let call = aws.elb.describe_load_balancer_attributes().load_balancer_arn(arn).send().await;
        Ok(call.or_absent("DescribeLoadBalancerAttributes")?.map(|a| a.attributes.unwrap_or_default()))
    };
    Ok((*aws.reads.get(format!("attributes of {arn}"), call).await?).clone())
}

/// Returns the listeners of a load balancer, none if it is gone.
pub async fn listeners(aws: &Aws, balancer: &str) -> Result<Rc<Vec<Listener>>> {
    let call = async || {
        let pages = aws.elb.describe_listeners().load_balancer_arn(balancer).into_paginator().items().send();
        let all: Option<Vec<_>> = pages.try_collect().await.or_absent("DescribeListeners")?;
        Ok(all.unwrap_or_default())
    };
    aws.reads.get(format!("listeners of {balancer}"), call).await
}

/// Returns the rules of a listener with the default rule, none if the listener is gone.
pub async fn rules(aws: &Aws, listener: &str) -> Result<Rc<Vec<Rule>>> {
    let call = async || {
        let pages = aws.elb.describe_rules().listener_arn(listener).into_paginator().items().send();
        let all: Option<Vec<_>> = pages.try_collect().await.or_absent("DescribeRules")?;
        Ok(all.unwrap_or_default())
    };
    aws.reads.get(format!("rules of {listener}"), call).await
}

/// Returns the target group of this name.
pub async fn target_group(aws: &Aws, name: &str) -> Result<Option<TargetGroup>> {
    if aws.reads.is_look() {
        // One call for all services. With names it would fail for all if one of them is missing.
        let call = async || {
            let pages = aws.elb.describe_target_groups().page_size(400).into_paginator().items().send();
            pages.try_collect().await.during("DescribeTargetGroups")
        };
        let all: Rc<Vec<TargetGroup>> = aws.reads.get("target groups", call).await?;
        return Ok(all.iter().find(|group| group.target_group_name() == Some(name)).cloned());
    }
    let call = async || {
        let answer = aws.elb.describe_target_groups().names(name).send().await;
        Ok(answer.or_absent("DescribeTargetGroups")?.and_then(|a| a.target_groups?.pop()))
    };
    Ok((*aws.reads.get(format!("target group {name}"), call).await?).clone())
}

/// Returns the attributes of a target group, or `None` if it is gone.
pub async fn target_group_attributes(aws: &Aws, arn: &str) -> Result<Option<Vec<TargetGroupAttribute>>> {
    let call = async || {
        let answer = aws.elb.describe_target_group_attributes().target_group_arn(arn).send().await;
        Ok(answer.or_absent("DescribeTargetGroupAttributes")?.map(|a| a.attributes.unwrap_or_default()))
    };
    Ok((*aws.reads.get(format!("attributes of {arn}"), call).await?).clone())
}

/// Returns the Auto Scaling group of this name.
pub async fn auto_scaling_group(aws: &Aws, name: &str) -> Result<Option<AutoScalingGroup>> {
    if aws.reads.is_look() {
        // One call for all services.
        let call = async || {
            let pages = aws.autoscaling.describe_auto_scaling_groups().max_records(100).into_paginator().items().send();
            pages.try_collect().await.during("DescribeAutoScalingGroups")
        };
        let all: Rc<Vec<AutoScalingGroup>> = aws.reads.get("Auto Scaling groups", call).await?;
        return Ok(all.iter().find(|group| group.auto_scaling_group_name() == Some(name)).cloned());
    }
    let call = async || {
        let call = aws.autoscaling.describe_auto_scaling_groups().auto_scaling_group_names(name);
        let mut all: Vec<AutoScalingGroup> =
            call.into_paginator().items().send().try_collect().await.during("DescribeAutoScalingGroups")?;
        Ok(all.pop())
    };
    Ok((*aws.reads.get(format!("Auto Scaling group {name}"), call).await?).clone())
}

/// Returns the scaling policies of an Auto Scaling group, none if it is gone.
pub async fn scaling_policies(aws: &Aws, group: &str) -> Result<Rc<Vec<ScalingPolicy>>> {
    // While nothing is changed, one call is for all services.
    let is_look = aws.reads.is_look();
    let call = async || {
        let name = Some(group.to_owned()).filter(|_| !is_look);
        let call = aws.autoscaling.describe_policies().set_auto_scaling_group_name(name).max_records(100);
        let all = call.into_paginator().items().send().try_collect().await;
        Ok(all.or_absent("DescribePolicies")?.unwrap_or_default())
    };
    let what = if is_look { "scaling policies".into() } else { format!("policies of {group}") };
    let all: Rc<Vec<ScalingPolicy>> = aws.reads.get(what, call).await?;
    Ok(Rc::new(all.iter().filter(|p| p.auto_scaling_group_name() == Some(group)).cloned().collect()))
}

/// Returns all instances of a VPC.
pub async fn instances(aws: &Aws, vpc: &str) -> Result<Rc<Vec<Instance>>> {
    let call = async || {
        let filter = Filter::builder().name("vpc-id").values(vpc).build();
        let pages = aws.ec2.describe_instances().filters(filter).into_paginator().items().send();
        let all: Vec<Reservation> = pages.try_collect().await.during("DescribeInstances")?;
        Ok(all.into_iter().flat_map(|r| r.instances.unwrap_or_default()).collect::<Vec<_>>())
    };
    aws.reads.get(format!("instances in {vpc}"), call).await
}

/// Returns all database instances of the region.
pub async fn databases(aws: &Aws) -> Result<Rc<Vec<DbInstance>>> {
    let call = async || {
        aws.rds
            .describe_db_instances()
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .during("DescribeDBInstances")
    };
    aws.reads.get("databases", call).await
}

/// Returns the database instance of this name.
pub async fn database(aws: &Aws, name: &str) -> Result<Option<DbInstance>> {
    let all = databases(aws).await?;
    Ok(all.iter().find(|d| d.db_instance_identifier().is_some_and(|id| id.eq_ignore_ascii_case(name))).cloned())
}

/// Returns the DB subnet group of this name.
pub async fn db_subnet_group(aws: &Aws, name: &str) -> Result<Option<DbSubnetGroup>> {
    let call = async || {
        let call = aws.rds.describe_db_subnet_groups().db_subnet_group_name(name).send().await;
        Ok(call.or_absent("DescribeDBSubnetGroups")?.and_then(|a| a.db_subnet_groups?.into_iter().next()))
    };
    Ok((*aws.reads.get(format!("db subnet group {name}"), call).await?).clone())
}

/// Returns the cache subnet group of this name.
pub async fn cache_subnet_group(aws: &Aws, name: &str) -> Result<Option<CacheSubnetGroup>> {
    let call = async || {
        let call = aws.elasticache.describe_cache_subnet_groups().cache_subnet_group_name(name).send().await;
        Ok(call.or_absent("DescribeCacheSubnetGroups")?.and_then(|a| a.cache_subnet_groups?.into_iter().next()))
    };
    Ok((*aws.reads.get(format!("cache subnet group {name}"), call).await?).clone())
}

/// Returns the replication group of this name.
pub async fn cache(aws: &Aws, name: &str) -> Result<Option<ReplicationGroup>> {
    let call = async || {
        let answer = aws.elasticache.describe_replication_groups().replication_group_id(name).send().await;
        Ok(answer.or_absent("DescribeReplicationGroups")?.and_then(|a| a.replication_groups?.pop()))
    };
    Ok((*aws.reads.get(format!("cache {name}"), call).await?).clone())
}

/// Returns all cache clusters of the region: the nodes of replication groups, and clusters of memcached with their nodes.
pub async fn cache_nodes(aws: &Aws) -> Result<Rc<Vec<CacheCluster>>> {
    let call = async || {
        let call = aws.elasticache.describe_cache_clusters().show_cache_node_info(true).into_paginator().items().send();
        call.try_collect().await.during("DescribeCacheClusters")
    };
    aws.reads.get("cache nodes", call).await
}

/// Returns the cache cluster of this name. A node of a replication group is none.
pub async fn cache_cluster(aws: &Aws, name: &str) -> Result<Option<CacheCluster>> {
    let is_it = |c: &&CacheCluster| c.cache_cluster_id() == Some(name) && c.replication_group_id().is_none();
    Ok(cache_nodes(aws).await?.iter().find(is_it).cloned())
}

/// Returns all file systems of the region.
pub async fn file_systems(aws: &Aws) -> Result<Rc<Vec<FileSystemDescription>>> {
    let call = async || {
        aws.efs
            .describe_file_systems()
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .during("DescribeFileSystems")
    };
    aws.reads.get("file systems", call).await
}

/// Returns all mount targets of a file system, none if it is gone.
pub async fn mount_targets(aws: &Aws, file_system: &str) -> Result<Rc<Vec<MountTargetDescription>>> {
    let call = async || {
        let call = aws.efs.describe_mount_targets().file_system_id(file_system);
        let all: Option<Vec<_>> =
            call.into_paginator().items().send().try_collect().await.or_absent("DescribeMountTargets")?;
        Ok(all.unwrap_or_default())
    };
    aws.reads.get(format!("mount targets of {file_system}"), call).await
}

/// Returns the security groups of one mount target in `all`, or `None` if it is gone.
pub async fn mount_target_groups(aws: &Aws, all: &[MountTargetDescription], id: &str) -> Result<Option<Vec<String>>> {
    // Its network interface has the same groups, and one call describes the interfaces of all zones.
    if aws.reads.is_look()
        && let Some(groups) = interface_groups(aws, all).await.unwrap_or_default().remove(id)
    {
        return Ok(Some(groups));
    }
    let call = async || {
        let answer = aws.efs.describe_mount_target_security_groups().mount_target_id(id).send().await;
        Ok(answer.or_absent("DescribeMountTargetSecurityGroups")?.map(|a| a.security_groups))
    };
    Ok((*aws.reads.get(format!("security groups of {id}"), call).await?).clone())
}

/// All network interfaces that have one of these values by this filter of AWS.
pub async fn interfaces(aws: &Aws, filter: &str, values: &[String]) -> Result<Rc<Vec<NetworkInterface>>> {
    let call = async || {
        let filter = Filter::builder().name(filter).set_values(Some(values.to_vec())).build();
        let pages = aws.ec2.describe_network_interfaces().filters(filter).into_paginator().items().send();
        pages.try_collect().await.during("DescribeNetworkInterfaces")
    };
    aws.reads.get(format!("interfaces by {filter} {}", values.join(" ")), call).await
}

/// The instances of these Auto Scaling groups that are billed: those that start or run.
pub async fn fleet_instances(aws: &Aws, groups: &[String]) -> Result<Rc<Vec<Instance>>> {
    let call = async || {
        let by = |name: &str, values: Vec<String>| Filter::builder().name(name).set_values(Some(values)).build();
        let pages = aws
            .ec2
            .describe_instances()
            .filters(by(&format!("tag:{}", tags::GROUP_TAG), groups.to_vec()))
            .filters(by("instance-state-name", vec!["pending".into(), "running".into()]))
            .into_paginator()
            .items()
            .send();
        let all: Vec<Reservation> = pages.try_collect().await.during("DescribeInstances")?;
        Ok(all.into_iter().flat_map(|r| r.instances.unwrap_or_default()).collect::<Vec<_>>())
    };
    aws.reads.get(format!("instances of {}", groups.join(" ")), call).await
}

/// Returns the security groups of all mount targets by id, as far as their network interfaces report them.
async fn interface_groups(aws: &Aws, all: &[MountTargetDescription]) -> Result<HashMap<String, Vec<String>>> {
    let mut by_interface: Vec<(&str, &str)> =
        all.iter().filter_map(|m| Some((m.network_interface_id()?, m.mount_target_id()))).collect();
    by_interface.sort_unstable();
    let ids: Vec<String> = by_interface.iter().map(|(eni, _)| (*eni).to_owned()).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    // A filter is used because a missing id would fail the call for all.
    let interfaces = interfaces(aws, "network-interface-id", &ids).await?;
    let groups = interfaces.iter().filter_map(|i| {
        let at = by_interface.iter().find(|(eni, _)| i.network_interface_id() == Some(eni))?;
        let groups = i.groups().iter().filter_map(|g| g.group_id.clone()).collect();
        Some((at.1.to_owned(), groups))
    });
    Ok(groups.collect())
}

/// Returns all alarms whose name has this prefix.
pub async fn alarms(aws: &Aws, prefix: &str) -> Result<Rc<Vec<MetricAlarm>>> {
    let call = async || {
        let pages = aws.cloudwatch.describe_alarms().alarm_name_prefix(prefix).into_paginator().send();
        let pages: Vec<_> = pages.try_collect().await.during("DescribeAlarms")?;
        Ok(pages.into_iter().flat_map(|p| p.metric_alarms.unwrap_or_default()).collect::<Vec<_>>())
    };
    aws.reads.get(format!("alarms {prefix}*"), call).await
}

/// The dashboard of this name; `None` when there is none.
pub async fn dashboard(aws: &Aws, name: &str) -> Result<Rc<Option<GetDashboardOutput>>> {
    let call = async || {
        let call = aws.cloudwatch.get_dashboard().dashboard_name(name).send().await;
        call.or_absent("GetDashboard")
    };
    aws.reads.get(format!("dashboard {name}"), call).await
}
