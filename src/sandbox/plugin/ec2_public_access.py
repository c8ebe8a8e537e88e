"""VPC Block Public Access: the account's switch, the exclusions, and what each VPC and subnet shows of them.

Turned on and off as on AWS, by ModifyVpcBlockPublicAccessOptions. What only an organization does is a tag-like knob of the
call's own account: OPTIONS[(account, region)]["ManagedBy"] = "declarative-policy", ["ExclusionsAllowed"] = "not-allowed".
"""

from .clock import CLOCK
from .ec2_network import backend
from .rules import NUMBERS, Refusal, after, instead, on_reset, page

OPTIONS, EXCLUSIONS = {}, {}


@on_reset
def forget():
    OPTIONS.clear()
    EXCLUSIONS.clear()


def options(call):
    usual = {
        "AwsAccountId": call.account,
        "AwsRegion": call.region,
        "State": "default-state",
        "InternetGatewayBlockMode": "off",
        "ManagedBy": "account",
        "ExclusionsAllowed": "allowed",
    }
    return OPTIONS.setdefault((call.account, call.region), usual)


def exclusions(call):
    return EXCLUSIONS.setdefault((call.account, call.region), {})


@instead("ec2", "DescribeVpcBlockPublicAccessOptions")
def describe_options(call):
    return {"VpcBlockPublicAccessOptions": options(call)}


@instead("ec2", "ModifyVpcBlockPublicAccessOptions")
def modify_options(call):
    mode, now = call.get("InternetGatewayBlockMode"), options(call)
    if mode not in ("off", "block-bidirectional", "block-ingress"):
        raise Refusal("InvalidParameterValue", f"Value ({mode}) for parameter InternetGatewayBlockMode is invalid.")
    if now["ManagedBy"] != "account":
        raise Refusal("UnsupportedOperation", "This operation is not allowed: the state is managed by a declarative policy.")
    # model: VpcBlockPublicAccessState default-state | update-in-progress | update-complete.
    now.update(InternetGatewayBlockMode=mode, State="update-complete", LastUpdateTimestamp=CLOCK.now())
    now.pop("LastUpdateTimestamp")
    return {"VpcBlockPublicAccessOptions": now}


@instead("ec2", "CreateVpcBlockPublicAccessExclusion")
def create_exclusion(call):
    if options(call)["ExclusionsAllowed"] == "not-allowed":
        raise Refusal("UnsupportedOperation", "Exclusions are not allowed by the declarative policy.")
    vpc, subnet = call.get("VpcId"), call.get("SubnetId")
    if vpc:
        backend(call).get_vpc(vpc)
    else:
        backend(call).get_subnet(subnet)
    kind = f"vpc/{vpc}" if vpc else f"subnet/{subnet}"
    made = {
        "ExclusionId": f"vpcbpa-exclude-{NUMBERS.hex()}",
        "InternetGatewayExclusionMode": call.get("InternetGatewayExclusionMode"),
        "ResourceArn": f"arn:aws:ec2:{call.region}:{call.account}:{kind}",
        "State": "create-complete",
    }
    exclusions(call)[made["ExclusionId"]] = made
    return {"VpcBlockPublicAccessExclusion": made}


@instead("ec2", "DeleteVpcBlockPublicAccessExclusion")
def delete_exclusion(call):
    gone = exclusions(call).pop(call.get("ExclusionId"), None)
    if gone is None:
        message = f"The exclusion ID '{call.get('ExclusionId')}' does not exist"
        raise Refusal("InvalidVpcBlockPublicAccessExclusionId.NotFound", message)
    return {"VpcBlockPublicAccessExclusion": {**gone, "State": "delete-in-progress"}}


@instead("ec2", "DescribeVpcBlockPublicAccessExclusions")
def describe_exclusions(call):
    shown, token = page(call, list(exclusions(call).values()), "MaxResults")
    return {"VpcBlockPublicAccessExclusions": shown, "NextToken": token}


def mode_of(call, vpc, subnet=None):
    """Return how a VPC or subnet is blocked, considering its exclusions."""
    mode = options(call)["InternetGatewayBlockMode"]
    ids = {vpc, subnet}
    ways = {e["InternetGatewayExclusionMode"] for e in exclusions(call).values() if e["ResourceArn"].split("/")[-1] in ids}
    if mode == "off" or "allow-bidirectional" in ways:
        return "off"
    return "block-ingress" if "allow-egress" in ways else mode


@after("ec2", "DescribeVpcs")
def vpcs_show_it(call, answer):
    for vpc in answer.get("Vpcs", []):
        vpc["BlockPublicAccessStates"] = {"InternetGatewayBlockMode": mode_of(call, vpc["VpcId"])}
    return answer


@after("ec2", "DescribeSubnets")
def subnets_show_it(call, answer):
    for subnet in answer.get("Subnets", []):
        mode = mode_of(call, subnet["VpcId"], subnet["SubnetId"])
        subnet["BlockPublicAccessStates"] = {"InternetGatewayBlockMode": mode}
    return answer
