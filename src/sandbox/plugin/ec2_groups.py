"""Security groups: rules compared as on AWS, and groups kept while they are in use."""

import inspect
import ipaddress

from moto.ec2.models.security_groups import SecurityGroupRule

from . import interfaces
from .clock import CLOCK
from .ec2_network import backend, violation
from .faults import BORN
from .rules import Refusal, after, before


def identity(rule):
    """Return what makes two rules equal on AWS: protocol, ports and peer, but not the description or the tags."""
    source = rule.source_group or {}
    peer = rule.cidr_ipv4 or rule.cidr_ipv6 or source.get("GroupId") or rule.prefix_list_id
    return (rule.ip_protocol, rule.from_port, rule.to_port, peer)


# moto compares the description of group rules too, so duplicates pass and revoking fails.
SecurityGroupRule.__eq__ = lambda self, other: identity(self) == identity(other)
SecurityGroupRule.__hash__ = object.__hash__
# model SecurityGroupRule: Description belongs to the rule whatever its peer; moto shows it for CIDRs only.
SecurityGroupRule.description = property(
    lambda self: self.ip_range.get("Description")
    or self.source_group.get("Description")
    or getattr(self, "list_description", None)
)
plain_init = SecurityGroupRule.__init__


def init(self, *args, **kwargs):
    # moto keeps only a prefix list's id.
    given = inspect.signature(plain_init).bind(self, *args, **kwargs).arguments
    plain_init(self, *args, **kwargs)
    self.list_description = (given.get("prefix_list_id") or {}).get("Description")


SecurityGroupRule.__init__ = init


@after("ec2", "ModifySecurityGroupRules")
def list_described(call, answer):
    # moto stores any description in the place of a range's own.
    group = backend(call).get_security_group_from_id(call.get("GroupId", ""))
    for rule in [*group.ingress_rules, *group.egress_rules]:
        if rule.prefix_list_id and "Description" in rule.ip_range:
            rule.list_description, rule.ip_range = rule.ip_range["Description"], {}


@after("ec2", "DescribeSecurityGroups")
def lists_show_their_description(call, answer):
    for shown in answer.get("SecurityGroups", []):
        group = backend(call).get_security_group_from_id(shown["GroupId"])
        for key, rules in (("IpPermissions", group.ingress_rules), ("IpPermissionsEgress", group.egress_rules)):
            known = {
                (r.ip_protocol, str(r.from_port), r.prefix_list_id): r.list_description for r in rules if r.prefix_list_id
            }
            for permission in shown.get(key, []):
                for entry in permission.get("PrefixListIds", []):
                    at = (permission.get("IpProtocol"), str(permission.get("FromPort")), entry["PrefixListId"])
                    if known.get(at):
                        entry["Description"] = known[at]
    return answer


def network(text):
    """Return a range as EC2 stores it: without the bits beyond its prefix."""
    try:
        return str(ipaddress.ip_network(text or "", strict=False))
    except ValueError:
        return text


def asked(call):
    """Return the identities of the rules in IpPermissions."""
    protocols = {"6": "tcp", "17": "udp", "1": "icmp", "all": "-1"}
    for permission in call.get("IpPermissions") or []:
        protocol = str(permission.get("IpProtocol", "")).lower()
        protocol = protocols.get(protocol, protocol)
        ports = (None, None) if protocol == "-1" else (permission.get("FromPort"), permission.get("ToPort"))
        peers = [
            *(network(r.get("CidrIp")) for r in permission.get("IpRanges") or []),
            *(network(r.get("CidrIpv6")) for r in permission.get("Ipv6Ranges") or []),
            *(g.get("GroupId") for g in permission.get("UserIdGroupPairs") or []),
            *(p.get("PrefixListId") for p in permission.get("PrefixListIds") or []),
        ]
        for peer in peers:
            yield (protocol, *ports, peer)


@before("ec2", "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress")
def duplicate_rules(call):
    # [AWS 4.5]: fails whole with InvalidPermission.Duplicate if any rule exists; nothing is added.
    group = backend(call).get_security_group_from_id(call.get("GroupId", ""))
    if group is None:
        return
    rules = group.egress_rules if call.operation.endswith("Egress") else group.ingress_rules
    have = {identity(rule) for rule in rules}
    once = list(asked(call))
    if len(set(once)) < len(once):
        # github.com/hashicorp/terraform-provider-aws/issues/2587
        raise Refusal("InvalidParameterValue", "The same permission must not appear multiple times")
    for rule in once:
        if rule in have:
            protocol, low, high, peer = rule
            ports = "ALL" if low is None else f"from port: {low}, to port: {high}"
            raise Refusal(
                "InvalidPermission.Duplicate",
                f'the specified rule "peer: {peer}, {protocol.upper()}, {ports}, ALLOW" already exists',
            )
        if rule[3] and str(rule[3]).startswith("sg-") and not backend(call).get_security_group_from_id(rule[3]):
            raise Refusal("InvalidGroup.NotFound", f"The security group '{rule[3]}' does not exist")


@after("ec2", "CreateSecurityGroup")
def group_born(call, answer):
    BORN[answer["GroupId"]] = CLOCK.now()


@before("ec2", "DeleteSecurityGroup")
def group_in_use(call):
    # model DeleteSecurityGroup: "associated with an instance or network interface, is referenced by another
    # security group in the same VPC [...] the request fails with DependencyViolation".
    ec2 = backend(call)
    group = ec2.get_security_group_from_id(call.get("GroupId", ""))
    if group is None:
        return
    if group.is_default:
        raise Refusal("CannotDelete", f'the specified group: "{group.id}" name: "default" cannot be deleted by a user')
    used = interfaces.with_group(ec2, group.id)
    others = [g for groups in ec2.groups.values() for g in groups.values() if g.id != group.id]
    referenced = any(
        (rule.source_group or {}).get("GroupId") == group.id
        for other in others
        for rule in [*other.ingress_rules, *other.egress_rules]
    )
    if used or referenced:
        raise violation(f"resource {group.id} has a dependent object")
