"""Running the programs of a route for one request, under the request's key."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import final

import rib
from gateway.deployments import LiveRoute
from gateway.errors import RequestError
from gateway.inputs import Arrived, bind
from gateway.invocation_context import NO_CONTEXT, InvocationContext, invocation_context
from gateway.limits import KEY_CHARACTERS_MAX, REQUEST_TIMEOUT_S
from gateway.workers import Workers
from wit.values import Value

__all__ = ["Run", "random_key", "run_program"]


def random_key() -> str:
    """Return a key of a request that nobody can repeat."""
    return f"http-{secrets.token_hex(16)}"


async def run_program(
    workers: Workers,
    program: rib.Program,
    inputs: Mapping[str, Value],
    key: str,
    *,
    timeout_s: float,
    told: InvocationContext,
) -> Value:
    """Run a program; the same again under the same key.

    Raises:
        RequestError: it failed.
    """
    port = workers.port(key, timeout_s=timeout_s, attributes=told.attributes)
    try:
        with told.entered():
            return await program.run(port, inputs)
    except rib.RunError as error:
        status, kind = workers.explain(error)
        raise RequestError(status, kind, str(error)) from error


@final
class Run:
    """The programs of one route for one request."""

    def __init__(self, workers: Workers, host: str, live: LiveRoute, request: Arrived) -> None:
        """Make one; `host` is the site's."""
        self._workers = workers
        self.host = host
        self._live = live
        self._request = request

    @property
    def timeout_s(self) -> float:
        """How long each call of a worker may take."""
        limits = self._live.route.limits
        return REQUEST_TIMEOUT_S if limits.timeout_s is None else limits.timeout_s

    @property
    def asker(self) -> str:
        """Who asks, empty if nobody was asked to say."""
        return self._request.asker

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the request."""
        return self._request.headers

    @property
    def body(self) -> bytes:
        """The body of the request, where programs read it."""
        return self._request.body

    @property
    def accept(self) -> str:
        """What the client takes."""
        return self._request.headers.get("accept", "")

    def inputs(self, program: rib.Program) -> Mapping[str, Value]:
        """Return the inputs of a program.

        Raises:
            RequestError: 400, one is missing or does not fit.
        """
        return bind(program.inputs, self._request)

    async def value(
        self,
        program: rib.Program,
        inputs: Mapping[str, Value],
        key: str,
        told: InvocationContext = NO_CONTEXT,
    ) -> Value:
        """Run a program; `told` travels with what it invokes.

        Raises:
            RequestError: it failed.
        """
        return await run_program(
            self._workers, program, inputs, key, timeout_s=self.timeout_s, told=told
        )

    async def text(self, program: rib.Program) -> str:
        """Run a program that gives a string, and repeats nothing when it runs again."""
        return str(await self.value(program, self.inputs(program), random_key()))

    async def context(self) -> InvocationContext:
        """Return what travels with the invocations of the request.

        Raises:
            RequestError: it failed, or says what cannot be.
        """
        program = self._live.context
        if program is None:
            return NO_CONTEXT
        value = await self.value(program, self.inputs(program), random_key())
        return invocation_context(value, program.result)

    async def key(self) -> str:
        """Return the key of the request: the same for one that a client repeats under its key."""
        given = self._request.headers.get("idempotency-key")
        if self._live.idempotency_key is not None:
            given = await self.text(self._live.idempotency_key)
        if given is None:
            return random_key()
        if not 0 < len(given) <= KEY_CHARACTERS_MAX:
            detail = f"Idempotency-Key: 1 to {KEY_CHARACTERS_MAX} characters, got {len(given)}"
            raise RequestError(400, "bad-request", detail)
        # The same key on another route, or with other variables, is another request.
        live = self._live
        pairs = _pairs(self._request.path)
        # Another one's key is none of mine.
        who = (f"by {self._request.asker}",) if self._request.asker else ()
        place = "\n".join([self.host, live.method, live.path.text, *pairs, *who, given])
        return f"http-{hashlib.sha256(place.encode()).hexdigest()[:32]}"


def _pairs(variables: Mapping[str, str]) -> Sequence[str]:
    return [f"{name}={value}" for name, value in sorted(variables.items())]
