//! The inventory: what exists in the account and is billed. Each part reads its own objects, all of them at the same
//! time.
//!
//! The parts read through [`crate::aws::listing`], so that a look at the stack at the same time asks AWS nothing twice.
use super::Item;
use crate::{
    aws::Aws,
    config::Config,
    engine::Tags,
    error::Result,
    parts::{access, balancer, cache, database, files, monitoring, network, service},
};

/// The objects of a stack that exist and are billed.
#[derive(Clone, Default)]
pub struct Inventory {
    pub items: Vec<Item>,
    /// What could not be read and is therefore not counted, with the reason.
    pub left_out: Vec<String>,
}

impl Inventory {
    /// True if nothing of the stack exists.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// The account that the parts read.
pub struct Account<'a> {
    pub aws: &'a Aws,
    pub config: &'a Config,
    /// The names of the stack's own alarms.
    pub alarms: &'a [String],
}

impl Account<'_> {
    /// Returns the names of the services' Auto Scaling groups.
    pub fn fleets(&self) -> Vec<String> {
        self.config.services().map(|service| self.config.name_of(&service.key("auto-scaling-group"))).collect()
    }

    /// True if these tags are the stack's.
    pub fn owns(&self, tags: &Tags) -> bool {
        tags.get(self.aws.keys.stack()) == Some(&self.config.name)
    }
}

/// Reads everything that is billed. `alarms` are the names of the stack's own alarms.
pub async fn gather(aws: &Aws, config: &Config, alarms: &[String]) -> Result<Inventory> {
    let account = &Account { aws, config, alarms };
    // Alarms cost cents: if they cannot be read, the rest is still reported.
    let monitoring = async { Ok(monitoring::bill::running(account).await) };
    let images = async { Ok(service::bill::images(account).await) };
    let (fleets, network, endpoints, balancer, database, cache, files, images, monitoring) = futures::try_join!(
        service::bill::running(account),
        network::bill::running(account),
        access::bill::running(account),
        balancer::bill::running(account),
        database::bill::running(account),
        cache::bill::running(account),
        files::bill::running(account),
        images,
        monitoring,
    )?;
    let items = [fleets, images.items, network, endpoints, balancer, database, cache, files, monitoring.items].concat();
    let left_out = [images.left_out, monitoring.left_out].concat();
    Ok(Inventory { items, left_out })
}
