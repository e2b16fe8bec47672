"""What builds make, and what they are made from, as paths that a manifest names."""

from pathlib import Path

from shem.manifest.application import AppComponent

__all__ = ["made_by", "made_from"]


def made_by(component: AppComponent) -> list[Path]:
    """Return what the build of a component makes, all that its manifest says is to be cleaned."""
    properties = component.properties
    outputs = (
        properties.generated_wit,
        properties.generated_python,
        properties.generated_c,
        properties.generated_typescript,
        properties.component_wasm,
        properties.linked_wasm,
        *properties.clean,
    )
    return [component.path(each) for each in outputs if each]


def made_from(component: AppComponent) -> list[Path]:
    """Return what a component is built from, its folder first."""
    properties = component.properties
    named = [component.path(each) for each in (properties.source_wit, properties.python) if each]
    for command in properties.build or ():
        place = component.path(command.dir or "")
        named += [place / each for each in command.sources]
    return [component.folder, *named]
