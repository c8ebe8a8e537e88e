"""Keep the instances of an Auto Scaling group: launched across the zones, registered, watched, replaced."""

import math
from datetime import UTC, datetime

from . import ec2_instances, ec2_templates, elbv2
from .clock import CLOCK
from .ec2_instances import RUNNING, WATCHERS, ec2_backends
from .rules import NUMBERS, Refusal, on_reset, partition

# Seconds: until a dead member is noticed (status checks run each minute), and until a forced deletion of a group ends
# ([AWS 11], asg_force_delete).
NOTICED, DELETED, RETRY = 30, 60, 60

GROUPS = {}
on_reset(GROUPS.clear)


class Group:
    def __init__(self, region, account, name):
        self.region, self.account, self.name = region, account, name
        self.arn = f"arn:{partition(region)}:autoscaling:{region}:{account}:autoScalingGroup:{NUMBERS.uuid()}:autoScalingGroupName/{name}"
        self.settings, self.template, self.mixed = {}, None, None
        self.target_groups, self.members, self.activities, self.metrics = [], [], [], []
        self.tags, self.suspended, self.policies, self.hooks, self.refreshes = {}, {}, {}, {}, []
        self.created, self.deleting, self.cause = None, False, ""
        self.extra = 0  # members above the desired capacity that a refresh may have for a while

    @property
    def desired(self):
        return int(self.settings["DesiredCapacity"])

    @property
    def active(self):
        return [m for m in self.members if not m.state.startswith("Terminating")]

    def spec(self):
        return self.template or self.mixed["LaunchTemplate"]["LaunchTemplateSpecification"]


class Member:
    def __init__(self, instance, subnet, version, protected):
        self.instance, self.id, self.subnet, self.version = instance, instance.id, subnet, version
        self.state, self.health, self.protected = "Pending", "Healthy", protected
        self.since = CLOCK.now()
        # Its place in the zone belongs to its successor, so it leaves as soon as that one has arrived.
        self.leaving = False

    def described(self):
        template = self.version.template
        return {
            "InstanceId": self.id,
            "InstanceType": self.instance.instance_type,
            "AvailabilityZone": self.subnet.availability_zone,
            "LifecycleState": self.state,
            "HealthStatus": self.health,
            "LaunchTemplate": {
                "LaunchTemplateId": template.id,
                "LaunchTemplateName": template.name,
                "Version": str(self.version.number),
            },
            "ProtectedFromScaleIn": self.protected,
        }


def groups_of(call):
    return [g for (region, _), g in sorted(GROUPS.items()) if region == call.region]


def find(call, name):
    group = GROUPS.get((call.region, name))
    if group is None:
        raise Refusal("ValidationError", f"AutoScalingGroup name not found - AutoScalingGroup {name} not found")
    return group


def open_refresh(group):
    """Return the instance refresh that has not ended."""
    over = ("Successful", "Failed", "Cancelled", "RollbackFailed", "RollbackSuccessful")
    return next((r for r in group.refreshes if r["Status"] not in over), None)


def version_wanted(group):
    """Return the template version for a new member."""
    ec2 = ec2_backends[group.account][group.region]
    spec = group.spec()
    template = ec2.launch_templates.get(spec["LaunchTemplateId"])
    if template is None:
        message = f"The specified launch template, with template ID {spec['LaunchTemplateId']}, does not exist."
        raise Refusal("InvalidLaunchTemplateId.NotFound", message)
    return ec2_templates.version_of(template, spec.get("Version"))


def reconcile(group):
    """Bring the group to its target: unhealthy members out, missing ones in, surplus ones out."""
    if group.deleting or GROUPS.get((group.region, group.name)) is not group:
        return
    if "ReplaceUnhealthy" not in group.suspended and "Terminate" not in group.suspended:
        for member in group.active:
            if member.health == "Unhealthy":
                retire(
                    group,
                    member,
                    "was taken out of service in response to an EC2 health check indicating it has been terminated or stopped",
                )
    surplus = len(group.active) - group.desired
    if surplus < 0 and "Launch" not in group.suspended:
        for _ in range(-surplus):
            if not enlist(group):
                CLOCK.after(RETRY, lambda: CLOCK.pace != "instant" and reconcile(group))
                break
    if surplus > group.extra and "Terminate" not in group.suspended:
        for _ in range(surplus - group.extra):
            leaver = _leaver(group)
            if leaver is None:
                break
            retire(group, leaver, "was selected for termination", wait=True)


def _leaver(group):
    """Return the member that leaves first.

    Model TerminationPolicies Default: the fullest zone, then the oldest template version, then the oldest.
    """
    able = [m for m in group.active if not m.protected]
    if not able:
        return None
    load = {}
    for member in group.active:
        load[member.subnet.availability_zone] = load.get(member.subnet.availability_zone, 0) + 1
    return min(able, key=lambda m: (-load[m.subnet.availability_zone], m.version.number, m.since))


def _next_subnet(group):
    """Return the subnet with the fewest members.

    AWS spreads instances evenly over the zones of VPCZoneIdentifier; moto puts all into the first.
    """
    ec2 = ec2_backends[group.account][group.region]
    subnets = [ec2.get_subnet(i.strip()) for i in group.settings["VPCZoneIdentifier"].split(",")]
    count = {s.availability_zone: 0 for s in subnets}
    for member in (m for m in group.active if not m.leaving):
        count[member.subnet.availability_zone] = count.get(member.subnet.availability_zone, 0) + 1
    return min(subnets, key=lambda s: count[s.availability_zone])


def _kind(group):
    """Return (instance type, spot) of the next member of a mixed-instances group."""
    if not group.mixed:
        return None, False
    overrides = [o["InstanceType"] for o in group.mixed["LaunchTemplate"]["Overrides"] if o.get("InstanceType")]
    distribution = group.mixed["InstancesDistribution"]
    base, percent = int(distribution["OnDemandBaseCapacity"]), int(distribution["OnDemandPercentageAboveBaseCapacity"])
    on_demand = sum(1 for m in group.active if m.instance.lifecycle != "spot")
    wanted = min(base, group.desired) + math.ceil(max(group.desired - base, 0) * percent / 100)
    return (overrides[0] if overrides else None), on_demand >= wanted


def enlist(group):
    """Launch one member. Return False and record a failed activity if EC2 refuses."""
    activity = _activity(group, "Launching a new EC2 instance", _cause(group))
    try:
        version, subnet = version_wanted(group), _next_subnet(group)
        kind, spot = _kind(group)
        tags = {k: v for k, (v, propagate) in group.tags.items() if propagate}
        tags["aws:autoscaling:groupName"] = group.name
        instance = ec2_instances.launch(group.account, group.region, version, subnet.id, tags, kind, spot)
    except Exception as refusal:
        message = getattr(refusal, "message", str(refusal))
        activity.update(StatusCode="Failed", StatusMessage=f"{message} Launching EC2 instance failed.", Progress=100)
        activity["EndTime"] = _now()
        return False
    member = Member(
        instance, subnet, version, str(group.settings["NewInstancesProtectedFromScaleIn"]).lower() == "true"
    )
    group.members.append(member)
    activity["Description"] = f"Launching a new EC2 instance: {instance.id}"
    zone = f'{{"Subnet ID":"{subnet.id}","Availability Zone":"{subnet.availability_zone}"}}'
    activity["Details"] = zone

    def in_service():
        if member.state == "Pending" and instance.state == "running":
            member.state = "InService"
            activity.update(StatusCode="Successful", Progress=100, EndTime=_now())
            if "AddToLoadBalancer" not in group.suspended:
                for arn in group.target_groups:
                    elbv2.register(group.account, group.region, arn, member.id)
            check_balancers()

    CLOCK.after(RUNNING, in_service)
    return True


def retire(group, member, why, wait=False):
    """Remove a member and return the activity: deregister, (drain,) terminate, forget."""
    if member.state.startswith("Terminating"):
        return None
    member.state = "Terminating"
    activity = _activity(
        group,
        f"Terminating EC2 instance: {member.id}",
        f"At {_now():%Y-%m-%dT%H:%M:%SZ} an instance {member.id} {why}.",
    )
    delays = [elbv2.deregister(group.account, group.region, arn, member.id) for arn in group.target_groups]
    dead = member.instance.state in ("shutting-down", "terminated")

    def end():
        if member.instance.state not in ("shutting-down", "terminated"):
            member.instance.terminate()
        elif member.instance.state == "terminated":
            _forget(group, member)

    member.leaving = activity
    # [AWS 5]: a member in service is terminated after the deregistration delay.
    CLOCK.after(max(delays, default=0) if not dead else 0, end)
    return activity


def _forget(group, member):
    if member in group.members:
        group.members.remove(member)
    # Without an activity of its own where the group was deleted in the middle of a refresh.
    if isinstance(getattr(member, "leaving", None), dict):
        member.leaving.update(StatusCode="Successful", Progress=100, EndTime=_now())
    reconcile(group)


def begin_delete(group):
    group.deleting = True
    from . import asg_policies

    # [AWS 5]: "deleting the group deletes them", the alarms of its policies.
    for name in list(group.policies):
        asg_policies.remove(group, name)
    for member in group.members:
        member.state = "Terminating"
        for arn in group.target_groups:
            elbv2.deregister(group.account, group.region, arn, member.id)
        member.instance.terminate()

    def gone():
        if any(m.instance.state != "terminated" for m in group.members):
            CLOCK.after(1, gone)
        else:
            GROUPS.pop((group.region, group.name), None)

    CLOCK.after(DELETED if group.members else 5, gone)


def _watch(instance):
    """Check members like EC2: a member that is not running becomes unhealthy after a while and is replaced."""
    for group in list(GROUPS.values()):
        for member in group.members:
            if member.instance is not instance:
                continue
            if instance.state == "terminated" and member.state.startswith("Terminating"):
                _forget(group, member)
            elif instance.state in ("shutting-down", "stopping", "stopped", "terminated"):
                CLOCK.after(NOTICED, lambda group=group, member=member: _noticed(group, member))
            return


def _noticed(group, member):
    if member in group.members and not member.state.startswith("Terminating") and "HealthCheck" not in group.suspended:
        member.health = "Unhealthy"
        reconcile(group)


WATCHERS.append(_watch)


def check_balancers():
    """Check members like the balancers, for groups that heed them.

    [AWS 5]: HealthCheckType ELB, only after the grace period. Called when a test changes the health, and once more for
    each member at the end of its grace period.
    """
    for group in list(GROUPS.values()):
        if "ELB" not in group.settings["HealthCheckType"]:
            continue
        grace = int(group.settings.get("HealthCheckGracePeriod") or 0)
        for member in [m for m in group.members if m.state == "InService"]:
            sick = any(elbv2.sick(arn, member.id) for arn in group.target_groups)
            if sick and CLOCK.now() < member.since + grace and CLOCK.pace != "instant":
                CLOCK.after(member.since + grace - CLOCK.now(), check_balancers)
            elif sick:
                member.health = "Unhealthy"
                CLOCK.after(NOTICED, lambda group=group: reconcile(group))


def _activity(group, description, cause):
    activity = {
        "ActivityId": NUMBERS.uuid(),
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "Description": description,
        "Cause": cause,
        "StartTime": _now(),
        "StatusCode": "InProgress",
        "Progress": 50,
        "Details": "{}",
    }
    group.activities.insert(0, activity)
    return activity


def _cause(group):
    cause = group.cause or "an instance was started in response to a difference between desired and actual capacity"
    return f"At {_now():%Y-%m-%dT%H:%M:%SZ} {cause}."


def _now():
    return datetime.fromtimestamp(CLOCK.seen(), UTC)
