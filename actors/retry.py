"""When a failed invocation is tried again."""

from msgspec import Struct

__all__ = ["RetryPolicy"]


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """Exponential backoff. `attempts_max` counts the first try; delays in milliseconds."""

    attempts_max: int = 3
    delay_min_ms: int = 100
    delay_max_ms: int = 1_000
    multiplier: float = 3.0
    jitter: float = 0.15

    def delay_ms(self, attempt: int, *, random: float) -> int | None:
        """Return the wait after the `attempt`-th failure in a row (from 1), None to give up.

        `random` in [0, 1) spreads the retries of workers that failed together.
        """
        if attempt >= self.attempts_max:
            return None
        delay = min(self.delay_max_ms, self.delay_min_ms * self.multiplier ** (attempt - 1))
        return round(delay * (1 + random * self.jitter))
