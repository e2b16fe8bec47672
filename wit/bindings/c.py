"""Bindings for C: a header with types and functions of a world, and the glue behind it.

Whoever writes the component implements the functions `exports_…`. Who frees what:

| value | given back by |
|---|---|
| parameter of an exported function | the implementation, by `…_free` or by passing it on |
| result of an exported function | the glue, after the caller has read it: let it own its memory |
| argument of an imported function | the caller, who keeps it |
| result of an imported function | the caller, by `…_free` |

`…_free` gives memory back and leaves handles alone; those are dropped by `…_drop`.
"""

from typing import final

from msgspec import Struct

from wit.bindings.c_flat import CORE, Statements
from wit.bindings.c_header import (
    Declarations,
    functions_of,
    owns_memory,
    prototype,
    resources_of,
)
from wit.bindings.c_names import Names, identifier
from wit.bindings.c_runtime import ALLOCATOR, PREAMBLE
from wit.bindings.flattening import (
    FLAT_PARAMETERS_MAX,
    FLAT_RESULTS_MAX,
    cases_of,
    flat,
    flat_all,
)
from wit.types import (
    ListType,
    OptionType,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    Type,
    VariantType,
)
from wit.world import Function, World

__all__ = ["CBindings", "c_bindings"]


class CBindings(Struct, frozen=True):
    """The texts of a header and of a source that includes it under its name."""

    header: str
    source: str


def c_bindings(world: World, name: str) -> CBindings:
    """Return bindings for a world; `name` is that of the header, without `.h`.

    Raises:
        WitError: the world has what C bindings do not know, such as streams.
    """
    return _Writer(world, name).written()


@final
class _Writer:
    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._name = name
        self._names = Names(world, name)
        self._declarations = Declarations(world, self._names)
        self._source: list[str] = []

    def written(self) -> CBindings:
        for number, function in enumerate(functions_of(self._world, exported=False)):
            self._import(number, function)
        self._frees()
        self._resources()
        for number, function in enumerate(functions_of(self._world, exported=True)):
            self._export(number, function)
        note = f'/* Made by `shem app build` from the WIT of "{self._name}": changes are lost. */\n'
        guard = f"WIT_{identifier(self._name).upper()}_H"
        header = [
            note,
            f"#ifndef {guard}\n#define {guard}\n",
            PREAMBLE,
            *self._declarations.lines,
            "",
            *self._prototypes(),
            "\n#ifdef __cplusplus\n}\n#endif\n#endif",
        ]
        source = [note, f'#include "{self._name}.h"\n', ALLOCATOR, *self._source]
        return CBindings("\n".join(header) + "\n", "\n".join(source))

    def _prototypes(self) -> list[str]:
        names = self._names
        lines = [f"void {_free(each)}({each} *value);" for each, _ in self._with_memory()]
        lines += ["", "/* What can be called. */"]
        for function in functions_of(self._world, exported=False):
            lines.append(prototype(function, names, exported=False) + ";")
        for resource in dict.fromkeys(resources_of(self._world.import_interfaces)):
            name = names.resource(resource)
            lines.append(f"void {name}_drop({name}_t handle);")
        lines += ["", "/* What is to be implemented. */"]
        for resource in resources_of(self._world.export_interfaces):
            name = names.resource(resource)
            lines.append(f"void {name}_destructor({name}_state_t *state);")
        for function in functions_of(self._world, exported=True):
            lines.append(prototype(function, names, exported=True) + ";")
        for resource in resources_of(self._world.export_interfaces):
            name = names.resource(resource)
            lines.append(f"{name}_t {name}_new({name}_state_t *state);")
            lines.append(f"{name}_state_t *{name}_state({name}_t handle);")
            lines.append(f"void {name}_drop({name}_t handle);")
        return lines

    def _with_memory(self) -> list[tuple[str, Type]]:
        return list(self._declarations.with_memory())

    # Imported functions.

    def _import(self, number: int, function: Function) -> None:
        parameters = [(each.type, identifier(each.name)) for each in function.type.parameters]
        cores = list(flat_all(type_ for type_, _ in parameters))
        indirect = len(cores) > FLAT_PARAMETERS_MAX
        result = function.type.result
        through_memory = result is not None and len(flat(result)) > FLAT_RESULTS_MAX
        core_types = [CORE[each] for each in (["i32"] if indirect else cores)]
        core_types += ["int32_t"] if through_memory else []
        returned = "void" if result is None or through_memory else CORE[flat(result)[0]]
        module = function.interface or "$root"
        core = f"wit_import_{number}"
        self._declare_core(module, function.name, f"{returned} {core}", core_types)
        body = Statements(self._names)
        if indirect:
            members = " ".join(
                f"{self._names.type(t)} f{i};" for i, (t, _) in enumerate(parameters)
            )
            values = ", ".join(name for _, name in parameters)
            body.add(f"struct {{ {members} }} wit_parameters = {{{values}}};")
            arguments = ["(int32_t)(uintptr_t)&wit_parameters"]
        else:
            arguments = [each for t, name in parameters for each in body.lowered(t, name)]
        if result is None:
            body.add(f"{core}({', '.join(arguments)});")
        elif through_memory:
            body.add(f"{self._names.type(result)} wit_result;")
            arguments.append("(int32_t)(uintptr_t)&wit_result")
            body.add(f"{core}({', '.join(arguments)});")
            body.add("return wit_result;")
        else:
            variable = body.fresh("core")
            body.add(f"{returned} {variable} = {core}({', '.join(arguments)});")
            body.add(f"return {body.lifted(result, [variable])};")
        head = prototype(function, self._names, exported=False)
        self._source += [f"{head} {{", *body.lines, "}\n"]

    def _declare_core(self, module: str, name: str, head: str, parameters: list[str]) -> None:
        self._source.append(
            f'__attribute__((import_module("{module}"), import_name("{name}")))\n'
            f"extern {head}({', '.join(parameters) or 'void'});\n"
        )

    # Exported functions.

    def _export(self, number: int, function: Function) -> None:
        types = [each.type for each in function.type.parameters]
        cores = list(flat_all(types))
        result = function.type.result
        body = Statements(self._names)
        if len(cores) > FLAT_PARAMETERS_MAX:
            members = " ".join(f"{self._names.type(t)} f{i};" for i, t in enumerate(types))
            head = "int32_t wit_parameters"
            body.add(f"struct {{ {members} }} *wit_given = (void *)(uintptr_t)wit_parameters;")
            arguments = [f"wit_given->f{at}" for at in range(len(types))]
        else:
            names = [f"wit_{at}" for at in range(len(cores))]
            head = ", ".join(f"{CORE[c]} {n}" for c, n in zip(cores, names, strict=True)) or "void"
            arguments = [body.lifted(each, names) for each in types]
        call = f"{self._names.function(function, exported=True)}({', '.join(arguments)})"
        through_memory = result is not None and len(flat(result)) > FLAT_RESULTS_MAX
        if result is None:
            returned = "void"
            body.add(f"{call};")
        elif through_memory:
            returned = "int32_t"
            self._source.append(f"static {self._names.type(result)} wit_result_{number};\n")
            body.add(f"wit_result_{number} = {call};")
            body.add(f"return (int32_t)(uintptr_t)&wit_result_{number};")
        else:
            returned = CORE[flat(result)[0]]
            variable = body.fresh("result")
            body.add(f"{self._names.type(result)} {variable} = {call};")
            (core,) = body.lowered(result, variable)
            body.add(f"return {core};")
        name = (
            function.name if function.interface is None else f"{function.interface}#{function.name}"
        )
        self._source += [
            f'__attribute__((export_name("{name}")))',
            f"{returned} wit_export_{number}({head}) {{",
            *body.lines,
            "}\n",
        ]
        if result is not None and through_memory and owns_memory(result):
            self._source += [
                f'__attribute__((export_name("cabi_post_{name}")))',
                f"void wit_post_{number}(int32_t result) {{",
                f"  {_free(self._names.type(result))}((void *)(uintptr_t)result);",
                "}\n",
            ]

    # Freeing, and resources.

    def _frees(self) -> None:
        for name, type_ in self._with_memory():
            lines = _free_lines(self._names, type_)
            self._source += [f"void {_free(name)}({name} *value) {{", *lines, "}\n"]

    def _resources(self) -> None:
        names = self._names
        for resource in dict.fromkeys(resources_of(self._world.import_interfaces)):
            name = names.resource(resource)
            self._drop(resource.interface or "$root", resource.name, name)
        for resource in resources_of(self._world.export_interfaces):
            name = names.resource(resource)
            module = f"[export]{resource.interface}"
            self._drop(module, resource.name, name)
            self._declare_core(
                module, f"[resource-new]{resource.name}", f"int32_t wit_new_{name}", ["int32_t"]
            )
            self._declare_core(
                module, f"[resource-rep]{resource.name}", f"int32_t wit_rep_{name}", ["int32_t"]
            )
            self._source.append(
                f"{name}_t {name}_new({name}_state_t *state) {{\n"
                f"  return ({name}_t){{wit_new_{name}((int32_t)(uintptr_t)state)}};\n}}\n\n"
                f"{name}_state_t *{name}_state({name}_t handle) {{\n"
                f"  return (void *)(uintptr_t)wit_rep_{name}(handle.handle);\n}}\n\n"
                f'__attribute__((export_name("{resource.interface}#[dtor]{resource.name}")))\n'
                f"void wit_destroy_{name}(int32_t state) {{\n"
                f"  {name}_destructor((void *)(uintptr_t)state);\n}}\n"
            )

    def _drop(self, module: str, resource: str, name: str) -> None:
        core = f"wit_drop_{name}"
        self._declare_core(module, f"[resource-drop]{resource}", f"void {core}", ["int32_t"])
        self._source.append(f"void {name}_drop({name}_t handle) {{ {core}(handle.handle); }}\n")


def _free(name: str) -> str:
    return f"{name.removesuffix('_t')}_free"


def _free_lines(names: Names, type_: Type, value: str = "value") -> list[str]:
    """Return statements that free what the value behind a pointer owns."""

    def freed(part: Type, place: str) -> list[str]:
        if part is Primitive.STRING:
            return [f"  wit_string_free(&{place});"]
        return [f"  {_free(names.type(part))}(&{place});"] if owns_memory(part) else []

    match type_:
        case RecordType(fields):
            return [
                line for f in fields for line in freed(f.type, f"{value}->{identifier(f.name)}")
            ]
        case TupleType(elements):
            return [line for i, e in enumerate(elements) for line in freed(e, f"{value}->f{i}")]
        case ListType(element):
            inner = freed(element, f"{value}->ptr[i]")
            loop = [f"  for (size_t i = 0; i < {value}->len; i++) {{", *inner, "  }"]
            return [
                *(loop if inner else []),
                f"  if ({value}->len) wit_free({value}->ptr);",
                f"  {value}->ptr = 0;",
                f"  {value}->len = 0;",
            ]
        case OptionType(some):
            return [f"  if ({value}->is_some) {{", *freed(some, f"{value}->val"), "  }"]
        case ResultType() | VariantType():
            tag = "is_err" if isinstance(type_, ResultType) else "tag"
            lines = [f"  switch ((int){value}->{tag}) {{"]
            for at, (name, payload) in enumerate(cases_of(type_)):
                inner = freed(payload, f"{value}->val.{identifier(name)}") if payload else []
                lines += [f"  case {at}:", *inner, "    break;"] if inner else []
            return [*lines, "  }"]
        case _:
            return []
