//! The instances: does the Auto Scaling group make them, are they let in and out, and how far are they booted?
use super::{
    Draft, Drafts, Fix, Hop, HopName, State, UP, View, Zone,
    balancer::broken_way,
    egress, launch, names, no_group,
    reach::{Way, anywhere, net},
    replace, resolve,
};
use crate::{
    config::Mode,
    shell::{self, command},
    snapshot::{AutoScalingGroup, Beacon, Part},
};

pub(super) fn hop(view: &View<'_>) -> Hop {
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
    group(view, g, &mut hop);
    hop.extend(launch::template(view, g));
    hop.extend(launch::activities(view, g));
    if view.saw_groups() {
        security(view, &mut hop);
    }
    network(view, g, &mut hop);
    resolve::findings(view, &mut hop);
    instances(view, g, &mut hop);
    for beacon in view.beacons() {
        hop.extend(boot(view, beacon));
    }
    let in_service = g.members.iter().filter(|m| m.lifecycle == "InService").count();
    let evidence =
        format!("{}: {in_service} in service of {} wanted (min {}, max {})", g.name, g.desired, g.min, g.max);
    let mut hop = hop.done(HopName::Instances, s.saw(Part::AutoScalingGroup) && s.saw(Part::Instances), evidence);
    hop.zones = zones(view, g);
    // In service for the group, but no zone has an instance that answers: whatever the cause, it shows here.
    if hop.state == State::Good && s.saw_targets() && hop.zones.iter().all(|z| z.state == State::Bad) {
        hop.state = State::Bad;
    }
    hop
}

fn group(view: &View<'_>, g: &AutoScalingGroup, hop: &mut Drafts) {
    let s = view.s;
    let want = &s.expected;
    if let Some(status) = &g.status {
        hop.push(Draft::new(
            "fleet-deleting",
            "the Auto Scaling group is being deleted",
            format!("{}: {status}", g.name),
            (UP, "waits until it is gone, then makes it again"),
        ));
    }
    if g.desired == 0 || g.max == 0 {
        hop.push(Draft::new(
            "fleet-zero",
            "the Auto Scaling group is told to have no instance",
            format!(
                "min {}, desired {}, max {}; the stack file says {}, {}, {}",
                g.min, g.desired, g.max, want.min, want.desired, want.max
            ),
            UP,
        ));
    } else if g.min != want.min || g.max != want.max || g.desired < want.min {
        hop.push(
            Draft::new(
                "fleet-sizes",
                "the Auto Scaling group has other sizes than the stack file",
                format!(
                    "min {}, desired {}, max {}, not {}, {} to {}, {}",
                    g.min, g.desired, g.max, want.min, want.desired, want.max, want.max
                ),
                UP,
            )
            .weak(),
        );
    }
    if let Some(t) = s.target_group.as_ref().filter(|t| !g.target_groups.contains(&t.arn)) {
        hop.push(
            Draft::new(
                "fleet-unattached",
                "the Auto Scaling group is not attached to the target group: its instances are no targets",
                format!(
                    "{} has {}",
                    g.name,
                    if g.target_groups.is_empty() {
                        "no target group".to_owned()
                    } else {
                        format!("{} others", g.target_groups.len())
                    }
                ),
                UP,
            )
            .weak_if(view.serves() && t.arn.is_empty()),
        );
    }
    let missing = (view.members().len() as i32) < g.desired;
    for process in &g.suspended {
        let (what, grave) = match process.as_str() {
            "Launch" => ("no instance is launched", missing),
            "Terminate" => ("no instance is taken away, also no broken one", false),
            "AddToLoadBalancer" => ("new instances are not registered as targets", !view.serves()),
            "HealthCheck" => ("no instance is found unhealthy", false),
            "ReplaceUnhealthy" => ("no unhealthy instance is replaced", false),
            "AlarmNotification" => ("it does not scale", false),
            "AZRebalance" => ("zones are not evened out", false),
            _ => ("part of it does not work", false),
        };
        let cause = format!("the process {process} of the Auto Scaling group is suspended: {what}");
        let evidence = format!("SuspendedProcesses of {}: {}", g.name, names(&g.suspended));
        hop.push(Draft::new("fleet-suspended", cause, evidence, UP).weak_if(!grave));
    }
    if g.health_check_type != "ELB" {
        hop.push(
            Draft::new(
                "fleet-health-type",
                "an instance that does not answer is not replaced",
                format!("health check type {}, not ELB", g.health_check_type),
                UP,
            )
            .weak(),
        );
    }
    if g.grace_seconds < want.grace_seconds {
        hop.push(
            Draft::new(
                "fleet-grace",
                "instances get less time to boot than the stack file says: they may be replaced for ever",
                format!("{} s of grace, not {}", g.grace_seconds, want.grace_seconds),
                UP,
            )
            .weak_if(view.serves() || g.grace_seconds > 60),
        );
    }
}

fn security(view: &View<'_>, hop: &mut Drafts) {
    let s = view.s;
    let port = s.expected.port;
    let app = view.app();
    let ours = view.group_id(view.instances_group());
    if ours.is_empty() {
        hop.push(
            Draft::new(
                "app-group-missing",
                "the instances' security group is gone",
                no_group(view, view.instances_group()),
                UP,
            )
            .weak_if(view.serves()),
        );
        return;
    }
    let bare: Vec<&str> =
        view.alive().iter().filter(|i| !i.groups.iter().any(|g| g == ours)).map(|i| i.id.as_str()).collect();
    if !bare.is_empty() {
        let first = view.instance(bare[0]).map(|i| names(&i.groups)).unwrap_or_default();
        let all = bare.len() == view.alive().len();
        hop.push(
            Draft::new(
                "instance-groups",
                "instances do not carry their security group",
                format!("{}: {first} instead of {ours}", names(&bare)),
                anew(view, &bare),
            )
            .weak_if(!all),
        );
    }
    let balancer = view.balancer();
    let carried = app.groups;
    if s.balancer.is_some() && !view.lets_in(&carried, port, &balancer) {
        let by_name = s.security_groups.iter().find(|g| g.id == ours);
        hop.push(
            Draft::new(
                "app-ingress-missing",
                "the instances' security group does not let the balancer in",
                format!(
                    "{ours} has {} ingress rules, none for TCP {port} from {}: requests and health checks time out",
                    by_name.map_or(0, |g| g.ingress.len()),
                    names(&balancer.groups),
                ),
                UP,
            )
            // With another group on the balancer, that is the cause.
            .symptom_if(!balancer.groups.iter().any(|g| g == view.group_id("alb"))),
        );
    }
    let shut: Vec<String> =
        [80, 443].iter().filter(|p| !view.lets_out_to_all(&carried, **p)).map(|p| p.to_string()).collect();
    if !shut.is_empty() {
        hop.push(
            Draft::new(
                "app-egress-missing",
                "the instances' security group lets nothing out to the internet: packages and the binary cannot be fetched",
                format!("{ours} has no egress rule for TCP {} to 0.0.0.0/0: connections time out silently", shut.join(", ")),
                UP,
            )
            .weak_if(view.serves()),
        );
    }
    for (name, port, what) in
        [(view.instances_group(), 22, "SSH"), ("db", 3306, "MySQL"), ("cache", 6379, "Redis"), ("files", 2049, "NFS")]
    {
        let Some(group) = view.group(name) else { continue };
        if !view.lets_in(std::slice::from_ref(&group.id), port, &anywhere()) {
            continue;
        }
        if name == view.instances_group() && s.expected.ssh.iter().any(|c| c == "0.0.0.0/0") {
            continue;
        }
        hop.push(
            Draft::new(
                "group-open",
                format!("{what} is open to the whole internet"),
                format!("{} ({}) lets in TCP {port} from 0.0.0.0/0", group.id, group.name),
                UP,
            )
            .weak(),
        );
    }
    let shut: Vec<&String> = s.expected.ssh.iter().filter(|c| !view.lets_in(&carried, 22, &net(c))).collect();
    if !shut.is_empty() {
        let cause = format!("SSH from {} is not let in, though the stack file says so", names(shut));
        hop.push(Draft::new("app-ssh-missing", cause, format!("{ours} has no such ingress rule"), UP).weak());
    }
}

fn network(view: &View<'_>, g: &AutoScalingGroup, hop: &mut Drafts) {
    let s = view.s;
    if !s.saw(Part::Subnets) || s.subnets.is_empty() {
        return;
    }
    let gone: Vec<&String> = g.subnets.iter().filter(|id| view.subnet(id).is_none()).collect();
    if !gone.is_empty() {
        hop.push(
            Draft::new(
                "fleet-subnet-gone",
                "the Auto Scaling group launches into subnets that do not exist in the VPC",
                names(&gone),
                UP,
            )
            .weak_if(gone.len() < g.subnets.len()),
        );
    }
    let off: Vec<&String> = s
        .expected
        .zones
        .iter()
        .filter(|z| !g.subnets.iter().filter_map(|id| view.subnet(id)).any(|n| n.zone == **z))
        .collect();
    if !off.is_empty() && gone.is_empty() {
        hop.push(
            Draft::new(
                "fleet-zone-missing",
                format!("the Auto Scaling group does not launch in {}", names(&off)),
                format!("its subnets: {}", names(&g.subnets)),
                UP,
            )
            .weak(),
        );
    }
    if !s.saw(Part::RouteTables) || s.route_tables.is_empty() {
        return;
    }
    if s.expected.private_instances {
        egress::ways_out(view, g, hop);
    } else {
        public_ways_out(view, g, hop);
    }
    let subnets: Vec<&str> = g.subnets.iter().map(String::as_str).collect();
    // The same entry is not told twice.
    if view.acl_stops(&subnets, view.visitor(), s.expected.listener_port).is_none()
        && let Some(stop) = view.acl_stops_out(&subnets, 443)
    {
        let draft = stop.finding(view, "acl-outbound", "what the instances fetch from outside, or the answers");
        hop.push(draft.weak_if(view.serves()));
    }
    let of_balancer_acls = s.balancer.iter().flat_map(|b| &b.zones).map(|z| z.subnet.as_str()).collect::<Vec<_>>();
    if subnets.iter().any(|id| !of_balancer_acls.contains(id)) {
        let inside = view.balancer().nets.first().map(|n| n.addr());
        if let Some(stop) = inside.and_then(|from| view.acl_stops(&subnets, from, s.expected.port)) {
            hop.push(stop.finding(
                view,
                "acl-instances",
                "requests from the balancer to the instances, or their answers",
            ));
        }
    }
}

/// The ways out of instances with public addresses.
fn public_ways_out(view: &View<'_>, g: &AutoScalingGroup, hop: &mut Drafts) {
    let s = view.s;
    let of_balancer = |id: &str| s.balancer.iter().flat_map(|b| &b.zones).any(|z| z.subnet == id);
    let mut told: Vec<&str> = vec![];
    for id in g.subnets.iter().filter(|id| !of_balancer(id)) {
        let Some((table, way)) = view.way_out(id) else { continue };
        // A NAT gateway is as good as an internet gateway for what only goes out.
        if told.contains(&table.id.as_str()) || matches!(way, Way::Through(_)) {
            continue;
        }
        if let Some(draft) = broken_way(view, &table.id, &way, id) {
            told.push(&table.id);
            let step = view.subnet(id).and_then(|n| n.step.as_deref()).unwrap_or_default();
            if step.starts_with("subnet/private") {
                hop.push(
                    Draft::new(
                        "fleet-subnets-private",
                        "the Auto Scaling group launches into subnets for data, which have no way to the internet",
                        format!("{id} is {step}: packages and the binary cannot be fetched there"),
                        UP,
                    )
                    .weak_if(view.serves()),
                );
            } else {
                hop.push(draft.weak_if(view.serves()));
            }
        }
    }
    let hidden: Vec<&str> = view
        .alive()
        .iter()
        .filter(|i| {
            i.state == "running" && i.public_ip.is_none() && matches!(view.way_out(&i.subnet), Some((_, Way::Internet)))
        })
        .map(|i| i.id.as_str())
        .collect();
    if !hidden.is_empty() {
        hop.push(
            Draft::new(
                "instance-no-address",
                "instances without a public address cannot use the internet gateway: they reach nothing outside",
                names(&hidden),
                (
                    shell::all(["gameday network".to_owned(), replace(&hidden)]),
                    "the group launches others instead, which get an address",
                ),
            )
            .weak_if(view.serves()),
        );
    }
}

fn instances(view: &View<'_>, g: &AutoScalingGroup, hop: &mut Drafts) {
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
            "instances are in standby: they get no request",
            names(&standby),
            command!("aws autoscaling exit-standby --auto-scaling-group-name {} --instance-ids {}", g.name, standby),
        )));
    }
    let held: Vec<&str> = members.iter().filter(|m| m.lifecycle.ends_with(":Wait")).map(|m| m.id.as_str()).collect();
    if !held.is_empty() {
        hop.push(calm(Draft::new(
            "instance-hook",
            "a lifecycle hook, which is not the stack's, holds instances back",
            format!("{} in {}", names(&held), members.iter().find(|m| m.id == held[0]).map_or("", |m| &m.lifecycle)),
            (
                command!("aws autoscaling describe-lifecycle-hooks --auto-scaling-group-name {}", g.name),
                "then aws autoscaling delete-lifecycle-hook",
            ),
        )));
    }
    // Launched, but not there yet; a failure to launch says more.
    let failed = launch::activities(view, g).is_some();
    let pending: Vec<&str> = members.iter().filter(|m| m.lifecycle == "Pending").map(|m| m.id.as_str()).collect();
    let short = g.desired - members.len() as i32;
    if !pending.is_empty() || (short > 0 && !failed && !g.suspended.iter().any(|p| p == "Launch")) {
        let evidence = format!("{} pending, {} more wanted", pending.len(), short.max(0));
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
                anew(view, &without),
            )));
        }
    }
    profile(view, hop);
    spread(view, hop);
}

/// Whether instances get at what they may do. Those that run notice it within hours, new ones at once.
fn profile(view: &View<'_>, hop: &mut Drafts) {
    let s = view.s;
    let (Some(found), Some(name)) = (&s.profile, &s.expected.names.profile) else { return };
    let (rule, cause) = match (found.exists, &found.role) {
        (true, Some(_)) => return,
        (true, None) => ("profile-without-role", "the instance profile has no role: instances may do nothing"),
        (false, _) => ("profile-missing", "the instance profile is gone: no instance can be launched with it"),
    };
    let evidence = format!("GetInstanceProfile {name}: {}", if found.exists { "no role" } else { "there is none" });
    hop.push(Draft::new(rule, cause, evidence, UP).weak_if(view.serves()));
}

/// What the loss of a zone would cost.
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
            Draft::new("zone-empty", cause, said, (UP, "the Auto Scaling group evens out zones by itself")).weak(),
        );
    } else if let (Some(most), Some(least)) =
        (s.expected.zones.iter().map(|z| count(z)).max(), s.expected.zones.iter().map(|z| count(z)).min())
        && most > least + 1
    {
        hop.push(
            Draft::new(
                "zone-imbalance",
                "the instances are unevenly spread over the zones",
                said,
                ("gameday status --watch", "the Auto Scaling group evens out zones by itself (AZRebalance)"),
            )
            .weak(),
        );
    }
}

/// What an instance that boots says of itself. What it says of database, cache and files stands at their hops.
fn boot(view: &View<'_>, b: &Beacon) -> Option<Draft> {
    let rule = match b.stage.as_str() {
        "database" | "cache" | "files" => return None,
        "packages" => "boot-packages",
        "secrets" => "boot-secrets",
        "fetch" => "boot-fetch",
        "config" => "boot-config",
        "service" => "boot-service",
        _ => "boot-stage",
    };
    Some(stage(view, b, rule))
}

/// A stage of the boot as a finding.
pub(super) fn stage(view: &View<'_>, b: &Beacon, rule: &'static str) -> Draft {
    let id = b.instance.as_deref().unwrap_or("an instance");
    let at = match (b.step, b.of) {
        (Some(step), Some(of)) => format!("{} ({step} of {of})", b.stage),
        _ => b.stage.clone(),
    };
    let seconds = b.seconds.map_or(String::new(), |s| format!(", {s} s after it began"));
    let slow = b.seconds.is_some_and(|s| s as i64 > i64::from(view.s.expected.grace_seconds));
    match &b.error {
        Some(error) => {
            let failed = b.status.as_deref() == Some("failed");
            let retries = if failed { "it needs help" } else { "it tries again" };
            let (cause, fix) = words(view, rule, &b.stage);
            Draft::new(rule, cause, format!("{id}, stage {at}{seconds}; {retries}: {error}"), fix).trying_if(!failed)
        }
        // What an instance tells anybody is the stage; the cause is in its log, and that on its console from the first line.
        None if matches!(b.status.as_deref(), Some("failed" | "retrying")) => {
            let failed = b.status.as_deref() == Some("failed");
            let retries = if failed { "it needs help" } else { "it tries again" };
            let (cause, _) = words(view, rule, &b.stage);
            let log = match &b.instance {
                Some(id) => command!("gameday logs --console --instance {}", id),
                None => "gameday logs --console".to_owned(),
            };
            Draft::new(rule, cause, format!("{id}, stage {at}{seconds}; {retries}: its log says why"), log)
                .trying_if(!failed)
        }
        None if slow => Draft::new(
            "boot-stuck",
            format!("the boot hangs in the stage {}", b.stage),
            format!("{id}, stage {at}{seconds}: longer than the {} s of grace", view.s.expected.grace_seconds),
            match &b.instance {
                Some(id) => command!("gameday logs --instance {}", id),
                None => "gameday logs".to_owned(),
            },
        )
        .trying(),
        None => Draft::new(
            "booting",
            "instances are booting",
            format!("{id}, stage {at}{seconds}"),
            "gameday status --watch",
        )
        .waiting(),
    }
    .weak_if(view.serves())
}

fn words(view: &View<'_>, rule: &str, stage: &str) -> (String, Fix) {
    let service = &view.s.whose.service;
    let (cause, fix): (&str, Fix) = match rule {
        "boot-packages" => ("packages cannot be installed at boot", UP.into()),
        "boot-secrets" => ("the instance cannot read its passwords", UP.into()),
        "boot-fetch" => (
            "the service's binary cannot be fetched",
            (UP, format!("after correcting source or sha256 under [service.{service}]")).into(),
        ),
        "boot-config" => ("the service's configuration cannot be written", "gameday render --check".into()),
        "boot-service" => ("the service does not start, or keeps ending", "gameday logs --since 10m".into()),
        _ => return (format!("the boot fails in the stage {stage}"), "gameday logs --since 10m".into()),
    };
    (cause.into(), fix)
}

/// New instances for some that are not as they should be, which no step of ours does. Where all that serve are
/// concerned, the group does it little by little.
fn anew(view: &View<'_>, ids: &[&str]) -> Fix {
    let all = view.serves() && ids.len() >= view.healthy();
    match view.s.auto_scaling_group.as_ref().filter(|_| all) {
        Some(g) => (
            command!("aws autoscaling start-instance-refresh --auto-scaling-group-name {}", g.name),
            "one after the other, so that requests go on being served",
        )
            .into(),
        None => (replace(ids), "the group launches others instead").into(),
    }
}

fn zones(view: &View<'_>, g: &AutoScalingGroup) -> Vec<Zone> {
    let mut all: Vec<String> = view.s.expected.zones.clone();
    all.extend(g.members.iter().map(|m| m.zone.clone()));
    all.sort();
    all.dedup();
    all.into_iter().map(|zone| one_zone(view, g, zone)).collect()
}

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
