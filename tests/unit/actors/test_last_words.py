"""What a guest wrote to stderr last, and who hears it."""

import pytest

from actors.engine.errors import GuestTrap
from actors.failures import exit_failure, trap_text
from actors.host.context import ExitRequest
from actors.last_words import LAST_WORDS_BYTES_MAX, LastWords


def words(*pieces: bytes) -> str:
    heard = LastWords()
    for piece in pieces:
        heard.hear(piece)
    return heard.text


def test_pieces_are_put_together():
    assert words(b"thread pan", b"icked\n", b"at main\n") == "thread panicked\nat main"
    assert words(b"half \xff letter") == "half \N{REPLACEMENT CHARACTER} letter"
    assert words() == ""


def test_of_much_the_last_whole_lines_are_kept():
    text = words(*(b"line %d\n" % number for number in range(10_000)))
    lines = text.splitlines()
    assert lines[0] == "..."
    kept = [int(line.removeprefix("line ")) for line in lines[1:]]
    assert kept == list(range(kept[0], 10_000))
    assert LAST_WORDS_BYTES_MAX - 16 < len(text) <= LAST_WORDS_BYTES_MAX + 4
    assert words(b"x" * 10_000) == "...\n" + "x" * LAST_WORDS_BYTES_MAX


def test_a_trap_takes_along_what_was_said_since_the_invocation_began():
    heard = LastWords()
    with heard:
        heard.hear(b"of the one before")
    told = GuestTrap("unreachable", backtrace="error while executing at wasm backtrace:\n 0: f")

    def fail() -> None:
        heard.hear(b"why\n")
        raise told

    with pytest.raises(GuestTrap), heard:
        fail()
    assert trap_text(told) == (
        "unreachable\nstderr:\n    why\nerror while executing at wasm backtrace:\n 0: f"
    )
    with pytest.raises(GuestTrap) as silent, heard:
        raise GuestTrap("unreachable")
    assert trap_text(silent.value) == "unreachable"


def test_so_does_the_end_of_its_process():
    heard = LastWords()
    left = ExitRequest(2)

    def leave() -> None:
        heard.hear(b"usage: add NUMBER\n")
        raise left

    with pytest.raises(ExitRequest), heard:
        leave()
    told = exit_failure(left.code, left.last_words)
    assert told.message == "the guest exited with code 2\nstderr:\n    usage: add NUMBER"
    assert exit_failure(2).message == "the guest exited with code 2"
