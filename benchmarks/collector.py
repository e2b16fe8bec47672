"""A collector in a process of its own that reads what it gets, and does nothing with it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

COLLECTOR: Final = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(json.dumps(server.server_port), flush=True)
server.serve_forever()
"""


@contextmanager
def collector() -> Iterator[str]:
    """Yield its base URL."""
    with subprocess.Popen(
        [sys.executable, "-c", COLLECTOR],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as running:
        assert running.stdout is not None, "it was asked for"
        yield f"http://127.0.0.1:{json.loads(running.stdout.readline())}"
        running.terminate()
