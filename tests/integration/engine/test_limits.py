"""Components that grow without bound when they are followed: refused, with a place, and soon."""

import pytest
import wasmtime

from actors.engine.engine import prepare
from actors.engine.errors import ComponentError


def chained(first, link, count, *, last=""):
    links = "".join(link.format(this=number, before=number - 1) for number in range(1, count))
    return first + links + last


CASES = {
    "instance types inside each other": chained(
        '(type $t0 (instance (export "f" (func))))',
        '(type $t{this} (instance (export "x" (instance (type $t{before})))))',
        3000,
    ),
    "instance types that double": chained(
        '(type $t0 (instance (export "r" (type (sub resource)))))',
        """(type $t{this} (instance (export "x" (instance (type $t{before})))
          (export "y" (instance (type $t{before})))))""",
        40,
    ),
    "component types that double": chained(
        '(type $t0 (component (export "f" (func))))',
        """(type $t{this} (component (import "x" (component (type $t{before})))
          (export "y" (component (type $t{before})))))""",
        100,
        last="""(component $d (import "c" (component (type $t99))))
          (component $e (import "c" (component $c (type $t99)))
            (instance (instantiate $d (with "c" (component $c)))))""",
    ),
    "instantiations that double": chained(
        "(component $c0)",
        """(component $c{this} (alias outer 1 $c{before} (component $p))
          (instance (instantiate $p)) (instance (instantiate $p)))""",
        40,
        last="(instance (instantiate $c39))",
    ),
    "instantiations inside each other": chained(
        "(component $c0)",
        """(component $c{this} (alias outer 1 $c{before} (component $p))
          (instance (instantiate $p)))""",
        300,
        last="(instance (instantiate $c299))",
    ),
    "value types that double": chained(
        "(type $t0 (tuple u32 u32))", "(type $t{this} (tuple $t{before} $t{before}))", 60
    ),
    "exports of many instances": chained(
        '(import "f" (func $f)) (component $c (import "f" (func $f))'
        + "".join(f'(export "g{number}" (func $f))' for number in range(2000))
        + ")",
        '(instance (instantiate $c (with "f" (func $f))))',
        300,
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.timeout(60)
def test_what_grows_without_bound_is_refused(case):
    data = bytes(wasmtime.wat2wasm(f"(component {CASES[case]})"))
    with pytest.raises(ComponentError, match="at byte 0x"):
        prepare(data)
