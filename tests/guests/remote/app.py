"""A worker that does things for others, and calls others as it is told."""

# ruff: noqa: F401 - what is imported here is used by the code that tests send

import ast
import json
import os
import time

from api import State
from componentize_py_types import Err, Ok, Some
from wit_world import exports
from wit_world.imports import host, poll, remote_client, wall_clock
from wit_world.imports import types as rpc
from wit_world.imports.shapes import Entry


class Api(exports.Api):
    def add(self, value: int) -> int:
        State.total += value
        return State.total

    def get(self) -> int:
        return State.total

    def note(self, text: str) -> None:
        State.notes.append(text)

    def notes(self) -> list[str]:
        return State.notes

    def slowly(self, value: int, ms: int) -> int:
        time.sleep(ms / 1_000)
        return self.add(value)

    def fail(self) -> int:
        raise RuntimeError("told to fail")

    def refuse(self, why: Entry) -> int:
        raise Err(why)

    def environment(self) -> list[tuple[str, str]]:
        return sorted(os.environ.items())

    def carts(self) -> int:
        return State.carts


def plain(value):
    """Return what JSON has no word for in words that it has."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    return str(value)


def wait(*futures):
    """Wait for all, and return the results."""
    waiting = list(range(len(futures)))
    results = [None] * len(futures)
    while waiting:
        pollables = [futures[index].subscribe() for index in waiting]
        ready = poll.poll(pollables)
        for pollable in pollables:
            pollable.__exit__(None, None, None)
        for index in [waiting[each] for each in ready]:
            results[index] = futures[index].get()
            futures[index].__exit__(None, None, None)
            waiting.remove(index)
    return results


NAMESPACE = globals()


class Drive(exports.Drive):
    def run(self, code: str) -> str:
        tree = ast.parse(code)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        try:
            exec(compile(tree, "<test>", "exec"), NAMESPACE)
            value = None
            if last is not None:
                value = eval(compile(ast.Expression(last.value), "<test>", "eval"), NAMESPACE)
        except Exception as error:
            told = plain(error.value) if isinstance(error, Err) else error
            raise Err(f"{type(error).__name__}: {told}") from error
        return json.dumps(value, default=plain)
