"""Whether time grows with a video's length and memory does not: 10 s, 1, 5 and 10 minutes through the server.

    python -m benchmarks.length [--seconds 10 60 300 600] [--json FILE]

Linux keeps the most memory that a process has had resident; it is set back before each request and read after
it, for Java and both workers. Decoders live for one request: they are looked at while they run. All numbers
are of one server, the shortest video first, after one request that is not counted.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from benchmarks import load
from benchmarks.footage import stored
from benchmarks.report import parser, print_table, write_json
from benchmarks.server import detect_url, served
from outofsync_client.management import Management
from outofsync_client.protocol import NODES, model_of
from serving.state import ServerState

LENGTHS_S = (10.0, 60.0, 300.0, 600.0)
POLL_S = 0.05
MB = 1e6
SET_BACK = "5"  # what Linux is told to forget the peak (proc(5), clear_refs)


@dataclass(frozen=True)
class Length:
    """One video's request."""

    clip_s: float
    upload_mb: float
    latency_s: float
    peak_mb: dict[str, float]  # most memory resident, by process
    spooled_mb: float  # faces and sound between the nodes, in a file

    @property
    def per_second(self) -> float:
        """Seconds of work for each second of video."""
        return self.latency_s / self.clip_s


class Processes:
    """Java, both workers, and the decoders that come and go."""

    def __init__(self, state: ServerState) -> None:
        with Management(state.management_url, state.management_token) as management:
            loaded = {node: management.version(model_of(node)) for node in NODES}
        workers = {node: psutil.Process(found.workers[0].pid) for node, found in loaded.items() if found}
        java = workers[NODES[0]].parent()
        if java is None:
            raise RuntimeError("the server's workers have lost their parent")
        self.lasting = {"java": java, **workers}
        self.clips = Path(workers[NODES[0]].environ()["TMPDIR"]) / "clips"
        self.decoder_mb = self.spooled_mb = 0.0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """From here on, peaks are those of the block."""
        for process in self.lasting.values():
            Path(f"/proc/{process.pid}/clear_refs").write_text(SET_BACK)
        self.decoder_mb = self.spooled_mb = 0.0
        ended = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(ended,))
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    def peaks_mb(self) -> dict[str, float]:
        peaks = {name: _peak_mb(process.pid) for name, process in self.lasting.items()}
        return {**peaks, "decoder": self.decoder_mb}

    def _watch(self, ended: threading.Event) -> None:
        while not ended.wait(POLL_S):
            for child in self.lasting[NODES[0]].children(recursive=True):
                with suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
                    self.decoder_mb = max(self.decoder_mb, _peak_mb(child.pid))
            for path in self.clips.iterdir():
                with suppress(FileNotFoundError):
                    self.spooled_mb = max(self.spooled_mb, path.stat().st_size / MB)


def _peak_mb(pid: int) -> float:
    """The most memory a process has had resident since that was set back; 0 for one that has ended."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 / MB if found else 0.0


def measure(state: ServerState, processes: Processes, seconds: float) -> Length:
    """One request; raises RuntimeError where it fails."""
    file = stored(seconds)
    with processes.watched():
        answers = load.apply(load.Load(detect_url(state), state.token, (str(file),), 1, 1))
    if answers.errors:
        raise RuntimeError(answers.errors[0])
    return Length(
        clip_s=seconds,
        upload_mb=file.stat().st_size / MB,
        latency_s=answers.latencies_s[0],
        peak_mb=processes.peaks_mb(),
        spooled_mb=processes.spooled_mb,
    )


def print_lengths(found: Sequence[Length]) -> None:
    rows: list[list[object]] = [
        [
            f"{length.clip_s:g} s",
            f"{length.latency_s:.1f}",
            f"{length.per_second / found[0].per_second:.2f}",
            *(f"{peak:.0f}" for peak in length.peak_mb.values()),
            f"{length.upload_mb:.1f}",
            f"{length.spooled_mb:.1f}",
        ]
        for length in found
    ]
    columns = ["video", "s", "per second of video / that of the first"]
    columns += [f"{name} MB" for name in found[0].peak_mb] + ["upload MB", "faces and sound MB"]
    print_table("Length: latency and the most memory resident in each process", columns, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser("Measure time and memory over the length of a video.")
    options.add_argument("--seconds", type=float, nargs="+", default=LENGTHS_S)
    chosen = options.parse_args(arguments)
    found = []
    with served() as state:
        processes = Processes(state)
        measure(state, processes, min(chosen.seconds))
        for seconds in sorted(chosen.seconds):
            found.append(measure(state, processes, seconds))
            print(f"{seconds:g} s of video: {found[-1].latency_s:.1f} s", flush=True)
    print_lengths(found)
    write_json(chosen.json, [asdict(length) for length in found])


if __name__ == "__main__":
    main()
