"""Tags taken off by hand: the object is found by what it is, not made a second time, and adopted only when told."""

import pytest
from conftest import count, differences, some
from test_drift import group, subnet, table, vpc

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
    plan = w.run("plan", "-o", "json").expect(1)
    said = next(e for e in plan.json["errors"] if e["key"] == key)
    assert thing in said["error"] and f"--adopt {key}" in said["help"], said
    refused = w.run("up", "--yes").expect(1)
    assert f"--adopt {key}" in refused.text
    w.up("--adopt", key)
    assert KINDS[key](w) == thing, "the same one, not a second"
    assert w.plan() == {} and differences(w.inventory(), whole) == []


def test_one_tag_less_is_drift(standing, whole):
    w = standing
    for key, find in KINDS.items():
        w.ec2.delete_tags(Resources=[find(w)], Tags=[{"Key": "Name"}])
    assert w.plan() == {key: ("update", ["tags.Name"]) for key in KINDS}
    w.changes_made()
    w.up()
    assert w.changes_made() == {"ec2:CreateTags": len(KINDS)} and w.plan() == {}
    count("objects without tags", found_again=len(some(KINDS, 3)), twins=0)
