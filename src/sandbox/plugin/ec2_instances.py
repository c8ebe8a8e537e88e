"""Instances: pending, running, shutting-down, terminated on the clock. All launches share one function."""

import re

from moto.ec2 import ec2_backends
from moto.ec2.models.instances import Instance, InstanceBackend, StateReason
from moto.ssm.models import ssm_backends

from . import iam
from .clock import CLOCK
from .ec2_images import check_image
from .rules import Refusal, after, before, instead, on_reset

# Seconds from [AWS 11].
RUNNING, TERMINATED = 43, 30
# From running to listening, then one passed check of the balancer.
BOOT, FIRST_CHECK = 40, 10
# Called with an instance when its state changes. Auto Scaling groups watch their members this way.
WATCHERS = []

# The account's defaults for new instances by region, as set by ModifyInstanceMetadataDefaults.
METADATA = {}
on_reset(METADATA.clear)

STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}


def become(instance, state):
    instance._state.name, instance._state.code = state, STATES[state]
    for watch in WATCHERS:
        watch(instance)


def _run(self, *args, **kwargs):
    # model InstanceStateName: pending first; moto's are running at once.
    reservation = _moto_run(self, *args, **kwargs)
    for instance in reservation.instances:
        become(instance, "pending")
        instance.booted_at = None

        def up(instance=instance):
            if instance.state == "pending":
                instance.booted_at = CLOCK.when(BOOT + FIRST_CHECK)
                become(instance, "running")

        CLOCK.after(RUNNING, up)
    return reservation


def _terminate(self, reason=None):
    # While shutting down an instance keeps its interface, and with it security groups and subnet [AWS 4.5].
    from copy import copy

    previous = copy(self._state)
    if self.state in ("shutting-down", "terminated"):
        return previous
    become(self, "shutting-down")

    def gone():
        _moto_terminate(self)
        for nic in list(self.nics.values()):
            self.ec2_backend.enis.pop(nic.id, None)
        # moto calls each end the user's.
        self.state_reason = reason or self.state_reason
        become(self, "terminated")

    CLOCK.after(TERMINATED, gone)
    return previous


def _stop(self):
    previous = _moto_stop(self)
    become(self, "stopped")
    return previous


def switch_off(instance):
    """The instance shuts itself down, and does what it was told at its launch to do then."""
    # model StateReason: the code of an instance that used `shutdown -h`.
    code = "Client.InstanceInitiatedShutdown"
    reason = StateReason(f"{code}: Instance initiated shutdown", code)
    if instance.instance_initiated_shutdown_behavior == "terminate":
        _terminate(instance, reason)
        return
    _moto_stop(instance)
    instance.state_reason = reason
    become(instance, "stopped")


_moto_run, _moto_terminate, _moto_stop = InstanceBackend.run_instances, Instance.terminate, Instance.stop
InstanceBackend.run_instances, Instance.terminate, Instance.stop = _run, _terminate, _stop
# moto frees an instance's addresses when Python collects it, which matches no moment of AWS.
Instance.__del__ = lambda self: None


@before("ec2", "RunInstances")
def profile_visible(call):
    profile = call.get("IamInstanceProfile") or {}
    check_profile(call.account, profile, "Value ({0}) for parameter iamInstanceProfile.name is invalid. ")


def check_profile(account, profile, prefix, code="InvalidParameterValue"):
    """Refuse a new profile: EC2 and Auto Scaling see it only after some seconds [AWS 4.7]."""
    name = profile.get("Name") or (profile.get("Arn") or "").rpartition("/")[2]
    if name and not iam.profile_visible(account, name):
        raise Refusal(code, prefix.format(name) + "Invalid IAM Instance Profile name")


def tags_in_metadata(region, options):
    """Return whether an instance shows its tags to its software, by the request or by the account's default."""
    asked = (options or {}).get("InstanceMetadataTags") or METADATA.get(region, {}).get("InstanceMetadataTags")
    return asked == "enabled"


def check_tag_keys(keys):
    """Refuse bad tag keys in the words of github.com/seek-oss/aec/pull/411 and
    github.com/kubernetes/cloud-provider-aws/issues/436.
    """
    for key in keys:
        if not re.fullmatch(r"[0-9a-zA-Z\-_+=,.@:]{1,255}", key) or key in (".", "..", "_index"):
            raise Refusal(
                "InvalidParameterValue",
                f"'{key}' is not a valid tag key. Tag keys must match pattern ([0-9a-zA-Z\\-_+=,.@:]{{1,255}}), "
                "and must not be a reserved name ('.', '..', '_index')",
            )


@before("ec2", "RunInstances")
def tag_keys(call):
    if tags_in_metadata(call.region, call.get("MetadataOptions")):
        given = [s for s in call.get("TagSpecifications") or [] if s.get("ResourceType") == "instance"]
        check_tag_keys(tag["Key"] for s in given for tag in s.get("Tags") or [])


@before("ec2", "CreateTags")
def tag_keys_of_running(call):
    ec2 = ec2_backends[call.account][call.region]
    known = {i.id: i for i in ec2.all_instances()}
    shown = [known[i] for i in call.get("Resources") or [] if i in known]
    if any(i.metadata_options.instance_metadata_tags == "enabled" for i in shown):
        check_tag_keys(tag["Key"] for tag in call.get("Tags") or [])


@instead("ec2", "ModifyInstanceMetadataDefaults")
def set_defaults(call):
    given = {k: v for k, v in call.params.items() if k not in ("DryRun",) and v not in (None, "no-preference")}
    METADATA[call.region] = given
    return {"Return": True}


@instead("ec2", "GetInstanceMetadataDefaults")
def show_defaults(call):
    return {"AccountLevel": METADATA.get(call.region, {})}


@after("ec2", "RunInstances")
def shown_pending(call, answer):
    for instance in answer["Instances"]:
        instance["State"] = {"Code": 0, "Name": "pending"}
    return answer


@instead("ec2", "DescribeImages")
def image_of_ones_own(call):
    """Register an unknown id as an image of the user's own account: Linux for x86-64."""
    ids, ec2 = call.get("ImageIds") or [], ec2_backends[call.account][call.region]
    if not ids or any(i in ec2.amis or i in ec2.deleted_amis or not i.startswith("ami-") for i in ids):
        return None
    shared = {"Name": "al2023-ami-own", "State": "available", "Architecture": "x86_64", "RootDeviceType": "ebs"}
    return {"Images": [{"ImageId": i, "OwnerId": call.account, "EnaSupport": True, **shared} for i in ids]}


def launch(account, region, version, subnet_id, tags, instance_type=None, spot=False):
    """Launch one instance from a launch template version, with all its settings."""
    ec2, data = ec2_backends[account][region], version.data
    card = (data.get("NetworkInterfaces") or [{}])[0]
    groups = card.get("Groups") or data.get("SecurityGroupIds") or []
    subnet = ec2.get_subnet(subnet_id)
    public = card.get("AssociatePublicIpAddress")
    if public is None:
        public = str(subnet.map_public_ip_on_launch).lower() == "true"
    image = data.get("ImageId", "")
    if image.startswith("resolve:ssm:"):
        image = ssm_backends[account][region].get_parameter(image.removeprefix("resolve:ssm:")).value
    check_image(ec2, image)
    profile = data.get("IamInstanceProfile") or {}
    check_profile(account, profile, "Value ({0}) for parameter iamInstanceProfile.name is invalid. ")
    options = dict(data.get("MetadataOptions") or {})
    if tags_in_metadata(region, options):
        options["InstanceMetadataTags"] = "enabled"
        check_tag_keys(key for key in tags if not key.startswith("aws:"))
    reservation = ec2.run_instances(
        image,
        1,
        data.get("UserData"),
        [],
        instance_type=instance_type or data.get("InstanceType") or "m1.small",
        is_instance_type_default=False,
        security_group_ids=list(groups),
        subnet_id=subnet_id,
        key_name=data.get("KeyName"),
        associate_public_ip=bool(public),
        region_name=region,
        launch_template={"LaunchTemplateId": version.template.id, "Version": str(version.number)},
        monitoring_state="enabled" if (data.get("Monitoring") or {}).get("Enabled") else "disabled",
        metadata_options=options,
        ebs_optimized=data.get("EbsOptimized", False),
        instance_initiated_shutdown_behavior=data.get("InstanceInitiatedShutdownBehavior"),
        tags={"instance": dict(tags)},
        **({"instance_market_options": {"MarketType": "spot"}} if spot else {}),
    )
    instance = reservation.instances[0]
    if profile:
        ec2.associate_iam_instance_profile(
            instance.id, profile.get("Name"), None if profile.get("Name") else profile.get("Arn")
        )
    return instance
