"""How skin follows the mouth and the brows: where each point of the moved face came from."""

import cv2
import numpy as np

from samples.head.canvas import Canvas, Image, bump, smoothstep
from samples.head.identity import Identity
from samples.head.mouth import Lips, edges, lips_of

COARSENESS = 3  # canvas pixels a node of the map


class Expression:
    """The map from a moved face to the face at rest."""

    def __init__(self, who: Identity, canvas: Canvas) -> None:
        self._who = who
        self.window = canvas.window(-1.15, -0.75, 1.15, who.chin + 0.5)
        rows, columns = self.window
        size = ((columns.stop - columns.start) // COARSENESS, (rows.stop - rows.start) // COARSENESS)
        self._full = (columns.stop - columns.start, rows.stop - rows.start)
        self._unit = np.float32(canvas.unit)
        self._u = np.asarray(
            cv2.resize(canvas.u[self.window], size, interpolation=cv2.INTER_AREA), np.float32
        )
        self._v = np.asarray(
            cv2.resize(canvas.v[self.window], size, interpolation=cv2.INTER_AREA), np.float32
        )
        down, right = np.mgrid[0 : self._full[1], 0 : self._full[0]].astype(np.float32)
        self._right, self._down = right, down
        self._rest = lips_of(who, jaw=0, gap=0, spread=0, pucker=0, tongue=0, tuck=0)
        self._brow = sum(bump(self._u, self._v, (side * 0.45, -0.36), (0.42, 0.17)) for side in (-1, 1))
        self._near_mouth = bump(self._u, self._v, (0, who.mouth_height + 0.04), (0.62, 0.42))

    def source(self, lips: Lips, brows: float) -> tuple[Image, Image]:
        """Columns and rows at rest of every pixel of the moved window, as `cv2.remap` takes them."""
        rise = self._lips_and_jaw(lips) + 0.07 * np.float32(brows) * self._brow
        stretch = lips.half_width / self._rest.half_width - 1
        inward = -np.float32(0.85 * stretch) * self._u * self._near_mouth
        return self._grown(inward, self._right), self._grown(rise, self._down)

    def _grown(self, shift: Image, base: Image) -> Image:
        fine = cv2.resize(
            np.asarray(shift * self._unit, np.float32), self._full, interpolation=cv2.INTER_LINEAR
        )
        return np.asarray(base + fine, np.float32)

    def _lips_and_jaw(self, lips: Lips) -> Image:
        """By how much the point at rest lies below each point of the moved face, in face units.

        Column by column the map is pinned to the lips, above and below, and to the dropping jaw; the skin
        between nose and throat stretches to meet these pins.
        """
        middle = self._who.mouth_height
        now = edges(lips, middle, self._u[0])
        rest = edges(self._rest, middle, self._u[0])
        aside = smoothstep(1.0, 0.25, np.abs(self._u[0]))
        upper_now = 0.6 * now.outer_upper + 0.4 * now.inner_upper
        upper_shift = (0.6 * rest.outer_upper + 0.4 * rest.inner_upper - upper_now) * aside
        lower_now = 0.6 * now.outer_lower + 0.4 * now.inner_lower
        lower_shift = (0.6 * rest.outer_lower + 0.4 * rest.inner_lower - lower_now) * aside
        jaw = -np.float32(0.8 * lips.jaw + 0.15 * lips.drop) * smoothstep(1.02, 0.5, np.abs(self._u[0]))
        top = middle - 0.36
        chin = self._who.chin + lips.jaw * 0.8
        above = upper_shift * smoothstep(0, 1, np.clip((self._v - top) / (upper_now - top), 0, 1))
        across = np.clip((self._v - upper_now) / np.maximum(lower_now - upper_now, 0.02), 0, 1)
        lips_between = upper_shift + (lower_shift - upper_shift) * across
        below = np.clip((self._v - lower_now) / np.maximum(chin - 0.22 - lower_now, 0.1), 0, 1)
        under = lower_shift + (jaw - lower_shift) * smoothstep(0, 1, below)
        throat = smoothstep(chin + 0.4, chin + 0.1, self._v)
        return np.asarray(
            np.where(self._v < upper_now, above, np.where(across < 1, lips_between, under * throat)),
            np.float32,
        )
