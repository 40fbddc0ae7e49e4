"""The job for KubeRay asks for what there is, and its pods keep to what is asked of all others."""

from __future__ import annotations

import re
import shlex
from typing import Any

import kubernetes_validate
import pytest
from click.testing import CliRunner
from unit.config.kubernetes.kustomize import Manifest, build

from outofsync_cluster.cli import cli
from serving.settings import ROOT

FOLDER = ROOT / "config" / "kubernetes" / "ray"
RECIPE = ROOT / "config" / "container" / "Containerfile.cluster"
VERSIONS = ("1.33", "1.36")
# Of KubeRay 1.x: its schema is not part of any released set, and a field of another name would be ignored.
JOB = {
    *("entrypoint", "submissionMode", "backoffLimit", "shutdownAfterJobFinishes"),
    *("ttlSecondsAfterFinished", "rayClusterSpec"),
}
GROUP = {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}


def manifest(kind: str) -> Manifest:
    return next(one for one in build(FOLDER) if one["kind"] == kind)


def groups() -> list[dict[str, Any]]:
    cluster = manifest("RayJob")["spec"]["rayClusterSpec"]
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_what_kubernetes_knows_is_valid(version: str) -> None:
    kubernetes_validate.validate(manifest("NetworkPolicy"), version, strict=True)
    for group in groups():
        named = {**group["template"], "apiVersion": "v1", "kind": "Pod"}
        kubernetes_validate.validate(named, version, strict=True)


def test_the_job_has_the_fields_of_kuberay() -> None:
    job = manifest("RayJob")
    assert job["apiVersion"] == "ray.io/v1"
    assert set(job["spec"]) <= JOB
    assert set(job["spec"]["rayClusterSpec"]) == {"rayVersion", "headGroupSpec", "workerGroupSpecs"}
    for group in groups():
        assert set(group) <= GROUP
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


def test_the_entry_point_is_a_command_that_there_is() -> None:
    program, *words = shlex.split(manifest("RayJob")["spec"]["entrypoint"])
    assert program == "outofsync-cluster"
    told = CliRunner().invoke(cli, [*words, "--help"])
    assert told.exit_code == 0
    for option in (word for word in words if word.startswith("--")):
        assert re.search(rf"{option}\b", told.output), f"there is no option {option}"
    assert words[words.index("--address") + 1] == "auto"
    (folder,) = (words[place + 1] for place, word in enumerate(words) if word == "--checkpoints")
    assert folder == f"{_workdir()}/checkpoints"


def test_ray_is_the_same_everywhere() -> None:
    (pinned,) = re.findall(
        r"^ray(?:\[\w+\])?==(\S+)", (ROOT / "requirements" / "cluster.txt").read_text(), re.M
    )
    assert manifest("RayJob")["spec"]["rayClusterSpec"]["rayVersion"] == pinned
    assert f"FROM rayproject/ray:{pinned}-" in RECIPE.read_text()


def test_the_image_copies_what_there_is() -> None:
    for words in re.findall(r"^COPY (.+)$", RECIPE.read_text(), re.MULTILINE):
        *sources, _ = words.split()
        assert all((ROOT / source).exists() for source in sources), words
    assert "--require-hashes" in RECIPE.read_text()


def test_pods_have_no_more_rights_than_they_need() -> None:
    for group in groups():
        spec = group["template"]["spec"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["automountServiceAccountToken"] is False
        (container,) = spec["containers"]
        rights = container["securityContext"]
        assert rights["readOnlyRootFilesystem"]
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]
        assert {one["name"] for one in container["volumeMounts"]} <= {one["name"] for one in spec["volumes"]}
        home = {one["name"]: one["value"] for one in container["env"]}["HOME"]
        assert home in {one["mountPath"] for one in container["volumeMounts"]}, "it must be writable"
        uid, gid = spec["securityContext"]["runAsUser"], spec["securityContext"]["runAsGroup"]
        assert f"USER {uid}:{gid}" in RECIPE.read_text()


def test_only_its_own_pods_and_the_operator_reach_a_cluster() -> None:
    policy = manifest("NetworkPolicy")["spec"]
    chosen = policy["podSelector"]["matchLabels"].items()
    assert all(chosen <= group["template"]["metadata"]["labels"].items() for group in groups())
    own, operator = policy["ingress"]
    assert own["from"] == [{"podSelector": policy["podSelector"]}]
    ports = {port["containerPort"] for port in groups()[0]["template"]["spec"]["containers"][0]["ports"]}
    assert {port["port"] for port in operator["ports"]} <= ports


def test_the_head_scores_nothing_and_workers_have_the_cores_that_ray_counts() -> None:
    head, *workers = groups()
    assert head["rayStartParams"]["num-cpus"] == "0"
    for group in workers:
        resources = group["template"]["spec"]["containers"][0]["resources"]
        assert resources["limits"]["cpu"] == resources["requests"]["cpu"]


def _workdir() -> str:
    (found,) = re.findall(r"^WORKDIR (\S+)$", RECIPE.read_text(), re.MULTILINE)
    return str(found)
