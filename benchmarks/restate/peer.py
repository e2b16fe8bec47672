"""A Restate server and a service of its Python SDK, on loopback, in a directory of their own.

python -m benchmarks.restate.peer      installs both under .cache/peers
"""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final, Self

SERVER: Final = "@restatedev/restate-server@1.7.12"
SERVICE: Final = ("restate-sdk==1.3.0", "hypercorn==0.18.0")
HERE: Final = Path(__file__).parent
FOLDER: Final = HERE.parent.parent / ".cache" / "peers" / "restate"
PYTHON: Final = FOLDER / "venv" / "bin" / "python"
READY_S: Final = 60


def missing() -> str:
    """Return what is missing, an empty text if all is there."""
    if not PYTHON.exists() or not list(_binaries()):
        return "Restate is not installed: python -m benchmarks.restate.peer (needs npm)"
    return ""


def install() -> None:
    """Get the server by npm and the SDK by pip."""
    if shutil.which("npm") is None:
        raise SystemExit("npm is not installed")
    FOLDER.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(FOLDER), SERVER], check=True
    )
    subprocess.run([sys.executable, "-m", "venv", str(PYTHON.parent.parent)], check=True)
    subprocess.run([str(PYTHON), "-m", "pip", "install", "--quiet", *SERVICE], check=True)


def _binaries():
    return FOLDER.glob("node_modules/@restatedev/restate-server-*/bin/restate-server")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Restate:
    """Both processes, from start to stop. The server syncs its log before it acknowledges."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="shem-peer-")
        self.port = _free_port()
        self._admin = _free_port()
        self._service_port = _free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        folder = Path(self._folder.name)
        environment = {
            **os.environ,
            "RESTATE_BASE_DIR": str(folder / "data"),
            "RESTATE_BIND_ADDRESS": f"127.0.0.1:{_free_port()}",
            "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{self.port}",
            "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{self._admin}",
            "RESTATE_LOG_FILTER": "warn",
            "DO_NOT_TRACK": "1",
        }
        self._log = (folder / "log").open("wb")
        self._start([str(next(_binaries()))], environment)
        bind = f"127.0.0.1:{self._service_port}"
        self._start(
            [str(PYTHON), "-m", "hypercorn", "service:app", "--bind", bind, "--log-level", "error"],
            {**os.environ, "PYTHONPATH": str(HERE)},
        )
        self._register()
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(30)
        self._log.close()
        self._folder.cleanup()

    @property
    def server(self) -> int:
        """The server's process id."""
        return self._processes[0].pid

    @property
    def service(self) -> int:
        """The service's process id."""
        return self._processes[1].pid

    def _start(self, command: list[str], environment: dict[str, str]) -> None:
        self._processes.append(
            subprocess.Popen(
                command, env=environment, stdout=self._log, stderr=self._log,
                cwd=self._folder.name,
            )
        )  # fmt: skip

    def _register(self) -> None:
        body = json.dumps({"uri": f"http://127.0.0.1:{self._service_port}"}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._admin}/deployments",
            body,
            {"content-type": "application/json"},
        )
        end = time.monotonic() + READY_S
        while True:
            try:
                with urllib.request.urlopen(request, timeout=READY_S):
                    return
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > end:
                    raise SystemExit((Path(self._folder.name) / "log").read_text()) from None
                time.sleep(0.1)


class Connection:
    """One HTTP/1.1 connection that is kept: as cheap a client as there can be."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect to loopback."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def post(self, path: str, body: bytes) -> bytes:
        """Send JSON and return the answer's body; anything but 200 ends the run."""
        self._writer.write(
            b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%b" % (path.encode(), len(body), body)
        )
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        answer = await self._reader.readexactly(length)
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise SystemExit(f"Restate answered {head.decode()}{answer.decode()}")
        return answer

    def close(self) -> None:
        """Disconnect."""
        self._writer.close()


if __name__ == "__main__":
    install()
