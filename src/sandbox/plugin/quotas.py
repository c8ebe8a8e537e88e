"""Service quotas: the few that such stacks reach, at AWS's defaults."""

from .rules import Refusal, instead, page, partition

QUOTAS = {
    ("vpc", "L-F678F1CE"): ("VPCs per Region", 5),
    ("vpc", "L-A4707A72"): ("Internet gateways per Region", 5),
    ("vpc", "L-407747CB"): ("Subnets per VPC", 200),
    ("vpc", "L-E79EC296"): ("VPC security groups per Region", 2500),
    ("vpc", "L-0EA8095F"): ("Inbound or outbound rules per security group", 60),
    ("ec2", "L-0263D0A3"): ("EC2-VPC Elastic IPs", 5),
    ("ec2", "L-1216C47A"): ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 32),
    ("rds", "L-7B6409FD"): ("DB instances", 40),
    ("elasticache", "L-DFE45DF3"): ("Nodes per Region", 300),
    ("elasticloadbalancing", "L-53DA6B97"): ("Application Load Balancers per Region", 50),
    ("elasticloadbalancing", "L-B22855CB"): ("Target Groups per Region", 3000),
    ("elasticfilesystem", "L-848C634D"): ("File systems per account", 1000),
    ("autoscaling", "L-CDE20ADC"): ("Auto Scaling groups per region", 500),
}


def _shown(call, key):
    service, code = key
    name, value = QUOTAS[key]
    return {
        "ServiceCode": service,
        "QuotaCode": code,
        "QuotaName": name,
        "QuotaArn": f"arn:{partition(call.region)}:servicequotas:{call.region}:{call.account}:{service}/{code}",
        "Value": float(value),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


@instead("service-quotas", "ListServiceQuotas", "ListAWSDefaultServiceQuotas")
def listed(call):
    found = [_shown(call, key) for key in QUOTAS if key[0] == call.get("ServiceCode")]
    shown, token = page(call, found, "MaxResults")
    return {"Quotas": shown, "NextToken": token}


@instead("service-quotas", "GetServiceQuota", "GetAWSDefaultServiceQuota")
def one(call):
    key = (call.get("ServiceCode"), call.get("QuotaCode"))
    if key not in QUOTAS:
        raise Refusal("NoSuchResourceException", "The request failed because the specified quota does not exist.")
    return {"Quota": _shown(call, key)}
