"""python -m plugin [--port N] [--pace instant|fast|real], or python path/to/plugin/__main__.py ..."""

import argparse
import importlib.machinery
import json
import os
import signal
import sys
import threading
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))


class Source(importlib.machinery.SourceFileLoader):
    """Import the plugin's modules from their source, since an old cache could belong to another version."""

    def get_code(self, fullname):
        return self.source_to_code(self.get_data(self.path), self.path)


def ours(path):
    if path not in (HERE, os.path.dirname(HERE)):
        raise ImportError(path)
    return importlib.machinery.FileFinder(path, (Source, [".py"]))


sys.path_hooks.insert(0, ours)
sys.path_importer_cache.clear()
if not __package__:  # started as a file or as its folder
    sys.path[0] = os.path.dirname(HERE)
    __package__ = os.path.basename(HERE)
    __import__(__package__)


def main():
    parser = argparse.ArgumentParser(prog="sandbox")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--pace", choices=["instant", "fast", "real"], default="instant")
    parser.add_argument("--ready-file", help="gets {pid, port, key, secret} as JSON once requests are answered")
    parser.add_argument("--until-eof", action="store_true", help="ends when its standard input does")
    args = parser.parse_args()
    # Never reachable from outside.
    if args.host not in ("127.0.0.1", "localhost", "::1"):
        parser.error("the sandbox listens on loopback only")
    # Files written here are for the user only.
    os.umask(0o077)
    # SIGTERM is the documented way to stop: the port closes, and the exit code is 0.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))

    # This import must come before anything of moto.
    from . import data  # noqa: F401

    # moto warns about every error code that a model does not list, and AWS has many of them.
    warnings.filterwarnings("ignore", module="moto")
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    from . import services  # noqa: F401  (registers the rules)
    from .clock import CLOCK
    from .door import Door
    from .gate import Gate

    class Handler(MotoRequestHandler):
        # Head and body are two writes: without this each answer waits 40 ms for an acknowledgement.
        disable_nagle_algorithm = True

        def log_request(self, *_args, **_kwargs):
            pass

    CLOCK.set_pace(args.pace)
    gate = Gate()
    server = make_server(args.host, args.port, gate, threaded=True, request_handler=Handler)
    gate.door = door = Door(server.port)
    server.daemon_threads = True
    if args.until_eof:
        # The parent process may be killed without a chance to stop this one.
        threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
    says = f"sandbox ready on http://{args.host}:{server.port} ({args.pace})"
    if args.ready_file:
        left = {"pid": os.getpid(), "port": server.port, "key": door.key, "secret": door.secret}
        # A new file, so that neither an existing file nor the target of a link is overwritten.
        new = os.open(f"{args.ready_file}.new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(new, "w") as file:
            json.dump(left, file)
        os.replace(f"{args.ready_file}.new", args.ready_file)
    else:
        # The reader of this line has no other source of the key.
        says += f", key AWS_ACCESS_KEY_ID={door.key}"
    print(says, flush=True)
    server.serve_forever()


main()
