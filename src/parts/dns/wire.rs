//! The steps of the name: the alias of the balancer, and the proof of a certificate's domain.
use crate::{
    engine::{Key, Ref},
    parts::{Builder, balancer::Balancer, network::Network},
    resources::{
        certificate::Certificate,
        dns_record::{DnsRecord, Says},
        hosted_zone::HostedZone,
    },
};
use std::cell::Cell;

/// The beginning of the names of steps for a proof. No host name begins with it.
const PROOF: &str = "_proof.";

/// Wires the alias, if the stack has a name, and those of earlier stack files.
pub(crate) fn wire(b: &mut Builder<'_>, network: &Network, balancer: &Balancer) {
    let config = b.config;
    let vpc = config.has_internal_balancer().then(|| network.vpc.clone());
    let now = config.dns.iter().map(|dns| (dns.name.clone(), dns.zone.clone()));
    let mut all: Vec<(String, Option<String>)> = now.collect();
    for name in b.earlier.names.iter().filter(|name| all.iter().all(|(now, _)| now != *name)).collect::<Vec<_>>() {
        all.push((name.clone(), None));
    }
    for (name, id) in all {
        let zone = HostedZone { aws: b.aws(), name: name.clone(), id, vpc: vpc.clone() };
        let zone = b.add_used(&name, zone);
        let called = config.name_of("load-balancer/main");
        let says = Says::Alias { name: name.clone(), balancer: balancer.clone(), called };
        b.add(&name, DnsRecord { aws: b.aws(), zone, says, left: Cell::default() });
    }
}

/// Wires the record by which ACM knows that the domain of a certificate is the account's. Returns its key.
pub(crate) fn prove(b: &mut Builder<'_>, name: &str, domain: &str, zone: Option<String>, of: &Ref<Certificate>) -> Key {
    let name = format!("{PROOF}{name}");
    // ACM asks on the internet.
    let plain = domain.strip_prefix("*.").unwrap_or(domain).to_owned();
    let zone = HostedZone { aws: b.aws(), name: plain, id: zone, vpc: None };
    let zone = b.add_used(&name, zone);
    let record = DnsRecord { aws: b.aws(), zone, says: Says::Proof(of.clone()), left: Cell::default() };
    b.add(&name, record).key().clone()
}
