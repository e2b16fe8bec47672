"""From definitions to routes whose programs are compiled and checked against the components."""

from collections.abc import Mapping, Sequence

import rib
from gateway.definitions import ApiDefinition, CorsBinding, DefaultBinding, Route
from gateway.deployments import ApiName, CompiledRoute
from gateway.errors import BrokenError
from gateway.paths import parse_path
from gateway.responses import check_response
from wit.types import Primitive
from wit.world import World

__all__ = ["compile_routes", "components_of"]


def components_of(definitions: Sequence[ApiDefinition]) -> set[str] | None:
    """Return the components that definitions name, None if one of them wants all."""
    found: set[str] = set()
    for definition in definitions:
        for route in definition.routes:
            if isinstance(route.binding, DefaultBinding):
                if not route.binding.components:
                    return None
                found.update(route.binding.components)
    return found


def compile_routes(
    definitions: Sequence[ApiDefinition], worlds: Mapping[str, World]
) -> tuple[CompiledRoute, ...]:
    """Return the routes of definitions.

    Raises:
        BrokenError: with everything that is wrong in every route, each with its place.
    """
    findings: list[str] = []
    compiled: list[CompiledRoute] = []
    for definition in definitions:
        name = ApiName(definition.id, definition.version)
        for route in definition.routes:
            place = f"{name}: {route.method} {route.path}"
            found = _compile(name, route, worlds, place, findings)
            if found is not None:
                compiled.append(found)
    if findings:
        raise BrokenError("\n".join(findings))
    return tuple(compiled)


def _compile(
    name: ApiName, route: Route, worlds: Mapping[str, World], place: str, findings: list[str]
) -> CompiledRoute | None:
    match route.binding:
        case CorsBinding():
            return CompiledRoute(name, route.method, route.path, route.binding)
        case DefaultBinding(response, components, key):
            missing = [each for each in components if each not in worlds]
            if missing:
                findings.append(f"{place}: there is no component {', '.join(missing)}")
                return None
            scope = {each: worlds[each] for each in components or worlds}
            program = _program(route, response, scope, f"{place}: response", findings)
            if program is not None and (reason := check_response(program.result)):
                findings.append(f"{place}: response: {reason}")
            keyed = None
            if key is not None:
                keyed = _program(route, key, scope, f"{place}: idempotency-key", findings)
                if keyed is not None and keyed.result is not Primitive.STRING:
                    findings.append(f"{place}: idempotency-key: it must be a string")
            if program is None:
                return None
            code = None if keyed is None else keyed.encode()
            return CompiledRoute(
                name, route.method, route.path, route.binding, program.encode(), code
            )


def _program(
    route: Route, text: str, scope: Mapping[str, World], place: str, findings: list[str]
) -> rib.Program | None:
    try:
        program = rib.compile(text.strip(), scope, rib.GATEWAY_GLOBALS)
    except rib.CompileError as error:
        findings.append(rib.report(error.diagnostics, text.strip(), file=place))
        return None
    path = parse_path(route.path)
    for each in program.inputs:
        group, _, name = each.name.removeprefix("request.").partition(".")
        if group == "path" and name not in path.variables:
            known = ", ".join(path.variables) or "none"
            findings.append(f"{place}: the path has no variable {name}; it has {known}")
        if group == "body" and route.method in {"GET", "HEAD"}:
            findings.append(f"{place}: a {route.method} request has no body")
    return program
