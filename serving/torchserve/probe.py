"""A made-up clip that goes through the whole workflow before a server is called ready.

``mode=reference`` judges whole pictures, so that every network runs although no face is to be seen.
"""

from __future__ import annotations

import io
import json

import av
import numpy as np
import requests

from outofsync.constants import FACE_SIZE, FRAME_RATE, SAMPLE_RATE, SAMPLES_PER_FRAME
from serving.settings import ServeError
from serving.torchserve.management import OK, WORKFLOW

FRAMES = 10  # six windows: enough to be judged, and quick with the largest networks
OPTIONS = {"mode": "reference", "deblur": "always"}


def probe_clip() -> bytes:
    """Moving noise with sound, as mp4."""
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (FACE_SIZE, FACE_SIZE, 3), np.uint8)
    sound = random.normal(0, 3000, (1, FRAMES * SAMPLES_PER_FRAME)).astype(np.int16)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        video = container.add_stream("mpeg4", rate=FRAME_RATE)
        video.width = video.height = FACE_SIZE
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for shift in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, 4 * shift, axis=1), format="rgb24")
            container.mux(video.encode(frame))
        samples = av.AudioFrame.from_ndarray(sound, format="s16", layout="mono")
        samples.sample_rate = SAMPLE_RATE
        container.mux(audio.encode(samples))
        for stream in (video, audio):
            container.mux(stream.encode(None))
    return file.getvalue()


def probe_workflow(url: str, token: str, *, timeout: float) -> None:
    """Raises :class:`ServeError` unless the workflow judges the clip."""
    form: dict[str, tuple[str | None, str | bytes]] = {
        "data": ("probe.mp4", probe_clip()),
        "options": (None, json.dumps(OPTIONS)),
    }
    with requests.Session() as session:
        session.trust_env = False
        try:
            response = session.post(
                f"{url}/wfpredict/{WORKFLOW}",
                headers={"Authorization": f"Bearer {token}"},
                files=form,
                timeout=timeout,
            )
            answer = response.json()
        except (requests.RequestException, ValueError) as error:
            raise ServeError(f"the workflow did not answer the probe clip: {error}") from None
    if response.status_code != OK or "verdict" not in answer:
        raise ServeError(f"the workflow failed on the probe clip: {response.text.strip()}")
