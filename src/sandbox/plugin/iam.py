"""IAM: profiles that become visible after a while, AWS's own policies, the policy simulator, delete conflicts."""

import json
import re
from functools import cache

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, iam_backends

from .clock import CLOCK
from .faults import BORN, FAULTS
from .rules import Refusal, after, before, instead, on_reset, partition
from .wire import ISSUED

# [AWS 11]: iam_profile_propagation; [AWS 4.7]: what EC2 says until then.
PROPAGATION = 15
VISIBLE = {}
on_reset(VISIBLE.clear)
on_reset(ISSUED.clear)


def backend(call):
    return iam_backends[call.account][partition(call.region)]


def profile_visible(account, name):
    """Return True if EC2 and Auto Scaling already know the profile."""
    if all(p.name != name for b in iam_backends[account].values() for p in b.instance_profiles.values()):
        return False
    return CLOCK.now() >= VISIBLE.get(name, 0)


@after("iam", "CreateInstanceProfile")
def profile_born(call, answer):
    BORN[call.get("InstanceProfileName")] = CLOCK.now()
    VISIBLE[call.get("InstanceProfileName")] = CLOCK.when(PROPAGATION)


@before("iam", "CreateRole", "UpdateAssumeRolePolicy")
def china(call):
    # github.com/kubernetes/kubernetes/issues/21858, github.com/galaxyproject/cloudlaunch/issues/234: in China EC2 has
    # another name, and the usual one is no principal.
    document = call.get("AssumeRolePolicyDocument") or call.get("PolicyDocument") or ""
    if call.region.startswith("cn-") and re.search(r'"ec2\.amazonaws\.com"', document):
        message = 'Invalid principal in policy: "SERVICE":"ec2.amazonaws.com"'
        raise Refusal("MalformedPolicyDocument", message)


@before("iam", "CreateInstanceProfile", "CreateRole", "TagInstanceProfile", "TagRole")
def tag_case(call):
    # github.com/eksctl-io/eksctl/issues/2603, github.com/aws/aws-cdk/issues/26253: IAM ignores case in tag keys; moto
    # does so only for a role's.
    keys = [tag["Key"].lower() for tag in call.get("Tags") or []]
    if len(set(keys)) < len(keys):
        raise Refusal("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    iam = backend(call)
    tagged = {
        "TagInstanceProfile": [p for p in iam.instance_profiles.values() if p.name == call.get("InstanceProfileName")],
        "TagRole": [r for r in iam.roles.values() if r.name == call.get("RoleName")],
    }
    for thing in tagged.get(call.operation, ()):
        thing.tags = [tag for tag in thing.tags if tag["Key"].lower() not in keys]


@before("iam", "AttachRolePolicy")
def aws_managed(call):
    # AWS's own policies exist in every account; moto loads all thousand of them only on request.
    arn = call.get("PolicyArn", "")
    policies = backend(call).managed_policies
    if arn.startswith(f"arn:{partition(call.region)}:iam::aws:policy/") and arn not in policies:
        name = arn.rpartition("/")[2]
        known = _aws_policies().get(name)
        if known:
            policies[arn] = AWSManagedPolicy.from_data(name, call.account, partition(call.region), known)


@cache
def _aws_policies():
    return json.loads(aws_managed_policies_data)


@before("iam", "DeleteRole")
def role_in_use(call):
    # model DeleteRole: "the role must have no instance profile and no attached or inline policies": DeleteConflict.
    name = call.get("RoleName")
    role = next((r for r in backend(call).roles.values() if r.name == name), None)
    if role is None:
        return
    if any(r.name == name for p in backend(call).instance_profiles.values() for r in p.roles):
        raise conflict("must remove roles from instance profile first.")
    if role.managed_policies:
        raise conflict("must detach all policies first.")
    if role.policies:
        raise conflict("must delete policies first.")


@before("iam", "DeleteInstanceProfile")
def profile_in_use(call):
    # model DeleteInstanceProfile: "Make sure that the instance profile does not have an associated role."
    for profile in backend(call).instance_profiles.values():
        if profile.name == call.get("InstanceProfileName") and profile.roles:
            raise conflict("must remove roles from instance profile first.")


def conflict(why):
    return Refusal("DeleteConflict", f"Cannot delete entity, {why}", 409)


@before("iam", "AddRoleToInstanceProfile")
def one_role(call):
    # model: "An instance profile can contain only one role, and this quota cannot be increased."
    for profile in backend(call).instance_profiles.values():
        if profile.name == call.get("InstanceProfileName") and profile.roles:
            raise Refusal("LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1", 409)


@instead("iam", "SimulatePrincipalPolicy", "SimulateCustomPolicy")
def simulate(call):
    # The sandbox's principal is allowed everything that the fault layer does not deny.
    denied = [p.replace("*", ".*") for p in FAULTS.rules.get("deny", ())]
    names = {"elasticloadbalancing": "elbv2", "elasticfilesystem": "efs", "tag": "resourcegroupstaggingapi"}
    results = []
    for action in call.get("ActionNames") or []:
        service, _, operation = action.partition(":")
        spelled = f"{names.get(service, service)}:{operation}"
        no = any(re.fullmatch(p, spelled) or re.fullmatch(p, action) for p in denied)
        for resource in call.get("ResourceArns") or ["*"]:
            results.append(
                {
                    "EvalActionName": action,
                    "EvalResourceName": resource,
                    "EvalDecision": "implicitDeny" if no else "allowed",
                    "MatchedStatements": [],
                    "MissingContextValues": [],
                }
            )
    return {"EvaluationResults": results, "IsTruncated": False}


@instead("iam", "CreateServiceLinkedRole")
def service_linked_role(call):
    # [AWS 9.2]: for an existing role AWS says InvalidInput; moto creates it again. Each service creates its own on
    # first use.
    service = call.get("AWSServiceName", "")
    for role in backend(call).roles.values():
        if role.path == f"/aws-service-role/{service}/":
            message = f"Service role name {role.name} has been taken in this account, please try a different suffix."
            raise Refusal("InvalidInput", message)


@after("sts", "AssumeRole", "GetSessionToken", "GetFederationToken")
@after("iam", "CreateAccessKey")
def gives_a_key(call, answer):
    # The next request can carry a role's or a user's keys, so the door has to know them.
    ISSUED.add((answer.get("Credentials") or answer.get("AccessKey"))["AccessKeyId"])
