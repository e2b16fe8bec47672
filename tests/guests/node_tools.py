"""jco and componentize-js, where node is there: second opinions and one more toolchain for tests.

    python -m tests.guests.node_tools      installs them by npm

They lie under `.cache/node`, or where SHEM_NODE_CACHE says, and take 340 MB: so tests never install
them, use them where they are, and say why they skip where not.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

__all__ = ["ask", "install", "missing", "packages"]

_HERE: Final = Path(__file__).parent / "node"
_ROOT: Final = Path(__file__).parent.parent.parent
_INSTALL_TIME_S_MAX: Final = 600
_ASK_TIME_S_MAX: Final = 300


def _folder() -> Path:
    override = os.environ.get("SHEM_NODE_CACHE")
    return Path(override) if override else _ROOT / ".cache" / "node"


def packages() -> Path:
    """Return where the packages lie, if they are installed."""
    return _folder() / "node_modules"


def missing() -> str:
    """Return what is missing, an empty text if the tools are there."""
    if shutil.which("node") is None:
        return "node is not installed"
    if not (_folder() / "node_modules" / "@bytecodealliance" / "jco").is_dir():
        return "jco is not installed: python -m tests.guests.node_tools"
    return ""


def ask(requests: Sequence[dict[str, Any]]) -> list[Any]:
    """Return the answers of `node/tool.mjs`, bytes as they are.

    Raises:
        RuntimeError: node failed, or a tool refused a request.
    """
    encoded = json.dumps(requests, default=lambda data: base64.b64encode(data).decode())
    done = subprocess.run(
        ["node", str(_HERE / "tool.mjs"), str(_folder())],
        input=encoded,
        capture_output=True,
        text=True,
        timeout=_ASK_TIME_S_MAX,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"node ended with {done.returncode}:\n{done.stderr}")
    answers: list[Any] = []
    for request, answer in zip(requests, json.loads(done.stdout), strict=True):
        if "err" in answer:
            raise RuntimeError(f"{request['do']}: {answer['err']}\n{done.stderr}")
        is_bytes = request["do"] in {"embed", "new", "componentize", "bundle", "quickjs"}
        answers.append(base64.b64decode(answer["ok"]) if is_bytes else answer["ok"])
    return answers


def install() -> None:
    """Install the tools, or do nothing if these versions are there.

    Raises:
        RuntimeError: there is no npm, or it failed.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("npm is not installed")
    folder = _folder()
    wanted = (_HERE / "package.json").read_bytes()
    stamp = folder / "installed.json"
    if stamp.exists() and stamp.read_bytes() == wanted:
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_bytes(wanted)
    done = subprocess.run(
        [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--no-package-lock"],
        capture_output=True,
        text=True,
        timeout=_INSTALL_TIME_S_MAX,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"npm install ended with {done.returncode}:\n{done.stderr}")
    stamp.write_bytes(wanted)


if __name__ == "__main__":
    try:
        install()
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        sys.exit(str(error))
