"""One text out of the files of a package: to be read as a whole, or handed on without a folder."""

from collections.abc import Sequence

from wit.errors import WitError
from wit.text.nodes import Attributes, FileNode, FileUseNode, Item, PackageName, PackageNode

__all__ = ["joined"]


def joined(folders: Sequence[Sequence[FileNode]], *, dependencies: bool = True) -> FileNode:
    """Return a file that resolves to the same packages as the given ones.

    Args:
        folders: The files of each package, the main package last, as `read_folder` returns them.
        dependencies: Whether the other packages follow as blocks; else the main one stands alone.

    Raises:
        WitError: no package at all, or two files of a package `use` one name for two things:
            names of a `use` outside of interfaces hold for their own file alone.
    """
    if not folders:
        raise WitError("expected the files of a package, there are none")
    main = _one(folders[-1])
    blocks: list[Item] = list(main.items)
    if dependencies:
        for folder in folders[:-1]:
            one = _one(folder)
            nested = [item for item in one.items if isinstance(item, PackageNode)]
            if one.package is not None:
                own = tuple(item for item in one.items if not isinstance(item, PackageNode))
                blocks.append(PackageNode(one.package, own, one.attributes))
            blocks += nested
    return FileNode(main.package, tuple(blocks), main.attributes)


def _one(files: Sequence[FileNode]) -> FileNode:
    package: PackageName | None = None
    docs: list[str] = []
    uses: dict[str, FileUseNode] = {}
    others: list[Item] = []
    for file in files:
        package = package or file.package
        if file.attributes.docs:
            docs.append(file.attributes.docs)
        for item in file.items:
            if not isinstance(item, FileUseNode):
                others.append(item)
                continue
            name = (item.alias or item.path.name).text
            known = uses.setdefault(name, item)
            if known.path.text != item.path.text:
                raise WitError(
                    f"{file.file}: `use` gives {name} to {item.path.text}, another file of the"
                    f" package to {known.path.text}: print the files one by one"
                )
    # Blocks of other packages come last: what follows one would look as if it belonged to it.
    others.sort(key=lambda item: isinstance(item, PackageNode))
    attributes = Attributes(docs="\n".join(docs))
    return FileNode(package, (*uses.values(), *others), attributes)
