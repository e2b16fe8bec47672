"""What a supervisor tells its processes on their command line."""

from msgspec import Struct

__all__ = ["ExecutorSettings", "GatewaySettings"]


class ExecutorSettings(Struct, frozen=True, kw_only=True):
    """Settings of one executor process, without secrets.

    `label` names it in logs, `cache_dir` holds compiled modules. `assume_durable`: how the broker
    syncs its disk was told already.
    """

    label: str
    cache_dir: str
    log_level: str = "info"
    otlp_endpoint: str | None = None
    assume_durable: bool = False
    memory_bytes_max: int | None = None


class GatewaySettings(Struct, frozen=True, kw_only=True):
    """Settings of a gateway process, without secrets. Port 0 takes a free one."""

    label: str
    host: str
    port: int
    log_level: str = "info"
    otlp_endpoint: str | None = None
