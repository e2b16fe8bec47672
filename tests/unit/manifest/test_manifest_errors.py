"""Every mistake in a manifest is told with its file, line, column, and what was expected."""

from pathlib import Path
from textwrap import dedent

import pytest

from shem.errors import ManifestError
from shem.manifest.application import load
from shem.manifest.discovery import find_manifest

CASES = {
    "no YAML": (
        "components:\n  demo:a: {\n",
        """\
        shem.yaml:3:1: no YAML: expected the node content, but found '<stream end>' while parsing a flow node
          3 |\x20
            | ^""",  # noqa: E501 - as it is printed
    ),
    "an unknown field": (
        "components:\n  demo:a:\n    sorceWit: wit\n",
        """\
        shem.yaml:3:5: unknown field of a component "sorceWit", did you mean sourceWit?
          3 |     sorceWit: wit
            |     ^^^^^^^^""",
    ),
    "a field of another level": (
        "component:\n  demo:a: {}\n",
        """\
        shem.yaml:1:1: unknown field of a manifest "component", did you mean components?
          1 | component:
            | ^^^^^^^^^""",
    ),
    "a number where a text belongs": (
        "components:\n  demo:a:\n    env: {LEVEL: 1}\n",
        """\
        shem.yaml:3:18: expected a text, got 1; quote it
          3 |     env: {LEVEL: 1}
            |                  ^""",
    ),
    "a truth where a text belongs": (
        "tempDir: yes\n",
        """\
        shem.yaml:1:10: expected a text, got true; quote it
          1 | tempDir: yes
            |          ^^^""",
    ),
    "a type that there is not": (
        "components:\n  demo:a: {componentType: durabel}\n",
        """\
        shem.yaml:2:27: expected durable or ephemeral, got "durabel"
          2 |   demo:a: {componentType: durabel}
            |                           ^^^^^^^""",
    ),
    "a relative target": (
        "components:\n  demo:a:\n    files:\n      - {sourcePath: a, targetPath: etc/a}\n",
        """\
        shem.yaml:4:37: expected an absolute path, beginning with /, got "etc/a"
          4 |       - {sourcePath: a, targetPath: etc/a}
            |                                     ^^^^^""",
    ),
    "a missing field": (
        "components:\n  demo:a:\n    build:\n      - {dir: x}\n",
        """\
        shem.yaml:4:9: a command needs the field "command"
          4 |       - {dir: x}
            |         ^^^^^^^^""",
    ),
    "a list for a map": (
        "components: [demo:a]\n",
        """\
        shem.yaml:1:13: expected names with values, got an array of 1
          1 | components: [demo:a]
            |             ^^^^^^^^""",
    ),
    "a map for a list": (
        "includes: {a: b}\n",
        """\
        shem.yaml:1:11: expected a list, got an object with a
          1 | includes: {a: b}
            |           ^^^^^^""",
    ),
    "a name twice": (
        "components:\n  demo:a: {}\n  demo:a: {}\n",
        """\
        shem.yaml:3:3: "demo:a" stands here twice
          3 |   demo:a: {}
            |   ^^^^^^""",
    ),
    "a name in two documents": (
        "components:\n  demo:a: {}\n---\ncomponents:\n  demo:a: {}\n",
        """\
        shem.yaml:5:3: "demo:a" stands in shem.yaml too
          5 |   demo:a: {}
            |   ^^^^^^""",
    ),
    "a bad component name": (
        "components:\n  counter: {}\n",
        """\
        shem.yaml:2:3: expected a name like "demo:counter" for a component, got "counter"
          2 |   counter: {}
            |   ^^^^^^^""",
    ),
    "an unknown template": (
        "templates: {python: {}}\ncomponents:\n  demo:a: {template: pyton}\n",
        """\
        shem.yaml:3:22: unknown template "pyton", did you mean python?
          3 |   demo:a: {template: pyton}
            |                      ^^^^^""",
    ),
    "an unknown variable": (
        "components:\n  demo:a: {componentWasm: '{{ componentnam }}.wasm'}\n",
        """\
        shem.yaml:2:27: template: 'componentnam' is undefined; there are: componentName, component_name, python_libraries
          2 |   demo:a: {componentWasm: '{{ componentnam }}.wasm'}
            |                           ^^^^^^^^^^^^^^^^^^^^^^^^^""",  # noqa: E501 - as it is printed
    ),
    "a template that does not end": (
        "components:\n  demo:a: {componentWasm: '{{ component_name'}\n",
        """\
        shem.yaml:2:27: template: unexpected end of template, expected 'end of print statement'.
          2 |   demo:a: {componentWasm: '{{ component_name'}
            |                           ^^^^^^^^^^^^^^^^^^^""",
    ),
    "an unknown filter": (
        "components:\n  demo:a: {componentWasm: '{{ component_name | to_snake }}'}\n",
        """\
        shem.yaml:2:27: template: No filter named 'to_snake'.
          2 |   demo:a: {componentWasm: '{{ component_name | to_snake }}'}
            |                           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^""",
    ),
    "a dependency of nobody": (
        "components: {demo:a: {}}\ndependencies: {demo:b: []}\n",
        """\
        shem.yaml:2:16: unknown component "demo:b", did you mean demo:a?
          2 | dependencies: {demo:b: []}
            |                ^^^^^^""",
    ),
    "a dependency on nobody": (
        (
            "components: {demo:a: {}}\n"
            "dependencies:\n  demo:a:\n    - {type: wasm-rpc, target: demo:counter}\n"
        ),
        """\
        shem.yaml:4:32: unknown component "demo:counter", expected one of demo:a
          4 |     - {type: wasm-rpc, target: demo:counter}
            |                                ^^^^^^^^^^^^""",
    ),
    "a dependency without a target": (
        "components: {demo:a: {}}\ndependencies:\n  demo:a:\n    - {type: wasm}\n",
        """\
        shem.yaml:4:7: expected one of target, path and url
          4 |     - {type: wasm}
            |       ^^^^^^^^^^^^""",
    ),
    "an RPC dependency on a file": (
        (
            "components: {demo:a: {}}\n"
            "dependencies:\n  demo:a:\n    - {type: wasm-rpc, path: b.wasm}\n"
        ),
        """\
        shem.yaml:4:7: a dependency of type wasm-rpc needs a target of this app
          4 |     - {type: wasm-rpc, path: b.wasm}
            |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^""",
    ),
    "components in a circle": (
        (
            "components: {demo:a: {}, demo:b: {}}\ndependencies:\n"
            "  demo:a: [{type: wasm, target: demo:b}]\n  demo:b: [{type: wasm, target: demo:a}]\n"
        ),
        """\
        shem.yaml:3:12: components are composed in a circle: demo:a → demo:b → demo:a
          3 |   demo:a: [{type: wasm, target: demo:b}]
            |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^""",
    ),
    "an unknown default profile": (
        "components:\n  demo:a: {profiles: {debug: {}}, defaultProfile: relase}\n",
        """\
        shem.yaml:2:51: unknown build profile "relase", expected one of debug
          2 |   demo:a: {profiles: {debug: {}}, defaultProfile: relase}
            |                                                   ^^^^^^""",
    ),
    "an include that is not there": (
        "includes: [other/shem.yaml]\n",
        """\
        shem.yaml:1:12: there is no file other/shem.yaml
          1 | includes: [other/shem.yaml]
            |            ^^^^^^^^^^^^^^^""",
    ),
    "an absolute include": (
        "includes: [/etc/*.yaml]\n",
        """\
        shem.yaml:1:12: expected a pattern relative to this file: Non-relative patterns are unsupported
          1 | includes: [/etc/*.yaml]
            |            ^^^^^^^^^^^""",  # noqa: E501 - as it is printed
    ),
}


def problems_of(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(folder)
    Path("shem.yaml").write_text(text)
    with pytest.raises(ManifestError) as raised:
        load(Path("shem.yaml"))
    return [str(each) for each in raised.value.problems]


@pytest.mark.parametrize("case", CASES)
def test_each_mistake_has_its_place(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, expected = CASES[case]

    found = problems_of(tmp_path, text, monkeypatch)

    assert found[0] == dedent(expected)


def test_all_mistakes_of_all_files_are_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "shem.yaml").write_text("componens: {}\n")

    found = problems_of(tmp_path, "includes: ['*/shem.yaml']\ntempDir: 3\n", monkeypatch)

    assert len(found) == 1
    assert (
        "one/shem.yaml:1:1" in problems_of(tmp_path, "includes: ['*/shem.yaml']\n", monkeypatch)[0]
    )
    assert "shem.yaml:2:10" in found[0]


def test_no_manifest_anywhere_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no shem\.yaml here .* `shem app new"):
        find_manifest(tmp_path, {})


@pytest.mark.parametrize("data", [b"\xff\xfe", b"a: !!python/object:os.system x", b"[" * 2000])
def test_a_file_of_rubbish_is_an_error_like_any_other(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "shem.yaml").write_bytes(data)

    with pytest.raises(ManifestError):
        load(tmp_path / "shem.yaml")
