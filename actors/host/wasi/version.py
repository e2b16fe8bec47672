"""Which WASI this is."""

from typing import Final

__all__ = ["WASI_VERSION"]

# Within 0.2 only additions are allowed, so that the newest serves every older import.
WASI_VERSION: Final = "0.2.9"
