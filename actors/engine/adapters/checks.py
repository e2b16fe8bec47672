"""What adapters check, and allocation: small functions that all translations share."""

from enum import IntEnum
from typing import Final, NamedTuple

from actors.engine.adapters.text import Function, ModuleText, Source, Trap
from actors.engine.core.module import FunctionSignature
from actors.engine.plan.model import CanonicalContext, CoreSource, FromInstance

__all__ = ["TRAPS", "Cause", "Side", "allocator", "require", "span"]


class Cause(IntEnum):
    """Why an adapter ends a call."""

    CANNOT_LEAVE = 0
    CANNOT_ENTER = 1
    BOUNDS = 2
    UNALIGNED = 3
    DISCRIMINANT = 4
    CHARACTER = 5
    UTF8 = 6
    UTF16 = 7
    REALLOC_BOUNDS = 8
    REALLOC_UNALIGNED = 9


TRAPS: Final = {
    Cause.CANNOT_LEAVE: "cannot leave component instance",
    Cause.CANNOT_ENTER: "cannot enter component instance",
    Cause.BOUNDS: "string or list pointer out of bounds of memory",
    Cause.UNALIGNED: "unaligned pointer",
    Cause.DISCRIMINANT: "a discriminant is out of range",
    Cause.CHARACTER: "a char is no Unicode scalar value",
    Cause.UTF8: "invalid utf-8 sequence in a string",
    Cause.UTF16: "invalid utf-16 sequence in a string",
    Cause.REALLOC_BOUNDS: "realloc return: out of bounds of memory",
    Cause.REALLOC_UNALIGNED: "realloc return: result not aligned",
}

_REALLOC: Final = FunctionSignature(("i32",) * 4, ("i32",))


class Side(NamedTuple):
    """Where values come from, or go to."""

    context: CanonicalContext

    @property
    def memory(self) -> FromInstance:
        """The memory; validation has made sure that there is one where it is needed."""
        assert self.context.memory is not None
        return self.context.memory

    @property
    def realloc(self) -> CoreSource:
        """The allocator, as for `memory`."""
        assert self.context.realloc is not None
        return self.context.realloc


def require(module: ModuleText, condition: str, cause: Cause) -> str:
    """Return the instruction that ends the call unless `condition`."""
    trap = module.imported(Trap())
    return f"(if (i32.eqz {condition}) (then (call {trap} (i32.const {cause})) unreachable))"


def _size(memory: str) -> str:
    return f"(i64.shl (i64.extend_i32_u (memory.size {memory})) (i64.const 16))"


def span(module: ModuleText, source: FromInstance) -> str:
    """Return a function `(pointer, count, size, alignment) -> bytes` that checks a range."""
    name, is_new = module.helper(("span", source))
    if is_new:
        memory = module.imported(source)
        function = Function(
            name,
            "(param $p i32) (param $n i32) (param $size i32) (param $align i32) (result i32)"
            " (local $bytes i64)",
        )
        function.add(
            require(
                module,
                "(i32.eqz (i32.and (local.get $p) (i32.sub (local.get $align) (i32.const 1))))",
                Cause.UNALIGNED,
            ),
            "(local.set $bytes (i64.mul (i64.extend_i32_u (local.get $n))"
            " (i64.extend_i32_u (local.get $size))))",
            require(
                module,
                "(i64.le_u (i64.add (i64.extend_i32_u (local.get $p)) (local.get $bytes))"
                f" {_size(memory)})",
                Cause.BOUNDS,
            ),
            "(i32.wrap_i64 (local.get $bytes))",
        )
        module.add(function)
    return name


def allocator(module: ModuleText, side: Side) -> str:
    """Return a function `(alignment, size) -> pointer` that allocates and checks the outcome."""
    name, is_new = module.helper(("allocate", side.memory, side.realloc))
    if is_new:
        memory = module.imported(side.memory)
        realloc = module.imported(Source(side.realloc), _REALLOC)
        function = Function(
            name, "(param $align i32) (param $size i32) (result i32) (local $p i32)"
        )
        function.add(
            f"(local.set $p (call {realloc} (i32.const 0) (i32.const 0) (local.get $align)"
            " (local.get $size)))",
            require(
                module,
                "(i32.eqz (i32.and (local.get $p) (i32.sub (local.get $align) (i32.const 1))))",
                Cause.REALLOC_UNALIGNED,
            ),
            require(
                module,
                "(i64.le_u (i64.add (i64.extend_i32_u (local.get $p))"
                f" (i64.extend_i32_u (local.get $size))) {_size(memory)})",
                Cause.REALLOC_BOUNDS,
            ),
            "(local.get $p)",
        )
        module.add(function)
    return name
