//! Route 53's words: names in one form, and what a record says.
use aws_sdk_route53::types::{ResourceRecordSet, RrType};

/// Returns a name in the form of the stack file: in lower case, without the last dot, with a plain asterisk [AWS C3].
pub(crate) fn plain(name: &str) -> String {
    name.trim_end_matches('.').replace("\\052", "*").to_lowercase()
}

/// True if a zone of this name can have records of `name`.
pub(crate) fn is_in(name: &str, zone: &str) -> bool {
    name == zone || name.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'))
}

/// Returns what a record points at: the target of an alias, or the values.
pub(crate) fn target(record: &ResourceRecordSet) -> String {
    if let Some(alias) = record.alias_target() {
        // The console writes the name for both versions of IP.
        let name = plain(alias.dns_name());
        return name.strip_prefix("dualstack.").map_or(name.clone(), Into::into);
    }
    let values: Vec<String> = record.resource_records().iter().map(|value| plain(value.value())).collect();
    values.join(", ")
}

/// True if the record stands where one of this type is wanted: it has the type, or allows no other one beside it.
pub(crate) fn is_in_place(record: &ResourceRecordSet, wanted: &RrType) -> bool {
    record.r#type() == wanted || *record.r#type() == RrType::Cname
}

/// True if `target` is a name that AWS gave to a load balancer of this name, now or before.
///
/// Such a name is the balancer's, a number, the region and AWS's domain. That of an internal one begins with `internal-`.
pub(crate) fn is_of_balancer(target: &str, balancer: &str) -> bool {
    let first = target.split('.').next().unwrap_or_default();
    let name = first.rsplit_once('-').map_or("", |(name, number)| match number.bytes().all(|b| b.is_ascii_digit()) {
        true => name,
        false => "",
    });
    let name = name.strip_prefix("internal-").unwrap_or(name);
    target.contains(".elb.amazonaws.com") && name.eq_ignore_ascii_case(balancer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_one_form_and_in_zones() {
        assert_eq!(plain("\\052.App.Example.com."), "*.app.example.com");
        for (name, zone, is) in [
            ("app.example.com", "example.com", true),
            ("example.com", "example.com", true),
            ("myexample.com", "example.com", false),
            ("example.com", "app.example.com", false),
        ] {
            assert_eq!(is_in(name, zone), is, "{name} {zone}");
        }
    }

    #[test]
    fn a_name_that_aws_gave_to_the_balancer_is_known() {
        for (target, is) in [
            ("billing-main-1234567890.us-east-1.elb.amazonaws.com", true),
            ("internal-billing-main-12.us-east-1.elb.amazonaws.com", true),
            ("billing-main-2-12.us-east-1.elb.amazonaws.com", false),
            ("billing-main.us-east-1.elb.amazonaws.com", false),
            ("billing-main-12.example.com", false),
            ("192.0.2.1", false),
        ] {
            assert_eq!(is_of_balancer(target, "billing-main"), is, "{target}");
        }
    }
}
