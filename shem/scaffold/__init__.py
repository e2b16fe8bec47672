"""New apps and components, from the templates in this folder.

    templates/LANGUAGE/_app/…        what a language needs once in an app
    templates/LANGUAGE/TEMPLATE/…    a component

Paths and texts hold placeholders like `@@name@@`. Files whose name ends in `.template` lose that
ending: so tools that look at this repository leave them alone.
"""

import re
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from shem.errors import BuildError
from shem.manifest.discovery import FILE_NAME
from wit.misfit import unknown_name

__all__ = ["add_component", "languages", "make_app", "templates_of"]

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*")
_ONCE: Final = "_app"
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
`shem component new LANGUAGE NAMESPACE:NAME` adds a component.
"""


def languages() -> list[str]:
    """Return the languages that there are templates for."""
    return sorted(each.name for each in _root().iterdir() if each.is_dir())


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
    _check(language, template)
    if folder.exists() and any(folder.iterdir()):
        raise BuildError(f"{folder} is there already and not empty")
    component = f"{name}:{template}"
    made = {
        FILE_NAME: _MANIFEST,
        ".gitignore": _IGNORED,
        "README.md": _README.format(name=name, component=component, call=_CALLS[template]),
    }
    _write(folder, made)
    files = [Path(each) for each in made]
    for each in (*_BESIDE.get(template, ()), template):
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
    place = Path("components") / name
    if (app / place).exists():
        raise BuildError(f"{app / place} is there already")
    words = name.split("-")
    values = {
        "component": component,
        "namespace": namespace,
        "name": name,
        "name_snake": "_".join(words),
        "NamePascal": "".join(word.capitalize() for word in words),
    }
    once = _filled(_root() / language / _ONCE, values)
    own = _filled(_root() / language / template, values)
    made = {path: text for path, text in once.items() if not (app / path).exists()}
    made |= {(place / path).as_posix(): text for path, text in own.items()}
    _write(app, made)
    return [Path(each) for each in made]


# A first call of each template, and what its app needs beside it.
_CALLS: Final = {
    "counter": "add(5)",
    "counter-wit": "add(5)",
    "rpc": 'add-everywhere(["a", "b"], 5)',
}
_BESIDE: Final = {"rpc": ("counter",)}


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
