"""One program for guests of all toolchains, for what has to hold whatever a guest is made of."""

from actors.host.rpc.urn import ResourceUrn
from actors.identity import component_uuid
from tests.replay.harness import WORKER, Row, Step
from tests.simulation.cluster import COMPONENT

__all__ = ["HOLDER", "LANGUAGES", "SHELF"]

_ITEMS = [
    {"name": "tea \u2615", "quantity": 3, "price": 2.5},
    {"name": "cup", "quantity": 0, "price": 0},
]
_TOLD = {"ok": "3 x tea \u2615, 0 x cup"}
_SMALL = (
    Step("add", (5,), 5),
    Step("add", (6,), 11),
    Step("say", ("line \u00e9\U0001f600",)),
    Step("get", (), 11),
)
_WHOLE = (
    *_SMALL,
    Step("describe", (_ITEMS,), _TOLD),
    Step("describe", ([],), {"err": "no items"}),
    Step("turn", ({"circle": 1.5},), {"circle": -1.5}),
    Step("turn", ({"many": _ITEMS},), {"many": _ITEMS}),
    Step("turn", ({"nothing": None},), None),
    Step("add", (1,), 12),
)
# QuickJS as it is made here has no output, StarlingMonkey another interface.
_MUTE = tuple(each for each in _WHOLE if each.function != "say")
_SHORT = [{"name": "tea \u2615", "quantity": 3}, {"name": "cup", "quantity": 0}]

LANGUAGES = (
    Row(name="C", guest="c", script=_WHOLE, state=(Step("get", (), 12),)),
    Row(name="Zig", guest="zig", script=_WHOLE, state=(Step("get", (), 12),)),
    Row(name="Rust", guest="rust", script=_WHOLE, state=(Step("get", (), 12),)),
    Row(name="Go", guest="go", script=_SMALL, state=(Step("get", (), 11),)),
    Row(name="QuickJS", guest="quick", script=_MUTE, state=(Step("get", (), 12),)),
    Row(
        name="StarlingMonkey",
        guest="js",
        script=(
            Step("add", (5,), 5),
            Step("describe", (_SHORT,), ...),
            Step("add", (6,), 11),
            Step("describe", ([],), ...),
        ),
        state=(Step("add", (1,), 12),),
    ),
)

_ONE, _TWO = (str(ResourceUrn(str(component_uuid(COMPONENT)), WORKER, number)) for number in (1, 2))
SHELF = Row(
    name="resources of the guest",
    guest="shelf",
    script=(
        Step("open", (10,), _ONE),
        Step("[constructor]basket", (20,), _TWO),
        Step("[method]basket.add", (_ONE, 5), 15),
        Step("[method]basket.add", (_TWO, 1), 21),
        Step("made", (), 2),
    ),
    state=(Step("[method]basket.total", (_ONE,), 15), Step("[method]basket.total", (_TWO,), 21)),
)

HOLDER = Row(
    name="files, streams and timers held open by a C guest",
    guest="holder",
    script=(
        Step("open", (), "opened"),
        Step("next", (), "one- a-text over readable"),
        Step("next", (), "two- b-empty over readable"),
        Step("lines", (), "1\n2\n"),
        Step("next", (), "six- c-notes over readable"),
        Step("next", (), "ten- no more over readable"),
        Step("next", (), "closed no more over readable"),
    ),
    state=(Step("lines", (), "1\n2\n3\n4\n5\n"),),
)
