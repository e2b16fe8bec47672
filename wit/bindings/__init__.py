"""Bindings for guests: source text that connects a language to the canonical ABI.

For toolchains that bring none: C and Zig, and types for JavaScript. Pure: worlds in, text out.
"""
