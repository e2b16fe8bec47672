"""The operations of the management API: one file per noun, each a table of what the client does.

Nothing is implemented here. The client asks the same services over NATS that the command line asks,
so that both offer the same.
"""

from importlib.metadata import version as installed_version

from gateway.rest.app import Management
from gateway.rest.guard import Guard
from gateway.rest.operation import Operation
from shem.client import Client
from shem.rest import apis, components, files, invocations, secrets, streams, system, workers
from shem.rest.problems import explain

__all__ = ["management", "operations"]


def operations(client: Client) -> list[Operation]:
    """Return all operations, run by a client."""
    nouns = (components, workers, invocations, files, streams, apis, secrets, system)
    return [each for noun in nouns for each in noun.operations(client)]


def management(client: Client, guard: Guard) -> Management:
    """Return the management API of the system that a client is connected to."""
    return Management(operations(client), guard, explain, version=installed_version("shem"))
