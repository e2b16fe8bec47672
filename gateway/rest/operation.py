"""An operation of the management API: everything that routing, checking and OpenAPI need."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Generic, TypeAlias, TypeVar, get_args, get_type_hints

from msgspec import Meta, Struct

from gateway.limits import BODY_BYTES_MAX

__all__ = [
    "JSON",
    "WASM",
    "AnyCall",
    "Call",
    "Count",
    "No",
    "Operation",
    "Reply",
    "Role",
    "Streamed",
    "operations_of",
    "rest",
]

JSON: Final = "application/json"
WASM: Final = "application/wasm"

PATHS = TypeVar("PATHS")
QUERY = TypeVar("QUERY")
BODY = TypeVar("BODY")

# How many items a page has at most.
Count: TypeAlias = Annotated[int, Meta(ge=1, le=1_000, description="At most so many items.")]


class Role(StrEnum):
    """What the bearer of a token may do; each includes the one before."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether who has this role may do what needs the other."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class No(Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters, no body."""


class Call(Struct, Generic[PATHS, QUERY, BODY], frozen=True, kw_only=True):
    """One request, in the types of its operation. Names of headers are in lower case."""

    path: PATHS
    query: QUERY
    body: BODY
    headers: Mapping[str, str]
    base: str
    """The path that the API is mounted at, for links."""


# What the machinery passes on without looking into it; `operation` has checked the types.
AnyCall: TypeAlias = Call[Any, Any, Any]


class Reply(Struct, frozen=True, kw_only=True):
    """An answer that is no plain 200: another status, more headers, or a body of another type."""

    value: object = None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


class Streamed(Struct, frozen=True, kw_only=True):
    """An answer whose body comes piece by piece. `size` in bytes, if it is known."""

    pieces: AsyncIterator[bytes]
    kind: str = "application/octet-stream"
    size: int | None = None
    headers: tuple[tuple[str, str], ...] = ()


class Operation(Struct, frozen=True, kw_only=True):
    """A row of the API. `answers` are statuses and the types of their bodies (None: none).

    `produces`: media type of a body that is no JSON. `consumes` says which bodies it takes;
    bytes are handed on as they are when its type is `bytes`. `described_body`: what the document
    says of the body, where whoever is asked looks into it more closely than the decoder.
    """

    name: str
    method: str
    path: str
    role: Role
    summary: str
    path_type: type[Any]
    query_type: type[Any]
    body_type: Any
    described_body: Any
    consumes: str
    body_bytes_max: int
    answers: Mapping[int, Any]
    produces: str
    run: Callable[[AnyCall], Awaitable[object]]


class _Described(Struct, frozen=True, kw_only=True):
    """What is said of an operation where its method stands."""

    name: str
    method: str
    path: str
    role: Role
    status: int
    answer: Any
    others: Mapping[int, Any]
    consumes: str
    produces: str
    body: Any
    body_bytes_max: int


Handler = TypeVar("Handler", bound=Callable[..., Awaitable[object]])
_MARK: Final = "_operation"


def rest(
    name: str,
    method: str,
    path: str,
    role: Role,
    *,
    status: int = 200,
    answer: Any = None,
    others: Mapping[int, Any] | None = None,
    consumes: str = JSON,
    produces: str = JSON,
    body: Any = None,
    body_bytes_max: int = BODY_BYTES_MAX,
) -> Callable[[Handler], Handler]:
    """Mark a method as an operation: its summary is the docstring, its types the annotations.

    The method takes a `Call` of three types. `answer` is the type of the body if the method does
    not return just that; `others` are the bodies of other statuses that it may answer with; `body`
    is what the document says of the request's body, if that is more than its type.
    """
    described = _Described(
        name=name,
        method=method,
        path=path,
        role=role,
        status=status,
        answer=answer,
        others=others or {},
        consumes=consumes,
        produces=produces,
        body=body,
        body_bytes_max=body_bytes_max,
    )

    def mark(run: Handler) -> Handler:
        setattr(run, _MARK, described)
        return run

    return mark


def operations_of(noun: object) -> list[Operation]:
    """Return the operations that are marked on the class of an object, in their order."""
    return [
        _operation(getattr(noun, name), getattr(run, _MARK))
        for name, run in vars(type(noun)).items()
        if hasattr(run, _MARK)
    ]


def _operation(run: Callable[[AnyCall], Awaitable[object]], said: _Described) -> Operation:
    hints = get_type_hints(run, include_extras=True)
    path_type, query_type, body_type = get_args(hints["call"])
    answer = hints["return"] if said.answer is None else said.answer
    if answer is type(None):
        answer = None
    status = 204 if answer is None and said.status == 200 else said.status
    return Operation(
        name=said.name,
        method=said.method,
        path=said.path,
        role=said.role,
        summary=(run.__doc__ or "").partition("\n")[0],
        path_type=path_type,
        query_type=query_type,
        body_type=body_type,
        described_body=body_type if said.body is None else said.body,
        consumes=said.consumes,
        produces=said.produces,
        body_bytes_max=said.body_bytes_max,
        answers={status: answer, **said.others},
        run=run,
    )
