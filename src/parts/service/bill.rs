//! The cost of the fleets: instances and their disks.
use crate::{
    aws::{Aws, error::AwsResult, listing},
    bake,
    config::Group,
    cost::{Account, Inventory, Item, Per, Plan, Thing},
    error::Result,
    parts::network::bill::addresses,
};
use aws_sdk_ec2::types::{Filter, Volume};
use jiff::Timestamp;
use std::time::Duration;

/// The size in GB of the root disk of Amazon Linux 2023, which the launch template does not change.
const ROOT_DISK: f64 = 8.0;

/// Returns the cost item of an instance that has been running for `age`.
pub fn instance(instance_type: &str, spot: bool, age: Duration) -> Item {
    let name = format!("{instance_type}{}", if spot { ", Spot" } else { "" });
    let key = instance_type.to_owned();
    let thing = Thing::new(name, move |p| {
        let list = if spot { &p.spot } else { &p.instance };
        Some(Per::Hour.price(*list.get(&key)?))
    });
    Item { age, ..Item::new(Group::Fleet, thing.of_instance(instance_type), 1) }
}

/// Returns the cost item of a disk of this volume type.
pub fn disk(volume_type: &str, gb: f64) -> Item {
    let key = volume_type.to_owned();
    let thing = Thing::new(format!("GB of {volume_type} disk"), move |p| Some(Per::GbMonth.price(*p.disk.get(&key)?)));
    Item::new(Group::Fleet, thing, gb)
}

/// Returns the cost items of a new instance: the instance, its disk, and its address if it is public.
pub fn with_disk(instance_type: &str, spot: bool, public: bool) -> Vec<Item> {
    let mut all = vec![instance(instance_type, spot, Duration::ZERO), disk("gp3", ROOT_DISK)];
    all.extend(public.then(|| addresses(1.0)));
    all
}

/// Returns the cost items of the fleets that the stack file describes.
pub fn planned(plan: &Plan<'_>) -> Vec<Item> {
    let public = !plan.config.has_private_instances();
    let mut items = vec![];
    for service in plan.config.services() {
        let count = plan.size.of_service(service.table);
        let on_demand = service.spot.as_ref().map_or(count, |s| {
            let rest = count.saturating_sub(s.on_demand_base);
            // Auto Scaling rounds in favour of On-Demand instances.
            s.on_demand_base.min(count) + (rest * s.on_demand_percent).div_ceil(100)
        });
        for n in 0..count {
            items.extend(with_disk(&service.instance_type, n >= on_demand, public));
        }
    }
    items
}

/// Returns the cost items of the existing instances and their disks.
pub async fn running(account: &Account<'_>) -> Result<Vec<Item>> {
    let all = listing::fleet_instances(account.aws, &account.fleets()).await?;
    let mut items: Vec<Item> = all.iter().map(billed).collect();
    items.extend(disks(account.aws, all.iter().filter_map(|i| i.instance_id())).await?);
    Ok(items)
}

/// Returns the cost items of baked images. Their snapshots have at most the size of the disks.
pub async fn images(account: &Account<'_>) -> Inventory {
    match bake::images(account.aws, &account.config.name).await {
        Ok(all) => {
            let gb: i32 = all.iter().map(|image| image.gigabytes).sum();
            let thing = Thing::new("GB of snapshots", |p| Some(Per::GbMonth.price(*p.disk.get("snapshot")?)));
            let items = (gb > 0).then(|| Item::new(Group::Launch, thing, f64::from(gb)));
            Inventory { items: items.into_iter().collect(), ..Inventory::default() }
        }
        Err(e) => Inventory { left_out: vec![format!("baked images are not counted: {e}")], ..Inventory::default() },
    }
}

/// Returns the cost item of an existing instance.
fn billed(i: &aws_sdk_ec2::types::Instance) -> Item {
    let launched = i.launch_time().and_then(|t| Timestamp::from_second(t.secs()).ok());
    let age = launched.and_then(|t| Timestamp::now().duration_since(t).try_into().ok()).unwrap_or_default();
    let instance_type = i.instance_type().map(|t| t.as_str()).unwrap_or_default();
    instance(instance_type, i.instance_lifecycle().is_some_and(|l| l.as_str() == "spot"), age)
}

/// Returns the cost items of the disks of these instances.
async fn disks(aws: &Aws, instances: impl Iterator<Item = &str>) -> Result<Vec<Item>> {
    let instances: Vec<String> = instances.map(str::to_owned).collect();
    let mut disks = vec![];
    // AWS accepts at most 200 values in a filter.
    for some in instances.chunks(200) {
        let filter = Filter::builder().name("attachment.instance-id").set_values(Some(some.to_vec())).build();
        let pages = aws.ec2.describe_volumes().filters(filter).into_paginator().items().send();
        let all: Vec<Volume> = pages.try_collect().await.during("DescribeVolumes")?;
        let volume_type = |v: &Volume| v.volume_type().map(|t| t.as_str().to_owned()).unwrap_or_default();
        disks.extend(all.iter().map(|v| disk(&volume_type(v), f64::from(v.size().unwrap_or_default()))));
    }
    Ok(disks)
}
