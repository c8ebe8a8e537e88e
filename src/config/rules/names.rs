//! Names that the event prescribes, held against what each AWS service takes.
use super::Rules;
use crate::check::Issue;
use crate::place::at;
use crate::suggest::nearest;
use std::collections::HashMap;

/// How a service takes names. Limits as in the service's API model.
struct Form {
    kind: &'static str,
    /// The AWS noun, for messages.
    noun: &'static str,
    shortest: usize,
    longest: usize,
    /// Characters beside letters and digits; nothing: any printable ones.
    also: Option<&'static str>,
    style: Style,
    /// Names of this kind are unique in an account and region, so two steps cannot share one.
    unique: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// A title only (the tag `Name`).
    Tag,
    /// Begins with a letter; no hyphen last or doubled; stored in small letters.
    Identifier,
    /// Stored in small letters.
    Lower,
    /// No hyphen first or last, not `internal-…`.
    Balancer,
    Free,
    /// Has no name on AWS.
    Nameless,
    /// Stands under a path that is gameday's.
    Path,
}

const fn form(
    kind: &'static str,
    noun: &'static str,
    longest: usize,
    also: Option<&'static str>,
    style: Style,
) -> Form {
    let unique = !matches!(style, Style::Tag | Style::Nameless);
    Form { kind, noun, shortest: 1, longest, also, style, unique }
}

const TAG: Option<&str> = Some(" _.:/=+-@");
const IAM: Option<&str> = Some("_+=,.@-");
const FORMS: &[Form] = &[
    form("vpc", "a VPC", 256, TAG, Style::Tag),
    form("internet-gateway", "an internet gateway", 256, TAG, Style::Tag),
    form("subnet", "a subnet", 256, TAG, Style::Tag),
    form("route-table", "a route table", 256, TAG, Style::Tag),
    form("vpc-endpoint", "a VPC endpoint", 256, TAG, Style::Tag),
    form("interface-endpoint", "an interface endpoint", 256, TAG, Style::Tag),
    form("elastic-ip", "an Elastic IP address", 256, TAG, Style::Tag),
    form("nat-gateway", "a NAT gateway", 256, TAG, Style::Tag),
    form("main-route-table", "a main route table", 256, TAG, Style::Tag),
    form("default-network-acl", "a default network ACL", 256, TAG, Style::Tag),
    form("default-security-group", "a default security group", 256, TAG, Style::Tag),
    form("dhcp-options", "a set of DHCP options", 0, None, Style::Nameless),
    form("security-group", "a security group", 255, Some(" ._-:/()#,@[]+=&;{}!$*"), Style::Free),
    form("security-group-rules", "a set of security group rules", 0, None, Style::Nameless),
    form("db-subnet-group", "a DB subnet group", 255, Some("._ -"), Style::Lower),
    form("db-parameter-group", "a DB parameter group", 255, Some("-"), Style::Identifier),
    form("database", "a DB instance", 63, Some("-"), Style::Identifier),
    form("cache-subnet-group", "a cache subnet group", 255, Some("-"), Style::Lower),
    form("cache", "a replication group", 40, Some("-"), Style::Identifier),
    form("file-system", "a file system", 256, TAG, Style::Tag),
    form("mount-target", "a mount target", 0, None, Style::Nameless),
    form("access-point", "an access point", 256, TAG, Style::Tag),
    form("role", "a role", 64, IAM, Style::Free),
    form("instance-profile", "an instance profile", 128, IAM, Style::Free),
    form("parameter", "an SSM parameter", 0, None, Style::Path),
    form("log-group", "a log group", 0, None, Style::Path),
    form("instance", "an instance", 256, TAG, Style::Tag),
    form("volume", "an instance's volume", 256, TAG, Style::Tag),
    Form { shortest: 3, ..form("launch-template", "a launch template", 128, Some("().-/_"), Style::Free) },
    form("target-group", "a target group", 32, Some("-"), Style::Balancer),
    form("load-balancer", "a load balancer", 32, Some("-"), Style::Balancer),
    form("listener", "a listener", 256, TAG, Style::Tag),
    form("listener-rule", "a listener rule", 256, TAG, Style::Tag),
    form("auto-scaling-group", "an Auto Scaling group", 255, Some("!\"#$%&'()*+,-./;<=>?@[\\]^_`{|}~"), Style::Free),
    form("scaling-policy", "a scaling policy", 255, None, Style::Free),
    form("alarm", "an alarm", 255, None, Style::Free),
    form("dashboard", "a dashboard", 255, Some("-_"), Style::Free),
];

pub(super) fn check(rules: &mut Rules<'_>) {
    let mut seen = HashMap::new();
    for (key, name) in &rules.config.names {
        let here = at("names").key(key);
        let (kind, step) = key.split_once('/').unwrap_or((key, ""));
        let Some(form) = FORMS.iter().find(|form| form.kind == kind) else {
            let meant = other_word(kind).or_else(|| nearest(kind, FORMS.iter().map(|form| form.kind)));
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
                format!("there is no kind of step called {kind:?}"),
                "the part before the / is the kind",
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
                "keys are kind/name, in small letters",
                format!("write \"{kind}/main\", or as `gameday plan` prints the step"),
            );
            rules.found.push(issue.on_key());
            continue;
        }
        if form.style == Style::Path {
            let issue = Issue::error(
                "name_path",
                here,
                format!("{} keeps the name that gameday gives it", form.noun),
                "instances and teammates find it there",
                format!("delete this line; it is /gameday/{}/{step}", rules.config.name),
            );
            rules.found.push(issue.on_key());
            continue;
        }
        if form.style == Style::Nameless {
            let issue = Issue::error(
                "name_nameless",
                here,
                format!("{} has no name on AWS", form.noun),
                "there is nothing to name",
                "delete this line",
            );
            rules.found.push(issue.on_key());
            continue;
        }
        let service = rules.config.service.keys().next().filter(|_| ["instance", "volume"].contains(&kind));
        if let Some(service) = service.filter(|service| **service != step) {
            let issue = Issue::error(
                "name_instance",
                here,
                format!("there is no service called {step:?}"),
                "instances and their volumes go by the service they run",
                format!("write \"{kind}/{service}\""),
            );
            rules.found.push(issue.on_key());
            continue;
        }
        if let Some(why) = broken(form, name) {
            rules.found.error(
                "name_form",
                here,
                format!("{} cannot be called {name:?}", form.noun),
                why,
                fix(form, name),
            );
        } else if form.unique
            && let Some(other) = seen.insert((kind, name.to_lowercase()), here.clone())
        {
            rules.found.push(
                Issue::error(
                    "name_twice",
                    here,
                    format!("two steps are called {name:?}"),
                    format!("AWS keeps {} by its name: it has to be unique", form.noun),
                    "give each step a name of its own",
                )
                .with(other, "first here"),
            );
        }
    }
}

/// What people call a kind.
fn other_word(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "rds" | "rds-instance" | "db" | "db-instance" | "mysql" => "database",
        "redis" | "elasticache" | "replication-group" => "cache",
        "alb" | "lb" | "elb" | "balancer" => "load-balancer",
        "tg" | "targets" => "target-group",
        "asg" | "fleet" | "autoscaling-group" => "auto-scaling-group",
        "sg" => "security-group",
        "efs" | "files" => "file-system",
        "lt" | "launch" => "launch-template",
        "igw" => "internet-gateway",
        "nat" | "natgw" | "ngw" => "nat-gateway",
        "eip" | "address" => "elastic-ip",
        "endpoint" | "vpce" => "vpc-endpoint",
        "acl" | "nacl" | "network-acl" => "default-network-acl",
        "dhcp" => "dhcp-options",
        "network" => "vpc",
        "ec2" | "instances" | "server" | "machine" | "vm" | "node" => "instance",
        "ebs" | "disk" | "volumes" => "volume",
        _ => return None,
    })
}

/// Why the service would refuse the name.
fn broken(form: &Form, name: &str) -> Option<String> {
    let length = name.chars().count();
    if name.is_empty() {
        return Some("the name is empty".into());
    }
    if length > form.longest {
        return Some(format!("{length} characters; AWS takes {}", form.longest));
    }
    if length < form.shortest {
        return Some(format!("{length} characters; AWS wants at least {}", form.shortest));
    }
    let allowed = |c: &char| match form.also {
        Some(also) => {
            c.is_ascii_alphanumeric() || also.contains(*c) || (form.style == Style::Tag && c.is_alphanumeric())
        }
        None => !c.is_control(),
    };
    if let Some(bad) = name.chars().find(|c| !allowed(c)) {
        return Some(format!("AWS does not take {bad:?} here"));
    }
    let lower = name.to_lowercase();
    if matches!(form.style, Style::Identifier | Style::Lower) && name != lower {
        return Some("AWS stores this name in small letters".into());
    }
    let letter_first = name.starts_with(|c: char| c.is_ascii_alphabetic());
    match form.style {
        Style::Identifier if !letter_first => Some("it has to begin with a letter".into()),
        Style::Lower if !letter_first => Some("it has to begin with a letter".into()),
        Style::Lower if name == "default" => Some("AWS keeps `default` to itself".into()),
        Style::Identifier if name.contains("--") => Some("it has two hyphens in a row".into()),
        Style::Identifier if name.ends_with('-') => Some("it ends with a hyphen".into()),
        Style::Balancer if name.starts_with('-') || name.ends_with('-') => {
            Some("it begins or ends with a hyphen".into())
        }
        Style::Balancer if form.kind == "load-balancer" && name.starts_with("internal-") => {
            Some("AWS keeps `internal-` to itself".into())
        }
        Style::Free => match form.kind {
            "security-group" if lower.starts_with("sg-") => Some("AWS keeps `sg-` to itself".into()),
            _ => None,
        },
        _ => None,
    }
}

fn fix(form: &Form, name: &str) -> String {
    let lower = name.to_lowercase();
    if matches!(form.style, Style::Identifier | Style::Lower) && name != lower && broken(form, &lower).is_none() {
        return format!("write \"{lower}\"");
    }
    let signs = match form.also {
        Some("-") => "letters, digits and hyphens".to_owned(),
        Some(also) => {
            format!("letters, digits and {}", also.trim().chars().map(String::from).collect::<Vec<_>>().join(" "))
        }
        None => "printable characters".to_owned(),
    };
    let place = match form.style {
        Style::Identifier => ", a letter first, no hyphen last or doubled",
        Style::Lower => ", a letter first",
        _ => "",
    };
    format!("{} to {} {signs}{place}", form.shortest, form.longest)
}

/// Why SSM would refuse a parameter of this name.
pub(super) fn parameter(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let root = lower.trim_start_matches('/');
    if name.is_empty() {
        Some("the name is empty".into())
    } else if name.starts_with("arn:") {
        Some("this is an ARN; the name is its part after `parameter`".into())
    } else if let Some(bad) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || "_.-/".contains(*c))) {
        Some(format!("SSM does not take {bad:?}"))
    } else if name.contains('/') && !name.starts_with('/') {
        Some("a path has to begin with /".into())
    } else if root.starts_with("aws") || root.starts_with("ssm") {
        Some("AWS keeps names that begin with aws or ssm to itself".into())
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
