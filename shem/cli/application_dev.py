"""`shem app dev`: build and deploy again whenever a source changes, and show what workers say."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import watchfiles
from msgspec.structs import replace

from shem.api_deployment import plan_apis
from shem.build.builder import Builder
from shem.build.made import made_by
from shem.cli.application_deploy import How, roll_out, told_workers
from shem.cli.application_opened import Opened, reporting, selected, with_composed
from shem.cli.build_progress import running_steps, tell_step
from shem.cli.output import Output
from shem.cli.session import run
from shem.client import Client
from shem.deployment import Action, plan
from shem.errors import BuildError, LaggedError, ShemError, file_problem
from shem.location import STATE_DIR
from shem.manifest.application import Application, load

__all__ = ["develop"]

# Editors write a file in several steps.
SETTLE_MS: Final = 200
_STDOUT: Final = 1
_STDERR: Final = 2
_SAID: Final = frozenset({"stdout", "stderr", "log"})


def develop(work: Opened, names: Sequence[str], how: How) -> None:
    """Go on until Ctrl-C. A failed build is told, and tried again at the next change."""
    with reporting(work.output):
        selected(work, names)

    async def session(client: Client) -> None:
        changed = asyncio.Event()
        sources = _Sources(work)
        async with asyncio.TaskGroup() as group:
            # Both first: what happens during the first round counts.
            group.create_task(_watch(work, sources, changed))
            group.create_task(_tell_logs(client, work.output))
            await _round(client, work, sources, names, how)
            work.output.note("waiting for changes; Ctrl-C ends")
            while True:
                await changed.wait()
                changed.clear()
                await _round(client, work, sources, names, how)

    try:
        run(work.output, session)
    except KeyboardInterrupt:
        work.output.note("stopped")


async def _watch(work: Opened, sources: "_Sources", changed: asyncio.Event) -> None:
    changes: AsyncIterator[set[tuple[watchfiles.Change, str]]] = watchfiles.awatch(  # pyright: ignore[reportUnknownMemberType] - a parameter of another type than ours
        work.app.root, watch_filter=sources, debounce=SETTLE_MS, step=50
    )
    async for each in changes:
        paths = [Path(path) for _, path in each]
        # Editors write another file first, and put it in the place of the one that is edited.
        first = min([path for path in paths if path.exists()] or paths)
        work.output.note(f"changed: {first.relative_to(work.app.root)}")
        changed.set()


async def _tell_logs(client: Client, output: Output) -> None:
    while True:
        try:
            async with client.events() as events:
                async for event in events:
                    if event.type in _SAID:
                        message = str(event.fields.get("message", "")).rstrip("\n")
                        output.note(f"{event.component}/{event.worker} | {message}")
        except LaggedError:
            output.note("… workers say more than can be shown")


async def _round(
    client: Client, work: Opened, sources: "_Sources", names: Sequence[str], how: How
) -> None:
    output = work.output
    try:
        # Read anew: the manifest may be what was changed.
        app = load(work.file, build_profile=work.build_profile)
        fresh = replace(work, app=app)
        sources.leave_out(fresh.app)
        chosen = selected(fresh, names)

        with running_steps(output) as running:
            builder = Builder(fresh.app, on_done=partial(tell_step, output), running=running)
            await builder.build(with_composed(fresh.app, chosen))
        planned = await plan(client, fresh.app, chosen)
        apis = await plan_apis(client, fresh.app, how.profile, redeploy=how.redeploy_http_api)
        if all(each.action is Action.KEEP for each in planned) and not apis.changes:
            output.note("nothing to deploy")
            return
        done = await roll_out(client, output, planned, apis, how)
        output.note("; ".join(["deployed", *told_workers(done.workers)]))
    except ShemError as error:
        output.fail(error)
    except OSError as error:
        output.fail(BuildError(file_problem(error)))


class _Sources(watchfiles.DefaultFilter):
    """Everything below the app but what builds make."""

    def __init__(self, work: Opened) -> None:
        super().__init__()
        self._made: set[Path] = set()
        # What is told of a change would be the next one, for ever.
        self._told = [os.fstat(each) for each in (_STDOUT, _STDERR)]
        self.leave_out(work.app)

    def leave_out(self, app: Application) -> None:
        """Take what builds of this app make for no sources, beside what was made before."""
        # `shem up` keeps its data in the folder that it was started in, which may be this one.
        made = [app.root / STATE_DIR, app.temp_dir, *app.clean]
        for component in app.components.values():
            made += made_by(component)
            for command in component.properties.build or ():
                place = component.path(command.dir or "")
                made += [place / each for each in (*command.mkdirs, *command.targets)]
        self._made.update(path.resolve() for path in made)

    def __call__(self, change: watchfiles.Change, path: str) -> bool:
        here = Path(path).resolve()
        if any(made == here or made in here.parents for made in self._made):
            return False
        return super().__call__(change, path) and not self._is_told(here)

    def _is_told(self, path: Path) -> bool:
        """Return whether a file holds what is printed, or may do so at the end of a pipe."""
        try:
            found = path.stat()
        except OSError:
            return False
        return path.suffix == ".log" or any(os.path.samestat(found, each) for each in self._told)
