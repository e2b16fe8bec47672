"""Feature gates: which items exist for somebody who enabled certain features.

Source: component-model specification, WIT.md, "Feature Gates".
"""

from typing import final

from wit.text.nodes import Attributes, FileNode, Name, PackageName
from wit.text.sources import fail
from wit.versions import Version

__all__ = ["ALL_FEATURES", "Gates"]

# In the place of a set of names: everything unstable is there.
ALL_FEATURES = frozenset({"*"})


@final
class Gates:
    """The gates of one package, seen with a set of enabled features."""

    def __init__(self, package: PackageName, features: frozenset[str]) -> None:
        self._package = package
        self._features = features

    def hidden(self, attributes: Attributes, file: FileNode) -> str | None:
        """Return why an item does not exist, None if it does.

        Raises:
            ParseError: gates that contradict each other or need a package version.
        """
        place = Name("@", attributes.offset)
        since, unstable, deprecated = attributes.since, attributes.unstable, attributes.deprecated
        if since is None and unstable is None and deprecated is None:
            return None
        if since is not None and unstable is not None:
            fail(file, "an item is either @since or @unstable, not both", place)
        if since is None and unstable is None:
            fail(file, "@deprecated needs @since or @unstable beside it", place)
        if self._package.version is None:
            reason = f"gates need a version: declare the package as {self._package.text}@x.y.z"
            fail(file, reason, place)
        if unstable is not None:
            if unstable in self._features or self._features == ALL_FEATURES:
                return None
            return f"it needs the feature {unstable}"
        for text in (since, deprecated):
            if text is not None:
                _check_version(text, file, place)
        assert since is not None, "without unstable there is since"
        if Version(since) > Version(self._package.version):
            return f"it comes with version {since}"
        return None


def _check_version(text: str, file: FileNode, place: Name) -> None:
    try:
        Version(text)
    except ValueError as error:
        fail(file, str(error), place)
