"""Components that several test files read, as bytes."""

import pytest
from wasmtime import wat2wasm

RICH = """
(component
  (import "demo:host/types@1.0.0" (instance $types
    (type $item' (record (field "name" string) (field "price" f64)))
    (export "item" (type $item (eq $item')))
    (type $perms' (flags "read" "write"))
    (export "perms" (type $perms (eq $perms')))
    (export "conn" (type $conn (sub resource)))
    (type $id u64)
    (export "id" (type (eq $id)))))
  (alias export $types "item" (type $item))
  (alias export $types "conn" (type $conn))
  (import "demo:host/api@1.0.0" (instance $api
    (alias outer 1 $item (type $outer-item))
    (export "item" (type $item (eq $outer-item)))
    (alias outer 1 $conn (type $outer-conn))
    (export "conn" (type $conn (eq $outer-conn)))
    (type $shape' (variant (case "circle" f64) (case "none")))
    (export "shape" (type $shape (eq $shape')))
    (export "send" (func (param "self" (borrow $conn)) (param "items" (list $item))
      (result (result u32 (error $shape)))))
    (export "open" (func (param "flags" (option string)) (result (own $conn))))))
  (import "log" (func $log (param "text" string)))
  (core module $memory
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 64)
    (func (export "new") (param i32 i32) (result i32) i32.const 0)
    (func (export "paint") (param i32 i32) (result i32) i32.const 0)
    (func (export "pair") (param i32) (result i32) i32.const 0)
    (func (export "drop") (param i32)))
  (core instance $core (instantiate $memory))
  (alias core export $core "memory" (core memory $memory))
  (alias core export $core "realloc" (core func $realloc))
  (core func (canon lower (func $log) (memory $memory)))
  (type $cart (resource (rep i32) (dtor (core func $core "drop"))))
  (core func (canon resource.new $cart))
  (core func (canon resource.rep $cart))
  (core func (canon resource.drop $cart))
  (type $color (enum "red" "green"))
  (func $new (param "owner" string) (result (own $cart))
    (canon lift (core func $core "new") (memory $memory) (realloc $realloc)))
  (func $paint (param "self" (borrow $cart)) (param "color" $color) (result $color)
    (canon lift (core func $core "paint")))
  (func $pair (param "color" $color) (result (tuple $color u8))
    (canon lift (core func $core "pair") (memory $memory)))
  (component $names
    (import "import-type-cart" (type $cart (sub resource)))
    (type $color' (enum "red" "green"))
    (import "import-type-color" (type $color (eq $color')))
    (import "import-new" (func $new (param "owner" string) (result (own $cart))))
    (import "import-paint" (func $paint
      (param "self" (borrow $cart)) (param "color" $color) (result $color)))
    (import "import-pair" (func $pair (param "color" $color) (result (tuple $color u8))))
    (export $cart' "cart" (type $cart))
    (export $named "color" (type $color))
    (export "[constructor]cart" (func $new)
      (func (param "owner" string) (result (own $cart'))))
    (export "[method]cart.paint" (func $paint)
      (func (param "self" (borrow $cart')) (param "color" $named) (result $named)))
    (export "pair" (func $pair) (func (param "color" $named) (result (tuple $named u8)))))
  (instance $exported (instantiate $names
    (with "import-type-cart" (type $cart))
    (with "import-type-color" (type $color))
    (with "import-new" (func $new))
    (with "import-paint" (func $paint))
    (with "import-pair" (func $pair))))
  (export "demo:shop/carts@2.0.0" (instance $exported))
  (func $pure (param "x" u32) (param "y" s8) (result u32) (canon lift (core func $core "paint")))
  (export "pure" (func $pure)))
"""


@pytest.fixture(scope="session")
def rich() -> bytes:
    """A component with imports, resources, types used across interfaces, and named exports."""
    return bytes(wat2wasm(RICH))
