// By hand, as there are no bindings for Go: numbers, and text that is printed.
package main

import (
	"fmt"
	"runtime/debug"
	"unsafe"
)

func init() { debug.SetGCPercent(-1) }

var total uint64
var kept = map[uint32][]uint64{}

//go:wasmexport cabi_realloc
func cabiRealloc(old, oldSize, align, size uint32) uint32 {
	if size == 0 {
		return align
	}
	words := make([]uint64, (size+7)/8)
	at := uint32(uintptr(unsafe.Pointer(&words[0])))
	kept[at] = words
	return at
}

//go:wasmexport demo:tongue/small#add
func add(value uint64) uint64 {
	total += value
	return total
}

//go:wasmexport demo:tongue/small#get
func get() uint64 { return total }

//go:wasmexport demo:tongue/small#say
func say(at, length uint32) {
	text := ""
	if length > 0 {
		text = string(unsafe.Slice((*byte)(unsafe.Pointer(&kept[at][0])), length))
	}
	delete(kept, at)
	fmt.Println(text)
}

//go:wasmexport demo:tongue/small#fail
func fail() { panic("as was asked") }

func main() {}
