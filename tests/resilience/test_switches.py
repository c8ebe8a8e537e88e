"""A group is switched to `use` or `off`, and back: what was ours goes, what is used stays untouched."""

import json
import pathlib

import pytest
from conftest import STACK, count, differences, some
from names import own
from test_drift import group, subnet, vpc


def cache(w):
    return '[cache]\nmode = "use"\nendpoint = "theirs.0ab.ng.0001.use1.cache.amazonaws.com:6379"\n'


def database(w):
    return '[database]\nmode = "use"\nendpoint = "theirs.c0.us-east-1.rds.amazonaws.com:3306"\n'


def files(w):
    """Somebody's file system, with mount targets in our subnets."""
    theirs = w.efs.create_file_system(CreationToken="theirs")["FileSystemId"]
    for zone in "ab":
        w.efs.create_mount_target(FileSystemId=theirs, SubnetId=subnet(w, f"private-{zone}"),
                                  SecurityGroups=[group(w, "files")])
    return f'[files]\nmode = "use"\nfile_system = "{theirs}"\n'


def secrets(w):
    for name in ("master", "app"):
        w.ssm.put_parameter(Name=f"/event/{name}", Value=f"theirs-{name}", Type="SecureString")
    return '[secrets]\nmode = "use"\nmaster_password = "/event/master"\napp_password = "/event/app"\n'


def iam(w):
    w.iam.create_instance_profile(InstanceProfileName="LabProfile")
    return '[iam]\nmode = "use"\ninstance_profile = "LabProfile"\n'


# To `use`: what the file says then, and what goes.
USES = {
    "cache": (cache, {"cache/main", "cache-subnet-group/main"}),
    "database": (database, {"database/main", "db-subnet-group/main", "db-parameter-group/main"}),
    "secrets": (secrets, {"parameter/db-master-password", "parameter/db-app-password"}),
    "iam": (iam, {own("role"), own("instance-profile")}),
}
OFF = {
    "cache": {"cache/main", "security-group/cache"},
    "database": {"database/main", "parameter/db-app-password"},
    "files": {"file-system/main", "mount-target/a", "access-point/api"},
    "iam": {own("role"), own("instance-profile")},
    "monitoring": {"alarm/slow", "dashboard/main", own("log-group", "app")},
}


def switched(w, text, goes, kept):
    w.note_secrets()
    w.edit(STACK + text)
    plan = w.plan()
    deleted = {k for k, (word, _) in plan.items() if word == "delete"}
    assert goes <= deleted, plan
    w.up()
    assert w.plan() == {}
    used = kept(w) if kept else None
    w.edit(STACK)
    w.up()
    w.note_secrets()
    assert w.plan() == {}
    assert (kept(w) if kept else None) == used, "what was only used is as it was"


def theirs(w, name):
    if name == "secrets":
        return w.ssm.get_parameters(Names=["/event/master", "/event/app"], WithDecryption=True)["Parameters"]
    if name == "iam":
        return w.iam.get_instance_profile(InstanceProfileName="LabProfile")["InstanceProfile"]
    return None


@pytest.mark.parametrize("name", some(USES, 2))
def test_to_use_and_back(standing, whole, name):
    w, (text, goes) = standing, USES[name]
    text = text(w)
    if name == "database":
        secrets(w) if "/event/app" not in str(w.ssm.describe_parameters()) else None
        text += '[secrets]\nmode = "use"\nmaster_password = "/event/master"\napp_password = "/event/app"\n'
    switched(w, text, goes, lambda w: theirs(w, name))
    more = differences(w.inventory(), whole)
    assert [m for m in more if "/event/" not in m and "Lab" not in m] == [], more


@pytest.mark.parametrize("name", some(OFF, 2))
def test_off_and_on(standing, whole, name):
    switched(standing, f'[{name}]\nmode = "off"\n', OFF[name], None)
    count("groups switched", groups=len(USES) + len(OFF))


def test_our_own_database_that_is_used_is_not_deleted(world):
    w = world
    w.up()
    w.note_secrets()
    host = w.rds.describe_db_instances()["DBInstances"][0]["Endpoint"]["Address"]
    names = '"/gameday/billing/db-master-password"', '"/gameday/billing/db-app-password"'
    w.edit(STACK + f'[database]\nmode = "use"\nendpoint = "{host}:3306"\n'
           + '[secrets]\nmode = "use"\nmaster_password = {}\napp_password = {}\n'.format(*names))
    plan = w.plan()
    kept = {"parameter/db-app-password", "database/main", "db-subnet-group/main", "db-parameter-group/main", "security-group/db",
            "security-group-rules/db"}
    assert not kept & {k for k, (word, _) in plan.items() if word == "delete"}, plan
    w.up()
    assert w.rds.describe_db_instances()["DBInstances"][0]["DBInstanceStatus"] == "available"
    assert [r for r in w.ec2.describe_security_group_rules()["SecurityGroupRules"] if r["GroupId"] == group(w, "db")]


def test_what_may_be_our_own_is_not_deleted(world):
    """A CNAME, an IP, other letters, another of its endpoints: none says that it is somebody else's."""
    w = world
    w.up()
    w.note_secrets()
    names = '"/gameday/billing/db-master-password"', '"/gameday/billing/db-app-password"'
    secrets = '[secrets]\nmode = "use"\nmaster_password = {}\napp_password = {}\n'.format(*names)
    group = w.elasticache.describe_replication_groups()["ReplicationGroups"][0]["NodeGroups"][0]
    reader = group["ReaderEndpoint"]["Address"]
    node = group["NodeGroupMembers"][0]["ReadEndpoint"]["Address"]
    host = w.rds.describe_db_instances()["DBInstances"][0]["Endpoint"]["Address"].upper()
    for db, cache in ((host, reader), ("db.example.com", node), ("10.0.8.4", "10.0.8.5")):
        w.edit(STACK + f'[database]\nmode = "use"\nendpoint = "{db}:3306"\n' + secrets
               + f'[cache]\nmode = "use"\nendpoint = "{cache}:6379"\n')
        plan = w.plan()
        kept = {k for k in plan if k.startswith(("database/", "cache/", "db-", "cache-subnet"))}
        assert kept == set(), plan
    assert "database/main stays: billing-main is the stack's, and 10.0.8.4 may point at it" in w.run("plan").text
    w.up()
    assert w.rds.describe_db_instances()["DBInstances"][0]["DBInstanceStatus"] == "available"
    assert len(w.elasticache.describe_replication_groups()["ReplicationGroups"]) == 1


def their_network(w):
    """A VPC with a public subnet in each of two zones."""
    ec2 = w.ec2
    home = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=home)
    found = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [home]}])["RouteTables"][0]
    ec2.create_route(RouteTableId=found["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    for i, zone in enumerate("ab"):
        ec2.create_subnet(VpcId=home, CidrBlock=f"10.77.{i}.0/24", AvailabilityZone=f"us-east-1{zone}")
    return home


def test_another_network_is_refused(world, whole):
    w = world
    w.up()
    home = their_network(w)
    before = w.inventory()
    w.edit(STACK + f'[network]\nmode = "use"\nvpc = "{home}"\n')
    w.changes_made()
    for args in (("plan",), ("up", "--yes")):
        run = w.run(*args).ends(1)
        assert f"the stack is in {vpc(w)}" in run.text and "--sandbox teardown" in run.text, run.text
    assert w.changes_made() == {} and differences(w.inventory(), before) == []
    w.edit(STACK)
    assert w.plan() == {}


def test_a_used_network_is_not_changed_for_one_of_ours(world):
    w = world
    home = their_network(w)
    before = w.inventory()
    used = STACK + f'[network]\nmode = "use"\nvpc = "{home}"\n'
    w.edit(used)
    w.up()
    w.edit(STACK)
    run = w.run("up", "--yes").ends(1)
    assert f"the stack is in {home}" in run.text, run.text
    w.edit(used)
    assert w.plan() == {}
    w.note_secrets()
    w.teardown()
    assert differences(w.inventory(), before) == [], "what was used is as it was"


def test_what_came_with_a_used_network_is_named_and_left(world):
    w = world
    home = their_network(w)
    here = [{"Name": "vpc-id", "Values": [home]}]

    def born():
        found = {
            "acls": w.ec2.describe_network_acls(Filters=here)["NetworkAcls"],
            "tables": w.ec2.describe_route_tables(Filters=here)["RouteTables"],
            "groups": w.ec2.describe_security_groups(Filters=[*here, {"Name": "group-name", "Values": ["default"]}])["SecurityGroups"],
            "vpc": w.ec2.describe_vpcs(VpcIds=[home])["Vpcs"],
        }
        return json.dumps(found, sort_keys=True, default=str)

    acl = next(a["NetworkAclId"] for a in w.ec2.describe_network_acls(Filters=here)["NetworkAcls"] if a["IsDefault"])
    usual = w.ec2.describe_vpcs(VpcIds=[home])["Vpcs"][0]["DhcpOptionsId"]
    servers = [{"Key": "domain-name-servers", "Values": ["192.0.2.53"]}]
    told = w.ec2.create_dhcp_options(DhcpConfigurations=servers)["DhcpOptions"]["DhcpOptionsId"]
    w.ec2.associate_dhcp_options(VpcId=home, DhcpOptionsId=told)
    w.ec2.create_network_acl_entry(
        NetworkAclId=acl, RuleNumber=7, Protocol="-1", RuleAction="deny", Egress=False, CidrBlock="0.0.0.0/0")
    before = born()
    w.edit(STACK + f'[network]\nmode = "use"\nvpc = "{home}"\n')
    w.run("up", "--yes", "--patience", "1")
    assert not [k for k in w.plan() if k.startswith(("default-", "main-", "dhcp-"))]
    why = w.run("why", "--no-probe", "-v").ends(1).text
    assert f"aws --region us-east-1 ec2 delete-network-acl-entry --network-acl-id {acl} --rule-number 7 --ingress" in why, why
    assert f"aws --region us-east-1 ec2 associate-dhcp-options --dhcp-options-id {usual} --vpc-id {home}" in why, why
    assert "192.0.2.53" in why, why
    w.note_secrets()
    w.teardown()
    assert born() == before, "what was used is as it was"


def test_a_used_network_that_lost_its_way_out_is_still_looked_at_and_left(world):
    w = world
    for name in ("master", "app"):
        w.ssm.put_parameter(Name=f"/event/mysql/{name}", Value=f"theirs-{name}", Type="SecureString")
    w.iam.create_instance_profile(InstanceProfileName="LabInstanceProfile")
    text = (pathlib.Path(__file__).parents[2] / "examples/locked-down.toml").read_text()
    zones = 'zones = ["us-east-1a", "us-east-1b"]\n'
    assert zones in text
    home = w.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    tables = w.ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [home]}])["RouteTables"]
    main = next(t for t in tables if any(a["Main"] for a in t["Associations"]))["RouteTableId"]
    gateway = w.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    w.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=home)
    out = {"RouteTableId": main, "DestinationCidrBlock": "0.0.0.0/0"}
    for given in (zones, ""):
        w.ec2.create_route(**out, GatewayId=gateway)
        w.edit(text.replace('name = "locked"', 'name = "billing"').replace(zones, given))
        w.up()
        w.ec2.delete_route(**out)
        for verb in (["plan"], ["up", "--yes"]):
            assert "no public subnet in at least two zones" in w.run(*verb).ends(1).text
        status = w.run("status", "-o", "json", "--no-probe").json
        off = [s for s in status["steps"] if s.get("drift") or s.get("error") or s["phase"] not in ("ready", "used")]
        assert not off, off
        why = w.run("why", "--no-probe").ends(1).text
        assert f"aws --region us-east-1 ec2 create-route --route-table-id {main} --destination-cidr-block 0.0.0.0/0" in why, why
        found = w.teardown("-o", "json").json
        assert found["clean"] and "load-balancer/main" in found["deleted"], found
