"""Builds run what has to be run, and nothing twice."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from shem.build.builder import Builder
from shem.build.steps import Done, Step
from shem.errors import BuildError
from shem.manifest.application import Application, load

# A toolchain that takes no time: it copies its source.
COPY = f"{sys.executable} -c 'import shutil, sys; shutil.copy(*sys.argv[1:])'"


def source(text: str) -> bytes:
    """Return a component that holds nothing but a text."""
    section = bytes([len(text)]) + text.encode()
    return b"\0asm\x0d\0\x01\0" + bytes([0, len(section)]) + section


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wit").mkdir()
    (tmp_path / "wit" / "world.wit").write_text(
        "package demo:one;\ninterface api { get: func() -> u64; }\nworld one { export api; }\n"
    )
    (tmp_path / "one.txt").write_bytes(source("first"))
    return tmp_path


def manifest(
    folder: Path, command: str = f"{COPY} one.txt one.wasm", extra: str = ""
) -> Application:
    (folder / "shem.yaml").write_text(
        "components:\n  demo:one:\n    sourceWit: wit\n    generatedWit: build/wit\n"
        f"    componentWasm: one.wasm\n    build:\n      - command: {json.dumps(command)}\n"
        f"        sources: [one.txt, build/wit]\n        targets: [one.wasm]\n{extra}"
    )
    return load(folder / "shem.yaml")


def run(app: Application, **options: bool) -> list[Done]:
    done: list[Done] = []
    asyncio.run(Builder(app, on_done=done.append, **options).build(list(app.components.values())))
    return done


def ran(done: list[Done]) -> list[Step]:
    return [each.step for each in done if each.ran]


def test_a_first_build_runs_every_step(folder: Path) -> None:
    assert ran(run(manifest(folder))) == [Step.GEN_RPC, Step.COMPONENTIZE, Step.LINK]
    assert (folder / "one.wasm").read_bytes() == source("first")


def test_a_second_build_runs_nothing(folder: Path) -> None:
    run(manifest(folder))

    assert ran(run(manifest(folder))) == []


def test_force_runs_everything_again(folder: Path) -> None:
    run(manifest(folder))

    assert ran(run(manifest(folder), force=True)) == [Step.GEN_RPC, Step.COMPONENTIZE, Step.LINK]


def test_a_changed_source_runs_what_depends_on_it(folder: Path) -> None:
    run(manifest(folder))
    (folder / "one.txt").write_bytes(source("second"))

    assert ran(run(manifest(folder))) == [Step.COMPONENTIZE, Step.LINK]
    assert (folder / "one.wasm").read_bytes() == source("second")


def test_changed_wit_runs_all_of_it(folder: Path) -> None:
    run(manifest(folder))
    wit = folder / "wit" / "world.wit"
    wit.write_text(wit.read_text().replace("get", "count"))

    assert ran(run(manifest(folder))) == [Step.GEN_RPC, Step.COMPONENTIZE, Step.LINK]


def test_a_package_that_is_spoken_of_no_longer_leaves_no_folder(folder: Path) -> None:
    wit = folder / "wit" / "world.wit"
    for version in ("0.2.0", "0.2.3"):
        wit.write_text(f"package demo:one;\nworld one {{ import wasi:random/random@{version}; }}\n")
        run(manifest(folder))

    assert [each.name for each in (folder / "build" / "wit" / "deps").iterdir()] == [
        "wasi_random-0.2.3"
    ]


def test_another_shem_makes_its_own_part_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(manifest(folder))
    monkeypatch.setattr("shem.build.builder.version", lambda _: "99")

    assert ran(run(manifest(folder))) == [Step.GEN_RPC, Step.LINK]
    assert ran(run(manifest(folder))) == []


def test_a_touched_but_equal_source_runs_nothing(folder: Path) -> None:
    run(manifest(folder))
    (folder / "one.txt").write_bytes(source("first"))

    assert ran(run(manifest(folder))) == []


def test_a_missing_target_is_made_again(folder: Path) -> None:
    run(manifest(folder))
    (folder / "one.wasm").unlink()

    assert ran(run(manifest(folder))) == [Step.COMPONENTIZE]


def test_a_changed_command_runs_again(folder: Path) -> None:
    run(manifest(folder))

    assert ran(run(manifest(folder, f"{COPY} one.txt ./one.wasm"))) == [Step.COMPONENTIZE]


def test_damaged_notes_only_cost_a_build(folder: Path) -> None:
    run(manifest(folder))
    (folder / "shem-temp" / "state.json").write_bytes(b"{")

    assert ran(run(manifest(folder))) == [Step.GEN_RPC, Step.COMPONENTIZE, Step.LINK]


def test_a_failing_tool_is_shown_with_what_it_printed(folder: Path) -> None:
    failing = f"{sys.executable} -c 'import sys; print(\"no such thing\"); sys.exit(3)'"

    with pytest.raises(BuildError, match=r"(?s)demo:one: .* failed with status 3\nno such thing"):
        run(manifest(folder, failing))


def test_what_failed_is_not_taken_for_done(folder: Path) -> None:
    run(manifest(folder))
    failing = manifest(folder, f"{sys.executable} -c 'raise SystemExit(1)'")
    for _ in range(2):
        with pytest.raises(BuildError, match="status 1"):
            run(failing)


def test_a_tool_that_makes_nothing_is_found_out(folder: Path) -> None:
    with pytest.raises(BuildError, match=r"has not made one\.wasm"):
        run(manifest(folder, f"{sys.executable} -c pass"))


def test_a_missing_tool_is_named(folder: Path) -> None:
    with pytest.raises(BuildError, match="`no-such-tool` is not installed"):
        run(manifest(folder, "no-such-tool build"))


def test_bad_wit_is_told_with_its_place(folder: Path) -> None:
    (folder / "wit" / "world.wit").write_text("package demo:one;\nworld one { export nothing; }\n")

    app = manifest(
        folder,
        extra="  demo:two: {sourceWit: wit, generatedWit: b, componentWasm: one.wasm}\n"
        "dependencies: {demo:two: [{type: wasm-rpc, target: demo:one}]}\n",
    )

    with pytest.raises(BuildError, match=r'world\.wit:2:20: unknown .*"nothing"'):
        run(app)


def test_an_unknown_type_is_told_where_it_was_written_before_anything_is_built(
    folder: Path,
) -> None:
    wit = folder / "wit" / "world.wit"
    wit.write_text(wit.read_text().replace("u64", "u65"))
    app = manifest(folder)
    done: list[Done] = []
    with pytest.raises(BuildError) as error:
        asyncio.run(Builder(app, on_done=done.append).build(list(app.components.values())))

    assert f'{folder / "wit"}: world.wit:2:32: unknown type "u65"\n' in str(error.value)
    assert ran(done) == []


def test_one_failure_does_not_stop_the_others(folder: Path) -> None:
    app = manifest(
        folder,
        f"{sys.executable} -c 'raise SystemExit(1)'",
        f"  demo:two:\n    componentWasm: two.wasm\n    build:\n"
        f"      - {{command: {json.dumps(COPY + ' one.txt two.wasm')}}}\n",
    )

    with pytest.raises(BuildError, match="demo:one"):
        run(app)
    assert (folder / "two.wasm").exists()


def test_nothing_outside_of_the_component_is_removed(folder: Path) -> None:
    (folder / "shem.yaml").write_text(
        "components:\n  demo:one:\n    componentWasm: one.wasm\n    build:\n"
        "      - {command: 'true', rmdirs: ['..']}\n"
    )

    with pytest.raises(BuildError, match="outside of"):
        run(load(folder / "shem.yaml"))


def test_a_caller_gets_the_client_of_what_it_calls(folder: Path) -> None:
    caller = folder / "caller-wit"
    caller.mkdir()
    (caller / "w.wit").write_text("package demo:caller;\nworld caller { export run: func(); }\n")
    app = manifest(
        folder,
        extra="  demo:caller: {sourceWit: caller-wit, generatedWit: gen, componentWasm: one.txt}\n"
        "dependencies: {demo:caller: [{type: wasm-rpc, target: demo:one}]}\n",
    )

    run(app)

    world = (folder / "gen" / "w.wit").read_text()
    assert "import demo:one-client/one-client;" in world
    assert (folder / "gen" / "deps" / "demo_one" / "world.wit").exists()
    assert (
        "blocking-get" in (folder / "gen" / "deps" / "demo_one-client" / "client.wit").read_text()
    )


def write_package(folder: Path, text: str) -> None:
    folder.mkdir(parents=True)
    (folder / "money.wit").write_text(f"package demo:money@1.0.0;\ninterface types {{ {text} }}\n")


def with_a_caller(folder: Path) -> Application:
    caller = folder / "caller-wit"
    (caller / "w.wit").write_text(
        "package demo:caller;\nworld caller { import demo:money/types@1.0.0; }\n"
    )
    wit = folder / "wit" / "world.wit"
    wit.write_text(
        "package demo:one;\ninterface api { use demo:money/types@1.0.0.{amount};"
        " get: func() -> amount; }\nworld one { export api; }\n"
    )
    return manifest(
        folder,
        extra="  demo:caller: {sourceWit: caller-wit, generatedWit: gen, componentWasm: one.txt}\n"
        "dependencies: {demo:caller: [{type: wasm-rpc, target: demo:one}]}\n",
    )


def test_a_package_that_caller_and_called_understand_differently_is_refused(folder: Path) -> None:
    write_package(folder / "wit" / "deps" / "money", "type amount = u64; zero: func();")
    write_package(folder / "caller-wit" / "deps" / "money", "type amount = u32;")

    with pytest.raises(BuildError) as raised:
        run(with_a_caller(folder))

    assert str(raised.value) == (
        f"demo:caller: demo:money@1.0.0 is there twice and differs in types.{{amount}}: in"
        f" {folder.resolve()}/caller-wit, and in demo:one; make them equal, or give one another"
        " version"
    )


def test_a_copy_that_has_less_or_other_words_is_no_conflict(folder: Path) -> None:
    write_package(folder / "wit" / "deps" / "money", "type amount = u64; zero: func();")
    write_package(
        folder / "caller-wit" / "deps" / "money", "/// What it costs.\ntype amount = u64;"
    )

    run(with_a_caller(folder))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("sourceWit: wit", "sourceWit: wiit"), "there is no WIT at "),
        (("componentWasm: one.wasm", "componentWasm: two.wasm"), "is not there after the build"),
        (("    sourceWit: wit\n", "    sourceWit: wit\n    python: src/a.py\n"), "generatedPython"),
    ],
)
def test_what_is_missing_is_named(folder: Path, change: tuple[str, str], message: str) -> None:
    manifest(folder)
    file = folder / "shem.yaml"
    file.write_text(file.read_text().replace(*change, 1))

    with pytest.raises(BuildError, match=message):
        run(load(file))


def generated(folder: Path, name: str, calls: str = "") -> set[str]:
    """Generate everything for an app of `demo:one` and another component; return its files."""
    (folder / "shem.yaml").write_text(
        "templates:\n  t: {sourceWit: wit, generatedWit: 'build/wit-{{ package_name }}',"
        " generatedC: build/c, generatedPython: build/py, componentWasm: one.wasm}\n"
        f"components:\n  demo:one: {{template: t}}\n  demo:{name}: {{template: t}}\n"
        f"dependencies:\n  demo:one: [{calls}]\n"
    )
    app = load(folder / "shem.yaml")
    builder = Builder(app, on_done=lambda _: None)
    asyncio.run(builder.build(list(app.components.values()), [Step.GEN_RPC]))
    made = (each for place in ("c", "py") for each in (folder / "build" / place).rglob("*.*"))
    return {each.relative_to(folder / "build").as_posix() for each in made}


def test_what_was_generated_for_a_name_that_is_gone_is_removed(folder: Path) -> None:
    (folder / "build" / "c").mkdir(parents=True)
    (folder / "build" / "c" / "mine.h").write_text("/* written by hand */\n")
    of_one = {"c/mine.h", "c/one.c", "c/one.h", "c/one.zig"}
    client = {"py/shem_clients/__init__.py", "py/shem_clients/two.py"}

    calls = "{type: wasm-rpc, target: 'demo:two'}"
    first = generated(folder, "two", calls)
    renamed = generated(folder, "three", calls.replace("two", "three"))

    assert first == of_one | client | {"c/two.c", "c/two.h", "c/two.zig"}
    assert renamed == of_one | {each.replace("two", "three") for each in first - of_one}
