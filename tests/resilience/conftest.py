"""The real binary, the sandbox behind it, and a second pair of hands in the same account.

Everything that any run says is kept, and no password may be in it.
"""

import fcntl
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
from collections import Counter

import harness
import pytest
from botocore.exceptions import ClientError
from harness import STACK

# The long form; else a few of each.
LONG = bool(os.environ.get("GAMEDAY_CUTS") or os.environ.get("GAMEDAY_SEEDS"))


def some(items, few):
    """All in the long form, else a spread of a few."""
    items = list(items)
    return items if LONG else [items[(2 * i + 1) * len(items) // (2 * few)] for i in range(few)]


def count(what, **numbers):
    """A line of the counts that the long form is run for."""
    print(f"\ncount: {what}: " + ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in numbers.items()), flush=True)


class Run(harness.Said):
    """One process of gameday, running or done."""

    def __init__(self, world, args, env):
        self.world, self.args, self.line = world, args, " ".join(args)
        self.files = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            world.line(*args),
            stdin=subprocess.DEVNULL,
            stdout=self.files[0],
            stderr=self.files[1],
            env=world.environment(env),
        )

    def done(self):
        return self.process.poll() is not None

    def look(self):
        """Whether what anybody on the machine can see of it holds a password."""
        try:
            line = pathlib.Path(f"/proc/{self.process.pid}/cmdline").read_bytes()
            line += pathlib.Path(f"/proc/{self.process.pid}/environ").read_bytes()
        except OSError:
            return
        self.world.said.append(("process list", line.decode(errors="replace")))

    # A step goes on for 150 s with an object that somebody else deleted meanwhile; a busy machine adds to that.
    def wait(self, timeout=420):
        try:
            self.code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.args} did not end within {timeout} s:\n{self.text[-3000:]}") from None
        self.seconds = time.monotonic() - self.begun
        self.world.said.append((self.line, self.text))
        assert "panicked" not in self.text, self.text
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.world.said.append((self.line, self.text))

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def until(self, text, timeout=60):
        """Waits until it has said this."""
        end = time.monotonic() + timeout
        while not re.search(text, self.text):
            assert not self.done() or re.search(text, self.text), f"it ended without {text!r}:\n{self.text}"
            assert time.monotonic() < end, f"it never said {text!r}:\n{self.text}"
            time.sleep(0.02)

    def read(self, file):
        return os.pread(file.fileno(), 1 << 26, 0).decode(errors="replace")

    @property
    def out(self):
        return self.read(self.files[0])

    @property
    def err(self):
        return self.read(self.files[1])

    @property
    def json(self):
        return json.loads(self.out.splitlines()[-1])


class World(harness.World):
    def __init__(self, folder):
        super().__init__(folder)
        self.said, self.passwords, self.later = [], set(), []

    # gameday

    def start(self, *args, **env):
        return Run(self, args, env)

    def run(self, *args, timeout=420, **env):
        return self.start(*args, **env).wait(timeout)

    def up(self, *more, code=0):
        return self.run("up", "--yes", *more).ends(code)

    def teardown(self, *more, code=0):
        return self.run("teardown", "--confirm", "billing", *more).ends(code)

    def plan(self, *more):
        """The changes, by key: the change's word and the paths that differ."""
        run = self.run("plan", "-o", "json", *more)
        assert run.code in (0, 2), run.text
        changes = {c["key"]: (c["change"], [f["path"] for f in c.get("diff", [])]) for c in run.json["changes"]}
        assert run.code == (2 if changes else 0)
        return changes

    def after_repair(self, undo):
        """What somebody added and nothing uses any more is somebody's to delete."""
        self.later.append(undo)

    def clear_away(self):
        while self.later:
            self.later.pop()()

    def edit(self, text):
        self.file.write_text(text)

    def take(self, example):
        """Takes an example as the stack file, in the region of the clients."""
        folder = pathlib.Path(__file__).parents[2] / "examples"
        for template in folder.glob("*.j2"):
            (self.folder / template.name).write_text(template.read_text())
        self.edit((folder / f"{example}.toml").read_text().replace("ap-southeast-1", "us-east-1"))

    # The account

    def faults(self, **rules):
        return self.control("POST", "faults", rules)

    def no_faults(self):
        return self.control("DELETE", "faults")

    def faults_done(self):
        return self.control("GET", "faults")["done"]

    def reset(self):
        self.check_secrets()
        self.no_faults()
        self.control("POST", "reset")
        self.control("DELETE", "calls")

    def changes_made(self):
        """The changing calls since the last time, the lease's own left out."""
        calls = self.control("GET", "calls")["calls"]
        self.control("DELETE", "calls")
        return Counter(
            f"{c['service']}:{c['operation']}"
            for c in calls
            if c["mutating"] and not (c["service"] == "ssm" and c["operation"] in ("PutParameter", "DeleteParameter"))
        )

    def cut(self, run_args, n, changes=False):
        """Starts a run and kills it when n calls (or changing ones) have taken effect; whether it came that far."""
        self.faults(hold_after=n, hold_counts_changes=changes)
        run = self.start(*run_args)
        end = time.monotonic() + 180
        while not run.done() and not self.faults_done()["held"]:
            assert time.monotonic() < end, run.text
            time.sleep(0.01)
        run.look()
        cut = not run.done()
        run.kill()
        self.no_faults()
        return cut

    def inventory(self):
        """All that stands in the account, tagged or not: kind and name of each, as often as it is there."""
        found = Counter()

        def add(kind, items, name):
            found.update((kind, name(i)) for i in items)

        def step(i, key="Tags"):
            tags = {t["Key"]: t["Value"] for t in i.get(key) or []}
            return tags.get("gameday:step") or tags.get("Name") or "?"

        ec2 = self.ec2
        vpcs = [v for v in ec2.describe_vpcs()["Vpcs"] if not v["IsDefault"]]
        mine = {v["VpcId"] for v in vpcs}

        def inside(items):
            return [i for i in items if i["VpcId"] in mine]

        add("vpc", vpcs, step)
        add("subnet", inside(ec2.describe_subnets()["Subnets"]), step)
        groups = inside(ec2.describe_security_groups()["SecurityGroups"])
        add("security group", groups, step)
        rules = ec2.describe_security_group_rules()["SecurityGroupRules"]
        names = {g["GroupId"]: g["GroupName"] for g in groups}
        for r in rules:
            if r["GroupId"] in names:
                peer = r.get("CidrIpv4") or names.get(r.get("ReferencedGroupInfo", {}).get("GroupId"), "?")
                way = "out" if r["IsEgress"] else "in"
                found[("rule", f"{names[r['GroupId']]} {way} {r.get('IpProtocol')} {r.get('FromPort')} {peer}")] += 1
        add("gateway", ec2.describe_internet_gateways()["InternetGateways"], step)
        tables = inside(ec2.describe_route_tables()["RouteTables"])
        add("route table", tables, step)
        add("main table", [t for t in tables if any(a["Main"] for a in t["Associations"])], step)
        for t in tables:
            add("route", t["Routes"], lambda r, t=t: f"{step(t)} {r.get('DestinationCidrBlock', '')} {r['State']}")
        for a in inside(ec2.describe_network_acls()["NetworkAcls"]):
            add("network ACL", [a], step)
            add("entry", a["Entries"],
                lambda e, a=a: f"{step(a)} {e['Egress']} {e['RuleNumber']} {e['RuleAction']} {e['Protocol']} {e['CidrBlock']}")
            add("follower", a["Associations"], lambda s, a=a: step(a))
        options = {o["DhcpOptionsId"]: json.dumps(o["DhcpConfigurations"]) for o in
                   ec2.describe_dhcp_options()["DhcpOptions"]}
        add("options", options.values(), str)
        add("options of a VPC", vpcs, lambda v: options.get(v["DhcpOptionsId"]))
        add("endpoint", [e for e in ec2.describe_vpc_endpoints()["VpcEndpoints"] if e["State"] != "deleted"], step)
        add("template", ec2.describe_launch_templates()["LaunchTemplates"], lambda t: t["LaunchTemplateName"])
        lives = [
            i
            for r in ec2.describe_instances()["Reservations"]
            for i in r["Instances"]
            if i["State"]["Name"] not in ("terminated", "shutting-down")
        ]
        add("instance", lives, lambda i: "any")
        add("interface", [i for i in ec2.describe_network_interfaces()["NetworkInterfaces"] if i["VpcId"] in mine],
            lambda i: "any")
        elb = self.elbv2
        balancers = elb.describe_load_balancers()["LoadBalancers"]
        add("balancer", balancers, lambda b: b["LoadBalancerName"])
        add("target group", elb.describe_target_groups()["TargetGroups"], lambda t: t["TargetGroupName"])
        for b in balancers:
            listeners = elb.describe_listeners(LoadBalancerArn=b["LoadBalancerArn"])["Listeners"]
            add("listener", listeners, lambda i: str(i["Port"]))
            for i in listeners:
                add("listener rule", elb.describe_rules(ListenerArn=i["ListenerArn"])["Rules"], lambda r: r["Priority"])
        distributions = self.cloudfront.list_distributions()["DistributionList"].get("Items", [])
        add("distribution", distributions, lambda d: d["Comment"])
        asg = self.autoscaling
        add("fleet", asg.describe_auto_scaling_groups()["AutoScalingGroups"], lambda g: g["AutoScalingGroupName"])
        add("policy", asg.describe_policies()["ScalingPolicies"], lambda p: p["PolicyName"])
        rds = self.rds
        add("database", rds.describe_db_instances()["DBInstances"], lambda d: d["DBInstanceIdentifier"])
        add("db subnets", rds.describe_db_subnet_groups()["DBSubnetGroups"], lambda d: d["DBSubnetGroupName"])
        add("db parameters", [g for g in rds.describe_db_parameter_groups()["DBParameterGroups"]
                              if not g["DBParameterGroupName"].startswith("default")],
            lambda d: d["DBParameterGroupName"])
        add("snapshot", rds.describe_db_snapshots()["DBSnapshots"],
            lambda s: re.sub(r"-2\d\d\d-.*", "", s["DBSnapshotIdentifier"]))
        cache = self.elasticache
        add("cache", cache.describe_replication_groups()["ReplicationGroups"], lambda c: c["ReplicationGroupId"])
        add("cache node", cache.describe_cache_clusters()["CacheClusters"], lambda c: c["CacheClusterId"])
        add("cache subnets", cache.describe_cache_subnet_groups()["CacheSubnetGroups"],
            lambda c: c["CacheSubnetGroupName"])
        efs = self.efs
        systems = efs.describe_file_systems()["FileSystems"]
        add("file system", systems, step)
        for s in systems:
            mounts = efs.describe_mount_targets(FileSystemId=s["FileSystemId"])["MountTargets"]
            add("mount target", mounts, lambda m: m["AvailabilityZoneName"])
            points = efs.describe_access_points(FileSystemId=s["FileSystemId"])["AccessPoints"]
            add("access point", points, step)
        iam = self.iam
        add("role", [r for r in iam.list_roles()["Roles"] if not r["Path"].startswith("/aws-service-role/")],
            lambda r: r["RoleName"])
        add("profile", iam.list_instance_profiles()["InstanceProfiles"], lambda p: p["InstanceProfileName"])
        pages = self.ssm.get_paginator("describe_parameters").paginate()
        parameters = [p for page in pages for p in page["Parameters"] if not p["Name"].startswith("/aws/")]
        # Whether there is a history of durations depends on how long things took.
        parameters = [p for p in parameters if not p["Name"].endswith("/durations")]
        add("parameter", parameters, lambda p: p["Name"])
        add("log group", self.logs.describe_log_groups()["logGroups"], lambda g: g["logGroupName"])
        pages = self.cloudwatch.get_paginator("describe_alarms").paginate()
        add("alarm", [a for page in pages for a in page["MetricAlarms"]],
            lambda a: re.sub(r"(Alarm(High|Low)).*", r"\1", a["AlarmName"]))
        add("dashboard", self.cloudwatch.list_dashboards()["DashboardEntries"], lambda d: d["DashboardName"])
        return found

    # What no run may say

    def note_secrets(self):
        pages = self.ssm.get_paginator("get_parameters_by_path").paginate(
            Path="/gameday", Recursive=True, WithDecryption=True
        )
        self.passwords |= {p["Value"] for page in pages for p in page["Parameters"] if p["Type"] == "SecureString"}

    def check_secrets(self):
        self.note_secrets()
        for where, text in self.said:
            for password in self.passwords:
                assert password not in text, f"a password in the output of {where}"
        self.said.clear()


def differences(found, wanted):
    """What is too much and what is missing, for people."""
    more, less = found - wanted, wanted - found
    return [f"+{n} {k}" for k, n in sorted(more.items())] + [f"-{n} {k}" for k, n in sorted(less.items())]


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    world.reset()
    world.empty = world.inventory()
    yield world
    world.check_secrets()
    count("secrets", passwords_looked_for=len(world.passwords), found=0)


@pytest.fixture
def world(shared):
    shared.control("POST", "pace?pace=instant")
    shared.reset()
    shared.edit(STACK)
    yield shared
    shared.no_faults()


@pytest.fixture(scope="session")
def whole(shared):
    """What an undisturbed `up` makes. Found out by one suite, for all of a run."""
    with open(pathlib.Path(os.environ["GAMEDAY_RUN"]) / "whole", "a+") as kept:
        fcntl.flock(kept, fcntl.LOCK_EX)
        kept.seek(0)
        if text := kept.read():
            return Counter({tuple(what): n for what, n in json.loads(text)})
        shared.reset()
        shared.edit(STACK)
        shared.control("POST", "pace?pace=instant")
        shared.up()
        found = shared.inventory()
        shared.reset()
        json.dump(list(found.items()), kept)
        return found


@pytest.fixture(scope="module")
def standing(shared, whole):
    """A stack that stands, one for all tests of a file."""
    shared.reset()
    shared.edit(STACK)
    shared.up()
    shared.changes_made()
    yield shared


@pytest.fixture
def built(world):
    """A stack that stands."""
    world.up()
    world.changes_made()
    return world


__all__ = ["STACK", "ClientError"]
