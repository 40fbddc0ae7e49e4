"""What cameras, editors and web sites do to a face, genuine or not: the same through a clip.

Generated faces come from glossy pages and genuine ones from vlogs and talks; a network that sees both as they
came learns the difference between the pages. So every clip is degraded at random before it is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from outofsync.frames import Frames

Random = np.random.Generator


@dataclass(frozen=True)
class Degradation:
    """One way of losing detail; None where a step is left out."""

    scale: float | None = None  # side kept
    blur: float | None = None  # px
    sharpen: float | None = None  # strength of unsharp masking
    noise: float | None = None  # standard deviation, of 255
    jpeg: int | None = None  # quality

    @classmethod
    def drawn(cls, random: Random) -> Degradation:
        """Each step now and then."""

        def now_and_then(chance: float, low: float, high: float) -> float | None:
            return float(random.uniform(low, high)) if random.uniform() < chance else None

        quality = now_and_then(0.7, 25, 92)
        return cls(
            scale=now_and_then(0.55, 0.3, 0.9),
            blur=now_and_then(0.2, 0.4, 1.6),
            sharpen=now_and_then(0.2, 0.3, 1.5),
            noise=now_and_then(0.3, 1.0, 8.0),
            jpeg=None if quality is None else round(quality),
        )

    def apply(self, frames: Frames, random: Random) -> Frames:
        """(frames, side, side, 3) → the same."""
        return np.stack([self._applied(frame, random) for frame in frames])

    def _applied(self, frame: Frames, random: Random) -> Frames:
        side = frame.shape[0]
        if self.scale is not None:
            small = max(32, round(side * self.scale))
            frame = np.asarray(cv2.resize(frame, (small, small), interpolation=cv2.INTER_AREA), np.uint8)
        if self.blur is not None:
            frame = np.asarray(cv2.GaussianBlur(frame, (0, 0), self.blur), np.uint8)
        if self.sharpen is not None:
            soft = cv2.GaussianBlur(frame, (0, 0), 1.2)
            sharp = cv2.addWeighted(frame, 1 + self.sharpen, soft, -self.sharpen, 0)
            frame = np.asarray(sharp, np.uint8)
        if self.noise is not None:
            grain = random.normal(0, self.noise, frame.shape[:2])
            frame = np.clip(frame + grain[..., None], 0, 255).astype(np.uint8)
        if self.jpeg is not None:
            coded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, self.jpeg])[1]
            frame = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
        if frame.shape[0] != side:
            frame = np.asarray(cv2.resize(frame, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)
        return frame


def colour_jitter(frames: Frames, random: Random) -> Frames:
    """Gamma, contrast, brightness and white balance, the same for all of (frames, side, side, 3)."""
    levels = np.arange(256, dtype=np.float32) / 255
    gain = random.uniform(0.8, 1.2) * random.uniform(0.93, 1.07, 3)
    curve = 255 * levels ** random.uniform(0.75, 1.3)
    lift = random.uniform(-20, 20)
    table = np.stack([(curve - 110) * each + 110 + lift for each in gain], -1)
    table = np.clip(np.rint(table), 0, 255).astype(np.uint8)
    return np.stack([table[frames[..., channel], channel] for channel in range(3)], -1)


def random_affine(frames: Frames, random: Random) -> Frames:
    """Shift, scale, turn and mirror, the same for all of (frames, side, side, 3), as crops differ by face."""
    side = frames.shape[1]
    middle = (side / 2, side / 2)
    matrix = cv2.getRotationMatrix2D(middle, random.uniform(-8, 8), random.uniform(0.9, 1.15))
    matrix[:, 2] += random.uniform(-0.045, 0.045, 2) * side
    if random.uniform() < 0.5:
        matrix = np.hstack([-matrix[:, :1], matrix[:, 1:2], matrix[:, 2:] + matrix[:, :1] * (side - 1)])
    warped = [
        cv2.warpAffine(frame, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for frame in frames
    ]
    return np.stack(warped).astype(np.uint8, copy=False)
