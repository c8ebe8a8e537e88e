//! Name, region, zones, clock, tags.
use super::{Rules, as_plain_name, plain_name};
use crate::check::Issue;
use crate::derived::{OWN_TAGS, clock};
use crate::place::at;
use crate::suggest::nearest;
use std::collections::BTreeMap;

/// Regions of AWS partitions in which a contest can be. An unknown one causes only a warning.
pub const REGIONS: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

pub(super) fn check(rules: &mut Rules<'_>) {
    name(rules);
    let region = region(rules);
    elsewhere(rules);
    zones(rules, region);
    traffic_at(rules);
    tag_prefix(rules);
    tags(rules);
}

fn name(rules: &mut Rules<'_>) {
    let name = &rules.config.name;
    if let Err(why) = plain_name(name, 16) {
        rules.found.error(
            "stack_name",
            at("name"),
            format!("{name:?} cannot be the name of a stack"),
            why,
            format!(
                "1 to 16 small letters, digits and hyphens, a letter first: it is part of AWS names that end at 32 \
                 characters. For example \"{}\"",
                as_plain_name(name, 16, "billing")
            ),
        );
    } else if name.split('-').next().is_some_and(|word| ["internal", "sg"].contains(&word)) {
        rules.found.error(
            "stack_name_reserved",
            at("name"),
            format!("{name:?} cannot be the name of a stack"),
            "AWS reserves names that begin with `internal-` or `sg-`",
            format!("put another word first: \"my-{name}\""),
        );
    }
}

/// Returns the region, or the one most likely meant, by which zones are judged.
fn region<'a>(rules: &mut Rules<'a>) -> Option<&'a str> {
    let region = rules.config.region.as_str();
    if REGIONS.contains(&region) {
        return Some(region);
    }
    let zone = region.strip_suffix(|c: char| c.is_ascii_lowercase()).filter(|it| REGIONS.contains(it));
    let meant = zone.or_else(|| nearest(region, REGIONS.iter().copied()));
    // The region is newer than the list: its words are known, but its number is not.
    let parts: Vec<_> = region.rsplitn(2, '-').collect();
    let known_words = match parts[..] {
        [number, words] => {
            number.len() == 1
                && number.chars().all(|c| c.is_ascii_digit())
                && REGIONS.iter().any(|known| known.rsplit_once('-').is_some_and(|(known, _)| known == words))
        }
        _ => false,
    };
    if known_words {
        rules.found.warn(
            "region_new",
            at("region"),
            format!("{region} is unknown to gameday"),
            "the region is newer than gameday, or a typing error",
            match meant {
                Some(meant) => format!("if it is not a new region: did you mean \"{meant}\"?"),
                None => "continue if it is a new region".into(),
            },
        );
        return Some(region);
    }
    let (why, fix) = match (zone, meant) {
        (Some(zone), _) => ("this is a zone", format!("the region is \"{zone}\"; zones go into `zones`")),
        (None, Some(meant)) => ("no such region", format!("did you mean \"{meant}\"?")),
        (None, None) => ("no such region", "give a region such as \"us-east-1\" or \"eu-west-1\"".into()),
    };
    rules.found.error("region_unknown", at("region"), format!("{region:?} is not an AWS region"), why, fix);
    meant
}

/// Warns if the environment or the profile has another region, which the user may expect.
fn elsewhere(rules: &mut Rules<'_>) {
    let Some(usual) = rules.outside.usual.as_ref().filter(|u| u.region != rules.config.region) else { return };
    if rules.taken.is_some() || !rules.map.given(&at("region")) {
        return;
    }
    let (here, there, by) = (&rules.config.region, &usual.region, &usual.by);
    rules.found.push(Issue::warning(
        "region_elsewhere",
        at("region"),
        format!("the stack file has {here:?}, {by} has {there:?}: it is built in {here}"),
        "the stack file has priority",
        format!("`--region {there}` builds it there; without this line {by} decides"),
    ));
}

fn zones(rules: &mut Rules<'_>, region: Option<&str>) {
    let zones = &rules.config.zones;
    let Some(region) = region else { return };
    if zones.len() == 1 {
        let second = if zones[0].ends_with('a') { 'b' } else { 'a' };
        rules.found.error(
            "zones_too_few",
            at("zones"),
            "one zone is not highly available",
            "load balancer and database both need at least two zones",
            format!(
                "add a second: [\"{}\", \"{region}{second}\"], or leave `zones` out, and gameday chooses two",
                zones[0]
            ),
        );
    }
    if zones.len() > 6 {
        rules.found.error(
            "zones_too_many",
            at("zones"),
            format!("{} zones", zones.len()),
            "no region has more than 6 zones",
            "two or three zones are enough for high availability",
        );
    }
    let mut first = BTreeMap::new();
    for (i, zone) in zones.iter().enumerate() {
        let here = at("zones").item(i);
        if let Some(before) = first.insert(zone, i) {
            rules.found.push(
                Issue::error(
                    "zone_twice",
                    here,
                    format!("{zone} is given twice"),
                    "the second one has no effect",
                    "give two different zones",
                )
                .with(at("zones").item(before), "first here"),
            );
            continue;
        }
        let letter = zone.strip_prefix(region).unwrap_or_default();
        if letter.len() == 1 && letter.chars().all(|c| c.is_ascii_lowercase()) {
            continue;
        }
        let (why, fix) = if zone.len() == 1 && zone.chars().all(|c| c.is_ascii_alphabetic()) {
            ("the region is missing".to_owned(), format!("write \"{region}{}\"", zone.to_lowercase()))
        } else if letter.contains('-') {
            (
                "Local and Wavelength Zones have no RDS and no EFS".to_owned(),
                format!("zones end with one letter: \"{region}a\""),
            )
        } else if zone == region {
            ("this is the region".to_owned(), format!("add the zone's letter: \"{region}a\""))
        } else {
            let other = zone.strip_suffix(|c: char| c.is_ascii_lowercase()).filter(|it| REGIONS.contains(it));
            match other {
                Some(other) => (
                    format!("it belongs to {other}"),
                    match rules.taken.map(|named| named.by.as_str()) {
                        Some("--region") => {
                            format!("write \"{region}{}\", or use --region {other}", &zone[other.len()..])
                        }
                        Some(by) => format!(
                            "{by} has {region}: write \"{region}{}\", or set region = \"{other}\" in the file",
                            &zone[other.len()..]
                        ),
                        None => format!("write \"{region}{}\", or set region = \"{other}\"", &zone[other.len()..]),
                    },
                ),
                None => ("not a zone's name".to_owned(), format!("region and one letter: \"{region}a\"")),
            }
        };
        rules.found.push(
            Issue::error("zone_unknown", here, format!("{zone:?} is not a zone of {region}"), why, fix)
                .with(at("region"), "the region"),
        );
    }
}

fn traffic_at(rules: &mut Rules<'_>) {
    let Some(text) = &rules.config.traffic_at else { return };
    // Any moment does, because only the form is checked.
    let now = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
    if clock(text, &now).is_none() {
        rules.found.error(
            "traffic_at",
            at("traffic_at"),
            format!("{text:?} is not a time"),
            "neither a time of day nor an RFC 3339 date-time",
            "write \"10:00\" (today, local time), or a full \"2026-11-21T10:00:00+01:00\"",
        );
    }
}

/// The longest key that every service accepts: EC2 allows 127 characters, the others 128.
const LONGEST_KEY: usize = 127;
/// Prefixes that AWS reserves in any case. RDS reserves `rds:` in values, too.
const RESERVED: [&str; 2] = ["aws:", "rds:"];

fn tag_prefix(rules: &mut Rules<'_>) {
    let prefix = &rules.config.tag_prefix;
    let here = at("tag_prefix");
    let longest = LONGEST_KEY - OWN_TAGS.iter().map(|of| of.len()).max().unwrap_or_default();
    let length = prefix.chars().count();
    let why = if prefix.is_empty() {
        Some("the tags would be called `stack` and `step`, like many others".to_owned())
    } else if let Some(bad) = prefix.chars().find(|c| !in_tags(*c) || *c == ' ') {
        Some(format!("it contains {bad:?}"))
    } else if RESERVED.iter().any(|whose| prefix.to_lowercase().starts_with(whose)) {
        Some("AWS reserves `aws:` and `rds:`".to_owned())
    } else if length > longest {
        Some(format!("{length} characters; with the rest of the key EC2 allows {longest}"))
    } else {
        None
    };
    if let Some(why) = why {
        let fix = "letters, digits and _ . : / = + - @, for example \"event-\"";
        let what = format!("{prefix:?} cannot be a prefix of tags");
        rules.found.error("tag_prefix", here, what, why, fix);
    } else if prefix.ends_with(char::is_alphanumeric) {
        rules.found.warn(
            "tag_prefix_bare",
            here,
            format!("the tags will be called `{prefix}stack` and `{prefix}step`"),
            "the prefix has no separator at its end",
            format!("if this is not intended, write \"{prefix}-\""),
        );
    }
}

fn tags(rules: &mut Rules<'_>) {
    let tags = &rules.config.tags;
    if tags.len() > 45 {
        rules.found.error(
            "tags_too_many",
            at("tags"),
            format!("{} tags", tags.len()),
            "AWS allows 50 on each object, and gameday sets some itself",
            "keep 45 or fewer",
        );
    }
    let own: Vec<String> =
        OWN_TAGS.iter().map(|of| format!("{}{of}", rules.config.tag_prefix).to_lowercase()).collect();
    let mut seen: BTreeMap<String, &String> = BTreeMap::new();
    for (key, value) in tags {
        let here = at("tags").key(key);
        let lower = key.to_lowercase();
        let named = rules.config.service.keys().next().map_or("NAME", String::as_str);
        let reserved = if lower.starts_with("aws:") {
            Some(("AWS reserves tags that begin with `aws:`", "choose another key".to_owned()))
        } else if lower.starts_with("rds:") {
            Some(("RDS reserves tags that begin with `rds:`", "choose another key".to_owned()))
        } else if lower.starts_with("gameday:") || own.contains(&lower) {
            Some(("gameday recognises its objects by these tags", "choose another key".to_owned()))
        } else if key == "Name" {
            Some((
                "gameday sets the Name of every object",
                format!(
                    "exact names belong under [names], by step: \"instance/{named}\" = {value:?} for the instances, \
                     \"vpc/main\" for the VPC"
                ),
            ))
        } else if lower == "name" {
            Some((
                "every object has the tag `Name`, and IAM refuses keys that differ only in capitals",
                format!("choose another key; the instances' Name is [names] \"instance/{named}\" = {value:?}"),
            ))
        } else {
            None
        };
        if let Some((why, fix)) = reserved {
            let issue = Issue::error("tag_reserved", here, format!("the tag {key:?} is reserved"), why, fix);
            rules.found.push(issue.on_key());
            continue;
        }
        if let Some(before) = seen.insert(lower, key) {
            rules.found.push(
                Issue::error(
                    "tag_case",
                    here,
                    format!("the tags {before:?} and {key:?} differ only in capitals"),
                    "IAM accepts only one of them",
                    "keep one",
                )
                .on_key()
                .with(at("tags").key(before), "the other one"),
            );
            continue;
        }
        let key_why = match key.chars().count() {
            0 => Some("the key is empty".to_owned()),
            n if n > LONGEST_KEY => Some(format!("the key has {n} characters; EC2 allows {LONGEST_KEY}")),
            _ => refused(key),
        };
        if let Some(why) = key_why {
            let fix = "letters, digits, spaces within and _ . : / = + - @, at most 127";
            let issue = Issue::error("tag_key", here, format!("{key:?} cannot be the key of a tag"), why, fix);
            rules.found.push(issue.on_key());
            continue;
        }
        let value_why = match value.chars().count() {
            n if n > 256 => Some(format!("{n} characters; AWS allows 256")),
            _ => match RESERVED.iter().find(|whose| value.to_lowercase().starts_with(*whose)) {
                Some(whose) => Some(format!("RDS refuses a value that begins with `{whose}`")),
                None => refused(value),
            },
        };
        if let Some(why) = value_why {
            rules.found.error(
                "tag_value",
                here,
                format!("the tag `{key}` cannot have this value"),
                why,
                "letters, digits, spaces within and _ . : / = + - @, at most 256",
            );
        }
    }
}

/// Explains why services refuse this text in a tag.
fn refused(text: &str) -> Option<String> {
    if let Some(bad) = text.chars().find(|c| !in_tags(*c)) {
        return Some(format!("AWS does not accept {bad:?} in a tag"));
    }
    (text.trim() != text).then(|| "ELB accepts no space at the beginning or the end".to_owned())
}

/// True for characters that every service accepts in tags.
fn in_tags(c: char) -> bool {
    c.is_alphanumeric() || " _.:/=+-@".contains(c)
}
