"""A worker's log on the broker in memory."""

import asyncio
import itertools

import pytest

from broker import subjects
from broker.memory import MemoryCluster
from oplog.commit import Head
from oplog.entries import (
    Create,
    ExportedFunctionCompleted,
    ExportedFunctionInvoked,
    ImportedFunctionInvoked,
    Raw,
)
from oplog.reader import load
from oplog.writer import Writer

PARTITIONS = 4
SUBJECT = subjects.log("counter", "alice", PARTITIONS)


class World:
    """One worker, its broker, and what its writer told."""

    subject = SUBJECT

    def __init__(self):
        self.cluster = MemoryCluster(partitions=PARTITIONS)
        self.broker = self.cluster.connect()
        self.faults = self.cluster.faults
        self.ids = (f"nonce-{n}" for n in itertools.count(1))
        self.sent = 0
        self.commits = []
        self.failures = []

    @property
    def journal(self):
        return self.broker.journal

    @property
    def blobs(self):
        return self.broker.blobs

    def writer(self, head=None, on_commit=None):
        return Writer(
            journal=self.journal,
            blobs=self.blobs,
            subject=self.subject,
            head=head or Head(),
            next_message_id=lambda: next(self.ids),
            sent_mark=lambda: self.sent,
            on_commit=on_commit or (lambda commit, seq: self.commits.append((commit, seq))),
            on_failure=self.failures.append,
        )

    async def load(self):
        return await load(self.journal, self.blobs, self.subject)

    async def stored(self):
        return [message async for message in self.journal.read(self.subject)]

    async def write(self, *batches, head=None):
        """Store each batch as a commit of its own and return the log that results."""
        writer = self.writer(head)
        for batch in batches:
            for entry in batch:
                writer.add(entry)
            await writer.flush()
        await writer.close()
        return await self.load()


@pytest.fixture
def run():
    """Run a test's coroutine function with a fresh world."""

    def run_with_world(body):
        async def main():
            await body(World())

        asyncio.run(main())

    return run_with_world


class Make:
    """Entries with everything filled in that a test does not care about."""

    @staticmethod
    def create(**fields):
        return Create(
            **{
                "incarnation": "inc1",
                "component": "counter",
                "worker": "alice",
                "component_version": 0,
                **fields,
            }
        )

    @staticmethod
    def invoked(key="k", function="add", params=b"[]", sequence=1, **fields):
        return ExportedFunctionInvoked(
            function=function,
            params=Raw(params),
            idempotency_key=key,
            sequence=sequence,
            **fields,
        )

    @staticmethod
    def completed(key="k", **fields):
        return ExportedFunctionCompleted(idempotency_key=key, **fields)

    @staticmethod
    def imported(function="now", response=b"1", kind="read-local", **fields):
        return ImportedFunctionInvoked(
            function=function, response=Raw(response), kind=kind, **fields
        )


@pytest.fixture
def make():
    return Make
