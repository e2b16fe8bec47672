"""Definitions that are refused, each with the whole message that its author reads.

    python -m tests.unit.gateway.test_bad_definitions      writes the file anew; read the difference

The file holds definitions in YAML, each followed by what comes of it.
"""

import re
import sys
from pathlib import Path

import pytest
import yaml

from gateway.compiling import compile_routes
from gateway.definitions import decode_definition
from gateway.deployments import LiveRoute
from gateway.errors import GatewayError
from gateway.table import Table
from tests.unit.rib.shop import COMPONENTS

GOLDEN = Path(__file__).with_name("bad_definitions.txt")
MARK = "---\n"


def cases() -> list[tuple[str, str, str]]:
    """Return name, definition and message of each."""
    blocks = re.split(r"^# (.+)\n", GOLDEN.read_text(), flags=re.MULTILINE)[1:]
    found = []
    for name, rest in zip(blocks[::2], blocks[1::2], strict=True):
        definition, _, message = rest.partition(MARK)
        found.append((name, definition, message.strip()))
    return found


def message_of(text: str) -> str:
    """Return what comes of a definition, as whoever deploys it is told."""
    try:
        definition = decode_definition(yaml.safe_load(text))
        Table(map(LiveRoute.of, compile_routes([definition], COMPONENTS, {"company"})))
    except GatewayError as error:
        return f"({error.kind}) {error}"
    return "nothing"


@pytest.mark.parametrize(
    ("definition", "message"), [pytest.param(*rest, id=name) for name, *rest in cases()]
)
def test_the_message(definition: str, message: str) -> None:
    assert message_of(definition) == message
    assert message != "nothing"


if __name__ == "__main__":
    parts = [f"# {name}\n{text}{MARK}{message_of(text)}\n\n" for name, text, _ in cases()]
    GOLDEN.write_text("".join(parts))
    sys.stdout.write(f"{len(parts)} definitions\n")
