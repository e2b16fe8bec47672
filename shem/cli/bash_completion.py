"""Completion in bash, which takes words apart at colons.

It hands over `demo:counter/al` as three words, and puts what is chosen in the place of the last.
"""

import io
import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, redirect_stdout

__all__ = ["joined_at_colons", "names_with_colons"]


@contextmanager
def names_with_colons() -> Generator[None]:
    """Complete whole words inside, and print of what is found what bash does not have yet."""
    text = os.environ.get("COMP_WORDS", "")
    if os.environ.get("_SHEM_COMPLETE") != "complete_bash" or ":" not in text:
        yield
        return
    words = text.split("\n") if "\n" in text else text.split(" ")
    joined, there = joined_at_colons(words[: int(os.environ["COMP_CWORD"]) + 1])
    os.environ["COMP_WORDS"] = "\n".join(joined)
    os.environ["COMP_CWORD"] = str(len(joined) - 1)
    found = io.StringIO()
    try:
        with redirect_stdout(found):
            yield
    finally:
        for line in found.getvalue().splitlines():
            sys.stdout.write(line.removeprefix(there) + "\n")


def joined_at_colons(words: Sequence[str]) -> tuple[list[str], str]:
    """Join words as they were typed; return them, and what of the last bash has as words before."""
    joined: list[str] = []
    there = ""
    follows = False
    for word in words:
        is_colon = bool(word) and not word.strip(":")
        if joined and word and (is_colon or follows):
            joined[-1] += word
        else:
            joined.append(word)
        there = joined[-1].removesuffix("" if is_colon else word) if is_colon or follows else ""
        follows = is_colon
    return joined, there
