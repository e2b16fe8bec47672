"""Which names imports, exports, labels and parameters may have.

Source: the component-model specification, "Import and Export Definitions".
"""

import re

from wit.binary.sorts import Sort
from wit.errors import BinaryError

__all__ = ["check_extern_name", "check_label"]

_LABEL = r"(?:[a-z][a-z0-9]*|[A-Z][A-Z0-9]*)(?:-(?:[a-z0-9]+|[A-Z0-9]+))*"
_NAMESPACED = rf"(?:{_LABEL}:)+{_LABEL}(?:/{_LABEL})*"
_VERSION = r"[0-9]+(?:\.[0-9]+){0,2}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"
_RESOURCE_FUNCTION = re.compile(
    rf"\[(?:async )?(?:constructor\]{_LABEL}|(?:method|static)\]{_LABEL}\.{_LABEL})"
    rf"|\[async\]{_LABEL}"
)
_PLAIN = re.compile(_LABEL)
_DEPENDENCY = (
    r"(?:un)?locked-dep=<[^<>]+>(?:,integrity=<[^<>]+>)?"
    r"|url=<[^<>]*>(?:,integrity=<[^<>]+>)?"
    r"|integrity=<[^<>]+>"
)
_INTERFACE = re.compile(rf"{_NAMESPACED}(?:@{_VERSION})?|{_DEPENDENCY}")
_NOTHING_MORE: tuple[re.Pattern[str] | None, str] = (None, "'my-name'")
_FORMS: dict[Sort, tuple[re.Pattern[str] | None, str]] = {
    Sort.FUNCTION: (_RESOURCE_FUNCTION, "'my-function' or '[method]resource.function'"),
    Sort.INSTANCE: (_INTERFACE, "'my:package/interface@1.0.0'"),
    Sort.COMPONENT: (_INTERFACE, "'my:package@1.0.0'"),
    Sort.CORE_MODULE: (_INTERFACE, "'my:package@1.0.0'"),
}
"""By sort: what its names may look like besides plain labels, and an example for errors."""


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
    form, example = _FORMS.get(sort, _NOTHING_MORE)
    if form is None or not form.fullmatch(name):
        raise BinaryError(
            f"{name!r} cannot name a {sort.value}: expected a name like {example}", offset=offset
        )
