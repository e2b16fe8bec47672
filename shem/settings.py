"""What a supervisor tells its processes on their command line."""

from msgspec import Struct

__all__ = ["ExecutorSettings", "GatewaySettings"]


class ExecutorSettings(Struct, frozen=True, kw_only=True):
    """Settings of one executor process, without secrets.

    `label` names it in logs, `cache_dir` holds compiled modules. `assume_durable`: how the broker
    syncs its disk was told already. `metrics_port`: where metrics and health are served, None: not.
    """

    label: str
    cache_dir: str
    log_level: str = "info"
    otlp_endpoint: str | None = None
    assume_durable: bool = False
    memory_bytes_max: int | None = None
    metrics_port: int | None = None


class GatewaySettings(Struct, frozen=True, kw_only=True):
    """Settings of a gateway process, without secrets. Port 0 takes a free one.

    The management API has an address of its own if there is a `rest_port`. `needs_token` False: it
    answers everybody on this machine.
    """

    label: str
    host: str
    port: int
    rest_host: str = "127.0.0.1"
    rest_port: int | None = None
    needs_token: bool = True
    access_log: bool = False
    log_level: str = "info"
    otlp_endpoint: str | None = None
    metrics_port: int | None = None
