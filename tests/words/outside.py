"""A proxy before the sandbox that puts hostile words into AWS's answers, by the API model that botocore ships: whatever
string an operation can return is known from there, so that a new call is covered by itself."""

import functools
import http.client
import json
import random
import re
import threading
import urllib.parse
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import botocore.session
import cbor2
from conftest import HOSTILE

SERVICES = {
    "ec2": "ec2", "rds": "rds", "elasticache": "elasticache", "elasticloadbalancing": "elbv2", "iam": "iam",
    "ssm": "ssm",
    "autoscaling": "autoscaling", "logs": "logs", "monitoring": "cloudwatch", "elasticfilesystem": "efs", "sts": "sts",
    "tagging": "resourcegroupstaggingapi", "servicequotas": "service-quotas",
}
# What is said for people to read, and what people give: no call needs it.
FREE = re.compile(
    r"(message|description|reason|cause|comment|status(text|message|code)?|details?|owner|alias|title|statemachine|"
    r"(^|\.)value|requester|servicename|progress)", re.IGNORECASE,
)
# Where an answer goes on; an endless loop shows nothing.
PAGES = re.compile(r"(token|marker)$", re.IGNORECASE)
# XML has no place for these; the SDK takes them as character references all the same.
NO_XML = sorted({c for c in HOSTILE if ord(c) < 32 and c not in "\n\r\t"})
STAND_INS = {c: chr(0xE000 + n) for n, c in enumerate(NO_XML)}


@functools.cache
def model(service):
    return botocore.session.get_session().get_service_model(service)


@functools.cache
def strings(service, operation):
    """The paths of all strings that an operation can return, enums left out."""
    found = set()

    def walk(shape, path, above):
        if shape is None or shape.name in above:
            return
        above = (*above, shape.name)
        if shape.type_name == "structure":
            for name, member in shape.members.items():
                walk(member, f"{path}.{name}" if path else name, above)
        elif shape.type_name == "list":
            walk(shape.member, path, above)
        elif shape.type_name == "map":
            walk(shape.value, f"{path}.value", above)
        elif shape.type_name == "string" and not shape.enum:
            found.add(path)

    walk(model(service).operation_model(operation).output_shape, "", ())
    return found


# Headers of one connection, not of what is asked or answered.
ITS_OWN = (
    "host", "connection", "accept-encoding", "content-length", "transfer-encoding", "date", "server", "x-amz-crc32",
)


class Mode:
    """Which strings are rewritten."""

    def __init__(self, name, seed=0, share=1.0):
        self.name, self.seed, self.share = name, seed, share

    def takes(self, service, operation, path):
        if PAGES.search(path):
            return False
        if self.name == "free":
            # The values of notes and settings are read by programs.
            if path.startswith("Parameter"):
                return False
            return bool(FREE.search(path.split(".")[-1] if "value" not in path.lower() else path))
        return random.Random(f"{self.seed} {service} {operation} {path}").random() < self.share


class Answers:
    """The proxy. `mode` says what it does; `fail`: what is refused in hostile words; `rewritten`: what it did."""

    def __init__(self, to):
        self.to, self.mode, self.fail, self.rewritten = urllib.parse.urlsplit(to), None, set(), set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def any(self):
                size = int(self.headers.get("Content-Length") or 0)
                outer.pass_on(self, self.rfile.read(size))

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = any

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # who asked has gone: a run ends when it has said enough
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def pass_on(self, handler, body):
        headers = {k: v for k, v in handler.headers.items() if k.lower() not in ITS_OWN}
        connection = http.client.HTTPConnection(self.to.hostname, self.to.port, timeout=60)
        connection.request(handler.command, handler.path, body, headers)
        answer = connection.getresponse()
        text, status = answer.read(), answer.status
        connection.close()
        called = which(handler.command, handler.path, handler.headers, body)
        kind = answer.getheader("Content-Type", "")
        if called and self.mode:
            if called in self.fail:
                status, text = 403, refusal(called, kind)
            elif text:
                text = self.rewrite(called, status, text, kind)
        handler.send_response(status)
        for name, value in answer.getheaders():
            if name.lower() not in ITS_OWN:
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    def rewrite(self, called, status, text, kind):
        service, operation = called
        shape = model(service).operation_model(operation).output_shape if status < 300 else None

        def hostile(value, path):
            if not isinstance(value, str) or not self.mode.takes(service, operation, path):
                return value
            self.rewritten.add((service, operation, path))
            return value + HOSTILE

        if "cbor" in kind:
            tree = cbor2.loads(text)
            return cbor2.dumps(of_tree(tree, shape, "", hostile))
        if "json" in kind or text[:1] in (b"{", b"["):
            return json.dumps(of_tree(json.loads(text), shape, "", hostile)).encode()
        try:
            root = ET.fromstring(text)
        except ET.ParseError:
            return text
        for node in root.iter():
            node.tag = node.tag.rsplit("}", 1)[-1]  # the SDK knows no prefixes
        if shape is None:
            for node in root.iter():
                if node.tag == "Message":
                    node.text = safe_in_xml(hostile(node.text or "", "Message"))
        else:
            node = root
            wrapper = shape.serialization.get("resultWrapper")
            for child in root:
                if child.tag == wrapper:
                    node = child
            of_xml(node, shape, "", hostile)
        written = ET.tostring(root, encoding="unicode")
        for c, stand_in in STAND_INS.items():
            written = written.replace(stand_in, f"&#{ord(c)};")
        return ('<?xml version="1.0" encoding="UTF-8"?>' + written.replace("\r", "&#13;")).encode()


def which(method, path, headers, body):
    """The service and the operation of a request."""
    scope = re.search(r"Credential=[^/]+/\d+/[^/]*/([^/]+)/", headers.get("Authorization", ""))
    service = SERVICES.get(scope[1]) if scope else None
    if service is None:
        return None
    target = headers.get("X-Amz-Target")
    if target:
        return service, target.split(".")[-1]
    cbor = re.search(r"/operation/(\w+)$", path)
    if cbor:
        return service, cbor[1]
    form = urllib.parse.parse_qs(body.decode(errors="replace"))
    if "Action" in form:
        return service, form["Action"][0]
    bare = path.split("?")[0]
    for name in model(service).operation_names:
        rule = model(service).operation_model(name).http
        pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(rule["requestUri"].split("?")[0]))
        if rule["method"] == method and re.fullmatch(pattern, bare):
            return service, name
    return None


def refusal(called, kind):
    """A refusal in the words of whoever answers."""
    words = f"User is not authorized {HOSTILE}"
    if "cbor" in kind:
        return cbor2.dumps({"__type": "AccessDeniedException", "message": words})
    if "json" in kind:
        return json.dumps({"__type": "AccessDeniedException", "message": words, "Message": words}).encode()
    said = "".join(f"&#{ord(c)};" if ord(c) < 32 else c for c in words.replace("&", "&amp;").replace("<", "&lt;"))
    if called[0] == "ec2":
        error = f"<Error><Code>UnauthorizedOperation</Code><Message>{said}</Message></Error>"
        text = f"<Response><Errors>{error}</Errors></Response>"
    else:
        text = f"<ErrorResponse><Error><Code>AccessDenied</Code><Message>{said}</Message></Error></ErrorResponse>"
    return text.encode()


def of_tree(value, shape, path, hostile):
    """JSON or CBOR, by its shape; an error has none."""
    if shape is None:
        if isinstance(value, dict):
            return {k: hostile(v, k) if k.lower() == "message" else v for k, v in value.items()}
        return value
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        names = {m.serialization.get("name", n): (n, m) for n, m in shape.members.items()}
        of = lambda k, v: of_tree(v, names[k][1], f"{path}.{names[k][0]}" if path else names[k][0], hostile)
        ours = is_our_tag(value.get("Key", value.get("key")))
        return {k: of(k, v) if k in names and not ours else v for k, v in value.items()}
    if kind == "list" and isinstance(value, list):
        return [of_tree(v, shape.member, path, hostile) for v in value]
    if kind == "map" and isinstance(value, dict):
        return {k: of_tree(v, shape.value, f"{path}.value", hostile) for k, v in value.items()}
    return hostile(value, path) if kind == "string" and not shape.enum else value


def is_our_tag(key):
    """Without these nothing is ours, and little is looked at."""
    return isinstance(key, str) and key.startswith("gameday:")


def safe_in_xml(text):
    return "".join(STAND_INS.get(c, c) for c in text)


def of_xml(node, shape, path, hostile):
    """XML of the query protocols, by its shape."""
    kind = shape.type_name
    if kind == "structure":
        if is_our_tag(node.findtext("Key", node.findtext("key"))):
            return
        for name, member in shape.members.items():
            wire = member.serialization.get("name", name)
            flattened = member.type_name in ("list", "map") and member.serialization.get("flattened")
            if flattened and member.type_name == "list":
                wire = member.member.serialization.get("name", wire)
            for child in [c for c in node if c.tag == wire]:
                below = f"{path}.{name}" if path else name
                of_xml(child, member.member if flattened and member.type_name == "list" else member, below, hostile)
    elif kind == "list":
        for child in node:
            of_xml(child, shape.member, path, hostile)
    elif kind == "map":
        for entry in node:
            for child in entry:
                if child.tag == shape.value.serialization.get("name", "value"):
                    of_xml(child, shape.value, f"{path}.value", hostile)
    elif kind == "string" and not shape.enum and len(node) == 0:
        node.text = safe_in_xml(hostile(node.text or "", path))
