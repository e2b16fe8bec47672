"""`{{ … }}` in the texts of a manifest: the template language of Jinja, with filters for case.

Runs in Jinja's sandbox, since templates come with components that others wrote.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import jinja2
from jinja2.sandbox import SandboxedEnvironment

__all__ = ["TemplateTextError", "render"]

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


def _environment() -> SandboxedEnvironment:
    # What is rendered are paths and commands, never HTML.
    environment = SandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
    environment.filters.update(FILTERS)
    return environment
