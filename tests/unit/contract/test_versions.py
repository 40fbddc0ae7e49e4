"""What the client says of versions holds of what rolls them out."""

from __future__ import annotations

import inspect

import pytest

from outofsync_client.versions import Versions
from serving.rollout import Models


def offered(models: Models) -> Versions:
    """For the type checker, which holds types and names of each method and each answer to the shape."""
    return models


STEPS = [name for name, _ in inspect.getmembers(Versions, inspect.isfunction) if not name.startswith("_")]


@pytest.mark.parametrize("step", STEPS)
def test_each_step_takes_what_the_client_says(step: str) -> None:
    said = inspect.signature(getattr(Versions, step)).parameters
    there = inspect.signature(getattr(Models, step)).parameters
    assert {name: one.kind for name, one in said.items()}.items() <= {
        name: one.kind for name, one in there.items()
    }.items()
    needed = {name for name, one in there.items() if one.default is inspect.Parameter.empty}
    assert needed == {name for name, one in said.items() if one.default is inspect.Parameter.empty}
