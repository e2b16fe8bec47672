"""`shem app dev`: build and deploy again whenever a source changes."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import watchfiles
from msgspec.structs import replace

from shem.build.builder import Builder
from shem.build.steps import Done
from shem.cli.application_deploy import upload
from shem.cli.application_opened import Opened, reporting, selected, with_composed
from shem.cli.session import run
from shem.client import Client
from shem.deployment import Action, plan
from shem.errors import ShemError
from shem.manifest.application import load

__all__ = ["develop"]

# Editors write a file in several steps.
SETTLE_MS: Final = 200


def develop(work: Opened, names: Sequence[str]) -> None:
    """Go on until Ctrl-C. A failed build is told, and tried again at the next change."""
    with reporting(work.output):
        selected(work, names)

    async def session(client: Client) -> None:
        current = await _round(client, work, names)
        changes: AsyncIterator[set[tuple[watchfiles.Change, str]]] = watchfiles.awatch(  # pyright: ignore[reportUnknownMemberType] - a parameter of another type than ours
            work.app.root, watch_filter=_Sources(work), debounce=SETTLE_MS, step=50
        )
        async for changed in changes:
            first = min(Path(path) for _, path in changed)
            work.output.note(f"changed: {first.relative_to(work.app.root)}")
            current = await _round(client, current, names)

    try:
        run(work.output, session)
    except KeyboardInterrupt:
        work.output.note("stopped")


async def _round(client: Client, work: Opened, names: Sequence[str]) -> Opened:
    output = work.output
    try:
        # Read anew: the manifest may be what was changed.
        app = load(work.file, build_profile=work.build_profile)
        fresh = replace(work, app=app)
        chosen = selected(fresh, names)

        def on_done(step: Done) -> None:
            if step.ran:
                output.note(f"{step.component}  {step.step}  {step.what}  {step.seconds:.1f} s")

        await Builder(fresh.app, on_done=on_done).build(with_composed(fresh.app, chosen))
        planned = await plan(client, fresh.app, chosen)
        if all(each.action is Action.KEEP for each in planned):
            output.note("nothing to deploy")
        else:
            await upload(client, output, planned)
    except ShemError as error:
        output.fail(error)
        return work
    return fresh


class _Sources(watchfiles.DefaultFilter):
    """Everything below the app but what builds make."""

    def __init__(self, work: Opened) -> None:
        super().__init__()
        made = [work.app.temp_dir]
        for component in work.app.components.values():
            properties = component.properties
            outputs = (
                properties.generated_wit,
                properties.component_wasm,
                properties.linked_wasm,
                *(target for each in properties.build or () for target in each.targets),
            )
            made += [component.path(each) for each in outputs if each is not None]
        self._made = [path.resolve() for path in made]

    def __call__(self, change: watchfiles.Change, path: str) -> bool:
        here = Path(path).resolve()
        if any(made == here or made in here.parents for made in self._made):
            return False
        return super().__call__(change, path)
