"""The clients that this gateway holds, connected or away; and those of gateways that have died.

Every gateway follows the bucket: records of clients, and the keys by which gateways live. A record
changes hands by being replaced at the revision that was read, so one gateway has it at a time.

A client ends in steps that any gateway can go on with: its record is copied to `ended`, removed
(from here on it is gone), its worker told, its messages removed, the copy removed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol, final

import msgspec
import structlog

from broker.errors import BrokerError, ExistsError
from broker.ports import Bucket, BucketEntry, Subscription
from gateway.clients.limits import (
    AWAY_S,
    CLIENTS_MAX,
    GATEWAY_TTL_S,
    HEARTBEAT_S,
    UNWRITTEN_MAX,
)
from gateway.clients.mailbag import Mailbag, Senders
from gateway.clients.records import (
    CLIENTS,
    ENDED,
    GATEWAYS,
    ClientRecord,
    Target,
    client_key,
    decode_record,
    ended_key,
    gateway_key,
    new_client,
)
from gateway.errors import RequestError

__all__ = ["Attached", "Held", "Holder", "Post"]

# Publishes an invocation durably: component, worker, payload, key.
Post = Callable[[str, str, bytes, str], Awaitable[None]]

# Come back: with its token the client hears then that it is gone.
_BEGIN_ANEW: Final = 1012

_log = structlog.get_logger(__name__)


class Attached(Protocol):
    """The connection of a client."""

    def nudge(self) -> None:
        """There is something to be written."""
        ...

    def drop(self, code: int, reason: str) -> None:
        """Close it; the client goes on elsewhere, or is gone."""
        ...


@final
class Held:
    """A client of this gateway. `written`: the sequence of the last message that it was sent."""

    __slots__ = (
        "acked",
        "connection",
        "id",
        "is_ending",
        "record",
        "revision",
        "senders",
        "timer",
        "unwritten",
        "written",
    )

    def __init__(self, id_: str, record: ClientRecord, revision: int) -> None:
        self.id = id_
        self.record = record
        self.revision = revision
        self.connection: Attached | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.written = 0
        self.acked = 0
        self.unwritten = 0
        self.senders = Senders()
        self.is_ending = False


@final
class Holder:
    """Opens, resumes, adopts and ends clients."""

    def __init__(self, bucket: Bucket, mailbag: Mailbag, post: Post, *, name: str) -> None:
        """Make one; `name` is never used again by another process."""
        self.name = name
        self.mailbag = mailbag
        self.ready = asyncio.Event()
        """Set once clients may come."""
        self._bucket = bucket
        self._post = post
        self._held: dict[str, Held] = {}
        # Clients of other gateways, and the ends that others have begun, by the gateway.
        self._elsewhere: dict[str, str] = {}
        self._ending: dict[str, str] = {}
        # Ends that are being gone on with here.
        self._finishing: set[str] = set()
        self._alive: set[str] = set()
        # Clients that nobody holds and that something was sent to.
        self._strays: set[str] = set()
        # Since when a gateway is missing that clients name.
        self._missing: dict[str, float] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._subscription: Subscription | None = None

    @property
    def count(self) -> int:
        """How many clients are held."""
        return len(self._held)

    async def run(self) -> None:
        """Hold clients until cancelled; then others may have them at once."""
        await self._beat()
        await self.mailbag.start(self._nudge)
        self._subscription = await self._bucket.watch(self._on_entry)
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self.ready.set()
                while True:
                    await asyncio.sleep(HEARTBEAT_S)
                    await self._beat()
                    self._sweep()
        finally:
            # Timers may still ring.
            self._tasks = None
            await self._subscription.close()
            await self.mailbag.stop()
            await self._bucket.delete(gateway_key(self.name))

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run something beside; it ends with the gateway."""
        assert self._tasks is not None, "the holder runs"
        return self._tasks.create_task(work)

    async def open(self, target: Target, api: str) -> tuple[Held, str]:
        """Return a new client and its resume token; its worker has been told durably.

        Raises:
            RequestError: 503, there are too many.
        """
        if len(self._held) >= CLIENTS_MAX:
            raise RequestError(503, "unavailable", f"{CLIENTS_MAX} clients are connected here")
        id_, token, record = new_client(self.name, target, api)
        held = Held(id_, record, 0)
        # Known before the bucket tells, so that it is not taken for somebody else's.
        self._held[id_] = held
        try:
            held.revision = await self._bucket.create(client_key(id_), record.encode())
            if target.on_open is not None:
                await self._call(held, target.on_open, [], "open")
        except BaseException:
            self._held.pop(id_, None)
            await self._bucket.delete(client_key(id_))
            raise
        return held, token

    async def resume(self, token: str, api: str) -> Held:
        """Return a client that comes back, from wherever it was held.

        Raises:
            RequestError: 410, it is gone; 403, the token is another one's.
        """
        id_ = token.partition(".")[0]
        for _ in range(3):
            entry = await self._bucket.get(client_key(id_))
            if entry is None or entry.data is None:
                raise RequestError(410, "gone", "the client was away for too long; begin anew")
            record = decode_record(entry.data)
            if not record.may_resume(token) or record.api != api:
                raise RequestError(403, "forbidden", "the resume token is not of this client")
            held = await self._take(id_, record, entry.revision)
            if held is None:
                continue
            # Asked last: who ends it writes this first, and then looks who holds the client.
            if held.is_ending or await self._bucket.get(ended_key(id_)) is not None:
                if self._held.get(id_) is held and not held.is_ending:
                    self._held.pop(id_)
                raise RequestError(410, "gone", "the client has left; begin anew")
            return held
        raise RequestError(503, "unavailable", "somebody else resumes this client; try again")

    def attach(self, held: Held, connection: Attached) -> None:
        """Have a client connected; an older connection of it is dropped."""
        if held.connection is not None:
            held.connection.drop(4001, "the client has come back by another connection")
        if held.timer is not None:
            held.timer.cancel()
            held.timer = None
        held.connection = connection
        if self._held.get(held.id) is not held or held.is_ending:
            # It was ended while the connection was being made.
            connection.drop(_BEGIN_ANEW, "the client has left; begin anew")
            return
        connection.nudge()

    def detach(self, held: Held, connection: Attached) -> None:
        """Have a client be away, unless it has another connection."""
        if held.connection is connection:
            held.connection = None
            if self._held.get(held.id) is held:
                self._expect(held)

    async def message(self, held: Held, value: object, n: int | None, nonce: str) -> None:
        """Invoke the client's function; durable on return."""
        what = nonce if n is None else str(n)
        await self._call(held, held.record.target.on_message, [value], what)

    async def end(self, held: Held) -> None:
        """Have a client be gone, and tell its worker; nothing happens if it is by now."""
        if self._held.get(held.id) is not held or held.is_ending:
            return
        held.is_ending = True
        if held.timer is not None:
            held.timer.cancel()
        try:
            await self._bucket.put(ended_key(held.id), held.record.encode())
        except BrokerError:
            held.is_ending = False
            self._expect(held)
            raise
        self._held.pop(held.id, None)
        self._ending[held.id] = self.name
        if held.connection is not None:
            # It came back in this very moment; who is told to go has heard so already.
            held.connection.drop(_BEGIN_ANEW, "the client has left; begin anew")
        await self._finish(held.id, held.record)

    def leave(self, held: Held) -> None:
        """Have a client be gone, now or as soon as the broker answers."""
        if self._tasks is not None:
            self.spawn(self._persist(self.end(held), f"end of client {held.id}"))

    async def _finish(self, id_: str, record: ClientRecord) -> None:
        if id_ in self._finishing:
            return
        self._finishing.add(id_)
        try:
            await self._bucket.delete(client_key(id_))
            if record.target.on_close is not None:
                await self._call(Held(id_, record, 0), record.target.on_close, [], "close")
            # Before the end is forgotten: nobody would look for its messages again.
            await self.mailbag.clear(id_)
            await self._bucket.delete(ended_key(id_))
            self._ending.pop(id_, None)
        finally:
            self._finishing.discard(id_)

    async def _call(self, held: Held, function: str, more: list[object], what: str) -> None:
        target = held.record.target
        call = {"function": function, "params": [target.client(held.id), *more]}
        key = f"client-{held.id}-{what}"
        await self._post(target.component, target.worker, msgspec.json.encode(call), key)

    async def _take(self, id_: str, record: ClientRecord, revision: int) -> Held | None:
        """Make a record ours; None: somebody else was faster."""
        ours = msgspec.structs.replace(record, gateway=self.name)
        known = self._held.get(id_)
        if known is not None and record.gateway == self.name:
            return known
        held = self._held[id_] = known or Held(id_, ours, 0)
        try:
            held.revision = await self._bucket.update(
                client_key(id_), ours.encode(), revision=revision
            )
        except ExistsError:
            self._held.pop(id_, None)
            return None
        held.record = ours
        self._elsewhere.pop(id_, None)
        return held

    def _expect(self, held: Held) -> None:
        """Wait for a client to come back, for a while."""
        loop = asyncio.get_running_loop()
        held.timer = loop.call_later(AWAY_S, self.leave, held)

    async def _persist(self, work: Awaitable[object], what: str) -> None:
        """Do what may fail for now: the sweep, or another gateway, goes on with it."""
        try:
            await work
        except (BrokerError, RequestError) as error:
            _log.warning("it will be tried again", what=what, reason=str(error))

    def _nudge(self, client: str) -> None:
        held = self._held.get(client)
        if held is None:
            self._stray(client)
            return
        held.unwritten += 1
        if held.unwritten > UNWRITTEN_MAX:
            _log.info("a client does not read what it is sent", client=client)
            if held.connection is not None:
                held.connection.drop(1008, "too many messages wait for this client")
            self.leave(held)
        elif held.connection is not None:
            held.connection.nudge()

    def _stray(self, client: str) -> None:
        """Remove what was sent in the moment that a client went; it would stay for ever."""
        if client in self._elsewhere or client in self._strays:
            return
        self._strays.add(client)
        asyncio.get_running_loop().call_later(AWAY_S, self._forget_stray, client)

    def _forget_stray(self, client: str) -> None:
        self._strays.discard(client)
        is_known = client in self._elsewhere or client in self._held
        if self._tasks is not None and not is_known:
            self.spawn(self._clear_stray(client))

    async def _clear_stray(self, client: str) -> None:
        try:
            await self.mailbag.clear(client)
        except BrokerError as error:
            _log.warning("messages of a client stay for now", client=client, reason=str(error))
            self._stray(client)

    def _on_entry(self, entry: BucketEntry) -> None:
        key, data = entry.key, entry.data
        if key.startswith(GATEWAYS):
            name = key.removeprefix(GATEWAYS)
            (self._alive.discard if data is None else self._alive.add)(name)
        elif key.startswith(CLIENTS):
            self._on_client(key.removeprefix(CLIENTS), data, entry.revision)
        elif key.startswith(ENDED):
            id_ = key.removeprefix(ENDED)
            if data is None:
                self._ending.pop(id_, None)
            else:
                self._ending[id_] = decode_record(data).gateway

    def _on_client(self, id_: str, data: bytes | None, revision: int) -> None:
        held = self._held.get(id_)
        if held is not None and (held.revision == 0 or revision <= held.revision):
            # What we have written ourselves, or are about to, and what was there before.
            return
        if data is None:
            self._elsewhere.pop(id_, None)
            if held is not None:
                self._lose(held, _BEGIN_ANEW, "the client has left; begin anew")
            return
        gateway = decode_record(data).gateway
        if gateway == self.name:
            return
        self._elsewhere[id_] = gateway
        if held is not None:
            self._lose(held, 4001, "the client has come back by another connection")

    def _lose(self, held: Held, code: int, reason: str) -> None:
        """Hold a client no more that another gateway holds now, or has ended."""
        self._held.pop(held.id)
        if held.timer is not None:
            held.timer.cancel()
        if held.connection is not None:
            held.connection.drop(code, reason)

    async def _beat(self) -> None:
        try:
            await self._bucket.put(gateway_key(self.name), b"{}", ttl_s=GATEWAY_TTL_S)
        except BrokerError as error:
            _log.warning("cannot say that this gateway lives", reason=str(error))

    def _sweep(self) -> None:
        """Look for clients whose gateway has died."""
        now = asyncio.get_running_loop().time()
        named = {*self._elsewhere.values(), *self._ending.values()} - self._alive - {self.name}
        self._missing = {name: self._missing.get(name, now) for name in named}
        dead = {name for name, since in self._missing.items() if now - since >= GATEWAY_TTL_S}
        if dead:
            _log.info("clients of gateways that are gone", gateways=sorted(dead))
        for id_, gateway in list(self._elsewhere.items()):
            if gateway in dead:
                self.spawn(self._persist(self._adopt(id_), f"adopting client {id_}"))
        for id_, gateway in list(self._ending.items()):
            # Also what has failed here before.
            if gateway in dead or (gateway == self.name and id_ not in self._finishing):
                self.spawn(self._persist(self._go_on_ending(id_), f"end of client {id_}"))

    async def _adopt(self, id_: str) -> None:
        entry = await self._bucket.get(client_key(id_))
        if entry is None or entry.data is None:
            self._elsewhere.pop(id_, None)
            return
        record = decode_record(entry.data)
        if record.gateway in self._alive:
            return
        held = await self._take(id_, record, entry.revision)
        if held is not None and held.connection is None and held.timer is None:
            self._expect(held)

    async def _go_on_ending(self, id_: str) -> None:
        entry = await self._bucket.get(ended_key(id_))
        if entry is None or entry.data is None:
            self._ending.pop(id_, None)
            return
        await self._finish(id_, decode_record(entry.data))
