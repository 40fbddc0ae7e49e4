"""What reads what strangers wrote, as functions of bytes, each with how it may refuse them."""

from __future__ import annotations

import asyncio
import io
import json
import pickle
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

import outofsync_client
from gateway.errors import EdgeError
from gateway.form import Form
from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync.clip import Clip, Track
from outofsync.errors import OutOfSyncError
from outofsync.frames import JpegFrames
from outofsync.limits import Limits
from outofsync.media.containers import check_file, transport_packets
from outofsync.media.cut_start import header_before
from outofsync.options import Options
from outofsync_client import Result, UnexpectedAnswerError
from outofsync_client.protocol.answers import error_in
from outofsync_import.pickles import read_estimator, read_state_dict
from samples.malformed.corpus import CORPUS, SECONDS, SIDE
from samples.malformed.footage import Footage

FACE = 224  # px
BOUNDARY = b"boundary7MA4YWxk"
PIECES = (1, 7, 1 << 16)  # bytes in which a form may arrive
HEAD = 4096  # bytes of a file that a probe looks at


@dataclass(frozen=True)
class Target:
    """One reader: what it raises for what it refuses, and what it takes. Anything else is a finding."""

    name: str
    read: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...]
    seeds: Callable[[], list[bytes]]
    tokens: tuple[bytes, ...] = ()

    def problem(self, data: bytes) -> str:
        """What is wrong about how it reads this; empty where nothing is."""
        try:
            self.read(data)
        except self.refusals:
            return ""
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""


def _clip(data: bytes) -> None:
    Clip.from_bytes(data).verify()


@cache
def _clips() -> list[bytes]:
    face = np.full((FACE, FACE, 3), 128, np.uint8)
    frames = JpegFrames()
    for _ in range(2):
        frames.append(face)
    sharpness = np.ones(2, np.float32)
    track = Track(0, 0, frames, np.zeros((2, 4), np.float32), sharpness)
    whole = Clip([track], np.zeros(1280, np.int16), options=Options(), request_id="r", media={"width": 1})
    refused = Clip.failed(
        {"code": "too_short", "status": 422, "stage": "decode", "message": "", "hint": "", "request_id": ""}
    )
    return [whole.to_bytes(), Clip([], np.zeros(0, np.int16)).to_bytes(), refused.to_bytes()]


def _options() -> list[bytes]:
    return [
        b"{}",
        json.dumps(Options().to_dict()).encode(),
        b'{"deblur": "always", "mode": "reference", "lam": 0.5, "max_len": 2, "include": ["frames"]}',
        b'{"video_track": 0, "audio_track": 1}',
    ]


def _from_file(reader: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A reader of files, as one of bytes."""

    def read(data: bytes) -> object:
        with tempfile.NamedTemporaryFile(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as file:
            file.write(data)
            file.flush()
            return reader(Path(file.name))

    return read


def _pickles() -> list[bytes]:
    values: list[Any] = [np.arange(9.0), {"mean": np.float64(1.0)}, np.zeros((2, 3), np.int8)]
    made = [pickle.dumps(value, protocol) for value in values for protocol in (0, 2, 4, 5)]
    scaler = (
        b"csklearn.preprocessing._data\nStandardScaler\n)\x81}(X\x05\x00\x00\x00mean_"
        + pickle.dumps(values[0], 2)[2:-1]
        + b"ub."
    )
    return [*made, scaler]


@cache
def _networks() -> list[bytes]:
    found = []
    for zipped in (True, False):
        file = io.BytesIO()
        torch.save({"state_dict": {"weight": torch.ones(2, 2)}}, file, _use_new_zipfile_serialization=zipped)
        found.append(file.getvalue())
    return found


def _checkpoints() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.safetensors"
        Checkpoint("sync", "made", {"channels": 1}, {"weight": torch.ones(2, 2)}).save(path)
        return [path.read_bytes()]


def _probe(data: bytes) -> None:
    check_file(data, Limits())
    if (packets := transport_packets(data)) is not None:
        header_before(data, packets[0])


@cache
def _heads() -> list[bytes]:
    footage = Footage.read(SECONDS, SIDE)
    kinds = ("playlist", "two things at once", "texts", "unusual")
    return [file.make(footage)[:HEAD] for file in CORPUS if file.kind in kinds]


def _answer(data: bytes) -> None:
    """As the client reads it, and then as its callers look at it."""
    try:
        values = json.loads(data)
        if error := error_in(200, values, request_id="id"):
            raise error
        result = Result.from_dict(values)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:  # as it says it does
        raise UnexpectedAnswerError(str(error), status=200) from error
    if not (result.is_fake or result.is_conclusive):
        result.to_json()
    assert len(result.window_times) == max(len(result.delays), len(result.features))


def _answers() -> list[bytes]:
    result = {
        "id": "ab" * 32,
        "verdict": "fake",
        "label": "FAKE",
        "probability_fake": 0.9,
        "score": 1.0,
        "parts": {"synchrony": 0.9},
        "reasons": [{"code": "offset", "message": "The sound is late."}],
        "segments": [{"start": 0.0, "end": 1.0, "track": 0, "score": 1.0, "peak_delay": 3}],
        "tracks": [{"id": 0, "start": 0.0, "end": 1.0, "speaking": True, "box": [0, 0, 1, 1]}],
        "delays": [[0.0] * 31],
        "delays_start": 0.0,
        "media": {"width": 1},
        "timing_ms": {"decode": 1.0},
    }
    error = {
        "error": {
            "code": "busy",
            "status": 503,
            "stage": "request",
            "message": "",
            "hint": "",
            "request_id": "",
        }
    }
    return [json.dumps(value).encode() for value in (result, error)]


def _form(data: bytes) -> None:
    """The first byte decides in which pieces the form arrives."""
    piece = PIECES[data[0] % len(PIECES)] if data else PIECES[0]

    async def body() -> AsyncIterator[bytes]:
        for start in range(1, len(data), piece):
            yield data[start : start + piece]

    async def rewrite() -> None:
        async for _ in Form(f"multipart/form-data; boundary={BOUNDARY.decode()}").rewrite(body()):
            pass

    asyncio.run(rewrite())


def _forms() -> list[bytes]:
    file = b'--%b\r\nContent-Disposition: form-data; name="data"; filename="v"\r\n\r\n\0\1\2\r\n' % BOUNDARY
    options = b'--%b\r\nContent-Disposition: form-data; name="options"\r\n\r\n{}\r\n' % BOUNDARY
    end = b"--%b--\r\n" % BOUNDARY
    return [b"\2" + file + options + end, b"\2preamble\r\n" + file + end, b"\1" + options + end]


JSON_WORDS = (b"null", b"true", b"-1", b"1e999", b"NaN", b"[]", b"{}", b'""', b"\\ud800", b"[" * 2000)
TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target(
            "clip", _clip, (OutOfSyncError,), _clips, (*JSON_WORDS, b"jpeg_sizes", b"tracks", b"__metadata__")
        ),
        Target("options", Options.parse, (OutOfSyncError,), _options, (*JSON_WORDS, b'"lam"', b'"include"')),
        Target(
            "pickle",
            _from_file(read_estimator),
            (CheckpointError,),
            _pickles,
            (b"cos\nsystem\n", b"\x81", b"R", b"b", b"\x93"),
        ),
        Target("network", _from_file(read_state_dict), (CheckpointError,), _networks),
        Target("checkpoint", _from_file(Checkpoint.load), (CheckpointError,), _checkpoints, JSON_WORDS),
        Target(
            "probe",
            _probe,
            (OutOfSyncError,),
            _heads,
            (b"ftyp", b"\x1aE\xdf\xa3", b"RIFF", b"G", b"\0\0\1\xba"),
        ),
        Target(
            "answer",
            _answer,
            (outofsync_client.OutOfSyncError,),
            _answers,
            (*JSON_WORDS, b'"delays"', b'"error"'),
        ),
        Target(
            "form", _form, (EdgeError,), _forms, (b"\r\n", b"--" + BOUNDARY, b"--", b"name=", b'"', b"\0")
        ),
    )
}
