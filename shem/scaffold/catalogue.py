"""What there is to begin with: languages and templates, with what is said about them."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

__all__ = ["LANGUAGES", "TEMPLATES", "Language", "Template"]


class Language(Struct, frozen=True, kw_only=True):
    """A language. `tools` says what has to be installed; `source` is the file to edit."""

    title: str
    tools: str
    source: str
    builds_on: tuple[str, ...] = ()


class Template(Struct, frozen=True, kw_only=True):
    """A kind of component.

    `call` is a first call of it, `beside` are the templates that its app needs as well, `common` is
    the template whose WIT and tests it has.
    """

    about: str
    call: str
    beside: tuple[str, ...] = ()
    common: str


LANGUAGES: Final[Mapping[str, Language]] = {
    "c": Language(
        title="C",
        tools="zig, which brings a C compiler: `pip install ziglang`",
        source="src/component.c",
    ),
    "go": Language(
        title="Go",
        tools="Go 1.24 or newer",
        source="src/component.go",
    ),
    "javascript": Language(
        title="JavaScript",
        tools="node 20 or newer with npm; the first build installs the packages of `package.json`",
        source="src/component.js",
    ),
    "python": Language(
        title="Python",
        tools="componentize-py: `pip install componentize-py`",
        source="src/",
    ),
    "rust": Language(
        title="Rust",
        tools="Rust with a target for components: `rustup target add wasm32-wasip2`",
        source="src/lib.rs",
    ),
    "typescript": Language(
        title="TypeScript",
        tools="node 20 or newer with npm; the first build installs the packages of `package.json`",
        source="src/component.ts",
        builds_on=("javascript",),
    ),
    "zig": Language(
        title="Zig",
        tools="zig: `pip install ziglang`",
        source="src/component.zig",
    ),
}

_COUNTER: Final = "A number that a worker keeps in its memory."
_REQUEST: Final = (
    'handle({method: "GET", path-with-query: some("/hello"), scheme: some("http"),'
    ' authority: some("localhost"), headers: none, body: none, trailers: none})'
)

TEMPLATES: Final[Mapping[str, Template]] = {
    "counter": Template(about=_COUNTER, call="add(5)", common="counter"),
    "counter-wit": Template(
        about=f"{_COUNTER} Its interface is written in WIT.", call="add(5)", common="counter"
    ),
    "ephemeral": Template(
        about="A function without memory: every call has a worker of its own.",
        call='shout("hello")',
        common="ephemeral",
    ),
    "http-handler": Template(
        about="Answers HTTP requests by `wasi:http`.", call=_REQUEST, common="http-handler"
    ),
    "rpc": Template(
        about="Calls workers of another component, one after the other or at the same time.",
        call='add-everywhere(["a", "b"], 5)',
        beside=("counter",),
        common="rpc",
    ),
}
