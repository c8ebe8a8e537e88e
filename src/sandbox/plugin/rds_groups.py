"""RDS: the catalogue, subnet groups and parameter groups."""

from . import rules
from .ec2_instances import ec2_backends
from .faults import FAULTS
from .rds import backend, invalid
from .rds_catalog import CLASSES, DEFAULT, DESCRIPTION, ENGINES, FAMILIES, LICENSE, USUAL
from .rules import Refusal, after, before, instead, page


@instead("rds", "DescribeDBEngineVersions")
def engine_versions(call):
    # moto lacks this operation. Status and support dates as in the model.
    wanted = call.get("EngineVersion")
    found = []
    for engine in [call.get("Engine")] if call.get("Engine") else ENGINES:
        for family, versions in ENGINES.get(engine, {}).items():
            for version in versions:
                if wanted and version != wanted and not version.startswith(f"{wanted}."):
                    continue
                if call.get("DefaultOnly") and version != DEFAULT[engine].get(
                    wanted, DEFAULT[engine][USUAL[engine]]
                ):
                    continue
                found.append(
                    {
                        "Engine": engine,
                        "MajorEngineVersion": family,
                        "EngineVersion": version,
                        "DBParameterGroupFamily": f"{engine}{family}",
                        "DBEngineDescription": DESCRIPTION[engine][0],
                        "DBEngineVersionDescription": f"{DESCRIPTION[engine][1]} {version}",
                        "ValidUpgradeTarget": [
                            {
                                "Engine": engine,
                                "EngineVersion": v,
                                "AutoUpgrade": False,
                                "IsMajorVersionUpgrade": False,
                            }
                            for v in versions[versions.index(version) + 1 :]
                        ],
                        "SupportsReadReplica": True,
                        "SupportedEngineModes": ["provisioned"],
                        "Status": "available",
                    }
                )
    group = call.get("DBParameterGroupFamily")
    found = [v for v in found if not group or v["DBParameterGroupFamily"] == group]
    shown, marker = page(call, found, "MaxRecords", "Marker")
    return {"DBEngineVersions": shown, "Marker": marker}


@instead("rds", "DescribeOrderableDBInstanceOptions")
def orderable(call):
    # [AWS 1.2]: "check AvailabilityZones, MultiAZCapable, StorageType"; db.t2 is in no answer.
    engine = call.get("Engine")
    if engine not in ENGINES:
        return None
    zones = ec2_backends[call.account][call.region].describe_availability_zones()
    versions = [v for family in ENGINES[engine].values() for v in family]
    wanted, kind = call.get("EngineVersion"), call.get("DBInstanceClass")
    found = [
        {
            "Engine": engine,
            "EngineVersion": version,
            "DBInstanceClass": name,
            "LicenseModel": LICENSE[engine],
            "AvailabilityZones": [{"Name": zone.name} for zone in zones],
            "MultiAZCapable": True,
            "ReadReplicaCapable": True,
            "Vpc": True,
            "SupportsStorageEncryption": True,
            "StorageType": storage,
            "SupportsIops": storage == "gp3",
            "MinStorageSize": 20,
            "MaxStorageSize": 65536,
            "SupportsIAMDatabaseAuthentication": True,
            "SupportedNetworkTypes": ["IPV4"],
        }
        for version in versions
        if not wanted or version == wanted or version.startswith(f"{wanted}.")
        for name in CLASSES
        if not kind or name == kind
        for storage in ("gp2", "gp3")
    ]
    shown, marker = page(call, found, "MaxRecords", "Marker")
    return {"OrderableDBInstanceOptions": shown, "Marker": marker}


# Subnet groups


def subnets(call, ids):
    ec2 = ec2_backends[call.account][call.region]
    known = {s.id: s for zone in ec2.subnets.values() for s in zone.values()}
    missing = [i for i in ids if i not in known or FAULTS.is_fresh(call, i)]
    if missing:
        # github.com/openedx-unsupported/configuration/issues/313, github.com/floci-io/floci/issues/2401: code and words.
        raise Refusal("InvalidParameterValue", f"Some input subnets in :[{', '.join(missing)}] are invalid.")
    found = [known[i] for i in ids]
    if len({s.availability_zone for s in found}) < 2:
        # [AWS 1.3]: two zones even for a Single-AZ instance.
        raise Refusal(
            "DBSubnetGroupDoesNotCoverEnoughAZs",
            "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ coverage: "
            f"{', '.join(sorted({s.availability_zone for s in found}))}. Add subnets to cover at least 2 AZs.",
        )
    if len({s.vpc_id for s in found}) > 1:
        raise Refusal("InvalidVPCNetworkStateFault", "The subnets are in more than one VPC.")
    return found


@before("rds", "CreateDBSubnetGroup")
def check_subnet_group(call):
    name = (call.get("DBSubnetGroupName") or "").lower()
    if name in backend(call).subnet_groups:
        raise Refusal("DBSubnetGroupAlreadyExists", f"The DB subnet group '{name}' already exists.")
    subnets(call, call.get("SubnetIds") or [])


@instead("rds", "ModifyDBSubnetGroup")
def modify_subnet_group(call):
    # moto loses the group when it is modified.
    name = (call.get("DBSubnetGroupName") or "").lower()
    group = backend(call).subnet_groups.get(name)
    if group is None:
        raise Refusal("DBSubnetGroupNotFoundFault", f"DB subnet group '{name}' does not exist.", 404)
    wanted = subnets(call, call.get("SubnetIds") or [])
    from . import interfaces

    used = {eni.subnet.id for db in _using(call, group) for eni in interfaces.held(db.db_instance_arn)}
    lost = used - {s.id for s in wanted}
    if lost:
        # model ModifyDBSubnetGroup: SubnetAlreadyInUse.
        raise Refusal("SubnetAlreadyInUse", f"The subnet {min(lost)} is in use.")
    group._subnets = wanted
    if call.get("DBSubnetGroupDescription"):
        group.description = call.get("DBSubnetGroupDescription")
    return {"DBSubnetGroup": rules.ask(call, "DescribeDBSubnetGroups", DBSubnetGroupName=name)["DBSubnetGroups"][0]}


def _using(call, group):
    return [db for db in backend(call).databases.values() if getattr(db, "db_subnet_group", None) is group]


@before("rds", "DeleteDBSubnetGroup")
def subnet_group_in_use(call):
    # [AWS 1.7]: InvalidDBSubnetGroupStateFault while in use.
    name = (call.get("DBSubnetGroupName") or "").lower()
    group = backend(call).subnet_groups.get(name)
    if group is not None and _using(call, group):
        message = f"Cannot delete the subnet group '{name}' because at least one database instance is still using it."
        raise Refusal("InvalidDBSubnetGroupStateFault", message)


# Parameter groups


@before("rds", "CreateDBParameterGroup")
def check_family(call):
    if call.get("DBParameterGroupFamily") not in FAMILIES:
        raise invalid(
            f"ParameterGroupFamily {call.get('DBParameterGroupFamily')} is not a valid parameter group family"
        )


@before("rds", "DeleteDBParameterGroup")
def parameter_group_in_use(call):
    # [AWS 1.7]: InvalidDBParameterGroupState while in use.
    name = call.get("DBParameterGroupName") or ""
    if name.startswith("default."):
        raise Refusal("InvalidDBParameterGroupState", f"The default parameter group {name} cannot be deleted.")
    if any(db.db_parameter_group_name == name for db in backend(call).databases.values()):
        message = f"One or more database instances are still members of this parameter group {name}, so the group cannot be deleted"
        raise Refusal("InvalidDBParameterGroupState", message)


@before("rds", "ModifyDBParameterGroup")
def few_parameters(call):
    # model: "A maximum of 20 parameters can be modified in a single request"; immediate only for dynamic ones.
    parameters = call.get("Parameters") or []
    if len(parameters) > 20:
        raise invalid("A maximum of 20 parameters can be modified in a single request.")
    if (call.get("DBParameterGroupName") or "").startswith("default."):
        raise invalid("Default parameter groups cannot be modified.")
    group = backend(call).db_parameter_groups.get(call.get("DBParameterGroupName"))
    # [AWS 1.5]: for 8.4 "create a custom parameter group and modify the value of the authentication_policy parameter".
    if group is not None and group.family == "mysql8.0":
        for parameter in parameters:
            if parameter.get("ParameterName") == "authentication_policy":
                raise invalid("Could not find parameter with name: authentication_policy")


@after("rds", "ModifyDBParameterGroup", "ResetDBParameterGroup")
def pending_reboot(call, answer):
    # model ApplyMethod: pending-reboot waits for the next restart of each instance.
    if any(p.get("ApplyMethod") == "pending-reboot" for p in call.get("Parameters") or []):
        for db in backend(call).databases.values():
            if db.db_parameter_group_name == call.get("DBParameterGroupName") and db.status != "creating":
                db.parameter_status = "pending-reboot"


@instead("rds", "ResetDBParameterGroup")
def reset(call):
    group = backend(call).db_parameter_groups.get(call.get("DBParameterGroupName"))
    if group is None:
        raise Refusal(
            "DBParameterGroupNotFound", f"DBParameterGroup not found: {call.get('DBParameterGroupName')}", 404
        )
    for name in [p["ParameterName"] for p in call.get("Parameters") or []] or list(group.parameters):
        group.parameters.pop(name, None)
    return {"DBParameterGroupName": group.name}


@after("rds", "DescribeDBParameters")
def parameters(call, answer):
    # model Source: user | system | engine-default; what moto lists is what was set by hand.
    if call.get("Source") not in (None, "user"):
        return {"Parameters": []}
    for parameter in answer.get("Parameters") or []:
        parameter.update(Source="user", IsModifiable=True)
        parameter.setdefault("ApplyType", "dynamic")
        parameter.setdefault("DataType", "string")
    return answer
