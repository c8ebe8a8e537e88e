//! What has to be looked up once before the stack can be wired: never created, never changed.
pub mod image;
mod network;
mod standing;
mod zones;

pub use network::{Network, Subnet};
pub use standing::{fleets, steps_of};

use crate::{
    aws::{Aws, error::AwsResult, listing},
    config::{Config, Origin, Standing},
    error::{Error, Result},
};
use network::existing;
use standing::{name_in_account, older, ours, owner, ranges};
use std::collections::BTreeMap;
use zones::zones;

/// The facts of one account and region that a stack depends on.
#[derive(Clone, Debug)]
pub struct Facts {
    pub account: String,
    pub region: String,
    /// The zones to use, in order.
    pub zones: Vec<String>,
    /// The image of the instances.
    pub image: String,
    /// The network to use, when it is not ours.
    pub network: Option<Network>,
    /// The ranges that are in use in our own network.
    pub ranges: Vec<Standing>,
    /// The names under which steps stand, where the stack file wants others by now.
    pub standing: BTreeMap<String, String>,
    /// Fleets of this stack from before the service got another name or port: they serve until the new one does.
    pub older: Vec<String>,
}

/// The newest Amazon Linux 2023 for x86-64 (aws-facts 4.1).
const AMAZON_LINUX: &str = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";

impl Facts {
    /// Looks everything up, at once where it can.
    pub async fn gather(aws: &Aws, config: &Config) -> Result<Self> {
        let (_, service) = config.service();
        let (account, image, network, found, older, standing, ranges) = futures::try_join!(
            async {
                // Who owns what we made is us, and that is looked at anyway.
                if let Some(owner) = owner(aws, config).await {
                    return Ok(owner);
                }
                let id = aws.sts.get_caller_identity().send().await.during("GetCallerIdentity")?;
                Ok(id.account.unwrap_or_default())
            },
            async {
                match &service.image {
                    Some(id) => Ok(id.clone()),
                    None => image(aws, config).await,
                }
            },
            async {
                match config.network.mode {
                    Origin::Use => existing(aws, config.network.vpc.as_deref().unwrap_or("default")).await.map(Some),
                    Origin::Create => Ok(None),
                }
            },
            async {
                match (config.network.mode, config.zones.is_empty()) {
                    (Origin::Create, true) => zones(aws, config).await,
                    _ => Ok(config.zones.clone()),
                }
            },
            async { Ok(older(aws, config).await) },
            async { Ok(standing::standing(aws, config).await.as_ref().clone()) },
            async { Ok(ranges(aws, config).await.unwrap_or_default()) },
        )?;
        let (zones, network) = match network {
            None => (found, None),
            Some(there) => {
                let zones = match found.is_empty() {
                    true => there.zones_to_build_in(aws, config).await?,
                    false => found,
                };
                let network = there.network(aws, config, &zones).await?;
                let zones = match network.unfit {
                    None => zones,
                    Some(_) => network.public.iter().map(|s| s.zone.clone()).collect(),
                };
                (zones, Some(network))
            }
        };
        Ok(Self { account, region: aws.region.clone(), zones, image, network, ranges, standing, older })
    }

    /// For those who build: whether the network to use is one that can be built in.
    pub fn fit(&self) -> Result<()> {
        self.network.as_ref().and_then(|n| n.unfit.clone()).map_or(Ok(()), Err)
    }

    /// Stand-ins, for what is rendered without AWS.
    pub fn offline(config: &Config) -> Self {
        let zones = match config.zones.as_slice() {
            [] => ["a", "b"].map(|z| format!("{}{z}", config.region)).to_vec(),
            given => given.to_vec(),
        };
        let (_, service) = config.service();
        let network = (config.network.mode == Origin::Use).then(|| {
            let subnets: Vec<Subnet> = zones
                .iter()
                .map(|z| Subnet { id: format!("(subnet in {z})"), zone: z.clone(), cidr: "10.0.0.0/24".into() })
                .collect();
            Network {
                vpc: config.network.vpc.clone().unwrap_or_default(),
                cidr: "10.0.0.0/16".into(),
                public: subnets.clone(),
                private: subnets.clone(),
                instances: subnets,
                unfit: None,
            }
        });
        Self {
            account: "(account)".into(),
            region: config.region.clone(),
            zones,
            image: service.image.clone().unwrap_or_else(|| "(newest Amazon Linux 2023)".into()),
            network,
            ranges: vec![],
            standing: BTreeMap::new(),
            older: vec![],
        }
    }
}

/// The image of the launch template that stands, so that a newer one does not replace the fleet in the middle of
/// an event; without one, the newest.
async fn image(aws: &Aws, config: &Config) -> Result<String> {
    let (service, _) = config.service();
    let key = format!("launch-template/{service}");
    let name = name_in_account(aws, config, &key).await;
    let versions = listing::template_versions(aws, &name).await?;
    let standing = ours(&versions)
        .and_then(|v| v.launch_template_data()?.image_id().map(str::to_owned))
        .filter(|id| id.starts_with("ami-"));
    if let Some(id) = standing {
        return Ok(id);
    }
    let found = aws.ssm.get_parameter().name(AMAZON_LINUX).send().await.or_absent("GetParameter")?;
    found.and_then(|p| p.parameter?.value).ok_or_else(|| {
        Error::other(
            format!("the public SSM parameter {AMAZON_LINUX} is not to be had in {}", aws.region),
            "give an image under [service.NAME]: image = \"ami-…\"",
        )
    })
}
