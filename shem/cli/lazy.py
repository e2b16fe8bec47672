"""Commands whose modules are imported when they are asked for.

Most of a short command's time would otherwise go into importing what other commands need.
"""

import importlib
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, ClassVar, final

import typer
from typer.core import TyperGroup
from typer.main import get_command

__all__ = ["LazyCommand", "LazyGroup"]


@final
class LazyCommand:
    """Where a command is: a module, and in it a Typer application or a function."""

    def __init__(self, module: str, attribute: str, epilog: str | None = None) -> None:
        self._module = module
        self._attribute = attribute
        self._epilog = epilog

    def load(self, name: str) -> Any:
        """Return the command, imported now."""
        found = getattr(importlib.import_module(self._module), self._attribute)
        if not isinstance(found, typer.Typer):
            single = typer.Typer(add_completion=False)
            single.command(name, epilog=self._epilog)(found)
            found = single
        command = get_command(found)
        command.name = name
        return command


class LazyGroup(TyperGroup):
    """The root: its own commands, and those of `lazy`, in that order."""

    lazy: ClassVar[Mapping[str, LazyCommand]] = {}

    # Typer brings a click of its own, whose types have no public names.
    def list_commands(self, ctx: Any) -> list[str]:
        """Return all names, for help and completion."""
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of a name, None if there is none."""
        lazy = self.lazy.get(cmd_name)
        return super().get_command(ctx, cmd_name) if lazy is None else lazy.load(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return name, command and remaining arguments; fail with what may have been meant."""
        name = args[0]
        if name not in self.list_commands(ctx) and not name.startswith("-"):
            near = get_close_matches(name, self.list_commands(ctx))
            hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
            ctx.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(ctx, args)
