"""Images of one's own: pending until their snapshot is complete, tagged apart from it, and used by what is launched."""

from moto.ec2.models.amis import Ami

from .clock import CLOCK
from .ec2_network import backend
from .rules import Refusal, after, before, instead

# Seconds until an image is available, from CI logs with 134 and 186.
AVAILABLE = 160


@before("ec2", "CreateImage")
def can_be_imaged(call):
    ec2 = backend(call)
    instance = next((i for i in ec2.all_instances() if i.id == call.get("InstanceId")), None)
    if instance is not None and instance.state not in ("running", "stopped"):
        message = f"The instance '{instance.id}' is not in the 'running' or 'stopped' state."
        raise Refusal("IncorrectState", message)
    name, account = call.get("Name"), call.account
    taken = next((i for i in ec2.amis.values() if i.owner_id == account and i.name == name), None)
    if taken is not None:
        # The words are those of hashicorp/packer#4155 and others.
        message = f"AMI name {name} is already in use by AMI {taken.id}"
        raise Refusal("InvalidAMIName.Duplicate", message)


@before("ec2", "CreateImage")
def tags_of_the_snapshot(call):
    # moto does not know tags of snapshots here: they are taken out of its request, and given afterwards.
    given = call.get("TagSpecifications") or []
    call.notes["snapshot tags"] = [t for s in given if s.get("ResourceType") == "snapshot" for t in s.get("Tags") or []]


def _create(self, instance_id, name, description, tag_specifications):
    others = [s for s in tag_specifications if s.get("ResourceType") != "snapshot"]
    return _moto_create(self, instance_id, name, description, others)


def _install():
    from moto.ec2.models.amis import AmiBackend

    moto, AmiBackend.create_image = AmiBackend.create_image, _create
    return moto


_moto_create = _install()


@after("ec2", "CreateImage")
def pending(call, answer):
    ec2 = backend(call)
    image = ec2.amis[answer["ImageId"]]
    # moto's images have nothing of the instance but its architecture.
    image.state, image.root_device_type, image.root_device_name = "pending", "ebs", "/dev/xvda"
    # user guide "Tag your AMIs": an image's tags are not those of its snapshots.
    for tag in call.notes["snapshot tags"]:
        image.ebs_snapshot.add_tag(tag["Key"], tag["Value"])

    def available():
        if image.state == "pending":
            image.state = "available"

    CLOCK.after(AVAILABLE, available)
    if not call.get("NoReboot"):
        instance = ec2.get_instance(call.get("InstanceId"))
        # model: without NoReboot the instance is shut down and restarted. What it served is gone for a while.
        instance.booted_at = CLOCK.when(BOOT)
    return answer


# As in ec2_instances: from running to listening.
BOOT = 40


@before("ec2", "RunInstances")
def image_is_there(call):
    check_image(backend(call), call.get("ImageId"))


def check_image(ec2, image):
    """Refuse an image that was deregistered, or is not available yet. moto launches both.

    A launch template is not checked for it; what is launched from it is.
    """
    if image in ec2.deleted_amis:
        raise Refusal("InvalidAMIID.NotFound", f"The image id '[{image}]' does not exist")
    if image in ec2.amis and ec2.amis[image].state != "available":
        raise Refusal("InvalidAMIID.Unavailable", f"The image ID '{image}' is not available for launch")


@instead("ec2", "DescribeImages")
def deregistered(call):
    """moto answers nothing at all for a deregistered image that is asked for by id; AWS does not know it."""
    lost = [i for i in call.get("ImageIds") or [] if i in backend(call).deleted_amis]
    if lost:
        raise Refusal("InvalidAMIID.NotFound", f"The image id '[{', '.join(lost)}]' does not exist")


@before("ec2", "DeregisterImage")
def snapshots_before(call):
    image = backend(call).amis.get(call.get("ImageId"))
    call.notes["snapshot"] = image.ebs_snapshot.id if isinstance(image, Ami) else None


@after("ec2", "DeregisterImage")
def snapshots_after(call, answer):
    # model: by default the snapshots are kept. moto ignores the flag.
    if not call.get("DeleteAssociatedSnapshots") or not call.notes["snapshot"]:
        return answer
    backend(call).delete_snapshot(call.notes["snapshot"])
    return {**answer, "DeleteSnapshotResults": [{"SnapshotId": call.notes["snapshot"], "ReturnCode": "success"}]}
