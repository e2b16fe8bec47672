"""A typed Python class as WIT; what WIT cannot say is told with the place in the class."""

import importlib
import sys
import types
from pathlib import Path

import pytest

from shem.codefirst.client import client_module
from shem.codefirst.description import describe
from shem.codefirst.names import kebab
from shem.codefirst.text import entry_modules, wit_text
from shem.errors import BuildError
from shem.guest import PYTHON_LIBRARIES
from wit.text.resolver import resolve_text

HEAD = """
from dataclasses import dataclass
from enum import Enum, Flag, auto
from typing import Any, TypeAlias
from shem_component import Err, Result, char, component, f32, resource, s8, u8, u32, u64
"""


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    monkeypatch.syspath_prepend(str(PYTHON_LIBRARIES))
    return importlib.import_module("shem_component")


def module_of(text: str, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("written")
    monkeypatch.setitem(sys.modules, "written", module)
    exec(compile(HEAD + text, "written.py", "exec"), vars(module))
    return module


def body(text: str, marks: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the functions of a class as lines of WIT that resolves."""
    described = describe(module_of(text, monkeypatch), marks)
    written = wit_text(described, "demo:written")
    resolve_text(written)
    return [f"{each.name}{each.signature}" for each in described.functions]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("bool", "bool"),
        ("int", "s64"),
        ("u8", "u8"),
        ("s8", "s8"),
        ("float", "f64"),
        ("f32", "f32"),
        ("str", "string"),
        ("char", "char"),
        ("bytes", "list<u8>"),
        ("list[u32]", "list<u32>"),
        ("list[list[str]]", "list<list<string>>"),
        ("tuple[int, str]", "tuple<s64, string>"),
        ("tuple[int, ...]", "list<s64>"),
        ("dict[str, u8]", "list<tuple<string, u8>>"),
        ("int | None", "option<s64>"),
        ("'u8 | None'", "option<u8>"),
    ],
)
def test_types_of_python_have_their_counterparts(
    annotation: str, expected: str, marks: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"@component\nclass A:\n    def f(self, a_b: {annotation}) -> {annotation}: ...\n"

    assert body(text, marks, monkeypatch) == [f"f(a-b: {expected}) -> {expected}"]


def test_results_name_value_and_error(
    marks: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "@component\nclass A:\n    def f(self) -> Result[int, str]: ...\n"
        "    def g(self) -> Result[None, str]: ...\n    def h(self) -> Result[None, None]: ...\n"
    )

    assert body(text, marks, monkeypatch) == [
        "f() -> result<s64, string>",
        "g() -> result<_, string>",
        "h() -> result",
    ]


def test_what_begins_with_an_underscore_stays_inside(
    marks: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "@component\nclass A:\n    x = 1\n    def f(self): ...\n    def _g(self): ...\n"

    assert body(text, marks, monkeypatch) == ["f()"]


def test_keywords_of_wit_are_escaped(
    marks: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "@component\nclass A:\n    def list(self, record: int): ...\n"
    described = describe(module_of(text, monkeypatch), marks)

    assert "%list: func(%record: s64);" in wit_text(described, "demo:a")


def test_an_interface_called_like_the_world_leaves_it_its_name(
    marks: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "@component(interface='cart')\nclass A:\n    def f(self): ...\n"
    written = wit_text(describe(module_of(text, monkeypatch), marks), "demo:cart")

    assert "world cart-world" in written
    resolve_text(written)


def test_the_whole_of_a_component(marks: types.ModuleType) -> None:
    folder = Path(__file__).parents[2] / "guests" / "typed"
    sys.path.insert(0, str(folder))
    try:
        described = describe(importlib.import_module("cart"), marks)
    finally:
        sys.path.remove(str(folder))
        del sys.modules["cart"]

    written = wit_text(described, "demo:cart")

    resolve_text(written)
    assert "  /// A thing to buy.\n  record item { name: string, quantity: u32" in written
    assert "variant shape { circle(circle), nothing, item(item) }" in written
    assert "    gift: static func() -> basket;" in written
    assert set(entry_modules(described, "cart")) == {"app.py", "api.py"}
    for source in entry_modules(described, "cart").values():
        compile(source, "made", "exec")


MISTAKES = {
    "no component": ("class A: ...", "expected one class marked @component, none is"),
    "two components": (
        "@component\nclass A: ...\n@component\nclass B: ...",
        "expected one class marked @component, A, B",
    ),
    "a parameter without a type": (
        "@component\nclass A:\n    def f(self, x): ...",
        "A.f: parameter x has no type",
    ),
    "an unknown name": (
        "@component\nclass A:\n    def f(self, x: 'Missing'): ...",
        "A.f: cannot understand its types: name 'Missing' is not defined",
    ),
    "any": (
        "@component\nclass A:\n    def f(self, x: Any): ...",
        "A.f(x): Any has no counterpart in WIT; make it a dataclass",
    ),
    "a set": (
        "@component\nclass A:\n    def f(self) -> set[int]: ...",
        "A.f() ->: set[int] has no counterpart in WIT",
    ),
    "a plain class": (
        "class B: ...\n@component\nclass A:\n    def f(self, x: B): ...",
        "A.f(x): B has no counterpart in WIT; make it a dataclass",
    ),
    "any number of arguments": (
        "@component\nclass A:\n    def f(self, *x: int): ...",
        "A.f: *x has no counterpart in WIT",
    ),
    "a class method": (
        "@component\nclass A:\n    @classmethod\n    def f(cls): ...",
        "A.f: a class method cannot be exported",
    ),
    "a static method of the component": (
        "@component\nclass A:\n    @staticmethod\n    def f(): ...",
        "A.f: only resources have static methods in WIT",
    ),
    "an async method": (
        "@component\nclass A:\n    async def f(self) -> int: ...",
        (
            "A.f: nobody would wait for an async function; let it be an ordinary one that returns"
            " shem_loop.run(…)"
        ),
    ),
    "a parameter that has to be named": (
        "@component\nclass A:\n    def f(self, *, x: int): ...",
        "A.f: x stands behind a *, but parameters have an order in WIT",
    ),
    "a component that wants to be given something": (
        "@component\nclass A:\n    def __init__(self, x: int = 1, *y: int, z: int): ...",
        "A.__init__: nobody gives z to a component",
    ),
    "a union without a name": (
        (
            "@dataclass\nclass B:\n    x: int\n@dataclass\nclass C:\n    y: int\n"
            "@component\nclass A:\n    def f(self, x: B | C): ..."
        ),
        (
            "A.f(x): the union written.B | written.C needs a name: write `Name: TypeAlias = …`"
            " in the module"
        ),
    ),
    "a union of no dataclasses": (
        "X: TypeAlias = int | str\n@component\nclass A:\n    def f(self, x: X): ...",
        "A.f(x): int in X is no dataclass",
    ),
    "a record without fields": (
        "@dataclass\nclass B: ...\n@component\nclass A:\n    def f(self, x: B): ...",
        "A.f(x): B has no fields, and WIT no empty records",
    ),
    "a record that holds itself": (
        (
            "@dataclass\nclass B:\n    next: 'list[B]'\n"
            "@component\nclass A:\n    def f(self, x: B): ..."
        ),
        "B.next: B holds itself, which WIT cannot say",
    ),
    "a name for two things": (
        (
            "@dataclass\nclass Item:\n    x: int\n@component\nclass A:\n"
            "    def item(self, x: Item): ..."
        ),
        'A.item: a type is called "item" in WIT, too; rename one of them',
    ),
    "a name that WIT cannot have": (
        "@component\nclass A:\n    def f_2(self): ...",
        (
            '"f_2" cannot be a name in WIT: its words must begin with a letter and hold only'
            " letters a-z and digits"
        ),
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_wit_cannot_say_is_told_with_its_place(
    case: str, marks: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, expected = MISTAKES[case]

    with pytest.raises(BuildError) as raised:
        describe(module_of(text, monkeypatch), marks)

    assert str(raised.value) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ShoppingCart", "shopping-cart"), ("HTTPServer", "http-server"), ("DARK_BLUE", "dark-blue")],
)
def test_names_become_words_with_dashes(name: str, expected: str) -> None:
    assert kebab(name) == expected


def test_clients_are_python_that_compiles(tmp_path: Path) -> None:
    from shem.build.wit_sources import client_of
    from shem.manifest.application import AppComponent
    from shem.manifest.schema import Properties

    (tmp_path / "w.wit").write_text(
        "package demo:shop;\ninterface api {\n"
        "  record item { name: string, tags: list<string> }\n  variant v { a, b(u8) }\n"
        "  resource cart { constructor(owner: string); put: func(i: item) -> u64; }\n"
        "  add: func(i: item, v: option<v>) -> result<u32, string>;\n  note: func(t: string);\n}\n"
        "world shop { export api; }\n"
    )
    component = AppComponent(
        name="demo:shop", folder=tmp_path, properties=Properties(source_wit="w.wit")
    )

    source = client_module(client_of(component))

    compile(source, "shop.py", "exec")
    assert "class Api(Client):" in source
    assert "class Cart(Client):" in source
    assert "def add(self, i: 'Item', v: 'V | None') -> 'int':" in source
    assert "def note_async(self, t: 'str') -> 'None':" in source
    assert "V_B = _types.V_B" in source
    assert "FutureAddResult" not in source
