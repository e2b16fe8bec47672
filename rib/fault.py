"""How a running program fails: without a place at first, because steps do not know theirs."""

from rib.diagnostics import Code
from rib.limits import MEMBERS_MAX, STRING_CHARACTERS_MAX

__all__ = ["Fault", "check_members", "check_text"]


class Fault(Exception):  # noqa: N818 - never leaves the package: the machine adds the place
    """A run-time error on its way to the machine."""

    def __init__(
        self, code: Code, cause: str, help_: str = "", details: tuple[str, ...] = ()
    ) -> None:
        super().__init__(cause)
        self.code = code
        self.cause = cause
        self.help = help_
        self.details = details
        # The instruction that failed, once the machine knows it.
        self.at = -1


def check_text(length: int) -> None:
    """Refuse a string that would be too long, before it is built."""
    if length > STRING_CHARACTERS_MAX:
        cause = f"a string of {length} characters, at most {STRING_CHARACTERS_MAX}"
        raise Fault(Code.LIMIT, cause)


def check_members(count: int) -> None:
    """Refuse a list that would be too long, before it is built."""
    if count > MEMBERS_MAX:
        raise Fault(Code.LIMIT, f"a list of {count} elements, at most {MEMBERS_MAX}")
