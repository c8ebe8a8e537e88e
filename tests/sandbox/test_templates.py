"""Launch templates."""

import base64

import pytest


def _data(text):
    return base64.b64encode(text.encode()).decode()


def _versions(aws, template, *which):
    return aws.ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=list(which))[
        "LaunchTemplateVersions"
    ]


def test_later_versions_inherit_and_launch(aws):
    vpc, subnets, _ = aws.network()
    template = aws.template([aws.group(vpc)], UserData=_data("one"))
    made = aws.ec2.create_launch_template_version(
        LaunchTemplateId=template,
        SourceVersion="1",
        VersionDescription="two",
        LaunchTemplateData={"UserData": _data("two")},
    )["LaunchTemplateVersion"]
    assert made["VersionNumber"] == 2 and made["VersionDescription"] == "two"
    assert made["LaunchTemplateData"]["InstanceType"] == "t3.micro"
    assert made["LaunchTemplateData"]["UserData"] == _data("two")
    aws.fleet(subnets, template, LaunchTemplate={"LaunchTemplateId": template, "Version": "2"})
    instance = aws.fleet_now()["Instances"][0]
    assert instance["LaunchTemplate"]["Version"] == "2"
    sent = aws.ec2.describe_instance_attribute(InstanceId=instance["InstanceId"], Attribute="userData")
    assert base64.b64decode(sent["UserData"]["Value"]).decode() == "two"


def test_default_and_latest(aws):
    vpc, _, _ = aws.network()
    template = aws.template([aws.group(vpc)])
    for kind in ("t3.small", "t3.medium"):
        aws.ec2.create_launch_template_version(
            LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData={"InstanceType": kind}
        )
    assert [v["VersionNumber"] for v in _versions(aws, template, "$Default", "$Latest", "2")] == [3, 2, 1]
    aws.ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion="2")
    assert _versions(aws, template, "$Default")[0]["VersionNumber"] == 2
    answer = aws.ec2.delete_launch_template_versions(LaunchTemplateId=template, Versions=["2", "3"])
    assert [v["VersionNumber"] for v in answer["SuccessfullyDeletedLaunchTemplateVersions"]] == [3]
    made = aws.ec2.create_launch_template_version(
        LaunchTemplateId=template, LaunchTemplateData={"InstanceType": "t3.large"}
    )
    assert made["LaunchTemplateVersion"]["VersionNumber"] == 4, "a number is never given twice"


def test_template_tags_stay_out_of_the_data(aws):
    tags = [{"ResourceType": "launch-template", "Tags": [{"Key": "gameday:stack", "Value": "s"}]}]
    made = aws.ec2.create_launch_template(
        LaunchTemplateName="t", LaunchTemplateData={"InstanceType": "t3.micro"}, TagSpecifications=tags
    )
    template = made["LaunchTemplate"]
    assert template["Tags"] == tags[0]["Tags"]
    assert _versions(aws, template["LaunchTemplateId"], "1")[0]["LaunchTemplateData"] == {"InstanceType": "t3.micro"}


def test_the_same_token_is_the_same_template(aws):
    def ask():
        made = aws.ec2.create_launch_template(
            LaunchTemplateName="t", ClientToken="abc", LaunchTemplateData={"InstanceType": "t3.micro"}
        )
        return made["LaunchTemplate"]["LaunchTemplateId"]

    assert ask() == ask()
    with aws.refuses("InvalidLaunchTemplateName.AlreadyExistsException"):
        aws.ec2.create_launch_template(LaunchTemplateName="t", LaunchTemplateData={"InstanceType": "t3.small"})


@pytest.mark.parametrize(
    "params, code",
    [
        ({"LaunchTemplateId": "lt-0123456789abcdef0"}, "InvalidLaunchTemplateId.NotFound"),
        ({"LaunchTemplateName": "none"}, "InvalidLaunchTemplateName.NotFoundException"),
    ],
)
def test_not_found(aws, params, code):
    with aws.refuses(code):
        aws.ec2.describe_launch_templates(**{f"{k}s": [v] for k, v in params.items()})
    with aws.refuses(code):
        aws.ec2.delete_launch_template(**params)


def test_user_data_is_limited(aws):
    with aws.refuses("InvalidUserData.Malformed"):
        aws.ec2.create_launch_template(LaunchTemplateName="t", LaunchTemplateData={"UserData": _data("x" * 16385)})
