"""Auto Scaling groups of our own, since moto's use one zone, ignore the template's groups, and never replace anything.

This file is the API of the groups. asg_fleet.py keeps their instances, asg_policies.py their scaling policies,
asg_refresh.py instance refreshes. Launch configurations and scheduled actions remain moto's.
"""

import re
from datetime import UTC, datetime

from moto.elbv2.models import elbv2_backends

from . import ec2_templates, elbv2
from .asg_fleet import GROUPS, Group, begin_delete, find, groups_of, open_refresh, reconcile, retire
from .ec2_instances import check_profile, ec2_backends
from .rules import Refusal, instead, page, partition

PROCESSES = (
    *("Launch", "Terminate", "AddToLoadBalancer", "AlarmNotification", "AZRebalance", "HealthCheck"),
    *("InstanceRefresh", "ReplaceUnhealthy", "ScheduledActions"),
)
# Settings of a call that a describe shows under the same name.
SETTINGS = (
    *("MinSize", "MaxSize", "DesiredCapacity", "DefaultCooldown", "HealthCheckType", "HealthCheckGracePeriod"),
    *("VPCZoneIdentifier", "TerminationPolicies", "NewInstancesProtectedFromScaleIn", "CapacityRebalance"),
    *("MaxInstanceLifetime", "DefaultInstanceWarmup", "InstanceMaintenancePolicy", "PlacementGroup"),
    *("AvailabilityZoneDistribution", "AvailabilityZoneImpairmentPolicy", "Context", "DesiredCapacityType"),
    *("ServiceLinkedRoleARN", "DeletionProtection", "CapacityReservationSpecification"),
)


def invalid(message):
    return Refusal("ValidationError", message)


def _check_sizes(low, high, desired):
    # AWS refuses what moto accepts.
    if low is not None and high is not None and low > high:
        raise invalid(f"Max bound, {high}, must be greater than or equal to min bound, {low}")
    if desired is not None and high is not None and desired > high:
        raise invalid(f"Desired capacity:{desired} must be between the specified min size:{low} and max size:{high}")
    if desired is not None and low is not None and desired < low:
        raise invalid(f"Desired capacity:{desired} must be between the specified min size:{low} and max size:{high}")


def _subnets(call, identifier):
    known = _known_subnets(call)
    ids = [i.strip() for i in (identifier or "").split(",") if i.strip()]
    missing = [i for i in ids if i not in known]
    if missing:
        raise invalid(f"The subnet ID '{missing[0]}' does not exist")
    return [known[i] for i in ids]


def _known_subnets(call):
    ec2 = ec2_backends[call.account][call.region]
    return {s.id: s for zone in ec2.subnets.values() for s in zone.values()}


def _template(call, spec):
    """Check the template of a group as AWS does, by trying the launch, and return it."""
    if not spec:
        return None
    prefix = "You must use a valid fully-formed launch template. "
    asked = {k: v for k, v in spec.items() if k != "Version"}
    if len([v for v in asked.values() if v]) == 2:
        raise invalid("Valid requests must contain either launchTemplateId or LaunchTemplateName")
    try:
        template = ec2_templates.find_params(call, **asked)
        version = ec2_templates.version_of(template, spec.get("Version"))
    except Refusal as refusal:
        raise invalid(prefix + refusal.message) from None
    profile = version.data.get("IamInstanceProfile") or {}
    # [AWS 4.7], word for word.
    why = prefix + "Value ({0}) for parameter iamInstanceProfile.name is invalid. "
    check_profile(call.account, profile, why, code="ValidationError")
    ec2 = ec2_backends[call.account][call.region]
    card = (version.data.get("NetworkInterfaces") or [{}])[0]
    for group in [*(version.data.get("SecurityGroupIds") or []), *(card.get("Groups") or [])]:
        if ec2.get_security_group_from_id(group) is None:
            raise invalid(f"{prefix}The security group '{group}' does not exist")
    if not version.data.get("ImageId"):
        raise invalid(prefix + "The request must contain the parameter ImageId")
    shown = {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name}
    return {**shown, **({"Version": str(spec["Version"])} if spec.get("Version") else {})}


def _mixed(call, policy):
    if not policy:
        return None
    spec = (policy.get("LaunchTemplate") or {}).get("LaunchTemplateSpecification") or {}
    distribution = {
        "OnDemandAllocationStrategy": "prioritized",
        "OnDemandBaseCapacity": 0,
        "OnDemandPercentageAboveBaseCapacity": 100,
        "SpotAllocationStrategy": "lowest-price",
        **(policy.get("InstancesDistribution") or {}),
    }
    overrides = policy["LaunchTemplate"].get("Overrides") or []
    types = [o["InstanceType"] for o in overrides if o.get("InstanceType")]
    if len(set(types)) < len(types):
        # github.com/terraform-aws-modules/terraform-aws-eks/issues/368
        raise invalid("Cannot add same instance type override more than once. Remove these duplicates")
    template = {"LaunchTemplateSpecification": _template(call, spec), "Overrides": overrides}
    return {"LaunchTemplate": template, "InstancesDistribution": distribution}


def _check_target_groups(call, arns):
    for arn in arns:
        if arn not in elbv2_backends[call.account][call.region].target_groups:
            raise invalid("Provided Target Groups may not be valid. Please ensure they exist and try again.")


@instead("autoscaling", "CreateAutoScalingGroup")
def create(call):
    name = call.get("AutoScalingGroupName", "")
    existing = GROUPS.get((call.region, name))
    if existing:
        pending = " and is pending delete" if existing.deleting else ""
        # model: AlreadyExistsFault, code AlreadyExists.
        raise Refusal(
            "AlreadyExists",
            f"AutoScalingGroup by this name already exists{pending} - A group with the name {name} already exists",
        )
    if not re.fullmatch(r"[^:]{1,255}", name):
        raise invalid("Invalid group name")
    low, high = int(call.get("MinSize") or 0), int(call.get("MaxSize") or 0)
    desired = int(call.get("DesiredCapacity") if call.get("DesiredCapacity") is not None else low)
    _check_sizes(low, high, desired)
    if call.get("LaunchConfigurationName"):
        # [AWS 4.2]: accounts since October 2024 have no launch configurations.
        raise Refusal(
            "UnsupportedOperation", "The Launch Configuration creation operation is not available in your account."
        )
    template, mixed = _template(call, call.get("LaunchTemplate")), _mixed(call, call.get("MixedInstancesPolicy"))
    if not template and not mixed:
        raise invalid(
            "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter."
        )
    subnets = _subnets(call, call.get("VPCZoneIdentifier"))
    if not subnets:
        raise invalid("At least one Availability Zone or VPC Subnet is required.")
    _check_target_groups(call, call.get("TargetGroupARNs") or [])
    group = Group(call.region, call.account, name)
    group.settings = {
        "DefaultCooldown": 300,
        "HealthCheckType": "EC2",
        "HealthCheckGracePeriod": 0,
        "TerminationPolicies": ["Default"],
        "NewInstancesProtectedFromScaleIn": False,
        "CapacityRebalance": False,
        "ServiceLinkedRoleARN": f"arn:{partition(call.region)}:iam::{call.account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
        **{k: call.params[k] for k in SETTINGS if call.get(k) is not None},
        "MinSize": low,
        "MaxSize": high,
        "DesiredCapacity": desired,
    }
    group.template, group.mixed = template, mixed
    group.target_groups = list(call.get("TargetGroupARNs") or [])
    group.created = datetime.now(UTC)
    for tag in call.get("Tags") or []:
        group.tags[tag["Key"]] = (tag.get("Value") or "", bool(tag.get("PropagateAtLaunch")))
    GROUPS[(call.region, name)] = group
    group.cause = f"a user request created an AutoScalingGroup changing the desired capacity from 0 to {desired}"
    reconcile(group)
    return {}


@instead("autoscaling", "UpdateAutoScalingGroup")
def update(call):
    group = _living(call)
    low = int(call.get("MinSize") if call.get("MinSize") is not None else group.settings["MinSize"])
    high = int(call.get("MaxSize") if call.get("MaxSize") is not None else group.settings["MaxSize"])
    desired = call.get("DesiredCapacity")
    _check_sizes(low, high, desired)
    # model UpdateAutoScalingGroup: a new minimum above, or maximum below, the current size moves the desired capacity.
    wanted = int(desired) if desired is not None else min(max(group.desired, low), high)
    if call.get("VPCZoneIdentifier"):
        _subnets(call, call.get("VPCZoneIdentifier"))
    template, mixed = _template(call, call.get("LaunchTemplate")), _mixed(call, call.get("MixedInstancesPolicy"))
    refresh = open_refresh(group)
    if (template or mixed) and refresh and refresh["DesiredConfiguration"]:
        # user guide, instance refresh, "Update restriction".
        raise Refusal(
            "ValidationError",
            "An active instance refresh with a desired configuration exists. All configuration options derived from the"
            " desired configuration are not available for update while the instance refresh is active.",
        )
    if template:
        group.template, group.mixed = template, None
    if mixed:
        group.template, group.mixed = None, mixed
    group.settings.update({k: call.params[k] for k in SETTINGS if call.get(k) is not None})
    _resize(group, wanted)
    group.settings.update(MinSize=low, MaxSize=high)
    reconcile(group)
    return {}


def _resize(group, wanted):
    if wanted != group.desired:
        group.cause = f"a user request update of AutoScalingGroup constraints to desired: {wanted}, changing the desired capacity from {group.desired} to {wanted}"
    group.settings["DesiredCapacity"] = wanted


def _living(call, name=None):
    group = find(call, name or call.get("AutoScalingGroupName"))
    if group.deleting:
        raise Refusal("ScalingActivityInProgress", f"AutoScalingGroup {group.name} is pending delete")
    return group


@instead("autoscaling", "SetDesiredCapacity")
def set_desired(call):
    group, wanted = _living(call), int(call.get("DesiredCapacity"))
    if wanted > group.settings["MaxSize"]:
        raise invalid(
            f"New SetDesiredCapacity value {wanted} is above max value {group.settings['MaxSize']} for the AutoScalingGroup."
        )
    if wanted < group.settings["MinSize"]:
        raise invalid(
            f"New SetDesiredCapacity value {wanted} is below min value {group.settings['MinSize']} for the AutoScalingGroup."
        )
    _resize(group, wanted)
    reconcile(group)
    return {}


@instead("autoscaling", "DeleteAutoScalingGroup")
def delete(call):
    group = find(call, call.get("AutoScalingGroupName"))
    if group.deleting:
        return {}
    force = str(call.get("ForceDelete", False)).lower() == "true"
    protection = group.settings.get("DeletionProtection") or "none"
    if protection == "prevent-all-deletion" or (force and protection == "prevent-force-deletion"):
        raise invalid(f"The AutoScalingGroup {group.name} cannot be deleted: deletion protection is {protection}")
    if not force:
        # model DeleteAutoScalingGroup: ResourceInUse with instances, ScalingActivityInProgress while they leave.
        if any(m.state not in ("Terminating", "Terminating:Wait") for m in group.members):
            message = "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group."
            raise Refusal("ResourceInUse", message)
        if group.members:
            raise Refusal(
                "ScalingActivityInProgress",
                "You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.",
            )
    begin_delete(group)
    return {}


@instead("autoscaling", "DescribeAutoScalingGroups")
def describe(call):
    names = call.get("AutoScalingGroupNames")
    groups = [g for g in groups_of(call) if not names or g.name in names]
    for wanted in call.get("Filters") or []:
        name, values = wanted["Name"], wanted.get("Values") or []
        if name == "tag-key":
            groups = [g for g in groups if any(k in values for k in g.tags)]
        elif name == "tag-value":
            groups = [g for g in groups if any(v in values for v, _ in g.tags.values())]
        elif name.startswith("tag:"):
            groups = [g for g in groups if name[4:] in g.tags and (g.tags[name[4:]][0] in values)]
    shown, token = page(call, groups, "MaxRecords", default=50)
    return {"AutoScalingGroups": [_described(call, g) for g in shown], "NextToken": token}


def _described(call, group):
    # A group outlives its subnets while it is being deleted.
    known, ids = _known_subnets(call), (group.settings["VPCZoneIdentifier"] or "").split(",")
    zones = sorted({known[i.strip()].availability_zone for i in ids if i.strip() in known})
    return {
        **group.settings,
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "LaunchTemplate": group.template,
        "MixedInstancesPolicy": group.mixed,
        "AvailabilityZones": zones,
        "LoadBalancerNames": [],
        "TargetGroupARNs": group.target_groups,
        "TrafficSources": [{"Identifier": arn, "Type": "elbv2"} for arn in group.target_groups],
        "Instances": [m.described() for m in group.members],
        "CreatedTime": group.created,
        "SuspendedProcesses": [
            {"ProcessName": p, "SuspensionReason": f"User suspended at {when}"} for p, when in group.suspended.items()
        ],
        "EnabledMetrics": [{"Metric": m, "Granularity": "1Minute"} for m in group.metrics],
        "Tags": [_tag(group, key) for key in group.tags],
        "Status": "Delete in progress" if group.deleting else None,
    }


def _tag(group, key):
    value, propagate = group.tags[key]
    return {
        "ResourceId": group.name,
        "ResourceType": "auto-scaling-group",
        "Key": key,
        "Value": value,
        "PropagateAtLaunch": propagate,
    }


@instead("autoscaling", "DescribeAutoScalingInstances")
def describe_instances(call):
    ids = call.get("InstanceIds")
    found = [
        {**m.described(), "AutoScalingGroupName": g.name, "HealthStatus": m.described()["HealthStatus"].upper()}
        for g in groups_of(call)
        for m in g.members
        if not ids or m.id in ids
    ]
    shown, token = page(call, found, "MaxRecords", default=50)
    return {"AutoScalingInstances": shown, "NextToken": token}


@instead("autoscaling", "CreateOrUpdateTags", "DeleteTags")
def change_tags(call):
    for tag in call.get("Tags") or []:
        group = find(call, tag.get("ResourceId"))
        if call.operation == "DeleteTags":
            group.tags.pop(tag["Key"], None)
        else:
            group.tags[tag["Key"]] = (tag.get("Value") or "", bool(tag.get("PropagateAtLaunch")))
    return {}


@instead("autoscaling", "DescribeTags")
def describe_tags(call):
    tags = [_tag(g, k) for g in groups_of(call) for k in g.tags]
    fields = {
        "auto-scaling-group": "ResourceId",
        "key": "Key",
        "value": "Value",
        "propagate-at-launch": "PropagateAtLaunch",
    }
    for wanted in call.get("Filters") or []:
        field, values = fields[wanted["Name"]], [str(v).lower() for v in wanted.get("Values") or []]
        tags = [t for t in tags if str(t[field]).lower() in values]
    shown, token = page(call, tags, "MaxRecords", default=50)
    return {"Tags": shown, "NextToken": token}


@instead("autoscaling", "AttachLoadBalancerTargetGroups", "AttachTrafficSources")
def attach(call):
    group = _living(call)
    arns = call.get("TargetGroupARNs") or [s["Identifier"] for s in call.get("TrafficSources") or []]
    _check_target_groups(call, arns)
    for arn in arns:
        if arn not in group.target_groups:
            group.target_groups.append(arn)
        for member in group.members:
            if member.state == "InService":
                elbv2.register(call.account, call.region, arn, member.id)
    return {}


@instead("autoscaling", "DetachLoadBalancerTargetGroups", "DetachTrafficSources")
def detach(call):
    group = _living(call)
    for arn in call.get("TargetGroupARNs") or [s["Identifier"] for s in call.get("TrafficSources") or []]:
        if arn in group.target_groups:
            group.target_groups.remove(arn)
        for member in group.members:
            elbv2.deregister(call.account, call.region, arn, member.id)
    return {}


@instead("autoscaling", "DescribeLoadBalancerTargetGroups", "DescribeTrafficSources")
def describe_attached(call):
    group = find(call, call.get("AutoScalingGroupName"))
    # model: Added until one instance passes the health checks, then InService.
    if call.operation == "DescribeTrafficSources":
        return {
            "TrafficSources": [{"Identifier": a, "Type": "elbv2", "State": "InService"} for a in group.target_groups]
        }
    return {
        "LoadBalancerTargetGroups": [
            {"LoadBalancerTargetGroupARN": a, "State": "InService"} for a in group.target_groups
        ]
    }


@instead("autoscaling", "SuspendProcesses", "ResumeProcesses")
def processes(call):
    group = find(call, call.get("AutoScalingGroupName"))
    for process in call.get("ScalingProcesses") or PROCESSES:
        if process not in PROCESSES:
            raise invalid(f"Invalid process: {process}")
        if call.operation == "SuspendProcesses":
            group.suspended[process] = datetime.now(UTC).isoformat(timespec="seconds")
        else:
            group.suspended.pop(process, None)
    reconcile(group)
    return {}


@instead("autoscaling", "TerminateInstanceInAutoScalingGroup")
def terminate(call):
    for group in groups_of(call):
        for member in group.members:
            if member.id == call.get("InstanceId"):
                if str(call.get("ShouldDecrementDesiredCapacity")).lower() == "true":
                    if group.desired - 1 < group.settings["MinSize"]:
                        raise invalid(
                            "Currently, desiredSize equals minSize. Terminating instance without replacement will violate group's min size constraint."
                        )
                    group.settings["DesiredCapacity"] -= 1
                activity = retire(group, member, "was taken out of service in response to a user request")
                reconcile(group)
                return {"Activity": activity}
    raise invalid(f"Instance Id not found - No managed instance found for instance ID: {call.get('InstanceId')}")


@instead("autoscaling", "SetInstanceProtection", "SetInstanceHealth")
def instance_settings(call):
    for group in groups_of(call):
        for member in group.members:
            if member.id in (call.get("InstanceIds") or [call.get("InstanceId")]):
                if call.operation == "SetInstanceProtection":
                    member.protected = str(call.get("ProtectedFromScaleIn")).lower() == "true"
                else:
                    member.health = call.get("HealthStatus")
        reconcile(group)
    return {}


@instead("autoscaling", "EnableMetricsCollection", "DisableMetricsCollection")
def metrics(call):
    group = find(call, call.get("AutoScalingGroupName"))
    every = ["GroupMinSize", "GroupMaxSize", "GroupDesiredCapacity", "GroupInServiceInstances", "GroupPendingInstances",
             "GroupStandbyInstances", "GroupTerminatingInstances", "GroupTotalInstances"]  # fmt: skip
    named = call.get("Metrics") or every
    kept = [m for m in group.metrics if m not in named]
    group.metrics = kept + (list(named) if call.operation.startswith("Enable") else [])
    return {}


@instead("autoscaling", "DescribeScalingActivities")
def activities(call):
    name = call.get("AutoScalingGroupName")
    if name and (call.region, name) not in GROUPS:
        raise invalid(f"AutoScalingGroup name not found - AutoScalingGroup {name} not found")
    found = [a for g in groups_of(call) if not name or g.name == name for a in g.activities]
    if call.get("ActivityIds"):
        found = [a for a in found if a["ActivityId"] in call.get("ActivityIds")]
    shown, token = page(call, found, "MaxRecords")
    return {"Activities": shown, "NextToken": token}


# Lifecycle hooks are kept and shown; nothing waits for them.


@instead("autoscaling", "PutLifecycleHook", "DeleteLifecycleHook", "DescribeLifecycleHooks", "CompleteLifecycleAction")
def hooks(call):
    group, name = find(call, call.get("AutoScalingGroupName")), call.get("LifecycleHookName")
    if call.operation == "PutLifecycleHook":
        group.hooks[name] = {
            "HeartbeatTimeout": 3600,
            "DefaultResult": "ABANDON",
            "GlobalTimeout": 172800,
            **call.params,
        }
    elif call.operation == "DeleteLifecycleHook":
        if group.hooks.pop(name, None) is None:
            raise invalid(f"No such lifecycle hook: {name}")
    elif call.operation == "DescribeLifecycleHooks":
        names = call.get("LifecycleHookNames")
        return {"LifecycleHooks": [h for n, h in group.hooks.items() if not names or n in names]}
    return {}
