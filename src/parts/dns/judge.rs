//! The findings about the record of the stack's name, at the hop of the name.
use crate::{
    diagnose::{Draft, Drafts, UP, View},
    shell::command,
};

/// Adds the findings about the zone and the record. Returns true if the zone has the record as it should be.
pub(crate) fn record(view: &View<'_>, hop: &mut Drafts) -> bool {
    let s = view.s;
    let (Some(expected), Some(seen)) = (&s.expected.dns, &s.name) else { return false };
    let name = &expected.name;
    let Some(zone) = &seen.zone else {
        hop.push(Draft::new(
            "dns-zone-missing",
            format!("no hosted zone of the account has the name {name}"),
            match &expected.zone {
                Some(id) => format!("ListHostedZones returns no zone {id} that has it"),
                None => "ListHostedZones returns no zone that has it".into(),
            },
            (
                "aws route53 list-hosted-zones",
                "create the zone and delegate its domain to it; or another name under [dns]",
            ),
        ));
        return false;
    };
    let Some(target) = &seen.target else {
        hop.push(Draft::new(
            "dns-record-missing",
            format!("{name} has no record"),
            format!("hosted zone {zone} ({}) has neither A nor CNAME of that name", seen.zone_name),
            UP,
        ));
        return false;
    };
    let Some(balancer) = &s.balancer else { return false };
    if !target.eq_ignore_ascii_case(&balancer.dns_name) {
        hop.push(Draft::new(
            "dns-record-elsewhere",
            format!("the record of {name} does not point at the stack's load balancer"),
            format!("in hosted zone {zone} it says {target}; the balancer is {}", balancer.dns_name),
            (UP, "points it at the balancer, if the record is the stack's; another one has to be named: --adopt"),
        ));
        return false;
    }
    true
}

/// Returns the finding about a name whose record is right and that resolvers do not have: `evidence` says what they say.
pub(crate) fn delegation(view: &View<'_>, evidence: String) -> Option<Draft> {
    let (expected, seen) = (view.s.expected.dns.as_ref()?, view.s.name.as_ref()?);
    let (zone, name) = (seen.zone.as_ref()?, &expected.name);
    let draft = Draft::new(
        "dns-delegation",
        format!("the hosted zone has the record of {name}, but resolvers do not ask that zone"),
        evidence,
        (
            command!("aws route53 get-hosted-zone --id {}", zone),
            format!(
                "the registrar, or the parent zone, has to name these servers for {}; a new record takes a minute",
                seen.zone_name
            ),
        ),
    );
    Some(draft.trying())
}
