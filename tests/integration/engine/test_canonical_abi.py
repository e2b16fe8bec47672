"""What the specification of the canonical ABI says, section by section, here and by wasmtime.

Each case is a component, calls, and what they give by the specification; `TRAP` ends a case.
"""

import asyncio

import pytest
from canonical_layouts import LAYOUTS
from test_oracle import module_engine as module_engine
from test_oracle import oracle_engine as oracle_engine
from test_random_programs import REALLOC, component, ours, theirs

TRAP = "trap"


def lifted(core, *, functions, memory='(memory (export "m") 1)', options=""):
    """One core module `main` and its lifted functions: name to type and options."""
    lifts = "".join(
        f'(func (export "{name}") {type_} (canon lift (core func $main "{name}") {options} {more}))'
        for name, (type_, more) in functions.items()
    )
    return f"""(core module $main {memory} {core}) (core instance $main (instantiate $main))
      {lifts}"""


IN_MEMORY = '(memory (core memory $main "m"))'
FULL = f'{IN_MEMORY} (realloc (core func $main "r"))'


def widening(type_, *values):
    """A direct result of that type for core values out of its range."""
    return lifted(
        '(func (export "f") (param i32) (result i32) (local.get 0))',
        functions={"f": (f'(param "x" u32) (result {type_})', "")},
    ), [("f", value) for value in values]


def counting_realloc(body):
    return f"""(memory (export "m") 1) (global $n (mut i32) (i32.const 0))
      (func (export "n") (result i32) (global.get $n))
      (func (export "r") (param i32 i32 i32 i32) (result i32)
        (global.set $n (i32.add (global.get $n) (i32.const 1))) {body})"""


HANDLES = """
  (type $r' (resource (rep i32))) (export $r "r" (type $r'))
  (core func $new (canon resource.new $r')) (core func $drop (canon resource.drop $r'))
  (core func $rep (canon resource.rep $r'))
  (core module $main (import "h" "new" (func $new (param i32) (result i32)))
    (import "h" "drop" (func $drop (param i32)))
    (import "h" "rep" (func $rep (param i32) (result i32)))
    (func (export "new") (param i32) (result i32) (call $new (local.get 0)))
    (func (export "drop") (param i32) (call $drop (local.get 0)))
    (func (export "rep") (param i32) (result i32) (call $rep (local.get 0))))
  (core instance $main (instantiate $main (with "h" (instance
    (export "new" (func $new)) (export "drop" (func $drop)) (export "rep" (func $rep))))))
  (func (export "new") (param "n" u32) (result u32) (canon lift (core func $main "new")))
  (func (export "drop") (param "h" u32) (canon lift (core func $main "drop")))
  (func (export "rep") (param "h" u32) (result u32) (canon lift (core func $main "rep")))
"""

POSTED = """
  (memory (export "m") 1) (global $calls (mut i32) (i32.const 0))
  (func (export "f") (result i32) (i32.store8 (i32.const 32) (i32.const 65))
    (i32.store (i32.const 8) (i32.const 32)) (i32.store (i32.const 12) (i32.const 1)) (i32.const 8))
  (func (export "after") (param i32) (i32.store8 (i32.const 32) (i32.const 66))
    (global.set $calls (i32.add (global.get $calls) (local.get 0))))
  (func (export "calls") (result i32) (global.get $calls))
"""


def pair(pointer, length):
    return f"""(func (export "f") (result i32) (i32.store (i32.const 8) (i32.const {pointer}))
      (i32.store (i32.const 12) (i32.const {length})) (i32.const 8))"""


def text_at(pointer, length, data, encoding="utf8"):
    return lifted(
        f'(data (i32.const 32) "{data}") {pair(pointer, length)}',
        functions={"f": ("(result string)", f"{IN_MEMORY} string-encoding={encoding}")},
    )


CASES = {
    # Lifting and lowering of scalars.
    "Loading: bool is any number but zero": (
        *widening("bool", 0, 1, 2, 256),
        [False, True, True, True],
    ),
    "Loading: u8 looks at eight bits": (*widening("u8", 255, 256, 511), [255, 0, 255]),
    "Loading: s8 extends its sign": (*widening("s8", 127, 128, 255), [127, -128, -1]),
    "Loading: s16 extends its sign": (*widening("s16", 32767, 32768, 65536), [32767, -32768, 0]),
    "Loading: s32 is the bits of the core value": (*widening("s32", 1 << 31), [-(1 << 31)]),
    "Loading: char traps on surrogates": (
        *widening("char", 0xD7FF, 0xE000, 0xD800),
        ["\ud7ff", "\ue000", TRAP],
    ),
    "Loading: char traps past the last code point": (
        *widening("char", 0x10FFFF, 0x110000),
        ["\U0010ffff", TRAP],
    ),
    # Strings and lists.
    "Loading: a string is its bytes": (text_at(32, 5, "h\\c3\\a9llo"), [("f",)], ["h\xe9ll"]),
    "Loading: a string must be UTF-8": (text_at(32, 1, "\\c3\\a9"), [("f",)], [TRAP]),
    "Loading: overlong UTF-8 traps": (text_at(32, 2, "\\c0\\80"), [("f",)], [TRAP]),
    "Loading: a surrogate in UTF-8 traps": (text_at(32, 3, "\\ed\\a0\\80"), [("f",)], [TRAP]),
    "Loading: UTF-16 counts code units": (
        text_at(32, 2, "\\3d\\d8\\00\\de", "utf16"),
        [("f",)],
        ["\U0001f600"],
    ),
    "Loading: UTF-16 is aligned": (text_at(33, 1, "aaaa", "utf16"), [("f",)], [TRAP]),
    "Loading: Latin-1 without a tag": (
        text_at(32, 2, "\\e9a", "latin1+utf16"),
        [("f",)],
        ["\xe9a"],
    ),
    "Loading: UTF-16 with a tag": (
        text_at(32, (1 << 31) + 1, "\\3d\\26", "latin1+utf16"),
        [("f",)],
        ["\u263d"],
    ),
    "Loading: an empty string may lie at the end of memory": (
        text_at(65536, 0, ""),
        [("f",)],
        [""],
    ),
    "Loading: an empty string past the end traps": (text_at(65537, 0, ""), [("f",)], [TRAP]),
    "Loading: a list may end with the memory": (
        lifted(pair(65532, 1), functions={"f": ("(result (list u32))", IN_MEMORY)}),
        [("f",)],
        [[0]],
    ),
    "Loading: a list past the end traps": (
        lifted(pair(65532, 2), functions={"f": ("(result (list u32))", IN_MEMORY)}),
        [("f",)],
        [TRAP],
    ),
    "Loading: a list is aligned": (
        lifted(pair(2, 1), functions={"f": ("(result (list u32))", IN_MEMORY)}),
        [("f",)],
        [TRAP],
    ),
    # Storing.
    "Storing: an empty list is allocated, too": (
        lifted(
            '(func (export "f") (param i32 i32) (result i32) (global.get $n))',
            memory=counting_realloc("(i32.const 64)"),
            functions={"f": ('(param "x" (list u8)) (result u32)', FULL)},
        ),
        [("f", b""), ("f", b"")],
        [1, 2],
    ),
    "Storing: an allocation out of bounds traps": (
        lifted(
            '(func (export "f") (param i32 i32))',
            memory=counting_realloc("(i32.const -4)"),
            functions={"f": ('(param "x" (list u32))', FULL)},
        ),
        [("f", [])],
        [TRAP],
    ),
    "Storing: an allocation is aligned": (
        lifted(
            '(func (export "f") (param i32 i32))',
            memory=counting_realloc("(i32.const 2)"),
            functions={"f": ('(param "x" (list u32))', FULL)},
        ),
        [("f", [1])],
        [TRAP],
    ),
    # Flattening.
    "Flattening: sixteen parameters are core parameters": (
        lifted(
            f'(func (export "f") {"(param i32)" * 16} (result i32)'
            " (i32.sub (local.get 15) (local.get 0)))",
            functions={
                "f": (" ".join(f'(param "p{n}" u32)' for n in range(16)) + "(result u32)", "")
            },
        ),
        [("f", *range(16))],
        [15],
    ),
    "Flattening: seventeen go through memory": (
        lifted(
            '(func (export "f") (param i32) (result i32)'
            " (i32.sub (i32.load offset=64 (local.get 0)) (i32.load (local.get 0))))",
            memory=REALLOC,
            functions={
                "f": (" ".join(f'(param "p{n}" u32)' for n in range(17)) + "(result u32)", FULL)
            },
        ),
        [("f", *range(17))],
        [16],
    ),
    "Flattening: a result of two goes through memory": (
        lifted(
            '(func (export "f") (result i32) (i32.store (i32.const 16) (i32.const 7))'
            " (i32.store (i32.const 20) (i32.const 8)) (i32.const 16))",
            functions={"f": ("(result (tuple u32 u32))", IN_MEMORY)},
        ),
        [("f",)],
        [(7, 8)],
    ),
    # canon lift.
    "canon lift: post-return runs after the result was read": (
        lifted(
            "",
            memory=POSTED,
            functions={
                "f": ("(result string)", f'{IN_MEMORY} (post-return (core func $main "after"))'),
                "calls": ("(result u32)", ""),
            },
        ),
        [("f",), ("calls",), ("f",), ("calls",)],
        ["A", 8, "A", 16],
    ),
    "canon lift: a trap ends the instance": (
        lifted(
            '(func (export "f") unreachable) (func (export "g"))',
            functions={"f": ("", ""), "g": ("", "")},
        ),
        [("g",), ("f",), ("g",)],
        [None, TRAP],
    ),
    # canon resource.new, drop and rep.
    "canon resource.new: indices count from one": (HANDLES, [("new", 5), ("new", 6)], [1, 2]),
    "canon resource.drop: the last freed index is used first": (
        HANDLES,
        [("new", 1), ("new", 2), ("new", 3), ("drop", 1), ("drop", 3), ("new", 4), ("new", 5)],
        [1, 2, 3, None, None, 3, 1],
    ),
    "canon resource.rep: what new was given": (HANDLES, [("new", 77), ("rep", 1)], [1, 77]),
    "canon resource.drop: twice traps": (
        HANDLES,
        [("new", 1), ("drop", 1), ("drop", 1)],
        [1, None, TRAP],
    ),
    "canon resource.rep: nothing there traps": (HANDLES, [("rep", 9)], [TRAP]),
    "canon resource.rep: index zero traps": (HANDLES, [("new", 1), ("rep", 0)], [1, TRAP]),
}


CASES |= LAYOUTS


@pytest.mark.parametrize("section", CASES)
def test_the_specification_is_followed(module_engine, oracle_engine, section):
    text, calls, expected = CASES[section]
    data = component(text)
    assert asyncio.run(ours(module_engine, data, *calls)) == expected
    assert theirs(oracle_engine, data, *calls) == expected
