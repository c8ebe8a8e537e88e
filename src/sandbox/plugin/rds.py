"""RDS instances on AWS's clock, with pending changes and AWS's refusals."""

import re

from moto.rds.models import rds_backends

from . import interfaces, rules
from .clock import CLOCK
from .ec2_instances import ec2_backends
from .rds_catalog import CLASSES, ENGINES, LICENSE, OUT_OF_SUPPORT, PASSWORD, RESERVED, full, major
from .rules import NUMBERS, Refusal, after, before, instead

# Seconds from [AWS 11].
CREATE, MULTI_USABLE, MULTI_CREATE, BACKUP = 260, 280, 720, 150
MODIFY, MODIFY_NOTICED, DELETE, MULTI_DELETE, STOP, START, REBOOT = 60, 5, 150, 385, 60, 120, 30

# Changes that wait for ApplyImmediately or the maintenance window (model ModifyDBInstance.ApplyImmediately) ->
# attribute.
DEFERRED = {
    "DBInstanceClass": "db_instance_class",
    "AllocatedStorage": "allocated_storage",
    "MasterUserPassword": "master_user_password",
    "BackupRetentionPeriod": "backup_retention_period",
    "MultiAZ": "multi_az",
    "EngineVersion": "engine_version",
    "Iops": "iops",
    "StorageType": "storage_type",
    "StorageThroughput": "storage_throughput",
    "CACertificateIdentifier": "ca_certificate_identifier",
}
PENDING = {**DEFERRED, "Port": "port"}
AT_ONCE = {
    "VpcSecurityGroupIds": "vpc_security_group_ids",
    "DeletionProtection": "deletion_protection",
    "DBParameterGroupName": "db_parameter_group_name",
    "AutoMinorVersionUpgrade": "auto_minor_version_upgrade",
    "CopyTagsToSnapshot": "copy_tags_to_snapshot",
    "PubliclyAccessible": "publicly_accessible",
    "PreferredBackupWindow": "preferred_backup_window",
    "PreferredMaintenanceWindow": "preferred_maintenance_window",
    "MaxAllocatedStorage": "max_allocated_storage",
    "MonitoringInterval": "monitoring_interval",
}


def backend(call):
    return rds_backends[call.account][call.region]


def invalid(message):
    return Refusal("InvalidParameterValue", message)


def clash(message):
    return Refusal("InvalidParameterCombination", message)


def find(call):
    name = (call.get("DBInstanceIdentifier") or "").lower()
    database = backend(call).databases.get(name)
    if database is None:
        raise Refusal("DBInstanceNotFound", f"DBInstance {name} not found.", 404)
    return database


def _not_available(database):
    return Refusal("InvalidDBInstanceState", f"Instance {database.db_instance_identifier} is not in available state.")


def _check_class(engine, name, version):
    # [AWS 1.2]: what AWS says to db.t2 since 2024-03, word for word.
    if name not in CLASSES:
        raise clash(
            "RDS does not support creating a DB instance with the following combination: "
            f"DBInstanceClass={name}, Engine={engine}, EngineVersion={version}, LicenseModel={LICENSE[engine]}. "
            "For supported combinations of instance class and database engine version, see the documentation."
        )


def newer(engine, one, other):
    """Return True if the first of two versions is newer than the second."""
    order = [version for series in ENGINES[engine].values() for version in series]
    return one in order and other in order and order.index(one) > order.index(other)


def _check_password(engine, password):
    # model MasterUserPassword: printable ASCII but / " @ ; MySQL: 8 to 41 characters, PostgreSQL: to 128.
    if password is None:
        return
    if not 8 <= len(password) <= PASSWORD.get(engine, 41):
        raise invalid(
            f"The parameter MasterUserPassword is not a valid password because it is shorter than 8 characters or longer than {PASSWORD.get(engine, 41)}."
        )
    if re.search(r'[/"@\s]|[^ -~]', password):
        raise invalid(
            "The parameter MasterUserPassword is not a valid password. Only printable ASCII characters besides '/', '@', '\"', ' ' may be used."
        )


def _check_storage(engine, size, iops):
    # [AWS 1.3]: gp2 and gp3 from 20 GiB; no Iops below 400 GiB with MySQL and PostgreSQL on gp3.
    if size is not None and not 20 <= int(size) <= 65536:
        raise invalid(f"Invalid storage size for engine name {engine} and storage type gp3: {size}")
    if iops and int(size or 0) < 400:
        raise clash(
            f"You can't specify IOPS or storage throughput for engine {engine} and a storage size less than 400."
        )


def _check_groups(call, ids):
    for group in ids or []:
        if ec2_backends[call.account][call.region].get_security_group_from_id(group) is None:
            raise invalid(f"Invalid security group , groupId= {group}, groupName=.")


def _check_parameter_group(call, engine, name, version):
    if not name or name.startswith("default."):
        return
    group = backend(call).db_parameter_groups.get(name)
    if group is None:
        raise Refusal("DBParameterGroupNotFound", f"DBParameterGroup not found: {name}", 404)
    family = engine + major(engine, version)
    if group.family != family:
        raise clash(
            f"The Parameter Group {name} with DBParameterGroupFamily {group.family} cannot be used for this instance. Please use a Parameter Group with DBParameterGroupFamily {family}"
        )


@before("rds", "CreateDBInstance")
def check_create(call):
    name = call.get("DBInstanceIdentifier") or ""
    if not re.fullmatch(r"(?!.*--)[A-Za-z][A-Za-z0-9-]{0,62}(?<!-)", name):
        raise invalid(f"The parameter DBInstanceIdentifier is not a valid identifier: {name}")
    if name.lower() in backend(call).databases:
        raise Refusal("DBInstanceAlreadyExists", "DB instance already exists")
    # The rest is about the engines of our stacks; other engines are moto's.
    engine = call.get("Engine")
    if engine not in ENGINES:
        return
    version = full(engine, call.get("EngineVersion"))
    if version is None:
        raise clash(f"Cannot find version {call.get('EngineVersion')} for {engine}")
    call.notes["version"] = version
    lifecycle = call.get("EngineLifecycleSupport") or "open-source-rds-extended-support"
    if major(engine, version) in OUT_OF_SUPPORT and lifecycle.endswith("disabled"):
        # [AWS 1.1]: model CreateDBInstance.EngineLifecycleSupport.
        raise clash(
            f"The engine version {version} is past its end of standard support date and EngineLifecycleSupport is {lifecycle}."
        )
    _check_class(engine, call.get("DBInstanceClass"), version)
    if not call.get("MasterUsername"):
        raise invalid("The parameter MasterUsername must be provided and must not be blank.")
    if (
        not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,15}", call.get("MasterUsername"))
        or call.get("MasterUsername").lower() in RESERVED[engine]
    ):
        raise invalid(f"MasterUsername {call.get('MasterUsername')} is not valid or a reserved word.")
    if bool(call.get("MasterUserPassword")) == bool(call.get("ManageMasterUserPassword")):
        raise invalid("The parameter MasterUserPassword must be provided and must not be blank.")
    _check_password(engine, call.get("MasterUserPassword"))
    if not call.get("AllocatedStorage"):
        raise invalid("The parameter AllocatedStorage must be provided and must not be blank.")
    _check_storage(engine, call.get("AllocatedStorage"), call.get("Iops") or call.get("StorageThroughput"))
    if not 0 <= int(call.get("BackupRetentionPeriod") if call.get("BackupRetentionPeriod") is not None else 1) <= 35:
        raise invalid(
            f"Invalid backup retention period: {call.get('BackupRetentionPeriod')}. Must be between 0 and 35."
        )
    if call.get("DBName") and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,62}", call.get("DBName")):
        raise invalid("DBName must begin with a letter and contain only alphanumeric characters.")
    if call.get("MultiAZ") and call.get("AvailabilityZone"):
        raise clash("Requesting a specific availability zone is not valid for Multi-AZ instances.")
    group = call.get("DBSubnetGroupName")
    if group and group.lower() not in backend(call).subnet_groups:
        raise Refusal("DBSubnetGroupNotFoundFault", f"DB subnet group '{group}' does not exist.", 404)
    _check_groups(call, call.get("VpcSecurityGroupIds"))
    _check_parameter_group(call, engine, call.get("DBParameterGroupName"), version)


@after("rds", "CreateDBInstance")
def creating(call, answer):
    # [AWS 1.4]: creating -> available; Multi-AZ creating -> modifying -> available; backups: backing-up before that.
    database = find(call)
    if call.get("Engine") in ENGINES:
        database.engine_version = call.notes["version"]
    database.storage_type = call.get("StorageType") or "gp3"  # [AWS 1.3]: the default is gp3 now
    database.dbi_resource_id = f"db-{NUMBERS.hex(26).upper()}"
    database.lifecycle = call.get("EngineLifecycleSupport") or "open-source-rds-extended-support"
    database.ca_certificate_identifier = call.get("CACertificateIdentifier") or "rds-ca-rsa2048-g1"
    database.suffix, database.endpoint_known, database.pending = "c" + NUMBERS.letters(11), False, {}
    database.parameter_status = "in-sync"
    subnets = _subnets(database)
    database.availability_zone = call.get("AvailabilityZone") or (
        subnets[0].availability_zone if subnets else f"{call.region}a"
    )
    database.status = "creating"
    _hold(call, database)

    def step(status, wait, then=None):
        def act():
            if database.status != "deleting":
                database.status, database.endpoint_known = status, True
                if then:
                    then()

        CLOCK.after(wait, act)

    backups = int(database.backup_retention_period or 0) > 0
    end = (lambda: step("available", BACKUP)) if backups else None
    last = "backing-up" if backups else "available"
    if database.multi_az:
        step("modifying", MULTI_USABLE, lambda: step(last, MULTI_CREATE - MULTI_USABLE, end))
    else:
        step(last, CREATE, end)
    return {"DBInstance": amend(call, answer["DBInstance"])}


def _subnets(database):
    group = getattr(database, "db_subnet_group", None)
    return list(group._subnets) if group else []


def _hold(call, database):
    """Hold subnets and groups by the instance's interfaces until it is gone [AWS 4.5]."""
    owner, subnets = database.db_instance_arn, _subnets(database)
    interfaces.HELD.get(owner) and interfaces.release(owner)
    subnets.sort(key=lambda s: s.availability_zone != database.availability_zone)
    for subnet in subnets[: 2 if database.multi_az else 1]:
        public = bool(database.publicly_accessible)
        interfaces.hold(
            owner,
            call.region,
            call.account,
            subnet.id,
            database.vpc_security_group_ids,
            "RDSNetworkInterface",
            "amazon-rds",
            public,
        )


def amend(call, shown):
    """Add what moto's answer lacks: no endpoint while creating, pending values, resource details."""
    database = backend(call).databases.get(shown["DBInstanceIdentifier"])
    if database is None or not hasattr(database, "suffix"):
        return shown
    shown["DBInstanceStatus"] = database.status
    shown["EngineLifecycleSupport"] = database.lifecycle
    shown["PendingModifiedValues"] = {
        k: "****" if k == "MasterUserPassword" else v for k, v in database.pending.items()
    }
    shown["AvailabilityZone"] = database.availability_zone
    shown["StorageType"], shown["EngineVersion"] = database.storage_type, database.engine_version
    shown["DbiResourceId"], shown["CACertificateIdentifier"] = (
        database.dbi_resource_id,
        database.ca_certificate_identifier,
    )
    zones = sorted({s.availability_zone for s in _subnets(database)} - {database.availability_zone})
    shown.pop("SecondaryAvailabilityZone", None)
    if database.multi_az and zones and database.status != "creating":
        shown["SecondaryAvailabilityZone"] = zones[0]
    if database.endpoint_known:
        address = f"{database.db_instance_identifier}.{database.suffix}.{call.region}.rds.amazonaws.com"
        shown["Endpoint"] = {"Address": address, "Port": int(database.port), "HostedZoneId": "Z2R2ITUGPM61AM"}
    else:
        shown.pop("Endpoint", None)
    for group in shown.get("DBParameterGroups") or []:
        group["ParameterApplyStatus"] = database.parameter_status
    return shown


@after("rds", "DescribeDBInstances")
def describe(call, answer):
    answer["DBInstances"] = [amend(call, shown) for shown in answer["DBInstances"]]
    return answer


def _shown(call, database):
    return rules.ask(call, "DescribeDBInstances", DBInstanceIdentifier=database.db_instance_identifier)["DBInstances"][
        0
    ]


@instead("rds", "ModifyDBInstance")
def modify(call):
    database = find(call)
    if not hasattr(database, "suffix"):
        return None
    if call.get("NewDBInstanceIdentifier"):
        raise NotImplementedError("renaming a database")
    # A full database accepts more storage (AWS's table of states: "scale up your storage by modifying the DB
    # instance").
    grows = database.status == "storage-full" and call.get("AllocatedStorage") is not None
    # A stopped database cannot be modified (AWS's page on stopping: "You can't modify a stopped DB instance").
    if database.status not in ("available", "storage-optimization") and not grows:
        raise Refusal("InvalidDBInstanceState", "Database instance is not in available state.")
    engine = database.engine
    version = call.get("EngineVersion") and full(engine, call.get("EngineVersion"))
    if call.get("EngineVersion"):
        if version is None:
            raise clash(f"Cannot upgrade {engine} to {call.get('EngineVersion')}: no such version")
        if major(engine, version) != major(engine, database.engine_version) and not call.get("AllowMajorVersionUpgrade"):
            raise clash("The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version.")
        if newer(engine, database.engine_version, version):
            raise clash(f"Cannot upgrade {engine} from {database.engine_version} to {version}")
        call.params["EngineVersion"] = version
    if call.get("DBInstanceClass"):
        _check_class(engine, call.get("DBInstanceClass"), database.engine_version)
    _check_password(engine, call.get("MasterUserPassword"))
    size = call.get("AllocatedStorage")
    if size is not None:
        _check_storage(engine, size, call.get("Iops") or call.get("StorageThroughput"))
        # model AllocatedStorage: "you must also specify the Iops parameter"; terraform-provider-aws#28382 for the least.
        if int(size) >= 400 and database.storage_type == "gp3" and int(call.get("Iops") or 3000) < 12000:
            raise clash(f"Invalid iops value for engine name {engine} and storage type gp3: {call.get('Iops') or 3000}")
        if int(size) < int(database.allocated_storage):
            raise invalid(f"Invalid storage size: the storage size must be at least {database.allocated_storage}")
    _check_groups(call, call.get("VpcSecurityGroupIds"))
    _check_parameter_group(call, engine, call.get("DBParameterGroupName"), version or database.engine_version)
    for name, attribute in AT_ONCE.items():
        if call.get(name) is not None:
            if name == "DBParameterGroupName" and call.get(name) != database.db_parameter_group_name:
                database.parameter_status = "pending-reboot"
            setattr(database, attribute, call.get(name))
    if call.get("VpcSecurityGroupIds"):
        interfaces.regroup(database.db_instance_arn, call.get("VpcSecurityGroupIds"))
    changes = {
        n: call.get(n) for n, a in DEFERRED.items()
        if call.get(n) is not None and (n == "MasterUserPassword" or getattr(database, a, None) != call.get(n))
    }  # fmt: skip
    # A pending value that is set back to the current one no longer waits.
    database.pending = {n: v for n, v in database.pending.items() if call.get(n) is None}
    database.pending.update(changes)
    port = call.get("DBPortNumber")
    moves = port is not None and int(port) != int(database.port)
    if moves:
        database.pending["Port"] = int(port)
    # model DBPortNumber: "your database restarts regardless of the value of the ApplyImmediately parameter".
    if database.pending and (moves or str(call.get("ApplyImmediately")).lower() == "true"):
        # design: "RDS says available for a moment after a modify".
        before = database.status
        CLOCK.after(MODIFY_NOTICED, lambda: _become(database, before, "modifying"))
        CLOCK.after(MODIFY, lambda: _apply(call, database))
    return {"DBInstance": _shown(call, database)}


def _become(database, old, new):
    if database.status == old:
        database.status = new


def _apply(call, database):
    if database.status == "deleting":
        return
    multi_before = database.multi_az
    for name, value in database.pending.items():
        setattr(database, PENDING[name], value)
    database.pending = {}
    if database.multi_az != multi_before:
        _hold(call, database)
    _become(database, "modifying", "available")


@instead("rds", "DeleteDBInstance")
def delete(call):
    database = find(call)
    if not hasattr(database, "suffix"):
        return None
    if database.status == "deleting":
        raise Refusal("InvalidDBInstanceState", f"Instance {database.db_instance_identifier} is already being deleted.")
    # [AWS 1.7]: refused while creating, modifying, backing-up.
    if database.status in ("creating", "modifying", "backing-up", "rebooting", "starting", "stopping"):
        raise _not_available(database)
    if str(database.deletion_protection).lower() == "true":
        raise clash("Cannot delete protected DB Instance, please disable deletion protection and try again.")
    skip = str(call.get("SkipFinalSnapshot", False)).lower() == "true"
    snapshot = call.get("FinalDBSnapshotIdentifier")
    # model DeleteDBInstance.FinalDBSnapshotIdentifier: "must be specified if you don't skip it", and not otherwise.
    if not skip and not snapshot:
        raise clash("FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.")
    if skip and snapshot:
        raise clash("FinalDBSnapshotIdentifier cannot be specified when SkipFinalSnapshot is enabled.")
    database.status = "deleting"
    shown = _shown(call, database)

    def gone():
        interfaces.HELD.get(database.db_instance_arn) and interfaces.release(database.db_instance_arn)
        backend(call).delete_db_instance(database.db_instance_identifier, snapshot, skip)

    CLOCK.after(MULTI_DELETE if database.multi_az else DELETE, gone)
    return {"DBInstance": shown}


@before("rds", "StopDBInstance", "StartDBInstance", "RebootDBInstance")
def check_state(call):
    # model InvalidDBInstanceState.
    wanted = "stopped" if call.operation == "StartDBInstance" else "available"
    if find(call).status != wanted:
        raise Refusal(
            "InvalidDBInstanceState", f"Instance {call.get('DBInstanceIdentifier')} is not in {wanted} state."
        )


@after("rds", "StopDBInstance", "StartDBInstance", "RebootDBInstance")
def move(call, answer):
    database = find(call)
    ways = {"StopDBInstance": ("stopping", STOP, "stopped"), "StartDBInstance": ("starting", START, "available")}
    now, wait, then = ways.get(call.operation, ("rebooting", REBOOT, "available"))
    database.status, database.parameter_status = now, "in-sync"
    CLOCK.after(wait, lambda: _become(database, now, then))
    return {"DBInstance": amend(call, answer["DBInstance"])}
