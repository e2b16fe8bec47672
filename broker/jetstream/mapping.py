"""Several streams need the server to map incoming subjects: asked without leaving a trace.

A publish that expects another stream than there is one is refused by whichever stream it reaches,
which names itself; a publish that reaches none is answered so by the server.
"""

import asyncio
import itertools
from typing import Final

import msgspec
from msgspec import Struct

from broker import subjects
from broker.errors import PermissionDeniedError, SetupError, UnavailableError
from broker.jetstream.limits import PUBLISH_TIMEOUT_S
from broker.jetstream.wire import Wire
from broker.sharding import Sharding, mappings_text, stream_name

__all__ = ["check_mappings"]

_EXPECTED_STREAM: Final = "Nats-Expected-Stream"
_NOBODY: Final = "SHEM_NO_STREAM"
# Names whose partitions are spread; a mapping with another number of partitions fails on some.
_PROBES: Final = 12


class _Refusal(Struct, frozen=True):
    stream: str = ""


async def check_mappings(wire: Wire, sharding: Sharding, *, up_to: int | None = None) -> None:
    """Make sure that what is published for a worker reaches the stream of its partition.

    `up_to`: of the streams before that number; there are no others yet.

    Raises:
        SetupError: it does not; the message says what to configure.
    """
    everybody = (f"probe-{number}" for number in itertools.count())
    wanted = (
        worker
        for worker in everybody
        if up_to is None or sharding.stream_of_worker("shem", worker) < up_to
    )
    workers = list(itertools.islice(wanted, _PROBES))
    try:
        reached = await asyncio.gather(*(_stream_reached(wire, worker) for worker in workers))
    except PermissionDeniedError:
        # Who may not invoke has nothing to be sorted.
        return
    except (UnavailableError, msgspec.DecodeError) as error:
        raise SetupError(_advice(sharding, f"no stream takes them in ({error})")) from error
    for worker, found in zip(workers, reached, strict=True):
        expected = stream_name(sharding.stream_of_worker("shem", worker))
        if found != expected:
            raise SetupError(_advice(sharding, f"one reached {found!r} instead of {expected}"))


async def _stream_reached(wire: Wire, worker: str) -> str:
    answer = await wire.request(
        subjects.invoke("shem", worker),
        b"",
        {_EXPECTED_STREAM: _NOBODY},
        timeout_s=PUBLISH_TIMEOUT_S,
    )
    return msgspec.json.decode(answer.data, type=_Refusal).stream


def _advice(sharding: Sharding, problem: str) -> str:
    return (
        f"{sharding.streams} streams hold the logs, but the server does not sort invocations into "
        f"them: {problem}. Add this to the account in the server's configuration and reload it:\n"
        f"{mappings_text(sharding.partitions)}"
    )
