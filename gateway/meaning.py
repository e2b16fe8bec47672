"""What definitions mean, however they say it: one with another order of routes is no other one."""

from collections.abc import Sequence

from msgspec import Struct

from gateway.definitions import ApiDefinition, Binding, CorsBinding, Limits, Requirement, Route
from gateway.deployments import CompiledRoute

__all__ = ["Resolved", "is_same", "is_served_by", "resolved"]


class Resolved(Struct, frozen=True):
    """A route with what its definition says for all of them."""

    method: str
    path: str
    binding: Binding
    limits: Limits
    security: tuple[Requirement, ...]


def resolved(definition: ApiDefinition, route: Route) -> Resolved:
    """Return what a definition says of one of its routes."""
    security = definition.security if route.security is None else route.security
    # What browsers ask before they ask says nothing of who asks.
    security = () if isinstance(route.binding, CorsBinding) else security
    limits = definition.limits if route.limits is None else route.limits
    return Resolved(route.method, route.path, route.binding, limits, security)


def is_same(one: ApiDefinition, other: ApiDefinition) -> bool:
    """Return whether two definitions of a version mean the same."""
    return one.draft == other.draft and _routes(one) == _routes(other)


def is_served_by(definition: ApiDefinition, routes: Sequence[CompiledRoute]) -> bool:
    """Return whether the routes of a deployed API are what its definition says by now."""
    served = [
        Resolved(each.method, each.path, each.binding, each.limits, each.security)
        for each in routes
        if not each.is_derived
    ]
    return _routes(definition) == sorted(served, key=_order)


def _routes(definition: ApiDefinition) -> list[Resolved]:
    return sorted((resolved(definition, each) for each in definition.routes), key=_order)


def _order(route: Resolved) -> tuple[str, str]:
    return route.path, route.method
