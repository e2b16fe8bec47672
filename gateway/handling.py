"""One request of a deployed API: find its route, bind its inputs, run its program, respond."""

import hashlib
import secrets
import uuid
from collections.abc import Callable, Mapping
from typing import Final, final

import structlog

import rib
from gateway.cors import allow, preflight
from gateway.definitions import CorsBinding
from gateway.deployments import LiveRoute
from gateway.errors import RequestError
from gateway.inputs import Arrived, bind
from gateway.limits import KEY_CHARACTERS_MAX
from gateway.problems import problem
from gateway.responses import Response, respond
from gateway.sites import Site, Sites

__all__ = ["Handler", "MakePort"]

# Returns the port for one run under a key.
MakePort = Callable[[str], rib.Port]
# Reads why a call failed: a status and the last part of a problem's type.
Explain = Callable[[rib.RunError], tuple[int, str]]

_log = structlog.get_logger(__name__)


@final
class Handler:
    """Answers the requests of all sites."""

    def __init__(self, sites: Sites, make_port: MakePort, explain: Explain) -> None:
        """Make a handler.

        Args:
            sites: What is deployed.
            make_port: Gives the workers for one run.
            explain: Says what a call that failed means for the client.
        """
        self._sites = sites
        self._make_port = make_port
        self._explain = explain

    async def answer(self, host: str, method: str, path: list[str], request: Arrived) -> Response:
        """Return the response to a request, whatever happens."""
        occurrence = str(uuid.uuid4())
        try:
            return await self._routed(self._site(host), method, path, request)
        except RequestError as error:
            if error.status >= 500:
                _log.error("request failed", id=occurrence, reason=error.detail)
                return problem(_hidden(error, occurrence), instance=occurrence)
            return problem(error)
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

    async def _routed(self, site: Site, method: str, path: list[str], request: Arrived) -> Response:
        found = site.table.find(path).routes
        if not found:
            raise RequestError(404, "unknown-path", f"no route for /{'/'.join(path)}")
        origin = request.headers.get("origin", "")
        chosen = found.get(method) or (found.get("GET") if method == "HEAD" else None)
        if chosen is None:
            allowed = ", ".join(sorted(found))
            detail = f"/{'/'.join(path)} takes {allowed}, not {method}"
            raise RequestError(405, "method-not-allowed", detail, (("allow", allowed),))
        live, variables = chosen
        if isinstance(live.route.binding, CorsBinding):
            return preflight(live.route.binding, origin)
        arrived = Arrived(variables, request.query, request.headers, request.body)
        response = await self._run(site, live, arrived)
        cors = site.cors.get(live.path.shape())
        return response if cors is None else allow(response, cors, origin)

    async def _run(self, site: Site, live: LiveRoute, request: Arrived) -> Response:
        program = live.response
        assert program is not None, "a default binding has a program"
        values = bind(program.inputs, request)
        key = await self._key(site, live, request)
        value = await self._value(program, values, self._make_port(key))
        return respond(value, program.result, request.headers.get("accept", ""))

    async def _key(self, site: Site, live: LiveRoute, request: Arrived) -> str:
        """Return the key of the run: the same for a request that a client repeats under its key."""
        given = request.headers.get("idempotency-key")
        if live.idempotency_key is not None:
            values = bind(live.idempotency_key.inputs, request)
            port = self._make_port(f"http-{secrets.token_hex(16)}")
            given = str(await self._value(live.idempotency_key, values, port))
        if given is None:
            return f"http-{secrets.token_hex(16)}"
        if not 0 < len(given) <= KEY_CHARACTERS_MAX:
            detail = f"Idempotency-Key: 1 to {KEY_CHARACTERS_MAX} characters, got {len(given)}"
            raise RequestError(400, "bad-request", detail)
        # The same key on another route, or with other variables, is another request.
        place = "\n".join([site.host, live.method, live.path.text, *_pairs(request.path), given])
        return f"http-{hashlib.sha256(place.encode()).hexdigest()[:32]}"

    async def _value(
        self, program: rib.Program, values: Mapping[str, object], port: rib.Port
    ) -> object:
        try:
            return await program.run(port, values)
        except rib.RunError as error:
            status, kind = self._explain(error)
            raise RequestError(status, kind, str(error)) from error


def _pairs(variables: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in sorted(variables.items())]


_TOLD: Final = {
    502: "a worker that the request needs has failed",
    503: "the system cannot take the request now; try again",
    504: "a worker did not answer in time; repeat the request under the same Idempotency-Key",
}


def _hidden(error: RequestError, occurrence: str) -> RequestError:
    """Return what strangers may know of a failure: the log has the rest."""
    told = _TOLD.get(error.status, "the request failed")
    return RequestError(error.status, error.kind, f"{told} (id {occurrence})", error.headers)
