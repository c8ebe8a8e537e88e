"""A tag is a claim, not a proof: whoever can only tag, or makes what looks like the stack's, has nothing changed, deleted,
adopted or run by it. Strangers' objects of every kind stand beside the stack, with forged tags, and stay as they are."""

import json

import pytest
from conftest import STACK, count, differences
from names import log_path, name_of, own


def tags(step, keys=("Key", "Value")):
    k, v = keys
    return [{k: "gameday:stack", v: "billing"}, {k: "gameday:step", v: step}, {k: "Name", v: "billing-forged"}]


class Strangers:
    """Objects of somebody else, one of each kind, and what AWS shows of each."""

    def __init__(self, w):
        self.w, self.shown = w, {}
        ec2, name = w.ec2, "customers-live"
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        zones = ["us-east-1a", "us-east-1b"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
            for i, zone in enumerate(zones)
        ]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        group = ec2.create_security_group(GroupName="theirs", Description="theirs", VpcId=vpc)["GroupId"]
        endpoint = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", RouteTableIds=[table])
        endpoint = endpoint["VpcEndpoint"]["VpcEndpointId"]
        options = ec2.create_dhcp_options(DhcpConfigurations=[{"Key": "domain-name", "Values": ["theirs.example"]}])
        options = options["DhcpOptions"]["DhcpOptionsId"]
        # What is in no use is what AWS lets go of.
        free = ec2.allocate_address(Domain="vpc")["AllocationId"]
        used = ec2.allocate_address(Domain="vpc")["AllocationId"]
        nat = ec2.create_nat_gateway(SubnetId=subnets[0], AllocationId=used)["NatGateway"]["NatGatewayId"]
        empty = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        self.ec2 = {
            "vpc/main": [vpc, empty], "subnet/public-a": [subnets[0]], "subnet/private-b": [subnets[1]],
            "internet-gateway/main": [gateway], "route-table/public": [table], own("security-group"): [group],
            "vpc-endpoint/s3": [endpoint], "dhcp-options/main": [options], "elastic-ip/a": [free, used],
            "nat-gateway/a": [nat],
        }
        for kind, ids, call in [
            ("vpc", [vpc, empty], lambda i: ec2.describe_vpcs(VpcIds=[i])["Vpcs"]),
            ("subnet", subnets, lambda i: ec2.describe_subnets(SubnetIds=[i])["Subnets"]),
            ("gateway", [gateway], lambda i: ec2.describe_internet_gateways(InternetGatewayIds=[i])["InternetGateways"]),
            ("table", [table], lambda i: ec2.describe_route_tables(RouteTableIds=[i])["RouteTables"]),
            ("group", [group], lambda i: ec2.describe_security_groups(GroupIds=[i])["SecurityGroups"]),
            ("endpoint", [endpoint], lambda i: ec2.describe_vpc_endpoints(VpcEndpointIds=[i])["VpcEndpoints"]),
            ("options", [options], lambda i: ec2.describe_dhcp_options(DhcpOptionsIds=[i])["DhcpOptions"]),
            ("address", [free, used], lambda i: ec2.describe_addresses(AllocationIds=[i])["Addresses"]),
            ("nat", [nat], lambda i: ec2.describe_nat_gateways(NatGatewayIds=[i])["NatGateways"]),
        ]:
            for i in ids:
                self.show(f"{kind} {i}", lambda call=call, i=i: call(i))
        self.data(name, vpc, subnets, group)
        self.fleet(name, vpc, subnets, group)
        self.rest(name)

    def data(self, name, vpc, subnets, group):
        w = self.w
        rds, cache, efs = w.rds, w.elasticache, w.efs
        rds.create_db_subnet_group(DBSubnetGroupName=name, DBSubnetGroupDescription="theirs", SubnetIds=subnets)
        rds.create_db_parameter_group(DBParameterGroupName=name, DBParameterGroupFamily="mysql8.4", Description="theirs")
        database = rds.create_db_instance(
            DBInstanceIdentifier=name, Engine="mysql", EngineVersion="8.4.6", DBInstanceClass="db.t3.micro",
            AllocatedStorage=20, MasterUsername="theirs", MasterUserPassword="their-own-password", DBName="customers",
            DBSubnetGroupName=name, DeletionProtection=True, BackupRetentionPeriod=14)["DBInstance"]["DBInstanceArn"]
        self.rds = {
            "database/main": database,
            "db-subnet-group/main": rds.describe_db_subnet_groups(DBSubnetGroupName=name)["DBSubnetGroups"][0]["DBSubnetGroupArn"],
            "db-parameter-group/main":
                rds.describe_db_parameter_groups(DBParameterGroupName=name)["DBParameterGroups"][0]["DBParameterGroupArn"],
        }
        self.show("database", lambda: rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"])
        self.show("db subnets", lambda: rds.describe_db_subnet_groups(DBSubnetGroupName=name)["DBSubnetGroups"])
        self.show("db parameters", lambda: rds.describe_db_parameter_groups(DBParameterGroupName=name)["DBParameterGroups"])
        cache.create_cache_subnet_group(CacheSubnetGroupName=name, CacheSubnetGroupDescription="theirs", SubnetIds=subnets)
        replicas = cache.create_replication_group(
            ReplicationGroupId=name, ReplicationGroupDescription="theirs", CacheNodeType="cache.t3.micro",
            Engine="redis", NumCacheClusters=1, CacheSubnetGroupName=name)["ReplicationGroup"]["ARN"]
        group_arn = cache.describe_cache_subnet_groups(CacheSubnetGroupName=name)["CacheSubnetGroups"][0]["ARN"]
        self.cache = {"cache/main": replicas, "cache-subnet-group/main": group_arn}
        self.show("cache", lambda: cache.describe_replication_groups(ReplicationGroupId=name)["ReplicationGroups"])
        self.show("cache subnets", lambda: cache.describe_cache_subnet_groups(CacheSubnetGroupName=name)["CacheSubnetGroups"])
        fs = efs.create_file_system(CreationToken="theirs")["FileSystemId"]
        efs.create_mount_target(FileSystemId=fs, SubnetId=subnets[0], SecurityGroups=[group])
        point = efs.create_access_point(FileSystemId=fs, ClientToken="theirs")["AccessPointId"]
        self.efs = {"file-system/main": fs, "access-point/api": point}
        self.show("file system", lambda: efs.describe_file_systems(FileSystemId=fs)["FileSystems"])
        self.show("mount targets", lambda: efs.describe_mount_targets(FileSystemId=fs)["MountTargets"])
        self.show("access points", lambda: efs.describe_access_points(FileSystemId=fs)["AccessPoints"])

    def fleet(self, name, vpc, subnets, group):
        w = self.w
        ec2, elb, asg = w.ec2, w.elbv2, w.autoscaling
        template = ec2.create_launch_template(
            LaunchTemplateName=name, LaunchTemplateData={"ImageId": self.image(), "InstanceType": "t3.micro"},
        )["LaunchTemplate"]["LaunchTemplateId"]
        self.ec2["launch-template/api"] = [template]
        balancer = elb.create_load_balancer(Name=name, Subnets=subnets, SecurityGroups=[group])["LoadBalancers"][0]["LoadBalancerArn"]
        elb.modify_load_balancer_attributes(
            LoadBalancerArn=balancer, Attributes=[{"Key": "deletion_protection.enabled", "Value": "true"}])
        target = elb.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc)["TargetGroups"][0]["TargetGroupArn"]
        loose = elb.create_target_group(Name=f"{name}-2", Protocol="HTTP", Port=80, VpcId=vpc)["TargetGroups"][0]["TargetGroupArn"]
        listener = elb.create_listener(
            LoadBalancerArn=balancer, Protocol="HTTP", Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": target}])["Listeners"][0]["ListenerArn"]
        self.elb = {"load-balancer/main": [balancer], "target-group/api": [target, loose], "listener/http": [listener]}
        self.show("balancer", lambda: elb.describe_load_balancers(LoadBalancerArns=[balancer])["LoadBalancers"])
        self.show("balancer's attributes", lambda: elb.describe_load_balancer_attributes(LoadBalancerArn=balancer)["Attributes"])
        self.show("target groups", lambda: elb.describe_target_groups(TargetGroupArns=[target, loose])["TargetGroups"])
        self.show("listener", lambda: elb.describe_listeners(ListenerArns=[listener])["Listeners"])
        asg.create_auto_scaling_group(
            AutoScalingGroupName=name, MinSize=2, MaxSize=2, VPCZoneIdentifier=",".join(subnets),
            LaunchTemplate={"LaunchTemplateId": template, "Version": "1"}, TargetGroupARNs=[target])
        self.asg = name
        self.show("fleet", lambda: asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"])
        self.show("template", lambda: ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"])

    def image(self):
        return self.w.ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]

    def rest(self, name):
        w = self.w
        trust = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
        w.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        w.iam.create_instance_profile(InstanceProfileName=name)
        w.iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
        self.show("role", lambda: [w.iam.get_role(RoleName=name)["Role"]])
        self.show("profile", lambda: [w.iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]])
        w.cloudwatch.put_metric_alarm(
            AlarmName=name, Namespace="AWS/RDS", MetricName="CPUUtilization", Statistic="Average", Period=60,
            EvaluationPeriods=1, Threshold=1.0, ComparisonOperator="GreaterThanThreshold")
        self.show("alarm", lambda: w.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"])
        w.cloudwatch.put_dashboard(DashboardName=name, DashboardBody='{"widgets": []}')
        self.show("dashboard", lambda: [w.cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"]])
        w.logs.create_log_group(logGroupName=f"/theirs/{name}")
        self.show("log group", lambda: w.logs.describe_log_groups(logGroupNamePrefix=f"/theirs/{name}")["logGroups"])
        w.ssm.put_parameter(Name=f"/theirs/{name}", Value="theirs", Type="SecureString")
        self.show("parameter", lambda: [w.ssm.get_parameter(Name=f"/theirs/{name}", WithDecryption=True)["Parameter"]])

    def show(self, what, call):
        self.shown[what] = call

    def seen(self):
        """What AWS shows of each, but for what changes by itself."""
        text = {}
        for what, call in self.shown.items():
            items = call()
            assert items, f"the stranger's {what} is gone"
            for item in items:
                if isinstance(item, dict):
                    for volatile in ("LatestRestorableTime", "SizeInBytes"):
                        item.pop(volatile, None)
            text[what] = json.dumps(items, sort_keys=True, default=str, indent=1)
        return text

    def forge(self, as_step=lambda step: step):
        """Puts the tags of the stack's steps on every one of them."""
        w = self.w
        for step, ids in self.ec2.items():
            w.ec2.create_tags(Resources=ids, Tags=tags(as_step(step)))
        for step, arn in self.rds.items():
            w.rds.add_tags_to_resource(ResourceName=arn, Tags=tags(as_step(step)))
        for step, arn in self.cache.items():
            w.elasticache.add_tags_to_resource(ResourceName=arn, Tags=tags(as_step(step)))
        for step, thing in self.efs.items():
            w.efs.tag_resource(ResourceId=thing, Tags=tags(as_step(step)))
        for step, arns in self.elb.items():
            w.elbv2.add_tags(ResourceArns=arns, Tags=tags(as_step(step)))
        w.autoscaling.create_or_update_tags(Tags=[
            {"ResourceId": self.asg, "ResourceType": "auto-scaling-group", "PropagateAtLaunch": False, **t}
            for t in tags(as_step("auto-scaling-group/api"))])
        w.iam.tag_role(RoleName=self.asg, Tags=tags(as_step(own("role"))))
        w.iam.tag_instance_profile(InstanceProfileName=self.asg, Tags=tags(as_step(own("instance-profile"))))
        arn = f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{self.asg}"
        w.cloudwatch.tag_resource(ResourceARN=arn, Tags=tags(as_step("alarm/database-cpu")))
        w.ssm.add_tags_to_resource(
            ResourceType="Parameter", ResourceId=f"/theirs/{self.asg}", Tags=tags(as_step("parameter/db-master-password")))
        w.logs.tag_log_group(logGroupName=f"/theirs/{self.asg}", tags={
            "gameday:stack": "billing", "gameday:step": as_step(own("log-group", "app"))})


def same(before, after):
    """Each stranger's object, byte for byte."""
    for what, text in before.items():
        assert after[what] == text, f"the stranger's {what} was changed:\n{text}\n{after[what]}"


def renamed(step):
    """A step of a service that the stack file does not have."""
    kind, _ = step.split("/")
    return f"{kind}/other"


@pytest.mark.parametrize("when", ["before", "beside"])
@pytest.mark.parametrize("as_step", [str, renamed], ids=["steps", "remains"])
def test_forged_tags_change_nothing_of_anybody(world, whole, when, as_step):
    w = world
    if when == "beside":
        w.up()
    strangers = Strangers(w)
    strangers.forge(as_step)
    bare = w.inventory()
    before = strangers.seen()
    plan = w.run("plan")
    assert plan.code == (0 if when == "beside" else 2), plan.text
    same(before, strangers.seen())
    w.up()
    same(before, strangers.seen())
    assert w.plan() == {}
    w.up("--replace", "cache/main", "--replace", "database/main", "--replace", "load-balancer/main")
    same(before, strangers.seen())
    for _ in range(2):
        down = w.run("teardown", "--confirm", "billing")
        same(before, strangers.seen())
        assert "customers-live" in down.text, "what claims to be the stack's is named"
        assert "run the same command again" not in down.text, down.text
    # All of the stack is gone, and nothing but that.
    left = w.inventory()
    if when == "before":
        assert differences(left, bare) == []
    count("strangers' objects with forged tags", kinds=len(before), changed=0)


def test_a_claim_is_named_and_taken_over_only_by_its_id(built):
    w = built
    w.elasticache.create_replication_group(
        ReplicationGroupId="warm", ReplicationGroupDescription="theirs", CacheNodeType="cache.t3.micro",
        Engine="redis", NumCacheClusters=1)
    arn = w.elasticache.describe_replication_groups(ReplicationGroupId="warm")["ReplicationGroups"][0]["ARN"]
    w.elasticache.add_tags_to_resource(ResourceName=arn, Tags=tags("cache/main"))
    plan = w.run("plan").ends(0)
    assert "warm carries the tags of stack billing as cache/main" in plan.text, plan.text
    assert "--adopt cache/main=warm" in plan.text, plan.text
    # Who names it by its id means that one, here and below.
    assert "cache/main" in w.plan("--adopt", "cache/main=warm")
    before = w.inventory()
    refused = w.run("teardown", "--confirm", "billing", "--delete", "cold").ends(1)
    assert "there is no such object" in refused.text, refused.text
    refused = w.run("up", "--yes", "--adopt", "cache/main=cold").ends(1)
    assert "--adopt cache/main=cold: there is no such object" in refused.text, refused.text
    refused = w.run("teardown", "--confirm", "billing", "--delete", "warm").ends(1)
    assert "the stack's own object exists" in refused.text, "one is not deleted in the place of the other"
    assert differences(w.inventory(), before) == []

    def caches():
        return [g["ReplicationGroupId"] for g in w.elasticache.describe_replication_groups()["ReplicationGroups"]]

    down = w.run("teardown", "--confirm", "billing").ends(1)
    assert caches() == ["warm"] and "teardown --delete warm` deletes it" in down.text, down.text
    w.run("teardown", "--confirm", "billing", "--delete", "warm").ends(0)
    assert caches() == []


def test_a_cluster_of_memcached_is_taken_over_by_its_id(world):
    w = world
    w.edit(STACK + '\n[cache]\nengine = "memcached"\n')
    w.elasticache.create_cache_cluster(
        CacheClusterId="billing-main", CacheNodeType="cache.t3.micro", Engine="memcached", NumCacheNodes=1,
        Tags=tags("cache-cluster/main"))
    refused = w.run("up", "--yes", "cache").ends(1)
    assert "--adopt cache-cluster/main=billing-main" in refused.text, refused.text
    plan = w.plan("--adopt", "cache-cluster/main=billing-main")["cache-cluster/main"]
    assert plan[0] == "refuse" and "subnet_group" in plan[1], "it is outside the VPC"
    [theirs] = w.elasticache.describe_cache_clusters()["CacheClusters"]
    w.up("--adopt", "cache-cluster/main=billing-main", "--replace", "cache-cluster/main")
    [ours] = w.elasticache.describe_cache_clusters()["CacheClusters"]
    assert ours["CacheSubnetGroupName"] == "billing-main" != theirs.get("CacheSubnetGroupName")
    assert w.plan() == {}
    w.teardown()
    assert w.inventory() == w.empty


# Kinds that AWS keeps by a name: made beforehand under the stack's own, with its tags.
def squat_database(w):
    w.rds.create_db_instance(
        DBInstanceIdentifier="billing-main", Engine="mysql", DBInstanceClass="db.t3.micro", AllocatedStorage=20,
        MasterUsername="gdadmin", MasterUserPassword="attacker-knows-it", DBName="unicorndb",
        Tags=tags("database/main"))


def squat_parameter(w):
    w.ssm.put_parameter(
        Name="/gameday/billing/db-master-password", Value="attacker-knows-it-master", Type="SecureString",
        Tags=tags("parameter/db-master-password"))


def squat_role(w):
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:root"}, "Action": "sts:AssumeRole"}]}
    w.iam.create_role(
        RoleName=name_of(own("role")), AssumeRolePolicyDocument=json.dumps(trust),
        Tags=[*tags(own("role")), {"Key": "gameday:region", "Value": "us-east-1"}])


def squat_template(w):
    image = w.ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    w.ec2.create_launch_template(
        LaunchTemplateName="billing-api", LaunchTemplateData={"ImageId": image, "UserData": "IyEvYmluL3NoCg=="},
        VersionDescription="gameday sha256:0123456789abcdef",
        TagSpecifications=[{"ResourceType": "launch-template", "Tags": tags("launch-template/api")}])


def squat_files(w):
    w.efs.create_file_system(CreationToken="theirs", Tags=tags("file-system/main"))


def squat_dashboard(w):
    w.cloudwatch.put_dashboard(DashboardName="billing-main-us-east-1", DashboardBody='{"widgets": []}')


def squat_log_group(w):
    w.logs.create_log_group(
        logGroupName=log_path("app"), tags={"gameday:stack": "billing", "gameday:step": own("log-group", "app")})


SQUATS = {
    "database/main": squat_database, "parameter/db-master-password": squat_parameter, own("role"): squat_role,
    "launch-template/api": squat_template, own("log-group", "app"): squat_log_group, "dashboard/main": squat_dashboard,
}


@pytest.mark.parametrize("key", SQUATS)
def test_what_was_made_beforehand_under_our_name_is_not_taken(world, key):
    w = world
    SQUATS[key](w)
    before = w.inventory()
    plan = w.run("plan", "-o", "json").ends(1)
    said = next(e for e in plan.json["errors"] if e["key"] == key)
    assert said["code"] in ("unproven", "not_ours") and f"--adopt {key}=" in said["help"], said
    up = w.run("up", "--yes").ends(1)
    if said["code"] == "unproven":
        assert "nothing was changed" in up.text and f"--adopt {key}=" in up.text, up.text
        assert differences(w.inventory(), before) == []
    w.run("teardown", "--confirm", "billing")
    assert SQUATS[key] is squat_dashboard or differences(w.inventory(), before) == [], "and not deleted either"


def test_a_launch_template_version_of_anybody_does_not_choose_the_image(built):
    w = built
    template = w.ec2.describe_launch_templates(LaunchTemplateNames=["billing-api"])["LaunchTemplates"][0]["LaunchTemplateId"]
    images = w.ec2.describe_images(Owners=["amazon"])["Images"]
    ours = w.ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"][0]
    instance = next(i["InstanceId"] for r in w.ec2.describe_instances()["Reservations"] for i in r["Instances"]
                    if i["State"]["Name"] == "running")
    theirs = w.ec2.create_image(InstanceId=instance, Name="theirs")["ImageId"]
    version = w.ec2.create_launch_template_version(
        LaunchTemplateId=template, SourceVersion="1", VersionDescription="gameday x",
        LaunchTemplateData={"ImageId": theirs})["LaunchTemplateVersion"]["VersionNumber"]
    assert w.plan() == {}, "a version that nobody made the default changes nothing"
    w.ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion=str(version))
    plan = w.run("plan", "-o", "json").ends(2)
    print(plan.out)
    change = next(c for c in plan.json["changes"] if c["key"] == "launch-template/api")
    image = next(f for f in change["diff"] if f["path"] == "image")
    assert (image["found"], image["want"]) == (theirs, ours["LaunchTemplateData"]["ImageId"]), change
    w.up()
    latest = w.ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=["$Default"])
    assert latest["LaunchTemplateVersions"][0]["LaunchTemplateData"]["ImageId"] == ours["LaunchTemplateData"]["ImageId"]
    assert images


def test_a_protection_that_gameday_did_not_set_stays_until_the_id_is_given(built):
    w = built
    w.rds.modify_db_instance(
        DBInstanceIdentifier="billing-main", DeletionProtection=True, BackupRetentionPeriod=14, ApplyImmediately=True)
    balancer = w.elbv2.describe_load_balancers(Names=["billing-main"])["LoadBalancers"][0]["LoadBalancerArn"]
    w.elbv2.modify_load_balancer_attributes(
        LoadBalancerArn=balancer, Attributes=[{"Key": "deletion_protection.enabled", "Value": "true"}])
    assert "deletion_protection" not in str(w.plan()), "up does not take it off"
    w.up()
    database = w.rds.describe_db_instances(DBInstanceIdentifier="billing-main")["DBInstances"][0]
    assert database["DeletionProtection"] and database["BackupRetentionPeriod"] == 14, "fewer would delete backups"
    for _ in range(2):
        down = w.run("teardown", "--confirm", "billing").ends(1)
        assert "is protected from deletion" in down.text and "--delete billing-main" in down.text, down.text
        database = w.rds.describe_db_instances(DBInstanceIdentifier="billing-main")["DBInstances"][0]
        assert database["DeletionProtection"], "and teardown does not"
    # The run that takes the protection off is not the one that deletes it.
    w.faults(refuse=[{"on": "rds:DeleteDBInstance", "times": -1, "code": "AccessDenied", "message": "not now"}])
    w.run("teardown", "--confirm", "billing", "--delete", "billing-main", "--delete", balancer).ends(1)
    w.no_faults()
    w.rds.modify_db_instance(DBInstanceIdentifier="billing-main", BackupRetentionPeriod=0, ApplyImmediately=True)
    down = w.run("teardown", "--confirm", "billing").ends(0)
    assert w.rds.describe_db_instances()["DBInstances"] == [], down.text
    assert w.elbv2.describe_load_balancers()["LoadBalancers"] == []
    kept = [s["DBSnapshotIdentifier"] for s in w.rds.describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]]
    assert [k for k in kept if k.startswith("billing-main-final-")], "somebody valued its data: they are kept"


def stranger_vpc(w):
    vpc = w.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    w.ec2.create_tags(Resources=[vpc], Tags=tags("vpc/main"))
    return vpc


def vpcs(w):
    return [v["VpcId"] for v in w.ec2.describe_vpcs()["Vpcs"]]


def test_claims_that_outgrow_the_record_prove_nothing(world, whole):
    w = world
    vpc = stranger_vpc(w)
    for i in range(400):
        group = w.ec2.create_security_group(GroupName=f"theirs-{i}", Description="theirs", VpcId=vpc)["GroupId"]
        w.ec2.create_tags(Resources=[group], Tags=tags("security-group/files"))
    before = w.ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
    w.up()
    record = w.ssm.get_parameter(Name="/gameday/billing/record")["Parameter"]["Value"]
    assert len(record) <= 8192 and w.plan() == {}
    assert w.ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"] == before
    assert w.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"] == []


def test_a_record_that_cannot_be_written_is_worth_what_was_read(built):
    w = built
    vpc = stranger_vpc(w)
    w.cloudwatch.delete_alarms(AlarmNames=["billing-database-cpu"])
    w.faults(refuse=[{
        "on": "ssm:PutParameter", "where": {"Name": "/gameday/billing/record"}, "times": -1,
        "code": "AccessDeniedException", "message": "not authorized to perform: ssm:PutParameter"}])
    w.up()
    assert vpc in vpcs(w) and len(vpcs(w)) == 3, "the default one, ours and the stranger's"
    assert w.run("up", "--yes").ends(0), "and nothing is asked for again"
    w.no_faults()


def test_a_record_that_cannot_be_read_does_not_choose_between_two(built):
    w = built
    vpc = stranger_vpc(w)
    w.faults(refuse=[{
        "on": "ssm:GetParameters", "times": -1,
        "code": "AccessDeniedException", "message": "not authorized to perform: ssm:GetParameters"}])
    down = w.run("teardown", "--confirm", "billing").ends(1)
    w.no_faults()
    assert vpc in vpcs(w) and "vpc/main exists more than once" in down.text, down.text
    assert "judged by tags alone" in down.text, "what decides is said"


def test_claims_before_a_run_that_fails_prove_nothing_to_the_next(world, whole):
    w = world
    strangers = Strangers(w)
    strangers.forge()
    before = strangers.seen()
    w.faults(refuse=[
        {"on": on, "times": -1, "code": "AccessDenied", "message": "not authorized"}
        for on in ("elasticache:CreateCacheSubnetGroup", "rds:CreateDBSubnetGroup", "ec2:CreateLaunchTemplate")])
    w.run("up", "--yes").ends(1)
    w.no_faults()
    plan = w.run("plan").ends(2)
    assert "customers-live ->" not in plan.text and "--replace" not in plan.text, plan.text
    w.run("teardown", "--confirm", "billing")
    same(before, strangers.seen())


def test_what_is_made_under_our_name_in_mid_run_is_not_taken(world, whole):
    w = world
    w.faults(delay=0.1)
    up = w.start("up", "--yes")
    up.until("vpc/main.*created|created.*vpc/main|vpc/main")
    squat_template(w)
    group = w.elbv2.create_target_group(
        Name="billing-api", Protocol="HTTP", Port=80, VpcId=vpcs(w)[0], Tags=tags("target-group/api"),
    )["TargetGroups"][0]["TargetGroupArn"]
    w.no_faults()
    up.wait().ends(1)
    for key in ("launch-template/api", "target-group/api"):
        assert f"--adopt {key}=" in up.text, up.text
    versions = w.ec2.describe_launch_template_versions(LaunchTemplateName="billing-api")["LaunchTemplateVersions"]
    assert len(versions) == 1
    assert "nothing was changed" in w.run("up", "--yes").ends(1).text, "the next run does not take it either"
    w.run("teardown", "--confirm", "billing").ends(1)
    assert w.ec2.describe_launch_templates(LaunchTemplateNames=["billing-api"])["LaunchTemplates"]
    assert w.elbv2.describe_target_groups(TargetGroupArns=[group])["TargetGroups"]


def test_what_a_teardown_advises_is_about_the_stack_only(built):
    w = built
    fs = w.efs.create_file_system(CreationToken="theirs", Tags=tags("file-system/main"))["FileSystemId"]
    w.rds.create_db_instance(
        DBInstanceIdentifier="customers", Engine="mysql", DBInstanceClass="db.t3.micro", AllocatedStorage=20,
        MasterUsername="theirs", MasterUserPassword="their-own-password")
    for database, snapshot in [("customers", "customers-only-backup"), ("billing-main", "before-lunch")]:
        w.rds.create_db_snapshot(
            DBSnapshotIdentifier=snapshot, DBInstanceIdentifier=database,
            Tags=[{"Key": "gameday:stack", "Value": "billing"}])
    odd = w.ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    w.ec2.create_tags(Resources=[odd], Tags=tags("target-group/x y"))
    w.run("plan").ends(0)
    down = w.run("teardown", "--confirm", "billing").ends(1)
    assert "aws rds delete-db-snapshot --db-snapshot-identifier before-lunch" in down.text, down.text
    assert "delete-db-snapshot --db-snapshot-identifier customers-only-backup" not in down.text, down.text
    assert "customers-only-backup" in down.text and fs in down.text and odd in down.text, "they are named"
    assert f"--delete {fs}" not in down.text and "x y=" not in down.text, down.text
    assert "run the same command again" not in down.text, down.text


def test_a_database_that_is_not_as_the_file_says_is_not_deleted_by_it(built):
    w = built
    w.edit(STACK + '\n[database]\ndatabase = "another"\n')
    down = w.run("teardown", "--confirm", "billing").ends(1)
    assert "differs from the stack file in database" in down.text and "--delete billing-main" in down.text, down.text
    assert w.rds.describe_db_instances(DBInstanceIdentifier="billing-main")["DBInstances"]
    w.run("teardown", "--confirm", "billing", "--delete", "billing-main").ends(0)
    assert w.rds.describe_db_instances()["DBInstances"] == []


def test_a_database_that_is_to_be_replaced_is_named_for_that(built):
    w = built
    w.edit(STACK + '\n[database]\ndatabase = "another"\n')

    def database():
        return w.rds.describe_db_instances(DBInstanceIdentifier="billing-main")["DBInstances"][0]

    w.rds.modify_db_instance(DBInstanceIdentifier="billing-main", DeletionProtection=True, ApplyImmediately=True)
    before = w.inventory()
    replaced = w.run("up", "--yes", "--replace", "database/main").ends(1)
    assert "billing-main is protected from deletion" in replaced.text, replaced.text
    assert differences(w.inventory(), before) == [], "that is said before anything is begun"
    w.rds.modify_db_instance(DBInstanceIdentifier="billing-main", DeletionProtection=False, ApplyImmediately=True)
    w.up("--replace", "database/main")
    assert database()["DBName"] == "another" and w.plan() == {}


def test_a_record_that_is_gone_is_asked_for_and_nothing_is_built_beside(built, whole):
    w = built
    w.ssm.delete_parameter(Name="/gameday/billing/record")
    up = w.run("up", "--yes").ends(1)
    assert "nothing was changed" in up.text, up.text
    [take] = [line for line in up.text.splitlines() if "if all of that is the stack's" in line]
    assert "--adopt vpc/main=vpc-" in take and "--adopt file-system/main=fs-" in take, take
    assert differences(w.inventory(), whole) == ["-1 ('parameter', '/gameday/billing/record')"]
    before = w.inventory()
    w.run("teardown", "--confirm", "billing").ends(1)
    gone = differences(w.inventory(), before)
    assert not [g for g in gone if "'database'" in g or "'cache'" in g or "'vpc'" in g or "notes" in g], gone


def test_an_account_without_notes_is_built_and_taken_down_by_tags_and_names(world):
    w = world
    w.up()
    w.faults(deny=["ssm:GetParameters"])
    assert w.plan() == {}
    w.teardown()
    w.no_faults()
    assert differences(w.inventory(), w.empty) == []

