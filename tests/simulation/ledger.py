"""What the logs of a simulated attack must say: one outcome per key, in order, by the model."""

from itertools import pairwise
from typing import Any, Final

from tests.simulation.cluster import Simulation

__all__ = ["LATE_MS", "TICK", "check"]

TICK: Final = "tick"
"""The rule of what comes again and again."""
LATE_MS: Final = 3_600_000
"""What is called so late is taken back."""
_API = "demo:counter/api.{"


async def check(simulation: Simulation, keys: list[tuple[str, str]]) -> list[str]:
    """Return what is wrong; `keys` are the workers and keys in the order of publishing."""
    problems: list[str] = []
    transferred: dict[str, int] = {}
    received: dict[str, int] = {}
    for worker in sorted({worker for worker, _ in keys} | _called(simulation)):
        entries = await simulation.log(worker)
        wanted = [key for owner, key in keys if owner == worker]
        problems += [f"{worker}: {problem}" for problem in _order(entries, wanted)]
        problems += [f"{worker}: {problem}" for problem in _occurrences(entries)]
        by_clients = {*wanted, *(key for key in _begun(entries) if key.startswith(f"{TICK}@"))}
        problems += [
            f"{worker}: {problem}"
            for problem in _values(entries, by_clients, transferred, received)
        ]
    for _, key in keys:
        answers = simulation.results.get(key, [])
        if any(answer != answers[0] for answer in answers):
            problems.append(f"{key} was answered differently: {answers}")
    for target in transferred.keys() | received.keys():
        if transferred.get(target, 0) != received.get(target, 0):
            problems.append(
                f"{target} was sent {transferred.get(target, 0)} and got {received.get(target, 0)}"
            )
    return problems


def _called(simulation: Simulation) -> set[str]:
    found = simulation.cluster.stream.subjects("shem.oplog.*.counter.*.log")
    return {subject.split(".")[4] for subject in found}


def _order(entries: list[dict[str, Any]], wanted: list[str]) -> list[str]:
    """Each key has one outcome; what one client published began in that order."""
    problems: list[str] = []
    decided = [
        e["idempotency-key"]
        for e in entries
        if e["type"] in {"exported-function-completed", "invocation-rejected"}
    ]
    if len(decided) != len(set(decided)):
        problems.append(f"keys with several outcomes: {sorted(decided)}")
    cancelled = {e["idempotency-key"] for e in entries if e["type"] == "invocation-rejected"}
    ours = [key for key in _begun(entries) if key in set(wanted)]
    if ours != [key for key in wanted if key not in cancelled]:
        problems.append(
            f"invocations ran as {ours}, were published as {wanted}, cancelled {cancelled}"
        )
    return problems


def _begun(entries: list[dict[str, Any]]) -> list[str]:
    return [e["idempotency-key"] for e in entries if e["type"] == "exported-function-invoked"]


def _occurrences(entries: list[dict[str, Any]]) -> list[str]:
    """What comes again and again ran each time, whoever was away when it was due."""
    dues = [int(key.partition("@")[2]) for key in _begun(entries) if key.startswith(f"{TICK}@")]
    steps = {later - earlier for earlier, later in pairwise(dues)}
    return [] if len(steps) <= 1 else [f"occurrences were due at {dues}"]


def _values(
    entries: list[dict[str, Any]],
    by_clients: set[str],
    transferred: dict[str, int],
    received: dict[str, int],
) -> list[str]:
    """The results are those of the model that runs what the log says was invoked."""
    problems: list[str] = []
    value = 0
    steps: dict[int, int] = {}
    running: dict[str, Any] = {}
    for entry in entries:
        match entry["type"]:
            case "create":
                running = {"me": entry["worker"]}
            case "exported-function-invoked":
                running |= {"entry": entry, "key": entry["idempotency-key"]}
            case "exported-function-completed":
                begun = running["entry"]
                name = begun["function"].removeprefix(_API).removesuffix("}")
                params, result = begun["params"], entry.get("result")
                if entry["idempotency-key"] != running["key"]:
                    problems.append(f"{entry['idempotency-key']} ended while {running['key']} ran")
                value, expected = _model(value, steps, name, params, result)
                if name == "transfer":
                    transferred[params[0]] = transferred.get(params[0], 0) + params[1]
                if name == "later" and params[1] < LATE_MS:
                    transferred[params[0]] = transferred.get(params[0], 0) + params[2]
                if name == "add" and running["key"] not in by_clients:
                    me = running["me"]
                    received[me] = received.get(me, 0) + params[0]
                if result != expected:
                    problems.append(f"{name}{params} gave {result}, the model {expected}")
            case _:
                pass
    return problems


def _model(
    value: int, steps: dict[int, int], name: str, params: list[Any], result: Any
) -> tuple[int, Any]:
    """Return the state after a call, and its result; what chance decided is taken as it is."""
    match name:
        case "add":
            return value + params[0], value + params[0]
        case "get" | "tell":
            return value, value
        case "later":
            return value, None
        case "roll":
            return value + result, result
        case "nap":
            # Rounded down, as the guest does it.
            return value + 1, result if result >= params[0] - 1 else f"at least {params[0]} ms"
        case "step":
            client, number = params
            late, steps[client] = number <= steps.get(client, 0), number
            return value, int(late)
        case "transfer":
            return value - params[1], result if str(result).isdigit() else "a number"
        case _:
            return value, f"nothing, there is no {name}"
