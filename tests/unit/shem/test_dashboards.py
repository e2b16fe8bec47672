"""Dashboards and alerts name metrics that exist, with labels that they have."""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "observability"
NAME = re.compile(r"\b((?:shem|http_server)_[a-z_]+)(?:\{([^}]*)\})?")
LABELS = {"shem_component", "shem_outcome", "shem_phase", "shem_cache", "shem_source"}
EXPORTED = """
import asyncio
from shem import telemetry
end = telemetry.measure("x", scraped=True)
from actors.engine.port import EngineReport
from actors.metrics import COMMIT, Metrics, watch_engine
from prometheus_client import generate_latest
from shem.observation import observed_app
class Held:
    resident = suspended = memory_bytes = partitions = 1
class Engine:
    report = EngineReport(compiled=1, read=2, adopted=3, reused=4, code_size=5, instances=6)
watch_engine(Engine())
metrics = Metrics(enabled=True)
metrics.watch(Held())
metrics.count("c", "ok")
named = {"shem.component": "c"}
for counter in ("replayed_entries", "suspensions", "fence_conflicts", "snapshot_bytes"):
    getattr(metrics, counter).add(1, named)
metrics.failures.add(1, {**named, "error.type": "trap"})
metrics.loads.add(1, {"shem.cache": "hit"})
metrics.snapshots.add(1, {"shem.outcome": "taken"})
for histogram in ("replay_duration", "load_duration", "round_trip", "snapshot_duration"):
    getattr(metrics, histogram).record(1, named)
metrics.duration.record(1, {**named, **COMMIT})
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
async def send(event):
    pass
scope = {"type": "http", "method": "GET", "path": "/", "scheme": "http", "headers": []}
asyncio.run(observed_app(app, measured=True)(scope, None, send))
print(generate_latest().decode())
end()
"""


@cache
def exported() -> dict[str, set[str]]:
    """What a process exports: the labels of each series by its name."""
    done = subprocess.run(
        [sys.executable, "-c", EXPORTED],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
        timeout=60,
        check=True,
    )
    found: dict[str, set[str]] = {}
    for line in done.stdout.splitlines():
        if (series := re.match(r"([a-z_]+)(?:\{(.*)\})? ", line)) and not line.startswith("#"):
            labels = set(re.findall(r"(\w+)=\"", series[2] or ""))
            found.setdefault(series[1], set()).update(labels, {"instance", "le"})
    return found


def expressions() -> list[str]:
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    alerts = yaml.safe_load((FOLDER / "alerts.yaml").read_text())
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = [each["query"] for each in dashboard["templating"]["list"] if each["type"] == "query"]
    rules = [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]
    return [*shown, *asked, *rules]


@pytest.mark.parametrize("expression", expressions())
def test_an_expression_names_series_and_labels_that_exist(expression):
    used = NAME.findall(expression)
    assert used
    grouped = re.findall(r"by \(([^)]*)\)", expression)
    labels = {name.strip() for each in grouped for name in each.split(",")}
    for name, selector in used:
        if name not in exported() and name in {
            label for known in exported().values() for label in known
        }:
            continue
        assert name in exported(), f"{name} is exported by nobody"
        chosen = set(re.findall(r"(\w+)\s*[=!]", selector))
        assert labels | chosen <= exported()[name]


def test_every_metric_of_ours_is_on_the_dashboard():
    text = " ".join(expressions())
    ours = {name for name in exported() if name.startswith("shem_")}
    stems = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in ours}
    assert [stem for stem in sorted(stems) if stem not in text] == []


def test_every_alert_says_how_bad_it_is_and_what_to_do():
    for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in {"critical", "warning", "info"}
            assert set(rule["annotations"]) == {"summary", "action"}
