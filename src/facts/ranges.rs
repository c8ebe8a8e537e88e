//! The stack's own network, as far as it exists: its owner, its subnets and the ranges in use.
use crate::{
    aws::{Aws, listing, tags},
    config::{Config, ExistingSubnet, Origin, Owner},
    engine::Tags,
    error::Result,
    record::Proof,
};
use aws_sdk_ec2::types::Subnet;
use std::collections::BTreeSet;

/// Returns the account that owns the stack's own subnets, if there are any.
pub(super) async fn owner(aws: &Aws, config: &Config) -> Option<String> {
    if config.network.mode == Origin::Use {
        return None;
    }
    let subnets = listing::subnets(aws).await.ok()?;
    let proof = Proof::load(aws, &config.name).await;
    ours_of(&proof, &subnets).next()?.owner_id().map(Into::into)
}

/// Returns the subnets that the stack has created.
pub(super) fn ours_of<'a>(proof: &'a Proof, subnets: &'a [Subnet]) -> impl Iterator<Item = &'a Subnet> {
    let is_ours = |s: &&Subnet| proof.step_of(&tags::ec2::from(s.tags()), s.subnet_id().unwrap_or_default()).is_some();
    subnets.iter().filter(is_ours)
}

/// Returns the ranges of all subnets in the stack's own VPC.
pub(super) async fn ranges(aws: &Aws, config: &Config) -> Result<Vec<ExistingSubnet>> {
    if config.network.mode == Origin::Use {
        return Ok(vec![]);
    }
    let (subnets, vpcs, proof) =
        futures::join!(listing::subnets(aws), listing::vpcs(aws), Proof::load(aws, &config.name));
    let (subnets, vpcs) = (subnets?, vpcs?);
    let proven = |tags: Tags, id: Option<&str>| proof.is_ours(&tags, id.unwrap_or_default());
    let by_tag = vpcs.iter().filter(|v| proven(tags::ec2::from(v.tags()), v.vpc_id())).filter_map(|v| v.vpc_id());
    let by_subnet =
        subnets.iter().filter(|s| proven(tags::ec2::from(s.tags()), s.subnet_id())).filter_map(|s| s.vpc_id());
    let homes: BTreeSet<&str> = by_tag.chain(by_subnet).collect();
    let range = |s: &Subnet| {
        let tags = tags::ec2::from(s.tags());
        let step = tags.get(aws.keys.step()).filter(|_| proof.has_tag(&tags)).and_then(|s| s.strip_prefix("subnet/"));
        let owner = match step {
            Some(name) if name.starts_with("public-") => Owner::Public,
            Some(name) if name.starts_with("private-") => Owner::Private,
            Some(name) if name.starts_with("app-") => Owner::App,
            // No other stack's tag is on it, so it can be what is left of ours.
            _ if tags.get(aws.keys.stack()).is_none_or(|s| *s == config.name) => Owner::Unknown,
            _ => Owner::Others,
        };
        Some(ExistingSubnet { cidr: s.cidr_block()?.parse().ok()?, zone: s.availability_zone()?.into(), owner })
    };
    Ok(subnets.iter().filter(|s| s.vpc_id().is_some_and(|id| homes.contains(id))).filter_map(range).collect())
}
