//! The findings about the instances: the Auto Scaling group, launches, security groups, ways out, and the boot.
pub(crate) mod boot;
mod group;
mod instances;
mod launch;
mod refusal;
mod security;
pub(crate) mod target;

use crate::{
    diagnose::{Draft, Fix, Hop, HopName, State, UP, View, Zone, replace},
    parts::network,
    shell::command,
    snapshot::{AutoScalingGroup, Part},
};

/// Returns the hop of the instances.
pub(crate) fn hop(view: &View<'_>) -> Hop {
    let s = view.s;
    let mut hop = Draft::hop();
    let name = &s.expected.names.auto_scaling_group;
    let Some(g) = &s.auto_scaling_group else {
        if s.saw(Part::AutoScalingGroup) {
            hop.push(Draft::new(
                "fleet-missing",
                format!("there is no Auto Scaling group {name}"),
                "no Auto Scaling group has this name, so no instance is launched",
                UP,
            ));
        }
        return hop.done(
            HopName::Instances,
            s.saw(Part::AutoScalingGroup),
            view.absent(Part::AutoScalingGroup, format!("no Auto Scaling group {name}")),
        );
    };
    group::settings(view, g, &mut hop);
    hop.extend(launch::template(view, g));
    hop.extend(launch::activities(view, g));
    if view.saw_groups() {
        security::groups(view, &mut hop);
    }
    network::judge::of_fleet(view, g, &mut hop);
    network::judge::name_servers(view, &mut hop);
    instances::members(view, g, &mut hop);
    for beacon in view.beacons() {
        hop.extend(boot::finding(view, beacon));
    }
    hop.extend(instances::copies(view));
    let in_service = g.members.iter().filter(|m| m.lifecycle == "InService").count();
    let evidence =
        format!("{}: {in_service} in service of {} wanted (min {}, max {})", g.name, g.desired, g.min, g.max);
    let mut hop = hop.done(HopName::Instances, s.saw(Part::AutoScalingGroup) && s.saw(Part::Instances), evidence);
    hop.zones = zones(view, g);
    // The group reports members in service, but no zone has a healthy target. The hop is bad, whatever the cause.
    if hop.state == State::Good && s.saw_targets() && hop.zones.iter().all(|z| z.state == State::Bad) {
        hop.state = State::Bad;
    }
    hop
}

/// Returns the repair that replaces these instances, which no step of the stack does.
///
/// If it concerns all instances that serve, the group replaces them one after the other.
fn replacement(view: &View<'_>, ids: &[&str]) -> Fix {
    let all = view.serves() && ids.len() >= view.healthy();
    match view.s.auto_scaling_group.as_ref().filter(|_| all) {
        Some(g) => (
            command!("aws autoscaling start-instance-refresh --auto-scaling-group-name {}", g.name),
            "one after the other, so that requests are still served",
        )
            .into(),
        None => (replace(ids), "the group launches new ones instead").into(),
    }
}

/// Returns the state of each zone of the stack file and of the group's members.
fn zones(view: &View<'_>, g: &AutoScalingGroup) -> Vec<Zone> {
    let mut all: Vec<String> = view.s.expected.zones.clone();
    all.extend(g.members.iter().map(|m| m.zone.clone()));
    all.sort();
    all.dedup();
    all.into_iter().map(|zone| one_zone(view, g, zone)).collect()
}

/// Returns the state of one zone, which is the worst of its members.
fn one_zone(view: &View<'_>, g: &AutoScalingGroup, zone: String) -> Zone {
    let members: Vec<_> = g.members.iter().filter(|m| m.zone == zone).collect();
    if members.is_empty() {
        return Zone { zone, state: State::Weak, evidence: "no instance".into() };
    }
    let beacons = view.beacons();
    let mut states = vec![];
    let lines = members.iter().map(|m| {
        let target = view.s.targets.iter().find(|t| t.id == m.id);
        let health = match target {
            Some(t) => t.state.as_str(),
            None if view.s.saw_targets() => "no target",
            None => "health not seen",
        };
        let running = view.instance(&m.id).map_or("", |i| i.state.as_str());
        states.push(match (health, m.lifecycle.as_str()) {
            ("healthy", _) => State::Good,
            ("initial", _) | (_, "Pending") => State::Busy,
            ("health not seen", "InService") => State::Unknown,
            _ => State::Bad,
        });
        let boot = beacons.iter().find(|b| b.instance.as_ref() == Some(&m.id));
        let boot = boot.map_or(String::new(), |b| format!(", boot: {}", b.stage));
        let life = if m.lifecycle == "InService" && running != "running" && !running.is_empty() {
            running
        } else {
            &m.lifecycle
        };
        format!("{} {life}, {health}{boot}", m.id)
    });
    let evidence = lines.collect::<Vec<_>>().join("; ");
    Zone { zone, state: states.into_iter().max().unwrap_or(State::Unknown), evidence }
}
