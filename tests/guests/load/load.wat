;; The component around load.c. The empty core module $guest is replaced by the compiled one.
(component
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-u64" (func (result u64)))))
  (import "wasi:clocks/wall-clock@0.2.0" (instance $wall
    (type $fields (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $fields)))
    (export "now" (func (result $datetime)))))
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $monotonic
    (alias outer 1 $pollable (type $outer))
    (export "pollable" (type $pollable (eq $outer)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))
  (import "wasi:io/error@0.2.0" (instance $errors
    (export "error" (type (sub resource)))))
  (alias export $errors "error" (type $error))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (alias outer 1 $error (type $outer))
    (export "error" (type $error (eq $outer)))
    (export "output-stream" (type $output-stream (sub resource)))
    (type $cases (variant (case "last-operation-failed" (own $error)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $cases)))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $output-stream)) (param "contents" (list u8))
        (result (result (error $stream-error)))))))
  (alias export $streams "output-stream" (type $output-stream))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $output-stream (type $outer))
    (export "output-stream" (type $output-stream (eq $outer)))
    (export "get-stdout" (func (result (own $output-stream))))))

  ;; Two imports write into the guest's memory, which does not exist before the guest that imports
  ;; them: it gets stand-ins that call through a table, and the table is filled afterwards.
  (core module $stand-ins
    (type $now (func (param i32)))
    (type $write (func (param i32 i32 i32 i32)))
    (table (export "table") 2 2 funcref)
    (func (export "now") (param i32)
      (call_indirect (type $now) (local.get 0) (i32.const 0)))
    (func (export "write") (param i32 i32 i32 i32)
      (call_indirect (type $write)
        (local.get 0) (local.get 1) (local.get 2) (local.get 3) (i32.const 1))))
  (core module $filler
    (import "" "now" (func (param i32)))
    (import "" "write" (func (param i32 i32 i32 i32)))
    (import "" "table" (table 2 2 funcref))
    (elem (i32.const 0) func 0 1))
  (core module $guest)

  (core instance $stand-in (instantiate $stand-ins))
  (core func $random-u64 (canon lower (func $random "get-random-u64")))
  (core func $subscribe (canon lower (func $monotonic "subscribe-duration")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $drop (canon resource.drop $pollable))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core instance $main (instantiate $guest
    (with "wasi:random/random@0.2.0" (instance
      (export "get-random-u64" (func $random-u64))))
    (with "wasi:clocks/wall-clock@0.2.0" (instance
      (export "now" (func $stand-in "now"))))
    (with "wasi:clocks/monotonic-clock@0.2.0" (instance
      (export "subscribe-duration" (func $subscribe))))
    (with "wasi:io/poll@0.2.0" (instance
      (export "[method]pollable.block" (func $block))
      (export "[resource-drop]pollable" (func $drop))))
    (with "wasi:cli/stdout@0.2.0" (instance
      (export "get-stdout" (func $get-stdout))))
    (with "wasi:io/streams@0.2.0" (instance
      (export "[method]output-stream.blocking-write-and-flush" (func $stand-in "write"))))))
  (core func $now (canon lower (func $wall "now") (memory (core memory $main "memory"))))
  (core func $write (canon lower
    (func $streams "[method]output-stream.blocking-write-and-flush")
    (memory (core memory $main "memory"))))
  (core instance (instantiate $filler (with "" (instance
    (export "now" (func $now))
    (export "write" (func $write))
    (export "table" (table $stand-in "table"))))))

  (type $item (record (field "name" string) (field "quantity" u32) (field "price" f64)))
  (func $add (param "value" u64) (result u64)
    (canon lift (core func $main "demo:counter/api#add")))
  (func $get (result u64) (canon lift (core func $main "demo:counter/api#get")))
  (func $roll (result u64) (canon lift (core func $main "demo:counter/api#roll")))
  (func $rolled (result u64) (canon lift (core func $main "demo:counter/api#rolled")))
  (func $clock (result u64) (canon lift (core func $main "demo:counter/api#now")))
  (func $describe (param "items" (list $item)) (result (result string (error string)))
    (canon lift (core func $main "demo:counter/api#describe")
      (memory (core memory $main "memory")) (realloc (core func $main "cabi_realloc"))
      (post-return (core func $main "cabi_post_demo:counter/api#describe"))))
  (func $say (param "text" string)
    (canon lift (core func $main "demo:counter/api#say")
      (memory (core memory $main "memory")) (realloc (core func $main "cabi_realloc"))))
  (func $nap (param "ms" u64) (result u64)
    (canon lift (core func $main "demo:counter/api#nap")))
  (func $fail (canon lift (core func $main "demo:counter/api#fail")))
  (func $busy (param "ms" u64) (result u64)
    (canon lift (core func $main "demo:counter/api#busy")))
  (func $grow (param "size" u64) (result u64)
    (canon lift (core func $main "demo:counter/api#grow")))
  (func $step (param "publisher" u32) (param "n" u64) (result u64)
    (canon lift (core func $main "demo:load/check#step")))
  (func $trap (canon lift (core func $main "demo:load/check#trap")))

  ;; A function whose type has a record can only be exported next to the record's name.
  (component $api
    (type $fields (record (field "name" string) (field "quantity" u32) (field "price" f64)))
    (import "item" (type $item (eq $fields)))
    (import "add" (func $add (param "value" u64) (result u64)))
    (import "get" (func $get (result u64)))
    (import "roll" (func $roll (result u64)))
    (import "rolled" (func $rolled (result u64)))
    (import "now" (func $now (result u64)))
    (import "describe"
      (func $describe (param "items" (list $item)) (result (result string (error string)))))
    (import "say" (func $say (param "text" string)))
    (import "nap" (func $nap (param "ms" u64) (result u64)))
    (import "fail" (func $fail))
    (import "busy" (func $busy (param "ms" u64) (result u64)))
    (import "grow" (func $grow (param "size" u64) (result u64)))
    (export $named "item" (type $fields))
    (export "add" (func $add))
    (export "get" (func $get))
    (export "roll" (func $roll))
    (export "rolled" (func $rolled))
    (export "now" (func $now))
    (export "describe" (func $describe)
      (func (param "items" (list $named)) (result (result string (error string)))))
    (export "say" (func $say))
    (export "nap" (func $nap))
    (export "fail" (func $fail))
    (export "busy" (func $busy))
    (export "grow" (func $grow)))
  (instance $api (instantiate $api
    (with "item" (type $item))
    (with "add" (func $add))
    (with "get" (func $get))
    (with "roll" (func $roll))
    (with "rolled" (func $rolled))
    (with "now" (func $clock))
    (with "describe" (func $describe))
    (with "say" (func $say))
    (with "nap" (func $nap))
    (with "fail" (func $fail))
    (with "busy" (func $busy))
    (with "grow" (func $grow))))
  (instance $check (export "step" (func $step)) (export "trap" (func $trap)))
  (export "demo:counter/api" (instance $api))
  (export "demo:load/check" (instance $check)))
