"""Access to the sandbox: only for the tools of the user who started it.

Any page in the user's browser and any user of the machine can reach a port on loopback. So a request is checked before
its body is read:

* its Host is this machine's own name, since a page can give its own name this machine's address (DNS rebinding);
* no browser sends it;
* it carries the sandbox's key as its access key id, or one that the account issued to its holder. Each start creates a
  new key.

In the other direction, the sandbox proves to gameday that it is the one that gameday started, before gameday sends
the key.
"""

import hashlib
import hmac
import json
import re
import secrets
from xml.sax.saxutils import escape

import cbor2

from . import cbor, wire
from .data import service_model

NO_KEY = (
    "the sandbox answers only those who have its key as access key id, which is new at each start: "
    "`env $(gameday sandbox env) COMMAND` gives it to a command"
)
PROOF = "/_gameday/proof/"
# moto's own tools (reset, recorder, dashboard) and the metadata of a machine, none of which belong to AWS's API.
CLOSED = ("/moto-api", "/latest", "/favicon.ico")


class Door:
    def __init__(self, port):
        self.key = "SANDBOX" + secrets.token_hex(16).upper()
        # Used only for proofs, and never sent.
        self.secret = secrets.token_hex(32)
        self.port = port
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        if port == 80:
            self.hosts |= {"127.0.0.1", "localhost", "[::1]"}

    def refusal(self, environ):
        """Return (status, headers, body) for a caller that is not allowed in, or None."""
        if environ.get("HTTP_HOST", "").lower() not in self.hosts:
            return _plain(f"the sandbox answers as 127.0.0.1:{self.port} only, not under another name")
        # A typed address has no other site, and none of our pages could be the same one.
        if "HTTP_ORIGIN" in environ or environ.get("HTTP_SEC_FETCH_SITE", "none") != "none":
            return _plain("the sandbox answers no browser: a web page has no business here")
        if environ.get("PATH_INFO", "").startswith(PROOF):
            return None
        key = _key(environ)
        # Compared as bytes, since the text may not be ASCII.
        if not hmac.compare_digest(key.encode(), self.key.encode()) and key not in wire.ISSUED:
            return refuse(environ, 403, NO_KEY)
        if environ.get("PATH_INFO", "").lower().startswith(CLOSED):
            return _plain("the sandbox answers the API of AWS only")
        return None

    def proof(self, environ):
        """Prove knowledge of the secret at this port. Nobody else can answer for it, or forward it."""
        nonce = environ["PATH_INFO"].removeprefix(PROOF)
        if not re.fullmatch("[0-9a-f]{64}", nonce):
            return _plain("a proof needs a nonce of 64 hexadecimal digits")
        said = hmac.new(self.secret.encode(), f"{nonce} {self.port}".encode(), hashlib.sha256)
        return 200, {"Content-Type": "text/plain"}, said.hexdigest().encode()


def refuse(environ, status, message, code=None):
    """Refuse in words that the caller's SDK understands, as far as the head of the request names it.

    Without a code it is an invalid access key, as each service says it.
    """
    signed, target = wire.signed(environ), environ.get("HTTP_X_AMZ_TARGET")
    name = wire.SERVICES.get(signed.service) if signed else None
    kind = environ.get("CONTENT_TYPE", "")
    if environ.get("PATH_INFO", "").startswith(wire.CBOR_PREFIX):
        answer = {"__type": code or "UnrecognizedClientException", "message": message}
        return status, dict(cbor.HEADERS), cbor2.dumps(answer)
    if target or kind.startswith("application/x-amz-json") or (name and _speaks_json(name)):
        code = code or "UnrecognizedClientException"
        headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": code}
        return status, headers, json.dumps({"__type": code, "message": message}).encode()
    if name == "ec2":
        error = f"<Code>{code or 'AuthFailure'}</Code><Message>{escape(message)}</Message>"
        return _xml(status, f"<Response><Errors><Error>{error}</Error></Errors><RequestID/></Response>")
    if signed:
        error = f"<Code>{code or 'InvalidClientTokenId'}</Code><Message>{escape(message)}</Message>"
        return _xml(status, f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId/></ErrorResponse>")
    return _plain(message, status)


def _speaks_json(service):
    return service_model(service).protocol.startswith("rest-json")


def _key(environ):
    """Return the key of a request: an access key id, or the bare key for the control endpoints."""
    signed = wire.signed(environ)
    if signed:
        return signed.key
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token if scheme == "Bearer" else ""


def _plain(text, status=403):
    return status, {"Content-Type": "text/plain; charset=utf-8"}, f"{text}\n".encode()


def _xml(status, text):
    return status, {"Content-Type": "text/xml"}, text.encode()
