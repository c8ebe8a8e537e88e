//! The listings of Route 53: hosted zones, and the records of a name.
use crate::{
    aws::{Aws, error::AwsResult, words::dns::plain},
    error::Result,
};
use aws_sdk_route53::types::{ResourceRecordSet, VpcRegion};
use std::rc::Rc;

/// A hosted zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    pub id: String,
    /// The name, without the last dot.
    pub name: String,
    /// True if only VPCs ask it.
    pub private: bool,
}

/// Returns all hosted zones of the account.
pub async fn hosted_zones(aws: &Aws) -> Result<Rc<Vec<Zone>>> {
    let call = async || {
        let pages = aws.route53.list_hosted_zones().into_paginator().items().send();
        let all: Vec<_> = pages.try_collect().await.during("ListHostedZones")?;
        let zone = |zone: aws_sdk_route53::types::HostedZone| Zone {
            // Answers have `/hostedzone/` before it.
            id: zone.id().rsplit('/').next().unwrap_or_default().into(),
            name: plain(zone.name()),
            private: zone.config().is_some_and(|config| config.private_zone()),
        };
        Ok(all.into_iter().map(zone).collect::<Vec<_>>())
    };
    aws.reads.get("hosted zones", call).await
}

/// Returns the private hosted zones that a VPC asks.
pub async fn hosted_zones_of_vpc(aws: &Aws, vpc: &str) -> Result<Rc<Vec<Zone>>> {
    let call = async || {
        let (mut all, mut next) = (vec![], None);
        loop {
            let call = aws.route53.list_hosted_zones_by_vpc().vpc_id(vpc).vpc_region(VpcRegion::from(&*aws.region));
            let page = call.set_next_token(next).send().await.during("ListHostedZonesByVPC")?;
            all.extend(page.hosted_zone_summaries().iter().map(|zone| Zone {
                id: zone.hosted_zone_id().into(),
                name: plain(zone.name()),
                private: true,
            }));
            next = page.next_token;
            if next.is_none() {
                return Ok(all);
            }
        }
    };
    aws.reads.get(format!("hosted zones of {vpc}"), call).await
}

/// Returns the records of one name, of whatever type.
pub async fn records(aws: &Aws, zone: &str, name: &str) -> Result<Rc<Vec<ResourceRecordSet>>> {
    let call = async || {
        // A list begins at the name; other names follow. More than a page of one name is a mistake of somebody else's.
        let call = aws.route53.list_resource_record_sets().hosted_zone_id(zone).start_record_name(name).max_items(100);
        let page = call.send().await.or_absent("ListResourceRecordSets")?;
        let all = page.map(|page| page.resource_record_sets).unwrap_or_default();
        Ok(all.into_iter().filter(|record| plain(record.name()) == name).collect::<Vec<_>>())
    };
    aws.reads.get(format!("records of {name} in {zone}"), call).await
}
