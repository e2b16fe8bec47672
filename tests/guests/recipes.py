"""How each kind of guest is built from its source: functions from files to component bytes."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import wasmtime

from shem.build.preview1 import adapter_for
from tests.guests import node_tools
from tests.guests.wrap import component
from wit.binary.writer import componentize
from wit.bindings.c import c_bindings
from wit.bindings.zig import zig_bindings
from wit.client import client_text
from wit.text.parser import parse
from wit.text.resolver import resolve
from wit.world import World

__all__ = [
    "Recipe",
    "c_with_bindings",
    "c_with_clients",
    "c_with_text",
    "go",
    "javascript",
    "python",
    "python_class",
    "python_with",
    "python_with_clients",
    "python_with_packages",
    "quickjs",
    "text",
    "zig_with_bindings",
]

# From a directory for scratch files to the component.
Recipe: TypeAlias = Callable[[Path], bytes]

_BUILD_TIME_S_MAX: Final = 300
_ROOT: Final = Path(__file__).parents[2]
_PACKAGES: Final = _ROOT / "wit" / "packages"
_C_FLAGS: Final = (
    "--target=wasm32-freestanding",
    "-std=c11",
    "-Os",
    "-nostdlib",
    "-fno-builtin",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-s",
    "-Wl,--no-entry",
    "-Wl,-z,stack-size=16384",
)


def text(source: Path) -> Recipe:
    """A component written in the text format alone."""

    def make(scratch: Path) -> bytes:
        return bytes(wasmtime.wat2wasm(source.read_text()))

    return make


def c_with_text(source: Path, around: Path) -> Recipe:
    """A core module in C, compiled by the zig of the package index, inside a component's text."""

    def make(scratch: Path) -> bytes:
        core = scratch / "core.wasm"
        # Zig keeps what it built for the next guest; the home directory may not be ours to write.
        environment = {"ZIG_GLOBAL_CACHE_DIR": str(scratch.parent / "zig")}
        _run([sys.executable, "-m", "ziglang", "cc", *_C_FLAGS, source, "-o", core], environment)
        return component(around, core.read_bytes())

    return make


def python(folder: Path, *, world: str, module: str = "app") -> Recipe:
    """A Python module with its interpreter, by componentize-py."""

    def make(scratch: Path) -> bytes:
        out = scratch / "out.wasm"
        tool = Path(sys.executable).with_name("componentize-py")
        componentize = ["componentize", "-p", str(folder), module, "-o", str(out)]
        _run([tool, "-d", folder / "wit", "-w", world, *componentize], {})
        return out.read_bytes()

    return make


def javascript(script: Path, source: Path, *, world: str) -> Recipe:
    """A JavaScript module with its engine, by componentize-js."""

    def make(_scratch: Path) -> bytes:
        request = {
            "do": "componentize",
            "script": script.read_text(),
            "source": source.read_text(),
            "world": world,
        }
        (made,) = node_tools.ask([request])
        return bytes(made)

    return make


def c_with_bindings(source: Path, wit: Path) -> Recipe:
    """C over generated bindings, without a C library; with the adapter if it asks for WASI."""

    def make(scratch: Path) -> bytes:
        name, world = _bindings(scratch, wit)
        core = scratch / "core.wasm"
        flags = ["--target=wasm32-freestanding", "-std=c11", "-Os", "-nostdlib", "-Wall", "-Werror"]
        sources = [f"-I{scratch}", source, scratch / f"{name}.c"]
        command = [*_ZIG, "cc", *flags, "-s", "-Wl,--no-entry", *sources, "-o", core]
        _run(command, _zig_cache(scratch))
        return _wrapped(core, world)

    return make


def c_with_clients(source: Path, served: Path, *, world: str, guest: Path) -> Recipe:
    """C that calls workers which export `world` of the WIT file `served`, and is one itself.

    The client interface is the generated one. The WIT file `guest` has the world `guest`.
    """

    def make(scratch: Path) -> bytes:
        parsed = parse(served.read_text())
        client = client_text(resolve([[parsed]]).world(world), world, parsed.package)
        files = [*(_PACKAGES / each for each in _CLIENT_PACKAGES), served, guest]
        texts = [client, *(each.read_text().replace("@0.2.9", "@0.2.0") for each in files)]
        own = resolve([[parse(text)] for text in texts]).world("guest")
        made = c_bindings(own, source.stem)
        (scratch / f"{source.stem}.h").write_text(made.header)
        (scratch / f"{source.stem}.c").write_text(made.source)
        core = scratch / "core.wasm"
        flags = ["--target=wasm32-freestanding", "-std=c11", "-Os", "-nostdlib", "-Wall", "-Werror"]
        sources = [f"-I{scratch}", source, scratch / f"{source.stem}.c"]
        command = [*_ZIG, "cc", *flags, "-s", "-Wl,--no-entry", *sources, "-o", core]
        _run(command, _zig_cache(scratch))
        return _wrapped(core, own)

    return make


def zig_with_bindings(source: Path, wit: Path) -> Recipe:
    """Zig over generated bindings, on WASI preview 1."""

    def make(scratch: Path) -> bytes:
        name, world = _bindings(scratch, wit)
        core = scratch / "core.wasm"
        flags = ["-fno-entry", "-rdynamic", "-target", "wasm32-wasi", "-O", "ReleaseSmall"]
        sources = [f"-I{scratch}", scratch / f"{name}.c", "--dep", "bindings", f"-Mroot={source}"]
        modules = [f"-Mbindings={scratch / name}.zig", f"-femit-bin={core}"]
        _run([*_ZIG, "build-exe", *flags, *sources, *modules], _zig_cache(scratch))
        return _wrapped(core, world)

    return make


def go(folder: Path, wit: Path) -> Recipe:
    """Go for WASI preview 1, values passed by hand."""

    def make(scratch: Path) -> bytes:
        core = scratch / "core.wasm"
        command = ["go", "build", "-C", folder, "-buildmode=c-shared", "-ldflags=-s -w", "-o", core]
        _run([*command, "."], {"GOOS": "wasip1", "GOARCH": "wasm", "GOFLAGS": "-mod=mod"})
        return _wrapped(core, _world(wit))

    return make


def quickjs(source: Path, wit: Path) -> Recipe:
    """A JavaScript module with QuickJS, by componentize-qjs."""

    def make(_scratch: Path) -> bytes:
        request = {"do": "quickjs", "script": source.read_text(), "wit": str(wit)}
        (made,) = node_tools.ask([request])
        return bytes(made)

    return make


_CLIENT_PACKAGES: Final = ("wasi/io.wit", "wasi/clocks.wit", "golem/rpc.wit")
_ZIG: Final = (sys.executable, "-m", "ziglang")


def _zig_cache(scratch: Path) -> dict[str, str]:
    # Zig keeps what it built for the next guest; the home directory may not be ours to write.
    return {"ZIG_GLOBAL_CACHE_DIR": str(scratch.parent / "zig")}


def _world(wit: Path) -> World:
    text = wit.read_text()
    # Reading all packages that the host serves takes a second, and few guests name one.
    served = sorted((_PACKAGES / "wasi").glob("*.wit")) if "wasi:" in text else ()
    packages = [[parse(each.read_text())] for each in served]
    world = resolve([*packages, [parse(text)]]).world()
    assert world is not None, "a guest's WIT has one world"
    return world


def _bindings(scratch: Path, wit: Path) -> tuple[str, World]:
    """Write bindings; return the name of their files, and the world."""
    package = parse(wit.read_text()).package
    assert package is not None, "a guest's WIT has a package"
    world, name = _world(wit), package.name.replace("-", "_")
    made = c_bindings(world, name)
    (scratch / f"{name}.h").write_text(made.header)
    (scratch / f"{name}.c").write_text(made.source)
    (scratch / f"{name}.zig").write_text(zig_bindings(world, name))
    return name, world


def _wrapped(core: Path, world: World) -> bytes:
    data = core.read_bytes()
    return componentize(data, world, adapter=adapter_for(data, world))


def python_with_packages(folder: Path, wit: Path, *, world: str, libraries: Path) -> Recipe:
    """A Python module `app` whose world may import any package that the host serves."""

    def make(scratch: Path) -> bytes:
        deps = scratch / "wit" / "deps"
        for package in sorted(_PACKAGES.glob("*/*.wit")):
            folder_of_package = deps / f"{package.parent.name}-{package.stem}"
            folder_of_package.mkdir(parents=True)
            # The tool knows no compatible versions: what a package uses has to be what is there.
            text = re.sub(r"(wasi:[a-z/-]+)@0\.2\.0(?!-)", r"\1@0.2.9", package.read_text())
            # Guests name whatever patch version they were built for.
            text = re.sub(
                r"golem:api(/[a-z-]+)?@1\.1\.6", lambda m: m[0].replace("1.1.6", "1.1.0"), text
            )
            (folder_of_package / package.name).write_text(text)
        shutil.copy(wit, scratch / "wit")
        out = scratch / "out.wasm"
        tool = Path(sys.executable).with_name("componentize-py")
        paths = ["-p", str(folder), "-p", str(libraries)]
        componentize = ["componentize", *paths, "app", "-o", str(out)]
        _run([tool, "-d", scratch / "wit", "-w", world, *componentize], {})
        return out.read_bytes()

    return make


def python_with(folder: Path, *packages: Path, world: str) -> Recipe:
    """A Python module `app` whose world, in the one file under `wit`, imports some packages."""

    def make(scratch: Path) -> bytes:
        for package in packages:
            _write(scratch / "wit" / "deps" / package.stem, package.read_text())
        (own,) = (folder / "wit").glob("*.wit")
        _write(scratch / "wit", own.read_text())
        out = scratch / "out.wasm"
        tool = Path(sys.executable).with_name("componentize-py")
        componentize = ["componentize", "-p", str(folder), "app", "-o", str(out)]
        _run([tool, "-d", scratch / "wit", "-w", world, *componentize], {})
        return out.read_bytes()

    return make


def python_with_clients(folder: Path, served: Path, *, world: str, guest: Path) -> Recipe:
    """A Python module `app` that calls workers which export `world` of the WIT file `served`.

    The client interface is the generated one. The WIT file `guest` has the world `guest`.
    """

    def make(scratch: Path) -> bytes:
        deps = scratch / "wit" / "deps"
        rpc = _PACKAGES / "golem" / "rpc.wit"
        for source in (
            _PACKAGES / "wasi" / "io.wit",
            _PACKAGES / "wasi" / "clocks.wit",
            rpc,
            served,
        ):
            _write(deps / source.stem, source.read_text().replace("@0.2.9", "@0.2.0"))
        parsed = parse(served.read_text())
        resolved = resolve([[parsed]]).world(world)
        assert parsed.package is not None
        _write(deps / "client", client_text(resolved, world, parsed.package))
        _write(scratch / "wit", guest.read_text())
        out = scratch / "out.wasm"
        tool = Path(sys.executable).with_name("componentize-py")
        componentize = ["componentize", "-p", str(folder), "app", "-o", str(out)]
        _run([tool, "-d", scratch / "wit", "-w", "guest", *componentize], {})
        return out.read_bytes()

    return make


def python_class(source: Path, *, package: str, libraries: Path) -> Recipe:
    """A typed Python class, from which its WIT is made."""

    def make(scratch: Path) -> bytes:
        wit, entry, out = scratch / "wit", scratch / "entry", scratch / "out.wasm"
        generate = [sys.executable, "-m", "shem.codefirst", source, "--package", package]
        _run([*generate, "--wit", wit, "--entry", entry], {"PYTHONPATH": str(_ROOT)})
        tool = Path(sys.executable).with_name("componentize-py")
        paths = ["-p", entry, "-p", source.parent, "-p", libraries]
        _run([tool, "-d", wit, "componentize", *paths, "app", "-o", out], {})
        return out.read_bytes()

    return make


def _write(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.wit").write_text(text)


def _run(command: Sequence[str | Path], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=_BUILD_TIME_S_MAX,
        check=False,
    )
    if done.returncode:
        line = " ".join(map(str, command))
        raise RuntimeError(f"{line}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
