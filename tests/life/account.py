"""An independent client of the account: boto3, not the SDK under test. One JSON request a line on standard input, one
JSON answer a line on standard output; {"error": …} when it could not."""

import json
import sys
import time
import traceback

import attack
import drifts
import foreign
import readback
from dump import ELSEWHERE, REGION, Clients, dump, tags_of


class Account:
    def __init__(self):
        self.here, self.elsewhere = Clients(), Clients(ELSEWHERE)
        self.regions = {REGION: self.here}

    def ask(self, do, region=REGION, **args):
        if region not in self.regions:
            self.regions[region] = Clients(region)
        self.here = self.regions[region]
        return getattr(self, do)(**args)

    def foreign(self, stack, service):
        return foreign.make(self.here, self.elsewhere, stack, service)

    def theirs(self):
        """What the organisers of an event have ready: a profile, passwords, a file system in the default VPC, which
        reaches the internet as on AWS; the id of the file system."""
        ec2 = self.here.ec2
        home = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=home)
        in_vpc = [{"Name": "vpc-id", "Values": [home]}]
        table = ec2.describe_route_tables(Filters=in_vpc)["RouteTables"][0]["RouteTableId"]
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        iam, role, profile = self.here.iam, "LabRole", "LabInstanceProfile"
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=document)
        iam.create_instance_profile(InstanceProfileName=profile)
        iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=role)
        for name in ("master", "app"):
            self.here.ssm.put_parameter(Name=f"/event/mysql/{name}", Value="a-password-of-theirs-0123", Type="SecureString")
        system = self.here.efs.create_file_system(CreationToken="theirs")["FileSystemId"]
        for subnet in ec2.describe_subnets(Filters=in_vpc)["Subnets"]:
            self.here.efs.create_mount_target(FileSystemId=system, SubnetId=subnet["SubnetId"])
        return system

    def zone(self, name, private=False):
        """A hosted zone that is there before the stack, of the default VPC if it is private; its id."""
        of = {}
        if private:
            vpcs = self.here.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
            of = {"VPC": {"VPCRegion": REGION, "VPCId": vpcs[0]["VpcId"]}, "HostedZoneConfig": {"PrivateZone": True}}
        made = self.here.names.create_hosted_zone(Name=name, CallerReference=f"{name} {private}", **of)
        return made["HostedZone"]["Id"].rpartition("/")[2]

    def record(self, zone, action, name, value):
        """A record that somebody makes by hand."""
        record = {"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": value}]}
        change = {"Action": action, "ResourceRecordSet": record}
        self.here.names.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change]})

    def says(self, service, line):
        """A line that the log agent of each instance of a service sends of the rows that the database refused."""
        logs = self.here.logs
        groups = [g["logGroupName"] for g in logs.describe_log_groups()["logGroups"]]
        (group,) = [g for g in groups if service in g and g.endswith("/boot")]
        for fleet in self.here.asg.describe_auto_scaling_groups()["AutoScalingGroups"]:
            if service in fleet["AutoScalingGroupName"]:
                for instance in fleet["Instances"]:
                    stream = f"{instance['InstanceId']}/refused"
                    if not logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=stream)["logStreams"]:
                        logs.create_log_stream(logGroupName=group, logStreamName=stream)
                    event = {"timestamp": int(time.time() * 1000), "message": line}
                    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])

    def dump(self):
        return dump(self.here, self.elsewhere)

    def check(self, file, owner=None):
        image = self.here.ssm.get_parameter(Name=readback.IMAGE)["Parameter"]["Value"]
        return readback.check(dump(self.here), image, file, owner)

    def baked(self):
        """The account's own images and snapshots with their tags, and the baking instances that are not terminated."""
        ec2 = self.here.ec2
        mine = ec2.describe_images(Owners=["self"])["Images"]
        tagged = [{"Name": "tag-key", "Values": ["gameday:bake"]}]
        there = [i for r in ec2.describe_instances(Filters=tagged)["Reservations"] for i in r["Instances"]]
        return {
            "images": {i["ImageId"]: {"name": i["Name"], "tags": tags_of(i.get("Tags"))} for i in mine},
            "snapshots": {
                s["SnapshotId"]: tags_of(s.get("Tags"))
                for s in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
                if "gameday:bake" in tags_of(s.get("Tags"))
            },
            "instances": [i["InstanceId"] for i in there if i["State"]["Name"] not in ("terminated", "shutting-down")],
        }

    def forged_image(self, stack, service):
        """An image that somebody has tagged as a baked one of the stack; its id."""
        ec2 = self.here.ec2
        parameter = self.here.ssm.get_parameter(Name=readback.IMAGE)["Parameter"]["Value"]
        made = ec2.run_instances(ImageId=parameter, MinCount=1, MaxCount=1, InstanceType="t3.micro")
        instance = made["Instances"][0]["InstanceId"]
        ec2.describe_instances()
        tags = [{"Key": "gameday:stack", "Value": stack}, {"Key": "gameday:bake", "Value": service}]
        specs = [{"ResourceType": "image", "Tags": tags}]
        image = ec2.create_image(InstanceId=instance, Name="forged", TagSpecifications=specs)["ImageId"]
        ec2.terminate_instances(InstanceIds=[instance])
        return image

    def delete_image(self, image):
        self.here.ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)

    def drift(self, name, stack, service, slot=None):
        return drifts.make(self.here, dump(self.here), name, stack, service, slot or service)

    def drifts(self, service, slot=None, names=None):
        return drifts.listed(service, slot or service, names)

    def user_data(self, stack):
        found = dump(self.here)
        mine = [i for i, t in found["launch_templates"].items() if t["tags"].get("gameday:stack") == stack]
        versions = [v for v in found["launch_template_versions"].values() if v["LaunchTemplateId"] in mine]
        return [readback.script(v["LaunchTemplateData"]["UserData"]) for v in versions]

    def passwords(self, stack):
        names = [f"/gameday/{stack}/{name}" for name in ("db-master-password", "db-app-password", "cdn-header")]
        found = self.here.ssm.get_parameters(Names=names, WithDecryption=True)["Parameters"]
        return [p["Value"] for p in sorted(found, key=lambda p: names.index(p["Name"]))]

    def snapshot(self, stack, name):
        """One that a teammate made of the stack's database, with its tags."""
        [database] = self.here.rds.describe_db_instances(DBInstanceIdentifier=f"{stack}-main")["DBInstances"]
        self.here.rds.create_db_snapshot(
            DBSnapshotIdentifier=name, DBInstanceIdentifier=f"{stack}-main", Tags=database["TagList"]
        )

    def delete_snapshot(self, name):
        self.here.rds.delete_db_snapshot(DBSnapshotIdentifier=name)

    def without_tag(self, stack, key):
        """What carries the stack's tag and not this one."""
        ours = [
            (f"{kind} {id}", thing["tags"])
            for kind, things in dump(self.here).items()
            for id, thing in things.items()
            if isinstance(thing, dict) and thing.get("tags", {}).get("gameday:stack") == stack
        ]
        assert len(ours) > 20, ours
        return [what for what, tags in ours if key not in tags]

    def strange_tags(self, stack):
        """Tags of somebody else's on what is the stack's; on how many."""
        c, pairs = self.here, [{"Key": "owner", "Value": "somebody"}]
        arns = self.tagged(stack)
        ec2 = [a.rpartition("/")[2] for a in arns if a.startswith("arn:aws:ec2:") and ":instance/" not in a]
        c.ec2.create_tags(Resources=ec2, Tags=pairs)
        elb = [a for a in arns if a.startswith("arn:aws:elasticloadbalancing:")]
        c.elb.add_tags(ResourceArns=elb, Tags=pairs)
        rds = [a for a in arns if a.startswith("arn:aws:rds:")]
        for arn in rds:
            c.rds.add_tags_to_resource(ResourceName=arn, Tags=pairs)
        return len(ec2) + len(elb) + len(rds)

    def attack(self, stack, ours):
        return attack.tried(stack, ours)

    def tagged(self, stack):
        """What the tagging API shows with the stack's tag. An instance that is terminated shows for another hour."""
        filters = [{"Key": "gameday:stack", "Values": [stack]}]
        found = self.here.tagging.get_paginator("get_resources").paginate(TagFilters=filters)
        arns = sorted(r["ResourceARN"] for page in found for r in page["ResourceTagMappingList"])
        alive = dump(self.here)["instances"]
        return [a for a in arns if ":instance/" not in a or a.rpartition("/")[2] in alive]


def main():
    account = Account()
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = {"ok": account.ask(**asked)}
        except Exception as e:
            here = [f for f in traceback.extract_tb(e.__traceback__) if f.filename.startswith(sys.path[0])]
            answer = {"error": f"{e!r} at {here[-1].filename}:{here[-1].lineno}"}
        print(json.dumps(answer, sort_keys=True), flush=True)


main()
