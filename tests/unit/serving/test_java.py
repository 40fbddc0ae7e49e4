"""How Java is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.settings import ServeError, ServerSettings
from serving.torchserve import java


def test_workers_inherit_no_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLOUD_SECRET", "hush")
    assert "hush" not in java.environment(tmp_path, "cpu", tmp_path).values()


@pytest.mark.parametrize(("device", "visible"), [("cpu", ""), ("cuda:3", "3")])
def test_workers_see_the_chosen_device_alone(device: str, visible: str, tmp_path: Path) -> None:
    assert java.environment(tmp_path, device, tmp_path)["CUDA_VISIBLE_DEVICES"] == visible


def test_no_snapshot_and_no_foreign_classes(tmp_path: Path) -> None:
    command = java.command(tmp_path / "p", tmp_path, ServerSettings())
    assert "-ncs" in command
    assert "." not in command[command.index("-cp") + 1].split(":")
    assert "-Djava.util.concurrent.ForkJoinPool.common.parallelism=1" in command


def test_a_missing_device_is_a_sentence() -> None:
    with pytest.raises(ServeError, match=r"DEVICE=cuda:99 is not here; this machine has cpu"):
        java.check_device("cuda:99")


def test_keys_are_read_once_they_are_written(tmp_path: Path) -> None:
    assert java.read_keys(tmp_path) is None
    (tmp_path / "key_file.json").write_text('{"inference": {"key": "abc", "expiration time": "later"}}')
    assert java.read_keys(tmp_path) == {"inference": "abc"}
