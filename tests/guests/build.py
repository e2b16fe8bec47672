"""The test guests, built from source once per content of source and version of toolchain.

    python -m tests.guests.build [NAME ...]      builds the named guests, and prints paths

Without a name: all but those that take optional tools.
Built guests lie under `.cache/guests` of the repository, or where SHEM_GUEST_CACHE says. Several
processes may ask at once: one builds, the others wait for its file.
"""

import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from shem.build.toolchains import find_tool
from tests.guests import cargo, conforming, direct, node_tools, recipes

__all__ = ["GUESTS", "OPTIONAL_GUESTS", "Guest", "build", "main", "unavailable"]

_HERE: Final = Path(__file__).parent
_ROOT: Final = _HERE.parent.parent
_LIBRARIES: Final = _ROOT / "shem" / "guest" / "python"
_PACKAGES: Final = _ROOT / "wit" / "packages"
_COUNTER: Final = _ROOT / "examples" / "counter"
_CHAT: Final = _ROOT / "examples" / "chat"
_TONGUES: Final = _HERE / "languages"
_OLD_WASI: Final = _HERE / "preview1"
_BINDINGS: Final = (
    *sorted((_ROOT / "wit" / "bindings").glob("*.py")),
    *sorted((_ROOT / "shem" / "build" / "preview1").glob("*.wasm")),
    *(_ROOT / "wit" / "binary" / each for each in ("wrapping.py", "core_shim.py", "naming.py")),
)
_KEEPER: Final = _HERE / "keeper"
_SCRIPT: Final = _HERE / "js"


class Guest(msgspec.Struct, frozen=True, kw_only=True):
    """A guest: its sources, the distributions whose versions change what comes out, the recipe."""

    sources: tuple[Path, ...]
    tools: tuple[str, ...]
    make: recipes.Recipe
    # Programs that may be missing; none stands for those of `node_tools`.
    needs: tuple[str, ...] = ()


def _example(name: str) -> Guest:
    """Return an example that has a client of itself."""
    folder = _ROOT / "examples" / name
    served, guest = folder / "wit" / f"{name}.wit", folder / "wit" / "guest.wit"
    return Guest(
        sources=(
            folder / "app.py",
            served,
            guest,
            _ROOT / "wit" / "client.py",
            _PACKAGES / "golem" / "rpc.wit",
        ),
        tools=("componentize-py",),
        make=recipes.python_with_clients(folder, served, world=name, guest=guest),
    )


def _conforming(name: str) -> Guest:
    """Return a guest that calls every function of some interfaces."""
    return Guest(
        sources=(
            conforming.FOLDER / f"{name}.c",
            conforming.FOLDER / "told.h",
            *sorted((_PACKAGES / "wasi").glob("*.wit")),
            *_BINDINGS,
            *(_HERE / each for each in ("direct.py", "conforming.py")),
        ),
        tools=("ziglang",),
        make=conforming.recipe(name),
    )


GUESTS: Final[Mapping[str, Guest]] = {
    # Python: everything of `demo:counter/api`, 18 MB, 15 s to build.
    "counter": Guest(
        sources=(_COUNTER / "app.py", _COUNTER / "wit" / "counter.wit"),
        tools=("componentize-py",),
        make=recipes.python(_COUNTER, world="counter"),
    ),
    # Python: runs the code that it is given, over everything that a guest may import.
    "probe": Guest(
        sources=(
            _HERE / "probe" / "app.py",
            _HERE / "probe" / "probe.wit",
            _LIBRARIES / "shem_loop.py",
            *sorted(_PACKAGES.glob("*/*.wit")),
        ),
        tools=("componentize-py",),
        make=recipes.python_with_packages(
            _HERE / "probe",
            _HERE / "probe" / "probe.wit",
            world="guest",
            libraries=_LIBRARIES,
        ),
    ),
    # Python: does things for other workers and calls them, through the generated client.
    "remote": Guest(
        sources=(
            *(
                _HERE / "remote" / each
                for each in ("app.py", "api.py", "extra.py", "guest.wit", "remote.wit")
            ),
            _ROOT / "wit" / "client.py",
            _PACKAGES / "golem" / "rpc.wit",
        ),
        tools=("componentize-py",),
        make=recipes.python_with_clients(
            _HERE / "remote",
            _HERE / "remote" / "remote.wit",
            world="remote",
            guest=_HERE / "remote" / "guest.wit",
        ),
    ),
    # Python: the examples whose workers call each other.
    "cart": _example("cart"),
    "auction": _example("auction"),
    # Python: the example whose clients are connected by websockets.
    "chat": Guest(
        sources=(
            _CHAT / "app.py",
            _CHAT / "wit" / "chat.wit",
            _PACKAGES / "shem" / "gateway.wit",
        ),
        tools=("componentize-py",),
        make=recipes.python_with(_CHAT, _PACKAGES / "shem" / "gateway.wit", world="chat"),
    ),
    # Python: a typed class, whose WIT is made from it.
    "typed": Guest(
        sources=(
            _HERE / "typed" / "cart.py",
            *(_LIBRARIES / each for each in ("shem_component.py", "shem_bridge.py")),
            *sorted((_ROOT / "shem" / "codefirst").glob("*.py")),
        ),
        tools=("componentize-py",),
        make=recipes.python_class(
            _HERE / "typed" / "cart.py", package="demo:cart", libraries=_LIBRARIES
        ),
    ),
    # Text: calls workers of `remote` through their generated client.
    "relay": Guest(
        sources=(_HERE / "relay" / "relay.wat",),
        tools=("wasmtime",),
        make=recipes.text(_HERE / "relay" / "relay.wat"),
    ),
    # Text: calls one or many counters through a generated client.
    "fan": Guest(
        sources=(_HERE / "fan" / "fan.wat",),
        tools=("wasmtime",),
        make=recipes.text(_HERE / "fan" / "fan.wat"),
    ),
    # C: the same interface and `demo:load/check`, 6 KB, under a second.
    "load": Guest(
        sources=(_HERE / "load" / "load.c", _HERE / "load" / "load.wat"),
        tools=("ziglang", "wasmtime"),
        make=recipes.c_with_text(_HERE / "load" / "load.c", _HERE / "load" / "load.wat"),
    ),
    # C: the interface of `remote`, and calls in every way through the client that is made of it.
    "mate": Guest(
        sources=(
            _HERE / "mate" / "mate.c",
            _HERE / "mate" / "guest.wit",
            _HERE / "remote" / "remote.wit",
            _ROOT / "wit" / "client.py",
            _PACKAGES / "golem" / "rpc.wit",
            *_BINDINGS,
        ),
        tools=("ziglang",),
        make=recipes.c_with_clients(
            _HERE / "mate" / "mate.c",
            _HERE / "remote" / "remote.wit",
            world="remote",
            guest=_HERE / "mate" / "guest.wit",
        ),
    ),
    # C and Zig over generated bindings: `demo:tongue/api`, printing by WASI preview 1.
    "c": Guest(
        sources=(_TONGUES / "c" / "tongue.c", _TONGUES / "guest.wit", *_BINDINGS),
        tools=("ziglang",),
        make=recipes.c_with_bindings(_TONGUES / "c" / "tongue.c", _TONGUES / "guest.wit"),
    ),
    "zig": Guest(
        sources=(_TONGUES / "zig" / "tongue.zig", _TONGUES / "guest.wit", *_BINDINGS),
        tools=("ziglang",),
        make=recipes.zig_with_bindings(_TONGUES / "zig" / "tongue.zig", _TONGUES / "guest.wit"),
    ),
    # C: a handler of HTTP requests that answers with their bodies.
    "copier": Guest(
        sources=(
            _HERE / "copier" / "copier.c",
            _HERE / "copier" / "copier.wit",
            *_BINDINGS,
            *sorted((_PACKAGES / "wasi").glob("*.wit")),
        ),
        tools=("ziglang",),
        make=recipes.c_with_bindings(
            _HERE / "copier" / "copier.c", _HERE / "copier" / "copier.wit"
        ),
    ),
    # C: a number, memory as it is asked for, and a state in words of its own.
    "keeper": Guest(
        sources=(_KEEPER / "keeper.c", _KEEPER / "keeper.wit", *_BINDINGS),
        tools=("ziglang",),
        make=recipes.c_with_bindings(_KEEPER / "keeper.c", _KEEPER / "keeper.wit"),
    ),
    # C: all functions of WASI preview 1.
    "preview1": Guest(
        sources=(_OLD_WASI / "probe.c", _OLD_WASI / "probe.wit", *_BINDINGS),
        tools=("ziglang",),
        make=recipes.c_with_bindings(_OLD_WASI / "probe.c", _OLD_WASI / "probe.wit"),
    ),
    # C on WASI 0.2 itself: holds files, streams and timers open.
    "holder": Guest(
        sources=(
            *(_HERE / "holder" / each for each in ("holder.c", "holder.wit")),
            *sorted((_PACKAGES / "wasi").glob("*.wit")),
            *_BINDINGS,
            _HERE / "direct.py",
        ),
        tools=("ziglang",),
        make=direct.c_on_wasi(_HERE / "holder" / "holder.c", _HERE / "holder" / "holder.wit"),
    ),
    # C on WASI 0.2 itself: every function of its interfaces.
    **{f"wasi-{each}": _conforming(each) for each in conforming.WORLDS},
    # Text: `demo:shelf/api` with a resource.
    "shelf": Guest(
        sources=(_HERE / "shelf" / "shelf.wat",),
        tools=("wasmtime",),
        make=recipes.text(_HERE / "shelf" / "shelf.wat"),
    ),
    # Text: `demo:tiny/api` with add, get, roll, fail and spin (an endless loop).
    "tiny": Guest(
        sources=(_HERE / "tiny" / "tiny.wat",),
        tools=("wasmtime",),
        make=recipes.text(_HERE / "tiny" / "tiny.wat"),
    ),
}

# What takes tools that may not be there: see `node_tools`.
OPTIONAL_GUESTS: Final[Mapping[str, Guest]] = {
    # JavaScript: `demo:js/api`; fetch, timers and randomness by its own globals. 12 MB, 30 s.
    "js": Guest(
        sources=(_SCRIPT / "guest.js", _SCRIPT / "guest.wit", _HERE / "node" / "package.json"),
        tools=(),
        make=recipes.javascript(_SCRIPT / "guest.js", _SCRIPT / "guest.wit", world="js"),
    ),
    # JavaScript: every function of WASI 0.2 that its toolchain lets it import, 19 MB, 30 s.
    "wasi-js": Guest(
        sources=(
            *sorted((conforming.FOLDER / "js").glob("*.js")),
            *sorted((_PACKAGES / "wasi").glob("*.wit")),
            _HERE / "node" / "package.json",
            *(_HERE / each for each in ("scripting.py", "conforming.py")),
        ),
        tools=(),
        make=conforming.javascript_recipe(),
    ),
    # JavaScript on QuickJS: `demo:tongue/api`, 1 MB, a second to build.
    "quick": Guest(
        sources=(_TONGUES / "quick" / "tongue.js", _TONGUES / "guest.wit"),
        tools=(),
        make=recipes.quickjs(_TONGUES / "quick" / "tongue.js", _TONGUES / "guest.wit"),
    ),
    # Go: the part of `demo:tongue/api` that is passed by hand, 2.8 MB.
    "go": Guest(
        sources=(
            *(_TONGUES / "go" / each for each in ("go.mod", "tongue.go", "small.wit")),
            *_BINDINGS,
        ),
        tools=(),
        make=recipes.go(_TONGUES / "go", _TONGUES / "go" / "small.wit"),
        needs=("go",),
    ),
    # Rust: the same as `keeper`.
    "keeper-rust": Guest(
        sources=(
            *(_KEEPER / "rust" / each for each in ("Cargo.toml", "src/lib.rs")),
            _KEEPER / "keeper.wit",
            _HERE / "cargo.py",
        ),
        tools=(),
        make=cargo.rust(_KEEPER / "rust", _KEEPER / "keeper.wit", name="keeper"),
        needs=("cargo", f"rust target {cargo.TARGET}"),
    ),
    # Rust on WASI 0.2, over bindings of its own: `demo:tongue/api`, 80 KB.
    "rust": Guest(
        sources=(
            *(_TONGUES / "rust" / each for each in ("Cargo.toml", "src/lib.rs")),
            _TONGUES / "guest.wit",
            _HERE / "cargo.py",
        ),
        tools=(),
        make=cargo.rust(_TONGUES / "rust", _TONGUES / "guest.wit", name="tongue"),
        needs=("cargo", f"rust target {cargo.TARGET}"),
    ),
}


def unavailable(name: str) -> str:
    """Return why a guest cannot be built here, an empty text if it can."""
    guest = OPTIONAL_GUESTS.get(name)
    if guest is None:
        return ""
    if not guest.needs:
        return node_tools.missing()
    return "; ".join(f"{each} is missing" for each in guest.needs if find_tool(each) is None)


def build(name: str, *, cache: Path | None = None) -> Path:
    """Return the file of the built guest `name`, building it if no such build is cached.

    Raises:
        KeyError: no guest of that name.
        RuntimeError: a tool failed; the message holds its command line and what it printed.
    """
    guest = GUESTS.get(name) or OPTIONAL_GUESTS[name]
    folder = cache or _cache()
    folder.mkdir(parents=True, exist_ok=True)
    built = folder / f"{name}-{_key(guest)}.wasm"
    if built.exists():
        return built
    with _locked(folder / f"{name}.lock"):
        if not built.exists():
            _build(name, guest, built)
    return built


def _build(name: str, guest: Guest, built: Path) -> None:
    started = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=built.parent))
    try:
        whole = scratch / built.name
        whole.write_bytes(guest.make(scratch))
        # Only a complete file ever has the final name.
        whole.replace(built)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    took_s = time.monotonic() - started
    size_kb = built.stat().st_size / 1024
    print(f"guest {name}: {size_kb:,.0f} KB, built in {took_s:.1f} s", file=sys.stderr)


def _key(guest: Guest) -> str:
    digest = hashlib.sha256()
    recipe = (_HERE / "recipes.py", _HERE / "wrap.py")
    for path in (*guest.sources, *recipe):
        content = path.read_bytes()
        digest.update(f"{path.name}:{len(content)}\n".encode() + content)
    for tool in guest.tools:
        digest.update(f"{tool}=={importlib.metadata.version(tool)}\n".encode())
    return digest.hexdigest()[:16]


def _cache() -> Path:
    override = os.environ.get("SHEM_GUEST_CACHE")
    return Path(override) if override else _ROOT / ".cache" / "guests"


@contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main(names: list[str]) -> int:
    """Build the named guests, or all; print one path a line. Return the exit status."""
    known = ", ".join([*GUESTS, *OPTIONAL_GUESTS])
    unknown = [name for name in names if name not in {*GUESTS, *OPTIONAL_GUESTS}]
    if unknown:
        print(f"no guest called {', '.join(unknown)}; there are: {known}", file=sys.stderr)
        return 2
    for name in names or GUESTS:
        print(build(name))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
