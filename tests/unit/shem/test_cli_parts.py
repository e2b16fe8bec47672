"""The parts of the command line that need no system."""

import asyncio
import importlib
import json
import pkgutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

import shem.cli
from broker.errors import SetupError
from broker.jetstream.options import ClientKind
from shem.cli.api_files import read_object
from shem.cli.app import app, main
from shem.cli.arguments import WorkerId, parse_moment, parse_pairs, parse_worker_id
from shem.cli.component import _size
from shem.cli.output import Format, Output, table
from shem.cli.suggest import _functions, did_you_mean, function_names, suggest
from shem.cli.worker_log import News
from shem.client import Client
from shem.connection import VARIABLES, Connection
from shem.errors import BadRequestError, ShemError
from shem.location import DEFAULT_URL, STATE_FILE, find_url
from shem.records import Component, ComponentDescription, WorkerStatus


def test_a_worker_is_named_by_component_and_name_which_may_have_slashes():
    assert parse_worker_id("counter/a/b") == WorkerId("counter", "a/b")
    for wrong in ("counter", "/a", "counter/", ""):
        with pytest.raises(typer.BadParameter, match="counter/alice"):
            parse_worker_id(wrong)


def test_pairs_are_split_at_the_first_equals_sign():
    assert parse_pairs("--env", ["A=1=2", "B="]) == {"A": "1=2", "B": ""}
    with pytest.raises(typer.BadParameter, match="--env 'A'"):
        parse_pairs("--env", ["A"])


def test_moments_need_a_time_zone():
    assert parse_moment("2030-01-31T12:00:00Z") == datetime(2030, 1, 31, 12, tzinfo=UTC)
    with pytest.raises(typer.BadParameter, match="time zone"):
        parse_moment("2030-01-31T12:00:00")
    with pytest.raises(typer.BadParameter, match="2030-01-31T12:00:00Z"):
        parse_moment("soon")


def test_near_misses_are_found_and_far_ones_are_not():
    assert did_you_mean("contuer", ["counter", "web"]) == "did you mean counter?"
    assert did_you_mean("xyz", ["counter"]) is None
    # It is there: something else is wrong with it.
    assert did_you_mean("run", ["run", "rung"]) is None
    shown = _functions("ad(5)", ["demo:counter/api.{add}(value: u64) -> u64", "run()"])
    assert shown.splitlines() == [
        "did you mean add?",
        "  demo:counter/api.{add}(value: u64) -> u64",
        "  run()",
    ]


class TwoVersions:
    """A client of a component whose function was renamed, and whose worker runs the first."""

    def __init__(self) -> None:
        self.components = self

    def worker(self, component: str, name: str) -> "TwoVersions":
        return self

    async def status(self) -> WorkerStatus:
        return WorkerStatus(worker="a", status="idle", component_version=0)

    async def describe(self, name: str, version: int | None = None) -> ComponentDescription:
        export = "demo:c/api.{twice}()" if version == 0 else "demo:c/api.{thrice}()"
        component = Component(name=name, version=version or 1, size=1, digest="")
        return ComponentDescription(component=component, exports=(export,), imports=())


def test_functions_are_listed_as_the_worker_has_them_not_as_the_newest_version_does():
    error = BadRequestError("no function", kind="unknown-function")
    client = cast("Client", TwoVersions())
    hint = asyncio.run(suggest(client, error, component="c", worker="a", call="twic()"))
    assert hint == "did you mean twice?\n  demo:c/api.{twice}()"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (18 << 20, "18.0 MiB")]
)
def test_sizes_are_readable(count: int, text: str):
    assert _size(count) == text


def test_an_error_is_a_document_for_programs_and_a_line_for_people(capsys):
    Output(Format.JSON).fail(ShemError("no [bold] luck", kind="trap"), "try [red]again")
    out, err = capsys.readouterr()
    assert json.loads(out) == {"error": {"kind": "trap", "message": "no [bold] luck"}}
    assert err == "error (trap): no [bold] luck\nhint: try [red]again\n"
    Output(Format.TEXT).fail(ShemError("no luck", kind="trap"))
    assert capsys.readouterr() == ("", "error (trap): no luck\n")


def test_an_argument_that_is_no_text_is_wrong_usage(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["shem", "worker", "invoke", "counter/a", "say(\udcff)"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "say(\\xff)' is no UTF-8" in capsys.readouterr().err


def test_what_is_said_is_shown_once_also_by_the_next_worker_of_a_name():
    news = News()
    said = [(100, 5), (100, 6), (100, 6), (200, 9), (100, 5), (300, 2), (300, 2), (301, 3)]
    shown = [(at, index) for at, index in said if news.takes({"at-ms": at, "index": index})]
    assert shown == [(100, 5), (100, 6), (200, 9), (300, 2), (301, 3)]
    # By a function that only reads.
    assert all(news.takes({"message": "again"}) for _ in range(2))


def test_streams_are_one_json_document_per_line_or_yaml_documents(capsys):
    for format_, expected in (
        (Format.JSON, '{"a":1}\n{"a":2}\n'),
        (Format.YAML, "---\na: 1\n---\na: 2\n"),
        (Format.TEXT, "one\none\n"),
    ):
        output = Output(format_)
        output.item({"a": 1}, "one")
        output.item({"a": 2}, "one")
        assert capsys.readouterr().out == expected


def test_a_list_is_one_document_and_none_after_an_error(capsys):
    output = Output(Format.JSON)
    with output.items() as show:
        show(1, "")
        show(2, "")
    assert capsys.readouterr().out == "[1,2]\n"
    failing = output.items()
    failing.__enter__()(1, "")
    error = ShemError("no")
    assert not failing.__exit__(type(error), error, None)
    assert capsys.readouterr().out == ""


def test_rows_stay_whole_in_a_pipe(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    shown = table("WORKER", "STATUS")
    shown.add_row("shop:cart/" + "long-name" * 20, "idle")

    Output(Format.TEXT).document(None, lambda console: console.print(shown))

    _, row = capsys.readouterr().out.splitlines()
    assert row.split() == ["shop:cart/" + "long-name" * 20, "idle"]


def test_the_name_of_a_file_in_place_of_a_program_is_told_how_files_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.rib").write_text("1 + 2")
    for text in ("./script.rib", "1 +", "x" * 5_000 + "("):
        done = CliRunner().invoke(app, ["rib", "eval", text])
        told = "hint: this is the name of a file, @./script.rib reads it" in done.stderr
        assert (done.exit_code, told) == (1, text == "./script.rib")


def test_an_input_that_does_not_fit_is_told_where_nothing_runs_as_well():
    done = CliRunner().invoke(app, ["rib", "eval", "n + 1", "--input", '{"n": "3"}', "-o", "json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {
        "error": {"kind": "bad-input", "message": '--input: n: expected u64, got "3"'}
    }


def test_a_field_of_an_api_that_stands_twice_is_told(tmp_path):
    file = tmp_path / "shop.yaml"
    file.write_text("id: a\nroutes:\n  - path: /x\n    security: [{scheme: k}]\n    security: []\n")
    with pytest.raises(typer.BadParameter) as raised:
        read_object(file, "id")
    assert str(raised.value) == f'{file}:5:5: "security" stands here twice'

    # What is said once and meant twice is none.
    file.write_text("a: &x {b: 1, c: [1]}\nd: *x\ne: {<<: *x, b: 2}\n")
    fields = {"b": 1, "c": [1]}
    assert read_object(file, "a") == {"a": fields, "d": fields, "e": {**fields, "b": 2}}


def test_a_report_of_tests_gets_its_folder_or_is_refused_before_they_run(tmp_path):
    (tmp_path / "bad.rib").write_bytes(b"\xff")
    report = tmp_path / "reports" / "all" / "tests.xml"
    done = CliRunner().invoke(app, ["test", str(tmp_path), "--junit", str(report)])
    assert done.exit_code == 1
    assert b'failures="1"' in report.read_bytes()

    nowhere = tmp_path / "bad.rib" / "tests.xml"
    done = CliRunner().invoke(app, ["test", str(tmp_path), "--junit", str(nowhere)])
    assert done.exit_code == 2
    assert done.stdout == ""


def test_the_broker_is_found_by_environment_then_by_this_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert find_url() == DEFAULT_URL
    STATE_FILE.parent.mkdir()
    STATE_FILE.write_text('{"nats_url": "nats://127.0.0.1:5000", "pids": {"supervisor": 1}}')
    assert find_url() == "nats://127.0.0.1:5000"
    STATE_FILE.write_text("{")
    assert find_url() == DEFAULT_URL
    monkeypatch.setenv("SHEM_NATS_URL", "nats://other:1")
    assert find_url() == "nats://other:1"


def test_a_connection_survives_the_way_through_the_environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    connection = Connection(url="nats://a:1, nats://b:2", user="u", password="p", tls_ca="/ca.pem")
    for name, value in connection.to_environment().items():
        monkeypatch.setenv(name, value)
    assert Connection.from_environment() == connection
    assert connection.options(name="n").servers == ("nats://a:1", "nats://b:2")


def test_an_unknown_client_of_the_broker_is_refused(monkeypatch):
    monkeypatch.setenv("SHEM_NATS_CLIENT", "nats-py")
    assert Connection.from_environment().options(name="n").client is ClientKind.NATS_PY
    monkeypatch.setenv("SHEM_NATS_CLIENT", "fast")
    with pytest.raises(SetupError, match="'fast', expected one of auto, lean, nats-py"):
        Connection.from_environment().options(name="n")


def test_logs_are_json_lines_on_stderr_with_what_is_bound():
    script = (
        "import logging, structlog; from shem import logging as ours\n"
        "ours.set_up('info', process='p')\n"
        "with structlog.contextvars.bound_contextvars(worker='c/w', key='k'):\n"
        "    structlog.get_logger().info('done', size=1)\n"
        "    structlog.get_logger().debug('hidden')\n"
        "logging.getLogger('lib').warning('old %s', 'style')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
        timeout=60,
        check=True,
    )
    ours, library = (json.loads(line) for line in done.stderr.splitlines())
    assert done.stdout == ""
    assert (ours["event"], ours["worker"], ours["key"], ours["size"]) == ("done", "c/w", "k", 1)
    assert (ours["level"], ours["process"]) == ("info", "p")
    assert (library["event"], library["level"]) == ("old style", "warning")


def test_the_list_of_commands_says_what_they_say_of_themselves():
    root = typer.main.get_command(app)
    context = root.make_context("shem", ["--help"], resilient_parsing=True)
    for name in root.list_commands(context):
        _, command, _ = root.resolve_command(context, [name])
        listed = root.get_command(context, name)
        assert listed.get_short_help_str(200) == command.get_short_help_str(200), name


def test_completion_is_installed_by_the_root_alone():
    root = get_command(app)
    offered = {param.name for param in root.params}
    assert {"install_completion", "show_completion"} <= offered
    for name, lazy in root.lazy.items():
        assert not {param.name for param in lazy.load(name).params} & {
            "install_completion",
            "show_completion",
        }, name


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        (["--show-completion", "zsh"], "#compdef shem"),
        (["--show-completion=fish"], "complete --command shem "),
        (["--show-completion", "bash"], "_shem_completion() {"),
    ],
)
def test_completion_is_shown_for_the_shell_that_is_named(arguments: list[str], first: str):
    shown = CliRunner().invoke(app, arguments, prog_name="shem")
    assert (shown.exit_code, shown.stdout[: len(first)]) == (0, first)


def test_completion_for_a_shell_that_there_is_not_is_refused():
    for option in ("--show-completion", "--install-completion"):
        refused = CliRunner().invoke(app, [option, "tcsh"], prog_name="shem")
        assert refused.exit_code == 1
        assert "tcsh" in refused.output


def test_functions_are_completed_by_their_short_names_unless_several_have_one():
    signatures = (
        "a:b/api.{add}(n: u64) -> u64",
        "a:b/api.{get}() -> u64",
        "a:b/more.{get}()",
        "run()",
    )
    assert function_names(signatures) == ["add", "a:b/api.{get}", "a:b/more.{get}", "run"]


@pytest.mark.parametrize("command", [["--help"], ["app", "build"], ["app", "list"]])
def test_a_short_command_imports_only_what_it_needs(command: list[str], tmp_path):
    (tmp_path / "shem.yaml").write_text("components: {demo:one: {componentWasm: one.wasm}}\n")
    (tmp_path / "one.wasm").write_bytes(b"\0asm\x0d\0\x01\0")
    run = f"""
import sys
sys.argv[1:] = {command!r}
from shem.cli.app import main
try:
    main()
except SystemExit as left:
    assert not left.code, left.code
heavy = {{"pydantic", "nats", "wasmtime", "cryptography", "lark", "jinja2", "prompt_toolkit"}}
sys.exit(", ".join(sorted(heavy & set(sys.modules))) or 0)
"""
    # The first one makes what there is to be made.
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", run],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert not done.returncode, f"imports {done.stderr}"


def applications():
    for found in pkgutil.iter_modules(shem.cli.__path__):
        module = importlib.import_module(f"shem.cli.{found.name}")
        for made in vars(module).values():
            if isinstance(made, typer.Typer) and made.registered_commands:
                yield found.name, made


@pytest.mark.parametrize(("module", "made"), list(applications()))
def test_options_are_written_in_lower_case(module, made):
    # The library takes a placeholder that is the parameter's name in capitals for the option.
    command = get_command(made)
    for name, each in getattr(command, "commands", {module: command}).items():
        options = [option for parameter in each.params for option in parameter.opts]
        long = [option for option in options if option.startswith("--")]
        assert long == [option.lower() for option in long], name
