"""One clear error for each way in which an account says no; the rest of the graph goes on."""

import time

import pytest
from conftest import STACK, differences, some

CASES = {
    # name: (where it is said, code, message, status, the step that fails, what the help names)
    "no permission": ("rds:CreateDBInstance", "AccessDenied", "not authorized to perform: rds:CreateDBInstance", 403,
                      "database/main", " policy`"),
    "denied by an SCP": ("elasticache:CreateReplicationGroup", "AccessDenied",
                         "with an explicit deny in a service control policy", 403, "cache/main",
                         "set the group to `use` or `off`"),
    "quota": ("ec2:CreateVpc", "VpcLimitExceeded", "The maximum number of VPCs has been reached.", 400,
              "vpc/main", "Service Quotas"),
    "class not orderable": ("rds:CreateDBInstance", "InvalidParameterCombination",
                            "RDS does not support creating a DB instance with the following combination", 400,
                            "database/main", ""),
    "no capacity": ("rds:CreateDBInstance", "InsufficientDBInstanceCapacity", "Insufficient capacity", 400,
                    "database/main", "another instance class"),
}


@pytest.mark.parametrize("name", some(CASES, 2))
def test_one_clear_error(world, whole, name):
    on, code, message, status, step, helps = CASES[name]
    world.faults(refuse=[{"on": on, "code": code, "message": message, "status": status, "times": -1}])
    run = world.up(code=1)
    lines = [line for line in run.text.splitlines() if "✗" in line]
    assert len(lines) == 1 and step in lines[0] and message in lines[0] and code in lines[0], run.text
    assert "request " in lines[0], "with the request id"
    assert helps in run.text and "are done" in run.text and "1 step failed" in run.text, run.text
    assert "file-system/main created" in run.text, "what does not need it goes on"
    world.no_faults()
    world.up()
    assert differences(world.inventory(), whole) == [] and world.plan() == {}


@pytest.mark.parametrize("after", some([0, 3, 60, 90, 120, 150], 2))
def test_credentials_that_expire(world, whole, after):
    # Each service in its own words.
    world.faults(expire_after=after)
    run = world.up(code=1)
    assert "renew the credentials" in run.text and "run the same command again" in run.text, run.text
    said = [line for line in run.text.splitlines() if "expired" in line]
    assert len(said) <= 3, "once, not once a step:\n" + run.text
    assert "request " in said[0], "with the request id"
    if after >= 90:
        assert "are done" in run.text, run.text
    world.no_faults()
    world.run("up", "--yes", "--steal").ends(0)
    assert differences(world.inventory(), whole) == []


def test_credentials_that_expire_in_the_middle_of_teardown(built):
    w = built
    w.note_secrets()
    w.faults(expire_after=110)
    run = w.run("teardown", "--confirm", "billing").ends(1)
    assert "renew the credentials" in run.text, run.text
    w.no_faults()
    w.run("teardown", "--confirm", "billing", "--steal").ends(0)
    assert differences(w.inventory(), w.empty) == []


def test_a_region_that_is_not_enabled(world):
    world.faults(region="closed")
    for args in (("plan",), ("up", "--yes"), ("status",), ("teardown", "--confirm", "billing")):
        run = world.run(*args).ends(1)
        assert "has not enabled the region" in run.text and "request " in run.text, run.text
        assert len([line for line in run.text.splitlines() if "failed" in line]) == 1, run.text
    world.no_faults()
    assert differences(world.inventory(), world.empty) == []


def test_the_live_status_goes_on_when_the_credentials_are_back(built):
    w = built
    run = w.start("status", "--watch")
    run.until("SERVING")
    w.faults(expire_after=0)
    run.until("(?i)expired|credentials")
    seen = len(run.text)
    w.no_faults()
    end = time.monotonic() + 90
    while "SERVING" not in run.text[seen:]:
        assert not run.done() and time.monotonic() < end, run.text
        time.sleep(0.1)
    run.interrupt()
    run.wait()


def test_a_name_taken_by_a_stranger(world, whole):
    world.elasticache.create_replication_group(
        ReplicationGroupId="billing-main", ReplicationGroupDescription="theirs", CacheNodeType="cache.t3.micro",
        Engine="redis", NumCacheClusters=1)
    run = world.up(code=1)
    assert "cache/main exists as" in run.text and "--adopt cache/main" in run.text and "[names]" in run.text, run.text
    assert "database/main created" in run.text
    world.edit(STACK + '\n[names]\n"cache/main" = "ours"\n')
    world.up()
    assert world.plan() == {}
    world.note_secrets()
    world.teardown()
    groups = world.elasticache.describe_replication_groups()["ReplicationGroups"]
    assert [g["ReplicationGroupId"] for g in groups] == ["billing-main"], "the stranger's stays"


def test_secrets_stay_out_of_the_wordiest_output(world):
    world.up("-vv")
    world.note_secrets()
    for rules in ({"expire_after": 45}, {"deny": ["rds:*"]}, {"deny": ["ssm:*"]}):
        world.faults(**rules)
        world.run("-vv", "up", "--yes", "--steal", RUST_BACKTRACE="full")
        world.run("-vv", "plan", "--replace", "database/main", "-o", "json", RUST_BACKTRACE="full")
        world.no_faults()
    for args in (("status",), ("plan",), ("status", "-o", "json"), ("plan", "-o", "json"), ("policy",), ("render",)):
        world.run("-vv", *args)
    tags = world.tagging.get_resources()["ResourceTagMappingList"]
    template = world.ec2.describe_launch_template_versions(
        LaunchTemplateName="billing-api", Versions=["$Latest"])["LaunchTemplateVersions"]
    world.said.append(("tags", str(tags)))
    world.said.append(("user data", str(template)))
    world.run("-vv", "teardown", "--confirm", "billing", "-o", "json").ends(0)
    world.check_secrets()
    assert world.passwords
