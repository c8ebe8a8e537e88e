"""VPC endpoints: of gateways in route tables, and of interfaces in subnets under the service's own name."""

import json

from moto.ec2.models.vpcs import VPCEndPoint

from . import interfaces
from .clock import CLOCK
from .ec2_network import backend
from .rules import Refusal, after, before, instead

# Seconds: [AWS 11] for a gateway's, [AWS V6] for an interface's.
GATEWAY, INTERFACE = 8, 60


def is_interface(endpoint):
    return (endpoint.vpc_endpoint_type or "Gateway").lower() == "interface"


def takes(endpoint):
    return INTERFACE if is_interface(endpoint) else GATEWAY


def stands(endpoint):
    return endpoint.state not in ("deleting", "deleted")


@before("ec2", "CreateVpcEndpoint")
def one_gateway_endpoint(call):
    # AWS: "route table rtb-... already has a route with destination-prefix-list-id pl-...": one for each service.
    tables = set(call.get("RouteTableIds") or ())
    for endpoint in backend(call).vpc_end_points.values():
        shared = tables & set(endpoint.route_table_ids or ())
        if shared and endpoint.service_name == call.get("ServiceName") and stands(endpoint):
            message = f"route table {min(shared)} already has a route with destination-prefix-list-id pl-63a5400a"
            raise Refusal("RouteAlreadyExists", message)


@before("ec2", "CreateVpcEndpoint")
def interface_endpoint(call):
    if call.get("VpcEndpointType") != "Interface":
        return
    ec2, vpc = backend(call), backend(call).get_vpc(call.get("VpcId"))
    one_subnet_a_zone(ec2, call.get("SubnetIds") or ())
    if str(call.get("PrivateDnsEnabled", True)).lower() == "true":
        own_name(ec2, vpc, call.get("ServiceName"))


def one_subnet_a_zone(ec2, subnet_ids):
    # model CreateVpcEndpoint.SubnetIds; the code is in terraform's and eksctl's threads.
    zones = [ec2.get_subnet(s).availability_zone for s in subnet_ids]
    if len(zones) != len(set(zones)):
        message = "Found another VPC endpoint subnet in the availability zone of the given one"
        raise Refusal("DuplicateSubnetsInSameZone", message)


def own_name(ec2, vpc, service, this=None):
    # model PrivateDnsEnabled: "you must set the following VPC attributes to true: enableDnsHostnames and enableDnsSupport".
    if "false" in (str(vpc.enable_dns_support).lower(), str(vpc.enable_dns_hostnames).lower()):
        raise Refusal(
            "InvalidParameter",
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for "
            f"{vpc.id}",
        )
    for other in ec2.vpc_end_points.values():
        same = other.vpc_id == vpc.id and other.service_name == service and is_interface(other) and stands(other)
        if same and other.private_dns_enabled and other.id != this:
            _, _, name = service.partition("com.amazonaws.")
            region, _, short = name.partition(".")
            domain = f"{'.'.join(reversed(short.split('.')))}.{region}.amazonaws.com"
            raise Refusal(
                "InvalidParameter",
                f"private-dns-enabled cannot be set because there is already a conflicting DNS domain for {domain} in the "
                f"VPC {vpc.id}",
            )


# moto crashes when it deletes a gateway endpoint, since it looks for the route by the wrong name.


@after("ec2", "CreateVpcEndpoint")
def endpoint_pending(call, answer):
    # model: State pending, available, deleting, deleted.
    endpoint = backend(call).vpc_end_points[answer["VpcEndpoint"]["VpcEndpointId"]]
    endpoint.state = "pending"

    def ready():
        if endpoint.state == "pending":
            endpoint.state = "available"

    CLOCK.after(takes(endpoint), ready)
    if is_interface(endpoint):
        # moto's own interfaces have no groups and no description.
        for eni_id in endpoint.network_interface_ids:
            backend(call).enis.pop(eni_id, None)
        wire(call, endpoint)
        answer["VpcEndpoint"]["NetworkInterfaceIds"] = endpoint.network_interface_ids
    answer["VpcEndpoint"]["State"] = "pending"
    return answer


def wire(call, endpoint):
    """Create an interface in each subnet, with the endpoint's groups or else the VPC's default one."""
    ec2 = backend(call)
    if not endpoint.security_group_ids:
        endpoint.security_group_ids = [ec2.get_default_security_group(endpoint.vpc_id).id]
    interfaces.release(endpoint.id) if interfaces.held(endpoint.id) else None
    endpoint.network_interface_ids = [
        interfaces.hold(
            endpoint.id,
            call.region,
            call.account,
            subnet,
            endpoint.security_group_ids,
            f"VPC Endpoint Interface {endpoint.id}",
            "vpce",
        ).id
        for subnet in endpoint.subnet_ids or ()
    ]


@before("ec2", "ModifyVpcEndpoint")
def what_moto_does_not_modify(call):
    ec2 = backend(call)
    endpoint = ec2.vpc_end_points.get(call.get("VpcEndpointId"))
    if endpoint is None:
        return
    if is_interface(endpoint):
        kept = [s for s in endpoint.subnet_ids if s not in (call.get("RemoveSubnetIds") or ())]
        one_subnet_a_zone(ec2, {*kept, *(call.get("AddSubnetIds") or ())})
        wanted = call.get("PrivateDnsEnabled")
        if wanted is not None:
            endpoint.private_dns_enabled = str(wanted).lower() == "true"
            if endpoint.private_dns_enabled:
                own_name(ec2, ec2.get_vpc(endpoint.vpc_id), endpoint.service_name, endpoint.id)
    # model ModifyVpcEndpoint.ResetPolicy: "reset the policy document to the default policy".
    if call.get("ResetPolicy"):
        endpoint.policy_document = json.dumps(VPCEndPoint.DEFAULT_POLICY)


@after("ec2", "ModifyVpcEndpoint")
def interfaces_follow(call, answer):
    endpoint = backend(call).vpc_end_points.get(call.get("VpcEndpointId"))
    if endpoint is not None and is_interface(endpoint):
        wire(call, endpoint)


@instead("ec2", "DeleteVpcEndpoints")
def delete_endpoints(call):
    ec2, unsuccessful = backend(call), []
    for endpoint_id in call.get("VpcEndpointIds", []):
        endpoint = ec2.vpc_end_points.get(endpoint_id)
        if endpoint is None:
            message = f"The Vpc Endpoint Id '{endpoint_id}' does not exist"
            error = {"Code": "InvalidVpcEndpoint.NotFound", "Message": message}
            unsuccessful.append({"ResourceId": endpoint_id, "Error": error})
            continue
        endpoint.state = "deleting"

        def gone(endpoint=endpoint):
            for table in ec2.route_tables.values():
                for key, route in list(table._routes.items()):
                    if getattr(route, "gateway_id", None) == endpoint.id or (
                        getattr(route, "gateway", None) is endpoint
                    ):
                        del table._routes[key]
            interfaces.release(endpoint.id) if interfaces.held(endpoint.id) else None
            ec2.vpc_end_points.pop(endpoint.id, None)

        CLOCK.after(takes(endpoint), gone)
    return {"Unsuccessful": unsuccessful}
