"""The component runtime: validates, compiles, links and runs components on wasmtime's core API.

The only door to wasmtime. Knows nothing of oplogs, workers or NATS.
"""
