//! What has to be looked up once before the stack can be wired: never created, never changed.
mod fit;
mod image;
mod network;
mod prefix_lists;
mod standing;
mod subnets;
mod zones;

pub(crate) use fit::claim;
pub use image::USED as IMAGE;
pub use network::{Network, Subnet};
pub use standing::{fleets, identities, steps_of};

use crate::{
    aws::{Aws, error::AwsResult, listing},
    config::{Config, ExistingSubnet, Identities, Origin, ServiceScope},
    error::{Class, Error, Result},
    set_up::SetUp,
};
use futures::future::join_all;
use standing::{name_in_account, older, ours, owner, ranges, said_ours};
use std::collections::BTreeMap;
use zones::Zones;

/// The facts of one account and region that a stack depends on.
#[derive(Clone, Debug)]
pub struct Facts {
    pub account: String,
    pub region: String,
    /// Whether it is not AWS, but the local emulator.
    pub sandbox: bool,
    /// The zones to use, in order.
    pub zones: Vec<String>,
    /// The image of each service's instances.
    pub images: BTreeMap<String, String>,
    /// The network to use, when it is not ours.
    pub network: Option<Network>,
    /// The ranges that are in use in our own network.
    pub ranges: Vec<ExistingSubnet>,
    /// The names under which steps stand, where the stack file wants others by now.
    pub standing: BTreeMap<String, String>,
    /// Objects that carry the tags of a step under another name than its own, where nothing else says that the stack has made
    /// them: the step, and their name.
    pub claims: Vec<(String, String)>,
    /// Under which keys the services' own steps exist.
    pub identities: Identities,
    /// Fleets of this stack from before a service got another name or port: they serve until the new one does.
    pub older: Vec<String>,
    /// The ids of the prefix lists that the stack file names.
    pub prefix_lists: BTreeMap<String, String>,
    /// Whether the database is set up.
    pub set_up: SetUp,
    /// Why nothing can be built. What stands is looked at and torn down all the same.
    pub unfit: Option<Error>,
    /// What there is to say to those who build: where a choice could have been better, had more been seen.
    pub words: Vec<String>,
}

/// The newest Amazon Linux 2023 for x86-64 [AWS 4.1].
const AMAZON_LINUX: &str = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";

impl Facts {
    /// Looks everything up, at once where it can.
    pub async fn gather(aws: &Aws, config: &Config) -> Result<Self> {
        let (facts, identities) = futures::join!(Box::pin(Self::look(aws, config)), standing::identities(aws, config));
        if identities == config.identities {
            return facts;
        }
        // Some steps exist under keys of another time. The answers are at hand by now.
        let mut config = config.clone();
        config.take_identities(identities.clone());
        Ok(Self { identities, ..Box::pin(Self::look(aws, &config)).await? })
    }

    async fn look(aws: &Aws, config: &Config) -> Result<Self> {
        let (account, (images, no_image), (network, zones), older, standing, ranges, (prefix_lists, no_list), set_up) =
            // Boxed: together they are more than the stack of a thread holds.
            futures::try_join!(
                Box::pin(async {
                    // Who owns what we made is us, and that is looked at anyway.
                    if let Some(owner) = owner(aws, config).await {
                        return Ok(owner);
                    }
                    let id = aws.sts.get_caller_identity().send().await.during("GetCallerIdentity")?;
                    Ok(id.account.unwrap_or_default())
                }),
                Box::pin(images(aws, config)),
                Box::pin(async {
                    match (config.network.mode, config.zones.is_empty()) {
                        (Origin::Use, _) => network::used(aws, config).await.map(|(n, zones)| (Some(n), zones)),
                        (Origin::Create, true) => zones::ours(aws, config).await.map(|zones| (None, zones)),
                        (Origin::Create, false) => {
                            Ok((None, Zones { names: config.zones.clone(), ..Zones::default() }))
                        }
                    }
                }),
                Box::pin(async { Ok(older(aws, config).await) }),
                Box::pin(async { Ok(standing::standing(aws, config).await) }),
                Box::pin(async { Ok(ranges(aws, config).await.unwrap_or_default()) }),
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
            older,
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

    /// True if an older fleet may be the service's: one of the same name on another port, or one that no service of the
    /// stack file is called after. It serves until the new one does.
    pub fn is_handed_over(&self, config: &Config, service: ServiceScope<'_>) -> bool {
        let is_port = |text: &str| text.parse::<u16>().is_ok();
        let is_of = |slot: &str, name: &str| {
            slot == name || slot.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')).is_some_and(is_port)
        };
        self.older
            .iter()
            .any(|slot| is_of(slot, service.name) || !config.services().any(|other| is_of(slot, other.name)))
    }

    /// Where the stack is, in words: an account and a region, with who names the region; or the sandbox.
    pub fn place(&self, region_by: &str) -> String {
        match self.sandbox {
            true => format!("the sandbox (nothing on AWS), region {}", self.region),
            false => format!("account {}, region {} ({region_by})", self.account, self.region),
        }
    }

    /// The IPv4 ranges of the VPC.
    pub fn cidrs(&self, config: &Config) -> Vec<String> {
        self.network.as_ref().map_or_else(|| vec![config.network.cidr.clone()], |n| n.cidrs.clone())
    }

    /// Those who may reach the stack, as security groups know them: ranges and the ids of prefix lists.
    pub fn sources(&self, list: &[String]) -> Vec<String> {
        let known = |source: &String| self.prefix_lists.get(source).unwrap_or(source).clone();
        list.iter().map(known).collect()
    }

    /// Stand-ins, for what is rendered without AWS.
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
            prefix_lists: BTreeMap::new(),
            set_up: SetUp::default(),
            unfit: None,
            words: vec![],
        }
    }
}

/// Whether this is no answer at all: the account does not let us look, or AWS did not get round to it.
fn unseen(e: &Error) -> bool {
    matches!(e.class(), Some(Class::Denied | Class::Throttled | Class::Lost))
}

/// The image of each service's instances, and why one of them was not seen.
async fn images(aws: &Aws, config: &Config) -> Result<(BTreeMap<String, String>, Option<Error>)> {
    let (mut images, mut not_seen) = (BTreeMap::new(), None);
    let looks = config.services().map(async |service| match &service.image {
        Some(id) => (service.name, Ok(id.clone())),
        None => (service.name, image(aws, config, service).await),
    });
    for (service, found) in join_all(looks).await {
        let id = match found {
            Err(e) if unseen(&e) => {
                not_seen = Some(e);
                "(not seen)".to_owned()
            }
            found => found?,
        };
        images.insert(service.to_owned(), id);
    }
    Ok((images, not_seen))
}

/// The image of the launch template that stands, so that a newer one does not replace the fleet in the middle of
/// an event; without one, the newest.
async fn image(aws: &Aws, config: &Config, service: ServiceScope<'_>) -> Result<String> {
    let name = name_in_account(aws, config, &service.key("launch-template")).await;
    let versions = match listing::template_versions(aws, &name).await {
        // The template's own step says so.
        Err(e) if unseen(&e) => Default::default(),
        other => other?,
    };
    for version in said_ours(&versions) {
        let image = version.launch_template_data().and_then(|d| d.image_id()).filter(|id| id.starts_with("ami-"));
        if let Some(id) = image
            && image::is_trusted(aws, config, id).await?
        {
            return Ok(id.into());
        }
    }
    let found = aws.ssm.get_parameter().name(AMAZON_LINUX).send().await.or_absent("GetParameter")?;
    found.and_then(|p| p.parameter?.value).ok_or_else(|| {
        Error::other(
            format!("the public SSM parameter {AMAZON_LINUX} is not available in {}", aws.region),
            "give an image under [service.NAME]: image = \"ami-…\"",
        )
    })
}
