"""From wasmtime's text for what went wrong to an error that can be told apart."""

from typing import Final

from actors.engine.errors import GuestTrap, TrapKind

__all__ = ["guest_trap"]

_CAUSE: Final = "Caused by:"
_PREFIX: Final = "wasm trap: "

_KINDS: Final[tuple[tuple[str, TrapKind], ...]] = (
    ("unreachable", "unreachable"),
    ("call stack exhausted", "stack-overflow"),
    ("out of bounds memory access", "memory"),
    ("memory minimum size", "limit"),
    ("table minimum size", "limit"),
    ("limit exceeded", "limit"),
    ("exceeds memory limits", "limit"),
    ("unaligned", "memory"),
    ("misaligned", "memory"),
    ("table access", "table"),
    ("undefined element", "table"),
    ("uninitialized element", "table"),
    ("indirect call", "table"),
    ("integer overflow", "arithmetic"),
    ("integer divide by zero", "arithmetic"),
    ("invalid conversion to integer", "arithmetic"),
)


def guest_trap(text: str) -> GuestTrap:
    """Return the trap that wasmtime describes by `text`.

    The text is `error while executing at wasm backtrace:`, frames, `Caused by:`, causes; or only a
    message.
    """
    head, found, tail = text.partition(_CAUSE)
    causes = [line.strip() for line in (tail if found else head).splitlines() if line.strip()]
    message = causes[-1] if causes else "the guest failed without a message"
    message = message.removeprefix("1: ").removeprefix(_PREFIX)
    kinds: list[TrapKind] = [kind for part, kind in _KINDS if part in message]
    kind: TrapKind = kinds[0] if kinds else "other"
    return GuestTrap(message, kind=kind, backtrace=head.rstrip() if found else "")
