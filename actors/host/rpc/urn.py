"""Names of resources inside workers: `urn:worker:<component uuid>/<worker>/<number>`."""

from typing import Final

from msgspec import Struct

__all__ = ["ResourceUrn", "parse_urn"]

_PREFIX: Final = "urn:worker:"


class ResourceUrn(Struct, frozen=True):
    """A resource: the component's UUID as text, the worker's name, the resource's number there."""

    component: str
    worker: str
    number: int

    def __str__(self) -> str:
        return f"{_PREFIX}{self.component}/{self.worker}/{self.number}"


def parse_urn(text: str) -> ResourceUrn:
    """Return the parts of a URN.

    Raises:
        ValueError: it is none.
    """
    component, found, rest = text.removeprefix(_PREFIX).partition("/")
    worker, has_number, number = rest.rpartition("/")
    if not (text.startswith(_PREFIX) and found and has_number and number.isdecimal()):
        raise ValueError(f"expected {_PREFIX}<component>/<worker>/<number>")
    return ResourceUrn(component, worker, int(number))
