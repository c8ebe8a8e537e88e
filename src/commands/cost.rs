//! `gameday cost`: what the stack costs, as planned and as it runs.
use super::{DONE, Failure, Outcome, Session, session};
use crate::{
    aws::{Aws, Target},
    cli::{CostArgs, Global, PricesArgs},
    config::{Config, Loaded},
    cost::{self, Bill, OneMore, Prices, Size, from_config, inventory},
    engine::{Class, Graph},
    facts::{self, Facts},
    live,
    output::{
        Printer,
        cost::{Bills, Cost, per_gb, saving as words, show},
        style::*,
    },
    parts::cdn::bill::saving,
    stack,
};

/// How many alarms target tracking creates for each policy: one above and one below the target.
const ALARMS_OF_A_POLICY: usize = 2;

/// Runs `gameday cost`.
pub async fn run(global: &Global, out: Printer, args: CostArgs) -> Outcome {
    let loaded = session::load(global, &out)?;
    let prices = prices(&args.prices, &out)?;
    let config = &loaded.config;
    let hours = hours(config, args.hours);

    // The plan needs no account: zones and image are stand-ins, and nothing is asked.
    let offline = Target { region: config.region.clone(), ..Target::default() };
    let facts = Facts::offline(config);
    let stack = stack::wire(&loaded, &facts, &Aws::connect(&offline).await).map_err(session::template)?;
    let items = |size| from_config(config, facts.zones.len(), alarms(&stack.graph), size);
    let bill = |size| Bill::of(&items(size), &prices, hours);
    let (min, desired, max) = (bill(Size::Min), bill(Size::Desired), bill(Size::Max));

    let there = if args.planned {
        None
    } else {
        let (target, _) = session::target(global, config, &out).await?;
        match session::reach(&target).await {
            Ok(aws) => {
                // The objects that exist can have earlier keys and names.
                let loaded = Loaded { config: facts::in_account(&aws, config).await, ..loaded.clone() };
                let stack = stack::wire(&loaded, &facts, &aws).map_err(session::template)?;
                let there = inventory::gather(&aws, &loaded.config, &own_alarms(&stack.graph, &loaded.config)).await?;
                Some(there).filter(|there| !there.is_empty())
            }
            // The planned cost needs no account.
            Err(Failure::Error(e)) if e.class() == Some(Class::Credentials) => {
                out.note(format!("{WARN}only as planned{RESET}: {e}"));
                None
            }
            Err(e) => return Err(e),
        }
    };
    let left_out = there.as_ref().map_or(vec![], |i| i.left_out.clone());
    let there = there.map(|i| i.items);
    let running = there.as_ref().map(|i| Bill::of(i, &prices, hours));
    let now = there.unwrap_or_else(|| items(Size::Desired));
    let more = one_more(config, &now, &prices, hours);
    let bills = Bills {
        min: (Size::Min.of(config), &min),
        desired: (Size::Desired.of(config), &desired),
        max: (Size::Max.of(config), &max),
        running: running.as_ref(),
    };
    let mut view = Cost::new(&config.name, &config.region, &prices, bills, &more);
    view.notes.extend(per_gb(prices.unit(), &cost::ways_out(config, facts.zones.len(), &prices)));
    view.notes.extend(saving(config, &prices).map(|s| words(prices.unit(), &s)));
    view.notes.extend(left_out);
    if stack.graph.nodes().any(|n| n.key().kind() == "scaling-policy") {
        view.notes.push(format!("{ALARMS_OF_A_POLICY} of the alarms are made by each target tracking policy"));
    }
    show(&out, &view);
    Ok(DONE)
}

/// Returns what the stack file would cost at its desired size, for the end of a plan of the whole stack.
pub(super) fn planned(session: &Session, prices: &Prices) -> Bill {
    let config = &session.loaded.config;
    let items = from_config(config, session.facts.zones.len(), alarms(&session.stack.graph), Size::Desired);
    Bill::of(&items, prices, hours(config, None))
}

/// Returns what each way out for private instances would cost.
pub(super) fn ways_out(session: &Session, prices: &Prices) -> Vec<cost::WayOut> {
    cost::ways_out(&session.loaded.config, session.facts.zones.len(), prices)
}

/// Returns what the running stack costs, by the hour and for the rest of the event; `None` if nothing runs.
pub(super) async fn running(session: &Session, prices: &Prices) -> crate::error::Result<Option<live::Cost>> {
    let config = &session.loaded.config;
    let there = inventory::gather(&session.aws, config, &own_alarms(&session.stack.graph, config)).await?;
    if there.is_empty() {
        return Ok(None);
    }
    let (items, hours) = (there.items, hours(config, None));
    let bill = Bill::of(&items, prices, hours);
    let more = one_more(config, &items, prices, hours);
    Ok(Some(live::Cost {
        unit: bill.unit.clone(),
        per_hour: bill.per_hour(),
        for_event: bill.for_event(),
        hours,
        one_more_per_minute: more.per_minute,
    }))
}

/// Returns what one more instance costs; of several services, one of the most expensive.
fn one_more(config: &Config, items: &[cost::Item], prices: &Prices, hours: f64) -> OneMore {
    let public = !config.has_private_instances();
    let each = config.services().map(|s| OneMore::of(items, &s.instance_type, public, prices, hours));
    each.max_by(|a, b| a.per_hour.total_cmp(&b.per_hour)).expect("a checked config has a service")
}

/// Loads the shipped prices, or those of a file. A mistake in the file is a mistake of usage.
pub(super) fn prices(args: &PricesArgs, out: &Printer) -> Result<Prices, Failure> {
    Prices::load(args.file.as_deref()).map_err(|e| Failure::file(&e, out))
}

fn hours(config: &Config, asked: Option<f64>) -> f64 {
    let now = jiff::Zoned::now();
    cost::hours(asked, config.traffic_at(&now), &now)
}

fn alarms(graph: &Graph) -> usize {
    let count = |kind| graph.nodes().filter(|n| n.key().kind() == kind).count();
    count("alarm") + count("scaling-policy") * ALARMS_OF_A_POLICY
}

fn own_alarms(graph: &Graph, config: &Config) -> Vec<String> {
    let ours = graph.nodes().filter(|n| n.key().kind() == "alarm");
    ours.map(|n| config.name_of(n.key().as_str())).collect()
}
