"""WIT after all names were looked up: packages with interfaces and worlds, ready for linkers.

Source: component-model specification, WIT.md, "Package Names", "WIT Interfaces" and "WIT Worlds".
"""

from collections.abc import Mapping

from msgspec import Struct

from wit.text.nodes import PackageName
from wit.world import Interface, World

__all__ = ["Notes", "Package", "Packages"]


class Notes(Struct, frozen=True):
    """What is written about an item: documentation and the gates before it."""

    docs: str = ""
    since: str | None = None
    unstable: str | None = None
    deprecated: str | None = None
    external_id: str | None = None


class Package(Struct, frozen=True):
    """One package.

    `interfaces` and `worlds` go by their short names, in the order of the text. Interfaces of
    worlds stand after those that they use types of. `notes` goes by dotted paths: `api`, `api.add`,
    `api.point.x`, and the empty path for the package; only items with notes are there.
    """

    name: PackageName
    interfaces: Mapping[str, Interface]
    worlds: Mapping[str, World]
    notes: Mapping[str, Notes]


class Packages(Struct, frozen=True):
    """All packages that were resolved together, by full name; the main one is named."""

    packages: Mapping[str, Package]
    main: str

    def interface(self, name: str) -> Interface | None:
        """Return an interface by its full name, `demo:counter/api@1.0.0`."""
        for package in self.packages.values():
            for short, interface in package.interfaces.items():
                if package.name.member(short) == name:
                    return interface
        return None

    def world(self, name: str = "") -> World | None:
        """Return a world of the main package by its short name, or any by its full one.

        Without a name: the only world of the main package, None if there is not exactly one.
        """
        main = self.packages[self.main]
        if not name:
            return next(iter(main.worlds.values())) if len(main.worlds) == 1 else None
        if name in main.worlds:
            return main.worlds[name]
        for package in self.packages.values():
            for short, world in package.worlds.items():
                if package.name.member(short) == name:
                    return world
        return None
