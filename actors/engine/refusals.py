"""Whether memories of an instance were asked to grow and did not, see `core.grows`."""

import ctypes
from typing import final

from actors.engine import bindings
from actors.engine.bindings import VALUE_BYTES, VALUE_PAYLOAD_OFFSET, Address
from actors.engine.store import Store

__all__ = ["Refusals"]


@final
class Refusals:
    """The globals of one instance that tell of it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._places: tuple[Address, ...] = ()
        self._are_all = False
        self._value = ctypes.create_string_buffer(VALUE_BYTES)
        self._address = ctypes.addressof(self._value)
        self._number = ctypes.c_int32.from_buffer(self._value, VALUE_PAYLOAD_OFFSET)

    def look_at(self, places: tuple[Address, ...], *, are_all: bool) -> None:
        """Know where they are; `are_all`: nothing else grows memories."""
        self._places = places
        self._are_all = are_all

    @property
    def happened(self) -> bool | None:
        """Whether a memory has not grown; None: there may be code that tells nothing."""
        if any(self._is_set(place) for place in self._places):
            return True
        return False if self._are_all else None

    def forget(self) -> None:
        """Tell only of what comes."""
        context, number = self._store.context, self._number
        for place in self._places:
            # Asked after every call of a guest.
            bindings.global_get(context, place, self._address)
            if number.value:
                number.value = 0
                bindings.global_set(context, place, self._address)

    def _is_set(self, place: Address) -> bool:
        bindings.global_get(self._store.context, place, self._address)
        return self._number.value != 0
