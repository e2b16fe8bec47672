"""Every template of every language, from an empty folder to workers that answer.

As a new user goes about it: a new app, more components, build and deploy, call; then a change that
the workers that are there take over with all that they know.
"""

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shem.scaffold import add_component, languages, make_app, templates_of
from tests.guests import node_tools
from tests.support.system import RunningSystem
from tests.support.tools import lend_node_packages, lend_rust_folder, missing_tools

JS = [pytest.mark.toolchain, pytest.mark.timeout(900)]
RUST = [pytest.mark.toolchain, pytest.mark.timeout(600)]
PYTHON = pytest.mark.timeout(900)
LANGUAGES = [
    "c",
    "zig",
    pytest.param("python", marks=PYTHON),
    pytest.param("go", marks=[pytest.mark.toolchain, pytest.mark.timeout(300)]),
    pytest.param("rust", marks=RUST),
    pytest.param("typescript", marks=JS),
]
# Some toolchains take half a minute for each component, and longer when they share the machine.
COMMAND_LIMIT_S = 600
# Where a counter answers `get`, and the same with a thousand more.
CHANGES = {
    "c": ("api_get(void) { return total; }", "api_get(void) { return total + 1000; }"),
    "go": ("get() uint64 { return total }", "get() uint64 { return total + 1000 }"),
    "python": (
        "-> u64:\n        return self.total\n",
        "-> u64:\n        return self.total + 1000\n",
    ),
    "rust": (
        "fn get() -> u64 {\n        TOTAL.get()",
        "fn get() -> u64 {\n        TOTAL.get() + 1000",
    ),
    "typescript": ("get() {\n    return total;", "get() {\n    return total + 1000n;"),
    "zig": ("api_get() u64 {\n    return total;", "api_get() u64 {\n    return total + 1000;"),
}
SLOW_COUNTER = """
    def slowly(self, ms: u64) -> u64:
        time.sleep(ms / 1_000)
        return self.add(1)
"""
PATIENCE = """
    def patiently(self, worker: str, ms: u64, seconds: float) -> str:
        future = Counter(worker).slowly_async(ms)
        try:
            return str(future.get(timeout=seconds))
        except TimeoutError as error:
            return f"{error}; then {future.get()}"
"""
REQUEST = (
    'handle({method: "GET", path-with-query: some("/a?b"), scheme: some("http"),'
    ' authority: some("localhost"), headers: none, body: none, trailers: none})'
)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    folder = tmp_path_factory.mktemp("apps")
    lend_node_packages(folder)
    with RunningSystem(folder) as started:
        yield started


def document(system: RunningSystem, *command: str, folder: Path | None = None) -> Any:
    """Return the document of a command that ends well; it stands in the last line."""
    done = system.run("shem", *command, "-o", "json", folder=folder, limit_s=COMMAND_LIMIT_S)
    assert done.returncode == 0, done.stdout
    return json.loads(done.stdout.splitlines()[-1])


def invoke(system: RunningSystem, worker: str, call: str) -> Any:
    return document(system, "worker", "invoke", worker, call)["result"]


def made(
    system: RunningSystem, name: str, language: str, template: str, *, beneath: str = ""
) -> Path:
    """A new app that can be built here."""
    place = system.folder / beneath
    place.mkdir(exist_ok=True)
    document(system, "app", "new", name, language, "-t", template, folder=place)
    folder = place / name
    reason = missing_tools(folder, language)
    if reason:
        pytest.skip(reason)
    if language == "rust":
        lend_rust_folder(folder)
    return folder


def change(folder: Path, language: str) -> None:
    """Have a counter tell a thousand more."""
    old, new = CHANGES[language]
    files = [each for each in (folder / "src").iterdir() if each.is_file()]
    (source,) = [each for each in files if old in each.read_text()]
    source.write_text(source.read_text().replace(old, new))


def give_patience(components: Path) -> None:
    """Have a counter in Python be slow, and its caller wait for only so long."""
    counter = components / "counter" / "src" / "counter.py"
    counter.write_text(f"import time\n{counter.read_text()}{SLOW_COUNTER}")
    caller = components / "rpc" / "src" / "rpc.py"
    caller.write_text(caller.read_text() + PATIENCE)


def test_every_language_has_its_row() -> None:
    # JavaScript has tests of its own.
    assert {*CHANGES, "javascript"} == set(languages())


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_app_of_all_templates_is_made_deployed_changed_and_deployed_again(
    system: RunningSystem, language: str
) -> None:
    name = f"in-{language}"
    folder = made(system, name, language, "rpc")
    for template in sorted(set(templates_of(language)) - {"rpc", "counter"}):
        document(
            system,
            "component",
            "new",
            language,
            f"{name}:{template}",
            "-t",
            template,
            folder=folder,
        )

    deployed = document(system, "app", "deploy", "--yes", folder=folder)
    kinds = {each["name"].partition(":")[2]: each["type"] for each in deployed["components"]}

    assert set(kinds) == set(templates_of(language))
    assert [each for each, kind in kinds.items() if kind == "ephemeral"] == ["ephemeral"]
    assert invoke(system, f"{name}:counter/direct", "add(5)") == 5
    assert invoke(system, f"{name}:rpc/one", 'add("direct", 2)') == 7
    assert invoke(system, f"{name}:rpc/one", 'add-everywhere(["x", "y", "direct"], 5)') == 22
    assert invoke(system, f"{name}:ephemeral/any", 'shout("héllo")') in {"HéLLO", "HÉLLO"}
    if "counter-wit" in kinds:
        assert invoke(system, f"{name}:counter-wit/w", "add(3)") == 3
    if "http-handler" in kinds:
        ((kind, response),) = invoke(system, f"{name}:http-handler/w", REQUEST).items()
        assert (kind, response["status"]) == ("ok", 200)
        assert base64.b64decode(response["body"]["base64"]) == b"served 1: /a?b\n"
    tested = system.run("shem", "test", ".", folder=folder, limit_s=COMMAND_LIMIT_S)
    assert tested.returncode == 0, tested.stdout

    change(folder / "components" / "counter", language)
    if language == "python":
        give_patience(folder / "components")
    changed = document(system, "app", "deploy", "--update-workers", "automatic", folder=folder)

    actions = {each["component"].partition(":")[2]: each["action"] for each in changed["plan"]}
    new = {"counter", "rpc"} if language == "python" else {"counter"}
    assert actions == {each: "update" if each in new else "keep" for each in kinds}
    assert changed["workers"] == {"updated": 4 if language == "python" else 3}
    assert invoke(system, f"{name}:counter/direct", "get()") == 1012
    assert invoke(system, f"{name}:rpc/one", 'add("direct", 1)') == 13
    if language == "python":
        # A caller waits for as long as it wants.
        assert invoke(system, f"{name}:rpc/one", 'patiently("p", 1, 60)') == "1"
        told = invoke(system, f"{name}:rpc/one", 'patiently("p", 700, 0.1)')
        assert told == "no answer within 0.1 s; then 2"


def _made_of(app: Path, language: str) -> dict[str, tuple[dict[str, str], str]]:
    """The WIT and the code that each template of a language becomes a component of."""
    make_app(app, "shop", language, "rpc")
    for template in {*templates_of(language)} - {"rpc", "counter"}:
        add_component(app, language, f"shop:{template}", template)
    folders = sorted((app / "components").iterdir())
    scripts = [next((each / "src").iterdir()) for each in folders]
    codes = node_tools.ask([{"do": "code", "script": str(each)} for each in scripts])
    return {
        folder.name: (
            {each.name: each.read_text() for each in (folder / "wit").iterdir()},
            code,
        )
        for folder, code in zip(folders, codes, strict=True)
    }


@pytest.mark.toolchain
def test_javascript_is_typescript_without_its_types(tmp_path: Path) -> None:
    """The same tool makes components of both, out of the same: TypeScript's stand for these."""
    if node_tools.missing():
        pytest.skip(node_tools.missing())
    assert templates_of("javascript") == templates_of("typescript")

    made = {each: _made_of(tmp_path / each, each) for each in ("javascript", "typescript")}

    assert made["javascript"] == made["typescript"]
    assert set(made["javascript"]) == set(templates_of("javascript"))


@pytest.mark.toolchain
@pytest.mark.timeout(600)
def test_a_component_in_javascript_is_made_deployed_and_tested(system: RunningSystem) -> None:
    # The names are those of TypeScript's: the tool keeps the engine that it compiled for them.
    folder = made(system, "in-typescript", "javascript", "ephemeral", beneath="scripted")

    document(system, "app", "deploy", "--yes", folder=folder)

    assert invoke(system, "in-typescript:ephemeral/any", 'shout("héllo")') == "HÉLLO"
    tested = system.run("shem", "test", ".", folder=folder, limit_s=COMMAND_LIMIT_S)
    assert tested.returncode == 0, tested.stdout


@pytest.mark.timeout(600)
def test_python_calls_another_language_and_one_that_takes_its_place(system: RunningSystem) -> None:
    folder = made(system, "mixed", "c", "counter")
    document(system, "component", "new", "python", "mixed:rpc", "-t", "rpc", folder=folder)

    document(system, "app", "deploy", folder=folder)

    assert invoke(system, "mixed:rpc/one", 'add("direct", 2)') == 2
    assert invoke(system, "mixed:rpc/one", 'add-everywhere(["x", "direct"], 5)') == 12

    shutil.rmtree(folder / "components" / "counter")
    document(system, "component", "new", "zig", "mixed:counter", "-t", "counter", folder=folder)
    change(folder / "components" / "counter", "zig")
    changed = document(system, "app", "deploy", "--update-workers", "automatic", folder=folder)
    actions = {each["component"]: each["action"] for each in changed["plan"]}
    assert actions == {"mixed:counter": "update", "mixed:rpc": "keep"}
    assert changed["workers"] == {"updated": 2}
    assert invoke(system, "mixed:counter/direct", "get()") == 1007
    assert invoke(system, "mixed:rpc/one", 'add("direct", 2)') == 9
    assert invoke(system, "mixed:rpc/one", 'add-everywhere(["x", "direct"], 5)') == 24
