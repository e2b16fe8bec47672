"""One request of a deployed API: find its route, let it in, have its binding answer."""

import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Final, assert_never, final

import structlog

from actors.stored_bodies import PIECE_BYTES
from gateway.component_requests import (
    REQUEST_INPUT,
    WORKER_INPUT,
    as_request,
    as_response,
    takes_stored,
)
from gateway.cookies import cookies_of
from gateway.cors import allow, preflight
from gateway.definitions import (
    CorsBinding,
    DefaultBinding,
    FileServerBinding,
    HttpHandlerBinding,
    SwaggerUiBinding,
    WebsocketBinding,
)
from gateway.deployments import LiveRoute
from gateway.errors import RequestError
from gateway.explorer import ASSET, explore
from gateway.incoming import GoneError, Incoming
from gateway.inputs import Arrived
from gateway.invocation_context import InvocationContext
from gateway.later.records import LaterRun, as_json
from gateway.later.runs import BELOW, LaterRuns, wait_wanted
from gateway.limits import BODY_BYTES_MAX, BODY_BYTES_RANGE, LATER_BODY_BYTES_MAX
from gateway.problems import problem
from gateway.responses import Response, check_accepted, respond
from gateway.route_rates import RouteRates
from gateway.running import Run, random_key
from gateway.security.guard import RouteGuard
from gateway.security.login import AUTH
from gateway.security.principal import Principal
from gateway.served_files import FileAnswer, serve
from gateway.sites import Site, Sites
from gateway.workers import Workers
from wit.values import Value

__all__ = ["Handler"]

_log = structlog.get_logger(__name__)


@final
class Handler:
    """Answers the requests of all sites."""

    def __init__(
        self,
        sites: Sites,
        workers: Workers,
        guard: RouteGuard,
        runs: LaterRuns,
        rates: RouteRates,
    ) -> None:
        """Make a handler of what is deployed, of the workers that answer, and of who may ask."""
        self._runs = runs
        self._guard = guard
        self._sites = sites
        self._workers = workers
        self._rates = rates

    async def answer(self, request: Incoming) -> Response:
        """Return the response to a request, whatever happens.

        Raises:
            GoneError: the client is gone before it sent all of it.
        """
        occurrence = str(uuid.uuid4())
        try:
            return await self._routed(self._site(request.host), request)
        except RequestError as error:
            if error.status >= 500:
                _log.error("request failed", id=occurrence, reason=error.detail)
                return problem(_hidden(error, occurrence), instance=occurrence)
            return problem(error)
        except GoneError:
            raise
        except Exception:  # noqa: BLE001 - a bug must not leave the client without an answer
            _log.exception("request failed", id=occurrence)
            bug = RequestError(500, "internal", "a bug; the log has its details")
            return problem(bug, instance=occurrence)

    def _site(self, host: str) -> Site:
        site = self._sites.find(host)
        if site is None:
            detail = f"nothing is deployed for the host {host!r}"
            raise RequestError(404, "unknown-host", detail)
        return site

    async def _routed(self, site: Site, request: Incoming) -> Response:
        if tuple(request.path[:2]) == AUTH:
            return await self._guard.answer(request)
        if tuple(request.path[:2]) == BELOW:
            return await self._came(site, request)
        found = site.table.find(request.path).routes
        shown = f"/{'/'.join(request.path)}"
        if not found:
            raise RequestError(404, "unknown-path", f"no route for {shown}")
        method = request.method
        chosen = found.get(method) or (found.get("GET") if method == "HEAD" else None)
        if chosen is None:
            allowed = ", ".join(sorted(found))
            detail = f"{shown} takes {allowed}, not {method}"
            raise RequestError(405, "method-not-allowed", detail, (("allow", allowed),))
        live, variables = chosen
        self._rates.check(live, request)
        origin = request.headers.get("origin", "")
        if isinstance(live.route.binding, CorsBinding):
            return preflight(live.route.binding, origin)
        cors = site.cors.get(live.path.shape())
        try:
            response = await self._answered(site, live, variables, request)
        except RequestError as error:
            if cors is None or error.status >= 500:
                raise
            # Pages of other origins may read what is wrong with their request, too.
            response = problem(error)
        return response if cors is None else allow(response, cors, origin)

    async def _answered(
        self, site: Site, live: LiveRoute, variables: Mapping[str, str], request: Incoming
    ) -> Response:
        # Before the body: strangers need not be listened to.
        asker = await self._guard.admit(live.route.security, request)
        arrived = await self._arrived(live, variables, request, asker)
        run = Run(self._workers, site.host, live, arrived)
        binding = live.route.binding
        match binding:
            case DefaultBinding():
                return await self._default(run, live)
            case FileServerBinding(component=component):
                return await self._file(run, live, component)
            case HttpHandlerBinding(component=component):
                return await self._component(run, live, component, request)
            case WebsocketBinding():
                detail = "this path is for websockets"
                raise RequestError(426, "upgrade-required", detail, (("upgrade", "websocket"),))
            case SwaggerUiBinding():
                part = variables.get(ASSET)
                path = request.target.partition("?")[0]
                return explore(live, part, path, site.table.entries, self._guard.schemes)
            case CorsBinding():
                raise AssertionError("preflight requests have been answered")
            case _:
                assert_never(binding)

    async def _arrived(
        self,
        live: LiveRoute,
        variables: Mapping[str, str],
        request: Incoming,
        asker: Principal | None,
    ) -> Arrived:
        is_passed_on = isinstance(live.route.binding, HttpHandlerBinding) and not live.reads_body
        return Arrived(
            path=variables,
            query=request.query,
            headers=request.headers,
            cookies=cookies_of(request.headers.get("cookie", "")),
            body=b"" if is_passed_on else await request.body(_limit(live)),
            claims=None if asker is None else asker.claims,
            asker=_name_of(asker),
        )

    async def _default(self, run: Run, live: LiveRoute) -> Response:
        program = live.response
        assert program is not None, "a default binding has a program"
        inputs = run.inputs(program)
        accept = run.accept
        # Before the run: a client that cannot be answered causes nothing.
        check_accepted(program.result, accept)
        key, told = await run.key(), await run.context()
        wait_s = wait_wanted(run.headers.get("prefer", ""))
        if wait_s is not None:
            return await self._later(run, live, inputs, key=key, told=told, wait_s=wait_s)
        return respond(await run.value(program, inputs, key, told), program.result, accept)

    async def _later(
        self,
        run: Run,
        live: LiveRoute,
        inputs: Mapping[str, Value],
        *,
        key: str,
        told: InvocationContext,
        wait_s: float,
    ) -> Response:
        program = live.response
        assert program is not None, "what can be answered later has a program"
        later = LaterRun(
            host=run.host,
            gateway="",
            program=program.encode(),
            inputs=as_json(program, inputs),
            key=key,
            accept=run.accept,
            timeout_s=run.timeout_s,
            is_handler=isinstance(live.route.binding, HttpHandlerBinding),
            context=told,
            security=live.route.security,
            asker=run.asker,
        )
        return await self._runs.begin(later, wait_s)

    async def _came(self, site: Site, request: Incoming) -> Response:
        """Return what came of a request that is answered later."""
        found = None if len(request.path) != 3 else await self._runs.find(request.path[2])
        asker = None if found is None else await self._guard.admit(found.security, request)
        if found is None or found.host != site.host or found.asker != _name_of(asker):
            raise RequestError(404, "unknown-run", "there is no such request, or no longer")
        if request.method not in {"GET", "HEAD"}:
            detail = "ask for the answer with GET"
            raise RequestError(405, "method-not-allowed", detail, (("allow", "GET, HEAD"),))
        return await self._runs.answer(found)

    async def _file(self, run: Run, live: LiveRoute, component: str) -> Response:
        program = live.response
        assert program is not None, "a file server has a program"
        value = await run.value(program, run.inputs(program), random_key())
        return await serve(
            self._workers,
            FileAnswer.of(value, program.result),
            component=component,
            worker=None if live.worker is None else await run.text(live.worker),
            headers=run.headers,
        )

    async def _component(
        self, run: Run, live: LiveRoute, component: str, request: Incoming
    ) -> Response:
        program = live.response
        assert program is not None, "a handler has a program"
        key, told = await run.key(), await run.context()
        wait_s = wait_wanted(run.headers.get("prefer", ""))
        # Without a worker of its own each request has one, the same when it is repeated.
        worker = key if live.worker is None else await run.text(live.worker)
        inputs: dict[str, Value] = {}
        if any(each.name == WORKER_INPUT for each in program.inputs):
            inputs[WORKER_INPUT] = worker
        at = None
        if live.reads_body:
            body = run.body
        elif not takes_stored(program) or WORKER_INPUT not in inputs:
            body = await request.body(min(_limit(live), BODY_BYTES_RANGE[1]))
        else:
            held = PIECE_BYTES if wait_s is None else LATER_BODY_BYTES_MAX
            body, rest = await request.begun(_limit(live), held)
            if rest is not None:
                at = await self._workers.store_body(component, worker, key, _all_of(body, rest))
                body = b""
        inputs[REQUEST_INPUT] = as_request(request, body, at)
        if wait_s is not None:
            return await self._later(run, live, inputs, key=key, told=told, wait_s=wait_s)
        return as_response(await run.value(program, inputs, key, told), self._workers)


def _name_of(asker: Principal | None) -> str:
    return "" if asker is None else f"{asker.scheme}/{asker.subject}"


def _limit(live: LiveRoute) -> int:
    limit = live.route.limits.body_bytes
    return BODY_BYTES_MAX if limit is None else limit


async def _all_of(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


_TOLD: Final = {
    502: "a worker that the request needs has failed",
    503: "the system cannot take the request now; try again",
    504: "a worker did not answer in time; repeat the request under the same Idempotency-Key",
}
_TOLD_OF: Final = {
    "log-damaged": "what a worker that the request needs has kept is damaged; nothing is decided, "
    "repeat the request under the same Idempotency-Key when that is mended",
}


def _hidden(error: RequestError, occurrence: str) -> RequestError:
    """Return what strangers may know of a failure: the log has the rest."""
    told = _TOLD_OF.get(error.kind) or _TOLD.get(error.status, "the request failed")
    return RequestError(error.status, error.kind, f"{told} (id {occurrence})", error.headers)
