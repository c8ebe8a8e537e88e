//! Names that the event prescribes, checked against each AWS service's form.
use super::Rules;
use crate::check::Issue;
use crate::kinds::{KINDS, Kind, Style};
use crate::place::at;
use crate::suggest::nearest;
use std::collections::HashMap;

pub(super) fn check(rules: &mut Rules<'_>) {
    let mut seen = HashMap::new();
    for (key, name) in &rules.config.names {
        let here = at("names").key(key);
        let (word, step) = key.split_once('/').unwrap_or((key, ""));
        let Some(kind) = Kind::by_word(word) else {
            let other_word = || KINDS.iter().find(|kind| kind.also.contains(&word)).map(|kind| kind.word);
            let meant = other_word().or_else(|| nearest(word, KINDS.iter().map(|kind| kind.word)));
            let fix = match meant {
                Some(meant) => {
                    format!("did you mean \"{meant}/{}\"?", if step.is_empty() { "main" } else { step })
                }
                None => "the steps and their keys are listed by `gameday plan`; kinds are for example \
                         database, cache, load-balancer, auto-scaling-group"
                    .into(),
            };
            let issue = Issue::error(
                "name_kind",
                here,
                format!("there is no kind of step called {word:?}"),
                "the part before the / has to be a kind",
                fix,
            );
            rules.found.push(issue.on_key());
            continue;
        };
        if step.is_empty()
            || step.chars().any(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || "-._/".contains(c)))
        {
            let issue = Issue::error(
                "name_key",
                here,
                format!("{key:?} is not the key of a step"),
                "a key is kind/name, in small letters",
                format!("write \"{word}/main\", or as `gameday plan` prints the step"),
            );
            rules.found.push(issue.on_key());
            continue;
        }
        if kind.name.style == Style::Path {
            let issue = Issue::error(
                "name_path",
                here,
                format!("{} always has the name that gameday gives it", kind.noun),
                "instances and teammates look for it there",
                format!("delete this line; it is /gameday/{}/{step}", rules.config.name),
            );
            rules.found.push(issue.on_key());
            continue;
        }
        if kind.name.style == Style::Nameless {
            let issue = Issue::error(
                "name_nameless",
                here,
                format!("{} has no name on AWS", kind.noun),
                "it cannot be named",
                "delete this line",
            );
            rules.found.push(issue.on_key());
            continue;
        }
        let service = rules.config.service.keys().next().filter(|_| ["instance", "volume"].contains(&word));
        if let Some(service) = service.filter(|_| !rules.config.service.contains_key(step)) {
            let issue = Issue::error(
                "name_instance",
                here,
                format!("there is no service called {step:?}"),
                "instances and their volumes are named by their service",
                format!("write \"{word}/{service}\""),
            );
            rules.found.push(issue.on_key());
            continue;
        }
        if let Some(why) = broken(kind, name) {
            rules.found.error(
                "name_form",
                here,
                format!("{} cannot be called {name:?}", kind.noun),
                why,
                fix(kind, name),
            );
        } else if kind.name.is_unique()
            && let Some(other) = seen.insert((word, name.to_lowercase()), here.clone())
        {
            rules.found.push(
                Issue::error(
                    "name_twice",
                    here,
                    format!("two steps are called {name:?}"),
                    format!("AWS identifies {} by its name, so the name has to be unique", kind.noun),
                    "give each step a different name",
                )
                .with(other, "first here"),
            );
        }
    }
}

/// Explains why the service would refuse the name.
fn broken(kind: &Kind, name: &str) -> Option<String> {
    let length = name.chars().count();
    if name.is_empty() {
        return Some("the name is empty".into());
    }
    if length > kind.name.longest {
        return Some(format!("{length} characters; AWS allows {}", kind.name.longest));
    }
    if length < kind.name.shortest {
        return Some(format!("{length} characters; AWS requires at least {}", kind.name.shortest));
    }
    let allowed = |c: &char| match kind.name.also {
        Some(also) => {
            c.is_ascii_alphanumeric() || also.contains(*c) || (kind.name.style == Style::Tag && c.is_alphanumeric())
        }
        None => !c.is_control(),
    };
    if let Some(bad) = name.chars().find(|c| !allowed(c)) {
        return Some(format!("AWS does not accept {bad:?} here"));
    }
    let lower = name.to_lowercase();
    if matches!(kind.name.style, Style::Identifier | Style::Lower) && name != lower {
        return Some("AWS stores this name in small letters".into());
    }
    let letter_first = name.starts_with(|c: char| c.is_ascii_alphabetic());
    match kind.name.style {
        Style::Identifier if !letter_first => Some("it has to begin with a letter".into()),
        Style::Lower if !letter_first => Some("it has to begin with a letter".into()),
        Style::Lower if name == "default" => Some("AWS reserves `default`".into()),
        Style::Identifier if name.contains("--") => Some("it has two hyphens in a row".into()),
        Style::Identifier if name.ends_with('-') => Some("it ends with a hyphen".into()),
        Style::Balancer if name.starts_with('-') || name.ends_with('-') => {
            Some("it begins or ends with a hyphen".into())
        }
        Style::Balancer if kind.word == "load-balancer" && name.starts_with("internal-") => {
            Some("AWS reserves `internal-`".into())
        }
        Style::Free => match kind.word {
            "security-group" if lower.starts_with("sg-") => Some("AWS reserves `sg-`".into()),
            _ => None,
        },
        _ => None,
    }
}

fn fix(kind: &Kind, name: &str) -> String {
    let lower = name.to_lowercase();
    if matches!(kind.name.style, Style::Identifier | Style::Lower) && name != lower && broken(kind, &lower).is_none() {
        return format!("write \"{lower}\"");
    }
    let signs = match kind.name.also {
        Some("-") => "letters, digits and hyphens".to_owned(),
        Some(also) => {
            format!("letters, digits and {}", also.trim().chars().map(String::from).collect::<Vec<_>>().join(" "))
        }
        None => "printable characters".to_owned(),
    };
    let place = match kind.name.style {
        Style::Identifier => ", a letter first, no hyphen last or doubled",
        Style::Lower => ", a letter first",
        _ => "",
    };
    format!("{} to {} {signs}{place}", kind.name.shortest, kind.name.longest)
}

/// Explains why SSM would refuse a parameter of this name.
pub(super) fn parameter(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let root = lower.trim_start_matches('/');
    if name.is_empty() {
        Some("the name is empty".into())
    } else if name.starts_with("arn:") {
        Some("this is an ARN; the name is its part after `parameter`".into())
    } else if let Some(bad) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || "_.-/".contains(*c))) {
        Some(format!("SSM does not accept {bad:?}"))
    } else if name.contains('/') && !name.starts_with('/') {
        Some("a path has to begin with /".into())
    } else if root.starts_with("aws") || root.starts_with("ssm") {
        Some("AWS reserves names that begin with aws or ssm".into())
    } else if name.matches('/').count() > 15 {
        Some("a path has at most 15 levels".into())
    } else if name.ends_with('/') || name.contains("//") {
        Some("a part of the path is empty".into())
    } else if name.len() > 1011 {
        Some("SSM takes 1011 characters".into())
    } else {
        None
    }
}
