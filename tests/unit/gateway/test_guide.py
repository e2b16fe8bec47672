"""The definition in the guide is one, and compiles."""

from pathlib import Path

import yaml

from gateway.compiling import compile_routes
from gateway.definitions import decode_definition
from gateway.deployments import LiveRoute
from gateway.table import Table
from tests.guests.build import build
from tests.support.readme import blocks_of
from wit.component import describe

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "http.md"


def test_the_definition_of_the_guide_compiles():
    (block,) = [each for each in blocks_of(GUIDE) if each.text.startswith("id: counter\n")]
    definition = decode_definition(yaml.safe_load(block.text))
    # The tiny guest has `add` and `get` with the types of the counter's.
    routes = compile_routes([definition], {"counter": describe(build("tiny").read_bytes())})

    table = Table(map(LiveRoute.of, routes))
    assert set(table.find(["counters", "eve"]).routes) == {"GET", "OPTIONS"}
