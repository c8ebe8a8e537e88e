//! Why nothing can be built in an existing VPC, and how to repair that.
use super::{
    network::Existing,
    subnets::{Flaw, Lack, Role, Way},
};
use crate::{aws::public_access, config::Config, error::Error, shell::command};

/// How many subnets an error names.
const SAID: usize = 6;

const OTHERWISE: &str = "a public subnet has a route to an internet gateway: add one, choose other zones, \
                         or set mode = \"create\" under [network]";

impl Existing {
    /// Returns why nothing can be built here: the subnets that were looked at, each with its reason, and the way out.
    pub(super) fn lacks(&self, config: &Config, wanted: &[String], lacks: &[(String, Lack)]) -> Error {
        let role = lacks.iter().map(|(_, (role, _))| *role).min_by_key(|role| *role as u8).unwrap_or(Role::Balancer);
        let of_role = lacks.iter().filter(|(_, (r, _))| *r == role);
        let flaws: Vec<(&String, &String, &Flaw)> =
            of_role.flat_map(|(zone, (_, all))| all.iter().map(move |(id, flaw)| (zone, id, flaw))).collect();
        let mut said: Vec<String> =
            flaws.iter().take(SAID).map(|(zone, id, flaw)| format!("{id} in {zone}: {flaw}")).collect();
        if flaws.len() > SAID {
            said.push(format!("and {} more", flaws.len() - SAID));
        }
        // A named zone without any subnet.
        let empty = wanted.iter().filter(|z| self.subnets.iter().all(|c| c.subnet.zone != **z));
        said.extend(empty.map(|zone| format!("{zone} has no subnet")));
        let (vpc, zones) = (&self.vpc, if wanted.is_empty() { "any".to_owned() } else { wanted.join(", ") });
        let said = if said.is_empty() { String::new() } else { format!(": {}", said.join("; ")) };
        let what = format!("VPC {vpc} has no {} in at least two zones ({zones} wanted){said}", role.wanted());
        let way_out = flaws.iter().find_map(|(_, id, flaw)| self.way_out(config, id, flaw));
        Error::other(what, way_out.unwrap_or_else(|| OTHERWISE.into()))
    }

    /// Returns how to repair a flaw, if that is possible.
    fn way_out(&self, config: &Config, id: &str, flaw: &Flaw) -> Option<String> {
        let vpc = &self.vpc;
        let table = self.subnets.iter().find(|c| c.subnet.id == id).map_or("", |c| c.table.as_str());
        let attach =
            |id: &str| command!("aws ec2 attach-internet-gateway --internet-gateway-id {} --vpc-id {}", id, vpc);
        let lead = |to: &str| {
            command!(
                "aws ec2 replace-route --route-table-id {} --destination-cidr-block 0.0.0.0/0 --gateway-id {}",
                table,
                to
            )
        };
        Some(match flaw {
            Flaw::Leads(Way::Detached(via)) => {
                format!("`{}`; {OTHERWISE}", attach(via))
            }
            Flaw::Leads(Way::Blackhole(via)) if via.starts_with("igw-") => match (&self.gateway, &self.spare) {
                (Some(gateway), _) => format!("`{}`; {OTHERWISE}", lead(gateway)),
                (None, Some(spare)) => format!("`{}`, then `{}`; {OTHERWISE}", attach(spare), lead(spare)),
                (None, None) => format!(
                    "`aws ec2 create-internet-gateway`, attach it to {vpc} (`aws ec2 attach-internet-gateway`), then \
                     `{} igw-…`; {OTHERWISE}",
                    lead("igw-").trim_end_matches(" igw-")
                ),
            },
            Flaw::Leads(Way::Blackhole(via)) => {
                format!("point the route 0.0.0.0/0 of {table} at something that exists, instead of {via}; {OTHERWISE}")
            }
            Flaw::Leads(_) if config.has_private_instances() => format!(
                "instances without public addresses need a route to a NAT gateway, a transit gateway, a VPN or a \
                 firewall: add one, or set instances = \"public\"; {OTHERWISE}"
            ),
            Flaw::Leads(_) => return None,
            Flaw::Blocked(_) => {
                format!("`{}` lets this VPC through; {OTHERWISE}", public_access::exclude(vpc, &config.region))
            }
            Flaw::Full { .. } | Flaw::Small(_) => {
                format!("free addresses there, make larger subnets, or lower `max` under [service.NAME]; {OTHERWISE}")
            }
            Flaw::State(_) | Flaw::Ipv6Only | Flaw::Outpost | Flaw::Elsewhere => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn a_blocked_vpc_is_excluded_in_the_region_of_the_stack() {
        let text = "name = \"shop\"\nregion = \"eu-west-1\"\n[service.api]\nsource = \"https://example.com/api\"\n";
        let config = config::parse("gameday.toml", text).unwrap().config;
        let existing =
            Existing { vpc: "vpc-1".into(), cidrs: vec![], subnets: vec![], gateway: None, spare: None, unseen: None };
        let help = existing.way_out(&config, "subnet-1", &Flaw::Blocked("block-ingress".into())).unwrap();
        let command = help.split('`').nth(1).unwrap();
        assert!(command.contains(" create-vpc-block-public-access-exclusion --vpc-id vpc-1 "), "{command}");
        assert!(command.ends_with(" --region eu-west-1"), "{command}");
    }
}
