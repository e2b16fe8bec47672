"""`{{ … }}` in the texts of a manifest: the template language of Jinja, with filters for case.

Runs in Jinja's sandbox, since templates come with components that others wrote.
"""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

__all__ = ["TemplateTextError", "render"]

_PLAIN: Final = re.compile(r"\{\{\s*([A-Za-z_]\w*(?:\s*\|\s*[a-z_]+)*)\s*\}\}")
RENDERED_CHARACTERS_MAX: Final = 100_000


class TemplateTextError(Exception):
    """A text cannot be rendered; the same text fails again. The message says why."""


def render(text: str, variables: Mapping[str, Any]) -> str:
    """Return the text with its templates filled in.

    Raises:
        TemplateTextError: bad syntax, an unknown variable or filter, or far too long a result.
    """
    if "{" not in text:
        return text
    plain = _plain(text, variables)
    if plain is not None:
        return plain
    return _rendered(text, variables)


def _plain(text: str, variables: Mapping[str, Any]) -> str | None:
    """Return what a text of nothing but names with filters gives, None for any other.

    That is what manifests hold, and Jinja takes longer to import than all of them to read.
    """
    if any(mark in _PLAIN.sub("", text) for mark in ("{{", "}}", "{%", "{#", "#}", "%}")):
        return None
    filled: list[str] = []
    end = 0
    for found in _PLAIN.finditer(text):
        name, *filters = (each.strip() for each in found[1].split("|"))
        if name not in variables or any(each not in FILTERS for each in filters):
            return None
        value = str(variables[name])
        for each in filters:
            value = FILTERS[each](value)
        filled += [text[end : found.start()], value]
        end = found.end()
    # Jinja drops a single line break at the end.
    return "".join([*filled, text[end:]]).removesuffix("\n")


def _rendered(text: str, variables: Mapping[str, Any]) -> str:
    import jinja2  # noqa: PLC0415 - see `_plain`

    try:
        rendered = _environment().from_string(text).render(variables)
    except jinja2.UndefinedError as error:
        known = ", ".join(sorted(variables))
        raise TemplateTextError(f"template: {error.message}; there are: {known}") from error
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise TemplateTextError(f"template: {error}") from error
    if len(rendered) > RENDERED_CHARACTERS_MAX:
        raise TemplateTextError(f"template: longer than {RENDERED_CHARACTERS_MAX} characters")
    return rendered


def _words(text: str) -> list[str]:
    """Split `demo:shoppingCart`, `shopping_cart` or `HTTPServer` into its words."""
    spaced = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3 \2\4", text)
    return [word.lower() for word in re.split(r"[^A-Za-z0-9]+", spaced) if word]


def _capitalised(text: str) -> list[str]:
    return [word.capitalize() for word in _words(text)]


def _lower_camel(text: str) -> str:
    first, *others = _capitalised(text) or [""]
    return first.lower() + "".join(others)


FILTERS: Final[Mapping[str, Callable[[str], str]]] = {
    "to_snake_case": lambda text: "_".join(_words(text)),
    "to_kebab_case": lambda text: "-".join(_words(text)),
    "to_lower_camel_case": _lower_camel,
    "to_pascal_case": lambda text: "".join(_capitalised(text)),
    "to_upper_camel_case": lambda text: "".join(_capitalised(text)),
    "to_shouty_kebab_case": lambda text: "-".join(_words(text)).upper(),
    "to_shouty_snake_case": lambda text: "_".join(_words(text)).upper(),
    "to_title_case": lambda text: " ".join(_capitalised(text)),
    "to_train_case": lambda text: "-".join(_capitalised(text)),
}


def _environment() -> "SandboxedEnvironment":
    import jinja2  # noqa: PLC0415 - see `_plain`
    from jinja2.sandbox import SandboxedEnvironment  # noqa: PLC0415 - see `_plain`

    # What is rendered are paths and commands, never HTML.
    environment = SandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
    environment.filters.update(FILTERS)
    return environment
