"""Errors of the gateway. `kind` is the stable name that also goes over the wire.

GatewayError                terminal: the same definition or deployment is refused again
├── DefinitionError         a definition that is wrong; has every finding, each with its place
├── ConflictError           two routes want the same requests, or something exists already
├── UnknownApiError         no definition or deployment of that name
├── UnknownSchemeError      no security scheme of that name
└── BrokenError             components do not offer what a program needs
RequestError                an HTTP request that does not fit; has status and problem type
"""

from typing import final

__all__ = [
    "BrokenError",
    "ConflictError",
    "DefinitionError",
    "GatewayError",
    "RequestError",
    "UnknownApiError",
    "UnknownSchemeError",
]


class GatewayError(Exception):
    """Something that management asked for is refused. Never worth a retry."""

    kind = "bad-api"


@final
class DefinitionError(GatewayError):
    """A definition is wrong. `findings` are all of them, each with its place."""

    def __init__(self, findings: tuple[str, ...]) -> None:
        super().__init__("\n".join(findings))
        self.findings = findings


@final
class ConflictError(GatewayError):
    """Two routes want the same requests, or a published version would change."""

    kind = "api-conflict"


@final
class UnknownApiError(GatewayError):
    """There is no definition or deployment of that name."""

    kind = "unknown-api"


@final
class UnknownSchemeError(GatewayError):
    """There is no security scheme of that name."""

    kind = "unknown-scheme"


@final
class BrokenError(GatewayError):
    """Programs of an API do not compile against the components there are."""

    kind = "api-broken"


@final
class RequestError(Exception):
    """An HTTP request does not fit; terminal unless its status says otherwise.

    `kind` is the last part of the problem's type.
    """

    def __init__(
        self, status: int, kind: str, detail: str, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = headers
