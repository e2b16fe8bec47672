"""Which names imports, exports, labels and parameters may have.

Source: the component-model specification, "Import and Export Definitions".
"""

import re

from wit.binary.sorts import Sort
from wit.errors import BinaryError

__all__ = ["check_extern_name", "check_label", "folded_label"]

_LABEL = r"(?:[a-z][a-z0-9]*|[A-Z][A-Z0-9]*)(?:-(?:[a-z0-9]+|[A-Z0-9]+))*"
_WORDS = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
_NUMBER = r"(?:0|[1-9][0-9]{0,18})"
_BEFORE = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = (
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_BEFORE}(?:\.{_BEFORE})*)?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_PACKAGE = rf"{_WORDS}:{_WORDS}"
_PATH = rf"{_PACKAGE}(?:/{_LABEL})*"
_RANGE = rf"\*|\{{(?:>={_VERSION}|<{_VERSION}|>={_VERSION} <{_VERSION})\}}"
_HASH = r"sha(?:256|384|512)-[A-Za-z0-9+/]+={0,2}"
_INTEGRITY = rf"integrity=<{_HASH}(?: {_HASH})*>"
_RESOURCE_FUNCTION = (
    rf"\[(?:async )?(?:constructor\]{_LABEL}|(?:method|static)\]{_LABEL}\.{_LABEL})"
    rf"|\[async\]{_LABEL}"
)
_PLAIN = re.compile(_LABEL)
_ANYTHING = (
    rf"{_PACKAGE}/{_LABEL}(?:@{_VERSION})?"
    rf"|unlocked-dep=<{_PATH}(?:@(?:{_RANGE}))?>"
    rf"|locked-dep=<{_PATH}(?:@{_VERSION})?>(?:,{_INTEGRITY})?"
    rf"|url=<[^<>]*>(?:,{_INTEGRITY})?"
    rf"|{_INTEGRITY}"
)
_INTERFACE = (re.compile(_ANYTHING), "'my:package/interface@1.0.0'")
_FUNCTION = (
    re.compile(rf"{_RESOURCE_FUNCTION}|{_ANYTHING}"),
    "'my-function' or '[method]resource.function'",
)


def folded_label(name: str) -> str:
    """Return what two names must not share: many languages tell them apart by nothing else."""
    return name.replace("-", "").lower()


def check_label(name: str, what: str, offset: int) -> None:
    """Refuse a name that is not words of one case, joined by dashes."""
    if not _PLAIN.fullmatch(name):
        raise BinaryError(
            f"{what} {name!r} is no name: expected words joined by dashes, like 'my-name'",
            offset=offset,
        )


def check_extern_name(name: str, sort: Sort, offset: int) -> None:
    """Refuse what cannot name an import or export of that sort."""
    if _PLAIN.fullmatch(name):
        return
    form, example = _FUNCTION if sort is Sort.FUNCTION else _INTERFACE
    if not form.fullmatch(name):
        raise BinaryError(
            f"{name!r} cannot name a {sort.value}: expected a name like {example}", offset=offset
        )
