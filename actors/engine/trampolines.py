"""Core modules that stand between a guest and its blocking imports.

A guest that calls a blocking import calls a trampoline, which calls `start` (a plain host function
that lifts the arguments and begins) and, only if that must wait, `wait` (the one async host
function) and `finish` (which lowers the result). So no Python frame is on the fiber's stack while
it is suspended, a call that need not wait costs no suspension, and `wait` can never be reached
where there is no fiber, as `start` refuses there.
"""

from collections.abc import Iterable
from typing import Any

import wasmtime

from actors.engine.core.module import FunctionSignature

__all__ = ["finish_signature", "start_signature", "trampoline_module"]


def start_signature(signature: FunctionSignature) -> FunctionSignature:
    """Return the core type of the first half: its results are led by a status."""
    return FunctionSignature(signature.parameters, ("i32", *signature.results))


def finish_signature(signature: FunctionSignature) -> FunctionSignature:
    """Return the core type of the second half."""
    return FunctionSignature((), signature.results)


def trampoline_module(signatures: Iterable[tuple[int, FunctionSignature]]) -> bytes:
    """Return a module that exports one trampoline per number.

    Its imports, in order: `wait`, then per trampoline its `start` and its `finish`.
    """
    numbered = list(signatures)
    imports = ['(import "" "wait" (func $wait))']
    functions: list[str] = []
    for number, signature in numbered:
        start, finish = start_signature(signature), finish_signature(signature)
        imports += [
            f'(import "" "s{number}" (func $s{number} {_type(start)}))',
            f'(import "" "f{number}" (func $f{number} {_type(finish)}))',
        ]
        functions.append(_function(number, signature))
    text: Any = "(module\n" + "\n".join([*imports, *functions]) + "\n)"
    return bytes(wasmtime.wat2wasm(text))


def _type(signature: FunctionSignature) -> str:
    return "".join(f"(param {type_})" for type_ in signature.parameters) + "".join(
        f"(result {type_})" for type_ in signature.results
    )


def _function(number: int, signature: FunctionSignature) -> str:
    count = len(signature.parameters)
    get = " ".join(f"local.get {index}" for index in range(count))
    # The result of `start` is on top of the status.
    keep = f"local.set {count}" if signature.results else ""
    give = f"local.get {count}" if signature.results else ""
    local = f"(local {signature.results[0]})" if signature.results else ""
    return (
        f'(func (export "{number}") {_type(signature)} {local} {get} call $s{number} {keep} '
        f"if call $wait call $f{number} {keep} end {give})"
    )
