"""The table of our fixes, and what they see of a request."""

import hashlib
import itertools
import time
from dataclasses import dataclass, field

from moto.core.exceptions import ServiceException

BEFORE, INSTEAD, AFTER, RESET = {}, {}, {}, []


def ask(call, operation, **params):
    """Set by the gate: another operation of the same service, for a rule that needs its answer."""
    raise NotImplementedError


class Refusal(ServiceException):
    """An error as AWS gives it; the wire writes it in the service's protocol."""

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
    # What a `before` rule wants its `after` rule to know.
    notes: dict = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    # Whether it was held against the API model, and what AWS says if it breaks it.
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
    """A check: raises Refusal, or returns nothing and moto goes on."""
    return _register(BEFORE, service, operations)


def instead(service, *operations):
    """Our own answer, a dict in the shape of the model; None lets moto answer."""
    return _register(INSTEAD, service, operations)


def after(service, *operations):
    """Sees moto's good answer as a dict; returns it changed, or None for "as it is"."""
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
    """One page of `items` and the token of the next; the token is the index of its first item."""
    start = int(call.get(token_name) or 0)
    size = int(call.get(size_name) or default)
    following = start + size
    return items[start:following], (str(following) if following < len(items) else None)


def partition(region):
    """What every ARN of a region begins with."""
    return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rpartition("-")[0].rpartition("-")[0], "aws")


class Numbers:
    """Ids that look like AWS's, the same in every run."""

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
