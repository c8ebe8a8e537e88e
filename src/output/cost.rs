//! The costs: a table by group, and what one more instance would have to earn.
use super::{Printer, style::*};
use crate::{
    config::Group,
    cost::{Bill, Line, OneMore, Per, Prices, WayOut},
    parts::cdn::bill::Saving,
    said,
};
use serde::Serialize;

/// The output of `cost -o json`. It is about the running stack, or about the plan if nothing runs.
#[derive(Serialize, schemars::JsonSchema)]
pub struct Cost<'a> {
    pub stack: &'a str,
    pub currency: &'a str,
    /// `running` or `planned`.
    pub of: &'static str,
    #[serde(serialize_with = "crate::cost::rounded")]
    pub per_hour: f64,
    pub for_event: ForEvent,
    pub groups: Vec<Row>,
    pub items: &'a [Line],
    pub unpriced: &'a [String],
    pub one_more_instance: &'a OneMore,
    /// The stack file's three sizes.
    pub planned: Vec<Planned>,
    /// The sources of the prices, and what they leave out.
    pub notes: Vec<String>,
    #[serde(skip)]
    pub bills: Bills<'a>,
}

#[derive(Clone, Copy, Serialize, schemars::JsonSchema)]
pub struct ForEvent {
    pub hours: f64,
    #[serde(serialize_with = "crate::cost::rounded")]
    pub amount: f64,
}

#[derive(Serialize, schemars::JsonSchema)]
pub struct Row {
    pub group: Group,
    #[serde(serialize_with = "crate::cost::rounded")]
    pub per_hour: f64,
    #[serde(serialize_with = "crate::cost::rounded")]
    pub for_event: f64,
}

#[derive(Serialize, schemars::JsonSchema)]
pub struct Planned {
    pub size: &'static str,
    pub instances: u32,
    #[serde(serialize_with = "crate::cost::rounded")]
    pub per_hour: f64,
    #[serde(serialize_with = "crate::cost::rounded")]
    pub for_event: f64,
}

/// The bills to show: the plan at its three sizes, and the running stack.
#[derive(Clone, Copy)]
pub struct Bills<'a> {
    pub min: (u32, &'a Bill),
    pub desired: (u32, &'a Bill),
    pub max: (u32, &'a Bill),
    pub running: Option<&'a Bill>,
}

impl<'a> Cost<'a> {
    pub fn new(
        stack: &'a str,
        region: &str,
        prices: &'a Prices,
        bills: Bills<'a>,
        one_more_instance: &'a OneMore,
    ) -> Self {
        let bill = bills.running.unwrap_or(bills.desired.1);
        let mut groups: Vec<Group> = bill.lines.iter().map(|l| l.group).collect();
        groups.dedup();
        let row = |group| {
            let (per_hour, for_event) = bill.group(group);
            Row { group, per_hour, for_event }
        };
        let planned =
            [("min", bills.min), ("desired", bills.desired), ("max", bills.max)].map(|(size, (instances, b))| {
                Planned { size, instances, per_hour: b.per_hour(), for_event: b.for_event() }
            });
        Self {
            stack,
            currency: prices.unit(),
            of: if bills.running.is_some() { "running" } else { "planned" },
            per_hour: bill.per_hour(),
            for_event: ForEvent { hours: bill.hours, amount: bill.for_event() },
            groups: groups.into_iter().map(row).collect(),
            items: &bill.lines,
            unpriced: &bill.unpriced,
            one_more_instance,
            planned: planned.into(),
            notes: notes(region, prices),
            bills,
        }
    }
}

fn notes(region: &str, prices: &Prices) -> Vec<String> {
    let mut notes = vec![];
    if prices.economy.is_some() {
        return notes;
    }
    if let (Some(of), Some(as_of)) = (&prices.region, &prices.as_of) {
        notes.push(format!("list prices of {of} as of {as_of}, on demand, without free tier, traffic and taxes"));
        if of != region {
            notes.push(format!("{region} has different prices: give them with --prices"));
        }
    }
    notes
}

/// Writes an amount such as `$0.139` or `8 points`, with as many digits as matter.
pub fn money(unit: &str, amount: f64) -> String {
    let digits = match amount.abs() {
        a if a == 0.0 || (a >= 1.0 && a.fract() == 0.0) => 0,
        1.0.. => 2,
        0.1..1.0 => 3,
        0.001..0.1 => 4,
        _ => 6,
    };
    in_unit(unit, format!("{amount:.digits$}"))
}

fn in_unit(unit: &str, number: String) -> String {
    // A sign is written before the number, a word after it.
    if unit.chars().any(char::is_alphanumeric) { format!("{number} {unit}") } else { format!("{unit}{number}") }
}

/// Returns the line at the end of a plan: `about $0.14/h, $0.84 for 6 h`.
pub fn line(bill: &Bill) -> String {
    let short = |amount: f64| match amount {
        a if a >= 0.01 && a.fract() > 0.0 => in_unit(&bill.unit, format!("{a:.2}")),
        a => money(&bill.unit, a),
    };
    let mut line =
        format!("about {}/h, {} for {} h", short(bill.per_hour()), short(bill.for_event()), number(bill.hours));
    if !bill.unpriced.is_empty() {
        line += &format!(", without {}", bill.unpriced.join("; "));
    }
    line
}

/// Returns the line at the end of a plan that compares the ways out for private instances.
pub fn ways_out(unit: &str, ways: &[WayOut]) -> Option<String> {
    let one = |w: &WayOut| {
        let (way, chosen) = match w.way.as_str() {
            "public" => ("public addresses", ""),
            way => (way, if w.chosen { " (chosen)" } else { "" }),
        };
        let per_gb = w.per_gb.map_or(String::new(), |a| format!(" and {} a GB", money(unit, a)));
        format!("{way} {}/h{per_gb}{chosen}", money(unit, w.per_hour))
    };
    let all: Vec<String> = ways.iter().map(one).collect();
    (!all.is_empty()).then(|| format!("ways out of the instances: {}", all.join("; ")))
}

/// Returns the line about what a distribution saves and costs.
pub fn saving(unit: &str, s: &Saving) -> String {
    let rest = 100 - s.repeated_percent.min(100);
    let mut line = format!(
        "of 100 requests CloudFront answers about {} and the instances {rest}, if as many repeat an earlier one as \
         cdn.repeated_percent assumes",
        s.repeated_percent
    );
    if let (Some(gb), Some(requests)) = (s.per_gb, s.per_10k_requests) {
        let free = match (s.free_gb, s.free_requests) {
            (Some(gb), Some(requests)) => {
                format!("free up to {} GB and {} million requests a month, then ", number(gb), number(requests / 1e6))
            }
            _ => String::new(),
        };
        let (gb, requests) = (money(unit, gb), money(unit, requests));
        line += &format!("; {free}{gb} a GB and {requests} for 10,000 requests, not counted here");
    }
    line
}

/// Returns the note that traffic is billed too, by an amount that nobody knows before.
pub fn per_gb(unit: &str, ways: &[WayOut]) -> Option<String> {
    let chosen = ways.iter().find(|w| w.chosen)?;
    Some(format!(
        "{} for each GB that leaves by the way out ({}) is not counted",
        money(unit, chosen.per_gb?),
        chosen.way
    ))
}

/// A bill in three numbers.
#[derive(Serialize, schemars::JsonSchema)]
pub struct Brief<'a> {
    currency: &'a str,
    #[serde(serialize_with = "crate::cost::rounded")]
    per_hour: f64,
    for_event: ForEvent,
    unpriced: &'a [String],
}

/// Serializes a bill as three numbers for scripts.
pub fn brief<S: serde::Serializer>(bill: &Option<Bill>, to: S) -> Result<S::Ok, S::Error> {
    let brief = |b: &'_ Bill| ForEvent { hours: b.hours, amount: b.for_event() };
    bill.as_ref()
        .map(|b| Brief { currency: &b.unit, per_hour: b.per_hour(), for_event: brief(b), unpriced: &b.unpriced })
        .serialize(to)
}

/// Writes a number such as `6`, `1.5` or `0.73`.
fn number(n: f64) -> String {
    let text = format!("{n:.2}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

/// A row of the table: item, unit price, then number and amount as planned and as running.
struct Cells(String, String, [String; 4], bool);

pub fn show(out: &Printer, view: &Cost<'_>) {
    if out.json() {
        return out.line(view);
    }
    text(view).lines().for_each(|line| out.data(line));
}

/// Returns the table as text.
pub fn text(view: &Cost<'_>) -> String {
    let unit = view.currency;
    let (planned, running) = (view.bills.desired.1, view.bills.running);
    let every = || planned.lines.iter().chain(running.iter().flat_map(|b| &b.lines));
    // All numbers have the same precision, so that the columns are easy to compare.
    let whole = every().all(|l| l.per_hour.fract() == 0.0 && l.for_event.fract() == 0.0);
    let digits = if whole { 0 } else { 4 };
    let amount = |a: f64| if a > 0.0 { in_unit(unit, format!("{a:.digits$}")) } else { "-".into() };
    let sums = |of: &dyn Fn(&Bill) -> f64| {
        [String::new(), amount(of(planned)), String::new(), running.map(|b| amount(of(b))).unwrap_or_default()]
    };
    let now = if running.is_some() { "running" } else { "" };
    let heads = [String::new(), "planned".into(), String::new(), now.into()];
    let mut rows = vec![Cells("per hour".into(), "each".into(), heads, true)];
    let mut groups: Vec<Group> = every().map(|l| l.group).collect();
    groups.sort();
    groups.dedup();
    for group in groups {
        rows.push(Cells(group.to_string(), String::new(), sums(&|b| b.group(group).0), true));
        let mut seen: Vec<&Line> = vec![];
        for l in every().filter(|l| l.group == group) {
            if seen.iter().any(|s| same(s, l)) {
                continue;
            }
            seen.push(l);
            let cell = |b: &Bill| match b.lines.iter().find(|x| same(x, l)) {
                Some(x) => [number(x.quantity), amount(x.per_hour)],
                None => ["-".into(), "-".into()],
            };
            let ([a, b], [c, d]) = (cell(planned), running.map(cell).unwrap_or_default());
            rows.push(Cells(format!("  {}", said::line(&l.what)), each(unit, l), [a, b, c, d], false));
        }
    }
    rows.push(Cells("all".into(), String::new(), sums(&Bill::per_hour), true));
    rows.push(Cells(format!("for {} h", number(planned.hours)), String::new(), sums(&Bill::for_event), true));
    let mut text = table(&rows);

    let (min, max) = (view.bills.min, view.bills.max);
    let at = |(n, b): (u32, &Bill)| format!("{n} → {}/h", money(unit, b.per_hour()));
    text += &format!("\n{DIM}instances: min {}, max {}{RESET}\n", at(min), at(max));
    text += &one_more(unit, view.one_more_instance, view.for_event.hours);
    for what in view.unpriced.iter().map(|w| said::line(w)) {
        text += &format!("{WARN}no price for {what}{RESET}: left out of the sums; --prices FILE can give one\n");
    }
    for note in &view.notes {
        text += &format!("{DIM}{note}{RESET}\n");
    }
    text
}

fn same(a: &Line, b: &Line) -> bool {
    a.group == b.group && a.what == b.what && a.unit_price == b.unit_price
}

fn each(unit: &str, l: &Line) -> String {
    let price = money(unit, l.unit_price);
    match l.per {
        Per::Hour => format!("{price}/h"),
        Per::GbMonth | Per::Month => format!("{price}/month"),
        Per::Quantum(minutes) => format!("{price}/{minutes} min"),
    }
}

fn one_more(unit: &str, more: &OneMore, hours: f64) -> String {
    if !more.unpriced.is_empty() {
        return String::new();
    }
    let m = |amount| money(unit, amount);
    format!(
        "one more {}: {}/h, {} for {} h, {} at least; it must earn more than {TITLE}{} a minute{RESET}\n",
        said::line(&more.instance_type),
        m(more.per_hour),
        m(more.for_event),
        number(hours),
        m(more.at_least),
        m(more.per_minute),
    )
}

/// Lays out the columns with their least widths, numbers to the right.
fn table(rows: &[Cells]) -> String {
    let widest = |of: &dyn Fn(&Cells) -> &str| rows.iter().map(|r| of(r).chars().count()).max().unwrap_or(0);
    let (a, b) = (widest(&|r| &r.0), widest(&|r| &r.1));
    let columns = [0, 1, 2, 3].map(|i| widest(&|r| &r.2[i]));
    let mut text = String::new();
    for Cells(what, each, cells, title) in rows {
        let mut line = format!("{what:<a$}  {each:>b$}");
        for (i, (cell, wide)) in cells.iter().zip(columns).enumerate() {
            // The number is close to its amount.
            let gap = if i % 2 == 0 { "   " } else { "  " };
            line += &format!("{gap}{cell:>wide$}");
        }
        let line = line.trim_end();
        text += &if *title { format!("{TITLE}{line}{RESET}\n") } else { format!("{line}\n") };
    }
    text
}

#[cfg(test)]
mod tests;
