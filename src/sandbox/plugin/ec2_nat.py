"""NAT gateways: slow to create and delete, with an address and an interface while they exist, and routes that lose
them.
"""

from moto.ec2.models.route_tables import Route

from .clock import CLOCK
from .ec2_network import backend
from .rules import Refusal, after, before, instead

# Seconds from [AWS 11]; time until one fails: [AWS V5].
CREATE, DELETE, FAIL = 115, 61, 20


def _state(route):
    """Return the state of a route.

    model RouteState: "blackhole indicates that the route's target isn't available"; moto lacks it.
    """
    nat, gateway = route.nat_gateway, route.gateway
    lost = nat is not None and nat.state in ("deleting", "deleted", "failed")
    # The same holds for an internet gateway that is detached or deleted.
    detached = getattr(gateway, "id", "").startswith("igw-") and gateway.vpc is None
    return "blackhole" if lost or detached else "active"


Route.state = property(_state)


@before("ec2", "CreateNatGateway")
def address_is_free(call):
    # AWS reports it later, as the failure of a gateway; moto does so after creating an interface.
    for address in backend(call).addresses:
        if address.association_id and address.allocation_id == call.get("AllocationId"):
            message = f"Elastic IP address [{address.allocation_id}] is already associated"
            raise Refusal("Resource.AlreadyAssociated", message)


@after("ec2", "CreateNatGateway")
def nat_pending(call, answer):
    ec2 = backend(call)
    nat = ec2.nat_gateways[answer["NatGateway"]["NatGatewayId"]]
    nat.state = "pending"
    # user guide "Troubleshoot NAT gateways": problems show as the state failed, not as an error of the call.
    led_out = any(i.vpc is not None and i.vpc.id == nat.vpc_id for i in ec2.internet_gateways.values())

    def ready():
        if nat.state == "pending":
            nat.state = "available"

    def failed():
        if nat.state == "pending":
            nat.state, nat.failure_code = "failed", "Gateway.NotAttached"
            nat.failure_message = f"Network {nat.vpc_id} has no Internet gateway attached"
            let_go(ec2, nat)

    CLOCK.after(CREATE if led_out else FAIL, ready if led_out else failed)
    nat._eni.requester_managed, nat._eni.status, nat._eni.requester_id = True, "in-use", "amazon-nat"
    nat._eni.description = f"Interface for NAT Gateway {nat.id}"
    answer["NatGateway"]["State"] = "pending"
    return answer


def let_go(ec2, nat):
    for address in ec2.addresses:
        if address.eni is nat._eni:
            ec2.disassociate_address(address=address.public_ip)
    ec2.enis.pop(nat._eni.id, None)


@before("ec2", "DisassociateAddress")
def address_of_a_gateway(call):
    # AWS says so about addresses that one of its own services has associated.
    for address in backend(call).addresses:
        mine = call.get("AssociationId") == address.association_id or call.get("PublicIp") == address.public_ip
        if mine and address.association_id and address.eni is not None and address.eni.requester_managed:
            raise Refusal("AuthFailure", "You do not have permission to access the specified resource.")


@instead("ec2", "DeleteNatGateway")
def delete_nat(call):
    # [AWS 11]: deleting for about a minute, holding its address and its interface; then listed as deleted.
    ec2 = backend(call)
    nat = ec2.nat_gateways.get(call.get("NatGatewayId"))
    if nat is None:
        raise Refusal("NatGatewayNotFound", f"The Nat Gateway {call.get('NatGatewayId')} was not found")
    if nat.state in ("deleting", "deleted"):
        return {"NatGatewayId": nat.id}
    nat.state = "deleting"

    def gone():
        nat.state = "deleted"
        let_go(ec2, nat)

    CLOCK.after(DELETE, gone)
    return {"NatGatewayId": nat.id}
