"""The gate that holds a caller to an IAM policy: what a statement reaches, and what its conditions ask."""

import pytest

STACK, STEP = "gameday:stack", "gameday:step"
OURS = [{"Key": STACK, "Value": "s"}]
THEIRS = [{"Key": STACK, "Value": "other"}]


def spec(kind, tags):
    return [{"ResourceType": kind, "Tags": tags}]


@pytest.fixture
def held(aws):
    def hold(*statements):
        allow = [{"Effect": "Allow", "Resource": "*", **s} for s in statements]
        aws.control("POST", "policy", {"agent": "Boto3", "statements": allow})

    yield hold
    aws.control("DELETE", "policy")


def test_nobody_is_held_without_a_policy_or_under_another_name(aws, held):
    aws.ec2.create_vpc(CidrBlock="10.0.0.0/16")
    aws.control("POST", "policy", {"agent": "somebody-else", "statements": []})
    aws.ec2.create_vpc(CidrBlock="10.0.0.0/16")
    held()
    with aws.refuses("UnauthorizedOperation"):
        aws.ec2.create_vpc(CidrBlock="10.0.0.0/16")
    report = aws.control("GET", "policy")
    assert report["judged"] == 1 and report["missing"][0]["action"] == "ec2:CreateVpc"


def test_a_name_is_matched_whole(aws, held):
    for name in ("shop-main", "shop-main2"):
        aws.ssm.put_parameter(Name=f"/gameday/{name}", Value="v", Type="String")
    held({"Action": "ssm:DeleteParameter", "Resource": "arn:aws:ssm:us-east-1:*:parameter/gameday/shop-main"})
    with aws.refuses("AccessDeniedException"):
        aws.ssm.delete_parameter(Name="/gameday/shop-main2")
    aws.ssm.delete_parameter(Name="/gameday/shop-main")


def test_the_tag_of_each_object_counts(aws, held):
    ours = aws.ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=spec("vpc", OURS))["Vpc"]["VpcId"]
    theirs = aws.ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=spec("vpc", THEIRS))["Vpc"]["VpcId"]
    gateway = aws.ec2.create_internet_gateway(TagSpecifications=spec("internet-gateway", OURS))
    gateway = gateway["InternetGateway"]["InternetGatewayId"]
    condition = {"StringEquals": {f"aws:ResourceTag/{STACK}": "s"}}
    held({"Action": ["ec2:DeleteVpc", "ec2:AttachInternetGateway"], "Condition": condition})
    with aws.refuses("UnauthorizedOperation"):
        aws.ec2.delete_vpc(VpcId=theirs)
    with aws.refuses("UnauthorizedOperation"):
        aws.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=theirs)
    aws.ec2.delete_vpc(VpcId=ours)


def test_tags_are_given_with_the_call_that_makes_an_object(aws, held):
    theirs = aws.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    with_create = {"Action": "ec2:CreateTags", "Condition": {"StringEquals": {"ec2:CreateAction": ["CreateVpc"]}}}
    held({"Action": ["ec2:CreateVpc", "ec2:CreateSubnet"]}, with_create)
    ours = aws.ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=spec("vpc", OURS))["Vpc"]["VpcId"]
    for vpc in (ours, theirs):
        with aws.refuses("UnauthorizedOperation"):
            aws.ec2.create_tags(Resources=[vpc], Tags=OURS)
    # Of another call than the one that the condition names.
    with aws.refuses("UnauthorizedOperation"):
        aws.ec2.create_subnet(VpcId=ours, CidrBlock="10.0.0.0/24", TagSpecifications=spec("subnet", OURS))
    aws.ec2.create_subnet(VpcId=ours, CidrBlock="10.0.0.0/24")


def test_what_has_no_tag_is_given_that_one_and_no_other(aws, held):
    vpc = aws.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    acls = aws.ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NetworkAcls"]
    acl = acls[0]["NetworkAclId"]
    held(
        {
            "Action": "ec2:CreateTags",
            "Resource": "arn:aws:ec2:us-east-1:*:network-acl/*",
            "Condition": {
                "StringEquals": {f"aws:RequestTag/{STACK}": "s", f"aws:RequestTag/{STEP}": ["default-network-acl/main"]},
                "Null": {f"aws:ResourceTag/{STACK}": "true"},
            },
        }
    )
    full = [*OURS, {"Key": STEP, "Value": "default-network-acl/main"}]
    for resource, tags in ((acl, OURS), (acl, [*THEIRS, full[1]]), (vpc, full)):
        with aws.refuses("UnauthorizedOperation"):
            aws.ec2.create_tags(Resources=[resource], Tags=tags)
    aws.ec2.create_tags(Resources=[acl], Tags=full)
    with aws.refuses("UnauthorizedOperation"):
        aws.ec2.create_tags(Resources=[acl], Tags=full)


def test_a_role_is_passed_on_by_name_and_made_with_its_boundary(aws, held):
    for name in ("lab", "admin"):
        aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
        aws.iam.create_instance_profile(InstanceProfileName=name)
        aws.iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    boundary = "arn:aws:iam::123456789012:policy/Boundary"
    held(
        {"Action": "ec2:CreateLaunchTemplate"},
        {"Action": "iam:PassRole", "Resource": "arn:aws:iam::*:role/lab"},
        {"Action": "iam:CreateRole", "Condition": {"StringEquals": {"iam:PermissionsBoundary": boundary}}},
    )
    template = lambda profile: {"ImageId": "ami-0123456789abcdef0", "IamInstanceProfile": {"Name": profile}}
    aws.ec2.create_launch_template(LaunchTemplateName="a", LaunchTemplateData=template("lab"))
    with aws.refuses("UnauthorizedOperation"):
        aws.ec2.create_launch_template(LaunchTemplateName="b", LaunchTemplateData=template("admin"))
    with aws.refuses("AccessDenied"):
        aws.iam.create_role(RoleName="free", AssumeRolePolicyDocument="{}")


def test_records_are_changed_only_under_the_names_of_the_policy(aws, held):
    zone = aws.route53.create_hosted_zone(Name="example.com", CallerReference="one")["HostedZone"]["Id"]
    prefix = "route53:ChangeResourceRecordSets"
    names = {f"{prefix}NormalizedRecordNames": ["app.example.com", "_*.app.example.com"], f"{prefix}RecordTypes": ["A"]}
    arn = f"arn:aws:route53:::hostedzone/{zone.rpartition('/')[2]}"
    held({"Action": prefix, "Resource": arn, "Condition": {"ForAllValues:StringLike": names}})

    def change(*records):
        changes = [
            {"Action": "UPSERT", "ResourceRecordSet": {"Name": n, "Type": t, "TTL": 60, "ResourceRecords": [{"Value": v}]}}
            for n, t, v in records
        ]
        aws.route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})

    ours = ("App.example.com.", "A", "192.0.2.1")
    change(ours, ("_a.app.example.com", "A", "192.0.2.1"))
    for other in (("www.example.com", "A", "192.0.2.1"), ("app.example.com", "TXT", '"x"')):
        with aws.refuses("AccessDenied"):
            change(ours, other)
