"""Components of which each is right or wrong in one way, by section of the specification.

What is right is not said here: wasmtime's own validator says it. Types, names and the like are the
smallest that show the rule.
"""

from pathlib import Path

MEM = """
  (core module $m (memory (export "mem") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "none")) (func (export "i")  (result i32) unreachable)
    (func (export "p1") (param i32)) (func (export "p2") (param i32 i32)))
  (core instance $i (instantiate $m))
"""
OPTIONS = '(memory (core memory $i "mem")) (realloc (core func $i "realloc"))'
RESOURCE = "(type $r (resource (rep i32)))"
TWO = '(import "t" (type $t (sub resource))) (import "u" (type $u (sub resource)))'
EQUAL = '(component $eq (import "a" (type $a (sub resource))) (import "b" (type (eq $a))))'


def _instantiate(argument, wanted):
    """An `eq` bound of a nested component against a type of another shape."""
    return f"""(component $c (type $t {wanted}) (import "x" (type (eq $t))))
      (type $x {argument}) (instance (instantiate $c (with "x" (type $x))))"""


SHAPES = [
    "u32", "string", "(tuple u32 u32)", "(tuple u32)", '(record (field "f" u32))',
    '(record (field "g" u32))', '(record (field "f" u64))',
    '(record (field "f" u32) (field "g" u32))', '(variant (case "x" u32))',
    '(variant (case "x"))', '(variant (case "y" u32))', '(enum "a")', '(enum "a" "b")',
    '(flags "a")', "(option u32)", "(option u64)", "(result)", "(result u32)",
    "(result (error u32))", "(list u32)", "(list u8)",
]  # fmt: skip

TYPE_EQUALITY = {
    f"{argument} for {wanted}": _instantiate(argument, wanted)
    for argument in SHAPES
    for wanted in SHAPES
}

# Names that only case or dashes tell apart.
_ALIKE = [
    '(record (field "f-g" u64))', '(record (field "F-g" u64))', '(record (field "fg" u64))',
    '(enum "f-g")', '(enum "fG")', '(flags "f-g")', '(flags "FG")',
    '(variant (case "f-g" u8))', '(variant (case "F-G" u8))', '(variant (case "f-h" u8))',
]  # fmt: skip
TYPE_EQUALITY |= {
    f"{argument} for {wanted}": _instantiate(argument, wanted)
    for argument in _ALIKE
    for wanted in _ALIKE
}

FUNCTIONS = [
    "",
    '(param "x" u32)',
    '(param "X" u32)',
    '(param "y" u32)',
    '(param "x" s32)',
    "(result u32)",
]
FUNCTION_EQUALITY = {
    f"func {given} for {wanted}": f"""(import "f" (func $f {given}))
      (component $c (import "f" (func {wanted})))
      (instance (instantiate $c (with "f" (func $f))))"""
    for given in FUNCTIONS
    for wanted in FUNCTIONS
}

RESOURCES = {
    "two imported resources differ": f"""{TWO} {EQUAL}
      (instance (instantiate $eq (with "a" (type $t)) (with "b" (type $u))))""",
    "one resource is itself": f"""{TWO} {EQUAL}
      (instance (instantiate $eq (with "a" (type $t)) (with "b" (type $t))))""",
    "an equal import is the same": f"""{TWO} {EQUAL} (import "v" (type $v (eq $u)))
      (instance (instantiate $eq (with "a" (type $v)) (with "b" (type $u))))""",
    "defined resources differ": f"""(type $t (resource (rep i32))) (type $u (resource (rep i32)))
      {EQUAL} (instance (instantiate $eq (with "a" (type $t)) (with "b" (type $u))))""",
    "instances of a type bring resources of their own": f"""
      (type $I (instance (export "r" (type (sub resource)))))
      (import "i" (instance $i (type $I))) (import "j" (instance $j (type $I))) {EQUAL}
      (instance (instantiate $eq (with "a" (type $i "r")) (with "b" (type $j "r"))))""",
    "an instance agrees with itself": f"""
      (type $I (instance (export "r" (type (sub resource)))))
      (import "i" (instance $i (type $I))) {EQUAL}
      (instance (instantiate $eq (with "a" (type $i "r")) (with "b" (type $i "r"))))""",
    "two instances of one component make two resources": f"""
      (component $C {RESOURCE} (export "r" (type $r)))
      (instance $i (instantiate $C)) (instance $j (instantiate $C)) {EQUAL}
      (instance (instantiate $eq (with "a" (type $i "r")) (with "b" (type $j "r"))))""",
    "a function of another resource": f"""{TWO} (import "f" (func $f (param "x" (own $u))))
      (component $c (import "t" (type $t (sub resource)))
        (import "g" (func (param "x" (own $t)))))
      (instance (instantiate $c (with "t" (type $t)) (with "g" (func $f))))""",
    "a function of the same resource": f"""{TWO} (import "f" (func $f (param "x" (own $t))))
      (component $c (import "t" (type $t (sub resource)))
        (import "g" (func (param "x" (own $t)))))
      (instance (instantiate $c (with "t" (type $t)) (with "g" (func $f))))""",
    "own for borrow": f"""{TWO} (import "f" (func $f (param "x" (own $t))))
      (component $c (import "t" (type $t (sub resource)))
        (import "g" (func (param "x" (borrow $t)))))
      (instance (instantiate $c (with "t" (type $t)) (with "g" (func $f))))""",
    "inside, two imports stay two though outside they are one": """
      (component $c (import "a" (type $a (sub resource))) (import "b" (type $b (sub resource)))
        (import "f" (func $f (param "x" (own $a))))
        (component $d (import "b" (type $b (sub resource)))
          (import "f" (func (param "x" (own $b)))))
        (instance (instantiate $d (with "b" (type $b)) (with "f" (func $f)))))
      (import "r" (type $r (sub resource))) (import "f" (func $f (param "x" (own $r))))
      (instance (instantiate $c (with "a" (type $r)) (with "b" (type $r)) (with "f" (func $f))))""",
    "an ascribed export is a type of its own": f"""
      {RESOURCE} (export $e "e" (type $r) (type (sub resource))) {EQUAL}
      (instance (instantiate $eq (with "a" (type $e)) (with "b" (type $r))))""",
    "an equal export stays the same type": f"""
      {RESOURCE} (export $e "e" (type $r)) {EQUAL}
      (instance (instantiate $eq (with "a" (type $e)) (with "b" (type $r))))""",
    "new of an imported resource": """(import "r" (type $r (sub resource)))
      (core func (canon resource.new $r))""",
    "rep of an imported resource": """(import "r" (type $r (sub resource)))
      (core func (canon resource.rep $r))""",
    "drop of an imported resource": """(import "r" (type $r (sub resource)))
      (core func (canon resource.drop $r))""",
    "new of an ascribed export": f"""{RESOURCE} (export $e "e" (type $r) (type (sub resource)))
      (core func (canon resource.new $e))""",
    "new of an exported one": f"""{RESOURCE} (export $e "e" (type $r))
      (core func (canon resource.new $e))""",
    "new of an outer one": f"""{RESOURCE} (component (alias outer 1 $r (type $s))
      (core func (canon resource.new $s)))""",
    "a value type of an outer resource": f"""{RESOURCE} (type $l (list (own $r)))
      (component (alias outer 1 $l (type)))""",
    "an instance type may see resources outside": """(import "r" (type $r (sub resource)))
      (type (instance (alias outer 1 $r (type $s)) (export "f" (func (result (own $s))))))""",
    "a component type may not": """(import "r" (type $r (sub resource)))
      (type (component (alias outer 1 $r (type $s)) (export "f" (func (result (own $s))))))""",
    "a destructor of another type": f"""{MEM}
      (type (resource (rep i32) (dtor (core func $i "none"))))""",
    "a destructor": f"""{MEM} (type (resource (rep i32) (dtor (core func $i "p1"))))""",
    "no resource": """(type $t u32) (core func (canon resource.drop $t))""",
    "own of no resource": "(type $t u32) (type (list (own $t)))",
    "a borrowed result": f"{RESOURCE} (type (func (result (borrow $r))))",
    "a borrow inside a result": f"{RESOURCE} (type (func (result (list (borrow $r)))))",
    "a resource in a component type": "(type (component (type $r (resource (rep i32)))))",
    "an i64 resource": "(type $r (resource (rep i64)))",
}

VISIBILITY = {
    "an import that equals a resource of one's own": f"""{RESOURCE}
      (import "r" (type (eq $r)))""",
    "an import that equals an exported resource of one's own": f"""{RESOURCE}
      (export $e "e" (type $r)) (import "r" (type (eq $e)))""",
    "a function with a resource of one's own": f"""{RESOURCE} (export $e "e" (type $r))
      (import "f" (func (param "x" (own $e))))""",
    "an alias of own of a resource without a name": f"""{RESOURCE} (type $o (own $r))
      (export "o" (type $o))""",
    "an alias of own of a named one": f"""{RESOURCE} (export $e "r" (type $r)) (type $o (own $e))
      (export "o" (type $o))""",
    "an alias of own of one under its old name": f"""{RESOURCE} (export "r" (type $r))
      (type $o (own $r)) (export "o" (type $o))""",
    "an alias of a list of an unnamed record": """(type $t (record (field "x" u32)))
      (type $l (list $t)) (export "l" (type $l))""",
    "an imported alias of own of a named one": """(import "r" (type $r (sub resource)))
      (type $o (own $r)) (import "o" (type (eq $o)))""",
    "an unnamed record": f"""{MEM} (type $t (record (field "x" u32)))
      (func $f (param "p" $t) (canon lift (core func $i "p1"))) (export "f" (func $f))""",
    "a named record": f"""{MEM} (type $t (record (field "x" u32))) (export $n "t" (type $t))
      (func $f (param "p" $n) (canon lift (core func $i "p1"))) (export "f" (func $f))""",
    "the record before it was named": f"""{MEM} (type $t (record (field "x" u32)))
      (export $n "t" (type $t))
      (func $f (param "p" $t) (canon lift (core func $i "p1"))) (export "f" (func $f))""",
    "the record before it was named, ascribed": f"""{MEM} (type $t (record (field "x" u32)))
      (export $n "t" (type $t))
      (func $f (param "p" $t) (canon lift (core func $i "p1")))
      (export "f" (func $f) (func (param "p" $n)))""",
    "an unnamed enum in an import": """(type $t (enum "a")) (import "f" (func (param "p" $t)))""",
    "a named enum in an import": """(type $t (enum "a")) (import "t" (type $n (eq $t)))
      (import "f" (func (param "p" $n)))""",
    "a tuple needs no name": '(import "f" (func (param "p" (tuple u32 (option string)))))',
    "a tuple of an unnamed one": """(type $t (flags "a"))
      (import "f" (func (param "p" (tuple $t u32))))""",
    "an unnamed resource": f"""{RESOURCE} {MEM}
      (func $f (param "p" (own $r)) (canon lift (core func $i "p1"))) (export "f" (func $f))""",
    "a named resource": f"""{RESOURCE} {MEM} (export $n "r" (type $r))
      (func $f (param "p" (own $n)) (canon lift (core func $i "p1"))) (export "f" (func $f))""",
    "a resource before it was named": f"""{RESOURCE} {MEM} (export $n "r" (type $r))
      (func $f (param "p" (own $r)) (canon lift (core func $i "p1"))) (export "f" (func $f))""",
    "a record of an unnamed resource": f"""{RESOURCE} (type $t (record (field "x" (own $r))))
      (export "t" (type $t))""",
    "a record of a named resource": f"""{RESOURCE} (export $n "r" (type $r))
      (type $t (record (field "x" (own $n)))) (export "t" (type $t))""",
    "an instance with an unnamed type": f"""{MEM} (type $t (record (field "x" u32)))
      (func $f (param "p" $t) (canon lift (core func $i "p1")))
      (instance $b (export "f" (func $f))) (export "b" (instance $b))""",
    "an instance that names its type": f"""{MEM} (type $t (record (field "x" u32)))
      (func $f (param "p" $t) (canon lift (core func $i "p1")))
      (instance $b (export "t" (type $t)) (export "f" (func $f))) (export "b" (instance $b))""",
    "a function of an imported instance": """(import "i" (instance $i
        (export "r" (type $r (sub resource))) (export "f" (func (result (own $r))))))
      (alias export $i "f" (func $f)) (export "f" (func $f))""",
    "a function of a local instance": f"""
      (component $C {RESOURCE} {MEM} (export $n "r" (type $r))
        (func (export "f") (param "p" (own $n)) (canon lift (core func $i "p1"))))
      (instance $c (instantiate $C)) (export "f" (func $c "f"))""",
    "a function of a local instance after its type": f"""
      (component $C {RESOURCE} {MEM} (export $n "r" (type $r))
        (func (export "f") (param "p" (own $n)) (canon lift (core func $i "p1"))))
      (instance $c (instantiate $C)) (export "r" (type $c "r")) (export "f" (func $c "f"))""",
    "an import of a type exported before": f"""{RESOURCE} (export $n "r" (type $r))
      (import "f" (func (result (own $n))))""",
    "in a nested component": """(component (type $t (enum "a"))
      (import "f" (func (param "p" $t))))""",
    "in a component type": """(type (component (type $t (enum "a"))
      (import "f" (func (param "p" $t)))))""",
    "in an instance type": """(type (instance (type $t (enum "a"))
      (export "f" (func (param "p" $t)))))""",
    "in an imported instance": """(import "i" (instance (type $t (enum "a"))
      (export "f" (func (param "p" $t)))))""",
}

NAMES = {
    name: f'(import "{name}" (func))'
    for name in (
        *("a", "A", "a-b", "aB", "A-b", "a-B", "a1", "1a", "a-1", "a--b", "-a", "a-", "", "a b"),
        *("[constructor]a", "[method]a.b", "[static]a.b", "[method]a", "[foo]a", "[async]a"),
        *("a:b/c", "a:b/c@1.0.0", "a:b", "a:b/c@1", "a:b/c@1.2.3-x+y", "a:b@1.0.0/c"),
        *("url=<https://example.org>", "unlocked-dep=<a:b>", "unlocked-dep=<a:b@{>=1.0.0}>"),
        *("locked-dep=<a:b@1.0.0>", "integrity=<sha256-YQ==>", "é", "a_b", "a.b", "a:b/c/d"),
    )
}
NAMES |= {
    f"instance {name}": f'(import "{name}" (instance))'
    for name in (
        *("a", "a:b/c", "a:b/c@1.0.0", "a:b/c@1", "a:b/c@1.0", "a:b/c@01.0.0", "a:b/c@1.0.0-"),
        *("a:b", "a:b/c@x", "A:b/c", "a:B/c", "a-b:c-d/e-f", "a:b:c/d", "[method]a.b", "a/b"),
        *("a:b/c@", "a:b/", ":b/c", "a:/c", "a:b/c@1.0.0@2.0.0", "wasi:io/poll@0.2.9"),
    )
}
PAIRS = [
    ("a", "a"), ("a", "A"), ("a-b", "A-b"), ("a-b", "ab"), ("a", "b"), ("a:b/c", "a:b/d"),
    ("a:b/c", "a:b/c"), ("a:b/c@1.0.0", "a:b/c@1.0.1"), ("a:b/c@1.0.0", "a:b/c"),
]  # fmt: skip
NAMES |= {
    f"instances {one} and {other}": f'(import "{one}" (instance)) (import "{other}" (instance))'
    for one, other in PAIRS
}
NAMES |= {
    f"exports {one} and {other}": f"""(instance $i)
      (export "{one}" (instance $i)) (export "{other}" (instance $i))"""
    for one, other in PAIRS
}
_OF = '(import "r" (type $r (sub resource))) '
NAMES |= {
    text: _OF + text
    for text in (
        '(import "[constructor]r" (func (result (own $r))))',
        '(import "[constructor]r" (func (result (result (own $r)))))',
        '(import "[constructor]r" (func))',
        '(import "[constructor]r" (func (result (borrow $r))))',
        '(import "[constructor]s" (func (result (own $r))))',
        '(import "[method]r.f" (func (param "self" (borrow $r))))',
        '(import "[method]r.f" (func (param "x" (borrow $r))))',
        '(import "[method]r.f" (func (param "self" (own $r))))',
        '(import "[method]r.f" (func))',
        '(import "[static]r.f" (func))',
        '(import "[static]s.f" (func))',
        '(import "[method]r.f" (func (param "self" (borrow $r)))) (import "[static]r.f" (func))',
        '(import "[method]r.f" (func (param "self" (borrow $r)))) (import "f" (func))',
        '(import "[static]r.r" (func))',
        '(import "[static]r.f" (func)) (import "[static]r.F" (func))',
        '(import "[constructor]r" (func (result (own $r)))) (import "[static]r.r" (func))',
        '(import "f" (func $f)) (export "[static]r.f" (func $f))',
        '(import "f" (func $f)) (export "r" (type $r)) (export "[static]r.f" (func $f))',
    )
}

TYPES = {
    text: text
    for text in (
        "(type (record))", "(type (variant))", "(type (enum))", "(type (flags))", "(type (tuple))",
        '(type (record (field "a" u32) (field "a" u32)))',
        '(type (record (field "a" u32) (field "A" u32)))',
        '(type (variant (case "a") (case "a")))', '(type (enum "a" "a"))', '(type (enum "a" "A"))',
        '(type (flags "a" "a"))', '(type (func (param "a" u32) (param "a" u32)))',
        '(type (func (param "a" u32) (param "A" u32)))', '(type (func (param "1" u32)))',
        "(type (flags " + " ".join(f'"f{each}"' for each in range(32)) + "))",
        "(type (flags " + " ".join(f'"f{each}"' for each in range(33)) + "))",
        "(type (list 0))", "(type u8) (type (list 0))", "(type (func)) (type (list 0))",
        "(type (instance)) (type (list 0))", '(type (func (param "a" 0)))',
        '(import "a" (func (type 0)))', '(type (instance)) (import "a" (func (type 0)))',
        '(type (func)) (import "a" (instance (type 0)))',
        '(type (func)) (import "a" (component (type 0)))',
        '(core type (func)) (import "a" (core module (type 0)))',
        '(import "a" (type (eq 0)))', '(type u32) (import "a" (type (eq 0)))',
        '(type (component (import "a" (func)) (import "a" (func))))',
        '(type (component (export "a" (func)) (export "a" (func))))',
        '(type (component (import "a" (func)) (export "a" (func))))',
        '(type (instance (export "a" (func)) (export "a" (func))))',
        '(type (instance (export "a" (func)) (export "A" (func))))',
        '(core type (module (import "" "a" (func)) (import "" "a" (func))))',
        '(core type (module (export "a" (func)) (export "a" (func))))',
        '(core type (module (export "a" (func (type 0)))))',
        "(type (component (alias outer 0 0 (type))))",
        "(type (component (alias outer 1 0 (type))))",
        "(type u8) (type (component (alias outer 1 0 (type))))",
        "(type u8) (type (component (alias outer 2 0 (type))))",
        "(type u8) (component (alias outer 1 0 (type)))",
        "(component (alias outer 1 0 (component)))",
        "(component) (component (alias outer 1 0 (component)))",
        "(core module) (component (alias outer 1 0 (core module)))",
        "(type (list u8 4))",
    )
}  # fmt: skip

CORE = {
    text: text
    for text in (
        '(core module $m (import "" "f" (func))) (core instance (instantiate $m))',
        "(core instance (instantiate 0))",
        "(instance (instantiate 0))",
        """(core module $m) (core instance $i (instantiate $m))
           (core instance (instantiate $m (with "a" (instance $i)) (with "a" (instance $i))))""",
        """(core module $m (func (export "f"))) (core instance $i (instantiate $m))
           (core instance (export "a" (func $i "f")) (export "a" (func $i "f")))""",
        """(core module $m (func (export "f"))) (core instance $i (instantiate $m))
           (alias core export $i "g" (core func))""",
        """(core module $m (func (export "f"))) (core instance $i (instantiate $m))
           (alias core export $i "f" (core memory))""",
        """(core module $m (func (export "f") (param externref)))
           (core module $n (import "a" "f" (func (param funcref))))
           (core instance $i (instantiate $m))
           (core instance (instantiate $n (with "a" (instance $i))))""",
    )
}
_PROVIDED = {
    "(func)": '(func (export "x"))',
    "(func (param i32))": '(func (export "x") (param i32))',
    "(global i32)": '(global (export "x") i32 (i32.const 0))',
    "(global i64)": '(global (export "x") i64 (i64.const 0))',
    "(global (mut i32))": '(global (export "x") (mut i32) (i32.const 0))',
    "(memory 1)": '(memory (export "x") 1)',
    "(memory 2)": '(memory (export "x") 2)',
    "(memory 1 2)": '(memory (export "x") 1 2)',
    "(memory 1 3)": '(memory (export "x") 1 3)',
    "(memory i64 1)": '(memory (export "x") i64 1)',
    "(table 1 funcref)": '(table (export "x") 1 funcref)',
    "(table 2 funcref)": '(table (export "x") 2 funcref)',
    "(table 1 1 funcref)": '(table (export "x") 1 1 funcref)',
    "(table 1 externref)": '(table (export "x") 1 externref)',
}
CORE |= {
    f"{given} for {wanted}": f"""(core module $m {export})
      (core module $n (import "a" "x" {wanted})) (core instance $i (instantiate $m))
      (core instance (instantiate $n (with "a" (instance $i))))"""
    for given, export in _PROVIDED.items()
    for wanted in _PROVIDED
}
CORE |= {
    f"module {given} for {wanted}": f"""(core module $m {export})
      (component $c (import "m" (core module (export "x" {wanted}))))
      (instance (instantiate $c (with "m" (core module $m))))"""
    for given, export in _PROVIDED.items()
    for wanted in _PROVIDED
}
CORE |= {
    f"module asks for {given}, may ask for {wanted}": f"""(core module $m (import "" "x" {given}))
      (component $c (import "m" (core module (import "" "x" {wanted}))))
      (instance (instantiate $c (with "m" (core module $m))))"""
    for given in _PROVIDED
    for wanted in _PROVIDED
}
_REFERENCES = [
    "funcref", "(ref func)", "(ref null func)", "externref", "anyref", "(ref any)", "(ref 0)",
    "(ref null 0)", "(ref null i31)",
]  # fmt: skip
# In a component that nothing instantiates, so that no linker looks at it either.
CORE |= {
    f"{place} of {given} for one of {wanted}": f"""(component
      (import "m" (core module $m (type (func)) (export "x" ({place} {given}))))
      (core module $n (type (func)) (import "" "x" ({place} {wanted})))
      (core instance $i (instantiate $m))
      (core instance (instantiate $n (with "" (instance $i)))))"""
    for given in _REFERENCES
    for wanted in _REFERENCES
    for place in ("global", "table 1")
}
CORE |= {
    f"{given} as a parameter for {wanted}": f"""(component
      (import "m" (core module $m (type (func)) (export "x" (func (param {given})))))
      (core module $n (type (func)) (import "" "x" (func (param {wanted}))))
      (core instance $i (instantiate $m))
      (core instance (instantiate $n (with "" (instance $i)))))"""
    for given in ("funcref", "(ref 0)", "(ref null 0)", "i32")
    for wanted in ("funcref", "(ref 0)", "(ref null 0)", "i32")
}
_TYPES_OF_MODULES = [
    "(type (func)) (type (func (param (ref 0))))",
    "(type (sub (func))) (type (func (param (ref 0))))",
    "(rec (type (func)) (type (func (param (ref 0)))))",
]
CORE |= {
    f"{types}: {given} for {wanted}": f"""(component
      (import "m" (core module $m (type (func)) (type (func (param (ref 0))))
        (export "x" (func (param {given})))))
      (core module $n {types} (import "" "x" (func (param {wanted}))))
      (core instance $i (instantiate $m))
      (core instance (instantiate $n (with "" (instance $i)))))"""
    for types in _TYPES_OF_MODULES
    for given in ("(ref 0)", "(ref 1)", "funcref")
    for wanted in ("(ref 0)", "(ref null 0)", "(ref 1)", "funcref")
}
_LIMITS = (
    *("memory 3 1", "memory 65536", "memory 65537", "memory 1 65537", "memory 1 (pagesize 1)"),
    *("memory i64 1 0x1000000000000", "memory i64 0x1000000000001", "table 3 1 funcref"),
    *("table i64 1 funcref", "table 1 (ref 0)", "global (ref 0)", "memory 1 2 shared"),
)
CORE |= {
    f"a module type with {described}": f"""(core type (module (export "x" ({described}))))"""
    for described in _LIMITS
}
CORE |= {
    f"module asks {asked}, may ask {offered}": f"""(core module $m (import "" "f" {asked}))
      (component $c (import "m" (core module {import_})))
      (instance (instantiate $c (with "m" (core module $m))))"""
    for asked in ("(func)", "(func (param i32))", "(global i32)")
    for offered, import_ in (
        ("nothing", ""),
        ("(func)", '(import "" "f" (func))'),
        ("more", '(import "" "f" (func)) (import "" "g" (func))'),
    )
}


def _blocks(name, before=""):
    """Components in a file, one per block of lines."""
    text = (Path(__file__).parent / "verdicts" / name).read_text()
    return {block: before + block for block in text.strip().split("\n\n")}


CANONICAL = _blocks("canonical.wat", MEM)
NESTING = _blocks("nesting.wat")

SECTIONS = {
    "Type Checking: equality of value types": TYPE_EQUALITY,
    "Type Checking: equality of function types": FUNCTION_EQUALITY,
    "Type Checking: resources": RESOURCES,
    "Type Definitions": TYPES,
    "External Visibility of Types": VISIBILITY,
    "Import and Export Definitions: names": NAMES,
    "Core Instances": CORE,
    "Canonical Definitions: options and signatures": CANONICAL,
    "Component Instances and aliases": NESTING,
}
