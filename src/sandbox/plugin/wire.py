"""Requests and answers in each service's own protocol, driven by the models that botocore ships."""

import io
import json
import re
import uuid
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlencode

from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request
from moto.core.routing import get_service_router
from moto.core.serialize import get_serializer_class

from . import cbor
from . import model as api
from .data import service_model
from .rules import Call, Refusal

# The name for which a request is signed -> botocore's name. Only services that stacks use.
SERVICES = {
    "acm": "acm",
    "autoscaling": "autoscaling",
    "cloudfront": "cloudfront",
    "ec2": "ec2",
    "elasticache": "elasticache",
    "elasticfilesystem": "efs",
    "elasticloadbalancing": "elbv2",
    "iam": "iam",
    "logs": "logs",
    "monitoring": "cloudwatch",
    "rds": "rds",
    "route53": "route53",
    "servicequotas": "service-quotas",
    "ssm": "ssm",
    "sts": "sts",
    "tagging": "resourcegroupstaggingapi",
}
# moto implements only the first of these two.
CBOR_PREFIX = "/service/GraniteServiceVersion20100801/operation/"
JSON_TARGET = "GraniteServiceVersion20100801."


# Access keys that the account in the sandbox issued to roles and users, which are as good as the sandbox's own.
ISSUED = set()


class Signed(NamedTuple):
    """The content of a request's signature. The signature itself is not checked."""

    key: str
    region: str
    service: str
    in_query: bool


def signed(environ):
    """Return who signed a request and for what, from the header or a signed address; None if nobody did."""
    scope = r"([^/\s,=]+)/\d{8}/([A-Za-z0-9-]+)/([A-Za-z0-9-]+)/aws4_request"
    header = environ.get("HTTP_AUTHORIZATION")
    if header is not None:
        found = re.match(rf"AWS4-HMAC-SHA256\s+Credential={scope}(?:[\s,]|$)", header)
    else:
        names = parse_qs(environ.get("QUERY_STRING", "")).get("X-Amz-Credential", [])
        found = re.fullmatch(scope, names[0]) if len(names) == 1 else None
    return found and Signed(found[1], found[2], found[3].lower(), header is None)


def _for_the_account(environ, by):
    """Return the request with its signature in one place, and without the sandbox's key, which belongs to nobody in the
    account.
    """
    key = by.key if by.key in ISSUED else "sandbox"
    environ["HTTP_AUTHORIZATION"] = (
        f"AWS4-HMAC-SHA256 Credential={key}/20000101/{by.region}/{by.service}/aws4_request, "
        "SignedHeaders=host, Signature=0"
    )
    if by.in_query:
        pairs = environ.get("QUERY_STRING", "").split("&")
        query = "&".join(p for p in pairs if not unquote(p).lower().startswith("x-amz-"))
        environ["QUERY_STRING"] = query
        for name in ("RAW_URI", "REQUEST_URI"):
            if name in environ:
                environ[name] = environ[name].partition("?")[0] + (f"?{query}" if query else "")


def read(environ, body):
    """Return the call of a request, or None if the sandbox does not answer it."""
    by = signed(environ)
    service = SERVICES.get(by.service) if by else None
    if service is None:
        return None
    region = by.region
    _for_the_account(environ, by)
    model = service_model(service)
    path, target = environ.get("PATH_INFO", ""), environ.get("HTTP_X_AMZ_TARGET")
    content_type = environ.get("CONTENT_TYPE", "")
    url_params, form = {}, {}
    if path.startswith(CBOR_PREFIX):
        protocol, operation = "cbor", path[len(CBOR_PREFIX) :]
    elif not model.protocol.startswith("rest") and path != "/":
        return None
    elif target:
        protocol, operation = "json", target.rpartition(".")[2]
    elif model.protocol.startswith("rest"):
        protocol = model.protocol
        try:
            found, url_params = get_service_router(service).match(request(environ, body))
        except Exception:  # a path that the service does not have
            return None
        operation = found.name
        form = request(environ, body).args  # of several values of one name, all
    else:
        protocol = "ec2" if service == "ec2" else "query"
        text = body.decode() if content_type.startswith("application/x-www-form") else environ.get("QUERY_STRING", "")
        form = {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}
        operation = form.get("Action", "")
        # The classic balancers are signed for the same service, but are not supported.
        if service == "elbv2" and form.get("Version") != "2015-12-01":
            return None
    if operation not in model.operation_names:
        return None
    operation_model = model.operation_model(operation)
    headers = request(environ, body).headers
    is_xml = protocol == "rest-xml"
    wrong = None if is_xml else _wrong(service, operation_model, protocol, form, url_params, headers, body)
    try:
        if protocol == "cbor":
            params = cbor.read(body)
        else:
            params = PROTOCOL_PARSERS[protocol](operation_model).parse(
                {
                    "method": environ["REQUEST_METHOD"],
                    "values": form,
                    "headers": headers,
                    "body": body,
                    "url_path": path,
                    "url_params": url_params,
                }
            )
    except Exception:
        if wrong is None:
            raise
        params = {}  # nobody will look at it
    if is_xml and operation_model.input_shape is not None:
        # The parser follows the model, so what the model does not know is not seen.
        wrong = api.refusal(service, operation_model, protocol, params)
    call = Call(service, operation, params, region, DEFAULT_ACCOUNT_ID, operation_model, protocol, environ, body)
    call.checked, call.wrong = True, wrong
    return call


def _wrong(service, operation, protocol, form, url, headers, body):
    """Return AWS's refusal of a request that breaks the model, or None."""
    shape = operation.input_shape
    if shape is None:
        return None
    if protocol in ("query", "ec2"):
        tree = api.from_query(form, shape, ec2=protocol == "ec2")
    elif protocol == "cbor":
        tree = api.from_json(cbor.read(body), shape)
    else:
        try:
            document = json.loads(body) if body else {}
        except ValueError:
            document = body.decode(errors="replace")
        if not isinstance(document, dict):
            tree = document
        elif protocol == "json":
            tree = api.from_json(document, shape)
        else:
            tree = api.from_rest(url, form, headers, document, shape)
    return api.refusal(service, operation, protocol, tree)


def another(call, operation, params):
    """Return a call of the same caller for another operation of the same (query) service."""
    model = call.model.service_model.operation_model(operation)
    form = create_serializer(call.protocol).serialize_to_request(params, model)["body"]
    body = urlencode(form).encode()
    environ = {**call.environ, "CONTENT_TYPE": "application/x-www-form-urlencoded; charset=utf-8"}
    return Call(call.service, operation, params, call.region, call.account, model, call.protocol, environ, body)


def request(environ, body):
    return Request({**environ, "wsgi.input": io.BytesIO(body)})


def write(call, result, status=None):
    """Return (status, headers, body) for a dict in the shape of the model, or for an exception."""
    if call.protocol == "cbor":
        return cbor.write(call, result)
    serializer = get_serializer_class(call.service, call.protocol)(operation_model=call.model)
    answer = serializer.serialize(result)
    code, body = answer["status_code"], answer["body"]
    if isinstance(result, Refusal) and result.status != 400:
        code = result.status
    headers = {**answer["headers"], "x-amzn-RequestId": str(uuid.uuid4())}
    return code, headers, body.encode() if isinstance(body, str) else body


def understand(call, status, headers, body):
    """Return moto's answer as (dict, error code)."""
    protocol = "json" if call.protocol == "cbor" else call.protocol
    parsed = create_parser(protocol).parse(
        {"status_code": status, "headers": {k.lower(): v for k, v in headers}, "body": body}, call.model.output_shape
    )
    error = parsed.get("Error", {}).get("Code") if status >= 300 else None
    parsed.pop("ResponseMetadata", None)
    return parsed, error


def for_moto(call):
    """Return the request in moto's form; only CBOR needs a translation."""
    environ, body = dict(call.environ), call.body
    if call.protocol == "cbor":
        body = json.dumps(call.params, default=cbor.json_value).encode()
        environ.update(
            PATH_INFO="/",
            RAW_URI="/",
            REQUEST_URI="/",
            CONTENT_TYPE="application/x-amz-json-1.0",
            HTTP_X_AMZ_TARGET=JSON_TARGET + call.operation,
        )
        environ.pop("HTTP_CONTENT_ENCODING", None)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"] = io.BytesIO(body)
    return environ
