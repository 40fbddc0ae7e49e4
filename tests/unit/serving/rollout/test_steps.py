"""Each step of a roll-out does what it says, may be repeated, and never takes away what serves."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from pretended_torchserve import NEW, OWN, Site, serving, write_archive

from archives.repack import write_sums
from outofsync_client import UnreachableError
from outofsync_client.management import ManagementError
from serving.rollout import (
    ArchiveError,
    RecordError,
    StepInProgressError,
    StepRefusedError,
    StillBusyError,
    UnknownVersionError,
    VersionFailedError,
    retiring,
)


@pytest.fixture(autouse=True)
def soon_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retiring, "QUIET_S", 0.3)


def roles(site: Site) -> dict[str, str]:
    return {one.version: one.role for one in site.models.list()}


def test_the_first_start_records_what_serves(site: Site) -> None:
    record = site.record()
    assert record["promoted"] == OWN
    assert record["previous"] is record["canary"] is None
    assert record["pipelines"][OWN]["ensemble"]["archive"] == "ensemble.mar"
    assert (site.state / "pipelines.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_the_whole_life_of_a_version_with_every_step_taken_twice(site: Site) -> None:
    site.built(NEW, "ensemble")
    models = site.models
    assert roles(site) == {OWN: "promoted", NEW: "built"}
    for _ in range(2):
        assert models.register(NEW)[0].verdict == "real"
    assert roles(site) == {OWN: "promoted", NEW: "registered"}
    assert site.torchserve.serving() == (OWN, OWN), "nobody is answered by what is only registered"
    for _ in range(2):
        models.canary(NEW, share=0.5)
    assert roles(site)[NEW] == "canary"
    for _ in range(2):
        models.promote(NEW)
    assert roles(site) == {OWN: "previous", NEW: "promoted"}
    assert site.torchserve.serving() == (OWN, NEW)
    assert site.record()["canary"] is None
    for _ in range(2):
        models.rollback()
    assert roles(site) == {OWN: "promoted", NEW: "registered"}
    assert site.torchserve.serving() == (OWN, OWN)
    for _ in range(2):
        models.retire(NEW)
    assert roles(site) == {OWN: "promoted", NEW: "built"}
    assert site.torchserve.loaded() == {"deepfake__deblur": [OWN], "deepfake__ensemble": [OWN]}
    steps = [event["step"] for event in site.record()["history"]]
    assert steps == ["start", "register", "canary", "promote", "rollback", "retire"]


def test_a_version_is_registered_with_the_batches_of_what_serves(site: Site) -> None:
    site.built(NEW, "ensemble")
    site.torchserve.versions["deepfake__ensemble"][OWN].batch_size = 7
    site.models.register(NEW)
    assert site.torchserve.versions["deepfake__ensemble"][NEW].batch_size == 7


def test_a_version_is_scaled_also_after_a_restart(site: Site) -> None:
    site.built(NEW, "ensemble")
    site.models.register(NEW)
    site.models.scale(NEW, 3, nodes=["ensemble"])
    site.models.scale(OWN, 2)
    wanted = {"deepfake__deblur": {OWN: 2}, "deepfake__ensemble": {OWN: 2, NEW: 3}}
    assert site.torchserve.workers() == wanted
    (_, ensemble) = site.models.describe(NEW).nodes
    assert len(ensemble.workers or ()) == 3
    assert site.start() == ()
    assert site.torchserve.workers() == wanted
    site.models.retire(NEW)
    assert site.record()["workers"] == {"deblur": {OWN: 2}, "ensemble": {OWN: 2}}


def test_a_version_is_scaled_while_no_server_runs(site: Site) -> None:
    site.stop()
    site.models.scale(OWN, 2)
    site.start()
    assert site.torchserve.workers()["deepfake__ensemble"] == {OWN: 2}


def test_a_scaling_that_torchserve_fails_at_is_asked_for_again(site: Site) -> None:
    site.torchserve.failing_scalings = 2
    site.models.scale(OWN, 2, nodes=["ensemble"])
    assert site.torchserve.workers()["deepfake__ensemble"] == {OWN: 2}
    site.torchserve.failing_scalings = 100
    with pytest.raises(ManagementError, match="HTTP 500"):
        site.models.scale(OWN, 3, nodes=["ensemble"])


@pytest.mark.slow
def test_workers_that_do_not_come_up_are_given_up(site: Site) -> None:
    site.torchserve.versions["deepfake__ensemble"][OWN].most_workers = 2
    with pytest.raises(VersionFailedError, match="does not load"):
        site.models.scale(OWN, 3, nodes=["ensemble"])
    assert site.torchserve.workers()["deepfake__ensemble"] == {OWN: 1}
    assert site.record()["workers"] == {}


@pytest.mark.slow
def test_a_restart_with_fewer_workers_than_recorded_says_so_and_serves(site: Site) -> None:
    site.models.scale(OWN, 3)
    site.torchserve.most_workers = 2
    notes = site.start()
    assert len(notes) == 2
    assert "has not its 3 workers" in notes[0]
    assert site.torchserve.serving() == (OWN, OWN)


@pytest.mark.parametrize(("workers", "nodes"), [(0, ["deblur"]), (1000, ["deblur"]), (2, ["elsewhere"])])
def test_what_cannot_be_scaled_is_refused(site: Site, workers: int, nodes: list[str]) -> None:
    with pytest.raises(StepRefusedError):
        site.models.scale(OWN, workers, nodes=nodes)
    assert set(site.torchserve.workers()["deepfake__deblur"].values()) == {1}


def test_what_answers_unlike_the_record_is_listed_so(site: Site) -> None:
    site.built(NEW, "ensemble")
    site.models.register(NEW)
    site.models.promote(NEW)
    site.torchserve.defaults["deepfake__ensemble"] = OWN
    assert {one.version: one.answers for one in site.models.list()} == {OWN: True, NEW: False}


def test_a_version_nobody_built_is_unknown(site: Site) -> None:
    models = site.models
    for step in (models.register, models.promote, models.canary, models.retire):
        with pytest.raises(UnknownVersionError):
            step("3.0")


def test_what_serves_or_is_tried_is_not_retired(site: Site) -> None:
    site.built(NEW, "ensemble")
    site.models.register(NEW)
    site.models.canary(NEW)
    for version in (OWN, NEW):
        with pytest.raises(StepRefusedError):
            site.models.retire(version)
    assert site.torchserve.loaded()["deepfake__ensemble"] == [OWN, NEW]


def test_what_serves_is_not_tried(site: Site) -> None:
    with pytest.raises(StepRefusedError, match="promoted"):
        site.models.canary(OWN)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_between_none_and_all(site: Site, share: float) -> None:
    site.built(NEW, "ensemble")
    site.models.register(NEW)
    with pytest.raises(StepRefusedError, match="between 0 and 1"):
        site.models.canary(NEW, share=share)


def test_without_an_earlier_version_there_is_nothing_to_roll_back_to(site: Site) -> None:
    with pytest.raises(StepRefusedError, match="nothing to roll back to"):
        site.models.rollback()


def test_a_version_that_does_not_load_leaves_nothing_behind(site: Site) -> None:
    site.built(NEW, "deblur", "ensemble")
    site.torchserve.failing.add("ensemble-2.0.mar")
    log = '{"thread": "W-9000-deepfake__ensemble_2.0-stdout", "message": "x.CheckpointError: no weights"}\n'
    (site.state / "server.log").write_text(log)
    before = site.record()
    with pytest.raises(VersionFailedError, match="no weights"):
        site.models.register(NEW)
    assert site.record() == before
    assert site.torchserve.loaded() == {"deepfake__deblur": [OWN], "deepfake__ensemble": [OWN]}


def test_a_version_that_does_not_judge_leaves_nothing_behind(site: Site) -> None:
    site.built(NEW, "ensemble")
    site.torchserve.mute.add(NEW)
    before = site.record()
    with pytest.raises(VersionFailedError, match="does not judge"):
        site.models.register(NEW)
    assert site.record() == before
    assert site.torchserve.loaded()["deepfake__ensemble"] == [OWN]


def test_an_altered_archive_is_not_loaded(site: Site) -> None:
    site.built(NEW, "ensemble")
    with (site.store / "ensemble-2.0.mar").open("ab") as archive:
        archive.write(b"x")
    with pytest.raises(ArchiveError, match=r"ensemble-2\.0\.mar is refused"):
        site.models.register(NEW)
    assert site.torchserve.loaded()["deepfake__ensemble"] == [OWN]


def test_a_registered_version_keeps_its_archives(site: Site) -> None:
    site.built(NEW, "ensemble")
    site.models.register(NEW)
    site.built(NEW, "ensemble", weights=b'{"other": 1}')
    with pytest.raises(StepRefusedError, match="is not the archive that was registered"):
        site.models.register(NEW)


def test_retiring_unloads_what_no_other_version_is_made_of(site: Site) -> None:
    for version, nodes in (("2.0", ["ensemble"]), ("3.0", ["deblur", "ensemble"])):
        site.built(version, *nodes)
        site.models.register(version)
    site.models.promote("3.0")
    site.models.retire(OWN)
    assert site.torchserve.loaded()["deepfake__deblur"] == [OWN, "3.0"], "2.0 is made of it"
    site.models.retire("2.0")
    assert site.torchserve.loaded() == {"deepfake__deblur": ["3.0"], "deepfake__ensemble": ["3.0"]}


def test_a_version_with_requests_is_not_unloaded(site: Site) -> None:
    site.built(NEW, "ensemble")
    site.models.register(NEW)
    loaded = site.torchserve.versions["deepfake__ensemble"]
    loaded[NEW].queued = 1
    with pytest.raises(StillBusyError, match="still has requests"):
        site.models.retire(NEW, wait=0.5)
    assert NEW in loaded
    loaded[NEW].queued = 0
    site.models.retire(NEW)
    assert NEW not in loaded


def test_a_rollback_does_not_wait_for_a_version_that_drains(site: Site) -> None:
    for version in (NEW, "3.0"):
        site.built(version, "ensemble")
        site.models.register(version)
    site.models.promote(NEW)
    loaded = site.torchserve.versions["deepfake__ensemble"]
    loaded["3.0"].queued = 1
    retiring = threading.Thread(target=site.models.retire, args=("3.0",))
    retiring.start()
    while "3.0" in site.record()["pipelines"]:
        time.sleep(0.01)
    site.models.rollback()
    assert site.torchserve.serving() == (OWN, OWN)
    assert "3.0" in loaded
    with pytest.raises(StepInProgressError, match=r"`retire 3\.0` \(process \d+\) is under way"):
        site.models.register(NEW)
    loaded["3.0"].queued = 0
    retiring.join()
    assert "3.0" not in loaded


def test_new_tokens_are_read_from_the_state_folder(site: Site) -> None:
    models = site.models
    models.list()
    site.torchserve.token = "another"
    publishing = threading.Timer(0.5, site.publish)
    publishing.start()
    assert models.list()[0].ready
    publishing.join()


def test_a_server_that_was_started_anew_is_found_where_it_is_now(site: Site) -> None:
    models = site.models
    with serving(site.torchserve) as url:
        replace(site, url=url).publish()
        assert models.list()[0].ready
    site.publish()
    assert models.list()[0].ready


def test_without_a_server_the_record_still_changes_and_the_next_start_follows(site: Site) -> None:
    site.built(NEW, "ensemble")
    site.models.register(NEW)
    site.models.promote(NEW)
    site.stop()
    assert [one.ready for one in site.models.list()] == [None, None]
    with pytest.raises(UnreachableError):
        site.models.register(NEW)
    site.models.rollback()
    assert site.start() == ()
    assert site.torchserve.serving() == (OWN, OWN)


@pytest.mark.slow
def test_a_restart_restores_what_was_promoted_and_what_was_registered(site: Site) -> None:
    for version in (NEW, "3.0"):
        site.built(version, "deblur", "ensemble")
        site.models.register(version)
    site.models.promote(NEW)
    site.models.retire(OWN)
    before = site.record()
    assert site.start() == ()
    assert site.torchserve.serving() == (NEW, NEW)
    assert list(site.torchserve.loaded().values()) == [[NEW, "3.0"], [NEW, "3.0"]]
    assert site.record() == before


def test_other_weights_never_serve_in_the_stead_of_the_promoted_ones(site: Site) -> None:
    site.built(NEW, "ensemble")
    site.models.register(NEW)
    site.models.promote(NEW)
    site.built(NEW, "ensemble", weights=b'{"other": 1}')
    with pytest.raises(RecordError, match=r"ensemble-2\.0\.mar .* is not the archive .*models rollback"):
        site.start()
    (site.store / "ensemble-2.0.mar").unlink()
    with pytest.raises(RecordError, match=r"ensemble-2\.0\.mar is missing from "):
        site.start()
    site.stop()
    site.models.rollback()
    site.start()
    assert site.torchserve.serving() == (OWN, OWN)


def test_a_candidate_that_cannot_be_restored_is_left_out_and_named(site: Site) -> None:
    site.built(NEW, "ensemble")
    site.models.register(NEW)
    site.models.canary(NEW, share=0.5)
    (site.store / "ensemble-2.0.mar").unlink()
    (said,) = site.start()
    assert "pipeline 2.0 is not loaded: ensemble-2.0.mar is missing" in said
    assert site.torchserve.serving() == (OWN, OWN)
    assert site.record()["canary"] is None, "no request goes where nobody answers"


def test_archives_built_anew_serve_where_nothing_was_rolled_out(site: Site) -> None:
    write_archive(site.store / "ensemble.mar", "ensemble", OWN, b'{"other": 1}')
    write_sums(site.store)
    (said,) = site.start()
    assert "pipeline 0.1.0 serves from archives that were built anew" in said
    assert [event["step"] for event in site.record()["history"]] == ["start", "rebuilt"]


def test_a_record_that_cannot_be_read_is_a_sentence(site: Site) -> None:
    (site.state / "pipelines.json").write_text('{"format": 2}')
    with pytest.raises(RecordError, match=r"format is 2, not 1.*move it away"):
        site.start()
