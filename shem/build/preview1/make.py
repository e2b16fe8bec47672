"""Makes the adapters from their sources, by `python -m shem.build.preview1.make`.

Needs the package ziglang. What comes out is kept beside the sources, so that nobody needs it to
build an app.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from shem.build.preview1 import adapter_world
from wit.bindings.c import c_bindings

__all__ = ["KINDS", "make"]

_HERE: Final = Path(__file__).parent
# Each adapter with its sources; `full` is the one that has files.
KINDS: Final = {"small": ("process.c", "stdio.c"), "full": ("process.c", "files.c")}
_FLAGS: Final = (
    "--target=wasm32-freestanding",
    "-mcpu=mvp+bulk_memory+sign_ext+mutable_globals+nontrapping_fptoint",
    "-std=c11",
    "-Oz",
    "-nostdlib",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-s",
    "-Wl,--no-entry",
    "-Wl,-z,stack-size=16384",
)


def make(kind: str) -> bytes:
    """Compile an adapter.

    Raises:
        CalledProcessError: the compiler fails; it has printed why.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        bindings = c_bindings(adapter_world(kind), kind)
        (folder / f"{kind}.h").write_text(bindings.header, encoding="utf-8")
        (folder / f"{kind}.c").write_text(bindings.source, encoding="utf-8")
        sources = [folder / f"{kind}.c", *(_HERE / each for each in KINDS[kind])]
        defined = ["-DFILES"] if kind == "full" else []
        compiler = [sys.executable, "-m", "ziglang", "cc", *_FLAGS, *defined, f"-I{folder}"]
        subprocess.run([*compiler, *sources, "-o", folder / "out.wasm"], check=True)
        return (folder / "out.wasm").read_bytes()


if __name__ == "__main__":
    for each in KINDS:
        (_HERE / f"{each}.wasm").write_bytes(make(each))
