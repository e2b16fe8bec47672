"""Commands whose modules are imported when they are asked for.

Most of a short command's time would otherwise go into importing what other commands need.
"""

import importlib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, ClassVar, Final, final

import typer
from typer.completion import install_callback, show_callback
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

__all__ = ["LazyCommand", "LazyGroup"]


# Both end the program.
_COMPLETION: Final[Mapping[str, Callable[[Any, Any, str], Any]]] = {
    "--show-completion": show_callback,
    "--install-completion": install_callback,
}


@final
class LazyCommand:
    """Where a command is: a module, and in it a Typer application or a function.

    `help_` is the first sentence of its help, for lists of commands, which import none of them.
    """

    def __init__(
        self, module: str, attribute: str, help_: str, *, epilog: str | None = None
    ) -> None:
        self._module = module
        self._attribute = attribute
        self._help = help_
        self._epilog = epilog

    def listed(self, name: str) -> Any:
        """Return what stands for the command in lists."""
        return TyperCommand(name, help=self._help)

    def load(self, name: str) -> Any:
        """Return the command, imported now."""
        found = getattr(importlib.import_module(self._module), self._attribute)
        if isinstance(found, typer.Typer):
            # Without the options of a program of its own: completion is the root's to install.
            command: Any = get_group(found)
        else:
            single = typer.Typer(add_completion=False)
            single.command(name, epilog=self._epilog)(found)
            command = get_command(single)
        command.name = name
        return command


class LazyGroup(TyperGroup):
    """The root: its own commands, and those of `lazy`, in that order."""

    lazy: ClassVar[Mapping[str, LazyCommand]] = {}

    # Typer brings a click of its own, whose types have no public names.
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Understand the options; those of completion are flags to Typer, but may name a shell."""
        option, _, joined = args[0].partition("=") if args else ("", "", "")
        shell = joined or "".join(args[1:2])
        if option in _COMPLETION and shell and not shell.startswith("-"):
            (param,) = (each for each in self.get_params(ctx) if option in each.opts)
            _COMPLETION[option](ctx, param, shell)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return all names, for help and completion."""
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of a name, or what stands for it in lists; None if there is none."""
        lazy = self.lazy.get(cmd_name)
        return super().get_command(ctx, cmd_name) if lazy is None else lazy.listed(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return name, command and remaining arguments; fail with what may have been meant."""
        name = args[0]
        if name in self.lazy:
            return name, self.lazy[name].load(name), args[1:]
        if name not in self.list_commands(ctx) and not name.startswith("-"):
            near = get_close_matches(name, self.list_commands(ctx))
            hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
            ctx.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(ctx, args)
