"""The canonical ABI, generated as one specialised Python function per function type.

Pure: knows types and bytes, nothing of wasmtime. Generated code works on the objects described in
`actors.engine.abi.contract`.
"""
