"""Guests in C that call every function of WASI 0.2: the interfaces and where the source is."""

from pathlib import Path
from typing import Final

from tests.guests import direct, scripting

__all__ = ["FOLDER", "WORLDS", "javascript_recipe", "recipe"]

FOLDER: Final = Path(__file__).parent / "wasi"
_IO: Final = tuple(f"wasi:io/{each}@0.2.9" for each in ("error", "poll", "streams"))
_CLOCK: Final = "wasi:clocks/monotonic-clock@0.2.9"
_FILES: Final = ("wasi:filesystem/types@0.2.9", "wasi:filesystem/preopens@0.2.9")

# What each imports and exports.
WORLDS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "cli": (
        (
            *_IO,
            *(
                f"wasi:cli/{each}@0.2.9"
                for each in (
                    *("environment", "exit", "stdin", "stdout", "stderr"),
                    *("terminal-stdin", "terminal-stdout", "terminal-stderr"),
                )
            ),
        ),
        ("wasi:cli/run@0.2.9",),
    ),
    "clocks": (
        (
            *_IO,
            _CLOCK,
            "wasi:clocks/wall-clock@0.2.9",
            "wasi:clocks/timezone@0.2.9",
            *(f"wasi:random/{each}@0.2.9" for each in ("random", "insecure", "insecure-seed")),
        ),
        (),
    ),
    "io": ((*_IO, _CLOCK, *_FILES), ()),
    "filesystem": ((*_IO, *_FILES), ()),
    "sockets": (
        (
            *_IO,
            _CLOCK,
            *(
                f"wasi:sockets/{each}@0.2.9"
                for each in (
                    *("network", "instance-network", "ip-name-lookup"),
                    *("tcp", "tcp-create-socket", "udp", "udp-create-socket"),
                )
            ),
        ),
        (),
    ),
    "http": (
        (*_IO, "wasi:http/types@0.2.9", "wasi:http/outgoing-handler@0.2.9"),
        ("wasi:http/incoming-handler@0.2.9",),
    ),
    "keyvalue": (
        tuple(f"wasi:keyvalue/{each}@0.2.0-draft2" for each in ("store", "atomics", "batch")),
        (),
    ),
    "keyvalue-0-1": (
        (
            *_IO,
            *(
                f"wasi:keyvalue/{each}@0.1.0"
                for each in (
                    *("wasi-keyvalue-error", "types", "eventual", "eventual-batch"),
                    *("atomic", "cache"),
                )
            ),
        ),
        (),
    ),
    "blobstore": (
        (
            *_IO,
            *(f"wasi:blobstore/{each}" for each in ("types", "container", "blobstore")),
            "wasi:config/store@0.2.0-rc.1",
            "wasi:logging/logging@0.1.0-draft",
        ),
        (),
    ),
    "limits": (
        (
            *_IO,
            *(f"wasi:sockets/{each}@0.2.9" for each in ("tcp", "tcp-create-socket")),
            "wasi:http/types@0.2.9",
            "wasi:random/random@0.2.9",
        ),
        (),
    ),
    # What calls cost: `benchmarks/host_calls.py`.
    "cost": ((*_IO, _CLOCK, *_FILES, "wasi:random/random@0.2.9"), ()),
}


def recipe(name: str) -> direct.Recipe:
    """Return how the guest for `name` is built."""
    imports, exports = WORLDS[name]
    source = FOLDER / f"{name}.c"
    return direct.c_conforming(source, imports=imports, exports=exports)


def javascript_recipe() -> scripting.Recipe:
    """Return how the guest in JavaScript is built, which imports and exports all of it."""
    worlds = [world for name, world in WORLDS.items() if name not in {"limits", "cost"}]
    imports = dict.fromkeys(each for imports, _ in worlds for each in imports)
    exports = dict.fromkeys(each for _, exports in worlds for each in exports)
    source = FOLDER / "js" / "guest.js"
    return scripting.javascript_on_wasi(source, imports=list(imports), exports=list(exports))
