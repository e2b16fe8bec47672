"""Refusals of the gateway as answers to management requests."""

from collections.abc import Awaitable, Callable

from actors.errors import ApiError
from broker.ports import Request
from gateway.errors import GatewayError

__all__ = ["told"]


def told(run: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
    """Return a handler of requests that answers refusals by their kind."""

    async def answered(body: object, _request: Request) -> object:
        try:
            return await run(body)
        except GatewayError as error:
            raise ApiError(error.kind, str(error)) from error

    return answered
