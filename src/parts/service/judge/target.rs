//! The findings about the target group: its settings, its balancer, and the health of its targets.
use crate::{
    aws::words::elb::balancer_name,
    diagnose::{Draft, Drafts, Fix, Hop, HopName, UP, View, names},
    shell::{self, command},
    snapshot::{Part, Target, TargetGroup},
};

/// Returns the hop of the target group.
pub(crate) fn hop(view: &View<'_>) -> Hop {
    let s = view.s;
    let mut hop = Draft::hop();
    let name = &s.expected.names.target_group;
    let Some(t) = &s.target_group else {
        if s.saw(Part::TargetGroup) {
            hop.push(Draft::new(
                "target-group-missing",
                format!("there is no target group {name}"),
                "no target group has this name, so the listener has nothing to forward to",
                UP,
            ));
        }
        return hop.done(
            HopName::TargetGroup,
            s.saw(Part::TargetGroup),
            view.absent(Part::TargetGroup, format!("no target group {name}")),
        );
    };
    if let Some(b) = s.balancer.as_ref().filter(|b| !t.balancers.contains(&b.arn)) {
        hop.push(
            Draft::new(
                "target-group-unattached",
                "no listener or rule of the balancer forwards to the target group",
                format!(
                    "{} is used by {}, not by {}",
                    t.name,
                    names(t.balancers.iter().map(|arn| balancer_name(arn))),
                    b.name
                ),
                UP,
            )
            .symptom(),
        );
    }
    settings(view, t, &mut hop);
    if s.saw(Part::Targets) {
        targets(view, t, &mut hop);
    }
    let h = &t.health;
    let healthy = match s.saw(Part::Targets) {
        true => format!("{} of {} targets healthy", view.healthy(), view.targets_expected()),
        false => "the targets' health could not be looked at".into(),
    };
    let evidence = format!("{} {} {}, {healthy}, health check {} ({})", t.name, t.protocol, t.port, h.path, h.matcher);
    hop.done(HopName::TargetGroup, s.saw(Part::TargetGroup) && s.saw(Part::Targets), evidence)
}

/// Adds the findings about the settings of the target group.
fn settings(view: &View<'_>, t: &TargetGroup, hop: &mut Drafts) {
    let want = &view.s.expected;
    let key = want.target_group_step();
    let replace = match key {
        Some(key) => command!("gameday up --replace {}", key),
        None => "gameday up".into(),
    };
    let h = &t.health;
    if t.port != want.port {
        hop.push(
            Draft::new(
                "target-group-port",
                "the target group sends requests to the wrong port",
                format!("port {}, the service listens on {}", t.port, want.port),
                &replace,
            )
            .weak_if(view.s.targets.iter().any(|t| t.state == "healthy" && t.port == want.port)),
        );
    }
    if t.protocol != "HTTP" {
        hop.push(Draft::new(
            "target-group-protocol",
            format!("the target group speaks {} to the instances, not HTTP", t.protocol),
            "the service would have to speak TLS: requests fail with 502",
            &replace,
        ));
    }
    if t.target_type != "instance" {
        hop.push(Draft::new(
            "target-group-type",
            format!("the target group accepts targets of type {}, not instances", t.target_type),
            "the Auto Scaling group cannot register its instances there",
            &replace,
        ));
    }
    if let Some(vpc) = view.s.vpc.as_ref().filter(|v| v.id != t.vpc) {
        hop.push(Draft::new(
            "target-group-vpc",
            "the target group is in another VPC",
            format!("it is in {}, the stack in {}", t.vpc, vpc.id),
            &replace,
        ));
    }
    let wrong = [
        ("health-path", "the health check requests the wrong path", &h.path, &want.health_path),
        ("health-codes", "the health check accepts the wrong codes", &h.matcher, &want.health_codes),
        ("health-port", "the health check uses another port than the requests", &h.port, &"traffic-port".to_owned()),
        ("health-protocol", "the health check speaks the wrong protocol", &h.protocol, &"HTTP".to_owned()),
    ];
    for (rule, cause, found, wanted) in wrong {
        let same_port = rule == "health-port" && *found == want.port.to_string();
        if found != wanted && !same_port {
            let evidence = format!("{found}, not {wanted}");
            hop.push(Draft::new(rule, cause, evidence, UP).weak_if(view.serves()));
        }
    }
}

/// Adds the findings about the targets.
fn targets(view: &View<'_>, t: &TargetGroup, hop: &mut Drafts) {
    let s = view.s;
    unregistered(view, t, hop);
    if s.targets.is_empty() {
        hop.push(
            Draft::new(
                "no-targets",
                "the target group has no target: the balancer answers 503 itself",
                format!("DescribeTargetHealth of {} is empty", t.name),
                UP,
            )
            .symptom(),
        );
        return;
    }
    let wanted = view.targets();
    if wanted.is_empty() {
        hop.push(
            Draft::new(
                "targets-draining",
                "every target was deregistered",
                format!("all {} are draining: new requests go nowhere", s.targets.len()),
                UP,
            )
            .trying(),
        );
        return;
    }
    // There is one finding per reason, the most frequent first.
    let mut reasons: Vec<(&str, Vec<&Target>)> = vec![];
    for t in wanted.iter().copied().filter(|t| t.state != "healthy") {
        let reason = t.reason.as_deref().unwrap_or(&t.state);
        match reasons.iter_mut().find(|(r, _)| *r == reason) {
            Some((_, of)) => of.push(t),
            None => reasons.push((reason, vec![t])),
        }
    }
    reasons.sort_by_key(|(_, of)| std::cmp::Reverse(of.len()));
    for (reason, of) in reasons {
        hop.push(unhealthy(view, t, reason, &of, wanted.len()));
    }
    let none_healthy = !view.serves();
    if let Some(answer) = view.good_answer().filter(|_| none_healthy) {
        hop.push(
            Draft::new(
                "fail-open",
                "no target is healthy, so the balancer passes requests on to all of them (it fails open)",
                format!(
                    "HTTP {} from {}, though every health check fails",
                    answer.status.unwrap_or_default(),
                    answer.address
                ),
                UP,
            )
            .symptom(),
        );
    }
}

/// Adds a finding for instances in service that are not targets, although their group is attached.
fn unregistered(view: &View<'_>, t: &TargetGroup, hop: &mut Drafts) {
    let s = view.s;
    let Some(group) = s.auto_scaling_group.as_ref().filter(|g| g.target_groups.contains(&t.arn)) else { return };
    // An instance refresh deregisters instances one after the other.
    if group.refresh.is_some() {
        return;
    }
    let there = |id: &str| s.targets.iter().any(|t| t.id == id && t.state != "draining");
    let missing: Vec<&str> = group
        .members
        .iter()
        .filter(|m| m.lifecycle == "InService" && !there(&m.id))
        // An instance that does not run has a finding of its own.
        .filter(|m| view.instance(&m.id).is_none_or(|i| i.state == "running"))
        .map(|m| m.id.as_str())
        .collect();
    if missing.is_empty() {
        return;
    }
    let cause = "instances in service were deregistered from the target group";
    let command = shell::all(missing.iter().map(|id| command!("gameday targets attach {}", id)));
    let draft = Draft::new("targets-deregistered", cause, names(&missing), command);
    hop.push(draft.weak_if(view.serves()));
}

/// Returns the finding for a reason code [AWS 6].
fn unhealthy(view: &View<'_>, t: &TargetGroup, reason: &str, of: &[&Target], all: usize) -> Draft {
    let said = of.iter().find_map(|t| t.description.as_deref()).unwrap_or("");
    let port = t.port;
    let h = &t.health;
    let (rule, cause): (&'static str, String) = match reason {
        "Target.Timeout" => (
            "target-timeout",
            format!(
                "no answer on port {port} within {} s: a security group in between, or a process that hangs",
                h.timeout
            ),
        ),
        "Target.FailedHealthChecks" => (
            "target-failed-checks",
            format!(
                "the connection to port {port} is refused or answered without HTTP: nothing listens there yet, or any more"
            ),
        ),
        "Target.ResponseCodeMismatch" => (
            "target-code-mismatch",
            format!(
                "{} does not answer with {}{}",
                h.path,
                h.matcher,
                match codes(said) {
                    Some(code) if has(code, |c| c == 503) => format!(
                        " but with {code}: it is booting, it is overloaded, or something that it needs is missing"
                    ),
                    Some(code) if has(code, |c| c == 404) =>
                        format!(" but with {code}: the service does not know this path"),
                    Some(code) if has(code, |c| (300..400).contains(&c)) => format!(" but with {code}: it redirects"),
                    Some(code) => format!(" but with {code}"),
                    None => String::new(),
                }
            ),
        ),
        "Target.NotInUse" => {
            let zone_off = said.contains("Availability Zone");
            if zone_off {
                ("target-zone-off", "targets are in a zone that the balancer does not serve".into())
            } else {
                (
                    "target-not-in-use",
                    "no listener or rule forwards to the target group, so its targets are not checked".into(),
                )
            }
        }
        "Target.NotRegistered" => ("target-not-registered", "the target is not registered".into()),
        "Target.InvalidState" => ("target-invalid-state", "the instance is stopped or terminated".into()),
        "Target.IpUnusable" => ("target-ip-unusable", "the target's address is the balancer's own".into()),
        "Target.HealthCheckDisabled" => ("target-check-disabled", "health checks are turned off".into()),
        "Target.DeregistrationInProgress" => ("targets-draining", "targets are being deregistered".into()),
        "Elb.InternalError" => ("target-internal-error", "the balancer itself has a fault".into()),
        "Elb.RegistrationInProgress" | "Elb.InitialHealthChecking" | "initial" => (
            "target-initial",
            format!("targets were just registered: one good check makes them healthy (every {} s)", h.interval),
        ),
        _ => ("target-unhealthy", format!("targets are not healthy: {reason}")),
    };
    let evidence = format!(
        "{} of {all}: {}{}{}",
        of.len(),
        names(of.iter().map(|t| &t.id)),
        if said.is_empty() { "" } else { ": " },
        said,
    );
    let fix: Fix = match rule {
        "target-code-mismatch" | "target-failed-checks" => "gameday logs --since 10m".into(),
        "target-initial" => ("gameday status", "in a few seconds").into(),
        _ => UP.into(),
    };
    let draft = Draft::new(rule, cause, evidence, fix).symptom();
    if view.serves() {
        draft.weak()
    } else if rule == "target-initial" {
        draft.waiting()
    } else {
        draft
    }
}

/// True if one of the codes in a list such as `404, 503` meets the condition.
fn has(codes: &str, is: impl Fn(u16) -> bool) -> bool {
    codes.split(|c: char| !c.is_ascii_digit()).filter_map(|c| c.parse().ok()).any(is)
}

/// Returns the codes in a description: `503` for `Health checks failed with these codes: [503]`.
fn codes(description: &str) -> Option<&str> {
    let from = description.find('[')?;
    let to = description[from..].find(']')? + from;
    Some(&description[from + 1..to])
}
