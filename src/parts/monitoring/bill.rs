//! What monitoring costs: alarms and the dashboard.
use crate::{
    aws::listing,
    config::{Group, Switch},
    cost::{Account, Inventory, Item, Per, Plan, Thing},
    error::Result,
};
use futures::future::try_join_all;
use std::collections::BTreeSet;

/// So many alarms.
pub fn alarms(count: f64) -> Item {
    Item::new(Group::Monitoring, Thing::new("alarm", |p| Some(Per::Month.price(p.monitoring.alarm?))), count)
}

/// So many dashboards.
pub fn dashboards(count: f64) -> Item {
    Item::new(Group::Monitoring, Thing::new("dashboard", |p| Some(Per::Month.price(p.monitoring.dashboard?))), count)
}

/// The alarms and the dashboard that the stack file asks for.
pub fn planned(plan: &Plan<'_>) -> Vec<Item> {
    let monitoring = &plan.config.monitoring;
    if monitoring.mode != Switch::Create {
        return vec![];
    }
    vec![alarms(plan.alarms as f64), dashboards(f64::from(u8::from(monitoring.dashboard)))]
}

/// What exists of it, as far as it can be seen.
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

/// The stack's own alarms, and those that target tracking has made for its groups.
async fn count_alarms(account: &Account<'_>) -> Result<usize> {
    let Account { aws, config, alarms } = *account;
    let names: BTreeSet<&str> = alarms.iter().map(String::as_str).collect();
    // One call for all of the stack's, as other looks make it; a prescribed name may begin otherwise.
    let prefix = format!("{}-", config.name);
    let named = names.iter().filter(|name| !name.starts_with(&prefix)).map(|name| (*name).to_owned());
    let own = (!names.is_empty()).then(|| prefix.clone()).into_iter().chain(named);
    let own = own.map(async |prefix: String| listing::alarms(aws, &prefix).await);
    let tracking = account.fleets().into_iter().map(|fleet| format!("TargetTracking-{fleet}-"));
    let tracking = tracking.map(async |prefix: String| listing::alarms(aws, &prefix).await);
    let (own, tracking) = futures::try_join!(try_join_all(own), try_join_all(tracking))?;
    let own: BTreeSet<&str> = own.iter().flat_map(|some| some.iter()).filter_map(|alarm| alarm.alarm_name()).collect();
    Ok(own.intersection(&names).count() + tracking.iter().map(|some| some.len()).sum::<usize>())
}

async fn count_dashboards(account: &Account<'_>) -> Result<usize> {
    let monitoring = &account.config.monitoring;
    if monitoring.mode == Switch::Off || !monitoring.dashboard {
        return Ok(0);
    }
    let found = listing::dashboard(account.aws, &account.config.name_of("dashboard/main")).await?;
    Ok(usize::from(found.is_some()))
}
