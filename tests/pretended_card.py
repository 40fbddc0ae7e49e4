"""A graphics card pretended on a processor: streams that work late, in any order that their waits allow.

What is computed inside ``with card:`` is not computed at once. It is queued on the current stream, its result
full of NaN until then, and done when somebody waits: by whichever stream chance picks, among those that wait
for nothing. Numbers come out right only where every order that matters is asked for.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

AT_ONCE = ("__get__", "__len__")  # facts about tensors, which need no stream


class Event:
    """A mark in a stream, which others may wait for."""

    def __init__(self, card: PretendedCard) -> None:
        self._card = card
        self.asked = self.passed = 0

    def record(self, stream: Stream) -> None:
        self.asked += 1
        stream.put(partial(setattr, self, "passed", self.asked))

    def synchronize(self) -> None:
        mark = self.asked
        while self.passed < mark:
            self._card.step()


class Stream:
    """Work in order, each with the event and the mark that it waits for."""

    def __init__(self, card: PretendedCard) -> None:
        self._card = card
        self.work = deque[tuple[Callable[[], object], Event | None, int]]()

    def put(self, work: Callable[[], object], event: Event | None = None) -> None:
        self.work.append((work, event, event.asked if event else 0))

    @property
    def ready(self) -> bool:
        if not self.work:
            return False
        _, event, mark = self.work[0]
        return event is None or event.passed >= mark

    def wait_event(self, event: Event) -> None:
        self.put(lambda: None, event)

    def wait_stream(self, other: Stream) -> None:
        self.wait_event(other.record_event())

    def record_event(self) -> Event:
        event = Event(self._card)
        event.record(self)
        return event


class Graph:
    """What was computed while it recorded, to be computed again on the same tensors."""

    def __init__(self, card: PretendedCard) -> None:
        self._card = card
        self.work: list[Callable[[], object]] = []

    def replay(self) -> None:
        for work in self.work:
            self._card.current.put(work)


class PretendedCard(TorchFunctionMode):
    """Stands in for ``torch.cuda`` and defers what torch computes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self._streams: list[Stream] = []
        self._recording: Graph | None = None
        self._working = False
        self.current = self.stream()
        for name, value in {
            "Stream": lambda _: self.stream(),
            "current_stream": lambda: self.current,
            "stream": self.on,
            "device": self.on_device,
            "graph": self.recording,
            "CUDAGraph": lambda: Graph(self),
        }.items():
            monkeypatch.setattr(torch.cuda, name, value)
        monkeypatch.setattr(Tensor, "record_stream", lambda *_: None)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = func.__name__
        if self._working or name in AT_ONCE:
            return func(*args, **kwargs)
        if name == "pin_memory":
            return args[0].clone()
        if name == "empty_like":
            return torch.full(args[0].shape, math.nan)
        if name == "copy_":
            result, work = args[0], lambda: args[0].copy_(args[1])
        elif name == "to":  # which would return the tensor itself
            result, work = self._late(args[0], lambda: args[0])
        else:
            result, work = self._late(func(*args, **kwargs), lambda: func(*args, **kwargs))
        if self._recording:
            self._recording.work.append(work)
        else:
            self.current.put(work)
        return result

    @staticmethod
    def _late(like: Tensor, value: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], object]]:
        result = torch.full(like.shape, math.nan)
        return result, lambda: result.copy_(value())

    def step(self) -> None:
        """Let one stream do one thing."""
        work, *_ = self._random.choice([stream for stream in self._streams if stream.ready]).work.popleft()
        self._working = True
        work()
        self._working = False

    def stream(self) -> Stream:
        self._streams.append(Stream(self))
        return self._streams[-1]

    @contextmanager
    def on(self, stream: Stream) -> Iterator[None]:
        before, self.current = self.current, stream
        yield
        self.current = before

    @contextmanager
    def on_device(self, _: object) -> Iterator[None]:
        yield

    @contextmanager
    def recording(self, graph: Graph, capture_error_mode: str) -> Iterator[None]:
        """All work is done before, as a card sees to as well."""
        assert capture_error_mode == "thread_local"
        while any(stream.work for stream in self._streams):
            self.step()
        self._recording = graph
        yield
        self._recording = None
