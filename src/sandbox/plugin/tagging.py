"""GetResources over everything that has tags, and pages for operations that lack them in moto."""

from moto.elbv2.models import elbv2_backends
from moto.rds.models import rds_backends
from moto.resourcegroupstaggingapi.models import resourcegroupstaggingapi_backends

from . import cloudfront, cloudwatch
from .ec2_instances import ec2_backends
from .elasticache_groups import TAGS
from .faults import FAULTS
from .rules import after, instead, page, partition


@instead("resourcegroupstaggingapi", "GetResources")
def resources(call):
    types, arns = call.get("ResourceTypeFilters"), call.get("ResourceARNList")
    moto = resourcegroupstaggingapi_backends[call.account][call.region]
    filters = call.get("TagFilters") or []
    found = [
        (r.arn, dict(r.tags))
        for r in moto._get_resources_generator(tag_filters=filters, resource_type_filters=types, resource_arn_list=arns)
    ]
    known = {arn for arn, _ in found}
    ours = (_caches, _distributions, _ec2, _rds_groups, _listeners, _dashboards)
    for kind, arn, tags in (found for of in ours for found in of(call)):
        wanted = not types or kind in types or kind.split(":")[0] in types
        if wanted and (not arns or arn in arns) and arn not in known and tags and _matches(tags, filters):
            found.append((arn, dict(tags)))
    # AWS does not list IAM roles here. Auto Scaling groups are found by their own DescribeTags.
    found = [(arn, tags) for arn, tags in found if ":iam:" not in arn or ":role/" not in arn]
    found = FAULTS.and_what_is_gone(found)
    shown, token = page(call, found, "ResourcesPerPage", "PaginationToken")
    listed = [{"ResourceARN": a, "Tags": [{"Key": k, "Value": v} for k, v in t.items()]} for a, t in shown]
    return {"ResourceTagMappingList": listed, "PaginationToken": token or ""}


# Objects that AWS lists and moto forgets, by the prefix of the id.
EC2_KINDS = {
    "lt": "launch-template",
    "vpce": "vpc-endpoint",
    "nat": "natgateway",
    "eipalloc": "elastic-ip",
    "eni": "network-interface",
    "sgr": "security-group-rule",
    "acl": "network-acl",
    "dopt": "dhcp-options",
}


def _ec2(call):
    ec2 = ec2_backends[call.account][call.region]
    groups = [g for groups in ec2.groups.values() for g in groups.values()]
    alive = {
        *ec2.launch_templates,
        *ec2.vpc_end_points,
        *(n.id for n in ec2.nat_gateways.values() if n.state != "deleted"),
        *(a.allocation_id for a in ec2.addresses),
        *ec2.enis,
        *ec2.network_acls,
        *ec2.dhcp_options_sets,
        *(r.id for g in groups for r in [*g.ingress_rules, *g.egress_rules]),
    }
    for resource_id, tags in ec2.tags.items():
        kind = EC2_KINDS.get(resource_id.rpartition("-")[0])
        if kind and resource_id in alive:
            yield (
                f"ec2:{kind}",
                f"arn:{partition(call.region)}:ec2:{call.region}:{call.account}:{kind}/{resource_id}",
                tags,
            )


def _caches(call):
    for arn, tags in TAGS.items():
        if arn.split(":")[3] == call.region:
            yield "elasticache:" + arn.split(":")[5], arn, tags


def _distributions(call):
    if call.region == cloudfront.REGION:
        for distribution in cloudfront.DISTRIBUTIONS.values():
            yield "cloudfront:distribution", distribution.arn, distribution.tags


def _rds_groups(call):
    rds = rds_backends[call.account][call.region]
    for kind, groups in (("rds:subgrp", rds.subnet_groups), ("rds:pg", rds.db_parameter_groups)):
        for group in groups.values():
            yield kind, group.arn, {t["Key"]: t["Value"] for t in group.tags or []}


def _listeners(call):
    elb = elbv2_backends[call.account][call.region]
    for balancer in elb.load_balancers.values():
        for arn, listener in balancer.listeners.items():
            yield "elasticloadbalancing:listener", arn, elb.tagging_service.get_tag_dict_for_resource(arn)
            for rule in listener.rules:
                tags = elb.tagging_service.get_tag_dict_for_resource(rule)
                yield "elasticloadbalancing:listener-rule", rule, tags


def _dashboards(call):
    for name in cloudwatch.backend(call).dashboards:
        arn = cloudwatch.dashboard_arn(call, name)
        yield "cloudwatch:dashboard", arn, cloudwatch.tags_of(call, arn)


def _matches(tags, filters):
    return all(f["Key"] in tags and (not f.get("Values") or tags[f["Key"]] in f["Values"]) for f in filters)


# (service, operation) -> list, page size, request token, answer token, default page size.
PAGES = {
    ("ec2", "DescribeSecurityGroups"): ("SecurityGroups", "MaxResults", "NextToken", "NextToken", 1000),
    ("ec2", "DescribeSecurityGroupRules"): ("SecurityGroupRules", "MaxResults", "NextToken", "NextToken", 1000),
    ("ec2", "DescribeVpcs"): ("Vpcs", "MaxResults", "NextToken", "NextToken", 1000),
    ("ec2", "DescribeNetworkAcls"): ("NetworkAcls", "MaxResults", "NextToken", "NextToken", 1000),
    ("ec2", "DescribeDhcpOptions"): ("DhcpOptions", "MaxResults", "NextToken", "NextToken", 1000),
    ("ec2", "DescribeSubnets"): ("Subnets", "MaxResults", "NextToken", "NextToken", 1000),
    ("ec2", "DescribeNetworkInterfaces"): ("NetworkInterfaces", "MaxResults", "NextToken", "NextToken", 1000),
    ("elbv2", "DescribeTargetGroups"): ("TargetGroups", "PageSize", "Marker", "NextMarker", 400),
    ("elbv2", "DescribeRules"): ("Rules", "PageSize", "Marker", "NextMarker", 400),
    ("cloudwatch", "DescribeAlarms"): ("MetricAlarms", "MaxRecords", "NextToken", "NextToken", 50),
}


def _paged(call, answer):
    items, size, asked, answered, most = PAGES[(call.service, call.operation)]
    if len(answer.get(items) or []) <= int(call.get(size) or most) and not call.get(asked):
        return None
    shown, token = page(call, answer.get(items) or [], size, asked, most)
    answer[items] = shown
    answer.pop(answered, None)
    return {**answer, **({answered: token} if token else {})}


for _service, _operation in PAGES:
    after(_service, _operation)(_paged)
