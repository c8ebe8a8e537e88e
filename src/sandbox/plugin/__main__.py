"""python -m plugin [--port N] [--pace instant|fast|real], or python path/to/plugin ..."""

import argparse
import json
import os
import signal
import sys
import threading
import warnings

if not __package__:  # started as a directory
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    __package__ = os.path.basename(os.path.dirname(os.path.abspath(__file__)))
    __import__(__package__)


def main():
    parser = argparse.ArgumentParser(prog="sandbox")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--pace", choices=["instant", "fast", "real"], default="instant")
    parser.add_argument("--ready-file", help="gets {pid, port} as JSON once requests are answered")
    parser.add_argument("--until-eof", action="store_true", help="ends when its standard input does")
    args = parser.parse_args()
    # Never reachable from outside: it takes any credentials.
    if args.host not in ("127.0.0.1", "localhost", "::1"):
        parser.error("the sandbox listens on loopback only")
    # SIGTERM is the way it is told to stop: the port closes, the exit code is 0.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))

    # moto warns of every error code that a model does not list; AWS has many such.
    warnings.filterwarnings("ignore", module="moto")
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    from . import services  # noqa: F401  (registers the rules)
    from .clock import CLOCK
    from .gate import Gate

    class Handler(MotoRequestHandler):
        # Head and body are two writes: without this each answer waits 40 ms for an acknowledgement.
        disable_nagle_algorithm = True

        def log_request(self, *_args, **_kwargs):
            pass

    CLOCK.set_pace(args.pace)
    server = make_server(args.host, args.port, Gate(), threaded=True, request_handler=Handler)
    server.daemon_threads = True
    if args.until_eof:
        # Whoever started it may be killed without a chance to stop it.
        threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
    if args.ready_file:
        with open(f"{args.ready_file}.new", "w") as file:
            json.dump({"pid": os.getpid(), "port": server.port}, file)
        os.replace(f"{args.ready_file}.new", args.ready_file)
    print(f"sandbox ready on http://{args.host}:{server.port} ({args.pace})", flush=True)
    server.serve_forever()


main()
