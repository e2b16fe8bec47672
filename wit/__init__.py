"""The component model as values and types: no network, no wasm engine, no clock.

Owns WIT text, component binaries, value types, and the textual forms of values (WAVE, JSON).
Knows nothing of workers, NATS or wasmtime, so that any component tool can stand on it.
"""
