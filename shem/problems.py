"""What is wrong in a file, with its place."""

from msgspec import Struct

__all__ = ["Problem"]


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong in a file; lines and columns count from 1, 0 is the file as a whole."""

    file: str
    message: str
    line: int = 0
    column: int = 0
    excerpt: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.message}" + (f"\n{self.excerpt}" if self.excerpt else "")
