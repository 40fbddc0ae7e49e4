"""What a request takes, as steps that somebody else carries out.

Retries, new tokens, other servers and reading files are generators that yield a step wherever there is
something to wait for, and get its outcome back. So that they are written once: a blocking client carries the
steps out as they are, an asyncio one awaits them.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, Optional, Protocol, TypeVar, Union

from outofsync_client._endpoints import Address

T = TypeVar("T")


class Body(Protocol):
    """What a request uploads, once; ``sending_ms`` is how long that has taken so far."""

    sending_ms: float

    def __len__(self) -> int: ...

    def chunks(self) -> Iterator[bytes]: ...


@dataclass(frozen=True)
class Request:
    """Send this once; the outcome is its :class:`~outofsync_client._answers.Answer`.

    ``deadline`` is by time.monotonic(); every attempt at one request has the same, and the same id.
    """

    method: str
    address: Address
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Optional[Body] = None
    request_id: str = ""
    deadline: float = math.inf

    @property
    def url(self) -> str:
        return self.address.url + self.path


@dataclass(frozen=True)
class Sleep:
    """Let these seconds pass; with none, let others have their turn."""

    seconds: float = 0.0


@dataclass(frozen=True)
class Call:
    """Call what may wait for something unknown, such as the far end of a pipe; the outcome is its own."""

    work: Callable[[], Any]


Step = Union[Request, Sleep, Call]
Flow = Generator[Step, Any, T]
