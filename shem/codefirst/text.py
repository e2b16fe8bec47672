"""The texts that a description becomes: WIT, and the modules that bindings look for."""

from collections.abc import Iterable, Sequence

from shem.codefirst.description import Described, DescribedFunction, DescribedResource
from shem.codefirst.names import class_name, identifier

__all__ = ["entry_modules", "wit_text"]


def wit_text(described: Described, package: str) -> str:
    """Return the WIT of a component: one interface, and a world that exports it."""
    _, _, name = package.partition(":")
    world = name.partition("@")[0]
    if world == described.interface:
        # Both stand in one name space of WIT.
        world = f"{world}-world"
    items = [*described.types, *(_resource(each) for each in described.resources)]
    items += [_function(each) for each in described.functions]
    body = "\n\n".join(_indented(item) for item in items)
    docs = _comment(described.docs)
    interface = identifier(described.interface)
    return (
        f"package {package};\n\n{docs}interface {interface} {{\n{body}\n}}\n\n"
        f"world {identifier(world)} {{\n  export {interface};\n}}\n"
    )


def entry_modules(described: Described, module: str, late: Sequence[str] = ()) -> dict[str, str]:
    """Return the module `app`, and the one of the interface's resources, by file name.

    `late` are the modules that the user's import inside of functions.
    """
    interface = described.interface.replace("-", "_")
    head = (
        '"""Made from the component\'s class; do not edit."""\n\n'
        f"import shem_bridge\nimport {module} as _user\n"
        "from wit_world import exports\n"
        f"from wit_world.exports import {interface} as _types\n"
    )
    wrappers = f"import {interface} as _wrappers\n" if described.resources else ""
    lazily = ", lambda: _wrappers" if described.resources else ""
    lines = [
        f"{head}{wrappers}{_late(late)}\n_bridge = shem_bridge.Bridge(_user, _types{lazily})\n\n",
        f"class {class_name(described.interface)}(exports.{class_name(described.interface)}):",
        *_methods(described.functions, "call(", indent="    "),
    ]
    modules = {"app.py": "\n".join(lines) + "\n"}
    if described.resources:
        modules[f"{interface}.py"] = _resource_module(described, interface)
    return modules


def _late(modules: Sequence[str]) -> str:
    if not modules:
        return ""
    names = "".join(f"    {each!r},\n" for each in modules)
    return (
        "import contextlib as _contextlib\nimport importlib as _importlib\n\n"
        "# What functions import cannot be found any more when they run: it is imported now.\n"
        f"for _late in (\n{names}):\n"
        "    with _contextlib.suppress(Exception):\n"
        "        _importlib.import_module(_late)\n"
    )


def _resource_module(described: Described, interface: str) -> str:
    lines = [
        '"""Made from the component\'s resources; do not edit."""\n',
        f"from wit_world.exports import {interface} as _types\n",
        "\ndef _bridge():\n    import app\n\n    return app._bridge\n",
        "\ndef wrap(name, held):",
        '    """Return a new handle: one that was handed out belongs to the caller."""',
        "    cls = globals()[name]",
        "    handle = cls.__new__(cls)",
        "    handle.held = held",
        "    return handle\n",
    ]
    for each in described.resources:
        name = class_name(each.name)
        arguments = ", ".join(each.constructor.parameters)
        passed = f", {arguments}" if arguments else ""
        lines += [
            f"\nclass {name}(_types.{name}):",
            f"    def __init__(self{passed}):",
            f"        self.held = _bridge().construct({each.python!r}{passed})",
        ]
        for function in each.functions:
            lines += _resource_method(each, function)
        lines.append("")
    return "\n".join(lines) + "\n"


def _resource_method(resource: DescribedResource, function: DescribedFunction) -> Sequence[str]:
    arguments = "".join(f", {each}" for each in function.parameters)
    name = function.name.replace("-", "_")
    if function.static:
        call = f"static({resource.python!r}, {function.python!r}{arguments})"
        head = f"    @classmethod\n    def {name}(cls{arguments}):"
    else:
        call = f"method({resource.python!r}, {function.python!r}, self.held{arguments})"
        head = f"    def {name}(self{arguments}):"
    return [f"\n{head}", f"        return _bridge().{call}"]


def _methods(functions: Iterable[DescribedFunction], call: str, *, indent: str) -> list[str]:
    lines: list[str] = []
    for each in functions:
        arguments = "".join(f", {name}" for name in each.parameters)
        name = each.name.replace("-", "_")
        lines += [
            f"{indent}def {name}(self{arguments}):",
            f"{indent}    return _bridge.{call}{each.python!r}{arguments})\n",
        ]
    return lines or [f"{indent}pass"]


def _function(function: DescribedFunction) -> str:
    kind = "static func" if function.static else "func"
    return f"{_comment(function.docs)}{identifier(function.name)}: {kind}{function.signature};"


def _resource(resource: DescribedResource) -> str:
    docs = _comment(resource.docs)
    constructor = f"constructor{resource.constructor.signature};"
    members = "\n".join(
        _indented(each) for each in [constructor, *map(_function, resource.functions)]
    )
    return f"{docs}resource {identifier(resource.name)} {{\n{members}\n}}"


def _comment(docs: str) -> str:
    return "".join(f"/// {line}".rstrip() + "\n" for line in docs.splitlines())


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" if line else "" for line in text.splitlines())
