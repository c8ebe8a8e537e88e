"""The one WSGI application in front of moto."""

import gzip
import re
import socket
import threading
import traceback

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from . import control, door, rules, wire
from .clock import CLOCK
from .faults import FAULTS, Cut, Held
from .policy import POLICY
from .rules import AFTER, BEFORE, INSTEAD, Refusal

UNKNOWN = f"the sandbox does not know this request: it answers {', '.join(sorted(wire.SERVICES.values()))}"


class Gate:
    def __init__(self):
        # Set when the port is known.
        self.door = None
        self.moto = DomainDispatcherApplication(create_backend_app)
        rules.ask = self.ask
        # moto's state is not thread-safe, and a fixed order of events makes runs repeatable.
        self.lock = threading.RLock()

    def __call__(self, environ, start_response):
        refusal = self.door.refusal(environ)
        if refusal is not None:
            return _send(start_response, *refusal)
        path = environ.get("PATH_INFO", "")
        if path.startswith(door.PROOF):
            return _send(start_response, *self.door.proof(environ))
        body = _body(environ)
        if path.startswith("/_gameday/"):
            with self.lock:
                status, headers, answer = control.answer(environ, body)
            return _send(start_response, status, headers, answer)
        try:
            call = wire.read(environ, body)
        except Exception:
            traceback.print_exc()
            call = None
        if call is None:
            # moto has much more, including its own tools. What no stack needs cannot be reached.
            return _send(start_response, *door.refuse(environ, 501, UNKNOWN, "NotImplemented"))
        try:
            account = control.RESETS
            FAULTS.pause(call)  # outside the lock: one slow call must not slow the others
            with self.lock:
                if control.RESETS != account:
                    raise Cut("reset")  # it was sent to an account that is gone
                rules = FAULTS.rules
                FAULTS.hold(call)
                CLOCK.settle()
                status, headers, answer, error = self.perform(call)
                control.CALLS.record(call, status, error)
                FAULTS.answered(call)
        except Held:
            FAULTS.wait(rules)  # outside the lock
            _hang_up(environ)
            return _send(start_response, 500, {}, b"")
        except Cut as cut:
            if cut.reason != "reset":
                control.CALLS.record(call, 0, cut.reason)
            _hang_up(environ)
            return _send(start_response, 500, {}, b"")
        return _send(start_response, status, headers, answer)

    def ask(self, call, operation, **params):
        """Call another operation of the same service, with our rules, as part of `call` (query protocols only)."""
        status, headers, body, error = self.perform(wire.another(call, operation, params), inner=True)
        if error is not None:
            raise Refusal(error, "", status)
        return wire.understand(wire.another(call, operation, params), status, headers.items(), body)[0]

    def perform(self, call, inner=False):
        key = (call.service, call.operation)
        try:
            if not inner:
                FAULTS.met(call)
                POLICY.judge(call)
                if call.wrong is not None:
                    raise call.wrong
            if call.service == "ec2" and str(call.get("DryRun", "")).lower() == "true":
                # model: "If you have the required permissions, the error response is DryRunOperation".
                raise Refusal("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
            for check in BEFORE.get(key, ()):
                check(call)
            for own in INSTEAD.get(key, ()):
                result = own(call)
                if result is not None:
                    answer = None
                    break
            else:
                answer = status, headers, body = _capture(self.moto, wire.for_moto(call))
                result, error = wire.understand(call, status, headers, body)
                if error is not None:
                    if call.protocol != "cbor":
                        return status, dict(headers), body, error
                    message = result.get("Error", {}).get("Message", "")
                    raise Refusal(error, message, status)
            for amend in AFTER.get(key, ()):
                amended = amend(call, result)
                if amended is not None:
                    result, answer = amended, None
            if FAULTS.hides(call):
                result, answer = FAULTS.hide(call, result), None
            # An unchanged answer is sent as moto wrote it.
            if answer is not None and call.protocol != "cbor":
                status, headers, body = answer
                return status, dict(headers), body, None
            return *wire.write(call, result), None
        except Cut:
            raise
        except Refusal as refusal:
            return *wire.write(call, refusal), refusal.code
        except NotImplementedError as gap:
            # SDKs do not retry 501, and nobody mistakes it for an answer of AWS.
            gap = Refusal("NotImplemented", f"the sandbox cannot {call.operation}: {gap}", 501)
            return *wire.write(call, gap), gap.code
        except Exception as crash:
            code = getattr(crash, "code", None)
            if isinstance(code, str):  # moto's own refusals, raised from backends that our rules call
                return *wire.write(call, crash), code
            kind = getattr(crash, "error_type", None)
            if kind:
                refusal = Refusal(kind, getattr(crash, "message", str(crash)), getattr(crash, "code", 400))
                return *wire.write(call, refusal), kind
            traceback.print_exc()
            oops = Refusal("InternalFailure", f"the sandbox failed at {call.operation}: {crash!r}", 500)
            return *wire.write(call, oops), oops.code


def _body(environ):
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length:
        body = environ["wsgi.input"].read(length)
    elif environ.get("wsgi.input_terminated"):
        body = environ["wsgi.input"].read()  # chunked
    else:
        body = b""
    # SDKs compress large PutMetricData requests.
    if environ.get("HTTP_CONTENT_ENCODING") == "gzip":
        body = gzip.decompress(body)
        environ.pop("HTTP_CONTENT_ENCODING")
        environ["CONTENT_LENGTH"] = str(len(body))
    return body


def _capture(app, environ):
    seen = {}

    def start_response(status, headers, exc_info=None):
        seen["status"], seen["headers"] = int(status.split()[0]), headers

    chunks = app(environ, start_response)
    body = b"".join(chunks)
    if hasattr(chunks, "close"):
        chunks.close()
    return seen["status"], seen["headers"], body


# Headers that the server writes itself, and headers that would let another site's page read the answer.
DROP = re.compile("content-length|connection|transfer-encoding|status|access-control-.*", re.IGNORECASE)
# No page is allowed to embed the answer, or to interpret it as another type.
CLOSE = [("Cross-Origin-Resource-Policy", "same-origin"), ("X-Content-Type-Options", "nosniff")]


def _send(start_response, status, headers, body):
    headers = [(k, str(v)) for k, v in headers.items() if not DROP.fullmatch(k)]
    start_response(f"{status} {_phrase(status)}", [*headers, *CLOSE, ("Content-Length", str(len(body)))])
    return [body]


def _phrase(status):
    return {200: "OK"}.get(status, "Status")


def _hang_up(environ):
    connection = environ.get("werkzeug.socket")
    if connection is not None:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
