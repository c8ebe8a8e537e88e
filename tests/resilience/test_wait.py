"""The wait for the service: as long as it makes sense, and with a word on what is wrong."""

import pytest
from conftest import count

ANY_PATH = [{"Field": "path-pattern", "Values": ["/*"]}]
FULL = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}]


def balancer(w):
    return w.elbv2.describe_load_balancers(Names=["billing-main"])["LoadBalancers"][0]


@pytest.fixture(scope="module")
def standing(shared):
    shared.reset()
    shared.up()
    yield shared


def test_what_does_not_pass_ends_the_wait_and_is_named(standing):
    w = standing
    listener = w.elbv2.describe_listeners(LoadBalancerArn=balancer(w)["LoadBalancerArn"])["Listeners"][0]
    rule = w.elbv2.create_rule(
        ListenerArn=listener["ListenerArn"], Priority=1, Conditions=ANY_PATH, Actions=FULL
    )["Rules"][0]["RuleArn"]
    status = w.run("status", "-o", "json").ends(1)
    assert status.json["serving"] is False and status.json["verdict"].startswith("NOT SERVING"), status.json["verdict"]
    # The longest patience there is: at this pace 86 seconds.
    patient = ("--patience", "86400")
    for said in [w.up(*patient, code=1), w.up(*patient, "-o", "json", code=1)]:
        assert said.seconds < 80, f"it waited {said.seconds} s"
        assert "another rule matches" in said.text and f"delete-rule --rule-arn {rule}" in said.text, said.text
    once = w.up(code=1)
    rest = once.text.removeprefix(once.out)
    assert rest.count("delete-rule") == 1 and rest.count("another rule matches") == 1, once.text
    assert once.out.count("another rule matches") == 1, once.out
    assert said.json["event"] == "not_serving" and said.json["finding"]["rule"] == "rule-stolen"
    w.elbv2.delete_rule(RuleArn=rule)
    w.up()


def test_ctrl_c_in_the_wait_says_what_stands(standing):
    w = standing
    w.control("POST", "unhealthy", {"targets": ["*"]})
    run = w.start("up", "--yes")
    run.until("waiting until it answers")
    run.interrupt()
    run.wait(10).ends(130)
    assert "stopped waiting" in run.text and "0 of 2 targets healthy" in run.text and "gameday" in run.text, run.text
    w.control("POST", "unhealthy", {"targets": []})
    w.up()


def test_a_balancer_that_is_made_again_has_a_new_address(standing):
    w = standing
    before = balancer(w)
    w.elbv2.delete_load_balancer(LoadBalancerArn=before["LoadBalancerArn"])
    said = w.up("-o", "json")
    now = balancer(w)["DNSName"]
    assert now != before["DNSName"]
    assert f'"event":"new_address","endpoint":"http://{now}"' in said.out, said.out[-2000:]
    assert "new_address" not in w.up("-o", "json").out
    count("waits", ended=3)
