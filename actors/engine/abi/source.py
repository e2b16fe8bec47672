"""Source text of one generated module of functions, and the constants it refers to."""

from collections.abc import Callable
from typing import Any

from actors.engine.abi.layout import Layout
from wit.types import Type

__all__ = ["Source"]


class Source:
    """Collects helper functions and constants under generated names."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.lines: list[str] = []
        self.helpers: dict[tuple[object, ...], str] = {}
        self._count = 0

    def fresh(self, prefix: str) -> str:
        """Return a name that nothing else has."""
        self._count += 1
        return f"{prefix}{self._count}"

    def constant(self, prefix: str, value: object) -> str:
        """Return the name of a constant."""
        name = self.fresh(prefix)
        self.namespace[name] = value
        return name

    def leaf_names(self, layout: Layout) -> list[str]:
        """Return one local variable name per leaf."""
        prefix = self.fresh("a")
        return [f"{prefix}_{index}" for index in range(len(layout.leaves))]

    def helper(self, key: tuple[str, Type, bool], write: Callable[[str], list[str]]) -> str:
        """Return the name of the helper function for `key`, written by `write(name)` once.

        The name is known while the helper is written, so helpers may use each other.
        """
        name = self.helpers.get(key)
        if name is None:
            name = self.helpers[key] = self.fresh(key[0])
            self.lines += write(name)
        return name

    def build(self, lines: list[str], *names: str, title: str) -> list[Any]:
        """Compile helpers and `lines`, and return the functions of those names."""
        text = "\n".join([*self.lines, *lines]) + "\n"
        # The text is made from types alone: names of fields and cases only occur as literals.
        exec(compile(text, f"<canonical ABI of {title}>", "exec"), self.namespace)  # noqa: S102 - see above
        return [self.namespace[name] for name in names]


def unpacking(names: list[str], expression: str) -> str:
    """Return the statement that gives `names` the members of a tuple."""
    return f"{''.join(name + ', ' for name in names)} = {expression}"
