"""Flags of component instances: which may be entered, and which may leave at the moment.

Each instance has one byte. Generated adapters, in Python and in WebAssembly, read and set it.
"""

from typing import Final

__all__ = ["ENTERED", "MAY_NOT_LEAVE"]

ENTERED: Final = 1
"""A call is under way in the instance, or failed in it."""

MAY_NOT_LEAVE: Final = 2
"""Its allocator or post-return runs, which must not call imports."""
