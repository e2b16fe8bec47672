"""`wasi:config/store`: a worker's environment, fixed at its creation, and its component's secrets.

A secret has a key that begins with `secret:`, and is not among `get-all`.
"""

from actors.host.context import SECRET_PREFIX, HostContext
from actors.host.interface import HostInterface, Kind
from wit.values import Value, ok, some

__all__ = ["STORE"]

STORE = HostInterface("wasi:config/store", version="0.2.0-rc.1", other_versions=("0.2.0-draft",))


@STORE.function("get", Kind.PURE, records=Kind.READ_REMOTE)
def get(context: HostContext, key: str) -> Value:
    """Return the value of a key, if there is one."""
    if key.startswith(SECRET_PREFIX):
        value = context.secret(key.removeprefix(SECRET_PREFIX))
    else:
        value = dict(context.environment).get(key)
    return ok(None if value is None else some(value))


@STORE.function("get-all", Kind.PURE)
def get_all(context: HostContext) -> Value:
    """Return all keys with their values."""
    return ok(list(context.environment))
