"""Running test files: each test has fresh workers and keys of its own."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, final

import msgspec
from msgspec import Struct

import rib
from rib.diagnostics import Code, diagnostic
from shem.client import Client
from shem.errors import ShemError
from shem.scripts.port import WorkerPort
from shem.scripts.wiring import wired
from wit.world import World

__all__ = ["Outcome", "Suite", "find_suites", "run_suites"]

CALL_TIMEOUT_S: Final = 60.0


class Suite(Struct, frozen=True, eq=False):
    """A test file, and the tests of it that were chosen."""

    path: Path
    file: rib.TestFile
    tests: tuple[rib.Test, ...]


class Outcome(Struct, frozen=True, kw_only=True):
    """How a test ended. `failure` is the whole text for people, empty for success."""

    file: str
    test: str
    line: int
    took_s: float
    failure: str = ""
    findings: tuple[rib.Diagnostic, ...] = ()


def find_suites(paths: Sequence[Path], chosen: str = "") -> tuple[list[Suite], list[Outcome]]:
    """Return the tests in files and folders, and a failure for each file that does not parse.

    Folders are searched for `.rib` files; those without tests are left out there. `chosen` selects
    the tests whose names contain it.
    """
    suites: list[Suite] = []
    broken: list[Outcome] = []
    for path in paths:
        files = [path] if path.is_file() else sorted(path.rglob("*.rib"))
        for file in files:
            found = _parsed(file)
            if isinstance(found, Outcome):
                broken.append(found)
            elif found.tests:
                tests = tuple(test for test in found.tests if chosen in test.name)
                suites.append(Suite(file, found, tests))
    return suites, broken


def _parsed(path: Path) -> rib.TestFile | Outcome:
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        return rib.parse_tests(text)
    except rib.CompileError as error:
        return _failed(path, text, error.diagnostics)
    except (OSError, UnicodeDecodeError) as error:
        return Outcome(file=str(path), test="", line=1, took_s=0.0, failure=f"{path}: {error}")


async def run_suites(
    client: Client,
    suites: Sequence[Suite],
    given: Mapping[str, Path],
    tell: Callable[[Outcome], None],
) -> list[Outcome]:
    """Run tests one after the other and return how they ended, in order.

    Args:
        client: Of a system whose components and workers may be replaced.
        suites: What to run.
        given: Files of components, instead of what test files say or in addition.
        tell: Hears of each outcome at once.
    """
    runner = _Runner(client, given)
    outcomes: list[Outcome] = []
    for suite in suites:
        problem = await runner.prepare(suite)
        for test in suite.tests:
            outcome = problem or await runner.run(suite, test)
            outcome = msgspec.structs.replace(outcome, test=test.name, line=test.line)
            outcomes.append(outcome)
            tell(outcome)
    return outcomes


@final
class _Runner:
    def __init__(self, client: Client, given: Mapping[str, Path]) -> None:
        self._client = client
        self._given = given
        self._worlds: dict[str, World] = {}

    async def prepare(self, suite: Suite) -> Outcome | None:
        """Upload the components of a file; return what all its tests fail with, if that fails."""
        self._worlds = {}
        wanted = {name: (path, False) for name, path in self._given.items()}
        places: dict[str, rib.Requirement] = {}
        for each in suite.file.requirements:
            path = self._given.get(each.name, suite.path.parent / each.file)
            wanted[each.name] = path, each.is_ephemeral
            places[each.name] = each
        contents: dict[str, bytes] = {}
        name = ""
        try:
            for name, (path, _) in wanted.items():
                contents[name] = path.read_bytes()
            for name, links in wired(contents).items():
                is_ephemeral = wanted[name][1]
                self._worlds[name] = await self._upload(
                    name, contents[name], links, is_ephemeral=is_ephemeral
                )
        except (OSError, ShemError) as error:
            return _unusable(suite, name, places.get(name), error)
        return None

    async def _upload(
        self, name: str, data: bytes, links: Mapping[str, str], *, is_ephemeral: bool
    ) -> World:
        components = self._client.components
        kind: Literal["ephemeral", "durable"] = "ephemeral" if is_ephemeral else "durable"
        await components.add(name, data, type_=kind, links=links, if_changed=True)
        return (await components.typed(name)).world

    async def run(self, suite: Suite, test: rib.Test) -> Outcome:
        """Run one test, then remove all workers."""
        started = time.monotonic()
        path, text = suite.path, suite.file.text
        port = WorkerPort(self._client, f"test-{secrets.token_hex(8)}", timeout_s=CALL_TIMEOUT_S)
        findings: tuple[rib.Diagnostic, ...] = ()
        try:
            program = rib.compile_test(suite.file, test, self._worlds)
            await program.run(port)
        except rib.CompileError as error:
            findings = error.diagnostics
        except rib.RunError as error:
            findings = (error.diagnostic,)
        took_s = time.monotonic() - started
        await self._remove_workers()
        return _failed(path, text, findings, took_s=took_s)

    async def _remove_workers(self) -> None:
        # Guests have called some that the test knows nothing of. Callers first: the called stand
        # before them, and would be called into being again.
        for component in reversed(self._worlds):
            workers = [each.worker async for each in self._client.workers(component)]
            for worker in workers:
                await self._client.worker(component, worker).delete()


def _unusable(
    suite: Suite, name: str, place: rib.Requirement | None, error: OSError | ShemError
) -> Outcome:
    reason = f"component {name}: {error}"
    if place is None:
        return Outcome(file=str(suite.path), test="", line=1, took_s=0.0, failure=reason)
    text = suite.file.text
    helps = (_way_out(name, error),)
    finding = diagnostic(text, place.span, Code.CALL_FAILED, reason, help=helps)
    return _failed(suite.path, text, (finding,))


def _way_out(name: str, error: OSError | ShemError) -> str:
    if isinstance(error, ShemError) and "-client/" in str(error):
        return 'have the file name what it calls, too: `component NAME from "FILE";`'
    return f"build it, or name another file: --component {name}=FILE"


def _failed(
    path: Path,
    text: str,
    findings: tuple[rib.Diagnostic, ...],
    *,
    took_s: float = 0.0,
) -> Outcome:
    return Outcome(
        file=str(path),
        test="",
        line=findings[0].line if findings else 1,
        took_s=took_s,
        failure=rib.report(findings, text, file=str(path)),
        findings=findings,
    )
