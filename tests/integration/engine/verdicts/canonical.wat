(func (canon lift (core func $i "none")))

(func (canon lift (core func $i "p1")))

(func (canon lift (core func $i "i")))

(func (result u32) (canon lift (core func $i "i")))

(func (param "p" u64) (canon lift (core func $i "p1")))

(func (param "p" (list u8)) (canon lift (core func $i "p2")))

(func (param "p" (list u8)) (canon lift (core func $i "p2") (memory (core memory $i "mem"))))

(func (param "p" (list u8)) (canon lift (core func $i "p2") (memory (core memory $i "mem"))
  (realloc (core func $i "realloc"))))

(func (result (tuple u8 u8)) (canon lift (core func $i "i")))

(func (result (tuple u8 u8)) (canon lift (core func $i "i") (memory (core memory $i "mem"))))

(func (result string) (canon lift (core func $i "i") (memory (core memory $i "mem"))))

(func (result string) (canon lift (core func $i "i") (memory (core memory $i "mem")) (realloc
  (core func $i "realloc")) (post-return (core func $i "p1"))))

(func (result string) (canon lift (core func $i "i") (memory (core memory $i "mem")) (realloc
  (core func $i "realloc")) (post-return (core func $i "none"))))

(func (result u32) (canon lift (core func $i "i") (post-return (core func $i "p1"))))

(func (canon lift (core func $i "none") (realloc (core func $i "realloc"))))

(func (canon lift (core func $i "none") (memory (core memory $i "mem")) (realloc (core func $i
  "realloc"))))

(func (param "p" (list u8)) (canon lift (core func $i "p2") (memory (core memory $i "mem"))
  (realloc (core func $i "none"))))

(func (param "p" (tuple u8 u8 u8 u8 u8 u8 u8 u8 u8 u8 u8 u8 u8 u8 u8 u8 u8 )) (canon lift (core
  func $i "p1") (memory (core memory $i "mem"))))

(func (param "p" (tuple u8 u8 u8 u8 u8 u8 u8 u8 u8 u8 u8 u8 u8 u8 u8 u8 u8 )) (canon lift (core
  func $i "p1") (memory (core memory $i "mem")) (realloc (core func $i "realloc"))))

(import "f" (func $f (param "p" string))) (core func (canon lower (func $f)))

(import "f" (func $f (param "p" string))) (core func (canon lower (func $f) (memory (core memory
  $i "mem"))))

(import "f" (func $f (result string))) (core func (canon lower (func $f) (memory (core memory $i
  "mem"))))

(import "f" (func $f (result string))) (core func (canon lower (func $f) (memory (core memory $i
  "mem")) (realloc (core func $i "realloc"))))

(import "f" (func $f (result (tuple u8 u8)))) (core func (canon lower (func $f)))

(import "f" (func $f)) (core func (canon lower (func $f) (post-return (core func $i "none"))))

(import "f" (func $f)) (core func (canon lower (func $f) (realloc (core func $i "realloc"))))

(import "f" (func $f)) (core func (canon lower (func $f) string-encoding=utf8
  string-encoding=utf16))

(import "f" (func $f)) (core func (canon lower (func $f) (memory (core memory $i "mem")) (memory
  (core memory $i "mem"))))

(import "f" (func $f)) (core func $g (canon lower (func $f))) (func (canon lift (core func $g)))

(type $r (resource (rep i32))) (core func $n (canon resource.new $r)) (func (param "p" u32)
  (result u32) (canon lift (core func $n)))

(type $t string) (func (type $t) (canon lift (core func $i "none")))

(core func (canon lower (func 0)))

(func (canon lift (core func 99)))

(func (canon lift (core func $i "none") (memory 0)))
