//! The zones to build in.
use crate::{
    aws::{Aws, error::AwsResult, listing, tags},
    config::Config,
    error::{Error, Result},
};
use aws_sdk_ec2::types::{Filter, LocationType};
use std::collections::BTreeSet;

/// The zones our subnets are in; without any, the first two that offer the instance type.
pub(super) async fn zones(aws: &Aws, config: &Config) -> Result<Vec<String>> {
    let subnets = listing::subnets(aws).await?;
    let public = |s: &&aws_sdk_ec2::types::Subnet| {
        let tags = tags::ec2::from(s.tags());
        tags.get(aws.keys.stack()) == Some(&config.name)
            && tags.get(aws.keys.step()).is_some_and(|step| step.starts_with("subnet/public-"))
    };
    let standing: BTreeSet<String> =
        subnets.iter().filter(public).filter_map(|s| s.availability_zone.clone()).collect();
    if standing.len() >= 2 {
        return Ok(standing.into_iter().collect());
    }
    let mut zones = offering(aws, config).await?;
    zones.truncate(2);
    if zones.len() < 2 {
        let (_, service) = config.service();
        return Err(Error::other(
            format!("{} is offered in fewer than two zones of {}", service.instance_type, aws.region),
            "choose another instance_type, or another region",
        ));
    }
    Ok(zones)
}

/// The region's own zones (no Local Zones) that offer the instance type, in order.
pub(super) async fn offering(aws: &Aws, config: &Config) -> Result<Vec<String>> {
    let (_, service) = config.service();
    let offered: Vec<_> = aws
        .ec2
        .describe_instance_type_offerings()
        .location_type(LocationType::AvailabilityZone)
        .filters(Filter::builder().name("instance-type").values(&service.instance_type).build())
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await
        .during("DescribeInstanceTypeOfferings")?;
    let offered: BTreeSet<String> = offered.into_iter().filter_map(|o| o.location).collect();
    let all = aws
        .ec2
        .describe_availability_zones()
        .filters(Filter::builder().name("zone-type").values("availability-zone").build())
        .send()
        .await
        .during("DescribeAvailabilityZones")?;
    let zones: BTreeSet<String> = all
        .availability_zones
        .unwrap_or_default()
        .into_iter()
        .filter(|z| z.state().is_none_or(|s| s.as_str() == "available"))
        .filter_map(|z| z.zone_name)
        .filter(|z| offered.contains(z))
        .collect();
    Ok(zones.into_iter().collect())
}
