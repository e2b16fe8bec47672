"""More of the canonical ABI, by its sections: layouts in memory, flat values, and lowered calls.

Each case is a component's text, calls, and what they give by the specification.
"""

IN_MEMORY = '(memory (core memory $main "m"))'
TRAP = "trap"


def stored(type_, body, *, names="", place=64):
    """A function that writes with `body` at 64 and returns a place as a value of the type."""
    return f"""{names}
      (core module $main (memory (export "m") 1)
        (func (export "f") (result i32) {body} (i32.const {place})))
      (core instance $main (instantiate $main))
      (func (export "f") (result {type_}) (canon lift (core func $main "f") {IN_MEMORY}))"""


def put(*parts):
    """Stores at 64 plus an offset: (offset, instruction, value)."""
    return "".join(
        f"({instruction} offset={offset} (i32.const 64) ({instruction[:3]}.const {value}))"
        for offset, instruction, value in parts
    )


def flat(type_, core, body, *, names="", result="(result u32)"):
    """A function that gets a value of the type as core values, and says what it got."""
    return f"""{names}
      (core module $main (memory (export "m") 1)
        (global $free (mut i32) (i32.const 1024))
        (func (export "r") (param i32 i32 i32 i32) (result i32) (local $at i32)
          (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
          (global.set $free (i32.add (local.get $at) (local.get 3))) (local.get $at))
        (func (export "f") (param {core}) (result i32) {body}))
      (core instance $main (instantiate $main))
      (func (export "f") (param "x" {type_}) {result} (canon lift (core func $main "f")
        {IN_MEMORY} (realloc (core func $main "r"))))"""


def named(name, definition):
    return f"(type ${name}' {definition}) (export ${name} \"{name}\" (type ${name}'))"


def quoted(letter, count):
    return " ".join(f'"{letter}{number}"' for number in range(count))


def flags(count):
    return named("g", f"(flags {quoted('f', count)})")


# What one component asks of another: `outer` calls `inner`, each with a memory of its own.
def lowered(inner, outer, type_, *, inner_core, outer_core, call="f"):
    return f"""
      (component $Inner
        (core module $main (memory (export "m") 1) {inner})
        (core instance $main (instantiate $main))
        (func (export "f") {type_} (canon lift (core func $main "{inner_core}") {IN_MEMORY}
          (realloc (core func $main "r")))))
      (instance $inner (instantiate $Inner))
      (component $Outer
        (import "f" (func $f {type_}))
        (core module $memory (memory (export "m") 1)
          (func (export "r") (param i32 i32 i32 i32) (result i32) (i32.const 256)))
        (core instance $mem (instantiate $memory))
        (core func $f' (canon lower (func $f) (memory (core memory $mem "m"))
          (realloc (core func $mem "r"))))
        (core module $main
          (import "" "f" (func $f {outer_core})) (import "" "m" (memory 1)) {outer})
        (core instance $main (instantiate $main (with "" (instance
          (export "f" (func $f')) (export "m" (memory $mem "m"))))))
        (func (export "{call}") (result u32) (canon lift (core func $main "go"))))
      (instance $outer (instantiate $Outer (with "f" (func $inner "f"))))
      (export "{call}" (func $outer "{call}"))"""


_R = '(func (export "r") (param i32 i32 i32 i32) (result i32) (i32.const 512))'

LAYOUTS = {
    # Alignment and element size show in the places of what follows.
    "Alignment: fields stand at multiples of their own": (
        stored(
            "(tuple u8 u16 u8 u32 u8 u64)",
            put((0, "i32.store8", 1), (2, "i32.store16", 2), (4, "i32.store8", 3),
                (8, "i32.store", 4), (12, "i32.store8", 5), (16, "i64.store", 6)),
        ),
        [("f",)],
        [(1, 2, 3, 4, 5, 6)],
    ),
    "Alignment: a value in memory stands at a multiple of it": (
        stored("(tuple u32 u32)", "", place=66),
        [("f",)],
        [TRAP],
    ),
    "Element Size: a tuple is padded to its alignment": (
        stored(
            "(tuple (tuple u32 u8) u8)",
            put((0, "i32.store", 1), (4, "i32.store8", 2), (8, "i32.store8", 3)),
        ),
        [("f",)],
        [((1, 2), 3)],
    ),
    "Element Size: up to eight flags take a byte": (
        stored("(tuple $g u8)", put((0, "i32.store8", 129), (1, "i32.store8", 5)), names=flags(8)),
        [("f",)],
        [({"f0", "f7"}, 5)],
    ),
    "Element Size: nine flags take two": (
        stored(
            "(tuple $g u8)", put((0, "i32.store16", 257), (2, "i32.store8", 5)), names=flags(9)
        ),
        [("f",)],
        [({"f0", "f8"}, 5)],
    ),
    "Element Size: seventeen take four, and bits without a name are nothing": (
        stored(
            "(tuple $g u8)",
            put((0, "i32.store", -1 << 16 | 2), (4, "i32.store8", 5)),
            names=flags(17),
        ),
        [("f",)],
        [({"f1", "f16"}, 5)],
    ),
    "Element Size: 256 cases have a discriminant of one byte": (
        stored(
            "(tuple $e u8)",
            put((0, "i32.store8", 255), (1, "i32.store8", 5)),
            names=named("e", f"(enum {quoted('c', 256)})"),
        ),
        [("f",)],
        [("c255", 5)],
    ),
    "Element Size: 257 have one of two": (
        stored(
            "(tuple $e u8)",
            put((0, "i32.store16", 256), (2, "i32.store8", 5)),
            names=named("e", f"(enum {quoted('c', 257)})"),
        ),
        [("f",)],
        [("c256", 5)],
    ),
    "Loading: a discriminant past the last case traps": (
        stored("(tuple (option u8) u8)", put((0, "i32.store8", 2))),  # of two cases
        [("f",)],
        [TRAP],
    ),
    "Loading: so does one of an enum": (
        stored(
            "(tuple $e u8)", put((0, "i32.store8", 2)), names=named("e", '(enum "a" "b")')
        ),
        [("f",)],
        [TRAP],
    ),
    "Loading: a value past the end of memory traps": (
        stored("(tuple u32 u32)", "", place=65532),
        [("f",)],
        [TRAP],
    ),
    # Flat values.
    "Flat Lowering: a bool is 0 or 1": (
        flat("bool", "i32", "(local.get 0)"),
        [("f", True), ("f", False)],
        [1, 0],
    ),
    "Flat Lowering: signed numbers keep their sign": (
        flat("s8", "i32", "(i32.eq (local.get 0) (i32.const -5))"),
        [("f", -5)],
        [1],
    ),
    "Flat Lowering: a char is its code point": (
        flat("char", "i32", "(local.get 0)"),
        [("f", "\U0001f600")],
        [0x1F600],
    ),
    "Flat Lowering: a string is a place and a length": (
        flat(
            "string",
            "i32 i32",
            "(i32.add (i32.mul (local.get 1) (i32.const 256)) (i32.load8_u (local.get 0)))",
        ),
        [("f", "ABC")],
        [3 * 256 + 65],
    ),
    "Flat Lowering: flags are one core value": (
        flat("$g", "i32", "(local.get 0)", names=flags(20)),
        [("f", {"f0", "f19"})],
        [1 << 19 | 1],
    ),
    # Calls between components.
    "canon lower: a result of two is written where the caller says": (
        lowered(
            f"""{_R} (func (export "f") (result i32)
              (i32.store (i32.const 8) (i32.const 3)) (i32.store (i32.const 12) (i32.const 4))
              (i32.const 8))""",
            """(func (export "go") (result i32) (call $f (i32.const 32))
              (i32.add (i32.mul (i32.load (i32.const 32)) (i32.const 10))
                (i32.load (i32.const 36))))""",
            "(result (tuple u32 u32))",
            inner_core="f",
            outer_core="(param i32)",
            call="go",
        ),
        [("go",)],
        [34],
    ),
    "canon lower: that place is aligned": (
        lowered(
            f"""{_R} (func (export "f") (result i32) (i32.const 8))""",
            """(func (export "go") (result i32) (call $f (i32.const 34)) (i32.const 0))""",
            "(result (tuple u32 u32))",
            inner_core="f",
            outer_core="(param i32)",
            call="go",
        ),
        [("go",)],
        [TRAP],
    ),
    "canon lower: and inside the caller's memory": (
        lowered(
            f"""{_R} (func (export "f") (result i32) (i32.const 8))""",
            """(func (export "go") (result i32) (call $f (i32.const 65532)) (i32.const 0))""",
            "(result (tuple u32 u32))",
            inner_core="f",
            outer_core="(param i32)",
            call="go",
        ),
        [("go",)],
        [TRAP],
    ),
    "canon lower: what is passed is copied into the callee's memory": (
        lowered(
            f"""{_R} (func (export "f") (param i32 i32) (result i32)
              (i32.add (i32.mul (local.get 0) (i32.const 256)) (i32.load8_u (local.get 0))))""",
            """(data (i32.const 100) "Q")
              (func (export "go") (result i32) (call $f (i32.const 100) (i32.const 1)))""",
            '(param "s" string) (result u32)',
            inner_core="f",
            outer_core="(param i32 i32) (result i32)",
            call="go",
        ),
        [("go",)],
        [512 * 256 + ord("Q")],
    ),
    "canon lower: seventeen parameters are read from the caller's memory": (
        lowered(
            f"""{_R} (func (export "f") (param i32) (result i32)
              (i32.load offset=64 (local.get 0)))""",
            """(func (export "go") (result i32) (i32.store (i32.const 264) (i32.const 9))
              (call $f (i32.const 200)))""",
            " ".join(f'(param "p{n}" u32)' for n in range(17)) + "(result u32)",
            inner_core="f",
            outer_core="(param i32) (result i32)",
            call="go",
        ),
        [("go",)],
        [9],
    ),
}  # fmt: skip
