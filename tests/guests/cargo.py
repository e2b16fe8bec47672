"""How a guest in Rust is built: by cargo, for WASI 0.2, which makes components by itself."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from shem.build.commands import environment_of_tools

__all__ = ["TARGET", "rust"]

TARGET: Final = "wasm32-wasip2"
_BUILD_TIME_S_MAX: Final = 300


def rust(folder: Path, wit: Path, *, name: str) -> Callable[[Path], bytes]:
    """A crate called `name` with its world in the file `wit`, over the bindings of wit-bindgen."""

    def make(scratch: Path) -> bytes:
        # A copy, since cargo writes beside what it builds.
        crate = scratch / "crate"
        shutil.copytree(folder, crate, ignore=shutil.ignore_patterns("target", "Cargo.lock"))
        (crate / "wit").mkdir()
        shutil.copy(wit, crate / "wit")
        # What the crate depends on is kept for the next build, and shared with tests of templates.
        target = scratch.parents[1] / "rust"
        command = ["cargo", "build", "--release", "--quiet", "--target", TARGET]
        done = subprocess.run(
            command,
            cwd=crate,
            env=environment_of_tools() | {"CARGO_TARGET_DIR": str(target)},
            capture_output=True,
            text=True,
            timeout=_BUILD_TIME_S_MAX,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
        return (target / TARGET / "release" / f"{name}.wasm").read_bytes()

    return make
