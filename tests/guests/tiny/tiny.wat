;; A counter of one global, for tests that want a component and not a toolchain.
(component
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-u64" (func (result u64)))))
  (core func $random-u64 (canon lower (func $random "get-random-u64")))
  (core module $guest
    (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))
    (global $total (mut i64) (i64.const 0))
    (func (export "add") (param i64) (result i64)
      (global.set $total (i64.add (global.get $total) (local.get 0)))
      (global.get $total))
    (func (export "get") (result i64) (global.get $total))
    (func (export "roll") (result i64)
      (global.set $total (i64.add (global.get $total) (i64.and (call $random) (i64.const 255))))
      (global.get $total))
    (func (export "fail") unreachable)
    (func (export "spin") (loop $again (br $again))))
  (core instance $main (instantiate $guest
    (with "wasi:random/random@0.2.0" (instance
      (export "get-random-u64" (func $random-u64))))))
  (func $add (param "value" u64) (result u64) (canon lift (core func $main "add")))
  (func $get (result u64) (canon lift (core func $main "get")))
  (func $roll (result u64) (canon lift (core func $main "roll")))
  (func $fail (canon lift (core func $main "fail")))
  (func $spin (canon lift (core func $main "spin")))
  (instance $api
    (export "add" (func $add))
    (export "get" (func $get))
    (export "roll" (func $roll))
    (export "fail" (func $fail))
    (export "spin" (func $spin)))
  (export "demo:tiny/api" (instance $api)))
