"""Definitions from OpenAPI 3 documents whose operations say their binding in `x-shem-binding`."""

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.errors import DefinitionError
from gateway.openapi.names import API_DRAFT, API_ID, API_VERSION, BINDING, LIMITS, PATH

__all__ = ["as_definition", "is_document"]

_METHODS: Final = ("get", "post", "put", "patch", "delete", "head", "options")


def is_document(data: Mapping[str, object]) -> bool:
    """Return whether something is meant to be an OpenAPI document."""
    return "openapi" in data or "swagger" in data


def as_definition(data: Mapping[str, object]) -> dict[str, object]:
    """Return the definition that a document says, not yet checked.

    Raises:
        DefinitionError: it says none, with every place.
    """
    version = str(data.get("openapi", ""))
    if not version.startswith("3."):
        shown = version or f"swagger {data.get('swagger')}"
        raise DefinitionError((f"expected OpenAPI 3, got {shown}",))
    findings: list[str] = []
    info = _object(data.get("info", {}), "info", findings)
    made: dict[str, object] = {
        "id": data.get(API_ID, info.get("title", "")),
        "version": str(data.get(API_VERSION, info.get("version", ""))),
        "routes": _routes(_object(data.get("paths", {}), "paths", findings), findings),
    }
    for name, field in ((API_DRAFT, "draft"), (LIMITS, "limits")):
        if name in data:
            made[field] = data[name]
    if "security" in data:
        made["security"] = _security(data["security"], "security", findings)
    if findings:
        raise DefinitionError(tuple(findings))
    return made


def _routes(paths: Mapping[str, object], findings: list[str]) -> list[dict[str, object]]:
    routes: list[dict[str, object]] = []
    for path, found in paths.items():
        item = _object(found, f"paths: {path}", findings)
        for method in _METHODS:
            if method not in item:
                continue
            place = f"paths: {path}: {method}"
            operation = _object(item[method], place, findings)
            if BINDING not in operation:
                findings.append(f"{place}: it says no {BINDING}")
                continue
            route: dict[str, object] = {
                "method": method.upper(),
                "path": operation.get(PATH, path),
                "binding": operation[BINDING],
            }
            if LIMITS in operation:
                route["limits"] = operation[LIMITS]
            if "security" in operation:
                route["security"] = _security(operation["security"], place, findings)
            routes.append(route)
    return routes


def _security(found: object, place: str, findings: list[str]) -> list[dict[str, object]]:
    try:
        wanted = msgspec.convert(found, list[dict[str, list[str]]])
    except msgspec.ValidationError as error:
        findings.append(f"{place}: security: {error}")
        return []
    if any(len(each) > 1 for each in wanted):
        findings.append(f"{place}: security: several schemes at once are not supported")
    # An empty one lets everybody in.
    if any(not each for each in wanted):
        return []
    return [{"scheme": name, "scopes": scopes} for each in wanted for name, scopes in each.items()]


def _object(found: object, place: str, findings: list[str]) -> Mapping[str, object]:
    try:
        return msgspec.convert(found, dict[str, object], strict=False)
    except msgspec.ValidationError:
        findings.append(f"{place}: expected an object")
        return {}
