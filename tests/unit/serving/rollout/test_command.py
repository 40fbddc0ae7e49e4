"""``outofsync models``: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pretended_torchserve import NEW, OWN, Site

from outofsync_client import Client
from outofsync_client.cli.main import cli
from serving.rollout import Models


def outofsync(site: Site, command: str, *words: str) -> int:
    """The exit code of one command."""
    where = ["--state", str(site.state), "--model-store", str(site.store)]
    with pytest.raises(SystemExit) as ended:
        cli.main(["models", command, *where, *words])
    code = ended.value.code
    return code if isinstance(code, int) else 0


def test_a_client_of_this_machines_server_rolls_out_its_versions(site: Site) -> None:
    with Client.of_state(site.state) as client:
        assert isinstance(client.models, Models)


def test_the_list_says_who_serves_what(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.built(NEW, "ensemble")
    site.models.register(NEW)
    site.models.canary(NEW, share=0.25, shadow=True)
    assert outofsync(site, "list") == 0
    printed = capsys.readouterr().out
    assert "promoted" in printed
    assert "shadow, judges 25" in printed
    assert outofsync(site, "list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(one["version"], one["role"], one["share"]) for one in listed] == [
        (OWN, "promoted", None),
        (NEW, "shadow", 0.25),
    ]


def test_an_interrupted_promotion_shows(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.built(NEW, "ensemble")
    site.models.register(NEW)
    site.models.promote(NEW)
    site.torchserve.defaults["deepfake__ensemble"] = OWN
    assert outofsync(site, "list") == 0
    assert "a step was interrupted" in capsys.readouterr().err


def test_a_version_in_detail(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.built(NEW, "ensemble")
    site.models.register(NEW)
    assert outofsync(site, "show", NEW) == 0
    printed = capsys.readouterr().out
    for word in ("ensemble-2.0.mar", "ready", "register"):
        assert word in printed
    (site.store / "ensemble-2.0.mar").unlink()
    assert outofsync(site, "show", NEW, "--json") == 0
    deblur, ensemble = json.loads(capsys.readouterr().out)["nodes"]
    assert deblur["problem"] == ""
    assert "is missing" in ensemble["problem"]


def test_a_version_is_scaled(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert outofsync(site, "scale", OWN, "--workers", "2", "--node", "ensemble") == 0
    assert f"version {OWN} has 2 workers at ensemble" in capsys.readouterr().out
    assert outofsync(site, "scale", OWN, "--workers", "0") == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["promote", "3.0"], "not registered"),
        (["register", "3.0"], "holds no archive of version 3.0"),
        (["retire", OWN], "is promoted"),
        (["rollback"], "nothing to roll back to"),
        (["canary"], "name a version"),
        (["show", "3.0"], "not registered"),
    ],
)
def test_a_refused_step_ends_with_a_sentence(
    site: Site, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert outofsync(site, *words) == 3
    assert said in " ".join(capsys.readouterr().err.split())


def test_no_secret_is_printed(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.torchserve.token = "another"
    assert outofsync(site, "promote", OWN) == 3
    captured = capsys.readouterr()
    assert "secret" not in captured.out + captured.err
    assert "Bearer" not in captured.out + captured.err


@pytest.mark.slow
def test_a_version_goes_all_the_way(site: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"video")
    site.built(NEW, "ensemble")
    for words, said in (
        (["verify", NEW], "ensemble-2.0.mar is as it was built"),
        (["register", NEW, "--warm", str(video)], "a.mp4: Real"),
        (["canary", NEW, "--share", "0.5"], "answers 50 % of requests"),
        (["compare", NEW], "nothing was compared yet"),
        (["compare", NEW, str(video)], "1 of 1 verdicts agree"),
        (["canary", "--off"], "no version is on trial"),
        (["promote", NEW], f"version {NEW} serves"),
        (["rollback"], f"version {OWN} serves"),
        (["retire", NEW], f"version {NEW} is retired"),
        (["history"], "retire"),
    ):
        assert outofsync(site, *words) == 0, capsys.readouterr().err
        assert said.lower() in " ".join(capsys.readouterr().out.replace("\u00a0", " ").lower().split()), words


def test_a_comparison_for_programs(site: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"video")
    site.built(NEW, "ensemble")
    site.models.register(NEW)
    site.torchserve.probabilities[NEW] = 0.75
    assert outofsync(site, "compare", NEW, str(video), "--json") == 0
    compared = json.loads(capsys.readouterr().out)
    assert (compared["promoted"], compared["candidate"]) == (OWN, NEW)
    assert [pair["candidate"]["probability_fake"] for pair in compared["pairs"]] == [0.75]


def test_a_build_needs_weights_or_a_calibration(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert outofsync(site, "build") == 3
    assert "name new weights" in capsys.readouterr().err
