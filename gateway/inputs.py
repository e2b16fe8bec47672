"""From an HTTP request to the inputs of a program: every value in the type that Rib inferred."""

from collections.abc import Mapping, Sequence
from typing import Final, final

from gateway.bodies import read_body
from gateway.claims import read_claim
from gateway.errors import RequestError
from gateway.texts import MisfitError, read_all
from rib import Input
from wit.type_text import type_text
from wit.values import Value

__all__ = ["Arrived", "bind"]

_NOTHING: Final[Mapping[str, Sequence[str]]] = {}


@final
class Arrived:
    """What a request brought: path variables, query, headers, cookies, and the raw body."""

    def __init__(
        self,
        *,
        path: Mapping[str, str],
        query: Mapping[str, Sequence[str]],
        headers: Mapping[str, str],
        cookies: Mapping[str, Sequence[str]] = _NOTHING,
        body: bytes = b"",
        claims: Mapping[str, object] | None = None,
        asker: str = "",
    ) -> None:
        """Make one; the names of headers are in lower case, `claims` are of `asker`."""
        self.path = path
        self.query = query
        self.headers = headers
        self.cookies = cookies
        self.body = body
        self.claims = claims
        self.asker = asker

    def texts(self, group: str, name: str) -> Sequence[str]:
        """Return the values of a name in `path`, `query`, `headers` or `cookies`."""
        match group:
            case "query":
                return self.query.get(name, ())
            case "cookies":
                return self.cookies.get(name, ())
            case "path":
                return [self.path[name]] if name in self.path else []
            case _:
                value = self.headers.get(name.lower())
                return () if value is None else [value]


def bind(inputs: Sequence[Input], request: Arrived) -> dict[str, Value]:
    """Return the values of a program's inputs.

    Raises:
        RequestError: 400, one is missing or does not fit, with its name and the expected type; 403,
            a claim of who asks is missing or does not fit.
    """
    return {each.name: _value(each, request) for each in inputs}


def _value(wanted: Input, request: Arrived) -> Value:
    group, _, name = wanted.name.removeprefix("request.").partition(".")
    if group == "body":
        return read_body(wanted.type, request.headers, request.body)
    if group == "auth":
        return read_claim(name, wanted.type, request.claims or {})
    try:
        return read_all(request.texts(group, name), wanted.type)
    except MisfitError as error:
        place = f"{group}.{name}"
        raise RequestError(
            400, "bad-request", f"{place}: expected {type_text(wanted.type)}, {error}"
        ) from error
