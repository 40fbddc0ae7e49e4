"""The process in which the engine works: it may die of a video, and whoever started it starts another.

It is told a socket's file descriptor, the folder of the weights and its settings; it answers which models it
has, then a list of answers for each list of files. It ends with whoever holds the other end.
"""

from __future__ import annotations

import json
import os
import queue
import resource
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from outofsync.checkpoints.store import Checkpoint
from outofsync.media import decoding_cpu_s
from outofsync.nodes import CropNode, DeblurNode, EnsembleNode, Request
from outofsync.scoring.calibration import Calibration
from outofsync_cluster.fingerprints import fingerprint_of
from outofsync_cluster.work import Work

KIB = 1024
Found = tuple[bytes, str | None]  # an answer, and the fingerprint where it was taken
Engine = Callable[[list[bytes], bytes], list[Found]]  # files or clips, and options → one for each


def main() -> None:
    """Serve one parent until it goes away."""
    connection = Connection(int(sys.argv[1]))
    folder, settings = Path(sys.argv[2]), json.loads(sys.argv[3])
    torch.set_num_threads(settings["threads"])
    work = Work(settings["work"])
    run = engine(work, folder, settings)
    connection.send({} if work is Work.CROP else models_in(folder))
    asked: queue.SimpleQueue[tuple[list[bytes], bytes]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, asked), daemon=True).start()
    while True:
        files, options = asked.get()
        start, cpu = time.perf_counter(), _cpu_s()
        answers = run(files, options)
        wall = time.perf_counter() - start
        on_card = wall if settings["device"] != "cpu" else 0.0
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
        connection.send((answers, _cpu_s() - cpu, on_card, wall, peak))


def engine(work: Work, folder: Path, settings: dict[str, Any]) -> Engine:
    """The nodes, or as much of them as this process is for."""
    if work is Work.CROP:
        cropping = CropNode.load(settings)
        return lambda files, options: [
            (clip, fingerprint_of(clip))
            for clip in cropping.run([Request(file, options, "") for file in files])
        ]
    deblur = DeblurNode.load(folder, settings["device"], settings)
    ensemble = EnsembleNode.load(folder, settings["device"], settings)
    second = work is Work.SCORE
    first = deblur.run_clips if second else deblur.run

    def run(files: list[bytes], options: bytes) -> list[Found]:
        clips = first([Request(file, options, "") for file in files])
        fingerprints = [None if second else fingerprint_of(clip) for clip in clips]
        answers = ensemble.run([Request(clip, None, "") for clip in clips])
        return list(zip(answers, fingerprints, strict=True))

    return run


def models_in(folder: Path) -> dict[str, Any]:
    """What results call the models of these weights, read from their headers."""
    deblur, sync, scoring = (
        Checkpoint.load(folder / f"{kind}.safetensors", kind=kind) for kind in ("deblur", "sync", "scoring")
    )
    face = folder / "face.safetensors"
    fitted = scoring.config.get("calibration")
    return {
        "deblur": {"version": deblur.version, "sha256": deblur.sha256},
        "ensemble": {
            "version": scoring.version,
            "sync_sha256": sync.sha256,
            "scoring_sha256": scoring.sha256,
            "face_sha256": Checkpoint.load(face, kind="face").sha256 if face.is_file() else "",
            "calibration": Calibration.from_dict(fitted).name if fitted else "none",
        },
    }


def _listen(connection: Connection, asked: queue.SimpleQueue[tuple[list[bytes], bytes]]) -> None:
    """Pass on what the parent asks. Once it is gone, nobody waits for what is under way."""
    try:
        while True:
            asked.put(connection.recv())
    except (EOFError, OSError):
        os._exit(1)


def _cpu_s() -> float:
    """Seconds of processor time of this process and of the decoders that have ended."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime + decoding_cpu_s()


if __name__ == "__main__":
    main()
