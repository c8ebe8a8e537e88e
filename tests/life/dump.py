"""Everything in an account, as plain data: {kind: {id: object}}. Tags are a dict under "tags", whatever the service
calls them. Kinds are named as boto3 names them."""

import json
import os
from urllib.parse import unquote

import boto3

REGION, ELSEWHERE = "us-east-1", "us-west-2"
# The image catalogue is Amazon's; what is terminated is gone, though EC2 shows it for another hour.
GONE = {"terminated", "shutting-down", "deleting", "deleted"}


class Clients:
    def __init__(self, region=REGION, config=None):
        self.region = region
        session = boto3.Session(
            region_name=region, aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"], aws_secret_access_key="y")

        def make(name):
            return session.client(name, config=config)

        self.ec2, self.asg, self.elb = make("ec2"), make("autoscaling"), make("elbv2")
        self.rds, self.cache, self.efs = make("rds"), make("elasticache"), make("efs")
        self.iam, self.ssm, self.logs = make("iam"), make("ssm"), make("logs")
        self.cw, self.tagging = make("cloudwatch"), make("resourcegroupstaggingapi")
        self.edge = make("cloudfront")
        self.acm = make("acm")
        self.names = make("route53")


def tags_of(pairs):
    """[{"Key": …, "Value": …}] as a dict; more of one key is kept, to be seen."""
    found = {}
    for tag in pairs or []:
        key = tag["Key"]
        found[key if key not in found else f"{key} (twice)"] = tag.get("Value", "")
    return found


def pages(client, operation, result, **args):
    for page in client.get_paginator(operation).paginate(**args):
        yield from page[result]


def without(thing, *names):
    return {k: v for k, v in thing.items() if k not in names}


def _ec2(c, out):
    ec2 = c.ec2
    plain = {
        "vpcs": ("describe_vpcs", "Vpcs", "VpcId"),
        "subnets": ("describe_subnets", "Subnets", "SubnetId"),
        "internet_gateways": ("describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
        "route_tables": ("describe_route_tables", "RouteTables", "RouteTableId"),
        "security_groups": ("describe_security_groups", "SecurityGroups", "GroupId"),
        "security_group_rules": ("describe_security_group_rules", "SecurityGroupRules", "SecurityGroupRuleId"),
        "vpc_endpoints": ("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
        "nat_gateways": ("describe_nat_gateways", "NatGateways", "NatGatewayId"),
        "network_interfaces": ("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
        "dhcp_options": ("describe_dhcp_options", "DhcpOptions", "DhcpOptionsId"),
        "network_acls": ("describe_network_acls", "NetworkAcls", "NetworkAclId"),
        "prefix_lists": ("describe_managed_prefix_lists", "PrefixLists", "PrefixListId"),
        "launch_templates": ("describe_launch_templates", "LaunchTemplates", "LaunchTemplateId"),
    }
    for kind, (operation, result, name) in plain.items():
        out[kind] = {}
        for thing in pages(ec2, operation, result):
            if thing.get("State", "") in GONE:
                continue
            out[kind][thing[name]] = without(thing, "Tags") | {"tags": tags_of(thing.get("Tags"))}
    for vpc, thing in out["vpcs"].items():
        for name in ("enableDnsSupport", "enableDnsHostnames"):
            answer = ec2.describe_vpc_attribute(VpcId=vpc, Attribute=name)
            thing[name] = answer[name[0].upper() + name[1:]]["Value"]
    out["launch_template_versions"] = {
        f"{v['LaunchTemplateId']}:{v['VersionNumber']}": v
        for t in out["launch_templates"]
        for v in pages(ec2, "describe_launch_template_versions", "LaunchTemplateVersions", LaunchTemplateId=t)
    }
    out["instances"] = {}
    for r in pages(ec2, "describe_instances", "Reservations"):
        for i in r["Instances"]:
            if i["State"]["Name"] not in GONE:
                out["instances"][i["InstanceId"]] = without(i, "Tags") | {"tags": tags_of(i.get("Tags"))}
    out["addresses"] = {a["AllocationId"]: a for a in ec2.describe_addresses()["Addresses"]}
    out["key_pairs"] = {k["KeyName"]: k for k in ec2.describe_key_pairs()["KeyPairs"]}


def _elb(c, out):
    elb = c.elb
    out["load_balancers"], out["listeners"], out["rules"] = {}, {}, {}
    for lb in pages(elb, "describe_load_balancers", "LoadBalancers"):
        arn = lb["LoadBalancerArn"]
        attributes = elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
        out["load_balancers"][arn] = lb | {"attributes": {a["Key"]: a["Value"] for a in attributes}}
        for listener in pages(elb, "describe_listeners", "Listeners", LoadBalancerArn=arn):
            out["listeners"][listener["ListenerArn"]] = dict(listener)
            for rule in elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]:
                out["rules"][rule["RuleArn"]] = dict(rule) | {"listener": listener["ListenerArn"]}
    out["target_groups"] = {}
    for group in pages(elb, "describe_target_groups", "TargetGroups"):
        arn = group["TargetGroupArn"]
        attributes = elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
        health = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        out["target_groups"][arn] = group | {"attributes": {a["Key"]: a["Value"] for a in attributes}, "targets": health}
    for kind in ("load_balancers", "listeners", "rules", "target_groups"):
        for arn, thing in out[kind].items():
            described = elb.describe_tags(ResourceArns=[arn])["TagDescriptions"]
            thing["tags"] = tags_of(described[0]["Tags"]) if described else {}


def _edge(c, out):
    out["distributions"] = {}
    for page in c.edge.get_paginator("list_distributions").paginate():
        for found in page["DistributionList"].get("Items", []):
            tags = c.edge.list_tags_for_resource(Resource=found["ARN"])["Tags"]["Items"]
            whole = c.edge.get_distribution(Id=found["Id"])["Distribution"]
            out["distributions"][found["Id"]] = whole | {"tags": tags_of(tags)}


def _acm(c, out):
    out["certificates"] = {}
    for listed in pages(c.acm, "list_certificates", "CertificateSummaryList", Includes={"keyTypes": ["RSA_2048", "EC_prime256v1"]}):
        arn = listed["CertificateArn"]
        tags = {t["Key"]: t.get("Value", "") for t in c.acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]}
        described = c.acm.describe_certificate(CertificateArn=arn)["Certificate"]
        # One that is requested has none until it is issued.
        is_there = described["Status"] != "PENDING_VALIDATION"
        pem = c.acm.get_certificate(CertificateArn=arn)["Certificate"] if is_there else None
        out["certificates"][arn] = described | {"tags": tags, "pem": pem}


def _names(c, out):
    out["hosted_zones"], out["dns_records"] = {}, {}
    for zone in pages(c.names, "list_hosted_zones", "HostedZones"):
        out["hosted_zones"][zone["Id"]] = without(zone, "ResourceRecordSetCount")
        for record in pages(c.names, "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=zone["Id"]):
            out["dns_records"][f"{zone['Id']}/{record['Name']}/{record['Type']}"] = record


def _asg(c, out):
    asg = c.asg
    out["auto_scaling_groups"] = {}
    for group in pages(asg, "describe_auto_scaling_groups", "AutoScalingGroups"):
        spread = {t["Key"]: t["PropagateAtLaunch"] for t in group.get("Tags", [])}
        tags = {"tags": tags_of(group.get("Tags")), "propagated": spread}
        out["auto_scaling_groups"][group["AutoScalingGroupName"]] = without(group, "Tags") | tags
    out["scaling_policies"] = {
        f"{p['AutoScalingGroupName']}/{p['PolicyName']}": p for p in pages(asg, "describe_policies", "ScalingPolicies")
    }
    hooks = [h for g in out["auto_scaling_groups"] for h in
             asg.describe_lifecycle_hooks(AutoScalingGroupName=g)["LifecycleHooks"]]
    out["lifecycle_hooks"] = {h["LifecycleHookName"]: h for h in hooks}


def _rds(c, out):
    rds = c.rds
    plain = {
        "db_instances": ("describe_db_instances", "DBInstances", "DBInstanceIdentifier", "DBInstanceArn"),
        "db_subnet_groups": ("describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupName", "DBSubnetGroupArn"),
        "db_parameter_groups": (
            "describe_db_parameter_groups", "DBParameterGroups", "DBParameterGroupName", "DBParameterGroupArn",
        ),
        "db_snapshots": ("describe_db_snapshots", "DBSnapshots", "DBSnapshotIdentifier", "DBSnapshotArn"),
    }
    for kind, (operation, result, name, arn) in plain.items():
        out[kind] = {}
        for thing in pages(rds, operation, result):
            # moves with the clock
            thing = without(thing, "TagList", "LatestRestorableTime")
            tags = rds.list_tags_for_resource(ResourceName=thing[arn])["TagList"]
            out[kind][thing[name]] = thing | {"tags": tags_of(tags)}
    for name, group in out["db_parameter_groups"].items():
        if not name.startswith("default."):
            listed = pages(rds, "describe_db_parameters", "Parameters", DBParameterGroupName=name, Source="user")
            group["parameters"] = {p["ParameterName"]: p.get("ParameterValue") for p in listed}


def _cache(c, out):
    plain = {
        "replication_groups": ("describe_replication_groups", "ReplicationGroups", "ReplicationGroupId"),
        "cache_clusters": ("describe_cache_clusters", "CacheClusters", "CacheClusterId", {"ShowCacheNodeInfo": True}),
        "cache_subnet_groups": ("describe_cache_subnet_groups", "CacheSubnetGroups", "CacheSubnetGroupName"),
    }
    for kind, (operation, result, name, *more) in plain.items():
        out[kind] = {}
        for thing in pages(c.cache, operation, result, **(more[0] if more else {})):
            tags = c.cache.list_tags_for_resource(ResourceName=thing["ARN"])["TagList"] if "ARN" in thing else []
            out[kind][thing[name]] = thing | {"tags": tags_of(tags)}


def _efs(c, out):
    efs = c.efs
    out["file_systems"] = {
        f["FileSystemId"]: without(f, "Tags", "SizeInBytes") | {"tags": tags_of(f.get("Tags"))}
        for f in efs.describe_file_systems()["FileSystems"]
    }
    out["mount_targets"] = {}
    for system in out["file_systems"]:
        for target in efs.describe_mount_targets(FileSystemId=system)["MountTargets"]:
            id = target["MountTargetId"]
            groups = efs.describe_mount_target_security_groups(MountTargetId=id)["SecurityGroups"]
            out["mount_targets"][id] = target | {"groups": groups}
    out["access_points"] = {
        a["AccessPointId"]: without(a, "Tags") | {"tags": tags_of(a.get("Tags"))}
        for a in efs.describe_access_points()["AccessPoints"]
    }


def _iam(c, out):
    iam = c.iam
    out["roles"], out["instance_profiles"] = {}, {}
    for role in pages(iam, "list_roles", "Roles"):
        name = role["RoleName"]
        if role["Path"].startswith("/aws-service-role/"):
            continue
        inline = {p: document(iam.get_role_policy(RoleName=name, PolicyName=p)["PolicyDocument"])
                  for p in iam.list_role_policies(RoleName=name)["PolicyNames"]}
        attached = [p["PolicyArn"] for p in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]]
        tags = tags_of(iam.list_role_tags(RoleName=name)["Tags"])
        trust = document(role["AssumeRolePolicyDocument"])
        seen = without(role, "AssumeRolePolicyDocument", "Tags", "RoleLastUsed", "PermissionsBoundary")
        bound = iam.get_role(RoleName=name)["Role"].get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        out["roles"][name] = seen | {"boundary": bound, "trust": trust, "inline": inline, "attached": attached, "tags": tags}
    for profile in pages(iam, "list_instance_profiles", "InstanceProfiles"):
        name = profile["InstanceProfileName"]
        tags = tags_of(iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"].get("Tags"))
        roles = [r["RoleName"] for r in profile["Roles"]]
        out["instance_profiles"][name] = without(profile, "Roles", "Tags") | {"roles": roles, "tags": tags}
    local = pages(iam, "list_policies", "Policies", Scope="Local")
    out["policies"] = {p["Arn"]: p for p in local}


def document(policy):
    return policy if isinstance(policy, dict) else json.loads(unquote(policy))


def _watch(c, out):
    out["parameters"] = {}
    for p in pages(c.ssm, "describe_parameters", "Parameters"):
        if p["Name"].startswith("/aws/"):
            continue
        name = p["Name"]
        tags = c.ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
        value = c.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        out["parameters"][name] = p | {"tags": tags_of(tags), "value": value}
    out["log_groups"] = {}
    for group in pages(c.logs, "describe_log_groups", "logGroups"):
        arn = group["arn"].removesuffix(":*")
        tags = c.logs.list_tags_for_resource(resourceArn=arn)["tags"]
        out["log_groups"][group["logGroupName"]] = group | {"tags": tags}
    out["alarms"] = {}
    for page in c.cw.get_paginator("describe_alarms").paginate():
        for alarm in page["MetricAlarms"]:
            tags = c.cw.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
            out["alarms"][alarm["AlarmName"]] = alarm | {"tags": tags_of(tags)}
    out["dashboards"] = {}
    for entry in pages(c.cw, "list_dashboards", "DashboardEntries"):
        body = json.loads(c.cw.get_dashboard(DashboardName=entry["DashboardName"])["DashboardBody"])
        tags = c.cw.list_tags_for_resource(ResourceARN=entry["DashboardArn"])["Tags"]
        out["dashboards"][entry["DashboardName"]] = without(entry, "Size") | {"body": body, "tags": tags_of(tags)}


def dump(c, elsewhere=None):
    out = {}
    for part in (_ec2, _elb, _edge, _acm, _names, _asg, _rds, _cache, _efs, _iam, _watch):
        part(c, out)
    if elsewhere:
        other = {}
        _ec2(elsewhere, other)
        out["elsewhere"] = {f"{kind}/{id}": thing for kind, things in other.items() for id, thing in things.items()}
    # Dates and bytes as text: canonical, and the same through JSON.
    return json.loads(json.dumps(out, default=str, sort_keys=True))
