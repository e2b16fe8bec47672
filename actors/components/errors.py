"""Errors of the component store. `kind` is the stable name that goes over the wire.

ComponentsError               terminal: the same call fails again
├── UnknownComponentError     no component, or no such version of it
├── BadComponentError         the upload is refused: what is wrong and where
├── ComponentInUseError       workers run it: delete them first, or force
└── ComponentDamagedError     the stored bytes are missing or not those that were uploaded
"""

from typing import ClassVar

from actors.errors import ComponentUnknownError

__all__ = [
    "BadComponentError",
    "ComponentDamagedError",
    "ComponentInUseError",
    "ComponentsError",
    "UnknownComponentError",
]


class ComponentsError(Exception):
    """Anything the store refuses."""

    kind: ClassVar[str] = "internal"


class UnknownComponentError(ComponentsError, ComponentUnknownError):
    """No component of that name, or no such version."""

    kind = "unknown-component"


class BadComponentError(ComponentsError):
    """The upload cannot become a version. Nothing of it is visible."""

    kind = "bad-component"


class ComponentInUseError(ComponentsError):
    """Workers still run it."""

    kind = "component-in-use"


class ComponentDamagedError(ComponentsError):
    """The blob store does not hold what the record promises."""

    kind = "internal"
