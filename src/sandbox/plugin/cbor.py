"""CloudWatch in Smithy RPC v2 CBOR: the only protocol that the Rust SDK's CloudWatch client speaks.

moto knows CloudWatch as JSON 1.0, so a request becomes JSON on its way in and the answer becomes CBOR on
its way out. https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
"""

import datetime

import cbor2

HEADERS = {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}


def read(body):
    return cbor2.loads(body) if body else {}


def json_value(value):
    """Convert a value for json.dumps: JSON 1.0 has timestamps as seconds."""
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    if isinstance(value, bytes):
        return value.decode()
    raise TypeError(type(value))


def write(call, result):
    if isinstance(result, Exception):
        code = getattr(result, "code", "InternalFailure")
        return _error(call, code, getattr(result, "message", str(result)), getattr(result, "status", 400))
    return 200, dict(HEADERS), cbor2.dumps(_shaped(result or {}, call.model.output_shape))


def _error(call, code, message, status):
    # The model's shape names and the old query codes differ (LimitExceededFault, LimitExceeded): `__type`
    # carries the shape, the header the code that clients compare with (model: awsQueryCompatible).
    shape = next((s.name for s in call.model.service_model.error_shapes if s.error_code == code), code)
    headers = {**HEADERS, "x-amzn-query-error": f"{code};{'Sender' if status < 500 else 'Receiver'}"}
    namespace = "com.amazonaws.cloudwatch#"
    return status, headers, cbor2.dumps({"__type": namespace + shape, "message": message})


def _shaped(value, shape):
    """Convert by the model, since JSON cannot distinguish a float from an integer, nor a date from a number."""
    if shape is None or value is None:
        return {}
    kind = shape.type_name
    if kind == "structure":
        return {
            name: _shaped(value[name], member) for name, member in shape.members.items() if value.get(name) is not None
        }
    if kind == "list":
        return [_shaped(item, shape.member) for item in value]
    if kind == "map":
        return {key: _shaped(item, shape.value) for key, item in value.items()}
    if kind == "timestamp":
        seconds = value.timestamp() if isinstance(value, datetime.datetime) else float(value)
        return cbor2.CBORTag(1, float(seconds))
    if kind in ("double", "float"):
        return float(value)
    if kind in ("integer", "long"):
        return int(value)
    if kind == "boolean":
        return value if isinstance(value, bool) else str(value).lower() == "true"
    if kind == "blob":
        return value if isinstance(value, bytes) else str(value).encode()
    return str(value)
