"""The app that a command of `shem app` works on, and the components of it that are meant."""

import os
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from msgspec import Struct

from shem.cli.output import FAILED, Format, Output
from shem.errors import BuildError, ManifestError, ShemError, file_problem
from shem.manifest.application import AppComponent, Application, load
from shem.manifest.discovery import find_manifest
from shem.manifest.schema import Profile
from wit.misfit import unknown_name

__all__ = ["Opened", "opened", "opened_for", "reporting", "selected", "with_composed"]


class Opened(Struct, frozen=True):
    """An app that a command works on, and where it tells what it does."""

    output: Output
    app: Application
    file: Path
    build_profile: str | None


@contextmanager
def reporting(output: Output) -> Generator[None]:
    """Tell errors and leave with status 1."""
    try:
        yield
    except ManifestError as error:
        _tell_problems(output, error)
        raise typer.Exit(FAILED) from error
    except ShemError as error:
        output.fail(error)
        raise typer.Exit(FAILED) from error
    except OSError as error:
        output.fail(BuildError(file_problem(error)))
        raise typer.Exit(FAILED) from error


def opened(output: Output, manifest: Path | None, build_profile: str | None) -> Opened:
    """Read the manifest that is named, or that of the folder one stands in."""
    with reporting(output):
        file = find_manifest(Path.cwd()) if manifest is None else manifest.resolve()
        return Opened(output, load(file, build_profile=build_profile), file, build_profile)


def opened_for(
    output: Output, manifest: Path | None, build_profile: str | None, profile: str | None
) -> tuple[Opened, Profile | None]:
    """Read the manifest as `opened`, and return the profile that is named, or the default one.

    Its broker, output and build profile count where nothing else was said; its broker counts over
    SHEM_NATS_URL if the profile was named.
    """
    work = opened(output, manifest, build_profile)
    profiles = work.app.profiles
    with reporting(output):
        if profile is not None and profile not in profiles:
            if profile not in work.app.http_api.deployments:
                none = "" if profiles else ": the manifest has no `profiles`"
                raise BuildError(unknown_name("profile", profile, profiles) + none)
            return work, None
    name = profile or next((each for each, it in profiles.items() if it.default), None)
    if name is None:
        return work, None
    chosen = profiles[name]
    if chosen.nats is not None and (profile is not None or "SHEM_NATS_URL" not in os.environ):
        os.environ["SHEM_NATS_URL"] = chosen.nats
    if chosen.format is not None and output.format is Format.TEXT:
        output = Output(Format(chosen.format))
    if chosen.build_profile is not None and build_profile is None:
        build_profile = chosen.build_profile
    return opened(output, manifest, build_profile), chosen


def selected(work: Opened, names: Sequence[str]) -> list[AppComponent]:
    """Return the components that are named, or those of the folder one stands in.

    Raises:
        BuildError: a name that no component has, or several have.
    """
    components = work.app.components
    if not names:
        return _of_folder(components.values(), Path.cwd().resolve())
    found: dict[str, AppComponent] = {}
    for name in names:
        matches = [each for each in components if each == name or each.partition(":")[2] == name]
        if len(matches) > 1:
            raise BuildError(f'"{name}" may be any of {", ".join(matches)}')
        if not matches:
            raise BuildError(unknown_name("component", name, components))
        found[matches[0]] = components[matches[0]]
    return [each for name, each in components.items() if name in found]


def with_composed(app: Application, chosen: Iterable[AppComponent]) -> list[AppComponent]:
    """Return the chosen components and all that is composed into them, in order of dependency."""
    wanted: set[str] = set()
    waiting = [each.name for each in chosen]
    while waiting:
        name = waiting.pop()
        if name in wanted:
            continue
        wanted.add(name)
        waiting.extend(
            each.target
            for each in app.components[name].dependencies
            if each.type == "wasm" and each.target is not None
        )
    return [each for name, each in app.components.items() if name in wanted]


def _of_folder(components: Iterable[AppComponent], here: Path) -> list[AppComponent]:
    """Those at or below `here`; inside of a component's folder, those of the nearest folder.

    Elsewhere, such as beside the components or where the manifest was named from afar, all of them.
    """
    every = list(components)
    below = [each for each in every if each.folder == here or here in each.folder.parents]
    if below:
        return below
    above = [each for each in every if each.folder in here.parents]
    if not above:
        return every
    nearest = max((each.folder for each in above), key=lambda folder: len(folder.parts))
    return [each for each in above if each.folder == nearest]


def _tell_problems(output: Output, error: ManifestError) -> None:
    for problem in error.problems:
        output.messages.print("[bold red]error[/] (bad-manifest):", end=" ")
        output.messages.print(str(problem), markup=False)
    if output.format is not Format.TEXT:
        body = {"kind": error.kind, "message": str(error), "problems": error.problems}
        output.document({"error": body}, lambda _: None)
