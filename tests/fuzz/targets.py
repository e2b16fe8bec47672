"""What is fuzzed: functions that take bytes and may raise nothing but our own errors.

A target reads what it is given in every way there is, and checks what it reads: what was accepted
must come back the same when it is written and read again.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import wasmtime

from tests.support.wit_strategies import same
from tests.unit.wit.text.test_corpus import EVERYTHING, GATED, SEVERAL, WORLDS
from tests.unit.wit.text.test_errors import NAMES, SYNTAX
from wit.binary import parse as parse_component
from wit.binary.custom import component_name, producers
from wit.binary.sections import contents
from wit.component import describe
from wit.embedded import decode_packages, documentation, embedded_world, without_world
from wit.errors import WitError
from wit.json_values import decode_json, encode_json, parse_json
from wit.names import resolve
from wit.packed import pack, unpack
from wit.text.from_world import world_text
from wit.text.parser import parse
from wit.text.printer import print_file
from wit.text.resolver import ALL_FEATURES, find_problems, resolve_text
from wit.text.type_expression import parse_type
from wit.typed_json import from_typed_json, to_typed_json
from wit.types import Type
from wit.wave import bind_arguments, format_value, parse_call, parse_value
from wit.wave_fast import NotPlainError, quick_value
from wit.wit_value import from_wit_type, from_wit_value, to_wit_type, to_wit_value

__all__ = ["DICTIONARY", "TARGETS", "Target", "seeds"]

Target = Callable[[bytes], None]

_ROOT: Final = Path(__file__).parents[2]
_SOURCE: Final = """
package demo:fuzz@1.2.0;
interface api {
  record item { name: string, qty: u32, price: f32, sign: char, tags: list<string> }
  variant shape { dot, circle(f64), named(option<string>), ok }
  enum color { red, deep-blue, none }
  flags perms { read, write, exec }
  type deep = result<option<option<u8>>, tuple<bool, list<u8>, map<string, s64>>>;
  resource cart { constructor(owner: string); put: func(item: item, note: option<string>); }
  all: func(items: list<item>, shape: shape, color: color, perms: perms, deep: deep);
}
world fuzz { export api; export add: func(value: u64) -> u64; }
"""
_WORLD: Final = resolve_text(_SOURCE).world()
assert _WORLD is not None
_TYPES: Final[tuple[Type, ...]] = (
    *(each.type for each in _WORLD.export_interfaces[0].types),
    *(parse_type(text) for text in ("list<u8>", "list<list<s16>>", "f64", "list<u8, 3>")),
    *(each.type for each in _WORLD.export_interfaces[0].functions[-1].type.parameters),
)
_WAVE: Final = (
    '[{name: "a", qty: 5, price: 1.5, sign: \'x\', tags: ["b", "c\\n"]}]',
    "all([], circle(-1e3), %none, {read, exec}, ok(some(none)))",
    '{cart("me").put}({name: "", qty: 0, price: nan, sign: \'\\u{41}\', tags: []})',
    'demo:fuzz/api@1.2.0.{all}([], named(some("x")), red, {}, err((true, [1, 2], [("a", -5)])))',
    '"""\n  lines\n  of text\n  """ // comment',
    "[[-5, 300], [], [7,]]",
    "add(18446744073709551615)",
)
_JSON: Final = (
    '[{"name": "a", "qty": 5, "price": 1.5, "sign": "x", "tags": []}]',
    '{"circle": "-inf"}',
    '{"ok": {"some": null}}',
    '{"err": [true, {"base64": "AQI="}, {"a": -9223372036854775808}]}',
    '["read", "exec"]',
    '{"typ": {"type": "List", "inner": {"type": "Option", "inner": {"type": "U8"}}}, "value": [5]}',
)


def wit_text(data: bytes) -> None:
    text = data.decode(errors="replace")
    with contextlib.suppress(WitError):
        printed = print_file(parse(text, "fuzz.wit"))
        assert print_file(parse(printed)) == printed, "printing again differs"
    packages = None
    with contextlib.suppress(WitError):
        packages = resolve_text(text, "fuzz.wit", features=ALL_FEATURES)
    with contextlib.suppress(WitError):
        found = find_problems([[parse(text, "fuzz.wit")]], features=ALL_FEATURES)
        assert bool(found) is (packages is None), "one finds problems where the other has none"
    if packages is not None:
        for world in packages.packages[packages.main].worlds.values():
            with contextlib.suppress(WitError):
                again = resolve_text(world_text(world)).world("root")
                assert again is not None


def wave(data: bytes) -> None:
    text = data.decode(errors="replace")
    for type_ in _TYPES:
        try:
            value = parse_value(text, type_)
        except WitError:
            _assert_not_quick(text, type_)
            continue
        assert same(parse_value(format_value(value, type_), type_), value), "wave round trip"
        with contextlib.suppress(NotPlainError):
            assert same(quick_value(text, type_), value), "the quick way differs"
    with contextlib.suppress(WitError):
        call = parse_call(text)
        function = resolve(_WORLD, call.function)
        bind_arguments(call, function.type)


def _assert_not_quick(text: str, type_: Type) -> None:
    try:
        value = quick_value(text, type_)
    except NotPlainError:
        return
    raise AssertionError(f"the quick way reads {value!r} where the full one refuses")


def json(data: bytes) -> None:
    for type_ in _TYPES:
        with contextlib.suppress(WitError):
            value = decode_json(data, type_)
            assert same(decode_json(encode_json(value, type_), type_), value), "json round trip"
    with contextlib.suppress(WitError):
        value, type_ = from_typed_json(parse_json(data))
        again, _ = from_typed_json(to_typed_json(value, type_))
        assert same(again, value), "typed json round trip"


def packed(data: bytes) -> None:
    for type_ in _TYPES:
        with contextlib.suppress(WitError):
            assert pack(unpack(data, type_), type_) == data, "packed values have one form"


def nodes(data: bytes) -> None:
    """Node lists as guests make them, and any other Python objects in their place."""
    try:
        decoded: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    listed = _tuples(decoded)
    for value in (listed, {"nodes": listed}):
        for type_ in _TYPES:
            with contextlib.suppress(WitError):
                found = from_wit_value(value, type_)
                assert same(from_wit_value(to_wit_value(found, type_), type_), found)
        with contextlib.suppress(WitError):
            from_wit_type(value)


def _tuples(json: Any) -> Any:
    match json:
        case [str(), _]:
            return (json[0], _tuples(json[1]))
        case list():
            return [_tuples(each) for each in json]
        case dict():
            return {key: _tuples(each) for key, each in json.items()}
        case _:
            return json


def binary(data: bytes) -> None:
    for read in (describe, embedded_world, without_world, decode_packages):
        with contextlib.suppress(WitError):
            read(data)
    with contextlib.suppress(WitError):
        component = parse_component(data)
        component_name(data, component)
        producers(data, component)
        documentation(data, component)
        contents(data, component)


def names(data: bytes) -> None:
    with contextlib.suppress(WitError):
        resolve(_WORLD, data.decode(errors="replace"))


TARGETS: Final[Mapping[str, Target]] = {
    "wit": wit_text,
    "wave": wave,
    "json": json,
    "packed": packed,
    "nodes": nodes,
    "binary": binary,
    "names": names,
}


def _typed_values(write: Callable[[Any, Type], object]) -> Iterable[bytes]:
    for type_ in _TYPES:
        for text in (*_WAVE, "red", "{read}", "ok(none)", "dot", "5", "2.5", "[1, 2, 3]"):
            with contextlib.suppress(WitError):
                written = write(parse_value(text, type_), type_)
                yield written if isinstance(written, bytes) else msgspec.json.encode(written)


def _binaries() -> Iterable[bytes]:
    yield from (file.read_bytes() for file in (_ROOT / "tests" / "fuzz" / "seeds").glob("*.wasm"))
    for text in (
        '(component (import "a:b/c@1.0.0" (instance (export "r" (type (sub resource))))))',
        "(component (component $c) (instance (instantiate $c)) (core module))",
        """(component (type (component (export "a:b/w" (component (import "f" (func))))))
             (export "w" (type 0)))""",
    ):
        yield bytes(wasmtime.wat2wasm(text))


def seeds(target: str) -> list[bytes]:
    """Return inputs to begin with."""
    match target:
        case "wit":
            shipped = (_ROOT / "wit" / "packages").rglob("*.wit")
            texts = [EVERYTHING, WORLDS, GATED, SEVERAL, _SOURCE]
            texts += [text for text, _ in SYNTAX + NAMES]
            return [*(text.encode() for text in texts), *(file.read_bytes() for file in shipped)]
        case "wave" | "names":
            return [text.encode() for text in _WAVE]
        case "json":
            return [text.encode() for text in _JSON]
        case "packed":
            return list(_typed_values(pack))
        case "nodes":
            types = [msgspec.json.encode(to_wit_type(each)) for each in _TYPES]
            return [*_typed_values(to_wit_value), *types]
        case _:
            return list(_binaries())


# Pieces that a random byte never makes.
DICTIONARY: Final[Mapping[str, tuple[bytes, ...]]] = {
    "wit": tuple(
        b" interface { world use . as with include import export record variant enum flags "
        b"resource constructor static async func -> ( ) < > list option result tuple own borrow "
        b"future stream map error-context % @since(version=1.0.0) @unstable(feature=a) package "
        b"a:b@1.0.0 /// /* */ // ; : , = _ 4 u8 string".split()
    ),
    "wave": tuple(
        rb'some( none ok( err( nan -inf 1e9 " """ \u{41} \n % // { } [ ] ( ) : , . - true'.split()
    ),
    "json": tuple(
        b'null true "some" {"ok": "base64" "type" "typ" [ ] { } : , 1e999 \\ud800'.split()
    ),
    "packed": (b"\x80", b"\xff", b"\x00", b"\x01", b"\xff\xff\xff\xff\x0f"),
    "nodes": tuple(
        b'["record-value",[0]] ["list-type",0] ["option-value",[1]] "nodes" null -1 1e99 {}'.split()
    ),
    "binary": (b"\0asm\x0d\0\x01\0", b"\0asm\x01\0\0\0", b"\x80\x80\x80\x80\x08", b"\x42", b"\x41"),
    "names": tuple(b"{ } . / # @ [method] [constructor] cart.put new %".split()),
}
