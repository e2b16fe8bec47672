"""What a process says of itself over HTTP: metrics, whether it lives, whether it is ready.

Served by a thread, so that the answer comes while the event loop is busy, and says so when it is
stuck: that is what a supervisor wants to know.
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shem.health import Health

__all__ = ["HealthServer", "PortError"]

REQUEST_TIMEOUT_S: Final = 10.0


class PortError(Exception):
    """Metrics cannot be served where they were to be."""


@final
class HealthServer:
    """`/metrics`, `/healthz` and `/readyz`, from `start` until `stop`."""

    def __init__(self, host: str, port: int, health: Health) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = REQUEST_TIMEOUT_S

            def do_GET(self) -> None:
                match self.path.partition("?")[0]:
                    case "/metrics":
                        self._answer(200, generate_latest(), CONTENT_TYPE_LATEST)
                    case "/healthz":
                        self._tell(health.is_alive, "alive", "the event loop is stuck")
                    case "/readyz":
                        self._tell(health.is_ready, "ready", "not ready")
                    case _:
                        self._answer(404, b"not found\n", "text/plain")

            def _tell(self, good: bool, well: str, ill: str) -> None:  # noqa: FBT001 - a private helper
                self._answer(
                    200 if good else 503, f"{well if good else ill}\n".encode(), "text/plain"
                )

            def _answer(self, status: int, body: bytes, content_type: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's
                """Nobody wants a line for each scrape."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise PortError(f"port {port} of {host}: {error.strerror}") from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens; given 0, the system has chosen."""
        return self._server.server_port

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """End it; what is being answered is."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
