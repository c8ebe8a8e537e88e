//! Refuses what cannot be built, before anything is built.
use super::{
    Facts, image,
    names::name_in_account,
    prefix_lists, templates, unseen,
    zones::{database_zones, is_of_region, offers, types},
};
use crate::{
    aws::{
        Aws,
        error::AwsResult,
        listing,
        public_access::{self, Options},
        tags,
    },
    config::{Config, Mode, Origin, ServiceScope},
    error::{Error, Result},
    said,
    shell::command,
};
use aws_sdk_ec2::types::{Filter, VpcBlockPublicAccessExclusion};
use futures::future::try_join_all;
use std::collections::BTreeSet;

impl Facts {
    /// Checks that the stack can be built in this account, and returns remarks.
    ///
    /// Only objects that do not exist yet are checked.
    pub async fn fit(&self, aws: &Aws, config: &Config) -> Result<Vec<String>> {
        if let Some(unfit) = &self.unfit {
            return Err(unfit.clone());
        }
        let (instances, database, lists, blocked, image) = futures::join!(
            self.instances(aws, config),
            self.database(aws, config),
            prefix_lists::check(aws, config),
            self.public_access(aws, config),
            image::check(aws, config),
        );
        let names = Vec::from_iter(self.names(aws, config).await);
        let claims = self.claims.iter().map(|(step, name)| claim(step, name, &config.name)).collect();
        Ok([claims, self.words.clone(), instances?, database?, lists?, blocked?, image?, names].concat())
    }

    /// Returns a warning if names are given and nothing shows under which names objects exist.
    async fn names(&self, aws: &Aws, config: &Config) -> Option<String> {
        if config.names.is_empty() {
            return None;
        }
        let e = tags::unlisted(aws, &config.name).await?;
        Some(format!(
            "whether an object exists under another name than the one under [names] is not known: {e}. A name that was \
             changed makes a second object beside the first: look at the steps to create"
        ))
    }

    /// Checks that each zone offers an instance type of the fleets.
    async fn instances(&self, aws: &Aws, config: &Config) -> Result<Vec<String>> {
        let words = try_join_all(config.services().map(|service| self.instances_of(aws, config, service))).await?;
        Ok(words.concat())
    }

    async fn instances_of(&self, aws: &Aws, config: &Config, service: ServiceScope<'_>) -> Result<Vec<String>> {
        let fleet = name_in_account(aws, config, &service.key("auto-scaling-group")).await;
        let template = name_in_account(aws, config, &service.key("launch-template")).await;
        let (fleet, template) =
            futures::join!(listing::auto_scaling_group(aws, &fleet), templates::ours(aws, &template));
        let stands = template.ok().flatten();
        let stands = stands.and_then(|v| Some(v.launch_template_data()?.instance_type()?.as_str().to_owned()));
        let fleet = fleet.ok().flatten();
        let covered: BTreeSet<&String> = fleet.iter().flat_map(|g| g.availability_zones()).collect();
        if stands.as_ref() == Some(&service.instance_type) && self.zones.iter().all(|z| covered.contains(z)) {
            return Ok(vec![]);
        }
        let types = types(service.table);
        let offers = match offers(aws, config).await {
            Err(e) if unseen(&e) => {
                let said = self.words.iter().any(|w| w.contains("DescribeInstanceTypeOfferings"));
                let word = format!("whether {} offer {} is not known: {e}", self.zones.join(", "), types.join(", "));
                return Ok(if said { vec![] } else { vec![word] });
            }
            other => other?,
        };
        let offers_in = |zone: &String, kind: &String| offers.get(zone).is_some_and(|all| all.contains(kind));
        let own = &service.instance_type;
        let without: Vec<&String> =
            self.zones.iter().filter(|zone| !types.iter().any(|kind| offers_in(zone, kind))).collect();
        if !without.is_empty() {
            let with: Vec<&String> = offers
                .keys()
                .filter(|z| is_of_region(z, &self.region) && types.iter().any(|t| offers_in(z, t)))
                .collect();
            return Err(not_offered(&types.join(", "), &without, &with, &self.region, "instance_type"));
        }
        // With several types, Auto Scaling takes another one where the first is not available.
        let nowhere = |kind: &&String| !self.zones.iter().any(|zone| offers_in(zone, kind));
        if let Some(kind) = types.iter().find(nowhere) {
            let key = if kind == own { "instance_type" } else { "spot.types" };
            return Err(Error::other(
                format!("{kind} is not offered in {}", self.zones.join(", ")),
                format!("correct {key} under [service.{}], or take other zones", service.name),
            ));
        }
        let some: Vec<&String> = self.zones.iter().filter(|zone| !offers_in(zone, own)).collect();
        Ok(if some.is_empty() {
            vec![]
        } else {
            vec![format!("{own} is not offered in {}: only the other types of `spot` start there", list(&some))]
        })
    }

    /// Checks that RDS offers the database's class in enough of the zones.
    async fn database(&self, aws: &Aws, config: &Config) -> Result<Vec<String>> {
        let wanted = &config.database;
        if wanted.mode != Mode::Create {
            return Ok(vec![]);
        }
        let name = name_in_account(aws, config, "database/main").await;
        let stands = listing::database(aws, &name).await.ok().flatten();
        if stands.is_some_and(|d| d.db_instance_class() == Some(&wanted.class)) {
            return Ok(vec![]);
        }
        let offered = match database_zones(aws, config).await {
            Err(e) if unseen(&e) => {
                let said = self.words.iter().any(|w| w.contains("DescribeOrderableDBInstanceOptions"));
                let word = format!("whether {} offer {} is not known: {e}", self.zones.join(", "), wanted.class);
                return Ok(if said { vec![] } else { vec![word] });
            }
            other => other?.unwrap_or_default(),
        };
        let with: Vec<&String> = offered.iter().filter(|z| is_of_region(z, &self.region)).collect();
        let without: Vec<&String> = self.zones.iter().filter(|z| !offered.contains(*z)).collect();
        let (have, need) = (self.zones.len() - without.len(), if wanted.multi_az { 2 } else { 1 });
        if have < need {
            return Err(not_offered(&wanted.class, &without, &with, &self.region, "class"));
        }
        Ok(vec![])
    }

    /// Checks that VPC Block Public Access does not keep requests from a balancer that is still to be created.
    async fn public_access(&self, aws: &Aws, config: &Config) -> Result<Vec<String>> {
        let name = name_in_account(aws, config, "load-balancer/main").await;
        let is_there = listing::balancer(aws, &name).await.is_ok_and(|b| b.is_some());
        if config.has_internal_balancer() || is_there {
            return Ok(vec![]);
        }
        let vpc = match &self.network {
            Some(network) => Some(network.vpc.clone()),
            // If several VPCs carry the tag, any of them will do, since this is only for a warning.
            None => listing::vpcs(aws).await.ok().and_then(|all| {
                let ours = all.iter().find(|v| tags::ec2::from(v.tags()).get(aws.keys.stack()) == Some(&config.name));
                ours?.vpc_id().map(Into::into)
            }),
        };
        let Some(block) = public_access::options(aws).await.filter(|o| o.mode != "off") else { return Ok(vec![]) };
        let subnets: Vec<&str> = self.network.iter().flat_map(|n| &n.public).map(|s| s.id.as_str()).collect();
        if let Some(vpc) = &vpc
            && let Some(exclusions) = exclusions(aws).await
            && is_excluded(&exclusions, vpc, &subnets)
        {
            return Ok(vec![]);
        }
        let what = format!(
            "VPC Block Public Access is on in {} ({}): it keeps requests from the internet from the load balancer",
            self.region, block.mode
        );
        let help = way_out(&block, vpc.as_deref(), &self.region);
        match config.network.mode {
            Origin::Use => Err(Error::other(what, help)),
            // A VPC that does not exist yet cannot be excluded.
            Origin::Create => Ok(vec![format!("{what}; {help}")]),
        }
    }
}

/// Returns a remark on an object with the stack's tags that is not known to be the stack's.
pub(crate) fn claim(step: &str, id: &str, stack: &str) -> String {
    format!(
        "{} carries the tags of stack {stack} as {}, and nothing else says that it is: it is left alone. If it is the \
         stack's, `{}` goes on with it",
        said::words(id),
        said::words(step),
        command!("gameday up --adopt {}", format!("{step}={id}")),
    )
}

/// Returns the error for something that AWS does not offer in the zones.
fn not_offered(what: &str, without: &[&String], with: &[&String], region: &str, key: &str) -> Error {
    let help = match with {
        [] => format!("choose another {key}: no zone of {region} offers this one"),
        [only] => format!("only {only} offers it: choose another {key}"),
        [first, second, ..] => format!(
            "these zones offer it: {}; write zones = [\"{first}\", \"{second}\"], or choose another {key}",
            list(with)
        ),
    };
    Error::other(format!("{what} is not offered in {}", list(without)), help)
}

fn list(all: &[&String]) -> String {
    all.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", ")
}

/// Returns how to let requests through.
fn way_out(block: &Options, vpc: Option<&str>, region: &str) -> String {
    let exclude = |vpc: &str| format!("`{}` lets this VPC through", public_access::exclude(vpc, region));
    match (vpc, block.exclusions, block.by_policy) {
        (Some(vpc), true, _) => exclude(vpc),
        (None, true, _) => format!("build the VPC first with `gameday network`, then {}", exclude("VPC")),
        (_, false, true) => {
            "a policy of the organization sets it and allows no exclusion: ask who administers it".into()
        }
        (_, false, false) => {
            let call = command!(
                "aws ec2 modify-vpc-block-public-access-options --region {} --internet-gateway-block-mode off",
                region
            );
            format!("`{call}`")
        }
    }
}

async fn exclusions(aws: &Aws) -> Option<Vec<VpcBlockPublicAccessExclusion>> {
    let state = Filter::builder().name("state").values("create-complete").values("update-complete").build();
    let answer = aws.ec2.describe_vpc_block_public_access_exclusions().filters(state).send().await;
    answer.during("DescribeVpcBlockPublicAccessExclusions").ok()?.vpc_block_public_access_exclusions
}

/// True if requests get through to the VPC, or to all of these subnets.
fn is_excluded(all: &[VpcBlockPublicAccessExclusion], vpc: &str, subnets: &[&str]) -> bool {
    let both = |e: &&VpcBlockPublicAccessExclusion| {
        e.internet_gateway_exclusion_mode().is_some_and(|m| m.as_str() == "allow-bidirectional")
    };
    let excludes = |id: &str| {
        all.iter().filter(both).filter_map(|e| e.resource_arn()).any(|arn| arn.rsplit('/').next() == Some(id))
    };
    excludes(vpc) || !subnets.is_empty() && subnets.iter().all(|id| excludes(id))
}
