"""Tags taken off by hand: the object is found by what it is, not made a second time, and adopted only when told."""

import pytest
from conftest import count, differences, some
from test_drift import default_acl, default_group, entry, group, main_table, subnet, table, vpc

TAGS = ["gameday:stack", "gameday:step", "Name"]


def gateway(w):
    return w.ec2.describe_internet_gateways()["InternetGateways"][0]["InternetGatewayId"]


def endpoint(w):
    return w.ec2.describe_vpc_endpoints()["VpcEndpoints"][0]["VpcEndpointId"]


KINDS = {
    "vpc/main": vpc,
    "internet-gateway/main": gateway,
    "subnet/public-a": lambda w: subnet(w, "public-a"),
    "route-table/public": lambda w: table(w, "public")["RouteTableId"],
    "vpc-endpoint/s3": endpoint,
    "security-group/app": lambda w: group(w, "app"),
}


@pytest.fixture(scope="module")
def standing(shared, whole):
    shared.reset()
    shared.up()
    yield shared


@pytest.mark.parametrize("key", some(KINDS, 3))
def test_an_object_without_tags_is_asked_for_before_it_is_adopted(standing, whole, key):
    w = standing
    thing = KINDS[key](w)
    w.ec2.delete_tags(Resources=[thing], Tags=[{"Key": k} for k in TAGS])
    plan = w.run("plan", "-o", "json").ends(1)
    said = next(e for e in plan.json["errors"] if e["key"] == key)
    assert thing in said["message"] and f"--adopt {key}" in said["help"], said
    refused = w.run("up", "--yes").ends(1)
    assert f"--adopt {key}" in refused.text
    w.up("--adopt", f"{key}={thing}")
    assert KINDS[key](w) == thing, "the same one, not a second"
    assert w.plan() == {} and differences(w.inventory(), whole) == []


def test_what_came_with_the_vpc_is_taken_in_without_a_question(standing, whole):
    w = standing
    # As a stack stands that an earlier gameday built: they have no tags, and are as AWS makes them, or as somebody left them.
    born = {"default-network-acl/main": default_acl(w)["NetworkAclId"], "main-route-table/main": main_table(w)["RouteTableId"],
            "default-security-group/main": default_group(w)["GroupId"]}
    entry(w, 1, "deny")
    w.ec2.authorize_security_group_ingress(
        GroupId=born["default-security-group/main"], IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    w.ec2.delete_tags(Resources=list(born.values()), Tags=[{"Key": k} for k in TAGS])
    tags = ["tags.Name", "tags.gameday:step"]
    assert w.plan() == {
        "default-network-acl/main": ("update", ["entries", *tags]),
        "main-route-table/main": ("update", tags),
        "default-security-group/main": ("update", ["rules", *tags]),
    }
    w.up()
    assert w.plan() == {} and differences(w.inventory(), whole) == []
    # What says that it is another stack's is not touched.
    w.ec2.create_tags(Resources=[born["default-network-acl/main"]], Tags=[{"Key": "gameday:stack", "Value": "theirs"}])
    said = w.run("plan", "-o", "json").ends(1).json["errors"]
    assert [e["key"] for e in said] == ["default-network-acl/main"] and "theirs" not in said[0]["help"], said
    w.up("--adopt", "default-network-acl/main=" + born["default-network-acl/main"])
    assert w.plan() == {} and differences(w.inventory(), whole) == []


def test_one_tag_less_is_drift(standing, whole):
    w = standing
    for find in KINDS.values():
        w.ec2.delete_tags(Resources=[find(w)], Tags=[{"Key": "Name"}])
    assert w.plan() == {key: ("update", ["tags.Name"]) for key in KINDS}
    w.changes_made()
    w.up()
    assert w.changes_made() == {"ec2:CreateTags": len(KINDS)} and w.plan() == {}
    count("objects without tags", found_again=len(some(KINDS, 3)), twins=0)
