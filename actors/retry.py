"""When a failed invocation is tried again.

As text, for the workers of a component: `attempts=5,min=100ms,max=10s,multiplier=2,jitter=0.1`,
each part with the default of `RetryPolicy` if it is left out; `never` tries once. A guest that
chooses a policy of its own (`set-retry-policy`) overrides it.
"""

import re
from typing import Final

from msgspec import Struct

from actors.errors import TerminalError
from oplog.entries import RetryRule

__all__ = ["RetryPolicy", "RetryTextError", "parse_retry", "policy_of", "rule_of"]

ATTEMPTS_MAX: Final = 1_000_000
DELAY_MS_MAX: Final = 30 * 24 * 3_600_000
MULTIPLIER_MAX: Final = 1_000.0
_UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_DELAY: Final = re.compile(r"([0-9]{1,10})(ms|s|m|h)")
_NUMBER: Final = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")


class RetryTextError(TerminalError):
    """The text is no retry policy. The message says what was expected."""


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


def parse_retry(text: str) -> RetryPolicy:
    """Return the policy that `text` says.

    Raises:
        RetryTextError: it says none.
    """
    if text == "never":
        return RetryPolicy(attempts_max=1)
    found: dict[str, int | float] = {}
    for part in text.split(","):
        name, value, (least, most) = _part(text, part)
        if name in found:
            raise RetryTextError(f"retry {text!r}: {part} is the second of its kind")
        if not least <= value <= most:
            raise RetryTextError(f"retry {text!r}: {part} is not between {least} and {most}")
        found[name] = value
    policy = RetryPolicy(**found)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # the names of its fields
    if policy.delay_min_ms > policy.delay_max_ms:
        raise RetryTextError(
            f"retry {text!r}: the least delay, {policy.delay_min_ms} ms, is above the greatest, "
            f"{policy.delay_max_ms} ms"
        )
    return policy


def _part(text: str, part: str) -> tuple[str, int | float, tuple[float, float]]:
    name, _, value = part.partition("=")
    delay = _DELAY.fullmatch(value)
    match name:
        case "attempts" if value.isascii() and value.isdigit():
            return "attempts_max", int(value[:9]), (1, ATTEMPTS_MAX)
        case "min" | "max" if delay is not None:
            ms = int(delay[1]) * _UNITS_MS[delay[2]]
            return f"delay_{name}_ms", ms, (0, DELAY_MS_MAX)
        case "multiplier" if _NUMBER.fullmatch(value):
            return "multiplier", float(value), (1.0, MULTIPLIER_MAX)
        case "jitter" if _NUMBER.fullmatch(value):
            return "jitter", float(value), (0.0, 1.0)
        case _:
            raise RetryTextError(
                f"retry {text!r}: expected never, or attempts=N, min=D, max=D (as 100ms, 5s, 1m), "
                "multiplier=X and jitter=X separated by commas"
            )


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
