"""WASI 0.2 from JavaScript: what C is asked, with the same answers.

One guest has all parts; it knows each by the name of its source in C before its own.
"""

from typing import Final

from msgspec import structs

from tests.replay.harness import Row, Step
from tests.replay.wasi_rows import WASI_ROWS

__all__ = ["NOT_CALLED", "NOT_SAID", "SCRIPT_ROWS"]

# What componentize-js refuses, because its engine itself imports what uses the interface, in a
# version without what WASI calls unstable: "import interface `wasi:sockets/network` is missing
# function `network-error-code` that is required by the module".
NOT_CALLED: Final = {"wasi:sockets/network#network-error-code"}
# The part that would call it.
NOT_SAID: Final = {"sockets reset"}
# The engine ends where it is to pass a negative number of 64 bits: this is counted upwards.
_COUNTED: Final = {"-2": "12"}
# Not about functions: how much the host keeps.
_OTHERS: Final = {"wasi-limits"}


def _translated(step: Step, source: str) -> Step | None:
    if step.function != "call":
        return step
    (part,) = step.params
    name = f"{source} {part}"
    if name in NOT_SAID:
        return None
    answer = step.answer
    if isinstance(answer, list):
        answer = [_COUNTED.get(each, each) for each in answer]
    return structs.replace(step, params=(name,), answer=answer)


def _steps(steps: tuple[Step, ...], source: str) -> tuple[Step, ...]:
    return tuple(one for each in steps if (one := _translated(each, source)) is not None)


def _row(row: Row) -> Row:
    source = row.guest.removeprefix("wasi-")
    return structs.replace(
        row,
        name=row.name.replace(" in C", " in JavaScript"),
        guest="wasi-js",
        script=_steps(row.script, source),
        state=_steps(row.state, source),
        bucket={
            name: {key: _COUNTED.get(value, value) for key, value in found.items()}
            for name, found in row.bucket.items()
        },
    )


SCRIPT_ROWS: Final = tuple(_row(row) for row in WASI_ROWS if row.guest not in _OTHERS)
