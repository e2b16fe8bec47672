"""Replay equivalence: a worker that dies at any index of its log does what one that lives does.

A row is a program: a guest, invocations with what they answer, and the effects outside. It is run
once undisturbed; then once for every index of its log, with the executor killed there. Each run has
to give the same answers, leave the guest in the same state, which a replay of the whole log shows,
and have every effect outside as often as its kind allows.

The engine and the guests are real, the broker is the one in memory, and time jumps where nothing
but time is waited for. Every entry is a commit of its own, so that the log can end anywhere.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from typing import Any

import pytest
from msgspec import Struct
from wasmtime import wat2wasm

import oplog.writer
from actors.clients import client_key
from actors.engine.engine import WasmtimeEngine
from actors.engine.port import Component, HostCall
from actors.secrets import SecretStore
from broker import subjects
from tests.guests.build import build
from tests.replay import patience
from tests.replay.outside import Outside
from tests.simulation.cluster import COMPONENT, KEYS, Node, Simulation
from tests.support.system import CODE

WORKER = "w"
WITHIN_S = 3_600
# A loop of a guest is crashed in its first rounds and where it ends: so many entries before and
# after an index tell whether it is in the midst of one, so many rounds are crashed.
ALIKE = 8
ROUNDS = 2
# A run of JavaScript's engine takes a quarter of a second. Its rows of conformance go through the
# same entries as those of C, which are crashed everywhere, as they are by SHEM_CRASH_EVERYWHERE=1.
SLOW_CRASHES_MAX = 12
EVERYWHERE = bool(os.environ.get("SHEM_CRASH_EVERYWHERE"))


class Effect(Enum):
    """How often something may be done outside, seen over a crash."""

    ONCE = auto()
    """Never more often than it was asked for."""
    SAME_KEY = auto()
    """Again after a crash, but then with the same idempotency key and the same content."""
    AGAIN = auto()
    """Again after a crash: it only reads."""


class Step(Struct, frozen=True):
    """An invocation and its answer.

    In the answer `...` stands for anything and `"$name"` for what the name stood for before. What
    differs between two runs, such as random numbers, is compared within its run that way.
    """

    function: str
    params: tuple[Any, ...]
    answer: Any = None
    failure: str | None = None
    headers: Mapping[str, str] = {}


class Row(Struct, frozen=True, kw_only=True):
    """One program. `$HTTP` in parameters is the authority of the server outside."""

    name: str
    guest: str
    script: tuple[Step, ...]
    state: tuple[Step, ...] = ()
    """Asked once more at the end, of a worker that has replayed its whole log."""
    effects: Mapping[str, tuple[Effect, int]] = {}
    """`METHOD /path` of the server outside: its kind, and how often it is asked for."""
    bucket: Mapping[str, Mapping[str, str]] = {}
    """What each key-value bucket holds at the end."""
    clients: Mapping[str, Sequence[Any]] = {}
    """What each connected client has been sent, once and in order."""
    secrets: Mapping[str, str] = {}
    """What the component's secrets say."""
    blobs: Mapping[str, bytes] = {}
    """What lies in the object store from the start."""
    failures: bool = False
    """Whether entries of the kind `error` may be in the log."""
    exits: bool = False
    """Whether the guest ends its process: nothing is invoked any more."""
    check: Callable[[Outside], None] | None = None
    options: Mapping[str, Any] = {}
    versions: int = 1
    """How often the component is uploaded; the worker begins with the newest."""


def py(
    code: str,
    answer: Any = None,
    *,
    raises: str | None = None,
    headers: Mapping[str, str] = {},
) -> Step:
    """A step of the guest `probe`: run Python code, whose last expression is the answer."""
    told = {"err": raises} if raises else {"ok": _Json(answer)}
    return Step("api/run", (code,), told, headers=headers)


def http(request: Mapping[str, Any], answer: Any) -> Step:
    """A step of any guest that answers HTTP: a request, and the response or error."""
    return Step("wasi:http/incoming-handler.{handle}", (request,), answer)


class _Json(Struct, frozen=True):
    """A text that holds this as JSON."""

    value: Any


class _Counting:
    """A program that counts how often it restored an instance."""

    def __init__(self, program: Any) -> None:
        self._program = program
        self.restored = 0

    async def instantiate(self, *arguments: Any, **options: Any) -> Any:
        return await self._program.instantiate(*arguments, **options)

    async def restore(self, *arguments: Any, **options: Any) -> Any:
        self.restored += 1
        return await self._program.restore(*arguments, **options)


class _LinkedOnce:
    """A component that is not linked anew by every executor: there are hundreds of them."""

    def __init__(self, component: Component, called: set[str]) -> None:
        self._called = called
        self.world = component.world
        self.digest = component.digest
        self._component = component
        self._program: Any = None

    @property
    def restored(self) -> int:
        return 0 if self._program is None else int(self._program.restored)

    def link(self, resolver: Any) -> Any:
        if self._program is None:
            self._program = _Counting(self._component.link(_Noting(resolver, self._called)))
        return self._program


class _Noting:
    """A resolver that notes which host functions are called."""

    def __init__(self, resolver: Any, called: set[str]) -> None:
        self._resolver = resolver
        self._called = called

    def function(self, interface: str | None, name: str, type_: Any) -> HostCall | None:
        found = self._resolver.function(interface, name, type_)
        if found is None:
            return None
        full = f"{(interface or '').partition('@')[0]}#{name}"

        def run(*arguments: Any) -> Any:
            self._called.add(full)
            return found.run(*arguments)

        return HostCall(run=run, blocking=found.blocking)

    def drop(self, resource: Any) -> Any:
        return self._resolver.drop(resource)


class Guests:
    """An engine whose components are loaded before: uploads name them."""

    def __init__(self) -> None:
        # Shared with other tests: all Python guests have one interpreter.
        self._engine = WasmtimeEngine(CODE)
        self._loaded: dict[bytes, Any] = {}
        self.called: set[str] = set()
        """The host functions that guests have called."""
        self.ran: set[str] = set()
        """The rows that have run."""
        # How logs begin at whose end a guest was killed.
        self._seen: set[tuple[str, tuple[str, ...]]] = set()

    def is_new(self, guest: str, beginning: Sequence[dict[str, Any]]) -> bool:
        """Whether no worker of `guest` was killed at the end of such a log.

        All programs of an interpreter begin alike, and once is enough.
        """
        key = (guest, tuple(f"{one['type']} {one.get('function')}" for one in beginning))
        is_new = key not in self._seen
        self._seen.add(key)
        return is_new

    def prepare(self, guest: str) -> bytes:
        """Return what to upload for a guest."""
        name = f"guest {guest}".encode()
        if name not in self._loaded:
            loaded = asyncio.run(self._engine.load(build(guest).read_bytes()))
            self._loaded[name] = _LinkedOnce(loaded, self.called)
        return name

    def prepare_text(self, name: str, text: str) -> bytes:
        """Return what to upload for a guest in the text format."""
        key = f"text {name}".encode()
        if key not in self._loaded:
            loaded = asyncio.run(self._engine.load(bytes(wat2wasm(text))))
            self._loaded[key] = _LinkedOnce(loaded, self.called)
        return key

    def restored(self, component: bytes) -> int:
        """How many instances of a component were made from snapshots."""
        return int(self._loaded[component].restored)

    async def load(self, data: bytes, *, progress: object = None) -> Any:
        return self._loaded[data]

    def close(self) -> None:
        assert self._engine.live_count == 0, "instances were left open"
        self._engine.close()


class Told(Struct):
    """What came of a run."""

    entries: list[dict[str, Any]]
    appends: int
    crashed: bool
    counts: Counter[str]
    restored: int = 0


@contextmanager
def one_entry_per_commit() -> Any:
    """Let the log end at every index."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oplog.writer, "COMMIT_ENTRIES_MAX", 1)
        yield


def check_everywhere(
    row: Row, guests: Guests, *, places: Sequence[str] = (), at_most: int | None = None
) -> int:
    """Run a row and crash it at every index; return how many crashes there were.

    A crash is `before` the append, when its entry is lost, or `after` it, when nobody was told. By
    default they take turns. For slow guests, `at_most` so many indexes are crashed, the first and
    the last and what lies evenly between them, unless all are asked for.
    """
    component = guests.prepare(row.guest)
    guests.ran.add(row.name)
    with one_entry_per_commit():
        reference = patience.run(_run(row, guests, component, None))
        crashes = 0
        repeats = _repeats(reference.entries)
        indexes = [
            append
            for append in range(1, reference.appends + 1)
            if guests.is_new(row.guest, reference.entries[:append]) and append not in repeats
        ]
        known = reference.appends - len(indexes)
        count = len(indexes) if EVERYWHERE else at_most or len(indexes)
        for append in _spread(indexes, count):
            for place in places or ("after" if append % 2 else "before",):
                try:
                    told = patience.run(_run(row, guests, component, (append, place)))
                except BaseException as error:
                    error.add_note(f"row {row.name!r}, crash {place} append {append}")
                    raise
                crashes += told.crashed
    assert crashes or known, f"row {row.name!r} was never crashed"
    return crashes


def _spread(indexes: Sequence[int], count: int) -> Sequence[int]:
    """Return `count` of them at most, two or more: both ends and evenly what is between."""
    if len(indexes) <= count:
        return indexes
    last = len(indexes) - 1
    return [indexes[number * last // (count - 1)] for number in range(count)]


def _repeats(entries: Sequence[dict[str, Any]]) -> set[int]:
    """Return the indexes in the midst of a loop that went round before: nothing is new there.

    What came in front of them and what follows is what did twice already.
    """
    kinds = [f"{one['type']} {one.get('function')}" for one in entries]
    seen: Counter[tuple[str, ...]] = Counter()
    repeats: set[int] = set()
    for index in range(ALIKE, len(kinds) - ALIKE):
        around = tuple(kinds[index - ALIKE : index + ALIKE])
        seen[around] += 1
        if seen[around] > ROUNDS:
            repeats.add(index)
    return repeats


def run_once(row: Row, guests: Guests) -> None:
    """Run a row undisturbed."""
    component = guests.prepare(row.guest)
    patience.run(_run(row, guests, component, None))


async def _run(
    row: Row, guests: Guests, component: bytes, crash_at: tuple[int, str] | None
) -> Told:
    outside = Outside()
    if row.effects:
        # Time jumps less readily with a server beside.
        await outside.start()
    try:
        async with Simulation(engine=guests, component=component, **row.options) as simulation:
            await _prepare(row, simulation, component)
            await _keep(simulation, row.secrets)
            node = simulation.start()
            node.broker.journal.crash_at = crash_at
            reviver = asyncio.create_task(_revive(simulation, node))
            names: dict[str, Any] = {}
            await play(simulation, row.script, outside, names, prefix="s")
            reviver.cancel()
            appends = node.broker.journal.appends
            for each in simulation.nodes:
                # The crash that was asked for may come this late.
                each.executor.stop()
                await asyncio.wait({each.task})
            before = outside.counts()
            simulation.start()
            await play(simulation, row.state, outside, names, prefix="e")
            assert outside.counts() == before, "the replay of a complete log did something outside"
            _check_effects(row, outside, crashed=node.killed)
            await _check_buckets(row, simulation)
            await _check_clients(row, simulation)
            if row.check is not None:
                row.check(outside)
            entries = await simulation.log(WORKER)
            _check_log(row, entries)
            return Told(entries, appends, node.killed, outside.counts())
    finally:
        await outside.stop()


async def _keep(simulation: Simulation, secrets: Mapping[str, str]) -> None:
    store = SecretStore(simulation.client.secrets, KEYS)
    for name, value in secrets.items():
        await store.set(COMPONENT, name, value.encode(), now_ms=0)


async def play_moving(row: Row, guests: Guests, component: bytes, *, moves: bool) -> Told:
    """Play a row; with `moves`, kill the executor after every step and start another one."""
    outside = Outside()
    restored = guests.restored(component)
    if row.effects:
        await outside.start()
    try:
        async with Simulation(engine=guests, component=component, **row.options) as simulation:
            await _prepare(row, simulation, component)
            await _keep(simulation, row.secrets)
            node = simulation.start()
            names: dict[str, Any] = {}
            for number, step in enumerate((*row.script, *row.state)):
                await play(simulation, (step,), outside, names, prefix=f"{number}-")
                # What follows an invocation is over when nothing is left to do.
                await asyncio.sleep(0.2)
                if moves:
                    node.kill()
                    node = simulation.start()
            _check_effects(row, outside, crashed=False)
            await _check_buckets(row, simulation)
            await _check_clients(row, simulation)
            if row.check is not None:
                row.check(outside)
            entries = await simulation.log(WORKER)
            restored = guests.restored(component) - restored
            return Told(entries, 0, moves, outside.counts(), restored)
    finally:
        await outside.stop()


async def _prepare(row: Row, simulation: Simulation, component: bytes) -> None:
    for client in row.clients:
        await simulation.client.clients.put(client_key(client), b"{}")
    for name, data in row.blobs.items():
        await simulation.client.blobs.put(name, data)
    for _ in range(1, row.versions):
        await simulation.upload(COMPONENT, component, **row.options.get("settings", {}))


async def _revive(simulation: Simulation, node: Node) -> None:
    await asyncio.wait({node.task})
    simulation.start()


async def play(
    simulation: Simulation,
    steps: Sequence[Step],
    outside: Outside,
    names: dict[str, Any],
    *,
    prefix: str,
    worker: str = WORKER,
) -> None:
    """Invoke a worker step by step and compare the answers; keys begin with `prefix`."""
    for number, step in enumerate(steps):
        key = f"{prefix}{number}"
        params = [_filled(one, outside) for one in step.params]
        await simulation.publish(worker, step.function, *params, key=key, headers=step.headers)
        outcome = await simulation.result(key, within_s=WITHIN_S)
        answers = simulation.results[key]
        assert all(one == answers[0] for one in answers), f"{key} was answered differently"
        if step.failure is not None:
            kind = outcome.get("error", {}).get("kind")
            assert kind == step.failure, f"step {number}: {outcome}"
            continue
        assert "error" not in outcome, f"step {number}, {step.params}: {outcome['error']}"
        told = outcome.get("result")
        assert _fits(told, step.answer, names), (
            f"step {number}, {step.function}{_brief(params)}: answered {_brief(told)}, "
            f"expected {_brief(step.answer)} with {_brief(names)}"
        )


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 1_000 else f"{text[:1_000]}…"


def _filled(parameter: Any, outside: Outside) -> Any:
    if isinstance(parameter, str):
        return parameter.replace("$HTTP", f"127.0.0.1:{outside.port}")
    return parameter


def _fits(told: Any, wanted: Any, names: dict[str, Any]) -> bool:
    if wanted is ...:
        return True
    if isinstance(wanted, _Json):
        return isinstance(told, str) and _fits(json.loads(told), wanted.value, names)
    if isinstance(wanted, str) and wanted.startswith("$"):
        return bool(names.setdefault(wanted, told) == told)
    if isinstance(wanted, Mapping):
        same = isinstance(told, Mapping) and wanted.keys() == told.keys()
        return same and all(_fits(told[key], wanted[key], names) for key in wanted)
    if isinstance(wanted, list | tuple):
        same = isinstance(told, list) and len(told) == len(wanted)
        return same and all(map(_fits, told, wanted, [names] * len(wanted)))
    return bool(told == wanted)


def _check_effects(row: Row, outside: Outside, *, crashed: bool) -> None:
    counts = outside.counts()
    asked = set(row.effects)
    assert set(counts) <= asked, f"nobody asked for {set(counts) - asked}"
    for what, (effect, times) in row.effects.items():
        if effect is Effect.ONCE or not crashed:
            assert counts[what] == times, f"{what}: {counts[what]} times instead of {times}"
            continue
        assert counts[what] >= times, f"{what}: {counts[what]} times instead of {times}"
        if effect is Effect.SAME_KEY:
            contents = {(one.key, one.body) for one in outside.heard if one.what == what}
            assert "" not in outside.keys(what), f"{what}: without idempotency key"
            assert len(contents) == times, f"{what}: {len(contents)} different instead of {times}"


async def _check_buckets(row: Row, simulation: Simulation) -> None:
    for name, wanted in row.bucket.items():
        bucket = simulation.client.keyvalue(name)
        found = {}
        for key in await bucket.keys():
            entry = await bucket.get(key)
            found[key] = "" if entry is None else (entry.data or b"").decode()
        assert found == wanted, f"bucket {name}"


async def _check_clients(row: Row, simulation: Simulation) -> None:
    for client, wanted in row.clients.items():
        sent = simulation.client.journal.read(subjects.client_messages(client))
        found = [json.loads(message.data) async for message in sent]
        assert found == list(wanted), f"client {client}"


def _check_log(row: Row, entries: list[dict[str, Any]]) -> None:
    types = Counter(entry["type"] for entry in entries)
    assert types["create"] == 1
    steps = len(row.script) + len(row.state)
    # A worker that has failed or ended takes nothing.
    rejected = types["invocation-rejected"] if row.failures or row.exits else 0
    assert types["exported-function-invoked"] + rejected == steps
    assert types["exported-function-completed"] + rejected == steps
    if row.failures:
        assert types["error"], "no error in the log"
    else:
        errors = [entry for entry in entries if entry["type"] == "error"]
        assert not errors, errors
