"""Blur as cameras and codecs make it, put on sharp frames: what the deblurring network learns to undo.

Light adds up on the sensor, so defocus and motion are applied to linear light; what happens after the
sensor (scaling, noise, compression) works on the coded values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]  # (height, width, 3) RGB
Light = NDArray[np.float32]  # the same shape, linear, 0 … 1
Random = np.random.Generator

GAMMA = 2.2
_TO_LIGHT: Light = np.power(np.arange(256) / 255, GAMMA).astype(np.float32)
EDGE = cv2.BORDER_REFLECT_101


@dataclass(frozen=True)
class BlurSettings:
    """Ranges that strengths are drawn from; lengths in px of a 224 px face crop."""

    sharp_share: float = 0.15  # frames left as they are, so that the network learns to leave sharp ones alone
    motion: tuple[float, float] = (3.0, 18.0)  # length of the path
    bend: float = 1.2  # largest standard deviation of its change of direction (radians)
    defocus: tuple[float, float] = (0.8, 4.5)  # radius of the disc
    gauss: tuple[float, float] = (0.6, 2.6)  # standard deviation
    shake_turn: float = 0.06  # radians between the first and the last moment of the exposure
    shake_zoom: float = 0.06
    scale: tuple[float, float] = (0.3, 0.8)  # of down- and up-scaling
    scale_share: float = 0.25
    noise: tuple[float, float] = (0.5, 4.0)  # standard deviation, of 255
    noise_share: float = 0.3
    quality: tuple[int, int] = (35, 95)  # JPEG
    compress_share: float = 0.6


def to_light(frame: Frame) -> Light:
    """uint8 (height, width, 3) as the camera coded it → linear float32 0 … 1, the same shape."""
    return np.asarray(_TO_LIGHT[frame])


def from_light(light: Light) -> Frame:
    """Linear float32 (height, width, 3), cut to 0 … 1, → coded uint8 of the same shape."""
    coded = np.power(np.clip(light, 0, 1), np.float32(1 / GAMMA)) * 255 + 0.5
    return coded.astype(np.uint8)


def motion_path(random: Random, length: float, bend: float, moments: int = 24) -> NDArray[np.float64]:
    """A path of the given length (px) around the origin, straight for ``bend`` = 0: (moments, 2)."""
    heading = random.uniform(0, 2 * np.pi) + np.cumsum(random.normal(0, 1, moments)) * bend / np.sqrt(moments)
    steps = np.stack([np.cos(heading), np.sin(heading)], 1) * length / (moments - 1)
    path = np.cumsum(steps, 0)
    centred: NDArray[np.float64] = path - path.mean(0)
    return centred


def path_kernel(path: NDArray[np.float64]) -> Light:
    """The kernel (side, side) of a movement along ``path`` (moments, 2) in px, adding up to one.

    Each moment falls on its four nearest pixels.
    """
    reach = int(np.ceil(abs(path).max())) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    low = np.floor(path).astype(int)
    part = path - low
    for right in (0, 1):
        for down in (0, 1):
            weight = abs(1 - right - part[:, 0]) * abs(1 - down - part[:, 1])
            np.add.at(kernel, (low[:, 1] + down + reach, low[:, 0] + right + reach), weight)
    return np.asarray(kernel / kernel.sum())


def disc_kernel(radius: float) -> Light:
    """A lens out of focus, as a kernel (side, side): a disc whose edge counts by how far it reaches in."""
    reach = int(np.ceil(radius)) + 1
    axis = np.arange(-reach, reach + 1)
    kernel = np.clip(radius + 0.5 - np.hypot(axis[:, None], axis[None]), 0, 1).astype(np.float32)
    return np.asarray(kernel / kernel.sum())


def motion(light: Light, random: Random, settings: BlurSettings) -> Light:
    """Camera or face moved during the exposure, everywhere alike: linear (height, width, 3) → the same."""
    length = random.uniform(*settings.motion)
    kernel = path_kernel(motion_path(random, length, settings.bend * random.uniform() ** 2))
    return _filtered(light, kernel)


def defocus(light: Light, random: Random, settings: BlurSettings) -> Light:
    """A lens out of focus: linear (height, width, 3) → the same."""
    return _filtered(light, disc_kernel(random.uniform(*settings.defocus)))


def gauss(light: Light, random: Random, settings: BlurSettings) -> Light:
    """The blur that many small causes add up to: linear (height, width, 3) → the same."""
    blurred = cv2.GaussianBlur(light, (0, 0), random.uniform(*settings.gauss), borderType=EDGE)
    return np.asarray(blurred, np.float32)


def shake(light: Light, random: Random, settings: BlurSettings) -> Light:
    """The mean of what is seen while the head turns, nears and moves: blur that varies over the picture.

    Linear (height, width, 3) → the same.
    """
    moments = 9
    height, width = light.shape[:2]
    centre = (random.uniform(0, width), random.uniform(0, height))
    path = motion_path(random, random.uniform(0, settings.motion[1] / 2), settings.bend / 2, moments)
    turns = np.rad2deg(random.uniform(-1, 1) * settings.shake_turn) * np.linspace(-0.5, 0.5, moments)
    zooms = 1 + random.uniform(-1, 1) * settings.shake_zoom * np.linspace(-0.5, 0.5, moments)
    total = np.zeros_like(light)
    for shift, turn, zoom in zip(path, turns, zooms, strict=True):
        matrix = cv2.getRotationMatrix2D(centre, float(turn), float(zoom))
        matrix[:, 2] += shift
        total += cv2.warpAffine(light, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=EDGE)
    return np.asarray(total / np.float32(moments))


def rescale(frame: Frame, random: Random, settings: BlurSettings) -> Frame:
    """Sent small, shown large: uint8 (height, width, 3) → the same."""
    height, width = frame.shape[:2]
    scale = random.uniform(*settings.scale)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    up = random.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC])
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=int(up)), np.uint8)


def add_noise(frame: Frame, random: Random, settings: BlurSettings) -> Frame:
    """Sensor noise, mostly the same in the three colours: uint8 (height, width, 3) → the same."""
    level = random.uniform(*settings.noise)
    noise = random.normal(0, level, frame.shape[:2])[..., None] + random.normal(0, level / 2, frame.shape)
    return np.clip(frame + noise + 0.5, 0, 255).astype(np.uint8)


def compress(frame: Frame, random: Random, settings: BlurSettings) -> Frame:
    """Blocks, ringing and coarse colour, by JPEG: the same transform coding as a video's key frames.

    uint8 (height, width, 3) → the same.
    """
    quality = int(random.integers(settings.quality[0], settings.quality[1] + 1))
    _, coded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


OPTICS: tuple[Callable[[Light, Random, BlurSettings], Light], ...] = (motion, defocus, gauss, shake)
OPTICS_SHARES = (0.4, 0.2, 0.2, 0.2)


def blur(frame: Frame, random: Random, settings: BlurSettings | None = None) -> Frame:
    """One frame as a worse camera would have sent it; now and then (``sharp_share``) the frame itself."""
    settings = settings or BlurSettings()
    if random.uniform() < settings.sharp_share:
        return frame
    optics = OPTICS[int(random.choice(len(OPTICS), p=OPTICS_SHARES))]
    frame = from_light(optics(to_light(frame), random, settings))
    if random.uniform() < settings.scale_share:
        frame = rescale(frame, random, settings)
    if random.uniform() < settings.noise_share:
        frame = add_noise(frame, random, settings)
    if random.uniform() < settings.compress_share:
        frame = compress(frame, random, settings)
    return frame


def _filtered(light: Light, kernel: Light) -> Light:
    return np.asarray(cv2.filter2D(light, -1, kernel, borderType=EDGE), np.float32)
