"""One person, drawn once and then moved frame by frame."""

import cv2
import numpy as np
from numpy.typing import NDArray

from samples.head.body import backdrop, body
from samples.head.canvas import Canvas, Image, Pixels, encoded, mixed, smoothstep
from samples.head.expression import Expression
from samples.head.eyes import EyePainter
from samples.head.glasses import with_glasses
from samples.head.hair import back_hair, ears, scalp, strands
from samples.head.identity import Identity
from samples.head.light import lit
from samples.head.mouth import Lips, MouthPainter
from samples.head.pose import Pose, Turner
from samples.head.relief import outline, relief
from samples.head.skin import skin

SUPERSAMPLING = 1.5  # canvas pixels a pixel of the picture


class Portrait:
    """The layers of a person's picture: backdrop, body, head; and what moves them."""

    def __init__(self, who: Identity, size: int, rng: np.random.Generator) -> None:
        """Args: size: width and height of the pictures in pixels, a multiple of 4."""
        pixels = round(size * SUPERSAMPLING)
        self._size = size
        self._canvas = canvas = Canvas(
            pixels, who.size * pixels, (who.centre[0] * pixels, who.centre[1] * pixels)
        )
        height = relief(who, canvas)
        light = lit(who, canvas, height)
        face = skin(who, canvas, light, rng)
        frame = np.zeros((pixels, pixels), np.float32)
        if who.glasses:
            face, frame = with_glasses(face, who, canvas, rng)
        self._face = encoded(face)
        self._frame = (frame * 255).astype(np.uint8)
        self._frame_colour = encoded(
            np.full((1, 1, 3), rng.uniform(0.005, 0.12), np.float32) * light.diffuse.mean()
        )
        self._around, self._cover = self._hair_and_edges(who, rng)
        self._expression = Expression(who, canvas)
        self._mouth = MouthPainter(who, canvas, light.diffuse, rng)
        self._eyes = [EyePainter(who, canvas, light.diffuse, side, rng) for side in (-1, 1)]
        self._turner = Turner(who, canvas, height, size)
        self._body = self._lower_layer(who, rng)
        self._backdrop = encoded(backdrop(size, rng)).astype(np.float32)

    def frame(self, lips: Lips, pose: Pose, *, shut: float, brows: float, gaze: tuple[float, float]) -> Image:
        """The picture, (size, size, 3) 0–255 under a gamma of 2.

        Args:
            lips: The mouth.
            pose: Of the head.
            shut: Of the eyes: 0 open – 1 shut.
            brows: 1 raised.
            gaze: Right and down, −1–1.
        """
        canvas = self._moved_face(lips, brows, shut, gaze)
        head = cv2.remap(canvas, *self._turner.head(pose), cv2.INTER_LINEAR)
        below = cv2.remap(
            self._body, *self._turner.body(pose), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        picture = self._backdrop
        for layer in (below, head):
            picture = mixed(picture, layer[..., :3].astype(np.float32), layer[..., 3] * np.float32(1 / 255))
        return picture

    def _moved_face(self, lips: Lips, brows: float, shut: float, gaze: tuple[float, float]) -> Pixels:
        """The canvas of the head layer, (pixels, pixels, 4), with this expression."""
        rows, columns = self._expression.window
        canvas = np.dstack((self._face, self._cover[0]))
        where = self._expression.source(lips, brows)
        canvas[rows, columns] = cv2.remap(
            canvas[rows, columns], *where, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        self._mouth.paint(canvas, lips)
        for eye in self._eyes:
            eye.paint(canvas, shut=shut, gaze=gaze)
        return self._under_hair(canvas)

    def _under_hair(self, canvas: Pixels) -> Pixels:
        """The canvas under spectacles and hair, which do not move with the skin."""
        if self._frame.any():
            _lay(canvas, self._frame_colour, self._frame)
        _lay(canvas, self._around, self._cover[1])
        canvas[..., 3] = np.maximum(canvas[..., 3], self._cover[2])
        return canvas

    def _hair_and_edges(self, who: Identity, rng: np.random.Generator) -> tuple[Pixels, list[Pixels]]:
        """Colour of hair and ears; coverage by the face, by them over it, and by them in all."""
        canvas = self._canvas
        edge = 1.5 / canvas.unit
        inside = smoothstep(edge, -edge, np.abs(canvas.u) - outline(who, canvas.v))
        hair = scalp(who, canvas, rng)
        ear, shade = ears(canvas)
        flesh = who.skin * (who.ambient + 0.7 * who.light_colour) * shade[..., None]
        hairy = hair / np.maximum(np.maximum(hair, ear), 1e-3)
        around = mixed(np.asarray(flesh, np.float32), strands(who, canvas, rng), hairy)
        whole = np.maximum(hair, ear)
        over = np.maximum(hair, ear * (1 - inside)) / np.maximum(np.maximum(inside, whole), 1e-3)
        covers = [(cover * 255).astype(np.uint8) for cover in (inside, over, whole)]
        return encoded(around), covers

    def _lower_layer(self, who: Identity, rng: np.random.Generator) -> Pixels:
        """Body and the hair behind it, (pixels, pixels, 4)."""
        canvas = self._canvas
        colour, cover = body(who, canvas, rng)
        behind = back_hair(who, canvas, rng)
        if who.hair_length >= 1:
            falls = strands(who, canvas, rng) * 0.6
            in_front = behind * smoothstep(0.62, 0.8, np.abs(canvas.u))
            colour = mixed(mixed(falls, colour, cover), falls, in_front)
        return np.dstack((encoded(colour), (np.maximum(cover, behind) * 255).astype(np.uint8)))


def _lay(canvas: Pixels, over: NDArray[np.uint8], cover: NDArray[np.uint8]) -> None:
    """Lay `over` upon the colours of `canvas` in place, with `cover` (h, w) of 255."""
    touched = cv2.boundingRect(cover)
    rows, columns = slice(touched[1], touched[1] + touched[3]), slice(touched[0], touched[0] + touched[2])
    source = over if over.shape[0] == 1 else over[rows, columns]
    alpha = cover[rows, columns, None].astype(np.uint16)
    under = canvas[rows, columns, :3].astype(np.uint16)
    canvas[rows, columns, :3] = (under * (255 - alpha) + source.astype(np.uint16) * alpha + 127) // 255
