"""The Helm chart: linted, rendered, and refused where its values make no sense."""

import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from shem.deploy import BundleOptions, write_bundle

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "shem"
VERSION = ("--kube-version", "1.30.0")
HELM = shutil.which("helm") or shutil.which("helm", path=str(ROOT / ".cache" / "bin"))

pytestmark = [
    pytest.mark.toolchain,
    pytest.mark.skipif(HELM is None, reason="helm is not installed; .ci/run builds it"),
]


def helm(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(HELM), *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"HELM_NO_PLUGINS": "1"},
    )


def render(*words: str) -> list[dict[str, Any]]:
    done = helm("template", "s", str(CHART), *VERSION, *words)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def of(kind: str, rendered: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in rendered if each["kind"] == kind}


EVERYTHING = (
    *("--set", "executors.autoscaling.enabled=true", "--set", "telemetry.podMonitor=true"),
    *("--set", "gateway.ingress.enabled=true", "--set", "gateway.ingress.host=a.example"),
    *("--set", "telemetry.otlpEndpoint=http://jaeger:4318"),
)


@pytest.mark.parametrize("words", [(), EVERYTHING], ids=["defaults", "everything"])
def test_the_chart_is_linted(words):
    done = helm("lint", "--strict", str(CHART), *VERSION, *words)
    assert done.returncode == 0, done.stdout + done.stderr


WRONG = [
    "executors.replicas=0",
    "executors.streamReplicas=2",
    "nats.servers=2",
    "nats.storage=much",
    "telemetry.sampleRatio=2",
    "gateway.service.type=Public",
    "executor.replicas=2",
]


@pytest.mark.parametrize("value", WRONG)
def test_values_that_make_no_sense_are_refused(value):
    done = helm("template", "s", str(CHART), *VERSION, "--set", value)
    assert done.returncode != 0
    assert value.split("=", 1)[0].rpartition(".")[2] in done.stderr or "executor" in done.stderr


@pytest.mark.parametrize("words", [(), EVERYTHING], ids=["defaults", "everything"])
def test_every_container_is_without_rights_and_has_probes_and_limits(words):
    rendered = render(*words)
    pods = [each["spec"]["template"]["spec"] for each in rendered if "template" in each["spec"]]
    assert len(pods) == 3
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"]
            assert not security["allowPrivilegeEscalation"]
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
            assert container["resources"]["limits"]["memory"]


def test_every_variable_that_is_read_from_somewhere_says_where():
    rendered = render(*EVERYTHING)
    pods = [each["spec"]["template"]["spec"] for each in rendered if "template" in each["spec"]]
    variables = [each for pod in pods for of in pod["containers"] for each in of.get("env", ())]
    read = [each["valueFrom"] for each in variables if "value" not in each]
    assert read == [{"fieldRef": {"fieldPath": "metadata.labels['apps.kubernetes.io/pod-index']"}}]


def test_the_secrets_of_the_docs_hold_what_pods_mount_and_no_key_that_signs(tmp_path: Path):
    text = (ROOT / "docs" / "operations.md").read_text().replace("\\\n", " ")
    commands = [line.split() for line in text.splitlines() if "create secret generic" in line]
    hosts = ("a", "b", "c")
    options = BundleOptions(hosts=hosts, jwt=True)
    write_bundle(tmp_path / "bundle", options, datetime.now(UTC))
    secrets: dict[str, list[str]] = {}
    for words in commands:
        named = [tmp_path / word.partition("=")[2] for word in words if "--from-file=" in word]
        files = [each for of in named for each in (of.iterdir() if of.is_dir() else [of])]
        assert all(each.is_file() for each in files)
        secrets[words[4]] = [each.name for each in files]
    rendered = render()
    pods = [each["spec"]["template"]["spec"] for each in rendered if "template" in each["spec"]]
    mounted = [volume["secret"] for pod in pods for volume in pod["volumes"] if "secret" in volume]
    assert {each["secretName"] for each in mounted} == secrets.keys()
    for each in mounted:
        keys = secrets[each["secretName"]]
        assert len(set(keys)) == len(keys)
        assert {item["key"] for item in each["items"]} <= set(keys)
    everything = {name for names in secrets.values() for name in names}
    assert not everything & {"ca.key", "operator.nk", "system.nk", "account.nk"}


def test_selectors_budgets_and_policies_meet_the_pods_they_are_for():
    rendered = render()
    labels = [
        each["spec"]["template"]["metadata"]["labels"]
        for each in rendered
        if "template" in each["spec"]
    ]
    selecting = [
        *of("PodDisruptionBudget", rendered).values(),
        *of("NetworkPolicy", rendered).values(),
    ]
    assert len(selecting) == 6
    for each in selecting:
        selector = (each["spec"].get("selector") or each["spec"]["podSelector"])["matchLabels"]
        assert sum(selector.items() <= of_pod.items() for of_pod in labels) == 1


def test_executors_are_never_more_than_partitions_and_leave_one_after_the_other():
    rendered = render("--set", "executors.replicas=9,executors.partitions=4")
    executor = of("Deployment", rendered)["s-executor"]["spec"]
    assert executor["replicas"] == 4
    assert executor["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    scaled = of("HorizontalPodAutoscaler", render(*EVERYTHING))["s-executor"]["spec"]
    assert (scaled["minReplicas"], scaled["maxReplicas"]) == (2, 8)


def test_brokers_of_ones_own_are_used_instead():
    rendered = render("--set", "nats.install=false,nats.url=tls://nats.example:4222")
    assert not of("StatefulSet", rendered)
    (container,) = of("Deployment", rendered)["s-executor"]["spec"]["template"]["spec"][
        "containers"
    ]
    assert "--nats=tls://nats.example:4222" in container["args"]


def test_arguments_are_those_that_the_command_line_takes():
    import inspect

    from shem.cli.up import up

    known = {f"--{name.replace('_', '-')}" for name in inspect.signature(up).parameters}
    for each in of("Deployment", render()).values():
        (container,) = each["spec"]["template"]["spec"]["containers"]
        used = {word.partition("=")[0] for word in container["args"][1:]}
        assert used <= known
