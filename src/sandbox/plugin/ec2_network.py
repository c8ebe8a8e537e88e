"""VPC, subnets, gateways, endpoints: states on the clock, and what AWS refuses while it is in use."""

import json

from moto.ec2 import ec2_backends

from . import interfaces
from .clock import CLOCK
from .faults import BORN
from .rules import Refusal, after, before, instead

# Seconds from facts 11.
VPC, SUBNET, ENDPOINT, NAT_CREATE, NAT_DELETE = 2, 1, 8, 115, 61


def backend(call):
    return ec2_backends[call.account][call.region]


def violation(message):
    # facts 4.4 and 4.5: the code EC2 gives for whatever is still in use.
    return Refusal("DependencyViolation", message)


@after("ec2", "CreateVpc")
def vpc_pending(call, answer):
    # model: VpcState pending | available.
    vpc = backend(call).get_vpc(answer["Vpc"]["VpcId"])
    BORN[vpc.id] = CLOCK.now()
    vpc.state = "pending"
    CLOCK.after(VPC, lambda: setattr(vpc, "state", "available"))
    answer["Vpc"]["State"] = "pending"
    return answer


@after("ec2", "CreateSubnet")
def subnet_pending(call, answer):
    subnet = backend(call).get_subnet(answer["Subnet"]["SubnetId"])
    BORN[subnet.id] = CLOCK.now()
    subnet.state = "pending"
    CLOCK.after(SUBNET, lambda: setattr(subnet, "state", "available"))
    answer["Subnet"]["State"] = "pending"
    return answer


@after("ec2", "CreateInternetGateway")
def gateway_born(call, answer):
    BORN[answer["InternetGateway"]["InternetGatewayId"]] = CLOCK.now()


@before("ec2", "DeleteSubnet")
def subnet_in_use(call):
    # model DeleteSubnet: "You must terminate all running instances in the subnet before you can delete the subnet."
    if interfaces.in_subnet(backend(call), call.get("SubnetId")):
        raise violation(f"The subnet '{call.get('SubnetId')}' has dependencies and cannot be deleted.")


@before("ec2", "DeleteVpc")
def vpc_in_use(call):
    # model DeleteVpc: "you must detach or delete all gateways and resources that are associated with the VPC".
    ec2, vpc_id = backend(call), call.get("VpcId")
    ec2.get_vpc(vpc_id)
    children = [
        any(g.vpc_id == vpc_id and not g.is_default for groups in ec2.groups.values() for g in groups.values()),
        any(s.vpc_id == vpc_id for zone in ec2.subnets.values() for s in zone.values()),
        any(i.vpc and i.vpc.id == vpc_id for i in ec2.internet_gateways.values()),
        any(a.vpc_id == vpc_id and not a.default for a in ec2.network_acls.values()),
        any(t.vpc_id == vpc_id and not t.main_association_id for t in ec2.route_tables.values()),
        any(e.vpc_id == vpc_id and e.state != "deleted" for e in ec2.vpc_end_points.values()),
        any(n.vpc_id == vpc_id and n.state not in ("deleted", "failed") for n in ec2.nat_gateways.values()),
        # From memory: a VPC with a peering connection that stands is refused like any other with a dependency.
        any(
            vpc_id in (p.vpc.id, p.peer_vpc.id) and p._status.code in ("active", "pending-acceptance")
            for p in ec2.vpc_pcxs.values()
        ),
    ]
    if any(children):
        raise violation(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")


@after("ec2", "DeleteVpc")
def its_acl_goes(call, answer):
    # model DeleteVpc: "When you delete the VPC, it deletes the default security group, network ACL, and route table for
    # the VPC"; moto leaves the network ACL.
    acls = backend(call).network_acls
    for acl_id in [a.id for a in acls.values() if a.vpc_id == call.get("VpcId")]:
        del acls[acl_id]
        backend(call).tags.pop(acl_id, None)


@before("ec2", "CreateVpcEndpoint")
def one_gateway_endpoint(call):
    # AWS: "route table rtb-... already has a route with destination-prefix-list-id pl-...": one for each service.
    tables = set(call.get("RouteTableIds") or ())
    for endpoint in backend(call).vpc_end_points.values():
        shared = tables & set(endpoint.route_table_ids or ())
        if shared and endpoint.service_name == call.get("ServiceName") and endpoint.state not in ("deleting", "deleted"):
            message = f"route table {min(shared)} already has a route with destination-prefix-list-id pl-63a5400a"
            raise Refusal("RouteAlreadyExists", message)


@before("ec2", "AttachInternetGateway")
def one_gateway(call):
    # AWS: "Network vpc-... already has an internet gateway attached", whichever gateway it is.
    for gateway in backend(call).internet_gateways.values():
        other = gateway.id != call.get("InternetGatewayId")
        if other and gateway.vpc is not None and gateway.vpc.id == call.get("VpcId"):
            message = f"Network {call.get('VpcId')} already has an internet gateway attached"
            raise Refusal("InvalidParameterValue", message)


@before("ec2", "DetachInternetGateway")
def gateway_in_use(call):
    # AWS: a VPC with public addresses mapped (instances, balancers, NAT gateways) keeps its gateway (facts 4.5).
    vpc_id = call.get("VpcId")
    for eni in backend(call).enis.values():
        if eni.vpc_id == vpc_id and eni.public_ip:
            raise violation(
                f"Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) "
                "before detaching the gateway."
            )


@before("ec2", "ReleaseAddress")
def address_in_use(call):
    # AWS refuses to release an address that is associated (a NAT gateway holds its own until deleted).
    for address in backend(call).addresses:
        if address.allocation_id == call.get("AllocationId") and address.association_id:
            raise Refusal("InvalidIPAddress.InUse", f"Address {address.public_ip} is in use.")


@before("ec2", "DeleteNetworkInterface")
def interface_in_use(call):
    # facts 4.5: "You cannot delete requester-managed ENIs yourself; wait."
    eni = backend(call).enis.get(call.get("NetworkInterfaceId"))
    if eni and (eni.instance or eni.requester_managed):
        raise Refusal("InvalidParameterValue", f"Network interface '{eni.id}' is currently in use.")


# VPC endpoints: moto crashes when it deletes a gateway endpoint, since it looks for the route by the wrong name.


@after("ec2", "CreateVpcEndpoint")
def endpoint_pending(call, answer):
    # facts 11: a gateway endpoint takes 8 s; model: State pending, available, deleting, deleted.
    endpoint = backend(call).vpc_end_points[answer["VpcEndpoint"]["VpcEndpointId"]]
    endpoint.state = "pending"

    def ready():
        if endpoint.state == "pending":
            endpoint.state = "available"

    CLOCK.after(ENDPOINT, ready)
    answer["VpcEndpoint"]["State"] = "pending"
    return answer


@before("ec2", "ModifyVpcEndpoint")
def reset_policy(call):
    # model ModifyVpcEndpoint.ResetPolicy: "reset the policy document to the default policy"; moto does not know it.
    endpoint = backend(call).vpc_end_points.get(call.get("VpcEndpointId"))
    if endpoint and call.get("ResetPolicy"):
        endpoint.policy_document = json.dumps(endpoint.DEFAULT_POLICY)


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
            for eni_id in endpoint.network_interface_ids:
                ec2.enis.pop(eni_id, None)
            ec2.vpc_end_points.pop(endpoint.id, None)

        CLOCK.after(ENDPOINT, gone)
    return {"Unsuccessful": unsuccessful}


# NAT gateways


@after("ec2", "CreateNatGateway")
def nat_pending(call, answer):
    nat = backend(call).nat_gateways[answer["NatGateway"]["NatGatewayId"]]
    nat.state = "pending"

    def ready():
        if nat.state == "pending":
            nat.state = "available"

    CLOCK.after(NAT_CREATE, ready)
    nat._eni.requester_managed, nat._eni.status = True, "in-use"
    answer["NatGateway"]["State"] = "pending"
    return answer


@instead("ec2", "DeleteNatGateway")
def delete_nat(call):
    # facts 11: deleting for about a minute, holding its address and its interface; then listed as deleted.
    ec2 = backend(call)
    nat = ec2.nat_gateways.get(call.get("NatGatewayId"))
    if nat is None:
        raise Refusal("NatGatewayNotFound", f"The Nat Gateway {call.get('NatGatewayId')} was not found")
    nat.state = "deleting"

    def gone():
        nat.state = "deleted"
        for address in ec2.addresses:
            if address.eni is nat._eni:
                ec2.disassociate_address(address=address.public_ip)
        ec2.enis.pop(nat._eni.id, None)

    CLOCK.after(NAT_DELETE, gone)
    return {"NatGatewayId": nat.id}
