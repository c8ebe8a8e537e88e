//! The facts of an account: looked up once before the stack is wired, never created, never changed.
mod fit;
mod fleets;
mod image;
mod in_use;
mod lacks;
mod names;
mod network;
mod prefix_lists;
mod ranges;
mod routes;
mod subnets;
mod templates;
mod zones;

pub(crate) use fit::claim;
pub use fleets::{fleets, steps_of};
pub use image::USED as IMAGE;
pub(crate) use image::is_trusted;
pub use names::in_account;
pub use network::{Network, Subnet};

use crate::{
    aws::{Aws, error::AwsResult, tags},
    config::{CacheEngine, Config, ExistingSubnet, Identities, Identity, Mode, Origin, ServiceScope},
    error::{Class, Error, Result},
    set_up::SetUp,
};
use names::name_in_account;
use std::collections::BTreeMap;
use zones::Zones;

/// The facts of one account and region that a stack depends on.
#[derive(Clone, Debug)]
pub struct Facts {
    pub account: String,
    pub region: String,
    /// True if this is the sandbox and not AWS.
    pub sandbox: bool,
    /// The zones to use, in order.
    pub zones: Vec<String>,
    /// The image of each service's instances.
    pub images: BTreeMap<String, String>,
    /// The network to use, if it is not the stack's own.
    pub network: Option<Network>,
    /// The ranges in use in the stack's own network.
    pub ranges: Vec<ExistingSubnet>,
    /// The names of existing objects that differ from those in the stack file, by step.
    pub standing: BTreeMap<String, String>,
    /// Objects that carry the tags of a step under another name than its own, while nothing else says that the stack
    /// has created them: the step, and their name.
    pub claims: Vec<(String, String)>,
    /// The keys under which the services' own steps exist.
    pub identities: Identities,
    /// Fleets of this stack from before a service got another name or port: they serve until the new one does.
    pub older: Vec<String>,
    /// True if the stack still has a cache of an engine that the stack file no longer names: instances use it until new
    /// ones serve.
    pub has_older_cache: bool,
    /// The fleets of the services, looked at only if there can be older ones.
    pub present: Vec<String>,
    /// The ids of the prefix lists that the stack file names.
    pub prefix_lists: BTreeMap<String, String>,
    /// The state of the database: set up, or still empty.
    pub set_up: SetUp,
    /// Why nothing can be built, if so. Existing objects can still be inspected and deleted.
    pub unfit: Option<Error>,
    /// Remarks for verbs that build: choices that could be better if more had been seen.
    pub words: Vec<String>,
}

impl Facts {
    /// Looks everything up, in parallel as far as possible.
    pub async fn gather(aws: &Aws, config: &Config) -> Result<Self> {
        let (facts, identities) = futures::join!(Box::pin(Self::look(aws, config)), names::identities(aws, config));
        if identities == config.identities {
            return facts;
        }
        // Some steps exist under the keys of an earlier version. The second look finds its answers in the shared reads.
        let config = config.in_account(&identities, &BTreeMap::new()).config;
        Ok(Self { identities, ..Box::pin(Self::look(aws, &config)).await? })
    }

    async fn look(aws: &Aws, config: &Config) -> Result<Self> {
        let (account, (images, no_image), (network, zones), slots, has_older_cache, standing, ranges, (prefix_lists, no_list), set_up) =
            // Boxed, because together they are too large for the stack of a thread.
            futures::try_join!(
                Box::pin(async {
                    // The owner of the stack's subnets is this account, and the subnets are looked at anyway.
                    if let Some(owner) = ranges::owner(aws, config).await {
                        return Ok(owner);
                    }
                    let id = aws.sts.get_caller_identity().send().await.during("GetCallerIdentity")?;
                    Ok(id.account.unwrap_or_default())
                }),
                Box::pin(image::images(aws, config)),
                Box::pin(async {
                    match (config.network.mode, config.zones.is_empty()) {
                        (Origin::Use, _) => network::used(aws, config).await.map(|(n, zones)| (Some(n), zones)),
                        (Origin::Create, true) => zones::ours(aws, config).await.map(|zones| (None, zones)),
                        (Origin::Create, false) => {
                            Ok((None, Zones { names: config.zones.clone(), ..Zones::default() }))
                        }
                    }
                }),
                Box::pin(async { Ok(fleets::slots(aws, config).await) }),
                Box::pin(async { Ok(has_older_cache(aws, config).await) }),
                Box::pin(async { Ok(names::existing(aws, config).await) }),
                Box::pin(async { Ok(ranges::ranges(aws, config).await.unwrap_or_default()) }),
                Box::pin(prefix_lists::ids(aws, config)),
                Box::pin(async { Ok(SetUp::load(aws, config, &name_in_account(aws, config, "database/main").await).await) }),
            )?;
        let Zones { names: zones, unfit, words } = zones;
        let (unfit, region) = (unfit.or(no_image).or(no_list), aws.region.clone());
        let sandbox = aws.endpoint.is_some();
        Ok(Self {
            account,
            region,
            sandbox,
            zones,
            images,
            identities: Identities::new(),
            network,
            ranges,
            standing: standing.names.clone(),
            claims: standing.claims.clone(),
            older: slots.older,
            present: slots.present,
            has_older_cache,
            prefix_lists,
            set_up,
            unfit,
            words,
        })
    }

    /// Returns the image of a service's instances.
    pub fn image(&self, service: &str) -> String {
        self.images.get(service).cloned().unwrap_or_default()
    }

    /// True if an older fleet may be the service's, so that it serves until the new one does.
    ///
    /// That is a fleet of the same name on another port, or one of the name that the service had. A fleet that is called
    /// after no service is taken over by the only service that has no fleet yet. If each has one, it belongs to a service
    /// that was taken out of the stack file.
    pub fn is_handed_over(&self, config: &Config, service: ServiceScope<'_>) -> bool {
        let is_port = |text: &str| text.parse::<u16>().is_ok();
        let is_of = |slot: &str, name: &str| {
            slot == name || slot.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')).is_some_and(is_port)
        };
        let has_own = |s: &ServiceScope<'_>| *s.identity() == Identity::Own && self.present.contains(&s.slot());
        let had = |slot: &str| match service.identity() {
            Identity::Former(name) if is_of(slot, name) => true,
            Identity::Unnamed => true,
            _ if has_own(&service) => false,
            _ => config.services().filter(|s| !has_own(s)).count() == 1,
        };
        let is_orphan = |slot: &str| !config.services().any(|other| is_of(slot, other.name));
        self.older.iter().any(|slot| is_of(slot, service.name) || is_orphan(slot) && had(slot))
    }

    /// Returns where the stack is, in words: an account and a region, with who names the region; or the sandbox.
    pub fn place(&self, region_by: &str) -> String {
        match self.sandbox {
            true => format!("the sandbox (nothing on AWS), region {}", self.region),
            false => format!("account {}, region {} ({region_by})", self.account, self.region),
        }
    }

    /// Returns the IPv4 ranges of the VPC.
    pub fn cidrs(&self, config: &Config) -> Vec<String> {
        self.network.as_ref().map_or_else(|| vec![config.network.cidr.clone()], |n| n.cidrs.clone())
    }

    /// Returns who is allowed to reach the load balancer, as security groups know them.
    pub fn http(&self, config: &Config) -> Vec<String> {
        self.sources(&config.allowed_http(self.cidrs(config)))
    }

    /// Returns these sources as security groups know them: ranges and the ids of prefix lists.
    pub fn sources(&self, list: &[String]) -> Vec<String> {
        let known = |source: &String| self.prefix_lists.get(source).unwrap_or(source).clone();
        list.iter().map(known).collect()
    }

    /// Returns stand-ins for the facts, for what is rendered without AWS.
    pub fn offline(config: &Config) -> Self {
        let zones = match config.zones.as_slice() {
            [] => ["a", "b"].map(|z| format!("{}{z}", config.region)).to_vec(),
            given => given.to_vec(),
        };
        let image = |service: ServiceScope<'_>| {
            let image = service.image.clone().unwrap_or_else(|| "(newest Amazon Linux 2023)".into());
            (service.name.to_owned(), image)
        };
        let network = (config.network.mode == Origin::Use).then(|| {
            let subnets: Vec<Subnet> = zones
                .iter()
                .map(|z| Subnet { id: format!("(subnet in {z})"), zone: z.clone(), cidr: "10.0.0.0/24".into() })
                .collect();
            Network {
                vpc: config.network.vpc.clone().unwrap_or_default(),
                cidrs: vec!["10.0.0.0/16".into()],
                public: subnets.clone(),
                instances: subnets.clone(),
                private: subnets,
            }
        });
        Self {
            account: "(account)".into(),
            region: config.region.clone(),
            sandbox: false,
            zones,
            images: config.services().map(image).collect(),
            identities: config.identities.clone(),
            network,
            ranges: vec![],
            standing: BTreeMap::new(),
            claims: vec![],
            older: vec![],
            has_older_cache: false,
            present: vec![],
            prefix_lists: BTreeMap::new(),
            set_up: SetUp::default(),
            unfit: None,
            words: vec![],
        }
    }
}

/// True if the stack has a cache of another sort than its file names, as far as the list of tagged objects shows.
async fn has_older_cache(aws: &Aws, config: &Config) -> bool {
    let is_older = |step: &String| CacheEngine::KEYS.contains(&&**step) && *step != config.cache.key();
    let tagged = tags::of_stack(aws, &config.name).await.unwrap_or_default();
    config.cache.mode == Mode::Create && tagged.values().filter_map(|t| t.get(aws.keys.step())).any(is_older)
}

/// True if a call got no answer: the account denies it, AWS throttles it, or the answer was lost.
fn unseen(e: &Error) -> bool {
    matches!(e.class(), Some(Class::Denied | Class::Throttled | Class::Lost))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_is_handed_over_to_the_service_that_had_its_name() {
        let beside = |services: &[&str], identities: &[(&str, Identity)], older: &str, present: &[&str]| {
            let table = |s: &&str| format!("[service.{s}]\nsource = \"https://a/b\"\n");
            let text: String = services.iter().map(table).collect();
            let text = format!("name = \"billing\"\nregion = \"us-east-1\"\n{text}");
            let mut config: Config = toml::from_str(&text).expect("a stack file");
            config.identities = identities.iter().map(|(name, identity)| ((*name).into(), identity.clone())).collect();
            let present = present.iter().map(|slot| (*slot).to_owned()).collect();
            let facts = Facts { older: vec![older.into()], present, ..Facts::offline(&config) };
            let heirs = config.services().filter(|s| facts.is_handed_over(&config, *s)).map(|s| s.name.to_owned());
            heirs.collect::<Vec<_>>().join(" ")
        };
        let heirs =
            |services: &[&str], identities: &[(&str, Identity)], older: &str| beside(services, identities, older, &[]);
        let former = |name: &str| Identity::Former(name.into());
        // Another port, another name.
        assert_eq!(heirs(&["api"], &[], "api-8080"), "api");
        assert_eq!(heirs(&["shop"], &[("shop", former("web"))], "web-8080"), "shop");
        // Where the keys could not be seen.
        assert_eq!(heirs(&["shop"], &[], "web"), "shop");
        assert_eq!(heirs(&["api", "shop"], &[("shop", former("web"))], "web"), "shop");
        assert_eq!(heirs(&["api", "web"], &[], "web-8080"), "web");
        assert_eq!(heirs(&["api", "web"], &[], "shop"), "", "it was taken out of the stack file");
        assert_eq!(beside(&["api"], &[], "web", &["api"]), "", "it was taken out of the stack file");
        assert_eq!(beside(&["api", "shop"], &[], "web", &["api"]), "shop");
        // A service that got its third name, and a hand-over that is resumed.
        assert_eq!(beside(&["api", "cart"], &[("cart", former("web"))], "shop", &["api"]), "cart");
        assert_eq!(beside(&["shop"], &[("shop", former("web"))], "web", &["shop"]), "shop");
    }
}
