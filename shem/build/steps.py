"""The steps of a build, by name."""

from enum import StrEnum

from msgspec import Struct

__all__ = ["Done", "Step"]


class Step(StrEnum):
    """A step of a build."""

    GEN_WIT = "gen-wit"
    GEN_RPC = "gen-rpc"
    COMPONENTIZE = "componentize"
    LINK = "link"


class Done(Struct, frozen=True, kw_only=True, rename="kebab"):
    """A step that is done; `ran` tells whether there was anything to do."""

    component: str
    step: Step
    what: str
    ran: bool
    seconds: float
