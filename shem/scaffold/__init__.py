"""New apps and components, from the templates in this folder.

    templates/LANGUAGE/_app/…        what a language needs once in an app
    templates/LANGUAGE/TEMPLATE/…    a component
    templates/_common/TEMPLATE/…     what it has in every language: its WIT, its tests

Paths and texts hold placeholders like `@@name@@`. Files whose name ends in `.template` lose that
ending: so tools that look at this repository leave them alone.
"""

import keyword
import re
import sys
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from rib.lexer import KEYWORDS
from shem.errors import BuildError
from shem.manifest.discovery import FILE_NAME
from shem.scaffold.catalogue import LANGUAGES, TEMPLATES
from wit.misfit import unknown_name
from wit.type_text import WIT_KEYWORDS

__all__ = ["add_component", "languages", "make_app", "templates_of"]

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*")
_ONCE: Final = "_app"
_COMMON: Final = "_common"
_MANIFEST: Final = """\
# Everything of this app: `shem app build`, `shem app deploy`, `shem app dev`.
includes:
  - templates/*.yaml
  - components/*/shem.yaml
"""
_IGNORED: Final = "build/\nshem-temp/\n.shem/\n"
_README: Final = """\
# {name}

```
shem up                                # in one terminal
shem app deploy                        # in another
shem worker invoke {component}/one '{call}'
```

Components lie in `components/`, their languages' build rules in `templates/`.
`shem component new LANGUAGE NAMESPACE:NAME` adds a component, `shem app diagnose` tells which tools
are missing.
"""
_COMPONENT_README: Final = """\
# {component}

{about} Written in {title}: edit `{source}`.

Needed to build it: {tools}.

```
shem app build {component}
shem app deploy {component}
shem worker invoke {component}/one '{call}'
```
"""
_TESTED: Final = "\n`shem test` runs the tests in `tests/` against what was built.\n"
# Components of these are typed classes, from which their WIT is made.
_CODE_FIRST: Final = frozenset({("python", "counter"), ("python", "ephemeral"), ("python", "rpc")})


def languages() -> list[str]:
    """Return the languages that there are templates for."""
    return sorted(LANGUAGES)


def templates_of(language: str) -> list[str]:
    """Return the templates of a language."""
    return sorted(
        each.name
        for each in _root().joinpath(language).iterdir()
        if each.is_dir() and each.name != _ONCE
    )


def make_app(folder: Path, name: str, language: str, template: str) -> list[Path]:
    """Make the folder of a new app with a first component; return its files, relative to it.

    Raises:
        BuildError: the folder is there and not empty, or there is no such language or template.
    """
    if not _NAME.fullmatch(name):
        raise BuildError(f'"{name}" is no name for an app: expected something like "web-shop"')
    _refuse_keyword(name)
    _check(language, template)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BuildError(f"{folder} is there already and not empty")
    component = f"{name}:{template}"
    made = {
        FILE_NAME: _MANIFEST,
        ".gitignore": _IGNORED,
        "README.md": _README.format(name=name, component=component, call=TEMPLATES[template].call),
    }
    _write(folder, made)
    files = [Path(each) for each in made]
    for each in (*TEMPLATES[template].beside, template):
        files += add_component(folder, language, f"{name}:{each}", each)
    return files


def add_component(app: Path, language: str, component: str, template: str) -> list[Path]:
    """Add a component to the app in a folder; return its files, relative to the folder.

    Raises:
        BuildError: it is there already, or there is no such language or template.
    """
    _check(language, template)
    namespace, colon, name = component.partition(":")
    if not colon or not _NAME.fullmatch(namespace) or not _NAME.fullmatch(name):
        raise BuildError(f'"{component}" is no component name: expected one like "demo:counter"')
    _refuse_keyword(namespace)
    _refuse_keyword(name)
    place = Path("components") / name
    if (app / place).exists():
        raise BuildError(f"{app / place} is there already")
    values = _values(namespace, name)
    made = {
        path: text for path, text in _once(language, values).items() if not (app / path).exists()
    }
    own = _own(language, template, values)
    made |= {(place / path).as_posix(): text for path, text in own.items()}
    _write(app, made)
    return [Path(each) for each in made]


def _refuse_keyword(name: str) -> None:
    # WIT would take `%list`, but not all that is made from it would.
    if name in WIT_KEYWORDS:
        raise BuildError(f'"{name}" is a word of WIT, so that nothing can be called so there')


def _module(name: str) -> str:
    """Return the name of a Python module for a component: none that hides another one."""
    hidden = {"app", *sys.stdlib_module_names}
    return f"{name}_component" if keyword.iskeyword(name) or name in hidden else name


def _values(namespace: str, name: str) -> dict[str, str]:
    words = name.split("-")
    return {
        "component": f"{namespace}:{name}",
        "namespace": namespace,
        "namespace_snake": namespace.replace("-", "_"),
        "name": name,
        "name_snake": "_".join(words),
        # What the component is called in its tests.
        "alias": f"{name}-component" if name in KEYWORDS else name,
        "module": _module("_".join(words)),
        "NamePascal": "".join(word.capitalize() for word in words),
    }


def _once(language: str, values: Mapping[str, str]) -> dict[str, str]:
    made: dict[str, str] = {}
    for each in (*LANGUAGES[language].builds_on, language):
        made |= _filled(_root() / each / _ONCE, values)
    return made


def _own(language: str, template: str, values: Mapping[str, str]) -> dict[str, str]:
    about, known = TEMPLATES[template], LANGUAGES[language]
    common = _filled(_root() / _COMMON / about.common, values)
    if (language, template) in _CODE_FIRST:
        common = {path: text for path, text in common.items() if not path.startswith("wit/")}
    readme = _COMPONENT_README.format(
        component=values["component"],
        about=about.about,
        title=known.title,
        source=known.source,
        tools=known.tools,
        call=about.call,
    )
    tested = _TESTED if any(path.startswith("tests/") for path in common) else ""
    return {
        **common,
        **_filled(_root() / language / template, values),
        "README.md": readme + tested,
    }


def _check(language: str, template: str) -> None:
    if language not in languages():
        raise BuildError(unknown_name("language", language, languages()))
    if template not in templates_of(language):
        raise BuildError(unknown_name(f"{language} template", template, templates_of(language)))


def _root() -> Traversable:
    return resources.files(__name__) / "templates"


def _filled(folder: Traversable, values: Mapping[str, str]) -> dict[str, str]:
    filled: dict[str, str] = {}
    for each in sorted(folder.iterdir(), key=lambda item: item.name):
        name = _fill(each.name, values).removesuffix(".template")
        if each.is_dir():
            inner = _filled(each, values)
            filled.update({f"{name}/{path}": text for path, text in inner.items()})
        else:
            filled[name] = _fill(each.read_text(encoding="utf-8"), values)
    return filled


def _fill(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"@@(\w+)@@", lambda match: values[match[1]], text)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
