"""The rights of an IAM policy's holder. Off unless a test gives a policy: POST /_gameday/policy

    agent       a pattern of the User-Agent to which the policy applies; everybody else is allowed everything
    statements  those of the policy
    earlier     those of the policies for earlier stack files, whose objects they allow to delete

GET answers how many rights were judged, and which were missing. Rights are those of the service authorization reference:
the call's own to each object that it names, with the object's tags; and what AWS does with the caller's
permissions: tags at creation, passing on a role, looks at the network, service-linked roles [AWS 9].
"""

import re

from moto.acm.models import acm_backends
from moto.ec2.models import ec2_backends
from moto.efs.models import efs_backends
from moto.iam.models import iam_backends

from . import cloudfront, route53
from .asg_fleet import groups_of
from .faults import denied
from .rules import on_reset, partition

PREFIX = {"elbv2": "elasticloadbalancing", "efs": "elasticfilesystem", "resourcegroupstaggingapi": "tag"}
NETWORK = (
    *("ec2:DescribeAccountAttributes", "ec2:DescribeInternetGateways"),
    *("ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"),
)
INTERFACES = ("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DescribeVpcs")
# AWS's further actions with the caller's permissions: objects that it reads or creates.
ALSO = {
    "CreateDBInstance": (*NETWORK, "ec2:DescribeAvailabilityZones", "ec2:DescribeVpcAttribute"),
    "CreateDBSubnetGroup": (*NETWORK, "ec2:DescribeAvailabilityZones", "ec2:DescribeVpcAttribute"),
    "CreateReplicationGroup": (*INTERFACES, "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"),
    "CreateCacheCluster": (*INTERFACES, "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"),
    "ModifyCacheCluster": (*INTERFACES, "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"),
    "IncreaseReplicaCount": ("ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"),
    "DecreaseReplicaCount": ("ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"),
    "CreateMountTarget": ("ec2:DescribeSubnets", "ec2:DescribeNetworkInterfaces", "ec2:CreateNetworkInterface"),
    "CreateLoadBalancer": (*NETWORK, "ec2:DescribeAddresses"),
    "CreateTargetGroup": ("ec2:DescribeInternetGateways", "ec2:DescribeVpcs"),
    "RegisterTargets": (
        *("ec2:DescribeInstances", "ec2:DescribeInternetGateways"),
        *("ec2:DescribeSubnets", "ec2:DescribeVpcs"),
    ),
    "CreateAutoScalingGroup": ("ec2:RunInstances",),
}
# The right to tag, by service, with the condition key for creation if there is one.
TAGGING = {
    "acm": "acm:AddTagsToCertificate",
    "ec2": "ec2:CreateTags",
    "efs": "elasticfilesystem:TagResource",
    "rds": "rds:AddTagsToResource",
    "elasticache": "elasticache:AddTagsToResource",
    "elbv2": "elasticloadbalancing:AddTags",
    "ssm": "ssm:AddTagsToResource",
    "logs": "logs:TagResource",
    "cloudwatch": "cloudwatch:TagResource",
    "cloudfront": "cloudfront:TagResource",
}
# Rights that have another name than the operation.
RIGHTS = {"CreateDistributionWithTags": "CreateDistribution"}
LINKED = {
    "CreateAutoScalingGroup": "autoscaling",
    "CreateLoadBalancer": "elasticloadbalancing",
    "CreateDBInstance": "rds",
    "CreateReplicationGroup": "elasticache",
    "CreateCacheCluster": "elasticache",
    "CreateFileSystem": "elasticfilesystem",
    "PutMetricAlarm": "events",
}
# Parameters that name the object of a call, and its name in an ARN.
NAMES = {
    "rds": {
        "DBInstanceIdentifier": "db",
        "DBSubnetGroupName": "subgrp",
        "DBParameterGroupName": "pg",
        "DBSnapshotIdentifier": "snapshot",
        "FinalDBSnapshotIdentifier": "snapshot",
    },
    "elasticache": {
        "ReplicationGroupId": "replicationgroup",
        "CacheClusterId": "cluster",
        "CacheSubnetGroupName": "subnetgroup",
        "CacheParameterGroupName": "parametergroup",
    },
    "cloudwatch": {"AlarmName": "alarm", "AlarmNames": "alarm"},
    "logs": {"logGroupName": "log-group"},
}
# EC2's kinds by the prefix of the id.
KINDS = {
    "vpc": "vpc", "subnet": "subnet", "igw": "internet-gateway", "rtb": "route-table", "sg": "security-group",
    "acl": "network-acl", "dopt": "dhcp-options", "eipalloc": "elastic-ip", "nat": "natgateway",
    "vpce": "vpc-endpoint", "lt": "launch-template", "sgr": "security-group-rule", "eni": "network-interface",
    "i": "instance", "vol": "volume", "snap": "snapshot", "ami": "image",
}
# In a call that changes a route, these are its target, not the changed object.
NO_OBJECT = {"GatewayId", "NatGatewayId", "VpcEndpointId"}


class Policy:
    def __init__(self):
        self.set({})

    def set(self, asked):
        self.agent = re.compile(asked.get("agent", "(?!)"))
        self.statements, self.earlier = asked.get("statements", []), asked.get("earlier", [])
        self.judged, self.missing = 0, []

    def report(self):
        return {"judged": self.judged, "missing": self.missing}

    def judge(self, call):
        """Refuse a call to which its caller has no right."""
        if not self.agent.search(call.environ.get("HTTP_USER_AGENT", "")):
            return
        for action, arn, context in needed(call):
            self.judged += 1
            known = [*self.statements]
            # A distribution is disabled before it is deleted, and a record is deleted by a change.
            if re.search(r":(Delete|Remove|Release)|:UpdateDistribution$|:ChangeResourceRecordSets$", action):
                known += self.earlier
            if not any(allows(s, action, arn, context) for s in known):
                self.missing.append({"action": action, "on": arn, "because": context})
                raise denied(call)


POLICY = Policy()
on_reset(lambda: POLICY.set({}))


def many(value):
    return value if isinstance(value, list) else [value]


def like(pattern, text):
    """Match IAM's wildcards."""
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def allows(statement, action, arn, context):
    return (
        statement["Effect"] == "Allow"
        and action in many(statement["Action"])
        and any(like(pattern, arn) for pattern in many(statement["Resource"]))
        and all(holds(how, asked, context) for how, asked in statement.get("Condition", {}).items())
    )


def holds(how, asked, context):
    if how in ("StringEquals", "Bool"):
        return all(context.get(key) in many(wanted) for key, wanted in asked.items())
    if how == "ArnEquals":
        return all(any(like(w, context.get(key, "")) for w in many(wanted)) for key, wanted in asked.items())
    if how == "ForAllValues:StringLike":
        values = ((value, many(wanted)) for key, wanted in asked.items() for value in context.get(key, ()))
        return all(any(like(pattern, value) for pattern in wanted) for value, wanted in values)
    if how == "Null":
        return all((key not in context) == (wanted == "true") for key, wanted in asked.items())
    raise NotImplementedError(f"the condition {how}")


def needed(call):
    """Yield (action, ARN, context) of each right that a call needs."""
    prefix = PREFIX.get(call.service, call.service)
    action = f"{prefix}:{RIGHTS.get(call.operation, call.operation)}"
    here = {"aws:RequestedRegion": call.region, **_asked(call)}
    objects = list(_objects(call)) or [("*", {})]
    for arn, tags in objects:
        yield action, arn, {**here, **tags}
    for also in ALSO.get(call.operation, ()):
        # A service creates and removes its interfaces itself.
        by_service = {"aws:ViaAWSService": "true"} if "NetworkInterface" in also else {}
        yield also, "*", {**here, **by_service}
    yield from _of_images(call, here)
    yield from _tagging(call, here, objects)
    yield from _passed(call)
    if call.operation in LINKED:
        yield _linked(call, LINKED[call.operation])
    mixed = ((call.get("MixedInstancesPolicy") or {}).get("InstancesDistribution") or {})
    if mixed.get("SpotAllocationStrategy"):
        yield _linked(call, "spot")


def _of_images(call, here):
    """An image is created with its snapshots, and deleted with them if that is asked for."""
    if call.operation == "CreateImage":
        for kind in ("image", "snapshot"):
            yield "ec2:CreateImage", arn_of(call, "ec2", f"{kind}/new"), here
    elif call.operation == "DeregisterImage" and call.get("DeleteAssociatedSnapshots"):
        ec2 = ec2_backends[call.account][call.region]
        snapshot = getattr(ec2.amis.get(call.get("ImageId")), "ebs_snapshot", None)
        if snapshot is not None:
            tags = {f"aws:ResourceTag/{k}": v for k, v in ec2.tags.get(snapshot.id, {}).items()}
            yield "ec2:DeleteSnapshot", arn_of(call, "ec2", f"snapshot/{snapshot.id}"), {**here, **tags}


def _tags_of_request(call):
    tags = call.get("Tags") or call.get("tags") or call.get("AccessPointTags") or []
    if call.service == "cloudfront":
        both = call.get("DistributionConfigWithTags") or {}
        return cloudfront.tags_of(tags or both.get("Tags"))
    for specification in call.get("TagSpecifications") or call.get("TagSpecification") or []:
        tags = [*tags, *(specification.get("Tags") or [])]
    if isinstance(tags, dict):
        return tags
    return {t.get("Key", t.get("key")): t.get("Value", t.get("value")) for t in tags}


def _asked(call):
    return {f"aws:RequestTag/{key}": value for key, value in _tags_of_request(call).items()}


def _tagging(call, here, objects):
    making = {f"{PREFIX.get(call.service, call.service)}:CreateAction": call.operation}
    if call.service == "ec2":
        for specification in call.get("TagSpecifications") or call.get("TagSpecification") or []:
            yield "ec2:CreateTags", arn_of(call, "ec2", f"{specification['ResourceType']}/new"), {**here, **making}
    elif call.service == "iam" and call.operation in ("CreateRole", "CreateInstanceProfile") and call.get("Tags"):
        yield f"iam:Tag{call.operation.removeprefix('Create')}", objects[0][0], here
    elif call.service == "autoscaling" and call.operation == "CreateAutoScalingGroup":
        # For the instances.
        yield "ec2:CreateTags", arn_of(call, "ec2", "instance/new"), {**here, "ec2:CreateAction": "RunInstances"}
    elif call.service in TAGGING and _tags_of_request(call) and not call.operation.startswith(("Tag", "AddTags")):
        arns = ["*"] if call.service == "efs" else [arn for arn, _ in objects if is_made(call, arn)]
        for arn in arns:
            yield TAGGING[call.service], arn, {**here, **making}


def is_made(call, arn):
    """Return True if the call creates the object, False for its inputs."""
    kind = {
        "CreateDBInstance": ":db:",
        "CreateReplicationGroup": ":replicationgroup:",
        "CreateCacheCluster": ":cluster:",
        "CreateListener": ":listener/",
        "CreateRule": ":listener-rule/",
    }.get(call.operation)
    return kind is None or kind in arn


def _passed(call):
    role, iam = None, iam_backends[call.account][partition(call.region)]
    if call.operation == "AddRoleToInstanceProfile":
        role = next((r for r in iam.roles.values() if r.name == call.get("RoleName")), None)
    elif call.operation in ("CreateLaunchTemplate", "CreateLaunchTemplateVersion"):
        name = ((call.get("LaunchTemplateData") or {}).get("IamInstanceProfile") or {}).get("Name")
        role = _role_of(iam, name)
    elif call.operation == "RunInstances" and call.get("LaunchTemplate"):
        template = ec2_backends[call.account][call.region]._get_template_from_args(call.get("LaunchTemplate"))
        role = _role_of(iam, (template.data.get("IamInstanceProfile") or {}).get("Name"))
    if role:
        service = "ec2.amazonaws.com.cn" if call.region.startswith("cn-") else "ec2.amazonaws.com"
        yield "iam:PassRole", _iam(call, "role", role.path, role.name), {"iam:PassedToService": service}


def _role_of(iam, name):
    profile = next((p for p in iam.instance_profiles.values() if p.name == name), None)
    return profile.roles[0] if profile and profile.roles else None


def _linked(call, service):
    name = f"{service}.amazonaws.com"
    arn = _iam(call, "role", f"/aws-service-role/{name}/", f"AWSServiceRoleFor{service}")
    return "iam:CreateServiceLinkedRole", arn, {"iam:AWSServiceName": name}


def arn_of(call, service, what):
    return f"arn:{partition(call.region)}:{service}:{call.region}:{call.account}:{what}"


def _iam(call, kind, path, name):
    return f"arn:{partition(call.region)}:iam::{call.account}:{kind}{path or '/'}{name}"


def _objects(call):
    """Return the objects of a call by ARN, and the values that conditions can ask of each."""
    service = call.service
    if service == "iam":
        return _of_iam(call)
    if service == "ssm":
        return _of_ssm(call)
    if not call.mutating and call.operation != "FilterLogEvents":
        return ()
    if service == "ec2":
        return _of_ec2(call)
    if service == "efs":
        return _of_efs(call)
    if service == "acm":
        return _of_acm(call)
    if service == "cloudfront":
        return _of_cloudfront(call)
    if service == "route53":
        return _of_route53(call)
    if service == "elbv2":
        return ((arn, {}) for arn in _of_elb(call))
    if service == "autoscaling":
        return ((arn_of(call, service, f"autoScalingGroup:0:autoScalingGroupName/{n}"), {}) for n in _groups(call))
    return ((arn, {}) for arn in _by_name(call))


def _of_iam(call):
    iam = iam_backends[call.account][partition(call.region)]
    if call.operation == "ListInstanceProfiles":
        # The list of a path is a right of that path.
        yield _iam(call, "instance-profile", call.get("PathPrefix"), ""), {}
        return
    name = call.get("InstanceProfileName")
    kind, all_of = ("instance-profile", iam.instance_profiles) if name else ("role", iam.roles)
    name = name or call.get("RoleName")
    if not name:
        return
    found = next((thing for thing in all_of.values() if thing.name == name), None)
    path = found.path if found else call.get("Path")
    boundary = call.get("PermissionsBoundary")
    if boundary is None and kind == "role" and found:
        boundary = found.permissions_boundary_arn
    context = {"iam:PermissionsBoundary": boundary} if isinstance(boundary, str) else {}
    if call.get("PolicyArn"):
        context["iam:PolicyARN"] = call.get("PolicyArn")
    yield _iam(call, kind, path, name), context


def _of_ssm(call):
    for name in [call.get("Name") or call.get("ResourceId"), *(call.get("Names") or [])]:
        if name and name.startswith("/aws/"):
            yield f"arn:{partition(call.region)}:ssm:{call.region}::parameter{name}", {}
        elif name:
            yield arn_of(call, "ssm", f"parameter/{name.lstrip('/')}"), {}


def _of_ec2(call):
    ec2 = ec2_backends[call.account][call.region]
    ids = []
    for key, value in call.params.items():
        if key in NO_OBJECT and "Route" in call.operation:
            continue
        ids += [v for v in many(value) if isinstance(v, str)]
    name = call.get("LaunchTemplateName")
    ids += [t.id for t in ec2.launch_templates.values() if name and t.name == name]
    # An association belongs to its table.
    if call.operation == "DisassociateRouteTable":
        ids += [t.id for t in ec2.route_tables.values() if call.get("AssociationId") in t.all_associations_ids]
    for resource in ids:
        kind = KINDS.get(resource.rpartition("-")[0])
        if kind:
            tags = {f"aws:ResourceTag/{k}": v for k, v in ec2.tags.get(resource, {}).items()}
            yield arn_of(call, "ec2", f"{kind}/{resource}"), tags


def _of_efs(call):
    efs = efs_backends[call.account][call.region]
    resource = call.get("FileSystemId") or call.get("AccessPointId") or call.get("ResourceId")
    target = efs.mount_targets_by_id.get(call.get("MountTargetId"))
    resource = target.file_system_id if target else resource
    if resource:
        tags = efs.list_tags_for_resource(resource)
        kind = "access-point" if resource.startswith("fsap-") else "file-system"
        context = {f"aws:ResourceTag/{t['Key']}": t["Value"] for t in tags}
        yield arn_of(call, "elasticfilesystem", f"{kind}/{resource}"), context


def _of_cloudfront(call):
    if call.operation.startswith("Create"):
        yield f"arn:{partition(call.region)}:cloudfront::{call.account}:distribution/new", {}
    for one in cloudfront.DISTRIBUTIONS.values():
        if one.id == call.get("Id") or one.arn == call.get("Resource"):
            yield one.arn, {f"aws:ResourceTag/{k}": v for k, v in one.tags.items()}


def _of_route53(call):
    if call.operation != "ChangeResourceRecordSets":
        return
    records = [entry["ResourceRecordSet"] for entry in call.get("ChangeBatch")["Changes"]]
    prefix, zone = "route53:ChangeResourceRecordSets", call.get("HostedZoneId").rpartition("/")[2]
    yield f"arn:{partition(call.region)}:route53:::hostedzone/{zone}", {
        # Without the last dot.
        f"{prefix}NormalizedRecordNames": [route53.plain(record["Name"])[:-1] for record in records],
        f"{prefix}RecordTypes": [record["Type"] for record in records],
    }


def _of_acm(call):
    arn = call.get("CertificateArn")
    certificate = acm_backends[call.account][call.region]._certificates.get(arn)
    if arn:
        tags = certificate.tags if certificate else {}
        yield arn, {f"aws:ResourceTag/{k}": v for k, v in tags.items()}


def _of_elb(call):
    if call.operation == "CreateLoadBalancer":
        yield arn_of(call, "elasticloadbalancing", f"loadbalancer/app/{call.get('Name')}/new")
    if call.operation == "CreateTargetGroup":
        yield arn_of(call, "elasticloadbalancing", f"targetgroup/{call.get('Name')}/new")
    for key in ("LoadBalancerArn", "TargetGroupArn", "ListenerArn", "RuleArn"):
        if call.get(key):
            yield call.get(key)
    if call.operation == "CreateListener":
        yield call.get("LoadBalancerArn").replace(":loadbalancer/", ":listener/") + "/new"
    if call.operation == "CreateRule":
        yield call.get("ListenerArn").replace(":listener/", ":listener-rule/") + "/new"
    yield from call.get("ResourceArns") or []
    yield from (p["RuleArn"] for p in call.get("RulePriorities") or [])


def _groups(call):
    name = call.get("AutoScalingGroupName")
    yield from [name] if name else {t["ResourceId"] for t in call.get("Tags") or []}
    if call.operation == "TerminateInstanceInAutoScalingGroup":
        yield from (g.name for g in groups_of(call) if any(m.id == call.get("InstanceId") for m in g.members))


def _by_name(call):
    for key, kind in NAMES.get(call.service, {}).items():
        for name in many(call.get(key) or []):
            yield arn_of(call, call.service, f"{kind}:{name}")
    for name in [call.get("DashboardName"), *(call.get("DashboardNames") or [])]:
        if name:
            yield f"arn:{partition(call.region)}:cloudwatch::{call.account}:dashboard/{name}"
    for key in ("ResourceName", "ResourceARN", "resourceArn"):
        if call.get(key):
            yield call.get(key)
