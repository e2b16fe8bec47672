"""The style of the code, as far as a program can check it. A failure says where and what to do."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("actors", "broker", "gateway", "oplog", "rib", "shem", "wit")
PURE = ("oplog", "rib", "wit")
CODE = (*PACKAGES, "tests", "examples", "benchmarks")

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100
SECTIONS = ("Context", "Decision", "Consequences")

# What makes a core depend on more than its arguments, and what to use instead.
IMPURE_IMPORTS = {
    "nats": "speak to broker.ports",
    "random": "take random numbers as arguments",
    "secrets": "take random numbers as arguments",
    "socket": "speak to broker.ports",
    "subprocess": "nothing in a core starts processes",
    "time": "take the time as an argument",
    "wasmtime": "the engine is behind actors.engine.port",
}
IMPURE_CALLS = {
    "asyncio.sleep": "wait for an event, not for time",
    "datetime.datetime.now": "take the time as an argument",
    "datetime.now": "take the time as an argument",
    "datetime.utcnow": "take the time as an argument",
    "os.environ": "take settings as arguments",
    "os.getenv": "take settings as arguments",
    "os.urandom": "take random numbers as arguments",
    "uuid.uuid4": "take identifiers as arguments",
}

TEXT_SUFFIXES = {
    *(".c", ".cfg", ".conf", ".json", ".lark", ".md", ".py", ".sh"),
    *(".toml", ".txt", ".wat", ".wit", ".yaml", ".yml"),
}
# Spelt in two halves, so that this file does not find itself.
LEFTOVERS = re.compile(
    "|".join(rf"\b{a}{b}\b" for a, b in (("TO", "DO"), ("FIX", "ME"), ("X", "XX")))
)
MACHINE = re.compile(
    "|".join(
        (
            r"/ro" + r"ot/",
            r"/wo" + r"rk/(?:main|shared|\.lib)",
            r"/tm" + r"p/(?:wt|bash)\b",
            r"/ho" + r"me/[a-z]",
        )
    )
)
# Words that say whether a failed call is worth repeating.
RETRY_WORDS = re.compile(r"retr|terminal|again|later|\bbug\b|never worth", re.IGNORECASE)


def python_files(*folders: str) -> list[Path]:
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if "__pycache__" not in path.parts)


def text_files() -> Iterator[Path]:
    yield from (ROOT / "Makefile", ROOT / ".ci" / "run", ROOT / "pyproject.toml")
    yield from ROOT.glob("*.md")
    for folder in (*CODE, "deploy", "docs"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in TEXT_SUFFIXES and path.is_file():
                yield path


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@pytest.fixture(scope="module", autouse=True)
def _forgotten() -> Iterator[None]:
    """Keep no tree for longer: a million objects slow each collection of the tests that follow."""
    yield
    tree.cache_clear()


def place(path: Path, line: int = 0) -> str:
    name = path.relative_to(ROOT).as_posix()
    return f"{name}:{line}" if line else name


def report(found: list[str]) -> None:
    assert not found, "\n" + "\n".join(found)


def test_files_are_short() -> None:
    sizes = {path: len(path.read_text().splitlines()) for path in python_files(*CODE)}
    report(
        [
            f"{place(path)}: {lines} lines, at most {FILE_LINES_MAX}: one noun per file, split it"
            for path, lines in sizes.items()
            if lines > FILE_LINES_MAX
        ]
    )


def test_functions_are_short() -> None:
    found = []
    for path in python_files(*CODE):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                # A signature with many options is a declaration; what counts is what is done.
                lines = (node.end_lineno or node.lineno) - node.body[0].lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    found.append(
                        f"{place(path, node.lineno)}: {node.name} has {lines} lines, at most"
                        f" {FUNCTION_LINES_MAX}: compute in leaves, decide in one place"
                    )
    report(found)


def test_lines_fit_the_screen() -> None:
    # Ruff sees to Python.
    suffixes = {".c", ".wat", ".wit", ".sh", ".lark"}
    found = []
    for path in text_files():
        # What the standards publish keeps its own line ends.
        if path.suffix in suffixes and "packages" not in path.parts:
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if len(line) > COLUMNS_MAX:
                    found.append(
                        f"{place(path, number)}: {len(line)} columns, at most {COLUMNS_MAX}"
                    )
    report(found)


def test_cores_are_pure() -> None:
    report([hit for path in python_files(*PURE) for hit in impurities(path)])


def impurities(path: Path) -> Iterator[str]:
    # A sleep of 0 waits for no time, it lets others run.
    yields = {
        node.lineno
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node) == "asyncio.sleep(0)"
    }
    for node in ast.walk(tree(path)):
        for module in imported(node):
            top = module.partition(".")[0]
            if top in IMPURE_IMPORTS:
                yield f"{place(path, node.lineno)}: imports {module}: {IMPURE_IMPORTS[top]}"
        if isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            if name in IMPURE_CALLS and node.lineno not in yields:
                yield f"{place(path, node.lineno)}: uses {name}: {IMPURE_CALLS[name]}"


def imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module), level=0):
            return [module]
        case _:
            return []


@pytest.mark.parametrize(
    ("pattern", "advice"),
    [
        (LEFTOVERS, "finish it, or leave it out"),
        (MACHINE, "a path of one machine means nothing on another"),
    ],
    ids=["leftovers", "machine paths"],
)
def test_no_file_has(pattern: re.Pattern[str], advice: str) -> None:
    found = []
    for path in text_files():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if hit := pattern.search(line):
                found.append(f"{place(path, number)}: {hit.group()}: {advice}")
    report(found)


def test_fronts_are_exact() -> None:
    report([hit for path in python_files(*PACKAGES) for hit in front_faults(path)])


def front_faults(path: Path) -> Iterator[str]:
    listed = front(tree(path))
    if listed is None:
        return
    if missing := sorted(set(listed) - names(tree(path))):
        yield f"{place(path)}: __all__ lists {', '.join(missing)}, which the file does not have"
    if len(set(listed)) != len(listed):
        yield f"{place(path)}: __all__ lists a name twice"
    if listed != sorted(listed, key=front_order):
        yield f"{place(path)}: __all__ is not sorted (constants, classes, functions)"


def front_order(name: str) -> tuple[int, list[tuple[str, int]]]:
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    # As the linter sorts: u8 stands before u16.
    parts = re.findall(r"(\D*)(\d*)", name)
    return kind, [(text, int(digits or 0)) for text, digits in parts]


def front(module: ast.Module) -> list[str] | None:
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return None


def names(module: ast.Module) -> set[str]:
    """Return all names of the module's top level."""
    found: set[str] = set()
    for node in module.body:
        match node:
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                found |= {(alias.asname or alias.name).partition(".")[0] for alias in aliases}
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.add(node.name)
            case ast.Assign() | ast.AnnAssign() | ast.If():
                found |= {leaf.id for leaf in ast.walk(node) if isinstance(leaf, ast.Name)}
                found |= {leaf.name for leaf in ast.walk(node) if isinstance(leaf, ast.alias)}
            case _:
                pass
    return found


def error_modules() -> list[Path]:
    return [path for path in python_files(*PACKAGES) if path.name == "errors.py"]


def flow(bases: dict[str, list[str]]) -> set[str]:
    return {name for name, above in bases.items() if "BaseException" in above}


@pytest.mark.parametrize("path", error_modules(), ids=place)
def test_errors_say_whether_to_retry(path: Path) -> None:
    module = tree(path)
    drawn = ast.get_docstring(module) or ""
    classes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
    bases = {name: [ast.unparse(base) for base in node.bases] for name, node in classes.items()}
    parents = {base for named in bases.values() for base in named}

    def says(name: str) -> bool:
        told = ast.get_docstring(classes[name]) or ""
        told += " ".join(line for line in drawn.splitlines() if re.search(rf"\b{name}\b", line))
        return bool(RETRY_WORDS.search(told)) or any(
            says(base) for base in bases[name] if base in classes
        )

    # What leaves guest code on purpose derives from BaseException: it is no failure.
    errors = [
        name
        for name in classes
        if not name.startswith("_") and not {"BaseException", *flow(bases)} & {name, *bases[name]}
    ]
    report(
        [
            f"{place(path)}: {name} is not drawn in the module's tree"
            for name in errors
            if not re.search(rf"\b{name}\b", drawn)
        ]
        + [
            f"{place(path)}: {name} does not say whether to retry"
            for name in errors
            if name not in parents and not says(name)
        ]
    )


def test_decisions_are_numbered_listed_and_complete() -> None:
    folder = ROOT / "docs" / "adr"
    index = (folder / "README.md").read_text()
    records = sorted(path for path in folder.glob("[0-9]*.md"))
    assert records, "docs/adr has no decision"
    found = []
    # A gap is a number that a decision in the making has taken.
    numbers = [path.name.partition("-")[0] for path in records]
    for number, path in zip(numbers, records, strict=True):
        text = path.read_text()
        if len(number) != 4 or numbers.count(number) > 1:
            found.append(f"{place(path)}: expected a number of its own, of four digits")
        if f"]({path.name})" not in index:
            found.append(f"{place(path)}: not listed in docs/adr/README.md")
        missing = [name for name in SECTIONS if f"\n## {name}\n" not in text]
        found += [f"{place(path)}: has no section '{name}'" for name in missing]
        if "\nAgainst it:" not in text and "\n**Against it" not in text:
            found.append(f"{place(path)}: says nothing against itself; write an 'Against it:'")
    report(found)
