"""Management requests: asked until somebody answers or the time is over."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, final

import msgspec
from msgspec import Struct

from broker import subjects
from broker.errors import BrokerError
from broker.errors import UnavailableError as BrokerUnavailableError
from broker.ports import Note, Signals
from shem.client.invocations import Failure, broker_error
from shem.client.lifetime import Lifetime
from shem.errors import InternalError, UnavailableError, from_kind

__all__ = ["Answer", "Requests", "decode_answer"]

REQUEST_TIMEOUT_S: Final = 10.0
# No executor listens while the system starts or after a crash of all; it comes back within this.
PAUSE_S: Final = 0.25


class Answer(Struct, frozen=True):
    """What a request or a command is answered with."""

    ok: object = None
    error: Failure | None = None


_decoder = msgspec.json.Decoder(Answer)


def decode_answer(note: Note) -> object:
    """Return what was answered.

    Raises:
        ShemError: the answer is an error, or none of ours.
    """
    try:
        answer = _decoder.decode(note.data)
    except msgspec.DecodeError as error:
        raise InternalError(f"malformed answer on {note.subject}: {error}") from error
    if answer.error:
        raise from_kind(answer.error.kind, answer.error.message)
    return answer.ok


@final
class Requests:
    """Asks the management service. Every request may be repeated without harm."""

    def __init__(self, signals: Signals, lifetime: Lifetime) -> None:
        self._signals = signals
        self._lifetime = lifetime

    def check(self) -> None:
        """Go on while the client may be used here. Raises `RefusedError`."""
        self._lifetime.check()

    async def ask(
        self,
        name: str,
        body: Mapping[str, object],
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
        progress: Callable[[int, int], None] | None = None,
    ) -> object:
        """Ask `<noun>.<verb>` and return the answer.

        Raises:
            UnavailableError: nobody answered in time.
            ShemError: the answer is an error.
        """
        data = msgspec.json.encode(body)
        if progress is None:
            return await self._ask(name, data, {}, timeout_s)
        self.check()
        inbox = self._signals.inbox()

        def on_note(note: Note) -> None:
            step = msgspec.json.decode(note.data, type=dict[str, int])
            progress(step["done"], step["total"])

        subscription = await self._signals.subscribe(inbox, on_note)
        try:
            return await self._ask(name, data, {"Shem-Progress-To": inbox}, timeout_s)
        finally:
            await subscription.close()

    async def _ask(
        self, name: str, data: bytes, headers: Mapping[str, str], timeout_s: float
    ) -> object:
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            self.check()
            left_s = deadline - asyncio.get_running_loop().time()
            try:
                note = await self._signals.request(
                    f"{subjects.API}.{name}", data, headers=headers, timeout_s=max(left_s, PAUSE_S)
                )
                return decode_answer(note)
            except (BrokerUnavailableError, UnavailableError) as error:
                if left_s <= PAUSE_S:
                    raise UnavailableError(
                        f"no executor answered {name} within {timeout_s:g} s ({error}); "
                        "is `shem up` running?",
                        kind="unavailable",
                    ) from error
            except BrokerError as error:
                raise broker_error(error) from error
            await asyncio.sleep(PAUSE_S)
