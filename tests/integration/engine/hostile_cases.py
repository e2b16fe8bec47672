"""Components that mean harm, by the hundred: name, text, and whether the end must be an error.

`wait`, `note` and `give` are what the host provides; `run` is what is called, without arguments.
"""

import itertools

POINTERS = (-1, 1, 2, 131068, 131072, -0x80000000)
LENGTHS = (1, 7, 0x10000000, -1)
ENCODINGS = ("utf8", "utf16", "latin1+utf16")
TYPES = (
    "string",
    "(list u8)",
    "(list u32)",
    "(list u64)",
    "(list string)",
    "(list (tuple u8 u64))",
)

IMPORTS = """
  (import "wait" (func $wait (param "n" u32) (result u32)))
  (import "note" (func $note (param "n" u32)))
  (core func $wait (canon lower (func $wait)))
  (core func $note (canon lower (func $note)))
"""
WITH = """(with "h" (instance (export "wait" (func $wait)) (export "note" (func $note))))"""
CORE = """
    (import "h" "wait" (func $wait (param i32) (result i32)))
    (import "h" "note" (func $note (param i32)))
"""


def result(type_, pointer, length, encoding):
    """An export that returns a pointer to a pair of its choice."""
    return f"""
      (core module $main (memory (export "m") 2)
        (data (i32.const 0) "\\ff\\fe\\00\\d8\\00\\dc\\80\\80")
        (func (export "r") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
        (func (export "run") (result i32)
          (i32.store (i32.const 16) (i32.const {pointer}))
          (i32.store (i32.const 20) (i32.const {length})) (i32.const 16)))
      (core instance $main (instantiate $main))
      (func (export "run") (result {type_}) (canon lift (core func $main "run")
        (memory (core memory $main "m")) (realloc (core func $main "r"))
        string-encoding={encoding}))"""


def argument(type_, pointer, length, encoding):
    """A call of the host with a pointer and length of the guest's choice."""
    return f"""
      (import "give" (func $give (param "x" {type_})))
      (core module $mem (memory (export "m") 2)
        (data (i32.const 0) "\\ff\\fe\\00\\d8\\00\\dc\\80\\80"))
      (core instance $mem (instantiate $mem))
      (core func $give (canon lower (func $give) (memory (core memory $mem "m"))
        string-encoding={encoding}))
      (core module $main (import "h" "give" (func $give (param i32 i32)))
        (func (export "run") (call $give (i32.const {pointer}) (i32.const {length}))))
      (core instance $main (instantiate $main
        (with "h" (instance (export "give" (func $give))))))
      (func (export "run") (canon lift (core func $main "run")))"""


def between(type_, pointer, length, encoding, other):
    """A call of another component with them."""
    return f"""
      (component $Inner
        (core module $main (memory (export "m") 2)
          (global $free (mut i32) (i32.const 1024))
          (func (export "r") (param i32 i32 i32 i32) (result i32) (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $free)
              (i32.sub (local.get 2) (i32.const 1))) (i32.sub (i32.const 0) (local.get 2))))
            (global.set $free (i32.add (local.get $at) (local.get 3))) (local.get $at))
          (func (export "take") (param i32 i32)))
        (core instance $main (instantiate $main))
        (func (export "take") (param "x" {type_}) (canon lift (core func $main "take")
          (memory (core memory $main "m")) (realloc (core func $main "r"))
          string-encoding={other})))
      (component $Outer
        (import "take" (func $take (param "x" {type_})))
        (core module $mem (memory (export "m") 2)
          (data (i32.const 0) "\\ff\\fe\\00\\d8\\00\\dc\\80\\80"))
        (core instance $mem (instantiate $mem))
        (core func $take (canon lower (func $take) (memory (core memory $mem "m"))
          string-encoding={encoding}))
        (core module $main (import "h" "take" (func $take (param i32 i32)))
          (func (export "run") (call $take (i32.const {pointer}) (i32.const {length}))))
        (core instance $main (instantiate $main
          (with "h" (instance (export "take" (func $take))))))
        (func (export "run") (canon lift (core func $main "run"))))
      (instance $inner (instantiate $Inner))
      (instance $outer (instantiate $Outer (with "take" (func $inner "take"))))
      (export "run" (func $outer "run"))"""


def discriminant(type_, core, value):
    """A direct result that is none of the type's."""
    return f"""
      (type $e' (enum "a" "b" "c")) (export $e "e" (type $e'))
      (type $f' (flags "a" "b" "c")) (export $f "f" (type $f'))
      (core module $main (func (export "run") (result {core}) ({core}.const {value})))
      (core instance $main (instantiate $main))
      (func (export "run") (result {type_}) (canon lift (core func $main "run")))"""


def in_memory(type_, bytes_):
    """A result in memory whose first bytes are of the guest's choice."""
    return f"""
      (type $v' (variant (case "a" u32) (case "b" string) (case "c"))) (export $v "v" (type $v'))
      (type $r' (record (field "a" char) (field "b" bool) (field "c" $v)))
      (export $r "r" (type $r'))
      (core module $main (memory (export "m") 1) (data (i32.const 8) "{bytes_}")
        (func (export "run") (result i32) (i32.const 8)))
      (core instance $main (instantiate $main))
      (func (export "run") (result {type_}) (canon lift (core func $main "run")
        (memory (core memory $main "m"))))"""


def odd_realloc(body):
    """The host gives a string to a guest whose allocator does as it likes."""
    return f"""{IMPORTS}
      (import "text" (func $text (result string)))
      (core module $main {CORE} (memory (export "m") 1 2)
        (func $r (export "r") (param i32 i32 i32 i32) (result i32) {body})
        (func (export "post") (param i32)))
      (core instance $main (instantiate $main {WITH}))
      (core func $text (canon lower (func $text) (memory (core memory $main "m"))
        (realloc (core func $main "r"))))
      (core module $more (import "h" "text" (func $text (param i32)))
        (func (export "run") (call $text (i32.const 16))))
      (core instance $more (instantiate $more
        (with "h" (instance (export "text" (func $text))))))
      (func (export "run") (canon lift (core func $more "run")))"""


def odd_post_return(body):
    return f"""{IMPORTS}
      (core module $main {CORE} (memory (export "m") 1)
        (func (export "run") (result i32) (i32.const 1))
        (func (export "post") (param i32) {body}))
      (core instance $main (instantiate $main {WITH}))
      (func (export "run") (result u32) (canon lift (core func $main "run")
        (post-return (core func $main "post"))))"""


def odd_destructor(body):
    return f"""{IMPORTS}
      (core module $main {CORE} (memory 1) (func $d (export "d") (param i32) {body}))
      (core instance $main (instantiate $main {WITH}))
      (type $r (resource (rep i32) (dtor (core func $main "d"))))
      (core func $new (canon resource.new $r))
      (core func $drop (canon resource.drop $r))
      (core module $more (import "h" "new" (func $new (param i32) (result i32)))
        (import "h" "drop" (func $drop (param i32)))
        (func (export "run") (call $drop (call $new (i32.const 5)))))
      (core instance $more (instantiate $more (with "h" (instance
        (export "new" (func $new)) (export "drop" (func $drop))))))
      (func (export "run") (canon lift (core func $more "run")))"""


def odd_start(body):
    return f"""{IMPORTS}
      (core module $main {CORE} (memory 1) (table 1 funcref) (func $s {body}) (start $s)
        (func (export "run")))
      (core instance $main (instantiate $main {WITH}))
      (func (export "run") (canon lift (core func $main "run")))"""


def odd_body(body):
    return f"""{IMPORTS}
      (core module $main {CORE} (memory 1) (table $t 1 funcref)
        (func $run (export "run") {body}))
      (core instance $main (instantiate $main {WITH}))
      (func (export "run") (canon lift (core func $main "run")))"""


def handles(body):
    """Calls of the built-ins, and of `$own` and `$lend`, which are another component's."""
    return f"""
      (component $Other
        (import "r" (type $r (sub resource)))
        (core func $drop (canon resource.drop $r))
        (core module $main (import "h" "drop" (func $drop (param i32)))
          (func (export "own") (param i32) (call $drop (local.get 0)))
          (func (export "lend") (param i32) (call $drop (local.get 0)))
          (func (export "keep") (param i32)))
        (core instance $main (instantiate $main
          (with "h" (instance (export "drop" (func $drop))))))
        (func (export "own") (param "x" (own $r)) (canon lift (core func $main "own")))
        (func (export "lend") (param "x" (borrow $r)) (canon lift (core func $main "lend")))
        (func (export "keep") (param "x" (borrow $r)) (canon lift (core func $main "keep")))
        (func (export "both") (param "x" (borrow $r)) (param "y" (own $r))
          (canon lift (core func $both "both")))
        (core module $both (func (export "both") (param i32 i32)))
        (core instance $both (instantiate $both)))
      (type $r (resource (rep i32)))
      (instance $other (instantiate $Other (with "r" (type $r))))
      (core func $new (canon resource.new $r)) (core func $rep (canon resource.rep $r))
      (core func $drop (canon resource.drop $r))
      (core func $own (canon lower (func $other "own")))
      (core func $lend (canon lower (func $other "lend")))
      (core func $keep (canon lower (func $other "keep")))
      (core func $both (canon lower (func $other "both")))
      (core module $main (import "h" "new" (func $new (param i32) (result i32)))
        (import "h" "rep" (func $rep (param i32) (result i32)))
        (import "h" "drop" (func $drop (param i32))) (import "h" "own" (func $own (param i32)))
        (import "h" "lend" (func $lend (param i32))) (import "h" "keep" (func $keep (param i32)))
        (import "h" "both" (func $both (param i32 i32)))
        (func (export "run") (local $h i32) {body}))
      (core instance $main (instantiate $main (with "h" (instance
        (export "new" (func $new)) (export "rep" (func $rep)) (export "drop" (func $drop))
        (export "own" (func $own)) (export "lend" (func $lend)) (export "keep" (func $keep))
        (export "both" (func $both))))))
      (func (export "run") (canon lift (core func $main "run")))""".replace(
        """(func (export "both") (param "x" (borrow $r)) (param "y" (own $r))
          (canon lift (core func $both "both")))
        (core module $both (func (export "both") (param i32 i32)))
        (core instance $both (instantiate $both)))""",
        """(core module $both (func (export "both") (param i32 i32)))
        (core instance $both (instantiate $both))
        (func (export "both") (param "x" (borrow $r)) (param "y" (own $r))
          (canon lift (core func $both "both"))))""",
    )


_MAKE = "(local.set $h (call $new (i32.const 9)))"
_HANDLE = "(local.get $h)"
ABUSE = {
    "drop of nothing": "(call $drop (i32.const 1))",
    "drop of zero": "(call $drop (i32.const 0))",
    "drop of the last index": "(call $drop (i32.const -1))",
    "double drop": f"{_MAKE} (call $drop {_HANDLE}) (call $drop {_HANDLE})",
    "representation after drop": f"{_MAKE} (call $drop {_HANDLE}) (drop (call $rep {_HANDLE}))",
    "own twice": f"{_MAKE} (call $own {_HANDLE}) (call $own {_HANDLE})",
    "lend after own": f"{_MAKE} (call $own {_HANDLE}) (call $lend {_HANDLE})",
    "lend of nothing": "(call $lend (i32.const 7))",
    "own of nothing": "(call $own (i32.const 7))",
    "a kept borrow": f"{_MAKE} (call $keep {_HANDLE})",
    "lend and own in one call": f"{_MAKE} (call $both {_HANDLE} {_HANDLE})",
    "handles without end": "(loop $l (drop (call $new (i32.const 1))) (br $l))",
}
FINE = {
    "make and drop": f"{_MAKE} (call $drop {_HANDLE})",
    "lend, then own": f"{_MAKE} (call $lend {_HANDLE}) (call $own {_HANDLE})",
}

ENDLESS = "(loop $l (br $l))"
BODIES = {
    "endless": ENDLESS,
    "unreachable": "unreachable",
    "recursion": None,
    "memory bomb": "(loop $l (drop (memory.grow (i32.const 16))) (br $l))",
    "divide by zero": "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
    "wild load": "(drop (i32.load (i32.const -1)))",
    "calls that wait": "(loop $l (drop (call $wait (i32.const 1))) (br $l))",
    "calls that do not": "(loop $l (call $note (i32.const 1)) (br $l))",
}


def _bodies(function):
    return {name: f"(call {function})" if body is None else body for name, body in BODIES.items()}


def cases():
    """Yield name, text and whether only an error, or no end at all, is right."""
    for type_, pointer, length in itertools.product(TYPES, POINTERS, LENGTHS):
        encodings = ENCODINGS if "string" in type_ else ENCODINGS[:1]
        for index, encoding in enumerate(encodings):
            what = f"{type_} at {pointer} of {length} in {encoding}"
            yield f"result {what}", result(type_, pointer, length, encoding), None
            if index == 0 or length in {1, -1}:
                other = ENCODINGS[(index + pointer) % 3]
                yield f"argument {what}", argument(type_, pointer, length, encoding), None
                yield (
                    f"between {what} to {other}",
                    between(type_, pointer, length, encoding, other),
                    None,
                )
    for type_, value in itertools.product(
        ("bool", "char", "u8", "s8", "u16", "s16", "$e", "$f"),
        (0, 1, 2, 3, 255, 256, 0xD800, 0xDFFF, 0x110000, -1),
    ):
        yield f"{type_} as {value}", discriminant(type_, "i32", value), None
    for type_, bytes_ in itertools.product(
        ("$r", "$v", "(option string)", "(result string (error u64))", "(list $r)"),
        (
            "\\03",
            "\\ff\\ff\\ff\\ff",
            "\\00\\d8",
            "\\01\\00\\00\\00\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff",
        ),
    ):
        yield f"{type_} of {bytes_}", in_memory(type_, bytes_), None
    for name, body in _bodies("$r (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 1)").items():
        shown = f"(drop {body})" if name == "recursion" else body
        yield f"realloc: {name}", odd_realloc(f"{shown} (i32.const 32)"), True
    for value in POINTERS:
        yield f"realloc: gives {value}", odd_realloc(f"(i32.const {value})"), None
    for name, body in BODIES.items():
        if body is not None:
            yield f"post-return: {name}", odd_post_return(body), True
    for name, body in _bodies("$d (i32.const 0)").items():
        yield f"destructor: {name}", odd_destructor(body), True
    for name, body in _bodies("$s").items():
        yield f"start: {name}", odd_start(body), True
    for name, body in _bodies("$run").items():
        yield f"body: {name}", odd_body(body), True
    yield (
        "body: table bomb",
        odd_body("(loop $l (drop (table.grow $t (ref.null func) (i32.const 1000))) (br $l))"),
        True,
    )
    for name, body in ABUSE.items():
        yield f"handles: {name}", handles(body), True
    for name, body in FINE.items():
        yield f"handles: {name}", handles(body), False
