"""Invocations over REST: with waiting, without, later; looked up by their keys, and cancelled."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeAlias, final
from urllib.parse import quote

from msgspec import UNSET, Meta, Struct, UnsetType, field

from gateway.errors import RequestError
from gateway.rest.operation import Call, No, Operation, Reply, Role, operations_of, rest
from oplog.entries import Repeat
from shem.client import Client, Worker
from shem.client.values import encode_call
from shem.errors import RefusedError
from shem.records import InvocationStatus, Scheduled
from shem.rest.params import Millis, Name, WorkerPath, exactly_one
from shem.rest.workers import ONE

__all__ = ["operations"]

KEY_CHARACTERS_MAX: Final = 200
TIMEOUT_S_MIN: Final = 1
TIMEOUT_S_MAX: Final = 300
# A hundred years.
EVERY_MS_MAX: Final = 100 * 366 * 86_400_000


class Invocation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is invoked: parameters by position or by name. `env` and `args` are for a new worker."""

    function: Annotated[str, Meta(min_length=1, max_length=1000)]
    params: list[Any] | dict[str, Any] = field(default_factory=list[Any])
    env: dict[str, str] = field(default_factory=dict[str, str])
    args: tuple[str, ...] = ()


class Wait(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the client waits; the invocation is durable, however long that is."""

    timeout: Annotated[float, Meta(ge=TIMEOUT_S_MIN, le=TIMEOUT_S_MAX)] = 30.0


class Result(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The outcome: `result` as JSON and as WAVE; neither for a function without one."""

    key: str
    result: Any | UnsetType = UNSET
    wave: str | None = None


class Accepted(Struct, frozen=True, kw_only=True):
    """The invocation is durable under this key; `status` is where its outcome will be."""

    key: str
    status: str


class KeyPath(Struct, frozen=True, forbid_unknown_fields=True):
    """An invocation of a worker."""

    component: Name
    worker: Name
    key: Annotated[str, Meta(min_length=1, max_length=256)]


class Cancelled(Struct, frozen=True):
    """False: it has begun, is done, or is unknown."""

    cancelled: bool


class Schedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """An invocation for later: once `at-ms`, or again and again by `cron` or `every-ms`.

    `call` is WAVE, such as `add(5)`.
    """

    id: Annotated[str, Meta(min_length=1, max_length=200)]
    call: Annotated[str, Meta(min_length=1, max_length=100_000)]
    at_ms: Millis | None = None
    cron: str | None = None
    zone: str = "UTC"
    every_ms: Annotated[int, Meta(ge=1_000, le=EVERY_MS_MAX)] | None = None


OneSchedule: TypeAlias = Annotated[Schedule, exactly_one("at-ms", "cron", "every-ms")]


class Schedules(Struct, frozen=True):
    """What is invoked later, earliest first."""

    scheduled: list[Scheduled]


@final
class _Invocations:
    def __init__(self, client: Client) -> None:
        self._client = client

    def _at(self, path: WorkerPath | KeyPath) -> Worker:
        return self._client.worker(path.component, path.worker)

    @rest(
        "worker.invoke-and-await",
        "POST",
        f"{ONE}/invoke-and-await",
        Role.OPERATOR,
        answer=Result,
        others={202: Accepted},
    )
    async def invoke_and_await(self, call: Call[WorkerPath, Wait, Invocation]) -> object:
        """Invoke durably and wait for the outcome; with `Prefer: respond-async` do not wait."""
        if "respond-async" in call.headers.get("prefer", ""):
            return await self._publish(call)
        body = call.body
        outcome = await self._at(call.path).call(
            encode_call(body.function, body.params),
            key=_key(call.headers.get("idempotency-key")),
            timeout_s=call.query.timeout,
            env=body.env,
            args=body.args,
        )
        outcome.check()
        return Result(key=outcome.key or "", result=outcome.result, wave=outcome.wave)

    @rest("worker.invoke", "POST", f"{ONE}/invoke", Role.OPERATOR, status=202, answer=Accepted)
    async def invoke(self, call: Call[WorkerPath, No, Invocation]) -> Reply:
        """Invoke durably without waiting."""
        return await self._publish(call)

    async def _publish(self, call: Call[WorkerPath, Any, Invocation]) -> Reply:
        body = call.body
        key = await self._at(call.path).send(
            encode_call(body.function, body.params),
            key=_key(call.headers.get("idempotency-key")),
            env=body.env,
            args=body.args,
        )
        names = (call.path.component, "workers", call.path.worker, "invocations", key)
        place = "/".join([call.base, "components", *(quote(each, safe=":@") for each in names)])
        headers = [("location", place)]
        if "respond-async" in call.headers.get("prefer", ""):
            headers.append(("preference-applied", "respond-async"))
        return Reply(value=Accepted(key=key, status=place), status=202, headers=tuple(headers))

    @rest("invocation.get", "GET", f"{ONE}/invocations/{{key}}", Role.VIEWER)
    async def get(self, call: Call[KeyPath, No, No]) -> InvocationStatus:
        """Return what became of an invocation."""
        return await self._at(call.path).invocation(call.path.key)

    @rest("invocation.cancel", "DELETE", f"{ONE}/invocations/{{key}}", Role.OPERATOR)
    async def cancel(self, call: Call[KeyPath, No, No]) -> Cancelled:
        """Take a queued invocation out of the queue."""
        return Cancelled(await self._at(call.path).cancel(call.path.key))

    @rest("schedule.list", "GET", f"{ONE}/schedules", Role.VIEWER)
    async def schedules(self, call: Call[WorkerPath, No, No]) -> Schedules:
        """List what is to be invoked later on a worker."""
        return Schedules(
            await self._client.schedules.pending(call.path.component, call.path.worker)
        )

    @rest("schedule.create", "POST", f"{ONE}/schedules", Role.OPERATOR, status=201, answer=Accepted)
    async def schedule(self, call: Call[WorkerPath, No, OneSchedule]) -> Reply:
        """Have a worker invoked later, or again and again."""
        body, path = call.body, call.path
        if (body.at_ms, body.cron, body.every_ms).count(None) != 2:
            text = "body: one of at-ms, cron and every-ms is needed"
            raise RequestError(400, "bad-request", text)
        if body.at_ms is not None:
            at = datetime.fromtimestamp(body.at_ms / 1000, UTC)
            await self._at(path).schedule(body.call.encode(), at=at, key=body.id)
        else:
            rule = Repeat(
                id=body.id,
                due_ms=0,
                call=body.call,
                cron=body.cron,
                every_ms=body.every_ms,
                zone=body.zone,
            )
            await self._client.schedules.repeat(path.component, path.worker, rule)
        names = (path.component, "workers", path.worker, "schedules", body.id)
        place = "/".join([call.base, "components", *(quote(each, safe=":@") for each in names)])
        return Reply(value=Accepted(key=body.id, status=place), status=201)

    @rest("schedule.cancel", "DELETE", f"{ONE}/schedules/{{key}}", Role.OPERATOR)
    async def unschedule(self, call: Call[KeyPath, No, No]) -> None:
        """Take back what was to be invoked later."""
        path = call.path
        if not await self._client.schedules.cancel(path.component, path.worker, path.key):
            raise RefusedError(f"there is no schedule {path.key!r}", kind="unknown-schedule")


def _key(given: str | None) -> str | None:
    if given is not None and not (0 < len(given) <= KEY_CHARACTERS_MAX and given.isprintable()):
        text = f"Idempotency-Key: 1 to {KEY_CHARACTERS_MAX} printable characters"
        raise RequestError(400, "bad-request", text)
    return given


def operations(client: Client) -> list[Operation]:
    """Return the operations of this noun."""
    return operations_of(_Invocations(client))
