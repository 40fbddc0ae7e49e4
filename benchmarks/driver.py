"""What the driver of a catalogue's run does for each row, and keeps of it: its store, fed with results."""

from __future__ import annotations

import hashlib
import json
import time
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from outofsync_cluster.identity import Identity
from outofsync_cluster.places import Storage
from outofsync_cluster.run import PART_ROWS
from outofsync_cluster.stages import Outcome
from outofsync_cluster.store import Store

VIDEOS = 200_000
TIMED = 20_000  # of them with all that a result holds
MODELS = {"deblur": {"version": "1"}, "ensemble": {"version": "1"}}
SEGMENT_S = 2.0
SEGMENTS = 15  # of a video of half a minute


def measured_driver() -> dict[str, float]:
    """Seconds and bytes for each video."""
    memory = psutil.Process()
    with TemporaryDirectory(prefix="outofsync-driver-") as folder:
        store = Store(Storage().place(folder), Identity({}, MODELS))
        answer = json.dumps(result(SEGMENTS)).encode()
        start = time.process_time()
        _feed(store, 0, TIMED, answer)
        spent = (time.process_time() - start) / TIMED
        lean = json.dumps(result(1)).encode()
        before = memory.memory_full_info().uss
        _feed(store, TIMED, VIDEOS, lean)
        kept = (memory.memory_full_info().uss - before) / (VIDEOS - TIMED)
    return {"videos": VIDEOS, "s_per_video": round(spent, 6), "bytes_per_video": round(kept, 1)}


def result(segments: int) -> dict[str, Any]:
    """A result as the engine gives it, of so many segments."""
    found = {"track": 0, "score": 1.234567, "probability_fake": 0.123456, "peak_delay": 0}
    return {
        **{"verdict": "likely_real", "label": "REAL", "probability_fake": 0.1, "score": 1.0},
        **{"delay_score": 1.0, "feature_score": 0.5, "offset_frames": 0, "offset_confidence": 0.9},
        "reasons": [],
        "segments": [
            {"start": SEGMENT_S * place, "end": SEGMENT_S * (place + 1), **found} for place in range(segments)
        ],
        "media": {"duration_s": SEGMENT_S * segments, "width": 1280, "height": 720, "fps": 25.0},
        "models": MODELS,
    }


def _feed(store: Store, first: int, last: int, answer: bytes) -> None:
    for number in range(first, last):
        uri = f"s3://videos/{number:012}.mp4"
        sha256 = hashlib.sha256(uri.encode()).hexdigest()
        place = (uri, 3_500_000, number, sha256)
        store.add(Outcome(*place, answer, 1, 8.0, 0.0, 8.0, 900_000_000, 3_500_000, "node", "0" * 240))
        if len(store) == PART_ROWS:
            store.write()
            store.news()


def main() -> None:
    print(json.dumps(measured_driver(), indent=2))


if __name__ == "__main__":
    main()
