"""The master password of the database: the instances' role may read it until the database is set up, and no longer."""

import json

from names import own

MASTER, APP = "/gameday/billing/db-master-password", "/gameday/billing/db-app-password"
NOTE = "/gameday/billing/database"


def readable(world):
    """The parameters that the role may read."""
    policy = world.iam.get_role_policy(RoleName=role(world), PolicyName="gameday")["PolicyDocument"]
    return {arn.split(":parameter", 1)[1] for s in policy["Statement"] if s["Sid"] == "Parameters" for arn in s["Resource"]}


def role(world):
    roles = [r["RoleName"] for r in world.iam.list_roles()["Roles"] if r["RoleName"].startswith("billing")]
    assert len(roles) == 1, roles
    return roles[0]


def note(world, **changed):
    was = json.loads(world.ssm.get_parameter(Name=NOTE)["Parameter"]["Value"])
    world.ssm.put_parameter(Name=NOTE, Value=json.dumps({**was, **changed}), Overwrite=True)
    return was


def test_the_same_up_that_sets_the_database_up_takes_the_right_away(world):
    run = world.up()
    assert readable(world) == {APP}
    assert "master password" in run.text
    given = [c for c in world.control("GET", "calls")["calls"] if c["operation"] == "PutRolePolicy"]
    assert len(given) == 2, "the role was made with it, for the first boot"
    world.changes_made()
    assert world.plan() == {}
    world.up()
    assert sum(world.changes_made().values()) == 0
    assert readable(world) == {APP}
    world.teardown()
    assert NOTE not in [p["Name"] for p in world.ssm.describe_parameters()["Parameters"]]


def test_what_is_not_set_up_gives_it_back(built):
    world = built
    was = json.loads(world.ssm.get_parameter(Name=NOTE)["Parameter"]["Value"])
    # Another database than the one that was set up; something else set up; no note; a note that is none.
    for changed in ({"database": "db-ANOTHER"}, {"digest": "0" * 64}, {"database": ""}, {"digest": ""}):
        note(world, **changed)
        plan = world.plan()
        assert list(plan) == [own("role")] and plan[own("role")][0] == "update", (changed, plan)
        note(world, **was)
        assert world.plan() == {}
    for text in ("{", "null", "[]", '{"database": 1}'):
        world.ssm.put_parameter(Name=NOTE, Value=text, Overwrite=True)
        assert list(world.plan()) == [own("role")], text
    world.ssm.delete_parameter(Name=NOTE)
    assert list(world.plan()) == [own("role")]
    # The next run gives it, sees the service serve, and takes it again.
    world.up()
    assert readable(world) == {APP} and world.plan() == {}


def test_a_new_password_of_the_service_is_set_up_anew(built):
    world = built
    before = world.ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [APP]}])["Parameters"][0]["LastModifiedDate"]
    # The time of a change counts whole seconds.
    world.control("POST", "advance?seconds=1")
    world.ssm.put_parameter(Name=APP, Value="another0password", Type="SecureString", Overwrite=True)
    now = world.ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [APP]}])["Parameters"][0]["LastModifiedDate"]
    assert int(now.timestamp()) > int(before.timestamp())
    assert {own("role"), "launch-template/api"} <= set(world.plan())
    world.up()
    assert readable(world) == {APP} and world.plan() == {}


def test_another_database_gives_it_back_for_the_boots_that_set_it_up(built):
    world = built
    world.rds.delete_db_instance(DBInstanceIdentifier="billing-main", SkipFinalSnapshot=True)
    assert {"database/main", own("role")} <= set(world.plan())
    world.control("DELETE", "calls")
    run = world.up()
    # It has the name and the address of the one before, and is empty. The right is there before an instance boots.
    calls = [c["operation"] for c in world.control("GET", "calls")["calls"] if c["mutating"]]
    given, taken = (i for i, operation in enumerate(calls) if operation == "PutRolePolicy")
    assert given < calls.index("UpdateAutoScalingGroup") < taken, calls
    assert f"{own('role')} updated" in run.text and "master password" in run.text, run.text
    assert readable(world) == {APP} and world.plan() == {}
