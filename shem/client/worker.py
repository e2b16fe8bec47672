"""One worker, as callers and operators see it."""

import asyncio
import base64
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal, final

import msgspec
from msgspec import Struct

from actors.identity import name_problem
from actors.limits import KEY_BYTES_MAX
from broker import subjects
from broker.ports import Broker, Note
from shem.client.acknowledged import acknowledged
from shem.client.feed import Event, Feed, Result, pattern
from shem.client.follow import Followed, follow
from shem.client.invocations import Invocations, Outcome, decode_outcome
from shem.client.mail import Mail
from shem.client.requests import Requests, decode_answer
from shem.client.values import checked_payload, encode_call, given_parameters, scheduled_payload
from shem.errors import BadRequestError, ResultTimeoutError, UnavailableError
from shem.records import FileEntry, InvocationStatus, OplogEntry, WorkerStatus
from shem.telemetry import enqueue

__all__ = [
    "UPDATE_TIMEOUT_S",
    "FilePiece",
    "Worker",
    "check_names",
    "decode_event",
    "decode_result",
    "new_key",
]

INVOKE_TIMEOUT_S: Final = 30.0
COMMAND_TIMEOUT_S: Final = 10.0
UPDATE_TIMEOUT_S: Final = 30.0
# How often a worker is asked whether its update is done: the log says so, and no event.
UPDATE_LOOK_S: Final = 0.1
PAGE_ENTRIES: Final = 1_000


class _FilePage(Struct):
    entries: list[FileEntry]
    next: str | None = None


class FilePiece(Struct, rename="kebab"):
    """A piece of a file that has `size` bytes and changed last at that Unix time."""

    size: int
    data: bytes
    modified_ms: int = 0


@final
class Worker:
    """A handle; it costs nothing, and the worker need not exist before its first invocation.

    Keys make invocations idempotent: the same key on the same worker is executed once and answered
    with the same outcome for ever. Without one each call is its own.
    """

    def __init__(
        self,
        component: str,
        name: str,
        *,
        broker: Broker,
        invocations: Invocations,
        mail: Mail,
        requests: Requests,
    ) -> None:
        self.component = component
        self.name = name
        self._broker = broker
        self._invocations = invocations
        self._mail = mail
        self._requests = requests

    async def invoke(
        self,
        function: str,
        *params: object,
        named: Mapping[str, object] | None = None,
        key: str | None = None,
        timeout_s: float = INVOKE_TIMEOUT_S,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
    ) -> object:
        """Invoke durably and return the result as Python value, None if the function has none.

        `function` may be short (`add`), qualified (`api/add`) or full. Parameters go by position,
        or with `named` by name. `env` and `args` count only if this creates the worker.

        Raises:
            BadRequestError: no such function, or other parameters are expected.
            GuestError, WorkerStoppedError: it failed; the message says how.
            UnknownComponentError: there is no such component.
            ResultTimeoutError: it is durable but not done; ask again with the error's `key`.
            UnavailableError: the broker did not take it in time.
        """
        payload = encode_call(function, given_parameters(params, named))
        outcome = await self.call(payload, key=key, timeout_s=timeout_s, env=env, args=args)
        return outcome.value

    async def call_wave(
        self, call: str, *, key: str | None = None, timeout_s: float = INVOKE_TIMEOUT_S
    ) -> str | None:
        """Invoke by a WAVE call like `add(5)`; return the result as WAVE, None if there is none.

        Raises as `invoke`.
        """
        outcome = await self.call(call.encode(), key=key, timeout_s=timeout_s)
        outcome.check()
        return outcome.wave

    async def call(
        self,
        payload: bytes,
        *,
        key: str | None = None,
        timeout_s: float = INVOKE_TIMEOUT_S,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
        attributes: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Send a WAVE call or a JSON invocation as it is and return its outcome, error or not.

        `attributes` are texts about the invocation, which its guest and its trace get to know.

        Raises:
            BadRequestError: the payload is no bytes.
            ResultTimeoutError, UnavailableError: as `invoke`.
        """
        return await self._invocations.call(
            self.component,
            self.name,
            checked_payload(payload),
            key=_chosen(key),
            headers=_creation(env, args) | _attributes(attributes),
            timeout_s=timeout_s,
        )

    async def publish(
        self,
        function: str,
        *params: object,
        named: Mapping[str, object] | None = None,
        key: str | None = None,
        timeout_s: float = INVOKE_TIMEOUT_S,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
    ) -> str:
        """Invoke durably without waiting; return the key, which gets the outcome later.

        Raises:
            UnavailableError: the broker does not answer.
        """
        payload = encode_call(function, given_parameters(params, named))
        return await self.send(payload, key=key, timeout_s=timeout_s, env=env, args=args)

    async def send(
        self,
        payload: bytes,
        *,
        key: str | None = None,
        timeout_s: float = INVOKE_TIMEOUT_S,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
    ) -> str:
        """Send a WAVE call or a JSON invocation as it is, without waiting; return the key.

        Raises:
            BadRequestError: the payload is no bytes.
            UnavailableError: as `publish`.
        """
        chosen = _chosen(key)
        await self._invocations.publish(
            self.component,
            self.name,
            checked_payload(payload),
            key=chosen,
            headers=_creation(env, args),
            timeout_s=timeout_s,
        )
        return chosen

    async def schedule(
        self,
        function: str | bytes,
        *params: object,
        at: datetime,
        named: Mapping[str, object] | None = None,
        key: str | None = None,
    ) -> str:
        """Have the worker invoked at a time, with what `invoke` takes; return the key.

        Bytes are a WAVE call or a JSON invocation, sent as they are. The same key again replaces
        the time and the invocation, as long as it was not sent.

        Raises:
            BadRequestError: a parameter is nothing that JSON can say, or `at` has no zone.
            UnavailableError: the broker does not answer.
        """
        self._mail.lifetime.check()
        payload = scheduled_payload(function, given_parameters(params, named), at)
        chosen = _chosen(key)
        name = subjects.encode_token(f"key-{chosen}")
        with enqueue(self.component, self.name, chosen, {"Shem-Key": chosen}) as headers:
            scheduling = self._broker.journal.schedule(
                subjects.schedule(self.component, self.name, name),
                payload,
                target=subjects.invoke(self.component, self.name),
                at_ns=int(at.timestamp() * 1_000_000_000),
                message_id=f"{self.component}/{self.name}:{chosen}@{secrets.token_hex(6)}",
                headers={**headers, "Shem-Due": str(int(at.timestamp() * 1_000))},
            )
            await acknowledged(scheduling, f"the schedule of the key {chosen!r}", key=chosen)
        return chosen

    async def create(
        self,
        *,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
        version: int | None = None,
    ) -> None:
        """Create the worker without invoking it.

        Raises:
            RefusedError: of kind `worker-exists`.
            UnknownComponentError: no such component or version.
        """
        fields: dict[str, object] = {"env": dict(env or {}), "args": list(args)}
        if version is not None:
            fields["version"] = version
        await self.command("create", fields)

    async def interrupt(self, *, recover: bool = False) -> None:
        """Stop what runs until `resume`; with `recover` drop and recover it at once."""
        await self.command("interrupt", {"recover": True} if recover else {})

    async def resume(self) -> None:
        """Go on after an interrupt."""
        await self.command("resume")

    async def files(self, path: str = "/") -> AsyncIterator[FileEntry]:
        """Yield what lies in a directory of the worker, by name, or the file at the path.

        Answered between two invocations; the worker is brought into memory for it.

        Raises:
            RefusedError: no such path, or the worker is not idle.
        """
        after = ""
        while True:
            answer = await self.command("list-files", {"path": path, "after": after})
            page = msgspec.convert(answer, _FilePage)
            for entry in page.entries:
                yield entry
            if page.next is None:
                return
            after = page.next

    async def read_file(self, path: str) -> AsyncIterator[bytes]:
        """Yield the bytes of a file of the worker, in pieces.

        Between two pieces the worker may run and change the file.

        Raises:
            RefusedError: no such file, or the worker is not idle.
        """
        offset = 0
        while True:
            piece = await self.read_piece(path, offset)
            if not piece.data:
                return
            yield piece.data
            offset += len(piece.data)
            if offset >= piece.size:
                return

    async def read_piece(self, path: str, offset: int = 0) -> FilePiece:
        """Return bytes of a file from an offset on, as many as one message carries.

        Raises:
            RefusedError: no such file, or the worker is not idle.
        """
        answer = await self.command("read-file", {"path": path, "offset": offset})
        return msgspec.convert(answer, FilePiece)

    async def cancel(self, key: str) -> bool:
        """Take a queued invocation out of the queue; it gets the outcome `cancelled`.

        False: it has begun, is done or never came.
        """
        return await self.command("cancel", {"key": key}) == {"cancelled": True}

    async def update(
        self,
        version: int,
        *,
        mode: Literal["automatic", "snapshot-based"] = "automatic",
        timeout_s: float = COMMAND_TIMEOUT_S,
    ) -> None:
        """Have the worker run another version; `status` tells when that is done, or why not.

        Raises:
            RefusedError: of kind `cannot-update`; `UnknownComponentError`: no such version.
        """
        fields = {"version": version, "mode": mode}
        await self.command("update", fields, timeout_s=timeout_s)

    async def rehearse_update(self, version: int) -> str | None:
        """Say why the worker would not be updated automatically; None if it would be.

        Nothing is changed.

        Raises:
            RefusedError: of kind `cannot-update`; `UnknownComponentError`: no such version.
        """
        fields = {"version": version, "dry-run": True}
        answer = await self.command("update", fields, timeout_s=UPDATE_TIMEOUT_S)
        return msgspec.convert(answer, _Rehearsal).reason

    async def wait_for_update(
        self, version: int, *, timeout_s: float = UPDATE_TIMEOUT_S
    ) -> WorkerStatus:
        """Return the status once the update to `version`, ordered before, is done or has failed.

        At once if none to it is pending, also if none was ordered: `component_version` says what
        the worker runs, `last_update_problem` why not another one.

        Raises:
            ResultTimeoutError: it is pending still.
        """
        try:
            async with asyncio.timeout(timeout_s):
                # The log tells, and whoever writes it may change in between.
                while True:
                    with contextlib.suppress(UnavailableError):
                        status = await self.status()
                        if status.pending_update != version:
                            return status
                    await asyncio.sleep(UPDATE_LOOK_S)
        except TimeoutError as error:
            text = f"the update of {self.component}/{self.name} is pending still"
            raise ResultTimeoutError(text, kind="timeout") from error

    async def revert(
        self, *, last_oplog_index: int | None = None, invocations: int | None = None
    ) -> int:
        """Undo everything behind an entry, or the last invocations; return how many entries.

        Raises:
            RefusedError: of kind `bad-index`; nothing was changed.
        """
        given = {"last-oplog-index": last_oplog_index, "invocations": invocations}
        fields = {name: value for name, value in given.items() if value is not None}
        return msgspec.convert(await self.command("revert", fields), dict[str, int])["reverted"]

    async def set_retry_policy(self, policy: str) -> None:
        """Choose when this worker's failures are tried again, from the next failure on.

        `policy` is `never` or as `attempts=5,min=100ms,max=1m,multiplier=2`; empty takes it back.
        It counts before what the guest and its component say.

        Raises:
            RefusedError: of kind `bad-request`; nothing was changed.
        """
        await self.command("set-retry-policy", {"policy": policy})

    async def fork(self, worker: str, *, at: int | None = None) -> None:
        """Make a copy of the worker up to entry `at`, by default all of it.

        Raises:
            RefusedError: of kind `cannot-fork`; nothing was changed.
        """
        await self.command("fork", {"worker": worker, **({} if at is None else {"at": at})})

    async def complete_promise(self, index: int, data: bytes = b"") -> bool:
        """Complete the promise that entry `index` made; False if it was completed before.

        Raises:
            RefusedError: of kind `unknown-promise`.
        """
        fields = {"index": index, "data": base64.b64encode(data).decode()}
        answer = await self.command("complete-promise", fields)
        return msgspec.convert(answer, dict[str, bool])["completed"]

    async def delete(self) -> None:
        """End the worker and forget its state; the next invocation creates a fresh one."""
        await self.command("delete")

    async def command(
        self,
        command: str,
        fields: Mapping[str, object] = MappingProxyType({}),
        *,
        timeout_s: float = COMMAND_TIMEOUT_S,
    ) -> object:
        """Send a control command with its fields and return the answer.

        Raises:
            RefusedError: the worker refused it.
            UnavailableError: the broker did not acknowledge it in time.
            ResultTimeoutError: it is durable, but was not answered in time.
        """
        self._mail.lifetime.check()
        body = msgspec.json.encode({"command": command, **fields})
        with self._mail.letter() as letter:
            publishing = self._broker.journal.publish(
                subjects.control(self.component, self.name),
                body,
                message_id=f"{self.component}/{self.name}:{command}@{secrets.token_hex(8)}",
                headers={"Shem-Result-To": letter.reply_to},
            )
            await acknowledged(publishing, f"the command {command!r}")
            note = await letter.wait_patiently(timeout_s)
        if note is None:
            raise ResultTimeoutError(
                f"{self.component}/{self.name} did not answer {command!r} within {timeout_s:g} s; "
                "the command is durable and will be obeyed",
                kind="timeout",
            )
        return decode_answer(note)

    async def status(self) -> WorkerStatus:
        """Return what the worker's log says of it.

        Raises:
            UnknownWorkerError: there is no such worker.
        """
        body = {"component": self.component, "worker": self.name}
        return msgspec.convert(await self._requests.ask("worker.get", body), WorkerStatus)

    async def invocation(self, key: str) -> InvocationStatus:
        """Return what became of the invocation with a key.

        Raises:
            UnknownWorkerError: there is no such worker, and no message for one.
            RefusedError: of kind `unknown-invocation`.
        """
        body = {"component": self.component, "worker": self.name, "key": key}
        answer = await self._requests.ask("invocation.get", body, timeout_s=60.0)
        return msgspec.convert(answer, InvocationStatus)

    async def oplog(
        self,
        *,
        start: int = 1,
        types: Sequence[str] = (),
        query: str | None = None,
        with_text: bool = False,
        page: int = PAGE_ENTRIES,
    ) -> AsyncIterator[OplogEntry]:
        """Yield the entries from index `start` up to now, in order.

        `types` and `query` select some; `with_text` has each come as a line for people, too. They
        are fetched `page` at a time, at most 1,000.

        Raises:
            UnknownWorkerError: there is no such worker.
            RefusedError: the query is malformed.
        """
        body: dict[str, object] = {
            "component": self.component,
            "worker": self.name,
            "types": list(types),
            "query": query,
            "text": with_text,
            "limit": min(page, PAGE_ENTRIES),
        }
        following: int | None = start
        while following is not None:
            answer = await self._requests.ask(
                "worker.oplog", {**body, "from": following}, timeout_s=60.0
            )
            found = msgspec.convert(answer, _Page)
            for entry in found.entries:
                yield entry
            following = found.next

    async def oplog_begins(self) -> int:
        """Return the index of the first entry that there is: above 1 if others were purged.

        Raises:
            UnknownWorkerError: there is no such worker.
        """
        body = {"component": self.component, "worker": self.name, "limit": 1}
        answer = await self._requests.ask("worker.oplog", body, timeout_s=60.0)
        return msgspec.convert(answer, _Page).begins

    def follow(self, *, after: int | None = None, backlog: int = 0) -> AsyncIterator[Followed]:
        """Yield the entries behind index `after`, or the last `backlog`, then all to come.

        Raises:
            UnavailableError: the broker does not answer; go on behind the last one that came.
        """
        return follow(self._broker, self.component, self.name, after=after, backlog=backlog)

    def events(self) -> Feed[Event]:
        """Listen to output, log lines and status changes from now on."""
        subject = pattern("event", self.component, self.name)
        return Feed(self._broker.signals, subject, decode_event, self._mail.lifetime)

    def results(self) -> Feed[Result]:
        """Listen to the outcomes of all invocations from now on."""
        subject = pattern("result", self.component, self.name)
        return Feed(self._broker.signals, subject, decode_result, self._mail.lifetime)


class _Rehearsal(msgspec.Struct, frozen=True):
    version: int
    diverges: bool
    reason: str | None = None


class _Page(msgspec.Struct, frozen=True):
    entries: tuple[OplogEntry, ...]
    next: int | None = None
    begins: int = 1


def check_names(component: str, worker: str) -> None:
    """Refuse what makes no subject: a broker does not answer, and closes the connection at last.

    Raises:
        BadRequestError: says which one it is.
    """
    for name, what, kind in (
        (component, "component", "bad-request"),
        (worker, "worker", "bad-worker-name"),
    ):
        problem = name_problem(name, what)
        if problem is not None:
            raise BadRequestError(problem, kind=kind)


def new_key() -> str:
    """Return an idempotency key of its own."""
    return secrets.token_hex(16)


def _chosen(key: str | None) -> str:
    if key is None:
        return new_key()
    # An empty one is no wish for a key of its own: what it was made of was empty.
    if not key or "\n" in key or "\r" in key or len(key.encode()) > KEY_BYTES_MAX:
        text = f"a key has 1 to {KEY_BYTES_MAX} bytes and no line break, got {key[:80]!r}"
        raise BadRequestError(text, kind="bad-request")
    return key


def decode_event(note: Note) -> Event:
    """Decode a message of `shem.event`."""
    _, _, component, worker = note.subject.split(".")
    fields = msgspec.json.decode(note.data, type=dict[str, object])
    return Event(
        component=subjects.decode_token(component),
        worker=subjects.decode_token(worker),
        type=str(fields.pop("type", "")),
        fields=fields,
    )


def decode_result(note: Note) -> Result:
    """Decode a message of `shem.result`."""
    _, _, component, worker = note.subject.split(".")
    return Result(
        component=subjects.decode_token(component),
        worker=subjects.decode_token(worker),
        outcome=decode_outcome(note),
    )


def _creation(env: Mapping[str, str] | None, args: Sequence[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    if env:
        headers["Shem-Env"] = msgspec.json.encode(dict(env)).decode()
    if args:
        headers["Shem-Args"] = msgspec.json.encode(list(args)).decode()
    return headers


def _attributes(attributes: Mapping[str, str] | None) -> dict[str, str]:
    if not attributes:
        return {}
    return {"Shem-Attributes": msgspec.json.encode(dict(attributes)).decode()}
