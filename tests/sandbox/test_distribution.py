"""CloudFront."""

import copy

import pytest

CONFIG = {
    "CallerReference": "one",
    "Comment": "distribution/main of stack billing",
    "Enabled": True,
    "Origins": {
        "Quantity": 1,
        "Items": [
            {
                "Id": "balancer",
                "DomainName": "billing-1.us-east-1.elb.amazonaws.com",
                "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"},
            }
        ],
    },
    "DefaultCacheBehavior": {
        "TargetOriginId": "balancer",
        "ViewerProtocolPolicy": "allow-all",
        "ForwardedValues": {"QueryString": True, "Cookies": {"Forward": "none"}},
        "MinTTL": 0,
        "DefaultTTL": 60,
        "MaxTTL": 60,
    },
}


def config(**changed):
    return {**copy.deepcopy(CONFIG), **changed}


def behavior(**changed):
    return config(DefaultCacheBehavior={**CONFIG["DefaultCacheBehavior"], **changed})


@pytest.fixture
def made(aws):
    return create(aws, config())


def create(aws, config, **tags):
    tags = {"Items": [{"Key": k, "Value": v} for k, v in tags.items()]}
    both = {"DistributionConfig": config, "Tags": tags}
    return aws.cloudfront.create_distribution_with_tags(DistributionConfigWithTags=both)["Distribution"]


def status(aws, made):
    return aws.cloudfront.get_distribution(Id=made["Id"])["Distribution"]["Status"]


def change(aws, made, **changed):
    now = aws.cloudfront.get_distribution_config(Id=made["Id"])
    config = {**now["DistributionConfig"], **changed}
    return aws.cloudfront.update_distribution(Id=made["Id"], IfMatch=now["ETag"], DistributionConfig=config)


def test_life(aws):
    aws.pace("real")
    made = create(aws, config())
    assert made["Status"] == "InProgress" and made["DomainName"].endswith(".cloudfront.net")
    aws.advance(241)
    assert status(aws, made) == "Deployed"
    tag = aws.cloudfront.get_distribution(Id=made["Id"])["ETag"]
    with aws.refuses("DistributionNotDisabled"):
        aws.cloudfront.delete_distribution(Id=made["Id"], IfMatch=tag)
    tag = change(aws, made, Enabled=False)["ETag"]
    assert status(aws, made) == "InProgress"
    with aws.refuses("DistributionNotDisabled"):
        aws.cloudfront.delete_distribution(Id=made["Id"], IfMatch=tag)
    aws.advance(241)
    assert status(aws, made) == "Deployed"
    aws.cloudfront.delete_distribution(Id=made["Id"], IfMatch=tag)
    for call in (aws.cloudfront.get_distribution, aws.cloudfront.get_distribution_config):
        with aws.refuses("NoSuchDistribution"):
            call(Id=made["Id"])
    with aws.refuses("DistributionAlreadyExists"):
        create(aws, config())


def test_a_change_begins_the_deployment_again(aws, made):
    aws.pace("real")
    change(aws, made, Comment="other")
    aws.advance(200)
    change(aws, made, Comment="another")
    aws.advance(60)
    assert status(aws, made) == "InProgress", "the first change was replaced by the second"
    aws.advance(200)
    assert status(aws, made) == "Deployed"


def test_a_change_needs_the_version_that_was_read(aws, made):
    now = aws.cloudfront.get_distribution_config(Id=made["Id"])
    change(aws, made, Comment="other")
    for match, code in ((now["ETag"], "PreconditionFailed"), (None, "InvalidIfMatchVersion")):
        given = {"IfMatch": match} if match else {}
        with aws.refuses(code):
            aws.cloudfront.update_distribution(Id=made["Id"], DistributionConfig=now["DistributionConfig"], **given)
        with aws.refuses(code):
            aws.cloudfront.delete_distribution(Id=made["Id"], **given)


def test_the_same_reference_makes_no_second_one(aws, made):
    for again in (config(), config(Comment="other")):
        with aws.refuses("DistributionAlreadyExists"):
            create(aws, again)
    assert len(aws.cloudfront.list_distributions()["DistributionList"]["Items"]) == 1


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (config(Origins={**CONFIG["Origins"], "Quantity": 2}), "InconsistentQuantities"),
        (behavior(TargetOriginId="other"), "NoSuchOrigin"),
        (behavior(DefaultTTL=61), "InvalidTTLOrder"),
        (behavior(CachePolicyId="658327ea-f89d-4fab-a63d-7e88639e58f6"), "InvalidArgument"),
        (config(Comment="x" * 129), "InvalidArgument"),
        (config(CustomErrorResponses={"Quantity": 1, "Items": [{"ErrorCode": 418}]}), "InvalidErrorCode"),
    ],
)
def test_what_is_refused(aws, wrong, code):
    with aws.refuses(code):
        create(aws, wrong)
    assert aws.cloudfront.list_distributions()["DistributionList"]["Quantity"] == 0


def test_a_list_has_pages_and_shows_most_of_the_configuration(aws):
    made = [create(aws, config(CallerReference=str(n)))["Id"] for n in range(3)]
    pages = list(aws.cloudfront.get_paginator("list_distributions").paginate(PaginationConfig={"PageSize": 2}))
    assert [d["Id"] for p in pages for d in p["DistributionList"]["Items"]] == made and len(pages) == 2
    one = pages[0]["DistributionList"]["Items"][0]
    values = one["DefaultCacheBehavior"]["ForwardedValues"]
    assert values["QueryString"] and values["Headers"] == {"Quantity": 0}, "defaults are filled in"
    assert one["Origins"]["Items"][0]["CustomOriginConfig"]["OriginReadTimeout"] == 30


def test_tags(aws):
    made = create(aws, config(), stack="billing")
    arn = made["ARN"]
    aws.cloudfront.tag_resource(Resource=arn, Tags={"Items": [{"Key": "step", "Value": "distribution/main"}]})
    aws.cloudfront.untag_resource(Resource=arn, TagKeys={"Items": ["stack"]})
    assert aws.cloudfront.list_tags_for_resource(Resource=arn)["Tags"]["Items"] == [
        {"Key": "step", "Value": "distribution/main"}
    ]
    found = aws.tagging.get_resources(TagFilters=[{"Key": "step"}])["ResourceTagMappingList"]
    assert [r["ResourceARN"] for r in found] == [arn]
    with aws.refuses("NoSuchResource"):
        aws.cloudfront.list_tags_for_resource(Resource=arn + "x")
