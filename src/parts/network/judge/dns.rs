//! The findings about the name servers of the instances: the DHCP options, and the VPC's own DNS server.
use crate::{
    config::{Mode, Origin},
    diagnose::{Draft, Drafts, Fix, View},
    resources::dhcp_options::AMAZON_DNS,
    shell::{Ours, command},
};

/// The name of the DHCP option with the name servers.
const SERVERS: &str = "domain-name-servers";

/// Adds the findings about the name servers.
pub(crate) fn findings(view: &View<'_>, hop: &mut Drafts) {
    let s = view.s;
    let Some(vpc) = &s.vpc else { return };
    let id = &vpc.id;
    let calm = |d: Draft| d.weak_if(view.serves());
    let turn_on = |option| command!("aws ec2 modify-vpc-attribute --vpc-id {} {} Value=true", id, Ours(option));
    let servers = vpc.options.as_ref().map(|o| o.get(SERVERS).cloned().unwrap_or_default());
    let amazons = servers.as_ref().is_none_or(|all| all.iter().any(|s| s == AMAZON_DNS));
    match &servers {
        Some(all) if all.is_empty() => hop.push(calm(Draft::new(
            "dhcp-no-dns",
            format!("the instances in {id} receive no name server: they cannot resolve names"),
            format!("its DHCP options have no {SERVERS}"),
            view.network_fix(restore_dns(vpc.usual_options.as_deref(), id)),
        ))),
        // In a network that the stack only uses, this server may well resolve all names, and gameday cannot know it.
        Some(all) if !amazons => hop.push(
            calm(Draft::new(
                "dhcp-dns",
                format!("the instances in {id} use another name server than Amazon's"),
                format!(
                    "its DHCP options say {SERVERS} = {}: unless it resolves the names of AWS, instances cannot reach \
                     packages, database, cache or files",
                    all.join(", ")
                ),
                view.network_fix(restore_dns(vpc.usual_options.as_deref(), id)),
            ))
            .trying_if(s.expected.network == Origin::Use),
        ),
        _ => {}
    }
    if vpc.dns_support == Some(false) && amazons {
        hop.push(calm(Draft::new(
            "vpc-dns",
            format!("Amazon's DNS server does not answer in {id}: its instances cannot resolve names"),
            "enableDnsSupport is false",
            view.network_fix(turn_on("--enable-dns-support")),
        )));
    } else if vpc.dns_hostnames == Some(false) && amazons && s.expected.files != Mode::Off {
        hop.push(calm(Draft::new(
            "vpc-dns-hostnames",
            format!("file systems have no DNS name in {id}: the instances cannot mount them by name"),
            "enableDnsHostnames is false",
            view.network_fix(turn_on("--enable-dns-hostnames")),
        )));
    }
}

/// Returns the repair that gives the VPC a set of options with Amazon's DNS server.
///
/// Instances ask again when their lease ends.
fn restore_dns(usual: Option<&str>, vpc: &str) -> Fix {
    let lease = "running instances receive it with their next lease, or when they boot";
    match usual {
        Some(set) => {
            (command!("aws ec2 associate-dhcp-options --dhcp-options-id {} --vpc-id {}", set, vpc), lease.to_owned())
                .into()
        }
        None => (
            command!("aws ec2 create-dhcp-options --dhcp-configurations Key={},Values={}", SERVERS, AMAZON_DNS),
            format!("then `aws ec2 associate-dhcp-options` sets them for {vpc}; {lease}"),
        )
            .into(),
    }
}
