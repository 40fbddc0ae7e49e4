"""The manifests are valid, and keep to what a careful operator asks of them."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from unit.config.kubernetes.kustomize import Manifest, build

from serving.settings import ROOT

FOLDER = ROOT / "config" / "kubernetes"
OVERLAYS = ("cpu", "gpu", "object-store")
VERSIONS = ("1.33", "1.36")


def manifest(overlay: str, kind: str) -> Manifest:
    return next(manifest for manifest in build(FOLDER / overlay) if manifest["kind"] == kind)


def pod(overlay: str) -> dict[str, Any]:
    spec: dict[str, Any] = manifest(overlay, "Deployment")["spec"]["template"]["spec"]
    return spec


def containers(overlay: str) -> list[dict[str, Any]]:
    spec = pod(overlay)
    return [*spec["containers"], *spec.get("initContainers", [])]


def chosen_by(selector: dict[str, Any], deployment: dict[str, Any]) -> bool:
    """Whether a selector chooses a Deployment's pods."""
    labels = deployment["template"]["metadata"]["labels"]
    return bool(selector["matchLabels"].items() <= labels.items())


@cache
def usage(module: str) -> str:
    command = [sys.executable, "-m", module, "--help"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_manifest_is_valid(overlay: str, version: str) -> None:
    manifests = build(FOLDER / overlay)
    assert len(manifests) >= 8
    for one in manifests:
        kubernetes_validate.validate(one, version, strict=True)


def test_a_mistake_would_be_found() -> None:
    broken = manifest("cpu", "Deployment")
    broken["spec"]["template"]["spec"]["containers"][0]["imagee"] = "typo"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_container_has_more_rights_than_it_needs(overlay: str) -> None:
    spec = pod(overlay)
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["automountServiceAccountToken"] is False
    for container in containers(overlay):
        rights = container["securityContext"]
        assert rights["readOnlyRootFilesystem"]
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert re.fullmatch(r"[\w/.-]+:[\w.-]+", container["image"])
        assert not container["image"].endswith(":latest")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_ready_means_that_a_probe_went_through(overlay: str) -> None:
    server, gateway = pod(overlay)["containers"]
    for probe in ("startupProbe", "readinessProbe"):
        assert server[probe]["exec"]["command"][2:4] == ["serving", "status"]
    assert "livenessProbe" not in server, "a busy server is not killed for being busy"
    assert gateway["readinessProbe"]["httpGet"]["path"] == "/v1/health"
    drain = server["args"][server["args"].index("--drain-seconds") + 1]
    assert pod(overlay)["terminationGracePeriodSeconds"] > int(drain)


@pytest.mark.slow
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_commands_are_those_of_the_programs(overlay: str) -> None:
    server, gateway = pod(overlay)["containers"]
    for module, container in (("serving", server), ("gateway", gateway)):
        for option in (word for word in container["args"] if word.startswith("--")):
            assert re.search(rf"{option}\b", usage(module)), f"{module} has no option {option}"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_mounts_have_their_volumes(overlay: str) -> None:
    volumes = {volume["name"] for volume in pod(overlay)["volumes"]}
    for container in containers(overlay):
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_what_listens_is_let_in(overlay: str) -> None:
    gateway = pod(overlay)["containers"][1]
    ports = {port["name"]: port["containerPort"] for port in gateway["ports"]}
    assert "ports" not in pod(overlay)["containers"][0], "TorchServe listens on loopback alone"
    service = manifest(overlay, "Service")["spec"]["ports"]
    assert {port["targetPort"] for port in service} == set(ports)
    policies = [one["spec"] for one in build(FOLDER / overlay) if one["kind"] == "NetworkPolicy"]
    policy = policies[0]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    let_in = {port["port"] for rule in policy["ingress"] for port in rule["ports"]}
    assert let_in == set(ports.values())
    assert all(rule["from"] for rule in policy["ingress"])
    out = [rule for one in policies for rule in one.get("egress", [])]
    assert bool(out) == (overlay == "object-store")


def test_scaling_goes_by_a_rate_of_queue_time() -> None:
    (metric,) = manifest("cpu", "HorizontalPodAutoscaler")["spec"]["metrics"]
    (rule,) = yaml.safe_load((FOLDER / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
    assert metric["pods"]["metric"]["name"] == rule["name"]["as"]
    assert "rate(ts_queue_latency_microseconds" in rule["metricsQuery"]


def test_a_budget_keeps_a_server_up() -> None:
    deployment = manifest("cpu", "Deployment")["spec"]
    budget = manifest("cpu", "PodDisruptionBudget")["spec"]
    assert budget["minAvailable"] < deployment["replicas"]
    assert chosen_by(budget["selector"], deployment)
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_a_card_is_asked_for_where_one_is_used() -> None:
    server = pod("gpu")["containers"][0]
    assert server["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert server["args"][-2:] == ["--device", "cuda:0"]


def test_the_bucket_is_trusted_only_with_its_sums() -> None:
    (fetch,) = pod("object-store")["initContainers"]
    assert "sha256sum -c" in fetch["args"][0]
    (models,) = [volume for volume in pod("object-store")["volumes"] if volume["name"] == "models"]
    assert "emptyDir" in models


def test_kserve_finds_the_runtime_that_is_named() -> None:
    runtime, service = manifest("kserve", "ServingRuntime"), manifest("kserve", "InferenceService")
    model = service["spec"]["predictor"]["model"]
    assert model["runtime"] == runtime["metadata"]["name"]
    assert model["modelFormat"]["name"] in {one["name"] for one in runtime["spec"]["supportedModelFormats"]}
    server, gateway = runtime["spec"]["containers"]
    assert server["name"] == "kserve-container", "who gets the archives comes first"
    listened = gateway["args"][gateway["args"].index("--port") + 1]
    assert [str(port["containerPort"]) for port in server["ports"]] == [listened], "where callers are sent"
    volumes = {volume["name"] for volume in runtime["spec"]["volumes"]}
    for module, container in (("serving", server), ("gateway", gateway)):
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        assert container["securityContext"]["runAsNonRoot"]
        for option in (word for word in container["args"] if word.startswith("--")):
            assert re.search(rf"{option}\b", usage(module))
    stock = yaml.safe_load((FOLDER / "kserve" / "stock-runtime.yaml").read_text())
    assert stock["spec"]["predictor"]["model"]["runtime"] == "kserve-torchserve"
    scaled = manifest("kserve", "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"]
    assert scaled == f"{service['metadata']['name']}-predictor"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_server_and_gateway_share_a_state_that_is_the_servers_own(overlay: str) -> None:
    server, gateway = pod(overlay)["containers"]
    states = [container["args"][container["args"].index("--state") + 1] for container in (server, gateway)]
    assert states[0] == states[1]
    mounted = {mount["mountPath"] for mount in server["volumeMounts"]}
    assert states[0] not in mounted, "a volume's own folder is root's, and cannot be made private"


def test_prometheus_reads_what_is_exposed() -> None:
    monitor = yaml.safe_load((FOLDER / "pod-monitor.yaml").read_text())["spec"]
    assert chosen_by(monitor["selector"], manifest("cpu", "Deployment")["spec"])
    ports = {port["name"] for port in pod("cpu")["containers"][1]["ports"]}
    assert {endpoint["port"] for endpoint in monitor["podMetricsEndpoints"]} <= ports


@pytest.mark.parametrize(
    "path", sorted(FOLDER.rglob("*.yaml")), ids=lambda path: str(path.relative_to(FOLDER))
)
def test_every_file_belongs_to_something(path: Path) -> None:
    """No manifest lies about that no overlay applies and no README names."""
    named = (FOLDER / "README.md").read_text() + "".join(
        one.read_text() for one in FOLDER.rglob("kustomization.yaml")
    )
    assert path.name in named or path.name == "kustomization.yaml"
