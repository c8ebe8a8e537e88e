//! The number of instances, its changes, and the time for a new one.
use super::Rules;
use crate::Service;
use crate::check::Issue;
use crate::place::Place;

pub(super) fn check(rules: &mut Rules<'_>, place: &Place, service: &Service) {
    size(rules, place, service);
    targets(rules, place, service);
    times(rules, place, service);
    if let Some(spot) = &service.spot {
        let here = place.key("spot");
        if spot.types.is_empty() {
            rules.found.warn(
                "spot_one_type",
                here.key("types"),
                "Spot with one instance type only",
                "if the market has none of it, no instance starts",
                "name two or three others: [\"t3a.micro\", \"t2.micro\"]",
            );
        }
        if spot.on_demand_base == 0 && spot.on_demand_percent == 0 {
            rules.found.warn(
                "spot_only",
                here.key("on_demand_base"),
                "all instances may disappear at once",
                "no instance is on demand; Spot can be taken back within two minutes",
                "keep on_demand_base = 2",
            );
        }
    }
}

fn size(rules: &mut Rules<'_>, place: &Place, service: &Service) {
    let Service { min, desired, max, .. } = *service;
    let [min_at, desired_at, max_at] = ["min", "desired", "max"].map(|key| place.key(key));
    // If the file does not give a limit, the message has to call it a default.
    let said = |rules: &Rules<'_>, place: &Place, text: String| {
        if rules.map.given(place) { text } else { format!("{text} (the default)") }
    };
    if min > max {
        let why = said(rules, &max_at, format!("more than max = {max}"));
        let label = said(rules, &max_at, format!("max = {max}"));
        let fix = format!("raise max to {min} or more, or lower min");
        let issue = Issue::error("size_order", min_at, "min is larger than max", why, fix);
        rules.found.push(issue.with(max_at, label));
    } else if desired < min {
        let why = said(rules, &min_at, format!("less than min = {min}"));
        let (place, other, label) = if rules.map.given(&desired_at) {
            (desired_at, min_at, format!("min = {min}"))
        } else {
            (min_at, desired_at, String::new())
        };
        let why = if label.is_empty() { format!("more than desired = {desired} (the default)") } else { why };
        let fix = match min == max {
            true => format!("set desired = {min}, or raise max"),
            false => format!("set desired between {min} and {max}"),
        };
        let issue = Issue::error("size_order", place, "desired is smaller than min", why, fix);
        rules.found.push(issue.with(other, label));
    } else if desired > max {
        let (place, other, label, why) = if rules.map.given(&desired_at) {
            let why = said(rules, &max_at, format!("more than max = {max}"));
            (desired_at, max_at, format!("max = {max}"), why)
        } else {
            (max_at, desired_at, String::new(), format!("less than desired = {desired} (the default)"))
        };
        let fix = format!("set desired between {min} and {max}, or raise max");
        let issue = Issue::error("size_order", place, "desired is larger than max", why, fix);
        rules.found.push(issue.with(other, label));
    }
    if min == 1 {
        rules.found.warn(
            "min_one",
            place.key("min"),
            "one instance is not highly available",
            "when it fails, nothing answers until the next one has booted",
            "set min = 2, one in each zone",
        );
    }
}

fn targets(rules: &mut Rules<'_>, place: &Place, service: &Service) {
    let scale = &service.scale;
    let here = place.key("scale");
    if scale.requests_per_target.is_none() && scale.cpu.is_none() && service.max > service.min {
        rules.found.warn(
            "scale_never",
            here.clone(),
            "the service will never scale",
            format!("it has no target, so it stays at {} of at most {} instances", service.desired, service.max),
            "give requests_per_target (45 for a service that answers in seconds) or cpu (50)",
        );
    }
    if scale.cpu.is_some_and(|cpu| cpu < 1.0) {
        rules.found.error(
            "scale_cpu",
            here.key("cpu"),
            "a CPU target below 1 %",
            "the group would grow to its maximum and stay there",
            "it is a percentage: 50 means half; 0 turns it off",
        );
    }
    if scale.requests_per_target.is_some_and(|requests| requests < 1.0) {
        rules.found.error(
            "scale_requests",
            here.key("requests_per_target"),
            "less than one request per minute",
            "the group would grow to its maximum and stay there",
            "it counts requests per target and minute: 45; 0 turns it off",
        );
    }
}

fn times(rules: &mut Rules<'_>, place: &Place, service: &Service) {
    let (grace, warmup) = (service.grace_seconds, service.warmup_seconds);
    if grace < 120 {
        rules.found.warn(
            "grace_short",
            place.key("grace_seconds"),
            "instances may be replaced before they have booted",
            "boot, download and first health check take up to two minutes",
            "give 180 or more: a high value costs little, a low one causes an endless loop",
        );
    } else if grace < warmup {
        let issue = Issue::warning(
            "grace_below_warmup",
            place.key("grace_seconds"),
            "an instance is checked before its warm-up ends",
            format!("shorter than warmup_seconds = {warmup}"),
            format!("give at least {warmup}"),
        );
        rules.found.push(issue.with(place.key("warmup_seconds"), "the warm-up"));
    }
}
