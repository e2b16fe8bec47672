"""Running what is answered later, in this gateway or for one that has died.

A run is stored before it is accepted, without an end. Its gateway runs its program, again as long
as nobody can be asked, and then marks it done, which lets it expire a day later. Every gateway
follows the bucket; one whose gateway lives no more is taken over by replacing it at the revision
that was read. Two that run it at the same time do no harm: its calls have the same keys.
"""

import asyncio
import re
from typing import Final, final

import msgspec
import structlog

import rib
from broker.errors import BrokerError, ExistsError
from broker.ports import Bucket, BucketEntry, Subscription
from gateway.clients.records import gateway_key
from gateway.component_requests import as_response
from gateway.errors import RequestError
from gateway.later.records import RUNS, LaterRun, decode_run, run_key
from gateway.limits import (
    LATER_BYTES_MAX,
    LATER_KEPT_S,
    LATER_RUNS_MAX,
    LATER_WAIT_S_MAX,
)
from gateway.responses import Response, respond
from gateway.running import run_program
from gateway.workers import Workers

__all__ = ["BELOW", "LaterRuns", "place_of", "wait_wanted"]

BELOW: Final = (".shem", "runs")
SWEEP_S: Final = 3.0
PAUSE_S: Final = 0.5
PAUSE_MAX_S: Final = 30.0
# What says nothing of the program: it is run again.
_FOR_NOW: Final = frozenset({503, 504})

_log = structlog.get_logger(__name__)


def wait_wanted(prefer: str) -> float | None:
    """Return how long a client waits that can be answered later (RFC 7240); None: it cannot."""
    preferences = [each.strip().lower() for each in prefer.split(",")]
    if "respond-async" not in preferences:
        return None
    waits = (re.fullmatch(r"wait\s*=\s*\"?(\d{1,6})\"?", each) for each in preferences)
    return min(LATER_WAIT_S_MAX, next((float(found[1]) for found in waits if found), 0.0))


def place_of(key: str) -> str:
    """Return the path where the answer to a request will be."""
    return f"/{'/'.join(BELOW)}/{key}"


@final
class LaterRuns:
    """All runs, of which this gateway runs some."""

    def __init__(self, bucket: Bucket, workers: Workers, *, name: str) -> None:
        """Make one; `name` is that of this gateway, said to live by its holder of clients."""
        self._bucket = bucket
        self._workers = workers
        self._name = name
        # Runs of other gateways that are not done, by key.
        self._elsewhere: dict[str, str] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._subscription: Subscription | None = None

    async def run(self) -> None:
        """Take runs until cancelled; then others may have them at once."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._subscription = await self._bucket.watch(self._on_entry, prefix=RUNS)
            try:
                while True:
                    await asyncio.sleep(SWEEP_S)
                    await self._sweep()
            finally:
                self._tasks = None
                await self._subscription.close()
                for task in self._running.values():
                    task.cancel()

    async def begin(self, run: LaterRun, wait_s: float) -> Response:
        """Accept a run durably; return its answer if it comes in time, otherwise where it will be.

        Raises:
            RequestError: 413, it is too large to be kept; 503, there are too many, or the broker
                does not take it; or what the program's failure means.
        """
        run = msgspec.structs.replace(run, gateway=self._name)
        data = run.encode()
        if len(data) > LATER_BYTES_MAX:
            detail = f"a request that is answered later may have {LATER_BYTES_MAX} bytes"
            raise RequestError(413, "content-too-large", detail)
        if len(self._running) >= LATER_RUNS_MAX:
            detail = f"{LATER_RUNS_MAX} requests are being answered later"
            raise RequestError(503, "unavailable", detail, (("retry-after", "1"),))
        try:
            await self._bucket.create(run_key(run.key), data)
        except ExistsError:
            # A repeated request: whoever runs it goes on.
            pass
        except BrokerError as error:
            raise RequestError(503, "unavailable", str(error), (("retry-after", "1"),)) from error
        else:
            self._start(run)
        task = self._running.get(run.key)
        if task is not None and wait_s:
            await asyncio.wait({task}, timeout=wait_s)
        known = await self.find(run.key)
        return await self.answer(known) if known is not None and wait_s else _accepted(run.key)

    async def find(self, key: str) -> LaterRun | None:
        """Return a run, None if there is none, or none any more.

        Raises:
            RequestError: 503, the broker does not answer.
        """
        try:
            entry = await self._bucket.get(run_key(key))
        except BrokerError as error:
            raise RequestError(503, "unavailable", str(error), (("retry-after", "1"),)) from error
        return None if entry is None or not entry.data else decode_run(entry.data)

    async def answer(self, run: LaterRun) -> Response:
        """Return the answer of a run, or where it will be.

        Raises:
            RequestError: what the program's failure means.
        """
        return await self._answered(run) if run.done else _accepted(run.key)

    async def _answered(self, run: LaterRun) -> Response:
        program = rib.Program.decode(run.program)
        value = await run_program(
            self._workers,
            program,
            run.values(program),
            run.key,
            timeout_s=run.timeout_s,
            told=run.context,
        )
        if run.is_handler:
            return as_response(value, self._workers)
        return respond(value, program.result, run.accept)

    def _start(self, run: LaterRun) -> None:
        if self._tasks is None or run.key in self._running:
            return
        task = self._tasks.create_task(self._persist(run), name=f"run {run.key}")
        self._running[run.key] = task
        task.add_done_callback(lambda _: self._running.pop(run.key, None))

    async def _persist(self, run: LaterRun) -> None:
        """Run until there is an answer, whatever it is, and say that it is there."""
        pause_s = PAUSE_S
        while True:
            try:
                await self._answered(run)
            except RequestError as error:
                if error.status in _FOR_NOW:
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, PAUSE_MAX_S)
                    continue
            except Exception:  # noqa: BLE001 - a bug is an answer, too
                # Whoever asks for the answer is told the same, and the log says it once more.
                _log.exception("a request that is answered later failed", key=run.key)
            try:
                done = msgspec.structs.replace(run, done=True)
                await self._bucket.put(run_key(run.key), done.encode(), ttl_s=LATER_KEPT_S)
            except BrokerError as error:
                _log.warning("cannot say that an answer is there", reason=str(error))
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, PAUSE_MAX_S)
            else:
                return

    def _on_entry(self, entry: BucketEntry) -> None:
        key = entry.key.removeprefix(RUNS)
        run = decode_run(entry.data) if entry.data else None
        if run is None or run.done or run.gateway == self._name:
            self._elsewhere.pop(key, None)
        else:
            self._elsewhere[key] = run.gateway

    async def _sweep(self) -> None:
        """Take over what gateways have left that live no more."""
        try:
            names = set(self._elsewhere.values())
            dead = {name for name in names if not await self._lives(name)}
            for key, gateway in list(self._elsewhere.items()):
                if gateway in dead and len(self._running) < LATER_RUNS_MAX:
                    await self._adopt(key)
        except BrokerError as error:
            _log.warning("cannot look for runs of other gateways", reason=str(error))

    async def _lives(self, name: str) -> bool:
        entry = await self._bucket.get(gateway_key(name))
        return entry is not None and entry.data is not None

    async def _adopt(self, key: str) -> None:
        entry = await self._bucket.get(run_key(key))
        if entry is None or not entry.data:
            return
        run = decode_run(entry.data)
        if run.done or run.gateway not in self._elsewhere.values():
            return
        ours = msgspec.structs.replace(run, gateway=self._name)
        try:
            await self._bucket.update(run_key(key), ours.encode(), revision=entry.revision)
        except ExistsError:
            return
        _log.info("a request of a gateway that is gone goes on here", key=key, gateway=run.gateway)
        self._elsewhere.pop(key, None)
        self._start(ours)


def _accepted(key: str) -> Response:
    place = place_of(key)
    headers = (
        ("location", place),
        ("retry-after", "1"),
        ("preference-applied", "respond-async"),
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
    )
    return Response(202, headers, msgspec.json.encode({"status": "running", "location": place}))
