"""Calling other workers: who is called, under which key, and whether that could ever end."""

import uuid
from collections.abc import Callable
from typing import Final, final

from msgspec import structs

from actors.components import ComponentRecord
from actors.components.read_only import declares
from actors.errors import ComponentUnknownError, TerminalError
from actors.host.context import CallRequest
from actors.identity import WorkerId, check_worker_name, component_uuid
from actors.ledger import Ledger
from actors.limits import PARAMETERS_BYTES_MAX, WAKE_AT_MS_MAX
from actors.options import ExecutorOptions
from actors.services import Services
from actors.tracing import cause_of
from broker import subjects
from oplog.entries import Asks, Create, Failure, RemoteCall

__all__ = ["Remote", "call_timeout_s"]

TIMEOUT_VARIABLE: Final = "SHEM_CALL_TIMEOUT_S"
TIMEOUT_S_MAX: Final = 1e9
CALLERS_VARIABLE: Final = "SHEM_CALLERS"
"""In a component's environment: whose workers may call its own, by component, with commas."""
CHAIN_MAX: Final = 256
"""Callers that wait for one another in one chain."""


def call_timeout_s(created: Create, options: ExecutorOptions) -> float | None:
    """Return how long the calls of a worker may take, in seconds; None: for ever.

    Its environment says so, which components set for all of their workers.
    """
    text = dict(created.env).get(TIMEOUT_VARIABLE)
    if text is None:
        return options.call_timeout_s
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    # What makes no sense must not make every call fail.
    return seconds if 0 < seconds < TIMEOUT_S_MAX else options.call_timeout_s


@final
class Remote:
    """The way of one worker to the others."""

    def __init__(self, ledger: Ledger, services: Services, *, timeout_s: float | None) -> None:
        self.clients = services.clients
        self._ledger = ledger
        self._components = services.programs.components
        self._timeout_ms = None if timeout_s is None else round(timeout_s * 1_000)

    @property
    def incarnation(self) -> str:
        """The incarnation of the worker."""
        return self._ledger.outbox.incarnation

    async def component_name(self, identity: uuid.UUID) -> str | None:
        """Return the name of the component that guests know under a UUID."""
        for fresh in (False, True):
            for name in await self._components.names(fresh=fresh):
                if component_uuid(name) == identity:
                    return name
        return None

    async def prepare(self, request: CallRequest) -> Callable[[], Asks] | Failure:
        """Return what makes the entry of the call, or why it cannot be made.

        Raises:
            RetryableError: the broker does not answer now.
        """
        component = request.component
        if isinstance(component, uuid.UUID):
            name = await self.component_name(component)
            if name is None:
                text = f"no component has the id {component}"
                return Failure(kind="unknown-component", message=text)
            component = name
        try:
            if request.worker is not None:
                check_worker_name(request.worker)
            record = await self._components.get(component)
        except ComponentUnknownError as error:
            return Failure(kind="unknown-component", message=str(error))
        except TerminalError as error:
            return Failure(kind="bad-worker-name", message=str(error))
        if not _may_call(self._ledger.id.component, record):
            text = f"component {component!r} does not let workers of others call its own"
            return Failure(kind="denied", message=text)
        limit = min(PARAMETERS_BYTES_MAX, self._ledger.result_bytes_max) // 2
        if len(request.params) > limit:
            text = f"the parameters have {len(request.params)} bytes, at most {limit} are sent"
            return Failure(kind="too-large", message=text)
        # What only reads does not wait for what the worker is doing.
        reads = declares(record.read_only, request.function)
        refusal = None if reads else self._refusal(component, request)
        return refusal or (lambda: self._asks(component, request))

    def tell(self, request: CallRequest) -> RemoteCall:
        """Return the call of a component by its name that nobody waits for."""
        assert isinstance(request.component, str), "only a name is known without asking"
        return self._asks(request.component, request)

    async def cancel(self, component: str | uuid.UUID, worker: str | None, index: int) -> None:
        """Take back the call scheduled by entry `index`, if it is not due yet."""
        name = component if isinstance(component, str) else await self.component_name(component)
        if name is not None:
            await self._ledger.outbox.wait_sent(index)
            token = f"{self._ledger.outbox.incarnation}-{index}"
            await self._ledger.cancel_schedule(subjects.schedule(name, worker, token))

    def _refusal(self, component: str, request: CallRequest) -> Failure | None:
        """A call that waits for a worker that waits for its caller could never end."""
        if not request.blocks or request.worker is None:
            return None
        target = WorkerId(component, request.worker)
        chain = self._chain()
        if str(target) in chain:
            cycle = " → ".join([*chain[chain.index(str(target)) :], str(target)])
            text = f"{request.function} would wait for ever: {cycle}"
            return Failure(kind="deadlock", message=text)
        if len(chain) >= CHAIN_MAX:
            text = f"{CHAIN_MAX} workers wait for one another already"
            return Failure(kind="too-deep", message=text)
        return None

    def _chain(self) -> tuple[str, ...]:
        running = self._ledger.running
        return (*(() if running is None else running.chain), str(self._ledger.id))

    def _asks(self, component: str, request: CallRequest) -> RemoteCall:
        ledger = self._ledger
        running = ledger.running
        deadline_ms, run_at_ms = None, request.run_at_ms
        timeout_ms = self._timeout_ms if request.timeout_ms is None else request.timeout_ms
        if request.awaits and timeout_ms is not None and timeout_ms < TIMEOUT_S_MAX * 1_000:
            deadline_ms = ledger.clock.stamp_ms() + timeout_ms
        key = ledger.next_key()
        target = WorkerId(component, request.worker or key)
        traceparent, tracestate = ledger.tracing.called(
            ledger.id,
            None if running is None else cause_of(running),
            target,
            request.function,
            later=run_at_ms is not None,
        )
        call = RemoteCall(
            component=component,
            worker=target.worker,
            function=request.function,
            key=key,
            form=request.form,
            awaits=request.awaits,
            run_at_ms=None if run_at_ms is None else min(run_at_ms, WAKE_AT_MS_MAX),
            deadline_ms=deadline_ms,
            chain=self._chain() if request.awaits else (),
            traceparent=traceparent,
            tracestate=tracestate,
            # What is said of an invocation holds for all that it causes.
            attributes=() if running is None else running.attributes,
        )
        known = ledger.asked_before.key_of_call(call, request.params)
        if known is None:
            return call
        return structs.replace(call, key=known, worker=request.worker or known)


def _may_call(caller: str, record: ComponentRecord) -> bool:
    allowed = record.env.get(CALLERS_VARIABLE)
    if allowed is None or caller == record.name:
        return True
    return caller in {name.strip() for name in allowed.split(",")}
