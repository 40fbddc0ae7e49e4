"""Catalogues of videos, scored on one machine or on many with the engine that the service uses.

The way of a video: listed (:mod:`inventory`), read and known by its content (:mod:`reading`, :mod:`stages`),
decoded and scored in a process that may die of it (:mod:`backends`), written down once (:mod:`store`).
"""

from __future__ import annotations
