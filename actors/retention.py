"""How long what an ephemeral worker leaves behind is kept."""

from collections.abc import Iterable
from typing import Final

from actors.options import ExecutorOptions

__all__ = ["KEPT_VARIABLE", "kept_s"]

KEPT_VARIABLE: Final = "SHEM_EPHEMERAL_KEPT_S"
KEPT_S_MAX: Final = 1e9


def kept_s(env: Iterable[tuple[str, str]], options: ExecutorOptions) -> float:
    """Return how many seconds after its last invocation an ephemeral worker's log is kept.

    Its environment says so, which components set for all of their workers.
    """
    text = dict(env).get(KEPT_VARIABLE)
    try:
        seconds = options.ephemeral_kept_s if text is None else float(text)
    except ValueError:
        seconds = -1.0
    # What makes no sense must not make every invocation fail.
    return seconds if 0 <= seconds <= KEPT_S_MAX else options.ephemeral_kept_s
