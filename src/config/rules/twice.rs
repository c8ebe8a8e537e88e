//! Lists in which a repeated value has no effect, or is refused by AWS.
use super::Rules;
use crate::check::Issue;
use crate::place::{Place, at};
use crate::{Cidr, Config};

/// Writes a range in one form, since two forms can mean the same.
fn as_range(text: &str) -> String {
    text.parse::<Cidr>().map_or_else(|_| text.to_owned(), |range| range.trunc().to_string())
}

pub(super) fn check(rules: &mut Rules<'_>) {
    let config = rules.config;
    let mut lists: Vec<(Place, &[String])> = vec![
        (at("access.http"), &config.access.http),
        (at("access.ssh"), &config.access.ssh),
        (at("cdn.query"), &config.cdn.query),
        (at("cdn.headers"), &config.cdn.headers),
        (at("iam.read_objects"), &config.iam.read_objects),
        (at("monitoring.notify"), &config.monitoring.notify),
    ];
    for (name, service) in &config.service {
        let types = service.spot.iter().map(|s| (at("service").key(name).key("spot").key("types"), &s.types[..]));
        lists.extend(types);
        lists.push((at("service").key(name).key("packages"), &service.packages));
        lists.push((at("service").key(name).key("logs"), &service.logs));
    }
    for (place, values) in lists {
        for (i, value) in values.iter().enumerate() {
            let same = |other: &String| as_range(other) == as_range(value);
            let Some(before) = values[..i].iter().position(same) else { continue };
            let issue = Issue::warning(
                "value_twice",
                place.item(i),
                format!("{value} is given twice"),
                "the second one has no effect",
                "delete one",
            );
            rules.found.push(issue.with(place.item(before), "first here"));
        }
    }
}

/// Removes repeated values and keeps the first of each.
pub(crate) fn remove_repeats(config: &mut Config) {
    let mut lists = vec![
        &mut config.access.http,
        &mut config.access.ssh,
        &mut config.cdn.query,
        &mut config.cdn.headers,
        &mut config.iam.read_objects,
        &mut config.monitoring.notify,
    ];
    for service in config.service.values_mut() {
        lists.extend(service.spot.as_mut().map(|spot| &mut spot.types));
        lists.push(&mut service.packages);
        lists.push(&mut service.logs);
    }
    for list in lists {
        let mut seen = std::collections::BTreeSet::new();
        list.retain(|value| seen.insert(as_range(value)));
    }
}
