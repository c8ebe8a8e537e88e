//! The cost of the database: its instance, its storage, and the extended support of an old version.
use crate::{
    aws::listing,
    config::{DatabaseEngine, Group, Mode},
    cost::{Account, Item, Per, Plan, Prices, Thing, UnitPrice},
    error::Result,
};

/// The properties of a database that determine its price.
pub struct Billed {
    pub class: String,
    pub multi_az: bool,
    pub storage_type: String,
    pub storage_gb: f64,
    /// The engine, if gameday knows it.
    pub engine: Option<DatabaseEngine>,
    pub version: String,
}

impl Billed {
    /// Returns the cost items.
    pub fn items(&self) -> Vec<Item> {
        let Self { class, multi_az, storage_type, .. } = self;
        let zones = if *multi_az { ", Multi-AZ" } else { "" };
        let mut things =
            vec![(instance(class, *multi_az, zones), 1.0), (storage(storage_type, *multi_az, zones), self.storage_gb)];
        if self.engine.is_some_and(|engine| engine.is_extended_support(&self.version)) {
            things.push((extended_support(class, *multi_az, zones), 1.0));
        }
        things.into_iter().map(|(thing, quantity)| Item::new(Group::Database, thing, quantity)).collect()
    }
}

/// Returns the factor by which a standby raises the price, 1 without one.
fn factor(prices: &Prices, multi_az: bool) -> Option<f64> {
    if multi_az { Some(prices.database.multi_az_factor?.0) } else { Some(1.0) }
}

fn instance(class: &str, multi_az: bool, zones: &str) -> Thing {
    let key = class.to_owned();
    Thing::new(format!("{class}{zones}"), move |p| {
        Some(Per::Hour.price(*p.database.class.get(&key)?).scaled(factor(p, multi_az)?))
    })
}

fn storage(storage_type: &str, multi_az: bool, zones: &str) -> Thing {
    let key = storage_type.to_owned();
    Thing::new(format!("GB of {storage_type} storage{zones}"), move |p| {
        Some(Per::GbMonth.price(*p.database.storage.get(&key)?).scaled(factor(p, multi_az)?))
    })
}

/// Returns the price of extended support.
///
/// AWS bills it for each vCPU, including those of the standby.
fn extended_support(class: &str, multi_az: bool, zones: &str) -> Thing {
    let key = class.to_owned();
    Thing::new(format!("vCPU of extended support ({class}{zones})"), move |p| {
        let price = Per::Hour.price(p.database.extended_support?);
        let vcpus = f64::from(*p.database.vcpus.get(&key)?);
        Some(UnitPrice { units: if multi_az { vcpus * 2.0 } else { vcpus }, ..price })
    })
}

/// Returns the cost items of the database that the stack file describes.
pub fn planned(plan: &Plan<'_>) -> Vec<Item> {
    let d = &plan.config.database;
    if d.mode != Mode::Create {
        return vec![];
    }
    let storage_gb = f64::from(d.storage_gb);
    let (class, version) = (d.class.clone(), d.engine_version().to_owned());
    Billed { class, multi_az: d.multi_az, storage_type: "gp3".into(), storage_gb, engine: Some(d.engine), version }
        .items()
}

/// Returns the cost items of the stack's own database, if it exists.
pub async fn running(account: &Account<'_>) -> Result<Vec<Item>> {
    if account.config.database.mode != Mode::Create {
        return Ok(vec![]);
    }
    let found = listing::database(account.aws, &account.config.name_of("database/main")).await?;
    let billed = found.map(|d| Billed {
        class: d.db_instance_class.unwrap_or_default(),
        multi_az: d.multi_az.unwrap_or_default(),
        storage_type: d.storage_type.unwrap_or_default(),
        storage_gb: d.allocated_storage.unwrap_or_default().into(),
        engine: d.engine.as_deref().and_then(DatabaseEngine::by_word),
        version: d.engine_version.unwrap_or_default(),
    });
    Ok(billed.map(|b| b.items()).unwrap_or_default())
}
