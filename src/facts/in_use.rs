//! The subnets that the stack is in already.
use super::{names::name_in_account, subnets::InUse};
use crate::{
    aws::{Aws, listing, tags},
    config::{Config, Mode},
    error::Result,
    resources::token,
};
use futures::future::join_all;
use std::collections::BTreeSet;

/// Returns the subnets of the stack's balancer, fleet, database, cache and files, as far as they can be seen.
pub(super) async fn in_use(aws: &Aws, config: &Config) -> InUse {
    let balancer = name_in_account(aws, config, "load-balancer/main").await;
    let fleets = config.services().map(|service| service.key("auto-scaling-group"));
    let fleets = join_all(fleets.map(async |key| {
        let name = name_in_account(aws, config, &key).await;
        listing::auto_scaling_group(aws, &name).await.ok().flatten()
    }));
    let (balancer, fleets, database, cache, files) = futures::join!(
        listing::balancer(aws, &balancer),
        fleets,
        database_subnets(aws, config),
        cache_subnets(aws, config),
        mount_subnets(aws, config),
    );
    let balancer = balancer.ok().flatten();
    let balancers = balancer.iter().flat_map(|b| b.availability_zones()).filter_map(|z| z.subnet_id());
    let fleets = fleets.iter().flatten().filter_map(|g| g.vpc_zone_identifier()).flat_map(|ids| ids.split(','));
    // In this order, since data that cannot move decide before data that can.
    let data = [database, cache, files].into_iter().filter_map(Result::ok).find(|ids| !ids.is_empty());
    InUse {
        balancer: balancers.map(Into::into).collect(),
        fleet: fleets.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect(),
        data: data.unwrap_or_default(),
    }
}

async fn database_subnets(aws: &Aws, config: &Config) -> Result<BTreeSet<String>> {
    if config.database.mode != Mode::Create {
        return Ok(BTreeSet::new());
    }
    let name = name_in_account(aws, config, "db-subnet-group/main").await;
    let all = listing::databases(aws).await?;
    let shown =
        all.iter().filter_map(|d| d.db_subnet_group()).find(|g| g.db_subnet_group_name() == Some(&name)).cloned();
    let group = match shown {
        None => listing::db_subnet_group(aws, &name).await?,
        shown => shown,
    };
    Ok(group.iter().flat_map(|g| g.subnets()).filter_map(|s| s.subnet_identifier.clone()).collect())
}

async fn cache_subnets(aws: &Aws, config: &Config) -> Result<BTreeSet<String>> {
    if config.cache.mode != Mode::Create {
        return Ok(BTreeSet::new());
    }
    let name = name_in_account(aws, config, "cache-subnet-group/main").await;
    let group = listing::cache_subnet_group(aws, &name).await?;
    Ok(group.iter().flat_map(|g| g.subnets()).filter_map(|s| s.subnet_identifier.clone()).collect())
}

async fn mount_subnets(aws: &Aws, config: &Config) -> Result<BTreeSet<String>> {
    if config.files.mode != Mode::Create {
        return Ok(BTreeSet::new());
    }
    let all = listing::file_systems(aws).await?;
    let token = token(&[&config.name, "file-system/main"]);
    let ours = all
        .iter()
        .find(|f| tags::efs::from(f.tags()).get(aws.keys.stack()) == Some(&config.name) || f.creation_token() == token);
    let Some(ours) = ours else { return Ok(BTreeSet::new()) };
    let targets = listing::mount_targets(aws, ours.file_system_id()).await?;
    Ok(targets.iter().map(|t| t.subnet_id().to_owned()).collect())
}
