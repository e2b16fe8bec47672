"""`golem:api/host`: a guest's own history, durability, promises and other workers."""

import uuid
from typing import Any, Final

from actors.engine.errors import GuestTrap
from actors.host.context import HostContext
from actors.host.control import Facts
from actors.host.golem import ids
from actors.host.golem.filters import matches
from actors.host.interface import HostInterface, Kind
from actors.host.saving import saveable
from wit.types import (
    Field,
    ListType,
    OptionType,
    Primitive,
    RecordType,
    TupleType,
)
from wit.values import Value, some

__all__ = ["HOST"]

# Whatever 1.x a component was built for, and the numbers before it: the functions are the same.
HOST = HostInterface("golem:api/host", version="1.1.6", other_versions=("0.2.0",))

_NAME: Final = "golem:api/host#"
_PAGE_WORKERS: Final = 50
_TEXT = Primitive.STRING
_U64 = Primitive.U64
_UUID = RecordType((Field("high-bits", _U64), Field("low-bits", _U64)))
_FACTS = RecordType(
    (
        Field("component", _UUID),
        Field("worker", _TEXT),
        Field("args", ListType(_TEXT)),
        Field("env", ListType(TupleType((_TEXT, _TEXT)))),
        Field("status", _TEXT),
        Field("version", _U64),
        Field("retries", _U64),
        Field("created", _U64),
    )
)
_PAGE = RecordType((Field("workers", ListType(_FACTS)), Field("next", OptionType(_TEXT))))


# Promises


def _promise(context: HostContext, what: str, promise_id: Value) -> int:
    component, worker = ids.worker_parts(promise_id["worker-id"])
    index: int = promise_id["oplog-idx"]
    if not context.control.is_own(component, worker):
        raise GuestTrap(f"{what}: the promise belongs to worker {worker!r} of {component}")
    if context.control.is_live and not context.control.knows_promise(index):
        raise GuestTrap(f"{what}: this worker has made no promise at entry {index}")
    return index


@HOST.function("create-promise", Kind.PURE, blocking=True)
async def create_promise(context: HostContext) -> Value:
    """Return a promise that anybody who knows its id may complete, once."""
    index = await context.control.create_promise(f"{_NAME}create-promise")
    facts = context.control.own_facts()
    return {"worker-id": ids.worker_id(facts.component, facts.worker), "oplog-idx": index}


@HOST.function("await-promise", Kind.BLOCKING, blocking=True)
async def await_promise(context: HostContext, promise_id: Value) -> bytes:
    """Wait until it is completed, however long that takes, and return with what."""
    return await context.control.wait_for_promise(_promise(context, "await-promise", promise_id))


@HOST.function("poll-promise", Kind.READ_REMOTE)
def poll_promise(context: HostContext, promise_id: Value) -> Value:
    """Return what it is completed with, none as long as it is not."""
    data = context.control.completed_promise(_promise(context, "poll-promise", promise_id))
    return None if data is None else some(data)


@HOST.function("complete-promise", Kind.PURE, blocking=True)
async def complete_promise(context: HostContext, promise_id: Value, data: bytes) -> bool:
    """Complete it; false if it was before."""
    component, worker = ids.worker_parts(promise_id["worker-id"])
    control, name = context.control, f"{_NAME}complete-promise"
    if control.is_own(component, worker):
        index = _promise(context, "complete-promise", promise_id)
        return control.complete_promise(name, index, data)
    command = {"command": "complete-promise", "index": promise_id["oplog-idx"], "data": data}
    answer = await control.order(name, component, worker, command)
    return answer == {"completed": True}


@HOST.function("delete-promise", Kind.PURE)
def delete_promise(context: HostContext, promise_id: Value) -> None:
    """Say that nobody waits for it any more."""
    index = _promise(context, "delete-promise", promise_id)
    context.control.forget_promise(f"{_NAME}delete-promise", index)


# The own history


@HOST.function("get-oplog-index", Kind.PURE)
def get_oplog_index(context: HostContext) -> int:
    """Return the index of a place to which the guest may go back."""
    return context.control.reserve(f"{_NAME}get-oplog-index")


@HOST.function("set-oplog-index", Kind.PURE, blocking=True)
async def set_oplog_index(context: HostContext, index: int) -> None:
    """Go back there: what was done since is left out, and the guest goes on as it was then."""
    await context.control.go_back(index)


@HOST.function("oplog-commit", Kind.PURE, blocking=True)
async def oplog_commit(context: HostContext, replicas: int) -> None:
    """Return when everything recorded so far is durable, on as many servers as the stream has."""
    del replicas
    if context.control.is_live:
        await context.committed()


@HOST.function("mark-begin-operation", Kind.PURE)
def mark_begin_operation(context: HostContext) -> int:
    """Begin what is done again as a whole if the worker fails before its end."""
    return context.control.begin_atomic()


@HOST.function("mark-end-operation", Kind.PURE)
def mark_end_operation(context: HostContext, begin: int) -> None:
    """End it."""
    context.control.end_atomic(begin)


# Durability


@HOST.function("get-retry-policy", Kind.PURE)
def get_retry_policy(context: HostContext) -> Value:
    """Return when failures are tried again. An executor's default may differ from another's."""
    rule = context.control.retry
    recorded: Value = context.record(
        f"{_NAME}get-retry-policy",
        Kind.READ_REMOTE,
        _POLICY,
        lambda: {
            "max-attempts": rule.max_attempts,
            "min-delay": rule.min_delay_ns,
            "max-delay": rule.max_delay_ns,
            "multiplier": rule.multiplier,
            "max-jitter-factor": (
                None if rule.max_jitter_factor is None else some(rule.max_jitter_factor)
            ),
        },
    )
    return recorded


_POLICY = RecordType(
    (
        Field("max-attempts", Primitive.U32),
        Field("min-delay", _U64),
        Field("max-delay", _U64),
        Field("multiplier", Primitive.F64),
        Field("max-jitter-factor", OptionType(Primitive.F64)),
    )
)


@HOST.function("set-retry-policy", Kind.PURE)
def set_retry_policy(context: HostContext, policy: Value) -> None:
    """Choose when failures are tried again, from now on."""
    jitter = policy["max-jitter-factor"]
    context.control.choose_retry(
        max_attempts=policy["max-attempts"],
        min_delay_ns=policy["min-delay"],
        max_delay_ns=policy["max-delay"],
        multiplier=policy["multiplier"],
        max_jitter_factor=None if jitter is None else jitter[0],
    )


@HOST.function("get-oplog-persistence-level", Kind.PURE)
def get_oplog_persistence_level(context: HostContext) -> Value:
    """Return what of the guest's host calls is recorded."""
    return (context.control.level, None)


@HOST.function("set-oplog-persistence-level", Kind.PURE, blocking=True)
async def set_oplog_persistence_level(context: HostContext, level: Value) -> None:
    """Record more or less from now on; what is not recorded runs again at replay."""
    await context.control.choose_level(level[0])


@HOST.function("get-idempotence-mode", Kind.PURE)
def get_idempotence_mode(context: HostContext) -> bool:
    """Tell whether a remote write without known outcome is repeated."""
    return context.control.idempotent


@HOST.function("set-idempotence-mode", Kind.PURE)
def set_idempotence_mode(context: HostContext, idempotent: bool) -> None:  # noqa: FBT001 - as in WIT
    """Say whether it may be; otherwise the worker fails after a crash in such a write."""
    context.control.choose_idempotence(f"{_NAME}set-idempotence-mode", idempotent)


@HOST.function("generate-idempotency-key", Kind.READ_REMOTE)
def generate_idempotency_key(context: HostContext) -> Value:
    """Return a key for something outside: the same after every crash."""
    return ids.uuid_value(uuid.UUID(context.control.next_key()))


# Workers


def _plain(facts: Facts) -> Value:
    return {
        "component": ids.uuid_value(facts.component),
        "worker": facts.worker,
        "args": list(facts.args),
        "env": list(facts.env),
        "status": facts.status,
        "version": facts.component_version,
        "retries": facts.retry_count,
        "created": facts.created_at_ms,
    }


def _metadata(plain: Value) -> Value:
    return {
        "worker-id": ids.worker_id(ids.uuid_of(plain["component"]), plain["worker"]),
        "args": plain["args"],
        "env": plain["env"],
        "status": plain["status"],
        "component-version": plain["version"],
        "retry-count": plain["retries"],
    }


@HOST.function("get-self-metadata", Kind.PURE)
def get_self_metadata(context: HostContext) -> Value:
    """Return what is known of this worker."""
    name = f"{_NAME}get-self-metadata"
    return _metadata(
        context.record(name, Kind.READ_REMOTE, _FACTS, lambda: _plain(context.control.own_facts()))
    )


@HOST.function("get-worker-metadata", Kind.PURE, blocking=True)
async def get_worker_metadata(context: HostContext, worker_id: Value) -> Value:
    """Return what is known of a worker, none if there is none."""

    async def live() -> Value:
        facts = await context.control.facts(*ids.worker_parts(worker_id))
        return None if facts is None else some(_plain(facts))

    name = f"{_NAME}get-worker-metadata"
    found = await context.record_wait(name, Kind.READ_REMOTE, OptionType(_FACTS), live)
    return None if found is None else some(_metadata(found[0]))


@saveable("golem/get-workers", "component", "wanted", "after", "precise")
class WorkerList:
    """How far a guest has read the workers of a component."""

    # Those that were saved before there was an index have no such attribute.
    precise = True

    def __init__(self, component: str, wanted: Any, *, precise: bool) -> None:
        self.component = component
        self.wanted = wanted
        self.precise = precise
        self.after: str | None = ""


@HOST.function("[constructor]get-workers", Kind.PURE)
def get_workers(context: HostContext, component: Value, wanted: Value, precise: bool) -> WorkerList:  # noqa: FBT001 - as in WIT
    """Begin to read: the logs, if it has to be precise, otherwise the index."""
    del context
    name = str(ids.uuid_of(component["uuid"]))
    return WorkerList(name, None if wanted is None else wanted[0], precise=precise)


@HOST.function("[method]get-workers.get-next", Kind.PURE, blocking=True)
async def get_next(context: HostContext, listing: WorkerList) -> Value:
    """Return some more workers, none at the end."""

    async def live() -> Value:
        after: str | None = listing.after
        passed: list[Facts] = []
        # Pages that the filter empties are not worth an answer.
        while after is not None and not passed:
            page, after = await context.control.page(
                uuid.UUID(listing.component),
                after=after,
                limit=_PAGE_WORKERS,
                precise=listing.precise,
            )
            wanted = listing.wanted
            passed = [each for each in page if wanted is None or matches(wanted, each)]
        return {"workers": [_plain(each) for each in passed], "next": after and some(after)}

    if listing.after is None:
        return None
    name = f"{_NAME}[method]get-workers.get-next"
    page = await context.record_wait(name, Kind.READ_REMOTE, _PAGE, live)
    listing.after = None if page["next"] is None else page["next"][0]
    return some([_metadata(each) for each in page["workers"]]) if page["workers"] else None


@HOST.function("update-worker", Kind.PURE, blocking=True)
async def update_worker(
    context: HostContext, worker_id: Value, target_version: int, mode: str
) -> None:
    """Have a worker run another version."""
    command = {"command": "update", "version": target_version, "mode": mode}
    await context.control.order(f"{_NAME}update-worker", *ids.worker_parts(worker_id), command)


@HOST.function("fork-worker", Kind.PURE, blocking=True)
async def fork_worker(context: HostContext, source: Value, target: Value, cut_off: int) -> None:
    """Copy a worker up to an entry of its log."""
    component, worker = ids.worker_parts(source)
    other, name = ids.worker_parts(target)
    if component != other:
        raise GuestTrap("fork-worker: the copy must be of the same component")
    command = {"command": "fork", "worker": name, "at": cut_off}
    await context.control.order(f"{_NAME}fork-worker", component, worker, command)


@HOST.function("revert-worker", Kind.PURE, blocking=True)
async def revert_worker(context: HostContext, worker_id: Value, target: Value) -> None:
    """Undo what a worker did last."""
    which, number = target
    field = "last-oplog-index" if which == "revert-to-oplog-index" else "invocations"
    command = {"command": "revert", field: number}
    await context.control.order(f"{_NAME}revert-worker", *ids.worker_parts(worker_id), command)


@HOST.function("resolve-component-id", Kind.PURE, blocking=True)
async def resolve_component_id(context: HostContext, reference: str) -> Value:
    """Return the component of a name, none if there is none."""
    found = await _resolve(context, "resolve-component-id", reference, None)
    return None if found is None else some(ids.component_id(found))


@HOST.function("resolve-worker-id", Kind.PURE, blocking=True)
async def resolve_worker_id(context: HostContext, reference: str, worker: str) -> Value:
    """Return a worker of a component that exists; the worker need not."""
    found = await _resolve(context, "resolve-worker-id", reference, None)
    return None if found is None else some(ids.worker_id(found, worker))


@HOST.function("resolve-worker-id-strict", Kind.PURE, blocking=True)
async def resolve_worker_id_strict(context: HostContext, reference: str, worker: str) -> Value:
    """Return a worker that exists, none if it or its component does not."""
    found = await _resolve(context, "resolve-worker-id-strict", reference, worker)
    return None if found is None else some(ids.worker_id(found, worker))


async def _resolve(
    context: HostContext, what: str, reference: str, worker: str | None
) -> uuid.UUID | None:
    async def live() -> Value:
        found = await context.control.component_id(reference)
        if found is None:
            return None
        if worker is not None and await context.control.facts(found, worker) is None:
            return None
        return some(ids.uuid_value(found))

    found = await context.record_wait(f"{_NAME}{what}", Kind.READ_REMOTE, OptionType(_UUID), live)
    return None if found is None else ids.uuid_of(found[0])


@HOST.function("fork", Kind.PURE, blocking=True)
async def fork(context: HostContext, new_name: str) -> str:
    """Make a copy of this worker; both go on from here and are told which one they are."""
    is_copy = await context.control.fork(f"{_NAME}fork", new_name)
    return "forked" if is_copy else "original"
