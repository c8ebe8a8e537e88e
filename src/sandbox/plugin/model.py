"""Check every request against the API model that botocore ships: AWS's first refusals.

Checked are required and unknown members, types, limits of numbers, texts, lists and maps, patterns, enums and unions.
Neither moto nor the SDKs check most of these. The words are EC2's own; "N validation errors detected: Value … failed to
satisfy constraint: …" of the services that Coral serves; RDS and ElastiCache have their own codes. Some services ignore
unknown members; here they are refused, since an ignored member does not do what was intended.
"""

import base64
import binascii
import datetime
import functools
import re
import unicodedata

from .rules import Refusal

# Constraints of the model that AWS does not enforce: (service, operation or "*", path, kind) -> why. A path is as in
# `Problem.path`, with `N` for an index.
LENIENT = {
    ("ec2", "*", "InstanceType", "enum"): "the list lags behind the types that AWS has",
    ("ec2", "*", "LaunchTemplateData.InstanceType", "enum"): "the list lags behind the types that AWS has",
}
# Limits that only the documentation states: (service, operation or "*", member) -> limits.
STRICTER = {
    ("autoscaling", "*", "MaxRecords"): {"max": 100},
    ("elasticache", "*", "MaxRecords"): {"min": 20, "max": 100},
    ("elbv2", "AddTags", "ResourceArns"): {"max": 20},
    ("elbv2", "DescribeTags", "ResourceArns"): {"max": 20},
    ("elbv2", "RemoveTags", "ResourceArns"): {"max": 20},
    ("rds", "*", "MaxRecords"): {"min": 20, "max": 100},
}
# Fields of a query that describe the request and are not part of it.
ENVELOPE = re.compile("Action|Version|X-Amz-.*|AWSAccessKeyId|Signature.*|Timestamp")

INTEGERS = {"integer": 31, "long": 63, "short": 15, "byte": 7}
FLOATS = ("float", "double")


class Problem:
    """One problem: its kind, its place, the value, and the model's requirement."""

    def __init__(self, kind, path, value=None, wants=None, shape=None):
        self.kind, self.path, self.value, self.wants, self.shape = kind, path, value, wants, shape

    @property
    def shown(self):
        secret = self.shape is not None and self.shape.metadata.get("sensitive")
        return "***" if secret else str(self.value)


def refusal(service, operation, protocol, tree):
    """Return AWS's refusal of a request in the service's words, or None if it is valid."""
    problems = [*check(tree, operation.input_shape), *_stricter(service, operation.name, tree)]
    problems = [p for p in problems if not _lenient(service, operation.name, p)]
    if not problems:
        return None
    if service == "ec2":
        return _ec2(problems[0])
    if service in ("rds", "elasticache"):
        return _rds(problems[0])
    return _coral(service, protocol, problems)


def _stricter(service, operation, tree):
    for (of, name, member), limits in STRICTER.items():
        if of != service or name not in ("*", operation) or not isinstance(tree, dict):
            continue
        value = tree.get(member)
        if isinstance(value, list):
            size, low, high = len(value), "short", "long"
        elif isinstance(value, int):
            size, low, high = value, "min", "max"
        else:
            continue
        if size < limits.get("min", size):
            yield Problem(low, member, value, limits["min"])
        elif size > limits.get("max", size):
            yield Problem(high, member, value, limits["max"])


def _lenient(service, operation, problem):
    path = re.sub(r"\.\d+", ".N", problem.path)
    return any((service, name, path, problem.kind) in LENIENT for name in (operation, "*"))


# The words.


def _ec2(problem):
    kind, path, wants = problem.kind, problem.path, problem.wants
    if kind == "missing":
        return Refusal("MissingParameter", f"The request must contain the parameter {path}")
    if kind == "unknown":
        return Refusal("UnknownParameter", f"The parameter {path} is not recognized")
    name = path[:1].lower() + path[1:]
    more = {
        "min": f"Expecting a value greater than {wants}",
        "max": f"Expecting a value less than {wants}",
        "type": f"Expecting a value of type {wants}",
    }.get(kind, _constraint(problem))
    # github.com/aws/aws-sdk-ruby/issues/2575 has these words, blanks included.
    return Refusal("InvalidParameterValue", f"Value ( {problem.shown} ) for parameter {name} is invalid. {more}")


def _rds(problem):
    if problem.kind == "missing":
        return Refusal("MissingParameter", f"The request must contain the parameter {problem.path}.")
    if problem.kind == "unknown":
        return Refusal("InvalidQueryParameter", f"The parameter {problem.path} is not recognized.")
    return Refusal("InvalidParameterValue", f"Invalid value {problem.shown} for {problem.path}. {_constraint(problem)}")


# The service's code for an unmet constraint, and for an unreadable request.
CODES = {
    "acm": ("ValidationException", "SerializationException"),
    "cloudfront": ("InvalidArgument", "MalformedXML"),
    "efs": ("ValidationException", "BadRequest"),
    "logs": ("InvalidParameterException", "SerializationException"),
    "resourcegroupstaggingapi": ("InvalidParameterException", "SerializationException"),
    "route53": ("InvalidInput", "InvalidInput"),
    "service-quotas": ("IllegalArgumentException", "SerializationException"),
    "ssm": ("ValidationException", "SerializationException"),
    "cloudwatch": ("ValidationError", "SerializationException"),
}
QUERY_CODES = ("ValidationError", "MalformedInput")


def _coral(service, protocol, problems):
    invalid, unreadable = CODES.get(service, QUERY_CODES)
    code, message = invalid, None
    for problem in problems:
        if problem.kind == "unknown":
            # documented among the common errors of the query services
            code = "InvalidQueryParameter" if protocol == "query" else unreadable
            message = f"Unexpected field {problem.path}"
        elif problem.kind == "type":
            code, message = unreadable, f"{problem.shown} cannot be converted to {problem.wants} at {problem.path}"
    if message is None:
        said = "; ".join(_sentence(p) for p in problems)
        message = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: {said}"
    if service == "efs":
        return Refusal(code, message, 400, ErrorCode=code, Message=message)
    return Refusal(code, message)


def _sentence(problem):
    path = ".".join(p[:1].lower() + p[1:] for p in problem.path.split("."))
    if problem.kind == "missing":
        return f"Value null at '{path}' failed to satisfy constraint: Member must not be null"
    value = "Value" if problem.shown == "***" else f"Value '{problem.shown}'"
    return f"{value} at '{path}' failed to satisfy constraint: {_constraint(problem)}"


def _constraint(problem):
    wants = problem.wants
    return {
        "min": f"Member must have value greater than or equal to {wants}",
        "max": f"Member must have value less than or equal to {wants}",
        "short": f"Member must have length greater than or equal to {wants}",
        "long": f"Member must have length less than or equal to {wants}",
        "enum": f"Member must satisfy enum value set: [{', '.join(wants or [])}]" if problem.kind == "enum" else "",
        "pattern": f"Member must satisfy regular expression pattern: {wants}",
        "type": f"Member must be of type {wants}",
        "union": "Exactly one member of the union must be set",
    }[problem.kind]


# The check of a request as a tree of members by their names.


def check(value, shape, path=""):
    """Yield the problems of a value of this shape."""
    kind, limits = shape.type_name, shape.metadata
    if kind == "structure":
        yield from _structure(value, shape, path)
    elif kind == "list":
        if not isinstance(value, list):
            yield Problem("type", path, value, "list", shape)
            return
        yield from _length(value, limits, path, shape)
        for n, item in enumerate(value, 1):
            yield from check(item, shape.member, f"{path}.{n}")
    elif kind == "map":
        if not isinstance(value, dict):
            yield Problem("type", path, value, "map", shape)
            return
        yield from _length(value, limits, path, shape)
        for key, item in value.items():
            yield from check(key, shape.key, f"{path}.key")
            yield from check(item, shape.value, f"{path}.{key}")
    elif kind in INTEGERS or kind in FLOATS:
        number = isinstance(value, int if kind in INTEGERS else (int, float)) and not isinstance(value, bool)
        if not number or (kind in INTEGERS and not -(2 ** INTEGERS[kind]) <= value < 2 ** INTEGERS[kind]):
            yield Problem("type", path, value, kind, shape)
        elif "min" in limits and value < limits["min"]:
            yield Problem("min", path, value, limits["min"], shape)
        elif "max" in limits and value > limits["max"]:
            yield Problem("max", path, value, limits["max"], shape)
    elif kind == "boolean":
        if not isinstance(value, bool):
            yield Problem("type", path, value, kind, shape)
    elif kind == "timestamp":
        if not _is_time(value):
            yield Problem("type", path, value, kind, shape)
    elif kind == "blob":
        value = _bytes(value)
        if value is None:
            yield Problem("type", path, "?", kind, shape)
        else:
            yield from _length(value, limits, path, shape)
    else:
        yield from _text(value, shape, path)


def _structure(value, shape, path):
    if shape.is_document_type:
        return
    if not isinstance(value, dict):
        yield Problem("type", path, value, "structure", shape)
        return
    at = lambda name: f"{path}.{name}" if path else name
    for name in value:
        if name not in shape.members:
            yield Problem("unknown", at(name), value[name])
    for name in shape.required_members:
        if value.get(name) is None:
            yield Problem("missing", at(name))
    given = [name for name in shape.members if value.get(name) is not None]
    if shape.is_tagged_union and len(given) != 1:
        yield Problem("union", path, given, None, shape)
    for name in given:
        yield from check(value[name], shape.members[name], at(name))


def _length(value, limits, path, shape):
    if "min" in limits and len(value) < limits["min"]:
        yield Problem("short", path, value, limits["min"], shape)
    elif "max" in limits and len(value) > limits["max"]:
        yield Problem("long", path, value, limits["max"], shape)


def _text(value, shape, path):
    if not isinstance(value, str):
        yield Problem("type", path, value, "string", shape)
        return
    yield from _length(value, shape.metadata, path, shape)
    if shape.enum and value not in shape.enum:
        yield Problem("enum", path, value, shape.enum, shape)
    pattern = shape.metadata.get("pattern")
    if pattern and not _compiled(pattern).fullmatch(value):
        yield Problem("pattern", path, value, pattern, shape)


def _is_time(value):
    if isinstance(value, datetime.datetime) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return True
    try:
        datetime.datetime.fromisoformat(str(value).replace("Z", "+00:00"))  # Python 3.10 knows no Z
        return True
    except ValueError:
        return False


def _bytes(value):
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        return None


@functools.cache
def _class(category):
    """Return the characters of a Unicode category (or group of categories) for a class in Python's `re`."""
    runs = []
    for code in range(0x32400):  # beyond it nothing is assigned that a pattern names
        if unicodedata.category(chr(code)).startswith(category):
            if runs and runs[-1][1] == code - 1:
                runs[-1][1] = code
            else:
                runs.append([code, code])
    return "".join(f"\\U{a:08x}-\\U{b:08x}" for a, b in runs)


@functools.cache
def _compiled(pattern):
    """Translate a pattern of the model, which is in Java's dialect, to Python's."""
    # A surrogate pair is one character here.
    pattern = pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")
    pattern = re.sub(r"\\p\{(\w+)\}", lambda m: _class(m[1]), pattern)
    pattern = re.sub(r"\\w-(?=[^\]])", r"\\w\\-", pattern)
    return re.compile(pattern)


# From the wire to the tree. Unknown members keep their wire names.


def from_query(form, shape, ec2=False):
    """Return the tree of a form, `A.B.1.C=…`. Names that the model does not know stay unchanged."""
    tree = {}
    for name, value in form.items():
        if ENVELOPE.fullmatch(name):
            continue
        at, parts = tree, name.split(".")
        for part in parts[:-1]:
            inner = at.get(part)
            if not isinstance(inner, dict):
                at[part] = inner = {}
            at = inner
        at[parts[-1]] = value
    return _from_tree(tree, shape, ec2)


def _from_tree(tree, shape, ec2):
    kind = shape.type_name
    if kind == "structure" and isinstance(tree, dict):
        return _members(tree, shape, ec2)
    if kind == "list":
        if isinstance(tree, dict) and not ec2 and not shape.serialization.get("flattened"):
            # `X.member.1`, or another word of the model; both are accepted.
            words = {shape.member.serialization.get("name", "member"), "member"}
            tree = next((tree[w] for w in words if set(tree) == {w}), tree)
        if tree == "":
            return []  # an empty list, as the query protocol writes it
        if isinstance(tree, dict) and all(n.isdecimal() for n in tree):
            return [_from_tree(tree[n], shape.member, ec2) for n in sorted(tree, key=int)]
        return tree
    if kind == "map" and isinstance(tree, dict):
        tree = tree.get("entry", tree)
        pairs = [tree[n] for n in sorted(tree)]
        if all(isinstance(p, dict) and "key" in p for p in pairs):
            return {p["key"]: _from_tree(p.get("value", ""), shape.value, ec2) for p in pairs}
        return tree
    return _scalar(tree, kind)


def _members(tree, shape, ec2):
    tree, found = dict(tree), {}
    for name, member in shape.members.items():
        wire = _ec2_name(name, member) if ec2 else _query_name(name, member)
        if wire in tree:
            found[name] = _from_tree(tree.pop(wire), member, ec2)
    return {**found, **tree}


def _ec2_name(name, member):
    wire = member.serialization
    return wire.get("queryName") or (wire["name"][:1].upper() + wire["name"][1:] if "name" in wire else name)


def _query_name(name, member):
    if member.type_name == "list" and member.serialization.get("flattened"):
        return member.member.serialization.get("name", name)
    return member.serialization.get("name", name)


def _scalar(text, kind):
    """Convert texts of a form or a URL by their type. A text of no type stays a text, which the check refuses."""
    if not isinstance(text, str):
        return text
    try:
        if kind in INTEGERS:
            return int(text)
        if kind in FLOATS:
            return float(text)
    except ValueError:
        return text
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    return text


def from_json(value, shape):
    """Return the tree of a JSON or CBOR document, with the model's names instead of the wire's."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict) and not shape.is_document_type:
        names = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}
        found = {}
        for wire, item in value.items():
            name, member = names.get(wire, (wire, None))
            found[name] = item if member is None or item is None else from_json(item, member)
        return found
    if kind == "list" and isinstance(value, list):
        return [from_json(item, shape.member) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {key: from_json(item, shape.value) for key, item in value.items()}
    if kind in INTEGERS and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def from_rest(url, query, headers, document, shape):
    """Return the tree of a REST request: members of path, query string, headers and body."""
    found, inside, rest = {}, {}, set(query)
    for name, member in shape.members.items():
        place, wire = member.serialization.get("location"), member.serialization.get("name", name)
        if place == "uri" and wire in url:
            found[name] = _scalar(url[wire], member.type_name)
        elif place == "querystring" and wire in query:
            rest.discard(wire)
            values = query.getlist(wire)
            if member.type_name == "list":
                found[name] = [_scalar(v, member.member.type_name) for v in values]
            else:
                found[name] = _scalar(values[0], member.type_name)
        elif place == "header" and wire in headers:
            found[name] = _scalar(headers[wire], member.type_name)
        elif place is None:
            inside[wire] = (name, member)
    for wire, item in (document or {}).items():
        name, member = inside.get(wire, (wire, None))
        found[name] = item if member is None or item is None else from_json(item, member)
    return {**found, **{name: query[name] for name in rest}}
