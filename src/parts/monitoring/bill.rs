//! The cost of monitoring: alarms and the dashboard.
use super::prefixes;
use crate::{
    aws::listing,
    config::{Group, Switch},
    cost::{Account, Inventory, Item, Per, Plan, Thing},
    error::Result,
};
use futures::future::try_join_all;
use std::collections::BTreeSet;

/// Returns the cost item for `count` alarms.
pub fn alarms(count: f64) -> Item {
    Item::new(Group::Monitoring, Thing::new("alarm", |p| Some(Per::Month.price(p.monitoring.alarm?))), count)
}

/// Returns the cost item for `count` dashboards.
pub fn dashboards(count: f64) -> Item {
    Item::new(Group::Monitoring, Thing::new("dashboard", |p| Some(Per::Month.price(p.monitoring.dashboard?))), count)
}

/// Returns the cost items of the alarms and the dashboard that the stack file describes.
pub fn planned(plan: &Plan<'_>) -> Vec<Item> {
    let monitoring = &plan.config.monitoring;
    if monitoring.mode != Switch::Create {
        return vec![];
    }
    vec![alarms(plan.alarms as f64), dashboards(f64::from(u8::from(monitoring.dashboard)))]
}

/// Returns the cost items of the existing alarms and dashboard, with a note for each that could not be counted.
pub async fn running(account: &Account<'_>) -> Inventory {
    let (alarms, dashboards) = futures::join!(count_alarms(account), count_dashboards(account));
    let mut all = Inventory::default();
    for (what, item, count) in
        [("alarms", self::alarms(1.0), alarms), ("dashboards", self::dashboards(1.0), dashboards)]
    {
        match count {
            Ok(count) => all.items.extend(Item::counted(item.group, item.thing, count)),
            Err(e) => all.left_out.push(format!("{what} are not counted: {e}")),
        }
    }
    all
}

/// Returns the number of the stack's alarms.
///
/// Those that target tracking has created for the stack's Auto Scaling groups are included.
async fn count_alarms(account: &Account<'_>) -> Result<usize> {
    let Account { aws, config, alarms } = *account;
    let names: BTreeSet<&str> = alarms.iter().map(String::as_str).collect();
    let own = prefixes(&config.name, alarms).into_iter();
    let own = own.map(async |prefix: String| listing::alarms(aws, &prefix).await);
    let tracking = account.fleets().into_iter().map(|fleet| format!("TargetTracking-{fleet}-"));
    let tracking = tracking.map(async |prefix: String| listing::alarms(aws, &prefix).await);
    let (own, tracking) = futures::try_join!(try_join_all(own), try_join_all(tracking))?;
    let own: BTreeSet<&str> = own.iter().flat_map(|some| some.iter()).filter_map(|alarm| alarm.alarm_name()).collect();
    Ok(own.intersection(&names).count() + tracking.iter().map(|some| some.len()).sum::<usize>())
}

/// Returns the number of dashboards of the stack: 0 or 1.
async fn count_dashboards(account: &Account<'_>) -> Result<usize> {
    let monitoring = &account.config.monitoring;
    if monitoring.mode == Switch::Off || !monitoring.dashboard {
        return Ok(0);
    }
    let found = listing::dashboard(account.aws, &account.config.name_of("dashboard/main")).await?;
    Ok(usize::from(found.is_some()))
}
