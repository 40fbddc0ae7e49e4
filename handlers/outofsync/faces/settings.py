"""How faces are found and cropped; training and serving must agree on every value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FaceSettings:
    """Lengths in frames of the 25 fps grid unless said otherwise."""

    detect_every: int = 5  # heads move little in 0.2 s; positions in between are interpolated
    search_every: int = 25  # the whole picture; in between, only where the faces are that are followed
    search_margin: float = 0.6  # of a face's box on either side of it
    # Where the faces' surroundings are more of the picture, the whole of it is as cheap.
    largest_region: float = 0.7
    smoothing_span: int = 10  # frames on either side that steady the crop
    lost_after: int = 2  # detections missed in a row before a track ends
    shortest_track: int = 6  # shorter ones cannot be scored: two windows of five frames
    score_threshold: float = 0.9
    overlap: float = 0.3  # least intersection over union of one face between two detections
    smallest_face_px: float = 6.0  # between the eyes and the mouth: a face of about 17 px
    # Side of the crop over the distance between the eyes' and the mouth's middle: the whole face and a
    # margin. Eyes then lie at 34 % and the mouth at 66 % of the crop's height.
    crop_scale: float = 3.2
    # Detection runs on a picture of at most / at least this longer side (px).
    detect_side_max: int = 512
    detect_side_min: int = 256
    most_track_frames: int = 30_000  # over all tracks of a video: bounds memory and work

    @property
    def lookahead(self) -> int:
        """Frames that must have arrived after one before it can be cropped."""
        return max(self.smoothing_span, self.lost_after * self.detect_every) + self.detect_every
