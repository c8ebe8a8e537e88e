//! The certificate at the end of a teardown.
use super::{Printer, line::Event, style::*};
use crate::{engine::Key, leftovers::Leftover};
use serde::Serialize;

/// The deleted objects, the objects that were searched and not found, and the leftovers.
#[derive(Serialize, schemars::JsonSchema)]
pub struct Certificate<'a> {
    pub stack: &'a str,
    /// The tag that shows the owner of an object.
    pub tag: &'a str,
    pub deleted: Vec<&'a Key>,
    pub absent: Vec<&'a Key>,
    /// Steps of groups outside the stack file that the account does not allow to look for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub denied: Vec<&'a Key>,
    pub kept: Vec<&'a Key>,
    /// True if the account allowed listing the objects with the stack's tag.
    pub listed: bool,
    pub left: Vec<Leftover>,
    /// Objects with names like the stack's, which were not touched.
    pub alike: Vec<Leftover>,
    /// Snapshots of the database that were requested.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<Leftover>,
    pub clean: bool,
}

pub fn show(out: &Printer, c: &Certificate<'_>) {
    if out.json() {
        return out.event(Event::Certificate(c));
    }
    let mut line = format!("{TITLE}{}{RESET}: {} deleted", c.stack, count(c.deleted.len(), "object"));
    if !c.absent.is_empty() {
        line += &format!(", {} already gone", c.absent.len());
    }
    if !c.kept.is_empty() {
        let kept: Vec<&str> = c.kept.iter().map(|k| k.as_str()).collect();
        line += &format!(", kept because only used: {}", kept.join(", "));
    }
    out.data(line);
    if !c.denied.is_empty() {
        let denied: Vec<&str> = c.denied.iter().map(|k| k.as_str()).collect();
        out.data(format!("  {DIM}the account does not allow looking for {}{RESET}", denied.join(", ")));
    }
    for l in &c.left {
        out.data(format!("  {BAD}left{RESET} {}: {}", l.what, l.why));
    }
    for l in &c.alike {
        out.data(format!("  {DIM}not touched: {} {}{RESET}", l.what, l.why));
    }
    for l in &c.snapshots {
        out.data(format!("  kept: {}, paid for until it is deleted", l.what));
        if let Some(command) = &l.command {
            out.data(format!("      {DIM}{}{RESET}", out.typed(command)));
        }
    }
    if c.clean && !c.listed {
        out.data(format!(
            "{GOOD}all steps are gone{RESET}; what else carries the tag {} = {} the account does not let us list \
             (tag:GetResources)",
            c.tag, c.stack
        ));
    } else if c.clean {
        out.data(format!("{GOOD}nothing is left that carries the tag {} = {}{RESET}", c.tag, c.stack));
    } else {
        let by_hand: Vec<&str> = c.left.iter().filter_map(|l| l.command.as_deref()).collect();
        if !by_hand.is_empty() {
            out.data(format!("{WARN}nothing holds these: delete them by hand once they are no longer needed:{RESET}"));
            by_hand.iter().for_each(|command| out.data(format!("  {}", out.typed(command))));
        }
        if c.left.iter().any(|l| l.passes) || c.left.is_empty() {
            out.data(format!("{WARN}run the same command again when what holds them is gone{RESET}"));
        }
    }
}
