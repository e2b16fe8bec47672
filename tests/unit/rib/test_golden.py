"""Several hundred programs with what comes of them: type and value, or the whole text of the error.

    python -m tests.unit.rib.test_golden       writes the files anew; read the difference

Each file holds programs, one a line behind `>`, each followed by what comes of it.
"""

import asyncio
import re
import sys
from pathlib import Path

import pytest

import rib
from tests.unit.rib.shop import COMPONENTS, Echo
from wit.type_text import type_text
from wit.wave import format_value

FOLDER = Path(__file__).with_name("golden")
FILES = sorted(FOLDER.glob("*.txt"))
SHORT = {"{W}": 'let w = instance("w1"); ', "{B}": '{W}let b = w.basket("eve"); '}


def cases(file: Path) -> list[tuple[str, str]]:
    """Return programs and what comes of them."""
    blocks = re.split(r"^> ", file.read_text(), flags=re.MULTILINE)[1:]
    return [(program, rest.strip()) for program, _, rest in (b.partition("\n") for b in blocks)]


def result(file: str, short: str) -> str:
    """Return what comes of a program."""
    text = short
    for mark in ("{B}", "{W}"):
        text = text.replace(mark, SHORT[mark])
    is_request = file == "inputs.txt"
    try:
        program = rib.compile(
            text, COMPONENTS, rib.GATEWAY_GLOBALS if is_request else rib.ANY_GLOBALS
        )
    except rib.CompileError as error:
        return str(error)
    shown = "nothing" if program.result is None else type_text(program.result)
    lines = [str(warning) for warning in program.warnings]
    lines += [f"needs {each.name}: {type_text(each.type)}" for each in program.inputs]
    lines.append(f"type: {shown}")
    if program.inputs:
        return "\n".join(lines)
    echo = Echo()
    try:
        value = asyncio.run(rib.Program.decode(program.encode()).run(echo))
    except rib.RunError as error:
        lines.append(f"fails: {error.code.value} {error}")
    else:
        if program.result is not None:
            lines.append(f"value: {_shown(value, program)}")
    lines += [f"calls {worker}: {name} {list(rest)}" for worker, name, *rest in echo.said]
    return "\n".join(lines)


def _shown(value: object, program: rib.Program) -> str:
    assert program.result is not None
    try:
        return format_value(value, program.result)
    except ValueError:
        return f"<{type_text(program.result)}>"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_programs_give_what_they_gave(file: Path) -> None:
    found = {program: result(file.name, program) for program, _ in cases(file)}

    assert found == dict(cases(file))


def test_there_are_several_hundred() -> None:
    assert sum(len(cases(file)) for file in FILES) > 400


def write(file: Path) -> None:
    """Write the file anew from its programs."""
    programs = dict.fromkeys(program for program, _ in cases(file))
    blocks = [f"> {program}\n{result(file.name, program)}\n" for program in programs]
    file.write_text("\n".join(blocks))


if __name__ == "__main__":
    for each in FILES:
        write(each)
    sys.exit()
