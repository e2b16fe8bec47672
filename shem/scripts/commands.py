"""The commands of a Rib prompt: lines that begin with a colon."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

import rib
from shem.errors import ShemError
from shem.scripts.prompt import Prompt
from wit.signatures import export_signatures, signature

__all__ = ["COMMANDS", "Command", "is_command", "obey"]

WORKERS_SHOWN_MAX: Final = 50


class Command(Struct, frozen=True):
    """One command. `run` gets the text behind the name and returns whether it succeeded."""

    usage: str
    help: str
    run: Callable[[Prompt, str], Awaitable[bool]]


def is_command(text: str) -> bool:
    """Return whether a line is a command."""
    return text.lstrip().startswith(":")


async def obey(prompt: Prompt, text: str) -> bool:
    """Run a command line; return whether it succeeded. `:quit` is for whoever reads the lines."""
    name, _, rest = text.strip().removeprefix(":").partition(" ")
    command = COMMANDS.get(name)
    if command is None:
        known = " ".join(f":{each}" for each in COMMANDS)
        prompt.screen.problem(f"no command `:{name}`; there are {known}")
        return False
    try:
        return await command.run(prompt, rest.strip())
    except ShemError as error:
        prompt.screen.problem(f"error ({error.kind}): {error}")
        return False


async def _type(prompt: Prompt, text: str) -> bool:
    if not text:
        for name, variable in prompt.session.variables.items():
            prompt.screen.text(f"{name}: {variable.type}")
        return True
    try:
        prompt.screen.text(prompt.session.type_of(text))
    except rib.CompileError as error:
        prompt.screen.problem(rib.report(error.diagnostics, text))
        return False
    return True


async def _deps(prompt: Prompt, text: str) -> bool:
    uses = prompt.session.functions
    if text:
        try:
            uses = prompt.session.compile(text).program.functions
        except rib.CompileError as error:
            prompt.screen.problem(rib.report(error.diagnostics, text))
            return False
    for use in uses:
        prompt.screen.text(f"{use.component}: {signature(use.function)}")
    if not uses:
        prompt.screen.text("no function of a component")
    return True


async def _workers(prompt: Prompt, text: str) -> bool:
    names = [text] if text else list(prompt.session.components)
    for component in names:
        shown = 0
        async for status in prompt.client.workers(component):
            if shown == WORKERS_SHOWN_MAX:
                prompt.screen.text(f"{component}: more than {WORKERS_SHOWN_MAX} workers")
                break
            shown += 1
            prompt.screen.text(f"{component}/{status.worker}: {status.status}")
        if not shown:
            prompt.screen.text(f"{component}: no workers")
    return True


async def _exports(prompt: Prompt, text: str) -> bool:
    components = prompt.session.components
    if text and text not in components:
        prompt.screen.problem(f"{text} is not in scope; `:load {text}` brings it there")
        return False
    for name in [text] if text else components:
        for each in export_signatures(components[name]):
            prompt.screen.text(f"{name}: {each}")
    return True


async def _load(prompt: Prompt, text: str) -> bool:
    if not text:
        prompt.screen.problem("usage: :load COMPONENT, or :load FILE.rib")
        return False
    if text.endswith(".rib"):
        return await prompt.load_script(Path(text))
    await prompt.load(text)
    return True


async def _unload(prompt: Prompt, text: str) -> bool:
    if text not in prompt.session.components:
        prompt.screen.problem(f"{text or 'nothing'} is not in scope")
        return False
    prompt.session.unload(text)
    return True


async def _save(prompt: Prompt, text: str) -> bool:
    if not text:
        prompt.screen.problem("usage: :save FILE.rib")
        return False
    prompt.save(Path(text))
    return True


async def _trace(prompt: Prompt, text: str) -> bool:
    if text not in {"", "on", "off"}:
        prompt.screen.problem("usage: :trace on, or :trace off")
        return False
    prompt.traces = not prompt.traces if not text else text == "on"
    prompt.screen.text(f"trace is {'on' if prompt.traces else 'off'}")
    return True


async def _again(prompt: Prompt, _: str) -> bool:
    return await prompt.again()


async def _clear(prompt: Prompt, _: str) -> bool:
    prompt.session.clear()
    prompt.saved.clear()
    return True


async def _help(prompt: Prompt, _: str) -> bool:
    width = max(len(each.usage) for each in COMMANDS.values())
    for each in COMMANDS.values():
        prompt.screen.text(f"{each.usage:<{width}}  {each.help}")
    prompt.screen.text("Anything else is Rib. Tab completes, Ctrl-C stops waiting, Ctrl-D leaves.")
    return True


async def _quit(_prompt: Prompt, _: str) -> bool:
    return True


COMMANDS: Final[dict[str, Command]] = {
    "type": Command(":type [EXPR]", "the type of an expression, or of all variables", _type),
    "deps": Command(":deps [EXPR]", "the functions that it, or this session, relies on", _deps),
    "workers": Command(":workers [COMPONENT]", "the workers of the components in scope", _workers),
    "exports": Command(":exports [COMPONENT]", "the functions in scope", _exports),
    "load": Command(":load NAME", "a component or its newest version; FILE.rib runs it", _load),
    "unload": Command(":unload COMPONENT", "take a component out of scope", _unload),
    "save": Command(":save FILE", "write the lines that succeeded as a script", _save),
    "trace": Command(":trace [on|off]", "show each call with its answer and its time", _trace),
    "again": Command(":again", "wait once more for the line that Ctrl-C stopped", _again),
    "clear": Command(":clear", "forget all variables", _clear),
    "help": Command(":help", "this list", _help),
    "quit": Command(":quit", "leave", _quit),
}
