"""The client: one method for each thing a server does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, ClassVar, Optional, TypeVar

from outofsync_client._base import BaseClient, DeblurChoice, Health, IncludeChoice, ModeChoice
from outofsync_client._job_clients import Jobs
from outofsync_client._many import Judged, ManyProgress, judge_many
from outofsync_client._metrics import Metrics
from outofsync_client._multipart import UploadProgress, VideoFile
from outofsync_client._result import Result
from outofsync_client._transport import BaseTransport, Transport

F = TypeVar("F", bound=VideoFile)


class Client(BaseClient):
    """A connection to one server, or to several that serve alike; threads may share it.

    With ``api_key`` the URL is that of the edge, with ``token`` (or neither) TorchServe's own; a
    :class:`TokenSource` is asked again when its token is refused. Of several URLs the one that answered last
    is asked first, and the next where it is busy or away. ``timeout`` is :class:`Timeouts`, or how many
    seconds to wait for an answer. What may go better a little later is sent again (:class:`Retries`), under
    the same request id, which the server logs and each error shows. ``verify`` is False, or a file of trusted
    certificates; ``cert`` the client's own (a file, or one and its key's). ``metrics_url`` is where
    :meth:`metrics` reads. Raises ValueError for a URL, secret or certificate that cannot be used.

    Requests, waits and failures are logged under the name ``outofsync_client``.
    """

    _transport_type: ClassVar[type[BaseTransport]] = Transport
    _transport: Transport

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._transport.close()

    def detect(
        self,
        file: VideoFile,
        *,
        deblur: DeblurChoice | None = None,
        mode: ModeChoice | None = None,
        lam: float | None = None,
        max_len: int | None = None,
        include: Sequence[IncludeChoice] | None = None,
        video_track: int | None = None,
        audio_track: int | None = None,
        on_upload: Optional[UploadProgress] = None,
    ) -> Result:
        """Judge one video: a path, its bytes, or an open binary file.

        ``deblur``: sharpen faces first; ``mode``: the whole video, or the published protocol; ``lam`` ≥ 0:
        weight of the feature score; ``max_len``: windows in a scored segment; ``include``: what else the
        result holds; ``video_track`` and ``audio_track``: which of several in the file, by their ``index`` in
        the result's ``media["tracks"]``. What is not given is left to the server. ``on_upload`` hears how
        much is sent (:data:`UploadProgress`).
        Raises an :class:`OutOfSyncError` of the kind that fits.
        """
        options = {"deblur": deblur, "mode": mode, "lam": lam, "max_len": max_len, "include": include}
        options |= {"video_track": video_track, "audio_track": audio_track}
        return self._transport.run(self._detect(file, options, on_upload=on_upload))

    def detect_many(
        self,
        files: Iterable[F],
        *,
        jobs: int = 4,
        ordered: bool = True,
        on_done: Optional[ManyProgress] = None,
        **options: Any,
    ) -> Iterator[Judged[F]]:
        """Judge many videos, ``jobs`` at a time; the options are those of :meth:`detect`.

        An error is its own video's outcome and stops no other. Yields in the files' order, or as they come;
        ``on_done`` hears of each before it is yielded (:data:`ManyProgress`).
        """

        def judge(file: F) -> Result:
            return self.detect(file, **options)

        return judge_many(judge, files, jobs=jobs, ordered=ordered, on_done=on_done)

    def deblur(self, file: VideoFile, *, on_upload: Optional[UploadProgress] = None) -> bytes:
        """The video with sharper faces and its own sound, as the bytes of an mp4 file."""
        return self._transport.run(self._deblur(file, on_upload=on_upload))

    @property
    def jobs(self) -> Jobs:
        """Videos that are handed in, and answers that are there later; of an edge alone, else ValueError."""
        return Jobs(self._job_flows(), self._transport)

    def health(self) -> Health:
        """Whether the server works now, so nothing is repeated.

        A server that cannot be reached, or refuses the token or key, raises. What a server says of itself
        tells nothing of the workflow, nor of the key, so an empty file is sent through the whole chain: that
        it is refused as empty shows that both nodes work.
        """
        return self._transport.run(self._health())

    def metrics(self) -> Metrics:
        """What the server counts at this moment, of itself and of its requests; asked once.

        Of a server on this machine (:meth:`of_state`), or where ``metrics_url`` says: what an edge shows
        to the world has no metrics. Raises ValueError for a client that knows neither.
        """
        return self._transport.run(self._metrics())

    def wait_until_ready(self, seconds: float) -> Health:
        """Return once the whole chain answers; raises the last error, or a time-out, where it never does."""
        return self._transport.run(self._wait_until_ready(seconds))
