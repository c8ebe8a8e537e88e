"""Regions about which moto knows less than AWS has: zones, instance types and images as in a similar region."""

from moto.ec2.models import amis
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend, Zone
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS
from moto.ssm import models as ssm_models

from .rules import before

# A region of typical size. Whatever it offers in all its zones counts as offered everywhere.
LIKE = "eu-central-1"
# Every region of AWS offers this type. If it is missing, the whole list is.
EVERYWHERE = "t3.micro"

ZONES = RegionsAndZonesBackend.zones


def _zones(region):
    """Return the region's zones, or three if moto has none."""
    if region not in ZONES:
        short = "".join(part if part.isdecimal() else part[:1] for part in region.split("-"))
        ZONES[region] = [
            Zone(region_name=region, name=f"{region}{letter}", zone_id=f"{short}-az{n}")
            for n, letter in enumerate("abc", 1)
        ]
    return ZONES[region]


def _like(load):
    """Return moto's files by region, with another region's for missing ones."""

    def loaded(resource):
        try:
            return load(resource)
        except FileNotFoundError:
            folder, _, _ = resource.rpartition("/")
            if folder.endswith(("latest_amis", "ami-amazon-linux-latest")):
                return load(f"{folder}/{LIKE}.json")
            raise

    return loaded


amis.load_resource = _like(amis.load_resource)
ssm_models.load_resource = _like(ssm_models.load_resource)


@before("ec2", "DescribeAvailabilityZones")
def has_zones(call):
    _zones(call.region)


@before("ec2", "DescribeInstanceTypeOfferings")
def offers(call):
    kind = call.get("LocationType") or "region"
    known = INSTANCE_TYPE_OFFERINGS.get(kind)
    if known is None or any(o["InstanceType"] == EVERYWHERE for o in known.get(call.region, ())):
        return
    zones = _zones(call.region)
    places = {
        "availability-zone": [z.name for z in zones],
        "availability-zone-id": [z.zone_id for z in zones],
        "region": [call.region],
    }[kind]
    by_zone = {}
    for offer in INSTANCE_TYPE_OFFERINGS["availability-zone"][LIKE]:
        by_zone.setdefault(offer["Location"], set()).add(offer["InstanceType"])
    types = sorted(set.intersection(*by_zone.values()))
    known[call.region] = [
        {"InstanceType": name, "Location": place, "LocationType": kind} for place in places for name in types
    ]
