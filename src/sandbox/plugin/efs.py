"""EFS: file systems and mount targets on the clock, operations that moto lacks, errors with the model's fields."""

from moto.ec2.exceptions import InvalidSubnetIdError
from moto.efs.models import efs_backends

from .clock import CLOCK
from .rules import Refusal, after, before, instead

# Seconds from [AWS 11].
CREATE, DELETE, TARGET_CREATE, TARGET_DELETE = 5, 6, 85, 40


def backend(call):
    return efs_backends[call.account][call.region]


def refusal(code, message, status, **fields):
    # model: every EFS error has ErrorCode and Message, some also the id of the existing object.
    return Refusal(code, message, status, ErrorCode=code, Message=message, **fields)


def find(call):
    system = backend(call).file_systems_by_id.get(call.get("FileSystemId"))
    if system is None:
        raise refusal("FileSystemNotFound", f"File system '{call.get('FileSystemId')}' does not exist.", 404)
    return system


def _available(system):
    # [AWS 3]: IncorrectFileSystemLifeCycleState (409) unless available.
    if system.life_cycle_state != "available":
        raise refusal(
            "IncorrectFileSystemLifeCycleState",
            f"File system '{system.file_system_id}' is {system.life_cycle_state}",
            409,
        )


def _become(thing, old, new):
    if thing.life_cycle_state == old:
        thing.life_cycle_state = new


@before("efs", "CreateFileSystem")
def token_taken(call):
    # [AWS 3]: the second call answers FileSystemAlreadyExists (409) with the existing id in the body.
    for system in backend(call).file_systems_by_id.values():
        if system.creation_token == call.get("CreationToken"):
            message = (
                f"File system '{system.file_system_id}' already exists with creation token '{system.creation_token}'"
            )
            raise refusal("FileSystemAlreadyExists", message, 409, FileSystemId=system.file_system_id)


@after("efs", "CreateFileSystem")
def creating(call, answer):
    system = backend(call).file_systems_by_id[answer["FileSystemId"]]
    system.life_cycle_state = answer["LifeCycleState"] = "creating"
    CLOCK.after(CREATE, lambda: _become(system, "creating", "available"))
    return answer


@instead("efs", "UpdateFileSystem")
def update(call):
    # Missing in moto. model: throughput mode and provisioned throughput; answers the description.
    system = find(call)
    _available(system)
    mode = call.get("ThroughputMode") or system.throughput_mode
    provisioned = call.get("ProvisionedThroughputInMibps")
    if mode == "provisioned" and not provisioned:
        raise refusal("BadRequest", "ProvisionedThroughputInMibps is required for the provisioned mode", 400)
    system.throughput_mode = mode
    system.provisioned_throughput_in_mibps = provisioned if mode == "provisioned" else None
    return _described(system)


def _described(system):
    info = {k: v for k, v in system.info_json().items() if v is not None}
    return {**info, "Encrypted": bool(system.encrypted)}


@before("efs", "DeleteFileSystem")
def in_use(call):
    system = find(call)
    if system.number_of_mount_targets:
        raise refusal(
            "FileSystemInUse", f"Cannot delete file system '{system.file_system_id}': it has mount targets", 409
        )


@instead("efs", "DeleteFileSystem")
def delete(call):
    system, efs = find(call), backend(call)
    if system.life_cycle_state == "creating":
        raise refusal("IncorrectFileSystemLifeCycleState", f"File system '{system.file_system_id}' is creating", 409)
    if system.life_cycle_state != "deleting":
        system.life_cycle_state = "deleting"

        def gone():
            for point in [p for p in efs.access_points.values() if p.file_system_id == system.file_system_id]:
                efs.delete_access_point(point.access_point_id)
            efs.delete_file_system(system.file_system_id)

        CLOCK.after(DELETE, gone)
    return {}


# Backups


@instead("efs", "PutBackupPolicy")
def put_backup(call):
    # Missing in moto. model: Status ENABLED, ENABLING, DISABLED, DISABLING.
    system = find(call)
    status = (call.get("BackupPolicy") or {}).get("Status")
    system._backup = status in ("ENABLED", "ENABLING")
    return {"BackupPolicy": {"Status": "ENABLING" if system._backup else "DISABLING"}}


@instead("efs", "DescribeBackupPolicy")
def describe_backup(call):
    return {"BackupPolicy": {"Status": "ENABLED" if find(call)._backup else "DISABLED"}}


# Mount targets


@before("efs", "CreateMountTarget")
def check_target(call):
    system = find(call)
    _available(system)
    try:
        subnet = backend(call).ec2_backend.get_subnet(call.get("SubnetId"))
    except InvalidSubnetIdError:
        raise refusal("SubnetNotFound", f"The subnet ID '{call.get('SubnetId')}' does not exist", 400) from None
    # [AWS 3]: one for each zone, all in one VPC; a duplicate is a MountTargetConflict (409).
    if subnet.availability_zone in system._mount_targets:
        raise refusal("MountTargetConflict", "mount target already exists in this AZ", 409)
    if any(t.subnet_vpc_id != subnet.vpc_id for t in system.iter_mount_targets()):
        message = "requested subnet for new mount target is not in the same VPC as existing mount targets"
        raise refusal("MountTargetConflict", message, 409)
    for group in call.get("SecurityGroups") or []:
        if backend(call).ec2_backend.get_security_group_from_id(group) is None:
            raise refusal("SecurityGroupNotFound", f"The security group '{group}' does not exist", 400)


@after("efs", "CreateMountTarget")
def target_creating(call, answer):
    target = backend(call).mount_targets_by_id[answer["MountTargetId"]]
    ec2 = backend(call).ec2_backend
    if not target.security_groups:
        target.security_groups = [ec2.get_default_security_group(target.vpc_id).id]  # [AWS 3]
    eni = ec2.enis[target.network_interface_id]
    eni.description = f"EFS mount target for {target.file_system_id} ({target.mount_target_id})"
    eni.requester_managed, eni.requester_id, eni.status = True, "amazon-elasticfilesystem", "in-use"
    target.life_cycle_state = answer["LifeCycleState"] = "creating"
    CLOCK.after(TARGET_CREATE, lambda: _become(target, "creating", "available"))
    return answer


@instead("efs", "DeleteMountTarget")
def delete_target(call):
    # [AWS 3]: returns while deleting; the interface goes with it.
    efs = backend(call)
    target = efs.mount_targets_by_id.get(call.get("MountTargetId"))
    if target is None:
        raise refusal("MountTargetNotFound", f"Mount target '{call.get('MountTargetId')}' does not exist.", 404)
    if target.life_cycle_state != "deleting":
        target.life_cycle_state = "deleting"
        CLOCK.after(TARGET_DELETE, lambda: efs.delete_mount_target(target.mount_target_id))
    return {}


@before("efs", "ModifyMountTargetSecurityGroups", "DescribeMountTargetSecurityGroups")
def target_ready(call):
    target = backend(call).mount_targets_by_id.get(call.get("MountTargetId"))
    if target is not None and target.life_cycle_state != "available":
        # model IncorrectMountTargetState (409).
        raise refusal("IncorrectMountTargetState", f"Mount target is {target.life_cycle_state}", 409)


# Access points


@before("efs", "CreateAccessPoint")
def check_point(call):
    _available(find(call))
    for point in backend(call).access_points.values():
        # model: AccessPointAlreadyExists (409) for the same client token.
        if point.client_token == call.get("ClientToken"):
            message = f"Access point already exists with client token {point.client_token}"
            raise refusal("AccessPointAlreadyExists", message, 409, AccessPointId=point.access_point_id)


@before("efs", "DeleteAccessPoint")
def point_exists(call):
    if call.get("AccessPointId") not in backend(call).access_points:
        raise refusal("AccessPointNotFound", f"Access point '{call.get('AccessPointId')}' does not exist.", 404)
