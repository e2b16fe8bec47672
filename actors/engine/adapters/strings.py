"""Strings from one memory and encoding to another.

Each goes twice over the text: once to check it and to measure it in all encodings, once to write
it, so that the receiver allocates exactly once and exactly enough.
"""

from typing import Final

from actors.engine.adapters.checks import Cause, Side, allocator, require, span
from actors.engine.adapters.text import Function, ModuleText
from actors.engine.plan.model import FromInstance
from wit.binary.definitions import StringEncoding

__all__ = ["string_copier"]

_UTF8: Final = "utf8"
_UTF16: Final = "utf16"
_LATIN1: Final = "latin1"
_UTF16_TAG: Final = 1 << 31
_WIDTHS: Final = {_UTF8: 1, _UTF16: 2, _LATIN1: 1}
_PAIR: Final = "(result i32 i32)"


def string_copier(module: ModuleText, giver: Side, taker: Side) -> str:
    """Return a function `(pointer, length) -> (pointer, length)`."""
    encodings = (giver.context.encoding, taker.context.encoding)
    name, is_new = module.helper(("string", giver.memory, taker.memory, taker.realloc, encodings))
    if not is_new:
        return name
    function = Function(name, f"(param $p i32) (param $n i32) {_PAIR}")
    match giver.context.encoding:
        case StringEncoding.UTF8:
            _copy(module, function, giver, taker, _UTF8, alignment=1)
        case StringEncoding.UTF16:
            _copy(module, function, giver, taker, _UTF16, alignment=2)
        case StringEncoding.LATIN1_UTF16:
            function.add(f"(if (result i32 i32) (i32.and (local.get $n) (i32.const {_UTF16_TAG}))")
            function.add(f"(then (local.set $n (i32.xor (local.get $n) (i32.const {_UTF16_TAG})))")
            _copy(module, function, giver, taker, _UTF16, alignment=2)
            function.add(") (else")
            _copy(module, function, giver, taker, _LATIN1, alignment=2)
            function.add("))")
    module.add(function)
    return name


def _copy(
    module: ModuleText, function: Function, giver: Side, taker: Side, kind: str, *, alignment: int
) -> None:
    end, bytes_, units, highest = (function.local("i32") for _ in range(4))
    function.add(
        f"(local.set {end} (i32.add (local.get $p) (call {span(module, giver.memory)}"
        f" (local.get $p) (local.get $n) (i32.const {_WIDTHS[kind]}) (i32.const {alignment}))))",
        f"(call {_measure(module, giver.memory, kind)} (local.get $p) (local.get {end}))",
        f"local.set {highest} local.set {units} local.set {bytes_}",
    )

    def write(target: str, size: str, length: str, align: int) -> str:
        allocate = allocator(module, taker)
        at = function.local("i32")
        writer = _writer(module, giver.memory, kind, taker.memory, target)
        return (
            f"(local.set {at} (call {allocate} (i32.const {align}) {size}))"
            f" (call {writer} (local.get $p) (local.get {end}) (local.get {at}))"
            f" (local.get {at}) {length}"
        )

    wide = f"(i32.shl (local.get {units}) (i32.const 1))"
    match taker.context.encoding:
        case StringEncoding.UTF8:
            function.add(write(_UTF8, f"(local.get {bytes_})", f"(local.get {bytes_})", 1))
        case StringEncoding.UTF16:
            function.add(write(_UTF16, wide, f"(local.get {units})", 2))
        case StringEncoding.LATIN1_UTF16:
            narrow = write(_LATIN1, f"(local.get {units})", f"(local.get {units})", 2)
            tagged = f"(i32.or (local.get {units}) (i32.const {_UTF16_TAG}))"
            function.add(
                f"(if (result i32 i32) (i32.lt_u (local.get {highest}) (i32.const 256))"
                f" (then {narrow}) (else {write(_UTF16, wide, tagged, 2)}))"
            )


def _measure(module: ModuleText, source: FromInstance, kind: str) -> str:
    """Return `(pointer, end) -> (bytes in UTF-8, units in UTF-16, highest code point)`."""
    name, is_new = module.helper(("measure", source, kind))
    if is_new:
        function = Function(
            name,
            "(param $p i32) (param $e i32) (result i32 i32 i32) (local $c i32) (local $bytes i32)"
            " (local $units i32) (local $highest i32)",
        )
        function.add("(block $end (loop $next")
        if kind == _UTF8:
            function.add(_skip_ascii(module.imported(source)))
        function.add(
            "(br_if $end (i32.ge_u (local.get $p) (local.get $e)))",
            f"(call {_decoder(module, source, kind)} (local.get $p) (local.get $e))",
            "local.set $p local.set $c",
            "(local.set $units (i32.add (local.get $units)"
            " (i32.add (i32.const 1) (i32.ge_u (local.get $c) (i32.const 0x10000)))))",
            "(local.set $bytes (i32.add (local.get $bytes) (i32.add (i32.add (i32.const 1)"
            " (i32.ge_u (local.get $c) (i32.const 0x80)))"
            " (i32.add (i32.ge_u (local.get $c) (i32.const 0x800))"
            " (i32.ge_u (local.get $c) (i32.const 0x10000))))))",
            "(if (i32.gt_u (local.get $c) (local.get $highest))"
            " (then (local.set $highest (local.get $c))))",
            "(br $next)))",
            "(local.get $bytes) (local.get $units) (local.get $highest)",
        )
        module.add(function)
    return name


def _skip_ascii(memory: str) -> str:
    """Eight bytes at a time; what they are exactly does not matter to any measure."""
    return (
        "(if (i32.ge_u (i32.sub (local.get $e) (local.get $p)) (i32.const 8)) (then"
        f" (if (i64.eqz (i64.and (i64.load {memory} align=1 (local.get $p))"
        " (i64.const 0x8080808080808080))) (then"
        " (local.set $p (i32.add (local.get $p) (i32.const 8)))"
        " (local.set $bytes (i32.add (local.get $bytes) (i32.const 8)))"
        " (local.set $units (i32.add (local.get $units) (i32.const 8)))"
        " (br $next)))))"
        # The rest, one by one, without calling the decoder.
        " (if (i32.lt_u (local.get $p) (local.get $e)) (then"
        f" (if (i32.lt_u (i32.load8_u {memory} (local.get $p)) (i32.const 0x80)) (then"
        " (local.set $p (i32.add (local.get $p) (i32.const 1)))"
        " (local.set $bytes (i32.add (local.get $bytes) (i32.const 1)))"
        " (local.set $units (i32.add (local.get $units) (i32.const 1)))"
        " (br $next)))))"
    )


def _decoder(module: ModuleText, source: FromInstance, kind: str) -> str:
    """Return `(pointer, end) -> (code point, next pointer)`; there is at least one unit left."""
    name, is_new = module.helper(("decode", source, kind))
    if is_new:
        memory = module.imported(source)
        function = Function(name, f"(param $p i32) (param $e i32) {_PAIR}")
        match kind:
            case "utf8":
                _decode_utf8(module, function, memory)
            case "utf16":
                _decode_utf16(module, function, memory)
            case _:
                function.add(
                    f"(i32.load8_u {memory} (local.get $p)) (i32.add (local.get $p) (i32.const 1))"
                )
        module.add(function)
    return name


def _decode_utf8(module: ModuleText, function: Function, memory: str) -> None:
    byte, code, more, least = (function.local("i32") for _ in range(4))
    valid = Cause.UTF8
    function.add(
        f"(local.set {byte} (i32.load8_u {memory} (local.get $p)))",
        f"(if (i32.lt_u (local.get {byte}) (i32.const 0x80))",
        f"(then (return (local.get {byte}) (i32.add (local.get $p) (i32.const 1)))))",
        require(module, f"(i32.ge_u (local.get {byte}) (i32.const 0xc2))", valid),
        require(module, f"(i32.lt_u (local.get {byte}) (i32.const 0xf5))", valid),
    )
    leads = ((0xE0, 1, 0x80, 0x1F), (0xF0, 2, 0x800, 0x0F), (0xF8, 3, 0x10000, 0x07))
    for limit, count, minimum, mask in leads:
        function.add(
            f"(if (i32.lt_u (local.get {byte}) (i32.const {limit})) (then"
            f" (local.set {more} (i32.const {count})) (local.set {least} (i32.const {minimum}))"
            f" (local.set {code} (i32.and (local.get {byte}) (i32.const {mask})))) (else"
        )
    function.add(
        "))" * len(leads),
        require(
            module,
            f"(i32.gt_u (i32.sub (local.get $e) (local.get $p)) (local.get {more}))",
            valid,
        ),
        "(loop $more",
        "(local.set $p (i32.add (local.get $p) (i32.const 1)))",
        f"(local.set {byte} (i32.load8_u {memory} (local.get $p)))",
        require(
            module,
            f"(i32.eq (i32.and (local.get {byte}) (i32.const 0xc0)) (i32.const 0x80))",
            valid,
        ),
        f"(local.set {code} (i32.or (i32.shl (local.get {code}) (i32.const 6))"
        f" (i32.and (local.get {byte}) (i32.const 0x3f))))",
        f"(br_if $more (local.tee {more} (i32.sub (local.get {more}) (i32.const 1)))))",
        require(module, f"(i32.ge_u (local.get {code}) (local.get {least}))", valid),
        require(module, f"(i32.le_u (local.get {code}) (i32.const 0x10ffff))", valid),
        require(
            module,
            f"(i32.ne (i32.and (local.get {code}) (i32.const 0x1ff800)) (i32.const 0xd800))",
            valid,
        ),
        f"(local.get {code}) (i32.add (local.get $p) (i32.const 1))",
    )


def _decode_utf16(module: ModuleText, function: Function, memory: str) -> None:
    unit, low = function.local("i32"), function.local("i32")
    valid = Cause.UTF16
    function.add(
        f"(local.set {unit} (i32.load16_u {memory} (local.get $p)))",
        f"(if (i32.ne (i32.and (local.get {unit}) (i32.const 0xf800)) (i32.const 0xd800))",
        f"(then (return (local.get {unit}) (i32.add (local.get $p) (i32.const 2)))))",
        require(module, f"(i32.lt_u (local.get {unit}) (i32.const 0xdc00))", valid),
        require(module, "(i32.ge_u (i32.sub (local.get $e) (local.get $p)) (i32.const 4))", valid),
        f"(local.set {low} (i32.load16_u {memory} offset=2 (local.get $p)))",
        require(
            module,
            f"(i32.eq (i32.and (local.get {low}) (i32.const 0xfc00)) (i32.const 0xdc00))",
            valid,
        ),
        "(i32.add (i32.const 0x10000) (i32.or"
        f" (i32.shl (i32.and (local.get {unit}) (i32.const 0x3ff)) (i32.const 10))"
        f" (i32.and (local.get {low}) (i32.const 0x3ff))))",
        "(i32.add (local.get $p) (i32.const 4))",
    )


def _writer(
    module: ModuleText, source: FromInstance, kind: str, target: FromInstance, wanted: str
) -> str:
    """Return `(pointer, end, target pointer)`; the text was checked and measured before."""
    name, is_new = module.helper(("write", source, kind, target, wanted))
    if is_new:
        function = Function(name, "(param $p i32) (param $e i32) (param $to i32) (local $c i32)")
        into = module.imported(target)
        if kind == wanted:
            function.add(
                f"(memory.copy {into} {module.imported(source)} (local.get $to) (local.get $p)"
                " (i32.sub (local.get $e) (local.get $p)))"
            )
        else:
            function.add(
                "(block $end (loop $next",
                "(br_if $end (i32.ge_u (local.get $p) (local.get $e)))",
                f"(call {_decoder(module, source, kind)} (local.get $p) (local.get $e))",
                "local.set $p local.set $c",
                _encoded(wanted, into),
                "(br $next)))",
            )
        module.add(function)
    return name


def _store(memory: str, width: int, value: str, offset: int = 0) -> str:
    return f"(i32.store{width} {memory} offset={offset} (local.get $to) {value})"


def _advance(count: int) -> str:
    return f"(local.set $to (i32.add (local.get $to) (i32.const {count})))"


def _encoded(wanted: str, memory: str) -> str:
    code = "(local.get $c)"
    if wanted == _LATIN1:
        return f"{_store(memory, 8, code)} {_advance(1)}"
    if wanted == _UTF16:
        rest = f"(i32.sub {code} (i32.const 0x10000))"
        high = f"(i32.or (i32.const 0xd800) (i32.shr_u {rest} (i32.const 10)))"
        low = f"(i32.or (i32.const 0xdc00) (i32.and {rest} (i32.const 0x3ff)))"
        return (
            f"(if (i32.lt_u {code} (i32.const 0x10000))"
            f" (then {_store(memory, 16, code)} {_advance(2)})"
            f" (else {_store(memory, 16, high)} {_store(memory, 16, low, 2)} {_advance(4)}))"
        )

    def part(shift: int, mark: int, mask: int) -> str:
        bits = code if shift == 0 else f"(i32.shr_u {code} (i32.const {shift}))"
        return f"(i32.or (i32.const {mark}) (i32.and {bits} (i32.const {mask})))"

    two = [part(6, 0xC0, 0x1F), part(0, 0x80, 0x3F)]
    three = [part(12, 0xE0, 0x0F), part(6, 0x80, 0x3F), part(0, 0x80, 0x3F)]
    four = [part(18, 0xF0, 0x07), part(12, 0x80, 0x3F), part(6, 0x80, 0x3F), part(0, 0x80, 0x3F)]

    def stored(parts: list[str]) -> str:
        stores = [_store(memory, 8, value, index) for index, value in enumerate(parts)]
        return " ".join([*stores, _advance(len(parts))])

    return (
        f"(if (i32.lt_u {code} (i32.const 0x80)) (then {stored([code])}) (else"
        f" (if (i32.lt_u {code} (i32.const 0x800)) (then {stored(two)}) (else"
        f" (if (i32.lt_u {code} (i32.const 0x10000)) (then {stored(three)})"
        f" (else {stored(four)}))))))"
    )
