"""What the WIT toolkit says and writes, word for word and byte for byte.

`wit/errors.txt` has every bad input with its whole message; `wit/clients/` has the client packages
of `CLIENTS`, `wit/composed/` composed components in hexadecimal. Messages may become better, and
components too: remove the file, run

    python tests/golden/test_wit.py

which writes the files that are missing, and read what changed. The shape of a client package must
not change, as components are built against it.
"""

import sys
from pathlib import Path

import pytest

from tests.unit.wit.test_compose import CLERK, CUSTOMER, adder, caller
from tests.unit.wit.test_compose import SHOP as SHOP_COMPONENT
from tests.unit.wit.text.test_errors import NAMES, SYNTAX
from wit.client import client_text
from wit.compose import plug
from wit.errors import ParseError
from wit.text.nodes import PackageName
from wit.text.parser import parse
from wit.text.resolver import resolve, resolve_text

ROOT = Path(__file__).parent / "wit"
ERRORS = ROOT / "errors.txt"
RULER = "-" * 40

SHOP = """
package demo:shop@1.0.0;

interface types { record item { name: string, qty: u32 } enum reason { unknown } }
interface api {
  use types.{item, reason};
  add: func(item: item) -> result<u32, reason>;
  clear: func();
  resource cart {
    constructor(owner: string);
    put: func(item: item);
    size: func() -> u32;
    merge: static func(a: borrow<cart>, b: cart) -> cart;
  }
}
world shop {
  export api;
  export inner: interface { record pair { a: u8 } swap: func(p: pair) -> pair; }
  export run: func() -> string;
}
"""
LOOSE = """
package demo:loose;
interface other { type id = u64; record box { t: string } }
interface first { get: func() -> u8; }
interface second { get: func() -> string; }
world loose {
  use other.{id, box};
  record pair { a: id, b: box }
  enum color { red }
  export show: func(p: pair, c: color) -> list<pair>;
  export first;
  export second;
  import log: func(text: string);
}
"""
CLIENTS = {
    "shop": (SHOP, False),
    "shop-ephemeral": (SHOP, True),
    "loose": (LOOSE, False),
}
COMPOSED = {
    "plugged": lambda: plug(caller(), [adder()]),
    "shared-resource": lambda: plug(CUSTOMER, [CLERK, SHOP_COMPONENT]),
    "outer-import": lambda: plug(CUSTOMER, [CLERK]),
}


def errors_text() -> str:
    parts: list[str] = []
    for text, _ in SYNTAX + NAMES:
        try:
            resolve_text(text, "x.wit")
        except ParseError as error:
            parts.append(f"{text.rstrip()}\n{RULER}\n{error}\n")
        else:
            parts.append(f"{text.rstrip()}\n{RULER}\nis right\n")
    return f"\n{'=' * 40}\n".join(parts)


def client(name: str) -> str:
    source, ephemeral = CLIENTS[name]
    packages = resolve([[parse(source)]])
    main = packages.packages[packages.main]
    package = PackageName(main.name.namespace, main.name.name, main.name.version)
    world = packages.world()
    assert world is not None
    return client_text(world, next(iter(main.worlds)), package, ephemeral=ephemeral)


def composed(name: str) -> str:
    data = COMPOSED[name]()
    return "".join(f"{data[at : at + 32].hex()}\n" for at in range(0, len(data), 32))


def expected_files() -> dict[Path, str]:
    parts = {ROOT / "composed" / f"{name}.txt": composed(name) for name in COMPOSED}
    clients = {ROOT / "clients" / f"{name}.txt": client(name) for name in CLIENTS}
    return {ERRORS: errors_text(), **clients, **parts}


def test_every_bad_input_has_its_message_with_place_caret_and_expectation():
    assert ERRORS.read_text(encoding="utf-8") == errors_text()
    assert len({text for text, _ in SYNTAX + NAMES}) >= 60


@pytest.mark.parametrize("name", CLIENTS)
def test_the_client_package_is_the_one_that_components_were_built_against(name):
    assert (ROOT / "clients" / f"{name}.txt").read_text(encoding="utf-8") == client(name)


@pytest.mark.parametrize("name", COMPOSED)
def test_a_composed_component_is_the_same_bytes(name):
    assert (ROOT / "composed" / f"{name}.txt").read_text(encoding="utf-8") == composed(name)


def test_there_is_no_file_without_a_case():
    found = {path for path in ROOT.rglob("*") if path.is_file()}
    assert found == set(expected_files())


if __name__ == "__main__":
    for path, text in expected_files().items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{path}\n")
