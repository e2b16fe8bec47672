"""All that is generated for a component: the WIT to build from, clients and bindings."""

from shem.build.bindings import write_c, write_typescript
from shem.build.codefirst import write_clients
from shem.build.wit_sources import generated_files, write_files
from shem.errors import BuildError
from shem.manifest.application import AppComponent, Application

__all__ = ["generate"]


def generate(component: AppComponent, app: Application) -> None:
    """Write everything anew that has changed.

    Raises:
        BuildError: WIT that is missing or wrong, with the place.
    """
    properties = component.properties
    if properties.generated_wit is None:
        raise BuildError('"generatedWit" is missing: where the WIT with its clients goes')
    folder = component.path(properties.generated_wit)
    write_files(folder, generated_files(component, app))
    if properties.generated_python is not None:
        write_clients(component.path(properties.generated_python), component, app)
    if properties.generated_c is not None:
        place = component.path(properties.generated_c)
        write_c(place, folder, component.name, every=app.components)
    if properties.generated_typescript is not None:
        write_typescript(component.path(properties.generated_typescript), folder)
