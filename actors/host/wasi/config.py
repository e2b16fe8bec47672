"""`wasi:config/store`: a worker is configured by its environment, fixed at its creation."""

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from wit.values import Value, ok, some

__all__ = ["STORE"]

STORE = HostInterface("wasi:config/store", version="0.2.0-rc.1", other_versions=("0.2.0-draft",))


@STORE.function("get", Kind.PURE)
def get(context: HostContext, key: str) -> Value:
    """Return the value of a key, if there is one."""
    value = dict(context.environment).get(key)
    return ok(None if value is None else some(value))


@STORE.function("get-all", Kind.PURE)
def get_all(context: HostContext) -> Value:
    """Return all keys with their values."""
    return ok(list(context.environment))
