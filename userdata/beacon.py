#!/usr/bin/python3 -I
"""The boot beacon: until the service runs, answers every request on its port with 503 and the stage of the boot.

Usage: beacon.py PORT DIRECTORY. The boot script writes DIRECTORY/state (lines of key=value) and one file for each
warning. Anybody may ask and is told the stage; errors and warnings, which name accounts and addresses, are for who
asks on the machine itself. Only what every Python 3 has is used: nothing can be installed yet.
"""
import http.server
import json
import os
import socketserver
import sys

PORT, HERE = int(sys.argv[1]), sys.argv[2]
NUMBERS = ("step", "of", "attempt")
PUBLIC = ("instance", "stage", "step", "of", "status", "seconds")


def uptime():
    # Not the clock of the wall: it jumps when time synchronisation starts.
    with open("/proc/uptime") as f:
        return float(f.read().split()[0])


def since(state, key):
    try:
        return int(uptime() - float(state.pop(key)))
    except (KeyError, ValueError):
        return None


def report():
    state = {}
    try:
        with open(os.path.join(HERE, "state"), errors="replace") as f:
            for line in f:
                key, _, value = line.rstrip("\n").partition("=")
                state[key] = int(value) if key in NUMBERS and value.isdigit() else value
    except OSError:
        state["stage"] = "beacon"
    state["seconds"] = since(state, "began")
    state["stage_seconds"] = since(state, "stage_began")
    state["error"] = state.get("error") or None
    warnings = {}
    folder = os.path.join(HERE, "warnings")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, name), errors="replace") as f:
            warnings[name] = f.read().strip()
    state["warnings"] = warnings
    return state


class Beacon(http.server.BaseHTTPRequestHandler):
    server_version, sys_version = "gameday-beacon", ""
    timeout = 5

    def answer(self):
        try:
            told = report()
        except Exception as e:  # a beacon that dies says nothing
            told = {"stage": "beacon", "error": repr(e)}
        # By the connection's own address: what the request says of itself is anybody's word.
        if self.client_address[0] != "127.0.0.1":
            told = {key: told[key] for key in PUBLIC if key in told}
        body = json.dumps(told).encode() + b"\n"
        self.send_response(503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Retry-After", "5")
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self):
        # HTTPServer would look up the host's name, which waits for DNS.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "beacon", PORT


Server(("", PORT), Beacon).serve_forever()
