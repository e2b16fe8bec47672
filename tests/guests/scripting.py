"""How the guest in JavaScript is built that imports every interface of WASI 0.2 itself."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from tests.guests import node_tools

__all__ = ["Recipe", "javascript_on_wasi"]

Recipe: TypeAlias = Callable[[Path], bytes]

_WASI: Final = Path(__file__).parents[2] / "wit" / "packages" / "wasi"
_VERSION: Final = "0.2.9"
# The tool asks for features. Where its engine itself imports what uses an interface, it refuses
# them: "import interface `wasi:sockets/network` is missing function `network-error-code`".
_WITHOUT_FEATURES: Final = ("sockets",)
_FEATURE: Final = re.compile(r"^ *@unstable\(.*\)\n", re.MULTILINE)


def javascript_on_wasi(
    source: Path, *, imports: Sequence[str], exports: Sequence[str] = ()
) -> Recipe:
    """Modules of JavaScript, bundled from `source`, with their engine, by componentize-js.

    They export `api` with the function `call` of `demo:conform/api`, and `exports`.
    """

    def make(scratch: Path) -> bytes:
        uses = [*(f"import {each};" for each in imports), *(f"export {each};" for each in exports)]
        folder = scratch / "wit"
        for each in sorted(_WASI.glob("*.wit")):
            # The tool knows no compatible versions: what a package uses has to be what is there.
            text = re.sub(r"(wasi:[a-z/-]+)@0\.2\.\d+(?!-)", rf"\g<1>@{_VERSION}", each.read_text())
            if each.stem not in _WITHOUT_FEATURES:
                text = _FEATURE.sub("", text)
            _write(folder / "deps" / each.stem, text)
        _write(
            folder,
            "package demo:conform; interface api { call: func(part: string) -> list<string>; } "
            f"world conform {{ {' '.join(uses)} export api; }}",
        )
        request = {
            "do": "bundle",
            "script": str(source),
            "wit": str(folder),
            "world": "conform",
        }
        (made,) = node_tools.ask([request])
        return bytes(made)

    return make


def _write(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.wit").write_text(text)
