"""The objects that come with a VPC: its network ACL, security group and main route table, and the region's DHCP
options.
"""

from .ec2_network import backend, violation
from .rules import Refusal, after, before, instead

# Entries from here on are AWS's own (model CreateNetworkAclEntry: "rule numbers from 1 to 32766").
LAST = 32767


def members_reach_each_other(ec2, vpc_id):
    # AWS: the default group allows traffic from itself; moto gives it no inbound rule.
    group = ec2.get_security_group_from_name("default", vpc_id=vpc_id)
    if group is not None and not group.ingress_rules:
        ec2.authorize_security_group_ingress(group.id, "-1", None, None, [], source_groups=[{"GroupId": group.id}],
                                             vpc_id=vpc_id)


# DHCP options. moto has no set that exists from the start, and forgets which VPCs use one.


def usual(call):
    """Return AWS's own set of a region, created on demand."""
    ec2 = backend(call)
    found = next((s for s in ec2.dhcp_options_sets.values() if getattr(s, "of_aws", False)), None)
    if found is None:
        domain = "ec2.internal" if call.region == "us-east-1" else f"{call.region}.compute.internal"
        found = ec2.create_dhcp_options(domain_name_servers=["AmazonProvidedDNS"], domain_name=[domain])
        found.of_aws = True
    return found


@before("ec2", "DescribeVpcs", "DescribeDhcpOptions", "AssociateDhcpOptions", "DeleteDhcpOptions")
@before("ec2", "DescribeSecurityGroups", "DescribeSecurityGroupRules")
def region_begins(call):
    # The VPC that an account has from the start.
    ec2 = backend(call)
    if not getattr(ec2, "has_begun", False):
        ec2.has_begun = True
        for vpc in list(ec2.vpcs.values()):
            vpc.dhcp_options = vpc.dhcp_options or usual(call)
            members_reach_each_other(ec2, vpc.id)


@after("ec2", "CreateVpc")
def vpc_is_told(call, answer):
    region_begins(call)
    vpc = backend(call).get_vpc(answer["Vpc"]["VpcId"])
    vpc.dhcp_options = usual(call)
    members_reach_each_other(backend(call), vpc.id)
    answer["Vpc"]["DhcpOptionsId"] = vpc.dhcp_options.id
    return answer


@before("ec2", "DeleteVpc")
def remember_its_options(call):
    call.notes["options"] = backend(call).get_vpc(call.get("VpcId")).dhcp_options


@after("ec2", "DeleteVpc")
def its_options_stay(call, answer):
    # moto deletes the sets with the VPC; on AWS they belong to the region.
    options = call.notes.get("options")
    if options is not None:
        backend(call).dhcp_options_sets[options.id] = options


@after("ec2", "CreateDhcpOptions")
def tags_on_creation(call, answer):
    # moto forgets TagSpecifications.
    made = backend(call).dhcp_options_sets[answer["DhcpOptions"]["DhcpOptionsId"]]
    tags = [t for s in call.get("TagSpecifications") or [] for t in s.get("Tags") or []]
    for tag in tags:
        made.add_tag(tag["Key"], tag["Value"])
    answer["DhcpOptions"]["Tags"] = tags
    return answer


@instead("ec2", "DeleteDhcpOptions")
def delete_options(call):
    # model DeleteDhcpOptions: "You must disassociate the set of DHCP options before you can delete it."
    ec2, wanted = backend(call), call.get("DhcpOptionsId")
    found = ec2.dhcp_options_sets.get(wanted)
    if found is None:
        raise Refusal("InvalidDhcpOptionID.NotFound", f"The dhcpOption ID '{wanted}' does not exist")
    if any(vpc.dhcp_options is found for vpc in ec2.vpcs.values()):
        raise violation(f"The dhcpOptions '{wanted}' has dependencies and cannot be deleted.")
    del ec2.dhcp_options_sets[wanted]
    ec2.tags.pop(wanted, None)
    return {}


# Network ACLs. moto crashes on missing objects.


@before("ec2", "DeleteNetworkAclEntry", "ReplaceNetworkAclEntry")
def entry_is_there(call):
    number, egress = int(call.get("RuleNumber")), bool(call.get("Egress"))
    acl = backend(call).get_network_acl(call.get("NetworkAclId"))
    _number(number)
    if not any(e.rule_number == number and bool(e.egress) == egress for e in _numbered(acl)):
        way = "egress" if egress else "ingress"
        raise Refusal("InvalidNetworkAclEntry.NotFound", f"The {way} entry with rule number {number} does not exist.")


@before("ec2", "CreateNetworkAclEntry")
def entry_has_a_number(call):
    _number(int(call.get("RuleNumber")))
    _numbered(backend(call).get_network_acl(call.get("NetworkAclId")))


def _number(number):
    # model: "Rule numbers from 1 to 32766"; AWS's own last entry cannot be created or changed.
    if not 0 < number < LAST:
        message = f"Value ({number}) for parameter ruleNumber is invalid. Rule number must be between 1 and 32766."
        raise Refusal("InvalidParameterValue", message)


def _numbered(acl):
    """Convert the entries' numbers, which moto keeps as they were sent."""
    for entry in acl.network_acl_entries:
        entry.rule_number = int(entry.rule_number)
    return acl.network_acl_entries


@before("ec2", "ReplaceNetworkAclAssociation")
def association_is_there(call):
    ec2, wanted = backend(call), call.get("AssociationId")
    ec2.get_network_acl(call.get("NetworkAclId"))
    if not any(wanted in acl._associations for acl in ec2.network_acls.values()):
        raise Refusal("InvalidAssociationID.NotFound", f"The association ID '{wanted}' does not exist")


@before("ec2", "DeleteNetworkAcl")
def default_acl_stays(call):
    # model DeleteNetworkAcl: "You can't delete the default network ACL."
    acl = backend(call).network_acls.get(call.get("NetworkAclId"))
    if acl is not None and acl.default:
        raise Refusal("InvalidParameterValue", f"cannot delete default network ACL {acl.id}")


@after("ec2", "DeleteSubnet")
def its_association_goes(call, answer):
    # moto keeps the association, so that the ACL could never be deleted.
    for acl in backend(call).network_acls.values():
        for key, association in list(acl._associations.items()):
            if association.subnet_id == call.get("SubnetId"):
                del acl._associations[key]


# The main route table.


@before("ec2", "DeleteRouteTable")
def main_table_stays(call):
    # model DeleteRouteTable: "You can't delete the main route table."
    table = backend(call).route_tables.get(call.get("RouteTableId"))
    if table is not None and table.main_association_id:
        raise violation(f"The routeTable '{table.id}' has dependencies and cannot be deleted.")


@before("ec2", "DisassociateRouteTable")
def main_association_stays(call):
    # AWS: "cannot disassociate the main route table association"; it can only be replaced.
    wanted = call.get("AssociationId")
    if any(t.main_association_id == wanted for t in backend(call).route_tables.values()):
        message = f"cannot disassociate the main route table association {wanted}"
        raise Refusal("InvalidParameterValue", message)
