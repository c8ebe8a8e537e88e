"""The table of our fixes, and their view of a request."""

import hashlib
import itertools
import time
from dataclasses import dataclass, field

from moto.core.exceptions import ServiceException

BEFORE, INSTEAD, AFTER, RESET = {}, {}, {}, []


def ask(call, operation, **params):
    """Ask another operation of the same service, for a rule that needs its answer. The gate sets this."""
    raise NotImplementedError


class Refusal(ServiceException):
    """An error in AWS's form, which the wire writes in the service's protocol."""

    def __init__(self, code, message, status=400, **fields):
        super().__init__(code, message)
        self.status = status
        for name, value in fields.items():
            setattr(self, name, value)


@dataclass
class Call:
    service: str  # as botocore names it: ec2, elbv2, efs, cloudwatch
    operation: str
    params: dict
    region: str
    account: str
    model: object = field(repr=False, default=None)
    protocol: str = ""
    environ: dict = field(repr=False, default=None)
    body: bytes = field(repr=False, default=b"")
    # Values that a `before` rule passes to its `after` rule.
    notes: dict = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    # Whether it was checked against the API model, and AWS's answer if it breaks the model.
    checked: bool = False
    wrong: Refusal = None

    def get(self, name, default=None):
        return self.params.get(name, default)

    @property
    def mutating(self):
        return not self.operation.startswith(
            ("Describe", "List", "Get", "Simulate", "Lookup", "Search", "Filter", "Head", "BatchGet")
        )


def before(service, *operations):
    """Register a check: it raises Refusal, or returns nothing and moto continues."""
    return _register(BEFORE, service, operations)


def instead(service, *operations):
    """Register an answer of our own, a dict in the shape of the model; None lets moto answer."""
    return _register(INSTEAD, service, operations)


def after(service, *operations):
    """Register a change of moto's good answer: return the changed dict, or None for "unchanged"."""
    return _register(AFTER, service, operations)


def on_reset(action):
    RESET.append(action)
    return action


def _register(table, service, operations):
    def wrap(function):
        for operation in operations:
            table.setdefault((service, operation), []).append(function)
        return function

    return wrap


def page(call, items, size_name, token_name="NextToken", default=100):
    """Return one page of `items` and the token of the next; the token is the index of its first item."""
    start = int(call.get(token_name) or 0)
    size = int(call.get(size_name) or default)
    following = start + size
    return items[start:following], (str(following) if following < len(items) else None)


def partition(region):
    """Return the partition of a region, with which its ARNs begin."""
    return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rpartition("-")[0].rpartition("-")[0], "aws")


class Numbers:
    """Ids in AWS's form, the same in every run."""

    def __init__(self):
        self._next = itertools.count(1)

    def hex(self, digits=17):
        return hashlib.sha256(b"%d" % next(self._next)).hexdigest()[:digits]

    def letters(self, count=10):
        number, out = int(self.hex(13), 16), ""
        for _ in range(count):
            number, digit = divmod(number, 36)
            out += "abcdefghijklmnopqrstuvwxyz0123456789"[digit]
        return out

    def uuid(self):
        h = self.hex(32)
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"


NUMBERS = Numbers()
