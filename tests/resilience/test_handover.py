"""Another name or port of the service: at every moment the listener leads to a healthy target, wherever a run is cut."""

import threading
from collections import Counter

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from conftest import STACK, count, differences, some
from harness import KEY, URL
from names import log_path, name_of, own

EDITS = {
    "port": STACK + "port = 8080\n",
    "name": STACK.replace("service.api", "service.web"),
    "name, with routes": STACK.replace("service.api", "service.web") + 'routes = ["/api/*"]\n',
}


class Watch(threading.Thread):
    """Looks, again and again, whether somebody healthy gets the requests."""

    def __init__(self):
        super().__init__(daemon=True)
        config = Config(retries={"total_max_attempts": 1}, ignore_configured_endpoint_urls=True)
        self.elb = boto3.client("elbv2", endpoint_url=URL, region_name="us-east-1", aws_access_key_id=KEY,
                                aws_secret_access_key="watch", config=config)
        self.looks, self.gaps, self.seen, self.ended = 0, [], set(), threading.Event()
        self.trouble = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join(60)
        assert self.trouble is None, repr(self.trouble)

    def actions(self):
        """The actions that lead to a target group: of the listener, or of its rules when it has some."""
        balancer = self.elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
        found = []
        for listener in self.elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]:
            rules = self.elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
            found += [r["Actions"] for r in rules if not r["IsDefault"]] or [listener["DefaultActions"]]
        return found

    def healthy(self, actions):
        groups = {}
        for action in actions:
            several = action.get("ForwardConfig", {}).get("TargetGroups", [])
            groups |= {g["TargetGroupArn"]: g.get("Weight", 1) for g in several}
            if not several and "TargetGroupArn" in action:
                groups[action["TargetGroupArn"]] = 1
        served = [arn for arn, weight in groups.items() if weight > 0]
        self.seen |= {arn.split("/")[1] for arn in served}
        states = []
        for arn in served:
            found = self.elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
            states += [t["TargetHealth"]["State"] for t in found]
        return "healthy" in states

    def look(self):
        before = self.actions()
        gap = not before or not all(self.healthy(a) for a in before)
        # What changed while it was looked at says nothing.
        if gap and self.actions() == before:
            self.gaps.append(before)

    def run(self):
        while not self.ended.wait(0.02):
            try:
                self.look()
            except ClientError as gone:
                if gone.response["Error"]["Code"] != "TargetGroupNotFound":
                    self.trouble = gone
            except BotoCoreError:
                pass  # held together with the run that is cut, and let go without an answer
            except Exception as trouble:
                self.trouble = trouble
            self.looks += 1


def standing(w, text=STACK):
    w.reset()
    w.control("POST", "pace?pace=instant")
    w.edit(text)
    w.up()
    w.control("POST", "pace?pace=fast")


def only_the_new_one(w, whole, edit):
    assert w.plan() == {}
    found = w.inventory()
    if edit == "port":
        found = [str(n).replace("api-8080", "api").replace("8080", "80") for n in found.elements()]
    else:
        found = [str(n).replace("web", "api") for n in found.elements() if n[0] != "listener rule" or n[1] == "default"]
    assert differences(Counter(found), Counter(str(n) for n in whole.elements())) == []


@pytest.mark.parametrize("edit", EDITS)
def test_it_keeps_serving(world, whole, edit):
    w = world
    standing(w, STACK + 'routes = ["/api/*"]\n' if "routes" in edit else STACK)
    w.edit(EDITS[edit])
    with Watch() as watch:
        said = w.up("-o", "json").text
    assert watch.gaps == [] and watch.looks > 10 and len(watch.seen) == 2, (watch.looks, watch.seen, watch.gaps[:1])
    assert "targets of billing-" in said, "what is waited for is said:\n" + said
    only_the_new_one(w, whole, edit)
    count("handovers", looks=watch.looks, gaps=0)


def test_wherever_it_is_cut(world, whole):
    w = world
    tried = 0
    for n in some(range(1, 45), 3):
        standing(w)
        w.edit(EDITS["port"])
        with Watch() as watch:
            w.cut(("up", "--yes"), n, changes=True)
            w.run("up", "--yes", "--steal").ends(0)
        assert watch.gaps == [], (n, watch.gaps[:1])
        only_the_new_one(w, whole, "port")
        tried += 1
    count("handovers cut", cuts=tried, gaps=0)


def test_one_that_never_gets_healthy_leaves_the_old_one_serving(world, whole):
    w = world
    standing(w)
    w.control("POST", "pace?pace=instant")
    w.edit(EDITS["port"])
    shown = w.run("plan").ends(2).text
    assert "billing-api keeps serving until 2 targets of billing-api-8080 are healthy" in shown, shown
    w.control("POST", "unhealthy", {"targets": ["billing-api-8080"]})
    with Watch() as watch:
        run = w.up(code=1)
        assert "0 of 2 targets of billing-api-8080 healthy; billing-api serves" in run.text, run.text
        # The same again, cut while it waits.
        run = w.start("up", "--yes", "-o", "json")
        run.until("0 of 2 targets of billing-api-8080 healthy")
        run.kill()
        assert watch.seen == {"billing-api"}
        w.control("POST", "unhealthy", {"targets": []})
        w.run("up", "--yes", "--steal").ends(0)
    assert watch.gaps == []
    only_the_new_one(w, whole, "port")


def kept(w):
    """What a service keeps when it is renamed: each object's id, or what AWS says of its making."""
    groups = w.ec2.describe_security_groups(Filters=[{"Name": "tag:gameday:step", "Values": [own("security-group")]}])
    paths = [log_path(what) for what in ("app", "boot")]
    logs = w.logs.describe_log_groups(logGroupNamePrefix="/gameday/")["logGroups"]
    alarms = [name_of(own("alarm", what)) for what in ("healthy-hosts", "unhealthy-hosts")]
    return {
        "group": [g["GroupId"] for g in groups["SecurityGroups"]],
        "role": w.iam.get_role(RoleName=name_of(own("role")))["Role"]["RoleId"],
        "profile": w.iam.get_instance_profile(InstanceProfileName=name_of(own("instance-profile")))[
            "InstanceProfile"]["InstanceProfileId"],
        "logs": {g["logGroupName"]: g["creationTime"] for g in logs if g["logGroupName"] in paths},
        "alarms": sorted(a["AlarmArn"] for a in w.cloudwatch.describe_alarms(AlarmNames=alarms)["MetricAlarms"]),
    }


def test_a_renamed_service_keeps_what_is_its_own(world):
    w = world
    standing(w)
    before = kept(w)
    assert [len(before[what]) for what in ("group", "logs", "alarms")] == [1, 2, 2], before
    handed_over = {f"{kind}/{name}" for name in ("api", "web") for kind in (
        "launch-template", "target-group", "auto-scaling-group", "access-point")}
    handed_over |= {"scaling-policy/api-requests", "scaling-policy/web-requests"}
    # The name and the port, then the name again: each time what is its own stays under its first name.
    for name in ("web", "shop", "api"):
        w.edit(STACK.replace("service.api", f"service.{name}"))
        plan = w.plan()
        made = {key for key, (word, _) in plan.items() if word in ("create", "delete")}
        if name == "web":
            assert made == handed_over, plan
        assert not [k for k, (word, _) in plan.items() if word in ("refuse", "replace")], plan
        with Watch() as watch:
            w.up()
        assert watch.gaps == [] and watch.looks > 10 and len(watch.seen) == 2, (watch.looks, watch.seen, watch.gaps[:1])
        assert kept(w) == before, name
        assert w.plan() == {}, name
        groups = w.ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["billing-app*"]}])
        assert [g["GroupId"] for g in groups["SecurityGroups"]] == before["group"], "there is one, as before"
        w.run("status").ends(0)
        w.run("why").ends(0)
    w.edit(STACK.replace("service.api", "service.web"))
    w.up()
    w.note_secrets()
    w.teardown()
    assert differences(w.inventory(), w.empty) == []
