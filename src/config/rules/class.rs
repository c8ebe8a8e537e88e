//! Instance classes: `t3.micro`, `db.t3.micro`, `cache.t3.micro`.
use super::Rules;
use crate::place::Place;
use crate::suggest::nearest;

const SIZES: &[&str] = &[
    "nano", "micro", "small", "medium", "large", "xlarge", "2xlarge", "3xlarge", "4xlarge", "6xlarge", "8xlarge",
    "9xlarge", "10xlarge", "12xlarge", "16xlarge", "18xlarge", "24xlarge", "32xlarge", "48xlarge", "metal",
];

pub(super) struct Class<'a> {
    pub family: &'a str,
    pub size: &'a str,
}

impl Class<'_> {
    pub(super) fn is_t(&self) -> bool {
        self.family.starts_with('t') && self.family[1..].starts_with(|c: char| c.is_ascii_digit())
    }

    /// True for Graviton: a `g` after the generation's number (t4g, c7gn, im4gn), or the first one, a1.
    pub(super) fn is_arm(&self) -> bool {
        let attributes = self.family.trim_start_matches(|c: char| !c.is_ascii_digit());
        self.family == "a1" || attributes.trim_start_matches(|c: char| c.is_ascii_digit()).contains('g')
    }
}

/// Splits a class into family and size. Anything else is reported.
pub(super) fn class<'a>(rules: &mut Rules<'_>, place: Place, prefix: &str, text: &'a str) -> Option<Class<'a>> {
    let example = format!("{prefix}t3.micro");
    let (why, fix) = match text.strip_prefix(prefix) {
        None => {
            let bare = text.trim_start_matches("db.").trim_start_matches("cache.");
            let fix = if bare.contains('.') {
                format!("write \"{prefix}{bare}\"")
            } else {
                format!("for example \"{example}\"")
            };
            (format!("it has to begin with `{prefix}`"), fix)
        }
        Some(rest) if prefix.is_empty() && (rest.starts_with("db.") || rest.starts_with("cache.")) => {
            let bare = rest.trim_start_matches("db.").trim_start_matches("cache.");
            ("this is a class of databases or caches".to_owned(), format!("write \"{bare}\""))
        }
        Some(rest) => match rest.split_once('.') {
            Some((family, size)) if is_family(family) && SIZES.contains(&size) => {
                return Some(Class { family, size });
            }
            Some((family, size)) if is_family(family) => match nearest(size, SIZES.iter().copied()) {
                Some(meant) => {
                    (format!("there is no size {size:?}"), format!("did you mean \"{prefix}{family}.{meant}\"?"))
                }
                None => (format!("there is no size {size:?}"), format!("for example \"{example}\"")),
            },
            _ => (format!("classes look like {example}"), format!("for example \"{example}\"")),
        },
    };
    rules.found.error("class_form", place, format!("{text:?} is not an instance class"), why, fix);
    None
}

fn is_family(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.contains(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Warns about other families, because the contest pays for small machines only.
pub(super) fn warn_unless_t(rules: &mut Rules<'_>, place: Place, class: &Class<'_>, text: &str, instead: &str) {
    if !class.is_t() {
        rules.found.warn(
            "class_not_t",
            place,
            format!("{text} is not of the T class"),
            "the event asks for T-class machines; a larger one costs points",
            format!("\"{instead}\" is enough for this load"),
        );
    }
}
