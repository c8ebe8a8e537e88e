"""Every region that the stack file knows has what a stack needs of AWS's own: zones, instance types, an image."""

import boto3
import pytest
from botocore.config import Config

IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"


@pytest.mark.parametrize(
    "region",
    [
        *("us-east-1", "eu-west-3", "me-central-1", "us-gov-west-1", "us-gov-east-1", "cn-north-1", "cn-northwest-1"),
        *("mx-central-1", "ap-southeast-6", "ap-southeast-7", "ap-east-2", "eusc-de-east-1"),
    ],
)
def test_a_region_has_zones_types_and_images(aws, region):
    def client(service):
        return boto3.client(
            service,
            endpoint_url=aws.url,
            region_name=region,
            aws_access_key_id=aws.key,
            aws_secret_access_key="sandbox",
            config=Config(ignore_configured_endpoint_urls=True),
        )

    ec2 = client("ec2")
    zones = {z["ZoneName"]: z["ZoneId"] for z in ec2.describe_availability_zones()["AvailabilityZones"]}
    assert len(zones) >= 2 and all(z.startswith(region) for z in zones)
    for kind, places in (
        ("availability-zone", set(zones)),
        ("availability-zone-id", set(zones.values())),
        ("region", {region}),
    ):
        asked = {"LocationType": kind, "Filters": [{"Name": "instance-type", "Values": ["t3.micro"]}]}
        offers = ec2.describe_instance_type_offerings(**asked)["InstanceTypeOfferings"]
        found = {o["Location"] for o in offers}
        assert len(found & places) >= min(2, len(places)), (kind, found, places)
    image = client("ssm").get_parameter(Name=IMAGE)["Parameter"]["Value"]
    assert ec2.describe_images(ImageIds=[image])["Images"][0]["RootDeviceName"]
