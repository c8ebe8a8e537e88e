//! Routes.
use aws_sdk_ec2::types::Route;

/// Returns where a route is for: a CIDR or a prefix list.
pub(crate) fn destination(route: &Route) -> &str {
    let address = route.destination_cidr_block().or(route.destination_ipv6_cidr_block());
    address.or(route.destination_prefix_list_id()).unwrap_or_default()
}

/// Returns what a route points at: `local`, `igw-…`, `nat-…`, `eni-…`.
pub(crate) fn route_target(route: &Route) -> Option<&str> {
    let all = [
        route.gateway_id(),
        route.nat_gateway_id(),
        route.transit_gateway_id(),
        route.vpc_peering_connection_id(),
        route.network_interface_id(),
        route.egress_only_internet_gateway_id(),
        route.instance_id(),
        route.local_gateway_id(),
        route.carrier_gateway_id(),
        route.core_network_arn(),
    ];
    all.into_iter().flatten().find(|id| !id.is_empty())
}
