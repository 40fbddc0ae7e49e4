"""``outofsync calibrate`` and the function behind it: from a folder of videos to calibration.json."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import Result
from command_runner import outofsync
from unit.client.conftest import TOKEN

from outofsync_client import Client
from outofsync_client.calibration import (
    BadCalibrationError,
    Bands,
    Calibration,
    MixedCheckpointsError,
    TooFewVideosError,
    UncalibratedError,
    UnknownCheckpointError,
    calibrate,
)

if TYPE_CHECKING:
    from unit.client.conftest import Received, StubServer

MakeResult = Callable[..., dict[str, Any]]
SHIPPED = [0.3, 0.6, 0.9]
SYNC = "5c" * 32


def write_scoring(path: Path, calibration: dict[str, Any] | None, kind: str = "scoring") -> str:
    """A scoring checkpoint without tensors; returns its SHA-256."""
    config = json.dumps({"lam": 0.0, "calibration": calibration})
    header = json.dumps({"__metadata__": {"kind": kind, "config": config, "about": "{}"}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Studio:
    """A folder of videos whose content says what the server answers: a probability, or what withholds it."""

    def __init__(self, folder: Path, server: StubServer, make_result: MakeResult) -> None:
        self.folder = folder
        self.videos = folder / "videos"
        self.checkpoint = folder / "scoring.safetensors"
        self.sha256 = write_scoring(self.checkpoint, {"bands": SHIPPED})
        self._make_result = make_result
        self._server = server
        server.answer = self.answer

    def film(self, name: str, says: str) -> None:
        path = self.videos / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{says} {name}")  # no two videos are the same

    def film_many(self, count: int, *, low: float = 0.2, high: float = 0.8) -> None:
        for place in range(count):
            self.film(f"person {place:03}/one.mp4", f"{low + (high - low) * place / max(1, count - 1):.6f}")

    def answer(self, request: Received) -> tuple[int, bytes]:
        says = request.fields["data"].decode().split()[0]
        models = {"ensemble": {"sync_sha256": SYNC, "scoring_sha256": self.sha256}}
        if says == "no_audio":
            return 200, json.dumps({"error": {"code": says, "status": 422, "message": "No sound."}}).encode()
        if says in ("no_face", "constant_offset"):
            known = None if says == "no_face" else 0.99
            reasons = [{"code": says, "message": "For a reason."}]
            changes = {"verdict": "inconclusive", "probability_fake": known, "reasons": reasons}
        elif says.startswith("lagging-"):
            aligned = float(says.partition("-")[2])
            reasons = [{"code": "constant_offset", "message": "It lags."}]
            word = "likely_fake" if aligned >= SHIPPED[1] else "inconclusive"
            changes = {"verdict": word, "probability_fake": 0.99, "reasons": reasons}
            changes["probability_aligned"] = aligned
        elif says == "uncalibrated":
            changes = {"verdict": "likely_real", "probability_fake": None}
        else:
            changes = {"verdict": Bands(*SHIPPED).verdict(float(says)), "probability_fake": float(says)}
        return 200, json.dumps(self._make_result(0, models=models, **changes)).encode()

    def run(self, *words: str) -> Result:
        return outofsync("calibrate", "videos", "--checkpoint", str(self.checkpoint), *words)

    def fit(self, client: Client, **settings: Any) -> Calibration:
        checkpoint = settings.pop("checkpoint", self.checkpoint)
        return calibrate(client, self.videos, self.folder / "ledger", checkpoint=checkpoint, **settings)

    @property
    def written(self) -> dict[str, Any]:
        values: dict[str, Any] = json.loads((self.folder / "calibration/calibration.json").read_text())
        return values


@pytest.fixture
def studio(
    server: StubServer, make_result: MakeResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Studio:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OUTOFSYNC_URL", server.url)
    monkeypatch.setenv("OUTOFSYNC_TOKEN", TOKEN)
    return Studio(tmp_path, server, make_result)


def test_one_command_fits_the_bands(studio: Studio, server: StubServer) -> None:
    studio.film_many(30)
    done = studio.run("--name", "newsroom")
    assert done.exit_code == 0, done.stderr
    assert len(server.received) == 30
    written = studio.written
    assert written["name"] == "newsroom"
    assert written["before"] == SHIPPED
    low, middle, high = written["bands"]
    assert low < middle < high == SHIPPED[2]
    assert middle == pytest.approx(0.8, abs=1e-3)
    assert (written["videos"], written["promise"]["people"]) == (30, 30)
    assert written["scoring_sha256"] == studio.sha256
    assert written["promise"]["alarms"][:2] == [0.0, 0.0]
    assert 0.0 < written["promise"]["alarms"][2] < 0.2
    for words in ("newsroom", "0.600", "0.800", "shipped", "0 % (0 of 30)", "--promote", "95 %"):
        assert words in done.stdout
    assert "Make sure that these are genuine" in done.stdout


def test_the_folder_and_the_day_name_it(studio: Studio) -> None:
    studio.film_many(20)
    assert studio.run().exit_code == 0
    assert studio.written["name"] == f"videos-{studio.written['judged_at'][:10]}"


def test_what_no_band_decides_about_is_listed_and_left_out(studio: Studio) -> None:
    studio.film_many(20)
    for says in ("no_face", "constant_offset", "no_audio"):
        studio.film(f"{says}.mp4", says)
    done = studio.run()
    assert done.exit_code == 0, done.stderr
    assert (studio.written["videos"], studio.written["left_out"]) == (20, 3)
    for says in ("no_face", "constant_offset", "no_audio"):
        assert f"{says}.mp4" in done.stdout


def test_where_the_sound_lags_what_is_left_decides(studio: Studio) -> None:
    """Such a video's probability is high; it is an alarm only where that with its sound put right is, too."""
    studio.film_many(28, low=0.2, high=0.4)
    for place, aligned in enumerate((0.1, 0.7)):
        studio.film(f"lagging {place}.mp4", f"lagging-{aligned}")
    done = studio.run("--lowest-alarm", "0.4")
    assert done.exit_code == 0, done.stderr
    assert studio.written["left_out"] == 0
    assert 0.7 < studio.written["bands"][1] < 0.7001
    assert "3 % (1 of 30)" in done.stdout, "one of them was an alarm before, and the other inconclusive"
    assert "7 % (2 of 30)" in done.stdout, "both are inconclusive now"


def test_a_sub_folder_is_a_person_and_a_file_beside_it_another(studio: Studio, client: Client) -> None:
    for place in range(10):
        studio.film(f"one person/day {place}/one.mp4", f"0.4{place}")
        studio.film(f"alone {place}.mp4", f"0.3{place}")
    calibration = studio.fit(client)
    assert (calibration.videos, calibration.promise.people) == (20, 11)
    assert not calibration.promise.kept
    assert calibration.bands.middle == SHIPPED[1], "11 people cannot promise 5 %"


def test_a_second_run_asks_nothing_and_says_the_same(studio: Studio, server: StubServer) -> None:
    studio.film_many(20)
    assert studio.run().exit_code == 0
    first, asked = studio.written, len(server.received)
    refused = studio.run()
    assert refused.exit_code == 3
    assert "--resume" in refused.stderr
    assert studio.run("--resume").exit_code == 0
    assert studio.written == first
    assert studio.run("--resume", "--false-alarms", "0.2").exit_code == 0
    assert studio.written["bands"][1] < first["bands"][1]
    assert len(server.received) == asked


def test_the_options_are_those_of_the_requests(studio: Studio, server: StubServer) -> None:
    studio.film_many(20)
    assert studio.run("--deblur", "never").exit_code == 0
    assert studio.written["options"] == {"deblur": "never"}
    assert server.received[0].options == {"deblur": "never", "include": []}


def test_too_few_videos_are_refused(studio: Studio, client: Client) -> None:
    studio.film_many(19)
    studio.film("silent.mp4", "no_audio")
    with pytest.raises(TooFewVideosError, match=r"19 of 20 videos .*1 no_audio.* take 20"):
        studio.fit(client)
    assert studio.run().exit_code == 3


def test_a_server_without_probabilities_is_named(studio: Studio, client: Client) -> None:
    for place in range(20):
        studio.film(f"{place}.mp4", "uncalibrated")
    with pytest.raises(UncalibratedError):
        studio.fit(client)


def test_weights_that_changed_meanwhile_are_noticed(studio: Studio, client: Client) -> None:
    studio.film_many(20)
    studio.fit(client)
    studio.sha256 = write_scoring(studio.checkpoint, {"bands": [0.1, 0.2, 0.3]})
    with pytest.raises(UnknownCheckpointError, match="were judged by"):
        studio.fit(client, resume=True)
    studio.film("later.mp4", "0.5")
    with pytest.raises(MixedCheckpointsError, match=r"20 by .*1 by"):
        studio.fit(client, resume=True)


def test_the_checkpoint_has_to_be_one(studio: Studio, client: Client) -> None:
    studio.film_many(20)
    studio.fit(client)
    for kind, calibration, expected in (
        ("scoring", None, UncalibratedError),
        ("sync", {"bands": SHIPPED}, UnknownCheckpointError),
        ("scoring", {"bands": [0.9, 0.1, 0.5]}, UnknownCheckpointError),
        ("scoring", {"bands": "none"}, UnknownCheckpointError),
    ):
        write_scoring(studio.checkpoint, calibration, kind)
        with pytest.raises(expected):
            studio.fit(client, resume=True)
    studio.checkpoint.write_text("no checkpoint")
    with pytest.raises(UnknownCheckpointError):
        studio.fit(client, resume=True)
    with pytest.raises(UnknownCheckpointError, match="--checkpoint"):
        studio.fit(client, resume=True, checkpoint=None)


def test_a_name_that_cannot_be_shown_is_refused(studio: Studio, client: Client) -> None:
    studio.film_many(20)
    with pytest.raises(ValueError, match="printable"):
        studio.fit(client, name="a\nb")
    assert studio.run("--name", " ").exit_code == 3


def test_a_folder_has_to_be_one(studio: Studio, client: Client) -> None:
    with pytest.raises(NotADirectoryError):
        studio.fit(client)


def test_what_is_written_can_be_read(studio: Studio, client: Client) -> None:
    studio.film_many(20)
    heard = []
    calibration = studio.fit(client, on_outcome=lambda path, _: heard.append(path))
    assert len(heard) == 20
    path = studio.folder / "ledger" / "calibration.json"
    assert Calibration.read(path) == calibration
    for broken in ("{}", "[]", "no JSON", json.dumps({**calibration.to_dict(), "bands": [1, 0, 1]})):
        path.write_text(broken)
        with pytest.raises(BadCalibrationError):
            Calibration.read(path)
    path.unlink()
    with pytest.raises(BadCalibrationError):
        Calibration.read(path)
