//! The findings about the members of the Auto Scaling group: states, instance profile, and distribution over the zones.
use super::{launch, replacement};
use crate::{
    config::Mode,
    diagnose::{Draft, Drafts, UP, View, names, replace},
    shell::command,
    snapshot::AutoScalingGroup,
};
use std::collections::BTreeSet;

/// Adds the findings about the members.
pub(super) fn members(view: &View<'_>, g: &AutoScalingGroup, hop: &mut Drafts) {
    let s = view.s;
    let members = view.members();
    let calm = |d: Draft| d.weak_if(view.serves());
    let with_state = |states: &[&str]| -> Vec<&str> {
        let all = members.iter().filter_map(|m| view.instance(&m.id));
        all.filter(|i| states.contains(&i.state.as_str())).map(|i| i.id.as_str()).collect()
    };
    let stopped = with_state(&["stopped", "stopping"]);
    if !stopped.is_empty() {
        let why = view.instance(stopped[0]).and_then(|i| i.state_reason.clone()).unwrap_or_default();
        hop.push(calm(
            Draft::new(
                "instance-stopped",
                "instances of the Auto Scaling group are stopped",
                format!("{} {why}", names(&stopped)).trim().to_owned(),
                (replace(&stopped), "the group does so by itself within minutes"),
            )
            .trying(),
        ));
    }
    let gone = with_state(&["terminated", "shutting-down"]);
    if !gone.is_empty() {
        hop.push(calm(
            Draft::new(
                "instance-terminated",
                "instances were terminated; the Auto Scaling group replaces them",
                names(&gone),
                UP,
            )
            .waiting(),
        ));
    }
    let standby: Vec<&str> =
        members.iter().filter(|m| m.lifecycle.contains("Standby")).map(|m| m.id.as_str()).collect();
    if !standby.is_empty() {
        hop.push(calm(Draft::new(
            "instance-standby",
            "instances are in standby: they get no requests",
            names(&standby),
            command!("aws autoscaling exit-standby --auto-scaling-group-name {} --instance-ids {}", g.name, standby),
        )));
    }
    let held: Vec<&str> = members.iter().filter(|m| m.lifecycle.ends_with(":Wait")).map(|m| m.id.as_str()).collect();
    if !held.is_empty() {
        hop.push(calm(Draft::new(
            "instance-hook",
            "a foreign lifecycle hook delays instances",
            format!("{} in {}", names(&held), members.iter().find(|m| m.id == held[0]).map_or("", |m| &m.lifecycle)),
            (
                command!("aws autoscaling describe-lifecycle-hooks --auto-scaling-group-name {}", g.name),
                "then aws autoscaling delete-lifecycle-hook",
            ),
        )));
    }
    // A failed launch is a finding of its own, which says more.
    let failed = launch::activities(view, g).is_some();
    let pending: Vec<&str> = members.iter().filter(|m| m.lifecycle == "Pending").map(|m| m.id.as_str()).collect();
    let short = g.desired - members.len() as i32;
    if !pending.is_empty() || (short > 0 && !failed && !g.suspended.iter().any(|p| p == "Launch")) {
        let evidence = format!("{} pending, {} more desired", pending.len(), short.max(0));
        hop.push(calm(
            Draft::new(
                "fleet-launching",
                "instances are being launched",
                evidence,
                ("gameday status --watch", "it takes about a minute"),
            )
            .waiting(),
        ));
    }
    if s.expected.iam != Mode::Off {
        let wanted = s.expected.names.profile.as_deref();
        let without: Vec<&str> =
            view.alive().iter().filter(|i| i.profile.as_deref() != wanted).map(|i| i.id.as_str()).collect();
        if let Some(first) = without.first() {
            let found = view.instance(first).and_then(|i| i.profile.clone()).unwrap_or_else(|| "none".into());
            let wanted = wanted.unwrap_or_default();
            hop.push(calm(Draft::new(
                "instance-profile",
                "instances do not have their instance profile: they cannot read the passwords",
                format!("{}: {found} instead of {wanted}", names(&without)),
                replacement(view, &without),
            )));
        }
    }
    profile(view, hop);
    spread(view, hop);
}

/// Returns the finding for copies of the service that give no good answer to the proxy before them.
///
/// The header that says so is an instance's that answered; it does not say which one.
pub(super) fn copies(view: &View<'_>) -> Option<Draft> {
    let answers: Vec<_> = view.s.probe.answers.iter().filter(|a| !a.copies.is_empty()).collect();
    let down: BTreeSet<u32> = answers.iter().flat_map(|a| a.copies_down()).collect();
    if down.is_empty() {
        return None;
    }
    let seen = answers.iter().filter(|a| !a.copies_down().is_empty()).count();
    let which = down.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let fix = ("gameday logs --since 10m", "a copy that dies or hangs is started again by itself");
    let evidence = format!("copy {which} is down in {seen} of {} answers", answers.len());
    Some(Draft::new("copy-down", "some copies of the service do not answer; the others do", evidence, fix).weak())
}

/// Judges the instance profile.
///
/// Running instances notice its loss within hours, new ones at once.
fn profile(view: &View<'_>, hop: &mut Drafts) {
    let s = view.s;
    let (Some(found), Some(name)) = (&s.profile, &s.expected.names.profile) else { return };
    let (rule, cause) = match (found.exists, &found.role) {
        (true, Some(_)) => return,
        (true, None) => ("profile-without-role", "the instance profile has no role: instances have no permissions"),
        (false, _) => ("profile-missing", "the instance profile is gone: no instance can be launched with it"),
    };
    let evidence = format!("GetInstanceProfile {name}: {}", if found.exists { "no role" } else { "there is none" });
    hop.push(Draft::new(rule, cause, evidence, UP).weak_if(view.serves()));
}

/// Judges the distribution over the zones, which decides what the loss of a zone costs.
fn spread(view: &View<'_>, hop: &mut Drafts) {
    let s = view.s;
    let members: Vec<_> = view.members().into_iter().filter(|m| m.lifecycle == "InService").collect();
    if members.is_empty() || s.expected.zones.len() < 2 {
        return;
    }
    let count = |zone: &str| members.iter().filter(|m| m.zone == zone).count();
    let empty: Vec<&String> = s.expected.zones.iter().filter(|z| count(z) == 0).collect();
    let said = s.expected.zones.iter().map(|z| format!("{z} {}", count(z))).collect::<Vec<_>>().join(", ");
    if !empty.is_empty() && members.len() > 1 {
        let cause = format!("no instance serves in {}", names(&empty));
        hop.push(
            Draft::new("zone-empty", cause, said, (UP, "the Auto Scaling group rebalances the zones by itself")).weak(),
        );
    } else if let (Some(most), Some(least)) =
        (s.expected.zones.iter().map(|z| count(z)).max(), s.expected.zones.iter().map(|z| count(z)).min())
        && most > least + 1
    {
        hop.push(
            Draft::new(
                "zone-imbalance",
                "the instances are spread unevenly over the zones",
                said,
                ("gameday status --watch", "the Auto Scaling group rebalances the zones by itself (AZRebalance)"),
            )
            .weak(),
        );
    }
}
