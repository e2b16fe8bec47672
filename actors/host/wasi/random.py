"""`wasi:random`: secure, insecure and seed. All are recorded; none is weaker than the others."""

from typing import Final

from actors.engine.errors import GuestTrap
from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.wasi.version import WASI_VERSION

__all__ = ["INSECURE", "INSECURE_SEED", "RANDOM", "RANDOM_BYTES_MAX"]

# The bytes are kept in the worker's log, so that a guest cannot be allowed to ask for gigabytes.
RANDOM_BYTES_MAX: Final = 1 << 20

RANDOM = HostInterface("wasi:random/random", version=WASI_VERSION)
INSECURE = HostInterface("wasi:random/insecure", version=WASI_VERSION)
INSECURE_SEED = HostInterface("wasi:random/insecure-seed", version=WASI_VERSION)


@RANDOM.function("get-random-bytes", Kind.READ_LOCAL)
@INSECURE.function("get-insecure-random-bytes", Kind.READ_LOCAL)
def random_bytes(context: HostContext, length: int) -> bytes:
    """Return exactly `length` bytes."""
    if length > RANDOM_BYTES_MAX:
        raise GuestTrap(
            f"wasi:random: {length} bytes asked for, at most {RANDOM_BYTES_MAX} are given at "
            "once; ask for a seed and expand it, or ask in smaller pieces",
            kind="limit",
        )
    return context.random_bytes(length)


@RANDOM.function("get-random-u64", Kind.READ_LOCAL)
@INSECURE.function("get-insecure-random-u64", Kind.READ_LOCAL)
def random_u64(context: HostContext) -> int:
    """Return 64 random bits."""
    return int.from_bytes(context.random_bytes(8), "little")


@INSECURE_SEED.function("insecure-seed", Kind.READ_LOCAL)
def insecure_seed(context: HostContext) -> tuple[int, int]:
    """Return 128 bits for hash maps."""
    return random_u64(context), random_u64(context)
