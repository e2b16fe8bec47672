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
    "snapshots that make no sense": (
        "components:\n  demo:a:\n    snapshots: sometimes\n",
        """\
        shem.yaml:3:16: snapshots 'sometimes': expected auto, never, custom, or idle, every=N and period=D (as 30s, 5m, 1h) separated by commas, perhaps behind custom
          3 |     snapshots: sometimes
            |                ^^^^^^^^^""",  # noqa: E501 - as it is printed
    ),
    "a retry policy of a build profile that makes no sense": (
        "components:\n  demo:a:\n    profiles:\n      p: {retry: attempts=no}\n",
        """\
        shem.yaml:4:18: retry 'attempts=no': expected never, or attempts=N, min=D, max=D (as 100ms, 5s, 1m), multiplier=X and jitter=X separated by commas
          4 |       p: {retry: attempts=no}
            |                  ^^^^^^^^^^^""",  # noqa: E501 - as it is printed
    ),
    "a limit of memory of a template that makes no sense": (
        "templates:\n  t:\n    memory: max=lots\n",
        """\
        shem.yaml:3:13: memory 'max=lots': expected max=N (as 64MiB, 1GiB) and full=retry or full=fail separated by a comma
          3 |     memory: max=lots
            |             ^^^^^^^^""",  # noqa: E501 - as it is printed
    ),
    "a quota that makes no sense": (
        "components:\n  demo:a: {quota: workers=-1}\n",
        """\
        shem.yaml:2:19: quota 'workers=-1': expected workers=N, pending=N, entries=N and bytes=N (as 512MiB or 10GiB) separated by commas
          2 |   demo:a: {quota: workers=-1}
            |                   ^^^^^^^^^^""",  # noqa: E501 - as it is printed
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
        shem.yaml:2:27: template: 'componentnam' is undefined; there are: app_root, componentName, component_name, package_name, python_libraries
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
    "an API that is not defined": (
        (
            "httpApi:\n  definitions: {shop: {}}\n  deployments:\n    local:\n"
            "      - {host: x, definitions: [shopp]}\n"
        ),
        """\
        shem.yaml:5:33: unknown HTTP API "shopp", did you mean shop?
          5 |       - {host: x, definitions: [shopp]}
            |                                 ^^^^^""",
    ),
    "two default profiles": (
        "profiles:\n  one: {default: true}\n  two: {default: true}\n",
        """\
        shem.yaml:3:18: one is the default already; there can be one
          3 |   two: {default: true}
            |                  ^^^^""",
    ),
    "a profile with an unknown build profile": (
        (
            "components:\n  demo:a: {profiles: {release: {}}}\n"
            "profiles:\n  one: {buildProfile: relase}\n"
        ),
        """\
        shem.yaml:4:23: unknown build profile "relase", did you mean release?
          4 |   one: {buildProfile: relase}
            |                       ^^^^^^""",
    ),
    "an API twice": (
        ("httpApi:\n  definitions: {shop: {}}\n---\nhttpApi:\n  definitions: {shop: {}}\n"),
        """\
        shem.yaml:5:17: "shop" is defined twice
          5 |   definitions: {shop: {}}
            |                 ^^^^""",
    ),
    "a deployment without a host": (
        "httpApi:\n  deployments:\n    local:\n      - {definitions: []}\n",
        """\
        shem.yaml:4:9: a deployment needs the field "host"
          4 |       - {definitions: []}
            |         ^^^^^^^^^^^^^^^^^""",
    ),
    "an include that is not there": (
        "includes: [other/shem.yaml]\n",
        """\
        shem.yaml:1:12: there is no file other/shem.yaml
          1 | includes: [other/shem.yaml]
            |            ^^^^^^^^^^^^^^^""",
    ),
    "a number for a component": (
        "components:\n  demo:a: 3\n",
        """\
        shem.yaml:2:11: expected the fields of a component, got 3
          2 |   demo:a: 3
            |           ^""",
    ),
    "a text for a truth": (
        "profiles:\n  one: {autoConfirm: 'yes'}\n",
        """\
        shem.yaml:2:22: expected true or false, got "yes"
          2 |   one: {autoConfirm: 'yes'}
            |                      ^^^^^""",
    ),
    "a key that is no name": (
        "components:\n  [demo, a]: {}\n",
        """\
        shem.yaml:2:3: expected a name as a key
          2 |   [demo, a]: {}
            |   ^^^^^^^^^""",
    ),
    "a date that there is not": (
        "tempDir: 2026-02-31\n",
        """\
        shem.yaml:1:10: cannot read this value: day is out of range for month
          1 | tempDir: 2026-02-31
            |          ^^^^^^^^^^""",
    ),
    "a tag of YAML": (
        "tempDir: !!python/name:os.system x\n",
        """\
        shem.yaml:1:10: cannot read this value: could not determine a constructor for the tag 'tag:yaml.org,2002:python/name:os.system'
          in "<unicode string>", line 1, column 10:
            tempDir: !!python/name:os.system x
                     ^
          1 | tempDir: !!python/name:os.system x
            |          ^^^^^^^^^^^^^^^^^^^^^^^^^""",  # noqa: E501 - as it is printed
    ),
    "lists in lists in lists": (
        f"httpApi: {{definitions: {{a: {'[' * 60}{']' * 60}}}}}\n",
        f"""\
        shem.yaml:1:76: nested more than 50 levels deep
          1 | httpApi: {{definitions: {{a: {"[" * 60}{"]" * 60}}}}}
            |                                                                            ^^^^^^^^^^^^^^^^^^^^^^^^""",  # noqa: E501 - as it is printed
    ),
    "a template without an end of a text that is far too long": (
        "components:\n  demo:a: {componentWasm: \"{{ 'x' * 200000 }}\"}\n",
        """\
        shem.yaml:2:27: template: longer than 100000 characters
          2 |   demo:a: {componentWasm: "{{ 'x' * 200000 }}"}
            |                           ^^^^^^^^^^^^^^^^^^^^""",
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


PLUGINS = {
    "an unknown type": (
        "name: audit\nversion: '1'\nspecs: {type: Libary, component: a.wasm}\n",
        """\
        plugins/audit/plugin.yaml:3:15: expected App or ComponentTransformer or Library, got "Libary"
          3 | specs: {type: Libary, component: a.wasm}
            |               ^^^^^^""",  # noqa: E501 - as it is printed
    ),
    "no version": (
        "name: audit\nspecs: {type: Library, component: a.wasm}\n",
        """\
        plugins/audit/plugin.yaml:1:1: a plugin needs the field "version"
          1 | name: audit
            | ^""",
    ),
    "a library of nothing": (
        "name: audit\nversion: '1'\nspecs: {type: Library}\n",
        """\
        plugins/audit/plugin.yaml:3:8: Library needs the field "component", and no other beside "type"
          3 | specs: {type: Library}
            |        ^^^^^^^^^^^^^^^""",  # noqa: E501 - as it is printed
    ),
    "a transformer in two ways": (
        (
            "name: audit\nversion: '1'\n"
            "specs: {type: ComponentTransformer, transformUrl: a, command: b}\n"
        ),
        """\
        plugins/audit/plugin.yaml:3:8: a ComponentTransformer needs one of transformUrl and command, and nothing else
          3 | specs: {type: ComponentTransformer, transformUrl: a, command: b}
            |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^""",  # noqa: E501 - as it is printed
    ),
    "another name than its folder": (
        "name: other\nversion: '1'\nspecs: {type: Library, component: a.wasm}\n",
        """\
        plugins/audit/plugin.yaml:1:7: the folder of plugin "other" is called "audit"
          1 | name: other
            |       ^^^^^""",
    ),
    "two documents": (
        "name: audit\n---\nname: audit\n",
        "plugins/audit/plugin.yaml: expected one document, there are 2",
    ),
}
USES = {
    "an unknown plugin": (
        "{name: audti, version: '1'}",
        """\
        shem.yaml:3:22: unknown plugin "audti", did you mean audit?; `shem plugin install FOLDER` installs another one
          3 |     plugins: [{name: audti, version: '1'}]
            |                      ^^^^^""",  # noqa: E501 - as it is printed
    ),
    "another version": (
        "{name: audit, version: '2'}",
        """\
        shem.yaml:3:38: audit is installed in version 1; `shem plugin install FOLDER` installs another one
          3 |     plugins: [{name: audit, version: '2'}]
            |                                      ^^^""",  # noqa: E501 - as it is printed
    ),
    "no version": (
        "{name: audit}",
        """\
        shem.yaml:3:15: a plugin needs the field "version"
          3 |     plugins: [{name: audit}]
            |               ^^^^^^^^^^^^^""",
    ),
}


def install_audit(folder: Path, text: str) -> None:
    place = folder / "plugins" / "audit"
    place.mkdir(parents=True)
    (place / "plugin.yaml").write_text(text)


@pytest.mark.parametrize("case", PLUGINS)
def test_mistakes_in_plugins_have_their_places_too(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, expected = PLUGINS[case]
    install_audit(tmp_path, text)

    (found,) = problems_of(tmp_path, "components: {}\n", monkeypatch)

    assert found.replace(f"{tmp_path}/", "") == dedent(expected)


@pytest.mark.parametrize("case", USES)
def test_a_plugin_is_used_as_it_is_installed(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use, expected = USES[case]
    install_audit(
        tmp_path, "name: audit\nversion: '1'\nspecs: {type: Library, component: a.wasm}\n"
    )

    text = f"components:\n  demo:a:\n    plugins: [{use}]\n"
    (found,) = problems_of(tmp_path, text, monkeypatch)

    assert found == dedent(expected)


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


def test_an_unknown_build_profile_is_told_with_those_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shem.yaml").write_text("components:\n  demo:a: {profiles: {release: {}}}\n")

    with pytest.raises(ManifestError) as raised:
        load(Path("shem.yaml"), build_profile="relase")

    (problem,) = raised.value.problems
    assert str(problem).splitlines() == [
        'shem.yaml:1:1: unknown build profile "relase", did you mean release?',
        "  1 | components:",
        "    | ^",
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xfe", "shem.yaml: no UTF-8 text at byte 0"),
        (b"#" * (1 << 20) + b"#", "shem.yaml: larger than 1048576 bytes"),
        (b"a: \0", "shem.yaml: no YAML: unacceptable character #x0000"),
    ],
)
def test_a_file_that_is_no_text_is_named(
    data: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shem.yaml").write_bytes(data)

    with pytest.raises(ManifestError) as raised:
        load(Path("shem.yaml"))

    assert str(raised.value.problems[0]).startswith(message)


def test_a_file_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ManifestError, match=r"^shem\.yaml: cannot be read: No such file"):
        load(Path("shem.yaml"))


def test_an_app_of_far_too_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("shem.manifest.discovery.MANIFEST_FILES_MAX", 2)
    for each in "abc":
        Path(f"{each}.yaml").write_text("")

    (found,) = problems_of(tmp_path, "includes: ['?.yaml']\n", monkeypatch)

    assert found == "shem.yaml: includes more than 2 files"


def test_no_manifest_anywhere_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no shem\.yaml here .* `shem app new"):
        find_manifest(tmp_path, {})


@pytest.mark.parametrize("data", [b"\xff\xfe", b"a: !!python/object:os.system x", b"[" * 2000])
def test_a_file_of_rubbish_is_an_error_like_any_other(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "shem.yaml").write_bytes(data)

    with pytest.raises(ManifestError):
        load(tmp_path / "shem.yaml")
