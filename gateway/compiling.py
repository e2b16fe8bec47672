"""From definitions to routes whose programs are compiled and checked against the components."""

from collections.abc import Collection, Mapping, Sequence
from typing import assert_never, final

from msgspec import structs

import rib
from gateway.clients.functions import misfits, target_of
from gateway.component_requests import HANDLER_INTERFACE, REQUEST_INPUT, WORKER_INPUT
from gateway.definitions import (
    ApiDefinition,
    CorsBinding,
    DefaultBinding,
    FileServerBinding,
    HttpHandlerBinding,
    Route,
    SwaggerUiBinding,
    WebsocketBinding,
)
from gateway.deployments import ApiName, CompiledRoute
from gateway.errors import BrokenError
from gateway.explorer import ASSET
from gateway.invocation_context import check_context
from gateway.meaning import resolved
from gateway.paths import parse_path
from gateway.responses import check_response
from gateway.served_files import check_file
from wit.types import Primitive
from wit.world import World

__all__ = ["compile_routes", "components_of"]

_BODILESS = frozenset({"GET", "HEAD"})


def components_of(definitions: Sequence[ApiDefinition]) -> set[str] | None:
    """Return the components that definitions name, None if one of them wants all."""
    found: set[str] = set()
    for definition in definitions:
        for route in definition.routes:
            match route.binding:
                case DefaultBinding(components=()):
                    return None
                case DefaultBinding(components=names):
                    found.update(names)
                case (
                    FileServerBinding(component=name)
                    | HttpHandlerBinding(component=name)
                    | WebsocketBinding(component=name)
                ):
                    found.add(name)
                case CorsBinding() | SwaggerUiBinding():
                    pass
    return found


def compile_routes(
    definitions: Sequence[ApiDefinition],
    worlds: Mapping[str, World],
    schemes: Collection[str] = (),
) -> tuple[CompiledRoute, ...]:
    """Return the routes of definitions; `schemes` are the security schemes there are.

    Raises:
        BrokenError: with everything that is wrong in every route, each with its place.
    """
    findings: list[str] = []
    compiled: list[CompiledRoute] = []
    for definition in definitions:
        for route in definition.routes:
            found = _Compiler(definition, route, worlds, schemes, findings).compiled()
            if found is not None:
                compiled += [found, *_derived(found)]
    if findings:
        raise BrokenError("\n".join(findings))
    return tuple(compiled)


def _derived(route: CompiledRoute) -> Sequence[CompiledRoute]:
    if not isinstance(route.binding, SwaggerUiBinding):
        return ()
    below = f"{route.path.rstrip('/')}/{{+{ASSET}}}"
    return (structs.replace(route, path=below, is_derived=True),)


@final
class _Compiler:
    """Compiles one route; adds what is wrong to `findings`."""

    def __init__(
        self,
        definition: ApiDefinition,
        route: Route,
        worlds: Mapping[str, World],
        schemes: Collection[str],
        findings: list[str],
    ) -> None:
        self._name = ApiName(definition.id, definition.version)
        self._route = route
        self._worlds = worlds
        self._findings = findings
        self._schemes = schemes
        self._resolved = resolved(definition, route)
        self._place = f"{self._name}: {route.method} {route.path}"

    def compiled(self) -> CompiledRoute | None:
        """Return the route, None if something is wrong."""
        for each in self._resolved.security:
            if each.scheme not in self._schemes:
                known = ", ".join(sorted(self._schemes)) or "none"
                self._tell(f"there is no security scheme {each.scheme}; there are {known}")
        binding = self._route.binding
        match binding:
            case CorsBinding() | SwaggerUiBinding():
                return self._made()
            case DefaultBinding():
                return self._default(binding)
            case FileServerBinding():
                return self._file_server(binding)
            case HttpHandlerBinding():
                return self._http_handler(binding)
            case WebsocketBinding():
                return self._websocket(binding)
            case _:
                assert_never(binding)

    def _default(self, binding: DefaultBinding) -> CompiledRoute | None:
        scope = self._scope(binding.components)
        if scope is None:
            return None
        program = self._program(binding.response, scope, "response")
        if program is None:
            return None
        if reason := check_response(program.result):
            self._tell(f"response: {reason}")
        return self._made(
            program,
            self._string(binding.idempotency_key, scope, "idempotency-key"),
            context=self._context(binding.invocation_context, scope),
        )

    def _file_server(self, binding: FileServerBinding) -> CompiledRoute | None:
        scope = self._scope((binding.component,))
        if scope is None:
            return None
        program = self._program(binding.file, scope, "file")
        if program is not None and (reason := check_file(program.result)):
            self._tell(f"file: {reason}")
        return self._made(program, worker=self._string(binding.worker, scope, "worker"))

    def _http_handler(self, binding: HttpHandlerBinding) -> CompiledRoute | None:
        scope = self._scope((binding.component,))
        if scope is None:
            return None
        world = scope[binding.component]
        handlers = [
            each.name
            for each in world.export_interfaces
            if each.name.partition("@")[0] == HANDLER_INTERFACE
        ]
        if not handlers:
            self._tell(f"the component {binding.component} does not export {HANDLER_INTERFACE}")
            return None
        text = f"instance({WORKER_INPUT}).handle[{HANDLER_INTERFACE}]({REQUEST_INPUT})"
        return self._made(
            rib.compile(text, scope),
            self._string(binding.idempotency_key, scope, "idempotency-key"),
            worker=self._string(binding.worker, scope, "worker"),
            context=self._context(binding.invocation_context, scope),
        )

    def _websocket(self, binding: WebsocketBinding) -> CompiledRoute | None:
        scope = self._scope((binding.component,))
        if scope is None:
            return None
        world = scope[binding.component]
        if found := misfits(binding, world):
            for reason in found:
                self._tell(reason)
            return None
        made = self._made(worker=self._string(binding.worker, scope, "worker"))
        return structs.replace(made, clients=target_of(binding, world))

    def _made(
        self,
        response: rib.Program | None = None,
        key: rib.Program | None = None,
        worker: rib.Program | None = None,
        context: rib.Program | None = None,
    ) -> CompiledRoute:
        route = self._route
        return CompiledRoute(
            self._name,
            route.method,
            route.path,
            route.binding,
            None if response is None else response.encode(),
            None if key is None else key.encode(),
            self._resolved.limits,
            None if worker is None else worker.encode(),
            self._resolved.security,
            context=None if context is None else context.encode(),
        )

    def _scope(self, names: Sequence[str]) -> Mapping[str, World] | None:
        """Return the components that programs see, None if one is missing."""
        missing = [each for each in names if each not in self._worlds]
        if missing:
            known = "`shem component list` shows those there are"
            self._tell(f"there is no component {', '.join(missing)}; {known}")
            return None
        return {each: self._worlds[each] for each in names or self._worlds}

    def _string(
        self, text: str | None, scope: Mapping[str, World], what: str
    ) -> rib.Program | None:
        """Return a program that gives a string."""
        if text is None:
            return None
        program = self._program(text, scope, what)
        if program is not None and program.result is not Primitive.STRING:
            self._tell(f"{what}: it must be a string")
        return program

    def _context(self, text: str | None, scope: Mapping[str, World]) -> rib.Program | None:
        """Return a program that says what travels with invocations."""
        if text is None:
            return None
        program = self._program(text, scope, "invocation-context")
        for reason in () if program is None else check_context(program.result):
            self._tell(f"invocation-context: {reason}")
        return program

    def _program(self, text: str, scope: Mapping[str, World], what: str) -> rib.Program | None:
        place = f"{self._place}: {what}"
        try:
            program = rib.compile(text.strip(), scope, rib.GATEWAY_GLOBALS)
        except rib.CompileError as error:
            self._findings.append(rib.report(error.diagnostics, text.strip(), file=place))
            return None
        path = parse_path(self._route.path)
        for each in program.inputs:
            group, _, name = each.name.removeprefix("request.").partition(".")
            if group == "path" and name not in path.variables:
                known = ", ".join(path.variables) or "none"
                self._tell(f"{what}: the path has no variable {name}; it has {known}")
            if group == "auth" and not self._resolved.security:
                self._tell(f"{what}: the route is open to all, so there is no request.auth")
            if group == "body" and self._route.method in _BODILESS:
                self._tell(f"{what}: a {self._route.method} request has no body")
        return program

    def _tell(self, finding: str) -> None:
        self._findings.append(f"{self._place}: {finding}")
