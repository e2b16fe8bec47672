"""A bare NATS client: it knows subjects, headers and JSON, and imports nothing of Shem."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import nats.errors
import nats.js.errors
from nats.aio.client import Client as Connection
from nats.aio.msg import Msg

from tests.chaos.client import connect
from tests.chaos.logs import Entry, assemble
from tests.chaos.operations import COMPONENT
from tests.chaos.reader import messages

__all__ = ["Caller", "calling"]

OUTCOME_TIMEOUT_S: Final = 60.0
REQUEST_TIMEOUT_S: Final = 30.0
PUBLISH_TIMEOUT_S: Final = 2.0
RETRY_PAUSE_S: Final = 0.05
TRANSIENT: Final = (nats.errors.Error, nats.js.errors.Error, OSError)


class Caller:
    """Publishes invocations, hears all outcomes and events, reads logs."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.stream = connection.jetstream()
        self.outcomes: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.answers: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.events: list[dict[str, Any]] = []
        self.inbox = connection.new_inbox()
        self._news = asyncio.Event()

    async def listen(self) -> None:
        """Hear the outcomes of everybody, those that are told to us, and all events."""
        await self.connection.subscribe("shem.result.*.*", cb=self._outcome)
        await self.connection.subscribe(self.inbox, cb=self._answer)
        await self.connection.subscribe("shem.event.*.*", cb=self._event)
        await self.connection.flush()

    async def publish(
        self,
        worker: str,
        call: str | bytes,
        *,
        key: str | None = None,
        message_id: str | None = None,
        component: str = COMPONENT,
        headers: Mapping[str, str] = {},
    ) -> int:
        """Publish until the broker has stored it; return its sequence."""
        full = {"Shem-Result-To": self.inbox, **headers}
        if key is not None:
            full["Shem-Key"] = key
            full["Nats-Msg-Id"] = message_id or f"{component}/{worker}:{key}"
        data = call.encode() if isinstance(call, str) else call
        while True:
            try:
                stored = await self.stream.publish(
                    f"shem.invoke.{component}.{worker}",
                    data,
                    timeout=PUBLISH_TIMEOUT_S,
                    headers=full,
                )
            except TRANSIENT:
                await asyncio.sleep(RETRY_PAUSE_S)
            else:
                return int(stored.seq)

    async def outcome(
        self, key: str, *, within_s: float = OUTCOME_TIMEOUT_S, count: int = 1
    ) -> dict[str, Any]:
        """Return the first outcome of a key, once it was told to us `count` times."""
        await self.until(lambda: len(self.answers[key]) >= count, within_s=within_s)
        return self.answers[key][0]

    async def invoke(self, worker: str, call: str | bytes, *, key: str, **more: Any) -> Any:
        """Publish and return the outcome."""
        await self.publish(worker, call, key=key, **more)
        return await self.outcome(key)

    async def call(
        self,
        worker: str,
        call: str,
        *,
        component: str = COMPONENT,
        headers: Mapping[str, str] = {},
    ) -> dict[str, Any]:
        """Request and reply."""
        answer = await self.connection.request(
            f"shem.call.{component}.{worker}",
            call.encode(),
            timeout=REQUEST_TIMEOUT_S,
            headers=dict(headers),
        )
        outcome: dict[str, Any] = json.loads(answer.data)
        return outcome

    async def command(self, worker: str, command: dict[str, Any]) -> dict[str, Any]:
        """Send an operator's command and return the answer."""
        inbox = self.connection.new_inbox()
        heard = await self.connection.subscribe(inbox)
        await self.stream.publish(
            f"shem.control.{COMPONENT}.{worker}",
            json.dumps(command).encode(),
            headers={"Shem-Result-To": inbox},
        )
        answer = await heard.next_msg(timeout=REQUEST_TIMEOUT_S)
        await heard.unsubscribe()
        answered: dict[str, Any] = json.loads(answer.data)
        return answered

    async def api(self, operation: str, **body: Any) -> Any:
        """Send a management request and return its answer, which must be no error."""
        answer = await self._ask(operation, body)
        assert "ok" in answer, answer
        return answer["ok"]

    async def refused(self, operation: str, **body: Any) -> dict[str, Any]:
        """Send a management request and return its error."""
        answer = await self._ask(operation, body)
        assert "error" in answer, answer
        error: dict[str, Any] = answer["error"]
        return error

    async def _ask(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        reply = await self.connection.request(
            f"shem.api.{operation}", json.dumps(body).encode(), timeout=REQUEST_TIMEOUT_S
        )
        answer: dict[str, Any] = json.loads(reply.data)
        return answer

    async def log(self, worker: str, *, component: str = COMPONENT) -> list[Entry]:
        """Return the entries of a worker, after checking the chain of its commits."""
        found = await messages(self.connection, f"shem.oplog.*.{component}.{worker}.log")
        logs = assemble(found)
        if worker not in logs:
            return []
        assert logs[worker].faults == []
        return logs[worker].entries

    async def until(self, condition: Any, *, within_s: float = OUTCOME_TIMEOUT_S) -> None:
        """Return when a condition over what was heard holds."""
        async with asyncio.timeout(within_s):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def _outcome(self, message: Msg) -> None:
        body = json.loads(message.data)
        self.outcomes[body["key"]].append(body)
        self._news.set()

    async def _answer(self, message: Msg) -> None:
        body = json.loads(message.data)
        self.answers[body["key"]].append(body)
        self._news.set()

    async def _event(self, message: Msg) -> None:
        self.events.append({"subject": message.subject, **json.loads(message.data)})
        self._news.set()


@asynccontextmanager
async def calling(urls: list[str]) -> AsyncIterator[Caller]:
    """A connected caller that listens."""
    connection = await connect(urls)
    try:
        caller = Caller(connection)
        await caller.listen()
        yield caller
    finally:
        await connection.close()
