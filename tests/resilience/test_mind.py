"""The stack file is edited between two runs: in place where AWS can, replaced or refused with the way out elsewhere."""

import pytest
from conftest import STACK, count, differences, some
from names import own

# name -> (what is added to the file, what the plan shows for the steps named)
IN_PLACE = {
    "sizes": ("min = 1\ndesired = 3\nmax = 6", {"auto-scaling-group/api": "update"}),
    "health path": ('health_path = "/health"', {"target-group/api": "update"}),
    "instance type": ('instance_type = "t3.small"', {"launch-template/api": "update"}),
    "database class": ('[database]\nclass = "db.t3.small"', {"database/main": "update"}),
    "a standby": ("[database]\nmulti_az = true", {"database/main": "update"}),
    "storage": ("[database]\nstorage_gb = 30", {"database/main": "update"}),
    "a replica": ("[cache]\nnodes = 2", {"cache/main": "update"}),
    "ssh": ('[access]\nssh = ["198.51.100.7/32"]', {own("security-group-rules"): "update"}),
    "http for some": ('[access]\nhttp = ["198.51.100.0/24"]', {"security-group-rules/alb": "update"}),
    "log days": ("[monitoring]\nlog_days = 7", {own("log-group", what): "update" for what in ("app", "boot")}),
    "routes": ('routes = ["/api/*"]', {"listener-rule/api-1": "create", "listener/http": "update"}),
}
# Storage cannot shrink.
ONE_WAY = {"storage"}


@pytest.mark.parametrize("name", some([n for n in IN_PLACE if n not in ONE_WAY], 4))
def test_an_edit_and_back(standing, whole, name):
    w, (text, shows) = standing, IN_PLACE[name]
    w.edit(STACK + text + "\n")
    plan = w.plan()
    assert {k: plan.get(k, [None])[0] for k in shows} == shows, plan
    assert all(word in ("update", "create") for word, _ in plan.values()), plan
    w.up()
    assert w.plan() == {}
    w.edit(STACK)
    w.up()
    assert w.plan() == {}
    assert differences(w.inventory(), whole) == []


def test_a_zone_less_is_left_whole(world):
    w = world
    zones = ["us-east-1a", "us-east-1b", "us-east-1c"]
    w.edit(f"zones = {zones}\n".replace("'", '"') + STACK)
    w.up()
    # Where the database and the cache are they stay: AWS does not take the subnets from them.
    node = w.elasticache.describe_cache_clusters()["CacheClusters"][0]
    busy = {w.rds.describe_db_instances()["DBInstances"][0]["AvailabilityZone"], node["PreferredAvailabilityZone"]}
    less = next(z for z in zones if z not in busy)
    zones.remove(less)
    w.edit(f"zones = {zones}\n".replace("'", '"') + STACK)
    gone = {k for k, (word, _) in w.plan().items() if word == "delete"}
    assert gone == {f"{kind}{less[-1]}" for kind in ("subnet/public-", "subnet/private-", "mount-target/")}, gone
    w.up()
    assert w.plan() == {}
    ours = w.ec2.describe_subnets(Filters=[{"Name": "tag:gameday:stack", "Values": ["billing"]}])["Subnets"]
    assert {s["AvailabilityZone"] for s in ours} == set(zones)
    w.note_secrets()
    w.run("teardown", "--confirm", "billing").ends(0)
    assert differences(w.inventory(), w.empty) == []


def test_zones_in_another_order_and_one_in_place_of_another(world):
    w = world

    def zones(*letters):
        w.edit("zones = [" + ", ".join(f'"us-east-1{z}"' for z in letters) + "]\n" + STACK)

    def subnets():
        ours = w.ec2.describe_subnets(Filters=[{"Name": "tag:gameday:stack", "Values": ["billing"]}])["Subnets"]
        return {s["SubnetId"]: (s["AvailabilityZone"][-1], s["CidrBlock"]) for s in ours}

    zones("a", "b", "c")
    w.up()
    before = subnets()
    zones("c", "a", "b")
    assert w.plan() == {}
    # Where the database and the cache are they stay: AWS does not take the subnets from them.
    node = w.elasticache.describe_cache_clusters()["CacheClusters"][0]
    busy = {w.rds.describe_db_instances()["DBInstances"][0]["AvailabilityZone"][-1], node["PreferredAvailabilityZone"][-1]}
    less = next(z for z in "abc" if z not in busy)
    kept = sorted(set("abc") - {less})
    zones("d", *reversed(kept))
    made = {k for k, (word, _) in w.plan().items() if word == "create"}
    assert made == {"subnet/public-d", "subnet/private-d", "mount-target/d"}, made
    w.up()
    assert w.plan() == {}
    after = subnets()
    assert sorted(zone for zone, _ in after.values()) == sorted(2 * [*kept, "d"]), after
    assert {i for i, (zone, _) in before.items() if zone in kept} <= set(after), "what stays is not made again"
    w.note_secrets()
    w.run("teardown", "--confirm", "billing").ends(0)
    assert differences(w.inventory(), w.empty) == []


RENAMED = {
    "load-balancer/main": "apdev-alb", "target-group/api": "apdev-tg", "auto-scaling-group/api": "apdev-asg",
    "launch-template/api": "apdev-lt", "database/main": "apdev-rds-instance", "cache/main": "apdev-redis",
    own("role"): "apdev-role", own("instance-profile"): "apdev-profile", "db-subnet-group/main": "apdev-subnets",
    "alarm/slow": "apdev-slow", "dashboard/main": "apdev-board",
}
HARMLESS = {"alarm/slow", "dashboard/main"}


def test_other_names_are_refused_and_nothing_is_made_twice(world, whole):
    w = world
    w.up()
    names = "[names]\n" + "".join(f'"{key}" = "{name}"\n' for key, name in RENAMED.items())
    w.edit(STACK + names)
    plan = w.plan()
    assert {k: word for k, (word, _) in plan.items()} == {k: "replace" if k in HARMLESS else "refuse" for k in RENAMED}
    assert all("name" in paths for _, paths in plan.values()), plan
    shown = w.run("plan").ends(2).text
    # Verbs that only look find the objects under the names that they have.
    assert "i-" in w.run("targets", "list").ends(0).text
    assert "has no instances" not in w.run("logs", "--console").ends(0).text
    assert "fleet" in [g["group"] for g in w.run("cost", "-o", "json").ends(0).json["groups"]]
    assert 'name = "billing-main"' in shown and "the data in it would be lost" in shown, shown
    # One refusal does not hold up the rest.
    w.run("up", "--yes").ends(1)
    assert set(w.plan()) == set(RENAMED) - HARMLESS
    assert [d["DBInstanceIdentifier"] for d in w.rds.describe_db_instances()["DBInstances"]] == ["billing-main"]
    # Insisted on where nothing is lost; then all goes, under whatever name.
    insist = ("launch-template/api", "database/main")
    w.up(*(f"--replace={key}" for key in insist), code=1)
    assert set(w.plan()) == set(RENAMED) - HARMLESS - set(insist)
    w.note_secrets()
    w.run("teardown", "--confirm", "billing").ends(0)
    assert differences(w.inventory(), w.empty) == []


def test_another_edit_while_the_fleet_still_follows_the_last(world):
    w = world
    w.up()
    # As long as on AWS: the first refresh is under way when the second is asked for, however busy this machine is.
    w.control("POST", "pace?pace=real")
    try:
        for kind in ("t3.small", "t3.medium"):
            w.edit(STACK + f'instance_type = "{kind}"\nmax = 5\n')
            follow = "2 instances of billing-api are replaced, the new ones first"
            assert follow in w.run("--pace", "real", "plan").ends(2).out
            w.run("--pace", "real", "up", "--yes").ends(0)
        refreshes = w.autoscaling.describe_instance_refreshes(AutoScalingGroupName="billing-api")["InstanceRefreshes"]
        assert [r["Status"] in ("Cancelling", "Cancelled") for r in refreshes] == [False, True], refreshes
        assert w.run("--pace", "real", "plan").code == 0
    finally:
        w.control("POST", "pace?pace=instant")


def test_a_fleet_that_follows_is_told_as_such(world):
    w = world
    w.up()
    w.control("POST", "pace?pace=real")
    try:
        w.edit(STACK + 'instance_type = "t3.small"\n')
        said = w.run("--pace", "real", "up", "--yes").ends(0)
        assert said.out.startswith("AT RISK: an instance refresh is replacing the instances"), said.text
        assert "status --watch" in said.text and w.run("--pace", "real", "plan").ends(0)
        rules = [f["rule"] for f in w.run("--pace", "real", "why", "-o", "json").json["services"][0]["findings"]]
        assert rules == ["instance-refresh"], rules
    finally:
        w.control("POST", "pace?pace=instant")
    assert "refresh" not in w.run("status").ends(0).text


@pytest.mark.parametrize("group", some(["cache", "files", "monitoring", "database"], 1))
def test_a_group_switched_off_and_on(standing, whole, group):
    w = standing
    w.note_secrets()
    w.edit(STACK + f'[{group}]\nmode = "off"\n')
    deleted = [k for k, (word, _) in w.plan().items() if word == "delete"]
    assert deleted, "what is no longer in the file is shown as delete"
    w.up()
    assert w.plan() == {}
    w.edit(STACK)
    w.up()
    assert w.plan() == {} and differences(w.inventory(), whole) == []


def test_storage_grows_and_is_refused_to_shrink(standing):
    w = standing
    w.edit(STACK + "[database]\nstorage_gb = 30\n")
    w.up()
    w.edit(STACK)
    assert w.plan() == {"database/main": ("refuse", ["storage_gb"])}
    shown = w.run("plan").ends(2).text
    assert "storage_gb = 30" in shown and "the data in it would be lost" in shown, shown
    run = w.run("up", "--yes").ends(1)
    assert "cannot change storage_gb in place" in run.text and "--replace database/main" in run.text, run.text
    insisting = w.run("plan", "--replace", "database/main").ends(2).text
    assert "the data in it will be lost" in insisting, insisting
    w.up("--replace", "database/main")
    assert w.plan() == {}
    assert w.rds.describe_db_instances()["DBInstances"][0]["AllocatedStorage"] == 20


def test_each_node_of_the_cache_is_watched(world):
    w = world

    def watched():
        found = w.cloudwatch.describe_alarms(AlarmNamePrefix="billing-cache-")["MetricAlarms"]
        return {a["AlarmName"]: a["Dimensions"][0]["Value"] for a in found}

    w.up()
    one = {f"billing-cache-{what}": "billing-main-001" for what in ("cpu", "evictions")}
    assert watched() == one
    w.edit(STACK + "[cache]\nnodes = 2\n")
    w.up()
    assert w.plan() == {}
    assert watched() == {**one, **{f"{name}-2": "billing-main-002" for name in one}}
    name = w.cloudwatch.list_dashboards()["DashboardEntries"][0]["DashboardName"]
    body = w.cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"]
    assert "billing-main-001" in body and "billing-main-002" in body
    w.edit(STACK)
    w.up()
    assert watched() == one and w.plan() == {}


def test_mysql_8_0_is_built_and_left_alone(world):
    """Its group knows no authentication_policy; and what AWS itself upgrades it to is no drift."""
    w = world
    w.edit(STACK + '[database]\nversion = "8.0"\n')
    w.up()
    assert w.plan() == {}
    found = w.rds.describe_db_instances()["DBInstances"][0]
    assert found["EngineVersion"].startswith("8.0.")
    w.edit(STACK + '[database]\nversion = "8.0.46"\n')
    w.control("POST", "database", {"name": "billing-main", "version": "8.0.46-rds.20260624"})
    assert w.plan() == {}


def test_another_port_and_a_new_name_of_the_service(world, whole):
    w = world
    w.up()
    w.edit(STACK + "port = 8080\n")
    plan = w.plan()
    assert plan["target-group/api-8080"][0] == "create" and plan["target-group/api"][0] == "delete", plan
    w.up()
    assert w.plan() == {}
    w.edit(STACK.replace("service.api", "service.web"))
    plan = w.plan()
    assert plan["auto-scaling-group/web"][0] == "create" and plan["auto-scaling-group/api-8080"][0] == "delete", plan
    # Its folder on the file system has its name too: it gets a new one, and what is in the old one stays there.
    assert plan["access-point/web"][0] == "create" and plan["access-point/api"][0] == "delete", plan
    w.up()
    assert w.plan() == {}
    renamed = sorted(str(n).replace("web", "api") for _, n in w.inventory().elements())
    assert renamed == sorted(str(n) for _, n in whole.elements())
    count("second thoughts", edits=len(some(IN_PLACE, 4)) + 4)
