"""What is offered where: moto has data of some regions only."""

from .ec2_network import backend
from .rules import after

# What every region of AWS has of the burstable types of a stack.
USUAL = [f"{family}.{size}" for family in ("t2", "t3", "t3a") for size in ("nano", "micro", "small", "medium", "large")]


@after("ec2", "DescribeInstanceTypeOfferings")
def regions_without_data(call, answer):
    filters = {f["Name"]: f.get("Values", []) for f in call.get("Filters") or []}
    wanted = filters.get("instance-type", [])
    if answer.get("InstanceTypeOfferings") or set(filters) - {"instance-type"} or known(call):
        return None
    zones = [zone.name for zone in backend(call).describe_availability_zones()]
    kinds = [kind for kind in USUAL if not wanted or kind in wanted]
    where = {"availability-zone": zones, "region": [call.region]}.get(call.get("LocationType", "region"), [])
    kind_of = call.get("LocationType", "region")
    shown = [{"InstanceType": kind, "LocationType": kind_of, "Location": place} for kind in kinds for place in where]
    return {**answer, "InstanceTypeOfferings": shown}


def known(call):
    """Whether moto knows anything of this region."""
    return bool(backend(call).describe_instance_type_offerings(location_type="region"))
