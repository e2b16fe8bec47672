"""A connection to Shem."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Literal, Self, final

import msgspec
from msgspec import structs

from broker.errors import PermissionDeniedError, SetupError
from broker.errors import UnavailableError as BrokerUnavailableError
from broker.jetstream.connect import connect
from broker.ports import Broker
from shem.client.apis import Apis
from shem.client.components import Components
from shem.client.feed import Event, Feed, Result, pattern
from shem.client.invocations import Invocations
from shem.client.lifetime import Lifetime
from shem.client.mail import Mail
from shem.client.requests import Requests
from shem.client.schedules import Schedules
from shem.client.secrets import Secrets
from shem.client.tokens import Tokens
from shem.client.updates import UpdateOutcome, update_all
from shem.client.worker import (
    UPDATE_TIMEOUT_S,
    Worker,
    check_names,
    decode_event,
    decode_result,
)
from shem.connection import CONNECT_TIMEOUT_S, Connection
from shem.errors import RefusedError, UnavailableError
from shem.logging import set_up_library
from shem.records import Reindexed, WorkerStatus

__all__ = ["Client"]


@final
class Client:
    """Invokes and watches workers, manages components.

    Use `await Client.connect()`, and the client with `async with`. It reconnects by itself; what
    was asked before goes on. Belongs to one event loop.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._lifetime = Lifetime()
        self._mail = Mail(broker.signals, self._lifetime)
        self._requests = Requests(broker.signals, self._lifetime)
        self._invocations = Invocations(broker, self._mail)
        self.apis = Apis(self._requests)
        self.components = Components(self._requests, broker.blobs)
        self.schedules = Schedules(broker, self._lifetime)
        self.secrets = Secrets(self._requests)
        self.tokens = Tokens(self._requests)

    @classmethod
    async def connect(
        cls,
        url: str | None = None,
        *,
        user: str | None = None,
        password: str | None = None,
        token: str | None = None,
        nkey_seed_file: Path | None = None,
        creds_file: Path | None = None,
        tls_ca: Path | None = None,
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
        timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> Self:
        """Connect to the broker; `url` may name several servers, separated by commas.

        What is not given comes from the `SHEM_NATS_*` variables; the URL then from the system that
        `shem up` started in this directory, else it is the default port of this machine.

        Warnings go to stderr, unless the program has configured structlog.

        Raises:
            UnavailableError: no server answers.
            RefusedError: the server refuses us, or is not as Shem needs it.
        """
        given = {
            "url": url,
            "user": user,
            "password": password,
            "token": token,
            "nkey_seed_file": nkey_seed_file,
            "creds_file": creds_file,
            "tls_ca": tls_ca,
            "tls_cert": tls_cert,
            "tls_key": tls_key,
        }
        chosen = {name: str(value) for name, value in given.items() if value is not None}
        connection = structs.replace(Connection.from_environment(), **chosen)
        set_up_library()
        # How the server keeps messages is told to operators, by the executors.
        options = connection.options(name="shem-client", assume_durable=True, timeout_s=timeout_s)
        try:
            broker = await connect(options)
        except BrokerUnavailableError as error:
            place = ", ".join(options.servers)
            raise UnavailableError(
                f"cannot reach the broker at {place}: {error}; is `shem up` running?",
                kind="unavailable",
            ) from error
        except (SetupError, PermissionDeniedError) as error:
            raise RefusedError(str(error), kind="broker-refused") from error
        return await cls(broker).start()

    async def start(self) -> Self:
        """Begin to listen for answers; `connect` does it."""
        await self._mail.start()
        self._broker.on_reconnect(self._mail.reconnected)
        return self

    async def close(self) -> None:
        """Disconnect. What was published stays durable; who waits for an answer is told.

        Raises:
            RefusedError: it was connected in another event loop.
        """
        self._lifetime.check_loop()
        await self._mail.close()
        await self._broker.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def broker(self) -> Broker:
        """The connection below: for tools that look at logs themselves."""
        return self._broker

    def worker(self, component: str, name: str) -> Worker:
        """Return a handle of a worker, existing or not.

        Raises:
            BadRequestError: no message can be sent to one of these names.
        """
        check_names(component, name)
        return Worker(
            component,
            name,
            broker=self._broker,
            invocations=self._invocations,
            mail=self._mail,
            requests=self._requests,
        )

    async def workers(
        self,
        component: str,
        *,
        prefix: str = "",
        status: Sequence[str] = (),
        version: int | None = None,
        name_contains: str = "",
        env: Mapping[str, str] = MappingProxyType({}),
        created_after_ms: int | None = None,
        created_before_ms: int | None = None,
        precise: bool = False,
        after: str = "",
    ) -> AsyncIterator[WorkerStatus]:
        """Yield the workers of a component whose names begin with `prefix`, by name.

        Those behind the name `after`. What else is given has to hold of each. `precise` reads the
        log of every worker instead of the index, which may be some seconds late where much happens.

        Raises:
            UnknownComponentError: there is no such component.
        """
        wanted: dict[str, object] = {
            "component": component,
            "prefix": prefix,
            "status": list(status),
            "version": version,
            "name_contains": name_contains,
            "env": dict(env),
            "created_after_ms": created_after_ms,
            "created_before_ms": created_before_ms,
            "precise": precise,
        }
        following: str | None = after
        while following is not None:
            body = {**wanted, "after": following}
            answer = await self._requests.ask("worker.list", body, timeout_s=60.0)
            page = msgspec.convert(answer, _Page)
            for worker in page.workers:
                yield worker
            following = page.next

    async def reindex(
        self, component: str, *, progress: Callable[[Reindexed], None] = lambda _: None
    ) -> Reindexed:
        """Make the index of a component's workers anew from their logs; safe at any time.

        Raises:
            UnknownComponentError: there is no such component.
        """
        total = Reindexed()
        after: str | None = ""
        while after is not None:
            body = {"component": component, "after": after}
            answer = await self._requests.ask("worker.reindex", body, timeout_s=60.0)
            part = msgspec.convert(answer, _Rebuilt)
            total = Reindexed(
                indexed=total.indexed + part.indexed,
                removed=total.removed + part.removed,
                damaged=(*total.damaged, *part.damaged),
            )
            progress(total)
            after = part.next
        return total

    async def update_workers(
        self,
        component: str,
        version: int,
        *,
        mode: Literal["automatic", "snapshot-based"] = "automatic",
        timeout_s: float = UPDATE_TIMEOUT_S,
        dry_run: bool = False,
        on_outcome: Callable[[UpdateOutcome], None],
    ) -> None:
        """Have all workers of a component run a version, and tell what came of each.

        `timeout_s` is for a single one. Asking again goes on where it was left. With `dry_run`
        nothing is changed, and the outcomes are what an automatic update would give.

        Raises:
            UnknownComponentError: there is no such component or version.
        """
        await self.components.get(component, version)
        await update_all(
            # A row that is some seconds old would have a worker updated twice.
            self.workers(component, precise=True),
            lambda name: self.worker(component, name),
            version,
            mode=mode,
            timeout_s=timeout_s,
            dry_run=dry_run,
            on_outcome=on_outcome,
        )

    async def executors(self) -> list[dict[str, object]]:
        """Return the living executors and what they say of themselves."""
        answer = await self._requests.ask("executor.list", {})
        return msgspec.convert(answer, dict[str, list[dict[str, object]]])["executors"]

    def events(self, component: str | None = None) -> Feed[Event]:
        """Listen to the events of all workers, or of all of one component."""
        return Feed(
            self._broker.signals, pattern("event", component, None), decode_event, self._lifetime
        )

    def results(self, component: str | None = None) -> Feed[Result]:
        """Listen to the outcomes of all workers, or of all of one component."""
        return Feed(
            self._broker.signals, pattern("result", component, None), decode_result, self._lifetime
        )


class _Page(msgspec.Struct, frozen=True):
    workers: tuple[WorkerStatus, ...]
    next: str | None = None


class _Rebuilt(msgspec.Struct, frozen=True):
    indexed: int
    removed: int
    damaged: tuple[str, ...] = ()
    next: str | None = None
