"""Websockets of deployed APIs: find the route, open or resume a client, run its connection."""

import secrets
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, final
from urllib.parse import urlsplit

import msgspec
import structlog
from opentelemetry import metrics

import rib
from actors.identity import name_problem
from broker.errors import BrokerError
from gateway.clients.connection import Connection
from gateway.clients.framing import framing_of
from gateway.clients.holder import Held, Holder
from gateway.cookies import cookies_of
from gateway.definitions import WebsocketBinding
from gateway.deployments import LiveRoute
from gateway.errors import RequestError
from gateway.incoming import Incoming
from gateway.inputs import Arrived, bind
from gateway.problems import problem
from gateway.rest.app import send_response
from gateway.rest.requests import Receive, Scope, Send
from gateway.route_rates import RouteRates
from gateway.security.guard import RouteGuard
from gateway.sites import Sites

__all__ = ["RESUME_HEADER", "Sockets"]

RESUME_HEADER: Final = "shem-resume"
_RESUME: Final = "resume"
_AFTER: Final = "after"
# A longer number is no sequence of a stream.
_DIGITS_MAX: Final = 18

_open: Final = metrics.get_meter("shem.gateway").create_up_down_counter(
    "shem.gateway.clients", "{client}", "Clients that are connected by websockets."
)

_log = structlog.get_logger(__name__)


@final
class Sockets:
    """The websockets of all sites, as an ASGI application."""

    def __init__(self, sites: Sites, holder: Holder, guard: RouteGuard, rates: RouteRates) -> None:
        self._sites = sites
        self._holder = holder
        self._guard = guard
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection until its end; refuse it with what a request would get."""
        await receive()
        framing = framing_of(scope.get("subprotocols", []))
        try:
            held, token, after = await self._client({**scope, "method": "GET"}, receive)
        except RequestError as error:
            await send_response(problem(error), scope, send)
            return
        except BrokerError as error:
            _log.warning("a client cannot be opened", reason=str(error))
            unavailable = RequestError(503, "unavailable", "no clients are taken now; try again")
            await send_response(problem(unavailable), scope, send)
            return
        accepted = {
            "type": "websocket.accept",
            "subprotocol": framing.subprotocol,
            "headers": [(RESUME_HEADER.encode(), token.encode())],
        }
        await send(accepted)
        _open.add(1)
        try:
            await Connection(held, self._holder, framing, receive, send, after=after).run(token)
        finally:
            _open.add(-1)

    async def _client(self, scope: Scope, receive: Receive) -> tuple[Held, str, int | None]:
        request = Incoming(scope, receive)
        live, variables = self._route(request)
        self._rates.check(live, request)
        binding = live.route.binding
        assert isinstance(binding, WebsocketBinding), "other routes have been refused"
        _check_origin(request, binding.allow_origin)
        asker = await self._guard.admit(live.route.security, request)
        api = f"{live.api} {live.path.text}"
        token = _one(request.query, _RESUME)
        if token is None:
            arrived = Arrived(
                path=variables,
                query=request.query,
                headers=request.headers,
                cookies=cookies_of(request.headers.get("cookie", "")),
                claims=None if asker is None else asker.claims,
                asker="" if asker is None else f"{asker.scheme}/{asker.subject}",
            )
            target = live.route.clients
            assert target is not None, "it was compiled"
            assert live.worker is not None, "it was compiled"
            worker = await _worker(live.worker, arrived)
            problem_ = name_problem(worker, "worker")
            if problem_ is not None:
                raise RequestError(400, "bad-request", problem_)
            target = msgspec.structs.replace(target, worker=worker)
            return (*await self._holder.open(target, api), None)
        after = _after(request.query)
        held = await self._holder.resume(token, api)
        if after is not None and after > held.written:
            # Behind what nobody was sent it would hear nothing, also of what is sent later.
            after = min(after, await self._holder.mailbag.end())
        return held, token, after

    def _route(self, request: Incoming) -> tuple[LiveRoute, Mapping[str, str]]:
        site = self._sites.find(request.host)
        if site is None:
            detail = f"nothing is deployed for the host {request.host!r}"
            raise RequestError(404, "unknown-host", detail)
        found = site.table.find(request.path).routes.get("GET")
        shown = f"/{'/'.join(request.path)}"
        if found is None:
            raise RequestError(404, "unknown-path", f"no route for {shown}")
        if not isinstance(found[0].route.binding, WebsocketBinding):
            raise RequestError(400, "bad-request", f"{shown} takes no websockets")
        return found


async def _worker(program: rib.Program, arrived: Arrived) -> str:
    values = bind(program.inputs, arrived)
    try:
        return str(await program.run(rib.NO_WORKERS, values))
    except rib.RunError as error:
        occurrence = secrets.token_hex(8)
        _log.exception("the name of a worker cannot be told", id=occurrence)
        detail = f"the request failed (id {occurrence})"
        raise RequestError(500, "program-failed", detail) from error


def _check_origin(request: Incoming, allowed: str) -> None:
    """Refuse pages of others: a browser sends their websockets with our cookies."""
    origin = request.headers.get("origin")
    if origin is None or urlsplit(origin).netloc == request.host:
        return
    patterns = (each.strip() for each in allowed.split(","))
    if not any(each and fnmatchcase(origin, each) for each in patterns):
        raise RequestError(403, "forbidden", f"pages of {origin!r} may not connect")


def _after(query: Mapping[str, Sequence[str]]) -> int | None:
    text = _one(query, _AFTER)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX):
        raise RequestError(400, "bad-request", "query.after: expected the id of a message")
    return int(text)


def _one(query: Mapping[str, Sequence[str]], name: str) -> str | None:
    values = query.get(name, ())
    return values[0] if values else None
