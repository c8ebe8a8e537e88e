"""What gameday prints, in each state of a stack: commands are complete and can be typed, JSON fits its schema."""

import json
import re
import shlex

import jsonschema
from conftest import FILE

STACK = """\
name = "billing"
region = "us-east-1"

[service.api]
source = "https://bucket.s3.amazonaws.com/server"
"""
OPTIONS = f"-c '{FILE}' --sandbox "


def verbs(world):
    help = world.shell("gameday --help").ends(0).out
    return re.findall(r"^  ([a-z]+)  ", help, re.MULTILINE) + ["network", "database", "fleet", "balancer", "files", "cache"]


def told(text):
    """The commands in a text: what stands between backquotes, and what is to be typed."""
    found = re.findall(r"`([^`\n]*)`", text)
    found += [line.split("  # ")[0] for line in re.findall(r"^  type  (.*)$", text, re.MULTILINE)]
    return [one for each in found for one in each.split(" && ")]


def commands_in(value):
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "command" and inner:
                yield from inner.split(" && ")
            else:
                yield from commands_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from commands_in(inner)
    elif isinstance(value, str):
        yield from told(value)


class Checked:
    """Everything that was said."""

    def __init__(self, world):
        self.world, self.verbs, self.commands = world, verbs(world), set()

    def hears(self, said):
        texts = [said.text]
        for line in said.out.splitlines():
            if line.startswith("{"):
                self.commands.update(commands_in(json.loads(line)))
                texts = [said.err]
        for text in texts:
            self.commands.update(told(text))
            # Nor does one stand anywhere else without its options.
            for verb in self.verbs:
                bare = re.search(rf"gameday {verb}\b(?! env)", text)
                assert not bare or verb == "sandbox", f"{said.line}: {text[max(0, bare.start() - 60):bare.end() + 40]}"
        return said

    def run(self, *args):
        return self.hears(self.world.run(*args))

    def both(self, *args):
        self.run(*args)
        return self.run(*args, "-o", "json")


def test_each_command_is_complete_and_can_be_typed(world):
    (world.work / FILE).write_text(STACK)
    here = Checked(world)
    # Nothing is built.
    for verb in (["status"], ["why"], ["plan"], ["targets", "list"], ["logs"], ["teardown"], ["teardown", "--yes"]):
        here.both(*verb)
    assert here.run("status").ends(1).out.startswith("NOT BUILT")
    assert here.run("-o", "json", "status").json["word"] == "NOT BUILT"
    for wrong in (["up", "--replace", "databse/main"], ["up"], ["teardown", "--confirm", "other"], ["render", "nope"]):
        here.both(*wrong)

    assert here.run("up", "--yes").ends(0).out.startswith("SERVING")
    for verb in (["status"], ["status", "-v"], ["why"], ["why", "-v"], ["plan"], ["targets", "list"], ["cost"], ["logs"]):
        here.both(*verb)
    assert "the service answers" in here.run("logs").ends(0).out
    here.both("targets", "attach", "i-00000000")
    here.both("targets", "detach", "i-0123456789abcdef0")

    # Broken in three ways: what is to be typed is typed.
    for breaks in (listener, targets, network):
        breaks(world)
        seen = here.run("-o", "json", "why").ends(0, 1).json
        here.run("why"), here.run("why", "-v"), here.both("status")
        command = seen["services"][0]["findings"][0]["command"]
        assert command.startswith(f"gameday {OPTIONS}"), command
        repair = command + " --yes" if command.split()[-1] == "up" or " up " in command else command
        here.hears(world.shell(repair).ends(0))
        here.run("up", "--yes").ends(0)
        assert here.run("-o", "json", "status").ends(0).json["word"] == "SERVING", breaks

    # A stranger's rule is the stranger's: it is deleted with the AWS CLI, in the sandbox.
    rule = stolen(world)
    seen = here.run("-o", "json", "why").ends(1).json
    here.run("why"), here.run("up", "--yes").ends(1)
    command = seen["services"][0]["findings"][0]["command"]
    assert command == f"env $(gameday sandbox env) aws --region us-east-1 elbv2 delete-rule --rule-arn {rule}", command
    world.client("elbv2").delete_rule(RuleArn=rule)

    here.both("teardown")
    here.run("teardown", "--confirm", "billing").ends(0)

    ours = {c for c in here.commands if c.startswith("gameday ") and not c.startswith("gameday sandbox ")}
    assert len(ours) >= 8, ours
    for command in sorted(ours):
        assert command.startswith(f"gameday {OPTIONS}"), command
        world.shell(f"{command} --help").ends(0)
        assert world.shell(f"bash -n -c {shlex.quote(command)}").code == 0, command
    for command in (c for c in here.commands if " aws " in c or c.startswith("aws ")):
        assert command.startswith("env $(gameday sandbox env) aws --region us-east-1 "), command


def listener(world):
    world.client("elbv2").delete_listener(ListenerArn=world.listener())


def targets(world):
    elb = world.client("elbv2")
    [group] = elb.describe_target_groups()["TargetGroups"]
    health = elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
    elb.deregister_targets(TargetGroupArn=group["TargetGroupArn"], Targets=[{"Id": health[0]["Target"]["Id"]}])


def network(world):
    ec2 = world.client("ec2")
    [group] = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["billing-alb"]}])["SecurityGroups"]
    ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])


def stolen(world):
    action = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
    condition = {"Field": "path-pattern", "Values": ["/*"]}
    made = world.client("elbv2").create_rule(
        ListenerArn=world.listener(), Priority=1, Conditions=[condition], Actions=[action]
    )
    return made["Rules"][0]["RuleArn"]


def test_each_output_fits_its_schema(world):
    (world.work / FILE).write_text(STACK)

    def fits(said, output):
        schema = json.loads(world.shell(f"gameday schema {output}").ends(0).out)
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        assert said.lines, said.line
        for line in said.lines:
            wrong = jsonschema.exceptions.best_match(validator.iter_errors(line))
            assert wrong is None, f"{said.line}: {wrong.json_path}: {wrong.message}\n{line}"
            # What is not described is not printed either.
            if not schema.keys() & {"oneOf", "anyOf", "allOf"}:
                assert set(line) <= set(schema["properties"]), set(line) - set(schema["properties"])

    j = ["-o", "json"]
    fits(world.run(*j, "status"), "status")
    fits(world.run(*j, "plan").ends(2), "plan")
    fits(world.run(*j, "up"), "error")
    fits(world.run(*j, "up", "--yes").ends(0), "lines")
    fits(world.run(*j, "status").ends(0), "status")
    fits(world.run(*j, "why").ends(0), "why")
    fits(world.run(*j, "cost").ends(0), "cost")
    fits(world.run(*j, "targets", "list").ends(0), "targets")
    at = world.run(*j, "targets", "list").json["message"][0]["instanceId"]
    fits(world.run(*j, "targets", "detach", at).ends(0), "target")
    fits(world.run(*j, "status").ends(0), "status")
    fits(world.run(*j, "targets", "attach", at).ends(0), "target")
    watched = world.shell(f"timeout 20 gameday -c '{FILE}' --sandbox -o json status --watch | head -2")
    fits(watched, "watch")
    listener(world)
    fits(world.run(*j, "why").ends(1), "why")
    fits(world.run(*j, "status").ends(1), "status")
    fits(world.run(*j, "plan").ends(2), "plan")
    fits(world.run(*j, "plan", "--replace", "nothing/there").ends(2), "error")
    fits(world.run(*j, "plan", "netwrk").ends(2), "error")
    (world.work / "wrong.toml").write_text('name = "Billing"\nzones = ["a"]\n')
    wrong = world.shell("gameday -c wrong.toml -o json plan").ends(2)
    fits(wrong, "error")
    places = {e["code"]: (e["file"], e["line"], e["column"]) for e in wrong.json["errors"]}
    assert places["stack_name"] == ("wrong.toml", 1, 8) and all(e["help"] for e in wrong.json["errors"]), wrong.out
    assert wrong.err == "", "one place"
    fits(world.run(*j, "teardown", "--confirm", "billing").ends(0), "lines")
