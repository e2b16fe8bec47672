(component (core func (canon lower (func 0))))

(component (component (type (list 7))))

(component $c (import "f" (func $f)) (export "g" (func $f))) (import "f" (func $f)) (instance $i
  (instantiate $c (with "f" (func $f)))) (export "g" (func $i "g"))

(component $c (import "f" (func $f)) (export "g" (func $f))) (instance (instantiate $c))

(component $c (export "f" (func 0)))

(component $c (export "f" (component 0)))

(component $c) (instance $i (instantiate $c)) (alias export $i "x" (func))

(component $c) (instance $i (instantiate $c (with "extra" (component $c))))

(component $c) (instance $i (instantiate $c)) (instance (instantiate $c (with "a" (instance $i))
  (with "a" (instance $i))))

(component $c (import "a" (func))) (component $d) (instance (instantiate $c (with "a" (component
  $d))))

(component $c (import "i" (instance (export "a" (func))))) (import "i" (instance $i (export "a"
  (func)) (export "b" (func)))) (instance (instantiate $c (with "i" (instance $i))))

(component $c (import "i" (instance (export "a" (func)) (export "b" (func))))) (import "i"
  (instance $i (export "a" (func)))) (instance (instantiate $c (with "i" (instance $i))))

(component $c (import "i" (instance (export "a" (component))))) (import "i" (instance $i (export
  "a" (func)))) (instance (instantiate $c (with "i" (instance $i))))

(component $c (import "d" (component $d (import "f" (func)))) (import "f" (func $f)) (instance
  (instantiate $d (with "f" (func $f))))) (component $e (import "f" (func))) (import "f" (func
  $f)) (instance (instantiate $c (with "d" (component $e)) (with "f" (func $f))))

(component $c (import "d" (component))) (component $e (import "f" (func))) (instance (instantiate
  $c (with "d" (component $e))))

(component $c (import "d" (component (import "f" (func))))) (component $e) (instance (instantiate
  $c (with "d" (component $e))))

(component $c (import "d" (component (export "f" (func))))) (component $e) (instance (instantiate
  $c (with "d" (component $e))))

(component $c (import "d" (component (export "r" (type (sub resource)))))) (component $e (type $r
  (resource (rep i32))) (export "r" (type $r))) (instance (instantiate $c (with "d" (component
  $e))))

(component $c (import "d" (component $d (export "r" (type (sub resource))))) (instance $x
  (instantiate $d)) (instance $y (instantiate $d)) (component $eq (import "a" (type $a (sub
  resource))) (import "b" (type (eq $a)))) (instance (instantiate $eq (with "a" (type $x "r"))
  (with "b" (type $y "r")))))

(component $c (import "d" (component $d (export "r" (type (sub resource))))) (instance $x
  (instantiate $d)) (component $eq (import "a" (type $a (sub resource))) (import "b" (type (eq
  $a)))) (instance (instantiate $eq (with "a" (type $x "r")) (with "b" (type $x "r")))))

(import "c" (component))

(import "m" (core module))

(component (import "m" (core module $m)) (core instance (instantiate $m)))

(component (import "m" (core module $m (import "" "f" (func)))) (core instance (instantiate $m)))

(core module $m) (export "m" (core module $m))

(component $c) (export "c" (component $c))

(type $t (instance)) (export "t" (type $t))

(type $t (func)) (export "t" (type $t))

(type $t (component)) (export "t" (type $t))

(instance (export "a" (func 0)))

(import "f" (func $f)) (instance (export "a" (func $f)) (export "a" (func $f)))

(import "f" (func $f)) (instance (export "a" (func $f)) (export "A" (func $f)))

(import "f" (func $f)) (export "g" (func $f) (func (param "x" u32)))

(import "f" (func $f)) (export "g" (func $f) (func))

(import "i" (instance $i (export "a" (func)) (export "b" (func)))) (export "j" (instance $i)
  (instance (export "a" (func))))

(import "i" (instance $i (export "a" (func)) (export "b" (func)))) (export $j "j" (instance $i)
  (instance (export "a" (func)))) (alias export $j "b" (func))

(import "i" (instance $i (export "a" (func)))) (export "j" (instance $i) (instance (export "b"
  (func))))

(type $t u32) (export "t" (type $t) (type (sub resource)))

(type $t u32) (type $u u64) (export "t" (type $t) (type (eq $u)))
