"""A step that is killed at any point ends, once it is repeated, as if it had never been interrupted."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from pretended_torchserve import NEW, OWN, Site

from outofsync_client.management import Management
from serving.rollout import Models, RecordFile, retiring

Step = Callable[[Models], object]

STEPS: dict[str, tuple[list[Step], Step]] = {
    "register": ([], lambda models: models.register(NEW)),
    "canary": ([lambda models: models.register(NEW)], lambda models: models.canary(NEW, share=0.5)),
    "promote": ([lambda models: models.register(NEW)], lambda models: models.promote(NEW)),
    "rollback": (
        [lambda models: models.register(NEW), lambda models: models.promote(NEW)],
        lambda models: models.rollback(),
    ),
    "scale": ([lambda models: models.register(NEW)], lambda models: models.scale(NEW, 2)),
    "retire": ([lambda models: models.register(NEW)], lambda models: models.retire(NEW)),
    "retire what served": (
        [lambda models: models.register(NEW), lambda models: models.promote(NEW)],
        lambda models: models.retire(OWN),
    ),
}


@pytest.fixture(autouse=True)
def soon_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retiring, "QUIET_S", 0.1)


def outcome(site: Site) -> dict[str, Any]:
    """Everything that a step changes, but for when it did."""
    record = site.record()
    record["history"] = [(event["step"], event["pipeline"]) for event in record["history"]]
    torchserve = site.torchserve
    return {"record": record, "workers": torchserve.workers(), "serving": torchserve.serving()}


def killed_at(site: Site, step: Step, point: int) -> bool:
    """Take the step in a process that is killed before its first change, or after its first, second, …

    False where the step has fewer changes than that.
    """
    child = multiprocessing.get_context("fork").Process(target=_take, args=(site.models, step, point))
    child.start()
    child.join()
    assert child.exitcode in (0, -signal.SIGKILL)
    return child.exitcode != 0


def _take(models: Models, step: Step, point: int) -> None:
    changes = itertools.count(1)

    def deadly(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any, **choices: Any) -> Any:
            if point == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            result = change(*arguments, **choices)
            if next(changes) == point:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return changed

    for name in ("register", "unregister", "scale", "set_default"):
        setattr(Management, name, deadly(getattr(Management, name)))
    RecordFile.write = deadly(RecordFile.write)  # type: ignore[method-assign]
    step(models)


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("restarted", [False, True], ids=["", "and the server, too"])
@pytest.mark.slow
def test_a_killed_step_is_ended_by_its_repetition(site: Site, name: str, restarted: bool) -> None:
    before, step = STEPS[name]
    wanted: dict[str, Any] | None = None
    for point in itertools.count():
        start_over(site)
        for earlier in before:
            earlier(site.models)
        killed = killed_at(site, step, point)
        if killed and restarted:
            assert site.start() == ()
        step(site.models)
        if wanted is None:
            assert killed, "a step changes something"
            wanted = outcome(site)
        assert outcome(site) == wanted, f"killed at point {point}"
        if not killed:
            break


def start_over(site: Site) -> None:
    """A first start, with a version that is built and not registered."""
    (site.state / "pipelines.json").unlink()
    site.start()
    site.built(NEW, "deblur", "ensemble")


def test_a_promotion_cut_short_serves_after_a_restart(site: Site) -> None:
    start_over(site)
    site.models.register(NEW)
    assert killed_at(site, lambda models: models.promote(NEW), point=1)
    assert site.torchserve.serving() == (OWN, OWN), "it was killed when only the record was changed"
    site.start()
    assert site.torchserve.serving() == (NEW, NEW)


def test_a_registration_cut_short_is_forgotten_by_a_restart(site: Site) -> None:
    start_over(site)
    assert killed_at(site, lambda models: models.register(NEW), point=2)
    assert site.torchserve.loaded()["deepfake__deblur"] == [OWN]
