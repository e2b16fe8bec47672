"""Parameters that several operations have."""

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from gateway.rest.operation import Count

__all__ = [
    "ComponentPath",
    "Env",
    "Index",
    "Millis",
    "Page",
    "VersionNumber",
    "VersionPath",
    "WorkerPath",
    "exactly_one",
    "pairs",
]

COUNT_DEFAULT = 100

# Numbers that JSON can carry everywhere without loss.
Index: TypeAlias = Annotated[int, Meta(ge=1, le=1 << 53)]
VersionNumber: TypeAlias = Annotated[int, Meta(ge=0, le=1 << 31)]
# Up to the year 9999.
Millis: TypeAlias = Annotated[
    int, Meta(ge=0, le=253_402_300_799_999, description="Unix time in ms.")
]
# `NAME=VALUE`, for queries.
Env: TypeAlias = Annotated[str, Meta(pattern="^[^=]+=", description="NAME=VALUE")]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]


class ComponentPath(Struct, frozen=True, forbid_unknown_fields=True):
    """A component."""

    component: Name


class VersionPath(Struct, frozen=True, forbid_unknown_fields=True):
    """A version of a component."""

    component: Name
    version: VersionNumber


class WorkerPath(Struct, frozen=True, forbid_unknown_fields=True):
    """A worker."""

    component: Name
    worker: Name


class Page(Struct, frozen=True, forbid_unknown_fields=True):
    """A page: what comes behind `cursor`, which is the `next` of the page before."""

    cursor: str = ""
    count: Count = COUNT_DEFAULT


def exactly_one(*names: str) -> Meta:
    """Return what the document says of a body of which one field must be there and not null."""
    others_null = [
        {
            "required": [name],
            "properties": {
                each: {"not": {"type": "null"}} if each == name else {"type": "null"}
                for each in names
            },
        }
        for name in names
    ]
    return Meta(extra_json_schema={"oneOf": others_null})


def pairs(given: tuple[str, ...]) -> dict[str, str]:
    """Return `NAME=VALUE` texts as a mapping."""
    return {name: value for name, _, value in (each.partition("=") for each in given)}
