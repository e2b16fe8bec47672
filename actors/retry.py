"""When a failed invocation is tried again."""

from msgspec import Struct

from oplog.entries import RetryRule

__all__ = ["RetryPolicy", "policy_of", "rule_of"]

_NS_PER_MS = 1_000_000


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


def policy_of(rule: RetryRule) -> RetryPolicy:
    """Return the policy that a guest or a component chose."""
    return RetryPolicy(
        attempts_max=rule.max_attempts,
        delay_min_ms=rule.min_delay_ns // _NS_PER_MS,
        delay_max_ms=rule.max_delay_ns // _NS_PER_MS,
        multiplier=rule.multiplier,
        jitter=rule.max_jitter_factor or 0.0,
    )


def rule_of(policy: RetryPolicy) -> RetryRule:
    """Return a policy as guests see it."""
    return RetryRule(
        max_attempts=policy.attempts_max,
        min_delay_ns=policy.delay_min_ms * _NS_PER_MS,
        max_delay_ns=policy.delay_max_ms * _NS_PER_MS,
        multiplier=policy.multiplier,
        max_jitter_factor=policy.jitter,
    )
