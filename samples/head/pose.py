"""Turning a relief: where each pixel of the picture finds its point of the canvas."""

from dataclasses import dataclass

import cv2
import numpy as np

from samples.head.canvas import Canvas, Image, smoothstep
from samples.head.identity import Identity

COARSENESS = 4  # pixels a node of the map
PIVOT_DEPTH = 0.25  # of the axis about which a head turns, before the plane of its outline
SHOULDERS, THROAT = 2.5, 1.2  # heights between which the body stops to follow the head


@dataclass(frozen=True)
class Pose:
    """Angles in radians, positive to the right of the picture, down, clockwise; shifts in face units."""

    yaw: float
    pitch: float
    roll: float
    shift_x: float
    shift_y: float
    scale: float


class Turner:
    """Maps of a head and its body, for pictures of `size` pixels on a side."""

    def __init__(self, who: Identity, canvas: Canvas, height: Image, size: int) -> None:
        """Args: height: (h, w) the relief of the face, in face units."""
        self._canvas, self._size = canvas, size
        nodes = size // COARSENESS
        smooth = canvas.blurred(height, 0.06)
        self._height = np.asarray(
            cv2.resize(smooth, (nodes, nodes), interpolation=cv2.INTER_AREA), np.float32
        )
        self._u = np.asarray(cv2.resize(canvas.u, (nodes, nodes), interpolation=cv2.INTER_AREA), np.float32)
        self._v = np.asarray(cv2.resize(canvas.v, (nodes, nodes), interpolation=cv2.INTER_AREA), np.float32)
        self._node = np.float32(canvas.pixels / canvas.unit / nodes)  # face units between nodes
        self._neck = np.float32(who.chin - 0.3)
        self._follows = smoothstep(SHOULDERS, THROAT, self._v)

    def head(self, pose: Pose) -> tuple[Image, Image]:
        """Columns and rows of the canvas for every pixel of the picture, as `cv2.remap` takes them."""
        x, y = self._upright(pose)
        u, v = x, y
        for _ in range(2):  # the height belongs to the point sought, which a second look finds closely enough
            depth = self._height_at(u, v) - np.float32(PIVOT_DEPTH)
            u = (x - depth * np.float32(np.sin(pose.yaw))) / np.float32(np.cos(pose.yaw))
            v = (y - depth * np.float32(np.sin(pose.pitch))) / np.float32(np.cos(pose.pitch))
        return self._columns_and_rows(u, v)

    def body(self, pose: Pose) -> tuple[Image, Image]:
        """The same for the body, which follows the head at the throat and rests at the shoulders."""
        x, y = self._upright(pose)
        v_of_throat = np.float32(0.1 * np.sin(pose.pitch))
        return self._columns_and_rows(
            self._u + self._follows * (x - self._u), self._v + self._follows * (y - v_of_throat - self._v)
        )

    def _upright(self, pose: Pose) -> tuple[Image, Image]:
        """The grid of the picture after undoing shift, scale and roll, in face units about the neck."""
        x = (self._u - np.float32(pose.shift_x)) / np.float32(pose.scale)
        y = (self._v - self._neck - np.float32(pose.shift_y)) / np.float32(pose.scale)
        cosine, sine = np.float32(np.cos(pose.roll)), np.float32(np.sin(pose.roll))
        return cosine * x + sine * y, cosine * y - sine * x + self._neck

    def _height_at(self, u: Image, v: Image) -> Image:
        column, row = (u - self._u[0, 0]) / self._node, (v - self._v[0, 0]) / self._node
        return np.asarray(cv2.remap(self._height, column, row, cv2.INTER_LINEAR), np.float32)

    def _columns_and_rows(self, u: Image, v: Image) -> tuple[Image, Image]:
        canvas, full = self._canvas, (self._size, self._size)
        columns = cv2.resize(u * np.float32(canvas.unit) + np.float32(canvas.origin[0]), full)
        rows = cv2.resize(v * np.float32(canvas.unit) + np.float32(canvas.origin[1]), full)
        return np.asarray(columns, np.float32), np.asarray(rows, np.float32)
