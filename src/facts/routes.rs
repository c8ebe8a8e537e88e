//! The routes of an existing VPC: the way out of each subnet.
use super::{network::Subnet, subnets::Way};
use crate::aws::words;
use aws_sdk_ec2::types::{InternetGateway, Route, RouteTable};

/// The routes of one VPC.
pub(super) struct Routes<'a> {
    pub vpc: &'a str,
    pub tables: Vec<&'a RouteTable>,
    /// All internet gateways of the account; `None` if they could not be seen.
    pub gateways: Option<&'a Vec<InternetGateway>>,
}

impl Routes<'_> {
    /// Returns the route table of a subnet, and the target of its default route.
    pub(super) fn of(&self, subnet: &Subnet) -> (String, Way) {
        let follows = |t: &&&RouteTable| t.associations().iter().any(|a| a.subnet_id() == Some(&subnet.id));
        let main = |t: &&&RouteTable| t.associations().iter().any(|a| a.main() == Some(true));
        let Some(table) = self.tables.iter().find(follows).or_else(|| self.tables.iter().find(main)) else {
            return (String::new(), Way::None);
        };
        (table.route_table_id().unwrap_or_default().to_owned(), self.way(table, subnet))
    }

    fn way(&self, table: &RouteTable, subnet: &Subnet) -> Way {
        let to = |cidr: &str| table.routes().iter().find(|r| r.destination_cidr_block() == Some(cidr));
        // Routes to both halves of the internet amount to a default route, and win over it.
        let halves = to("0.0.0.0/1").zip(to("128.0.0.0/1")).map(|(low, high)| if is_gone(low) { low } else { high });
        let Some(route) = halves.or_else(|| to("0.0.0.0/0")) else {
            let endpoint = table.routes().iter().any(|r| {
                r.destination_prefix_list_id().is_some() && r.gateway_id().is_some_and(|g| g.starts_with("vpce-"))
            });
            return if endpoint { Way::Endpoint } else { Way::None };
        };
        let via = target(route).to_owned();
        if via.starts_with("igw-") {
            return match self.attached(&via) {
                Some(false) if self.exists(&via) => Way::Detached(via),
                Some(false) => Way::Blackhole(via),
                _ if is_gone(route) => Way::Blackhole(via),
                _ => Way::Internet,
            };
        }
        if is_gone(route) {
            Way::Blackhole(via)
        } else if via.starts_with("vpce-") && self.comes_back(&via, subnet) {
            Way::Internet
        } else if via.starts_with("pcx-") || via.starts_with("eigw-") {
            Way::DeadEnd(via)
        } else {
            Way::Through(via)
        }
    }

    /// True if requests from the internet to this subnet pass that firewall endpoint, too.
    ///
    /// The subnet is then a public one behind the firewall.
    fn comes_back(&self, endpoint: &str, subnet: &Subnet) -> bool {
        let of_gateway =
            |t: &&&RouteTable| t.associations().iter().filter_map(|a| a.gateway_id()).any(|g| g.starts_with("igw-"));
        let to_subnet = |r: &&Route| r.destination_cidr_block() == Some(&subnet.cidr);
        let edge = self.tables.iter().filter(of_gateway).flat_map(|t| t.routes());
        edge.filter(to_subnet).any(|r| target(r) == endpoint)
    }

    fn attached(&self, id: &str) -> Option<bool> {
        let gateway = self.gateways?.iter().find(|g| g.internet_gateway_id() == Some(id));
        Some(gateway.is_some_and(|g| g.attachments().iter().any(|a| a.vpc_id() == Some(self.vpc))))
    }

    fn exists(&self, id: &str) -> bool {
        self.gateways.is_some_and(|all| all.iter().any(|g| g.internet_gateway_id() == Some(id)))
    }
}

fn is_gone(route: &Route) -> bool {
    route.state().is_some_and(|s| s.as_str() == "blackhole")
}

fn target(route: &Route) -> &str {
    words::ec2::route_target(route).unwrap_or("somewhere else")
}
