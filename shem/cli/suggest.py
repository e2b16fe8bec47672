"""Near misses: what the user may have meant."""

import asyncio
import difflib
import re
from collections.abc import Sequence
from typing import Final

from shem.client import Client
from shem.errors import ShemError, UnknownWorkerError

__all__ = ["did_you_mean", "function_names", "suggest", "version_of"]

CANDIDATES_MAX: Final = 1_000
FUNCTIONS_SHOWN_MAX: Final = 20
LOOK_TIMEOUT_S: Final = 2.0


async def suggest(
    client: Client,
    error: ShemError,
    *,
    component: str | None,
    worker: str | None,
    call: str | None,
) -> str | None:
    """Return a hint for an error about a name, or None. Never fails."""
    try:
        match error.kind:
            case "unknown-component" if component is not None:
                known = [each.name for each in await client.components.all()]
                return did_you_mean(component, known)
            case "unknown-worker" if component is not None and worker is not None:
                return did_you_mean(worker, await _workers(client, component))
            case "timeout" if component is not None and worker is not None:
                return await _why_it_waits(client, component, worker)
            case "unknown-function" if component is not None and call is not None:
                version = None if worker is None else await version_of(client, component, worker)
                described = await client.components.describe(component, version)
                return _functions(call, described.exports)
            case _:
                return None
    except ShemError:
        # A hint is a courtesy: the error itself is what counts.
        return None


async def _why_it_waits(client: Client, component: str, worker: str) -> str | None:
    """Tell of a worker that nothing will come of until somebody mends it."""
    try:
        async with asyncio.timeout(LOOK_TIMEOUT_S):
            await client.worker(component, worker).status()
    except TimeoutError:
        return None
    except ShemError as error:
        if error.kind != "log-damaged":
            return None
        return (
            f"{error.kind}: {error}; nothing of it runs until that is mended: `shem oplog verify`"
        )
    return None


async def version_of(client: Client, component: str, worker: str) -> int | None:
    """Return the version that a worker runs, which may be older; None: it does not exist."""
    try:
        return (await client.worker(component, worker).status()).component_version
    except UnknownWorkerError:
        return None


def did_you_mean(name: str, known: Sequence[str]) -> str | None:
    """Return a question that names what is like `name`, or None: also if it is there itself."""
    if name in known:
        return None
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(close)}?" if close else None


async def _workers(client: Client, component: str) -> list[str]:
    names: list[str] = []
    async for status in client.workers(component):
        names.append(status.worker)
        if len(names) >= CANDIDATES_MAX:
            break
    return names


def function_names(signatures: Sequence[str]) -> list[str]:
    """Return the names by which functions can be called: short, unless several have the same."""
    short = [_short_name(signature) for signature in signatures]
    return [
        name if short.count(name) == 1 else signature.split("(", 1)[0]
        for name, signature in zip(short, signatures, strict=True)
    ]


def _functions(call: str, signatures: Sequence[str]) -> str:
    wanted = call.split("(", 1)[0]
    # A signature reads `demo:counter/api.{add}(value: u64) -> u64`.
    short = [_short_name(signature) for signature in signatures]
    question = did_you_mean(_short_name(wanted), short)
    shown = "\n  ".join(signatures[:FUNCTIONS_SHOWN_MAX])
    return f"{question or 'the component exports'}\n  {shown}"


def _short_name(signature: str) -> str:
    in_braces = re.search(r"\{([^}(]*)", signature)
    return in_braces[1] if in_braces else signature.split("(", 1)[0].rpartition("/")[2]
