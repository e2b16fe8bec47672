"""The Python client: durable invocations, feeds, commands and management over NATS."""

from shem.client.client import Client
from shem.client.components import Components
from shem.client.feed import Event, Feed, Result
from shem.client.invocations import Failure, Outcome
from shem.client.worker import Worker

__all__ = ["Client", "Components", "Event", "Failure", "Feed", "Outcome", "Result", "Worker"]
