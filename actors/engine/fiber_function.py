"""A core function called on its store's fiber, where it may wait and yields at every tick."""

import ctypes
from typing import Final, final

from actors.engine import bindings
from actors.engine.bindings import VALUE_BYTES, Address
from actors.engine.core.module import FunctionSignature
from actors.engine.store import Store

__all__ = ["FiberFunction"]

_KINDS: Final = {"i32": 0, "i64": 1, "f32": 2, "f64": 3}
_WORDS_PER_VALUE: Final = VALUE_BYTES // 8
_WORDS_PER_SLOT: Final = 2


@final
class FiberFunction:
    """Implements `actors.engine.store.OnFiber` for a core function of one store.

    Arguments come from the store's slots, the result goes into the first of them.
    """

    __slots__ = ("_address", "_cells", "_count", "_results", "_start", "_store", "_words")

    def __init__(self, store: Store, address: Address, signature: FunctionSignature) -> None:
        self._store = store
        self._address = address
        self._count = len(signature.parameters)
        self._results = len(signature.results)
        self._cells = ctypes.create_string_buffer(VALUE_BYTES * (self._count + 1))
        for index, kind in enumerate(signature.parameters):
            self._cells[VALUE_BYTES * index] = bytes([_KINDS[kind]])
        self._start = ctypes.addressof(self._cells)
        self._words = memoryview(self._cells).cast("B").cast("Q")

    def begin(self) -> Address:
        """Return the future of a call."""
        store, count, start, words = self._store, self._count, self._start, self._words
        # Checked calls take values of 32 bytes with the payload in the second word.
        words[1 : 1 + _WORDS_PER_VALUE * count : _WORDS_PER_VALUE] = store.slot_words[
            0 : _WORDS_PER_SLOT * count : _WORDS_PER_SLOT
        ]
        future: Address = bindings.function_call_async(
            store.context,
            self._address,
            start,
            count,
            start + VALUE_BYTES * count,
            self._results,
            store.trap_address,
            store.error_address,
        )
        return future

    def end(self) -> None:
        """Put the result, if there is one, into the first slot."""
        if self._results:
            self._store.slot_words[0] = self._words[1 + _WORDS_PER_VALUE * self._count]
