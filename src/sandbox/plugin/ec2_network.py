"""VPC, subnets, gateways: states on the clock, and the refusals of AWS while they are in use."""

from moto.ec2 import ec2_backends

from . import interfaces
from .clock import CLOCK
from .faults import BORN
from .rules import Refusal, after, before

# Seconds from [AWS 11].
VPC, SUBNET = 2, 1


def backend(call):
    return ec2_backends[call.account][call.region]


def violation(message):
    # [AWS 4.4] and [AWS 4.5]: EC2's code for anything that is still in use.
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
        # A VPC with an active peering connection is refused like any other with a dependency [AWS V2].
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
    # AWS: a VPC with public addresses mapped (instances, balancers, NAT gateways) keeps its gateway [AWS 4.5].
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
    # [AWS 4.5]: "You cannot delete requester-managed ENIs yourself; wait."
    eni = backend(call).enis.get(call.get("NetworkInterfaceId"))
    if eni and (eni.instance or eni.requester_managed):
        raise Refusal("InvalidParameterValue", f"Network interface '{eni.id}' is currently in use.")
