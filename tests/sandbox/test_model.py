"""What breaks the API model is refused before anything happens: each kind of constraint, in each protocol's words."""

import json

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from test_cloudwatch import _cbor

TOO_LONG = "x" * 300
PASSWORD = "correct horse " * 4


@pytest.fixture
def bare(aws):
    """Clients that check nothing themselves, and whose requests a test may change on the way."""

    def client(service, change=None):
        config = Config(
            parameter_validation=False,
            retries={"total_max_attempts": 1},
            ignore_configured_endpoint_urls=True,
        )
        made = boto3.client(
            service,
            endpoint_url=aws.url,
            region_name="us-east-1",
            aws_access_key_id=aws.key,
            aws_secret_access_key="sandbox",
            config=config,
        )
        if change is not None:
            made.meta.events.register("before-call", lambda params, **_: change(params))
        return made

    return client


def refused(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def form(**more):
    return lambda params: params["body"].update(more)


def document(**more):
    def change(params):
        params["body"] = json.dumps({**json.loads(params["body"] or b"{}"), **more}).encode()

    return change


def url(more):
    return lambda params: params.update(url=f"{params['url']}?{more}")


TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
# Service, operation, parameters, a change on the way; code, and words of the message.
CASES = {
    # EC2
    "ec2-max": ("ec2", "describe_route_tables", {"MaxResults": 1000}, None, "InvalidParameterValue", "maxResults"),
    "ec2-min": ("ec2", "describe_subnets", {"MaxResults": 1}, None, "InvalidParameterValue", "greater than 5"),
    "ec2-missing": ("ec2", "create_subnet", {"CidrBlock": "10.0.0.0/24"}, None, "MissingParameter", "VpcId"),
    "ec2-unknown": ("ec2", "describe_vpcs", {}, form(Colour="red"), "UnknownParameter", "Colour"),
    "ec2-unknown-nested": (
        *("ec2", "describe_vpcs", {"Filters": [{"Name": "cidr", "Values": ["10.0.0.0/16"]}]}),
        *(form(**{"Filter.1.Colour": "red"}), "UnknownParameter", "Filters.1.Colour"),
    ),
    "ec2-type": ("ec2", "describe_vpcs", {}, form(MaxResults="many"), "InvalidParameterValue", "many"),
    "ec2-enum": (
        *("ec2", "create_vpc", {"CidrBlock": "10.0.0.0/16", "InstanceTenancy": "shared"}, None),
        *("InvalidParameterValue", "shared"),
    ),
    "ec2-pages": ("ec2", "describe_network_acls", {"MaxResults": 1001}, None, "InvalidParameterValue", "less than"),
    # query, Coral
    "query-missing": ("autoscaling", "create_auto_scaling_group", {"MinSize": 1}, None, "ValidationError", "maxSize"),
    "query-long": (
        *("autoscaling", "describe_policies", {"AutoScalingGroupName": TOO_LONG}, None),
        *("ValidationError", "less than or equal to 255"),
    ),
    "query-type": (
        *("autoscaling", "describe_auto_scaling_groups", {}, form(MaxRecords="ten")),
        *("MalformedInput", "integer"),
    ),
    "query-unknown": (
        *("autoscaling", "describe_auto_scaling_groups", {}, form(Colour="red")),
        *("InvalidQueryParameter", "Colour"),
    ),
    "query-enum": (
        *("elbv2", "create_load_balancer", {"Name": "a", "Scheme": "public"}, None),
        *("ValidationError", "internet-facing"),
    ),
    "query-min": (
        *("elbv2", "create_listener", {"LoadBalancerArn": "a", "Port": 0, "DefaultActions": []}, None),
        *("ValidationError", "greater than or equal to 1"),
    ),
    "query-list-long": (
        *("elbv2", "describe_tags", {"ResourceArns": ["a"] * 21}, None),
        *("ValidationError", "length less than or equal to 20"),
    ),
    "query-pattern": (
        *("iam", "create_role", {"RoleName": "a b", "AssumeRolePolicyDocument": TRUST}, None),
        *("ValidationError", "regular expression"),
    ),
    "query-nested": (
        *("iam", "tag_role", {"RoleName": "a", "Tags": [{"Key": "a", "Value": "b"}, {"Key": "k", "Value": TOO_LONG}]}),
        *(None, "ValidationError", "tags.2.value"),
    ),
    # RDS and ElastiCache
    "rds-missing": ("rds", "create_db_instance", {"DBInstanceIdentifier": "a"}, None, "MissingParameter", "DBInstance"),
    "rds-pages": ("rds", "describe_db_instances", {"MaxRecords": 10}, None, "InvalidParameterValue", "10"),
    "rds-unknown": ("rds", "describe_db_instances", {}, form(Colour="red"), "InvalidQueryParameter", "Colour"),
    "rds-type": ("rds", "describe_db_instances", {}, form(MaxRecords="ten"), "InvalidParameterValue", "ten"),
    "elasticache-missing": (
        *("elasticache", "create_replication_group", {"ReplicationGroupId": "a"}, None),
        *("MissingParameter", "ReplicationGroupDescription"),
    ),
    "elasticache-enum": (
        *("elasticache", "describe_events", {"SourceType": "cluster"}, None),
        *("InvalidParameterValue", "cluster"),
    ),
    # JSON
    "json-missing": ("ssm", "get_parameter", {}, None, "ValidationException", "Member must not be null"),
    "json-unknown": ("ssm", "get_parameter", {"Name": "a"}, document(Colour="red"), "SerializationException", "Colour"),
    "json-type": ("ssm", "get_parameter", {}, document(Name=3), "SerializationException", "string"),
    "json-max": (
        *("ssm", "describe_parameters", {"MaxResults": 51}, None, "ValidationException", "less than or equal to 50"),
    ),
    "json-enum": (
        *("ssm", "put_parameter", {"Name": "a", "Value": "b", "Type": "Text"}, None),
        *("ValidationException", "SecureString"),
    ),
    "json-pattern": (
        *("logs", "create_log_group", {"logGroupName": "a b"}, None),
        *("InvalidParameterException", "regular expression"),
    ),
    "json-list-long": (
        *("ssm", "get_parameters", {"Names": list("abcdefghijk")}, None, "ValidationException", "equal to 10"),
    ),
    "tagging-short": (
        *("resourcegroupstaggingapi", "tag_resources", {"ResourceARNList": [], "Tags": {"a": "b"}}, None),
        *("InvalidParameterException", "greater than or equal to 1"),
    ),
    # REST
    "rest-missing": ("efs", "create_file_system", {}, document(Tags=[]), None, None),
    "rest-pattern": (
        *("efs", "describe_mount_targets", {"FileSystemId": "fs-x"}, None, "ValidationException", "regular expression"),
    ),
    "rest-unknown": (
        "efs",
        "create_file_system",
        {"CreationToken": "a"},
        document(Colour="red"),
        "BadRequest",
        "Colour",
    ),
    "rest-unknown-query": ("efs", "describe_file_systems", {}, url("Colour=red"), "BadRequest", "Colour"),
    "rest-type": (
        "efs",
        "create_file_system",
        {"CreationToken": "a"},
        document(Encrypted="yes"),
        "BadRequest",
        "boolean",
    ),
    "rest-enum": (
        *("efs", "create_file_system", {"CreationToken": "a", "PerformanceMode": "fast"}, None),
        *("ValidationException", "generalPurpose"),
    ),
    "rest-min": (
        "efs",
        "describe_file_systems",
        {"MaxItems": 0},
        None,
        "ValidationException",
        "greater than or equal to 1",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_breaks_the_model_is_refused(bare, aws, name):
    service, operation, params, change, code, words = CASES[name]
    client = bare(service, change)
    if code is None:  # the SDK fills it in: the right value
        getattr(client, operation)(**params)
        return
    found, message = refused(getattr(client, operation), **params)
    assert found == code and words in message, (found, message)
    (call,) = aws.control("GET", "calls")["calls"]
    assert call["checked"] and call["error"] == code


def test_cbor_as_well(aws):
    """The Rust SDK speaks to CloudWatch in CBOR, boto3 in JSON."""
    alarm = {"AlarmName": "a", "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold"}
    for operation, body, code, words in (
        ("PutDashboard", {"DashboardName": "a"}, "ValidationError", "'dashboardBody'"),
        ("DescribeAlarms", {"Colour": "red"}, "SerializationException", "Colour"),
        ("DescribeAlarms", {"MaxRecords": "ten"}, "SerializationException", "integer"),
        ("DescribeAlarms", {"MaxRecords": 101}, "ValidationError", "less than or equal to 100"),
        ("DescribeAlarms", {"AlarmNames": ["a"] * 101}, "ValidationError", "length less than or equal to 100"),
        ("PutMetricAlarm", {**alarm, "Statistic": "Median"}, "ValidationError", "SampleCount"),
        ("PutMetricAlarm", {**alarm, "AlarmName": ""}, "ValidationError", "length greater than or equal to 1"),
        ("PutMetricAlarm", {**alarm, "EvaluationCriteria": {}}, "ValidationError", "union"),
    ):
        status, headers, error = _cbor(aws, operation, body)
        assert (status, headers["x-amzn-query-error"]) == (400, f"{code};Sender"), error
        assert words in error["message"], error
    assert all(c["checked"] for c in aws.control("GET", "calls")["calls"])


def test_what_is_secret_is_not_repeated(bare):
    for value in ("", [PASSWORD]):
        code, message = refused(bare("ssm").put_parameter, Name="a", Value=value, Type="Text")
        assert code in ("ValidationException", "SerializationException") and "horse" not in message, message


def test_what_is_right_passes_at_its_bounds(aws):
    for size in (5, 100):
        aws.ec2.describe_route_tables(MaxResults=size)
    for size in (5, 1000):
        aws.ec2.describe_subnets(MaxResults=size)
    aws.elbv2.describe_load_balancers(PageSize=400)
    aws.iam.create_role(
        RoleName="a" * 64,
        AssumeRolePolicyDocument=TRUST,
        Tags=[{"Key": "Ürün 팀", "Value": "São Paulo: +@=/-._"}],  # letters, marks and blanks of any language
    )
    aws.cloudwatch.describe_alarms(AlarmNames=["a"] * 100)
    # A type that is newer than the model's list.
    aws.ec2.create_launch_template(LaunchTemplateName="new", LaunchTemplateData={"InstanceType": "t9g.micro"})
    assert all(c["checked"] for c in aws.control("GET", "calls")["calls"])


def test_denied_comes_before_wrong(bare, aws):
    aws.control("POST", "faults", {"deny": ["ec2:*"]})
    code, _ = refused(bare("ec2").describe_route_tables, MaxResults=1000)
    assert code == "UnauthorizedOperation"
