"""The one way in which an operation on files fails.

FileError    an answer to the guest, never tried again by the host: terminal
"""

__all__ = ["FileError"]


class FileError(Exception):
    """The guest asked for what cannot be done; `code` is the WASI error code it gets."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
