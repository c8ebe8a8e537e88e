"""The network interfaces that services put into subnets, which make AWS refuse many deletions.

[AWS 4.5]: balancers, databases, caches and mount targets hold security groups and subnets through interfaces that only
the service itself can remove. Here they are real interfaces in moto's EC2, so one check serves all.
"""

from moto.ec2 import ec2_backends

from .rules import on_reset

HELD = {}


def hold(owner, region, account, subnet_id, group_ids, description, requester, public=False):
    """Put an interface of `owner` (any key) into a subnet and return it."""
    backend = ec2_backends[account][region]
    eni = backend.create_network_interface(
        backend.get_subnet(subnet_id), None, group_ids=list(group_ids), description=description
    )
    eni.requester_managed, eni.requester_id, eni.status = True, requester, "in-use"
    eni.public_ip_auto_assign = public
    eni.check_auto_public_ip()
    HELD.setdefault(owner, []).append(eni)
    return eni


def held(owner):
    return HELD.get(owner, [])


def regroup(owner, group_ids):
    """Change the groups of the owner's interfaces."""
    for eni in held(owner):
        eni._group_set = [eni.ec2_backend.get_security_group_from_id(g) for g in group_ids]


def release(owner, keep=0):
    """Remove the owner's interfaces, except the first `keep`."""
    for eni in HELD.get(owner, [])[keep:]:
        eni.ec2_backend.enis.pop(eni.id, None)
    HELD[owner] = HELD.get(owner, [])[:keep]
    if not HELD[owner]:
        del HELD[owner]


def in_subnet(backend, subnet_id):
    return [eni for eni in backend.enis.values() if eni.subnet.id == subnet_id]


def with_group(backend, group_id):
    return [eni for eni in backend.enis.values() if any(g and g.id == group_id for g in eni.group_set)]


on_reset(HELD.clear)
