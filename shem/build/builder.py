"""Building an app: which steps each component needs, in which order, how many at once.

    gen-wit ─▶ gen-rpc ─▶ componentize ─▶ link

`gen-wit` makes the WIT of components that are Python classes (`codefirst`), `gen-rpc` assembles the
WIT to build from (`wit_sources`), `componentize` runs the commands of the manifest, `link` composes
what is depended on by type `wasm` into the component. Components are built side by side; one waits
only for what is composed into it.
"""

import asyncio
import os
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Final, final

from shem.build.commands import is_current, run_command
from shem.build.fingerprints import Fingerprints, matching
from shem.build.made import made_by
from shem.build.steps import Done, Step
from shem.errors import BuildError, file_problem
from shem.manifest.application import AppComponent, Application

__all__ = ["Builder", "Running", "artifact_of"]

JOBS_MAX: Final = max(2, os.cpu_count() or 1)


OnDone = Callable[[Done], None]
Running = Callable[[str, Step], AbstractContextManager[None]]


def _unseen(component: str, step: Step) -> AbstractContextManager[None]:
    del component, step
    return nullcontext()


@final
class Builder:
    """Builds components of one app.

    `on_done` hears of each step, skipped ones included; those that take time run inside `running`.
    """

    def __init__(
        self,
        app: Application,
        *,
        force: bool = False,
        on_done: OnDone,
        running: Running = _unseen,
    ) -> None:
        self._app = app
        self._force = force
        self._on_done = on_done
        self._running = running
        self._notes = Fingerprints(app.temp_dir)
        self._jobs = asyncio.Semaphore(JOBS_MAX)
        self._shem = version("shem")

    async def build(
        self, components: Sequence[AppComponent], steps: Collection[Step] = tuple(Step)
    ) -> None:
        """Build the components, what they are composed of first.

        All that can be built is built, also when one fails; nothing half-built is taken for done.

        Raises:
            BuildError: of the first component that failed, naming it.
        """
        finished = {each.name: asyncio.Event() for each in components}
        errors: list[BuildError] = []
        if Step.GEN_WIT in steps:
            # Of all first: the clients of others are made from it.
            for each in self._with_targets(components):
                await self._describe(each)

        async def one(component: AppComponent) -> None:
            try:
                for needed in _composed(component):
                    if needed in finished:
                        await finished[needed].wait()
                await self._build(component, steps)
            except (BuildError, OSError) as error:
                errors.append(BuildError(f"{component.name}: {_told(error)}"))
            finally:
                finished[component.name].set()

        try:
            async with asyncio.TaskGroup() as group:
                for component in components:
                    group.create_task(one(component))
        finally:
            try:
                self._notes.save()
            except OSError as error:
                errors.append(BuildError(_told(error)))
        if errors:
            raise BuildError("\n".join(str(each) for each in errors))

    async def _build(self, component: AppComponent, steps: Collection[Step]) -> None:
        self._note_made(component)
        if Step.GEN_RPC in steps:
            self._generate(component)
        if Step.COMPONENTIZE in steps:
            await self._componentize(component)
        if Step.LINK in steps:
            await self._link(component)

    def _note_made(self, component: AppComponent) -> None:
        # The app may be moved meanwhile.
        made = (os.path.relpath(each, self._app.root) for each in made_by(component))
        self._notes.note_made(component.name, made)

    def _with_targets(self, components: Sequence[AppComponent]) -> list[AppComponent]:
        names = {each.name: None for each in components}
        for component in components:
            names |= {each.target: None for each in component.dependencies if each.target}
        return [self._app.components[name] for name in names]

    async def _describe(self, component: AppComponent) -> None:
        properties = component.properties
        if properties.python is None:
            return
        if properties.source_wit is None or properties.generated_python is None:
            raise BuildError(
                f'{component.name}: with "python", "sourceWit" and "generatedPython" say where what'
                " is made from it goes"
            )
        started = time.monotonic()
        source = component.path(properties.python)
        wit, entry = component.path(properties.source_wit), properties.generated_python
        step = f"{component.name}/{Step.GEN_WIT}"
        sources = (
            []
            if source.parent == component.folder
            else matching(source.parent, [str(source.parent)])
        )
        digest = self._digest([str(wit), entry], {*sources, source})
        if wit.is_dir() and self._is_current(step, digest):
            self._tell(component, Step.GEN_WIT, properties.python, started, ran=False)
            return
        self._notes.forget(step)
        from shem.build.codefirst import make_wit  # noqa: PLC0415 - see `_generate`

        with self._running(component.name, Step.GEN_WIT):
            await make_wit(source, component.name, wit=wit, entry=component.path(entry))
        self._notes.note(step, digest)
        self._tell(component, Step.GEN_WIT, properties.python, started, ran=True)

    def _generate(self, component: AppComponent) -> None:
        properties = component.properties
        if properties.generated_wit is None:
            if any(each.type != "wasm" for each in component.dependencies):
                raise BuildError('"generatedWit" is missing: where the WIT with its clients goes')
            return
        started = time.monotonic()
        folder = component.path(properties.generated_wit)
        step = f"{component.name}/{Step.GEN_RPC}"
        sources = matching(self._app.root, self._wit_sources(component))
        digest = self._digest(
            [str(folder), component.dependencies, *_generated(component)], sources
        )
        if folder.is_dir() and self._is_current(step, digest):
            self._tell(component, Step.GEN_RPC, "WIT", started, ran=False)
            return
        self._notes.forget(step)
        # All of WIT takes longer to import than to find that nothing is to be done.
        from shem.build import generating  # noqa: PLC0415 - see above

        generating.generate(component, self._app)
        self._notes.note(step, digest)
        self._tell(component, Step.GEN_RPC, "WIT", started, ran=True)

    def _wit_sources(self, component: AppComponent) -> list[str]:
        targets = [each.target for each in component.dependencies if each.target is not None]
        every = [component, *(self._app.components[target] for target in targets)]
        sources = [
            str(each.path(each.properties.source_wit))
            for each in every
            if each.properties.source_wit is not None
        ]
        return [*sources, *(str(each) for each in self._app.wit_deps)]

    async def _componentize(self, component: AppComponent) -> None:
        built = _built(component)
        for at, command in enumerate(component.properties.build or ()):
            started = time.monotonic()
            step = f"{component.name}/{Step.COMPONENTIZE}/{at}"
            current, digest = is_current(step, command, component.folder, self._notes)
            if current and not self._force:
                self._tell(component, Step.COMPONENTIZE, command.command, started, ran=False)
                continue
            self._notes.forget(step)
            async with self._jobs:
                started = time.monotonic()
                with self._running(component.name, Step.COMPONENTIZE):
                    await run_command(command, component.folder)
            place = component.folder / (command.dir or "")
            missing = [each for each in command.targets if not matching(place, [each])]
            if missing:
                raise BuildError(f"`{command.command}` has not made {', '.join(missing)}")
            self._notes.note(step, digest)
            self._tell(component, Step.COMPONENTIZE, command.command, started, ran=True)
        if not built.is_file():
            raise BuildError(f'{built} ("componentWasm") is not there after the build')

    async def _link(self, component: AppComponent) -> None:
        started = time.monotonic()
        built = _built(component)
        artifact = artifact_of(self._app, component)
        parts = {
            each.target: artifact_of(self._app, self._app.components[each.target])
            for each in component.dependencies
            if each.type == "wasm" and each.target is not None
        }
        files = [each for each in component.dependencies if each.path or each.url]
        step = f"{component.name}/{Step.LINK}"
        count = len(parts) + len(files)
        what = f"composition of {count + 1}" if count else "metadata"
        uses = component.properties.plugins
        plugins = [self._app.plugins[each.name] for each in uses]
        if uses:
            what = ", ".join([what, *(f"plugin {each.name}" for each in uses)])
        local = [component.path(each.path) for each in files if each.path]
        wit = component.properties.generated_wit or component.properties.source_wit
        texts = [] if wit is None else matching(component.folder, [wit])
        consisting = [each.component for each in plugins if each.component is not None]
        sources = [built, *parts.values(), *local, *texts, *consisting]
        about = [component.name, component.dependencies, uses, [each.manifest for each in plugins]]
        digest = self._digest(about, sources)
        if artifact.is_file() and self._is_current(step, digest):
            self._tell(component, Step.LINK, what, started, ran=False)
            return
        self._notes.forget(step)
        from shem.build.linking import described, fetch, linked  # noqa: PLC0415 - see `_generate`
        from shem.build.plugins import applied  # noqa: PLC0415 - see `_generate`

        with self._running(component.name, Step.LINK):
            composed = {name: path.read_bytes() for name, path in parts.items()}
            composed |= dict(fetch(component, each) for each in files)
            data = await applied(component, linked(component, built, composed), self._app.plugins)
            finished = described(component, data)
        artifact.parent.mkdir(parents=True, exist_ok=True)
        whole = artifact.with_suffix(".new")
        whole.write_bytes(finished)
        whole.replace(artifact)
        self._notes.note(step, digest)
        self._tell(component, Step.LINK, what, started, ran=True)

    def _digest(self, what: object, files: Iterable[Path]) -> str:
        """Return the digest of a step of our own: another Shem may make something else of it."""
        return self._notes.digest([self._shem, what], files)

    def _is_current(self, step: str, digest: str) -> bool:
        return not self._force and self._notes.is_current(step, digest)

    def _tell(
        self, component: AppComponent, step: Step, what: str, started: float, *, ran: bool
    ) -> None:
        seconds = round(time.monotonic() - started, 3)
        self._on_done(
            Done(component=component.name, step=step, what=what, ran=ran, seconds=seconds)
        )


def artifact_of(app: Application, component: AppComponent) -> Path:
    """Return the file that a build of the component ends with."""
    name = component.properties.linked_wasm
    if name is not None:
        return component.path(name)
    return app.temp_dir / "components" / f"{component.name.replace(':', '_')}.wasm"


def _built(component: AppComponent) -> Path:
    name = component.properties.component_wasm
    if name is None:
        raise BuildError('"componentWasm" is missing: which file its build makes')
    return component.path(name)


def _generated(component: AppComponent) -> list[str | None]:
    properties = component.properties
    return [properties.generated_python, properties.generated_c, properties.generated_typescript]


def _composed(component: AppComponent) -> list[str]:
    return [each.target for each in component.dependencies if each.type == "wasm" and each.target]


def _told(error: BuildError | OSError) -> str:
    return file_problem(error) if isinstance(error, OSError) else str(error)
