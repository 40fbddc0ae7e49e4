"""Light on a relief: a soft key light, the sky, shadows in the hollows, and the glow of blood under skin."""

from dataclasses import dataclass

import numpy as np

from samples.head.canvas import Canvas, Image
from samples.head.identity import Identity


@dataclass(frozen=True)
class Lit:
    """Light on each pixel: `diffuse` (h, w, 3) to multiply an albedo with, `shine` (h, w) to add."""

    diffuse: Image
    shine: Image


def lit(who: Identity, canvas: Canvas, height: Image, *, roughness: float = 18.0) -> Lit:
    """The light of `who`'s room on a relief `height` (h, w) in face units."""
    slope_u = np.gradient(height, axis=1) * canvas.unit
    slope_v = np.gradient(height, axis=0) * canvas.unit
    length = np.sqrt(slope_u**2 + slope_v**2 + 1)
    right, down, out = who.light
    facing = (-slope_u * right - slope_v * down + out) / length
    key = np.clip((facing + 0.25) / 1.25, 0, None)
    sky = 0.75 + 0.25 * (slope_v / length)
    hollow = np.clip(canvas.blurred(height, 0.14) - height, 0, None)
    open_sky = np.asarray(sky * np.exp(-4.5 * hollow), np.float32)
    channels = [
        who.ambient[channel] * open_sky
        + who.light_colour[channel]
        * canvas.blurred(np.asarray(key, np.float32), radius)
        * np.exp(-1.8 * hollow)
        for channel, radius in enumerate((0.035, 0.018, 0.010))
    ]
    halfway = np.array((right, down, out + 1)) / np.linalg.norm((right, down, out + 1))
    mirror = np.clip((-slope_u * halfway[0] - slope_v * halfway[1] + halfway[2]) / length, 0, 1)
    return Lit(np.stack(channels, -1).astype(np.float32), np.asarray(mirror**roughness, np.float32))
