"""Eyes that blink and look about."""

import numpy as np

from samples.head.canvas import Canvas, Image, Pixels, encoded, mixed, smoothstep
from samples.head.identity import Identity


class EyePainter:
    """Paints one eye of a person upon a canvas; `side` is −1 for the eye on the left of the picture."""

    def __init__(
        self, who: Identity, canvas: Canvas, light: Image, side: int, rng: np.random.Generator
    ) -> None:
        """Args: light: (h, w, 3) diffuse light on the whole canvas."""
        centre = side * who.eye_distance
        self._who, self._side = who, side
        self.window = canvas.window(centre - 0.34, -0.24, centre + 0.34, 0.2)
        self._u = (canvas.u[self.window] - np.float32(centre)) / np.float32(who.eye_width)
        self._v = canvas.v[self.window]
        self._pixel = np.float32(1 / canvas.unit)
        self._light = canvas.blurred(light, 0.12)[self.window]
        self._fibres = canvas.noise(0.02, rng)[self.window]
        self._iris = np.float32(0.096)
        self._relaxed = float(rng.uniform(0.0, 0.12))

    def paint(self, pixels: Pixels, *, shut: float, gaze: tuple[float, float]) -> None:
        """Draw the eye over the skin in `pixels`, (h, w, 3 or more) under a gamma of 2, in place.

        Args:
            pixels: The canvas.
            shut: 0 open – 1 shut.
            gaze: Right and down, −1–1.
        """
        under = np.square(pixels[self.window][..., :3].astype(np.float32) / 255)
        outward = self._u * self._side
        arch = np.clip(1 - np.abs(self._u) ** 2.2, 0, 1) ** 0.8
        tilt = -0.018 * outward
        shut = min(1.0, shut + self._relaxed)
        open_top = tilt - self._who.eye_height * arch * (1 + 0.08 * outward)
        bottom = tilt + self._who.eye_height * 0.68 * arch
        top = open_top + (bottom - open_top) * np.float32(0.96 * shut)

        lid_colour = (
            (self._who.skin * 0.82)
            * self._light
            * (0.66 + 0.28 * np.clip((self._v - open_top) / 0.1, 0, 1))[..., None]
        )
        lid = (
            self._step(self._v - open_top + 0.05)
            * self._step(top - self._v)
            * smoothstep(1.02, 0.85, np.abs(self._u))
        )
        picture = mixed(under, np.asarray(lid_colour, np.float32), lid * min(1.0, 2 * shut))
        ball = self._step(self._v - top) * self._step(bottom - self._v) * (np.abs(self._u) < 1)
        picture = mixed(picture, self._ball(top, gaze), ball)
        picture = picture * self._lines(open_top, top, bottom, outward)[..., None]
        pixels[self.window][..., :3] = encoded(np.asarray(picture, np.float32))

    def _ball(self, top: Image, gaze: tuple[float, float]) -> Image:
        """White, iris, pupil and the light's reflection, linear RGB."""
        x = self._u * np.float32(self._who.eye_width) - np.float32(0.09 * gaze[0])
        y = self._v + np.float32(0.012) - np.float32(0.05 * gaze[1])
        distance = np.sqrt(x * x + y * y)
        white = np.array((0.62, 0.56, 0.53), np.float32) * (1 - 0.45 * self._u**2)[..., None]
        iris = self._who.iris * (0.75 + 0.25 * self._fibres + 4 * distance)[..., None]
        iris = iris * (1 - 0.75 * smoothstep(0.7 * self._iris, self._iris, distance))[..., None]
        ball = mixed(white, np.asarray(iris, np.float32), self._step(self._iris - distance))
        ball = ball * (1 - self._step(np.float32(0.036) - distance))[..., None]
        shadow = 0.35 + 0.65 * smoothstep(0.0, 0.07, self._v - top)
        ball = ball * self._light * shadow[..., None]
        glint_x, glint_y = 0.04 * self._who.light[0], 0.05 * self._who.light[1]
        glint = np.exp(-((x - glint_x) ** 2 + (y - glint_y) ** 2) / 0.016**2)
        return np.asarray(ball + 0.7 * glint[..., None], np.float32)

    def _lines(self, open_top: Image, top: Image, bottom: Image, outward: Image) -> Image:
        """What lashes, the lower rim and the fold of the lid let through, 0–1."""
        within = smoothstep(1.12, 0.9, np.abs(self._u))
        thick = 0.014 + (0.010 if self._who.woman else 0.002) * (1 + outward) + self._pixel * 0.4
        lashes = 0.88 * np.exp(-(((self._v - top + 0.004) / thick) ** 2))
        rim = 0.38 * np.exp(-(((self._v - bottom) / (0.012 + self._pixel * 0.4)) ** 2))
        fold = (
            0.33
            * np.exp(-(((self._v - open_top + 0.062) / 0.016) ** 2))
            * smoothstep(1.2, 0.6, np.abs(self._u))
        )
        return np.asarray(1 - np.clip((lashes + rim) * within + fold, 0, 0.95), np.float32)

    def _step(self, height: Image) -> Image:
        return np.asarray(np.clip(height / (self._pixel * np.float32(1.6)) + 0.5, 0, 1), np.float32)
