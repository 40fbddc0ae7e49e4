"""The sharpest frames of many people, to learn deblurring from, and a small file for them.

    python -m training.frame_pack --clips .cache/clips --output runs/frames.safetensors

Frames of ``train`` to learn from, and those of ``val`` that ``make evaluate`` looks at, for a machine without
the clips or what reads them. The file is safetensors: the JPEGs one after another and their sizes, with names
of sources and splits beside them. The footage is other people's: a pack is for one's own machines, like the
clips it comes from.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from outofsync.deblur.sharpness import sharpness
from outofsync.frames import JpegFrames
from training.blur import Frame

if TYPE_CHECKING:  # reading clips takes libraries that a machine with only a pack may lack
    from training.clips import PreparedClip

SHARP_FACE_PX = 150  # side of the crop in the source; a smaller one was enlarged and has no fine detail
SHARP_ABOVE = 0.16  # by outofsync.deblur.sharpness: what is learnt from must have something to lose
EACH = 6  # frames of a clip that are looked at
MAX_OF_A_SOURCE = 450  # frames of one source
CROWD = 100  # clips; an identity with more of them stands for people whom nobody told apart
MEGABYTES = 20.5  # of frames to train on
VAL_FRAMES = 48


@dataclass(frozen=True)
class PackedFrame:
    """A coded face crop, the collection it comes from and the split of whoever it shows."""

    jpeg: bytes
    source: str
    split: str

    def picture(self) -> Frame:
        """uint8 (side, side, 3) RGB."""
        return JpegFrames.decode(self.jpeg)


@dataclass(frozen=True)
class Candidate:
    """A sharp frame, and what decides whether it is taken."""

    packed: PackedFrame
    person: str
    clip: str
    sharpness: float


def write_pack(path: Path, frames: Sequence[PackedFrame]) -> None:
    """Write the frames in their order."""
    facts = [[frame.source, frame.split] for frame in frames]
    tensors: dict[str, NDArray[np.generic]] = {
        "jpeg": np.frombuffer(b"".join(frame.jpeg for frame in frames), np.uint8),
        "jpeg_sizes": np.array([len(frame.jpeg) for frame in frames], np.int32),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, {"frames": json.dumps(facts)})


def read_pack(path: Path, *, split: str) -> list[PackedFrame]:
    """The frames of one split, in their order."""
    with safe_open(path, framework="numpy") as file:
        facts = json.loads(file.metadata()["frames"])
        data, sizes = file.get_tensor("jpeg").tobytes(), file.get_tensor("jpeg_sizes")
    ends = np.cumsum(sizes, dtype=np.int64)
    return [
        PackedFrame(data[end - size : end], source, of)
        for end, size, (source, of) in zip(ends.tolist(), sizes.tolist(), facts, strict=True)
        if of == split
    ]


def sharp_frames(clip: PreparedClip, each: int) -> list[tuple[Frame, float]]:
    """Of frames (side, side, 3) all over a clip with a large face the sharp ones, and how sharp they are."""
    if float(clip.facts["face_px"]) < SHARP_FACE_PX:
        return []
    store, _ = clip.read()
    found = []
    for index in np.linspace(0, len(store) - 1, min(each, len(store))).astype(int):
        picture = store.read(index, index + 1)
        if (value := float(sharpness(picture)[0])) >= SHARP_ABOVE:
            found.append((picture[0], value))
    return found


def candidates(clips: Sequence[PreparedClip]) -> Iterator[Candidate]:
    """Every sharp frame that may be learnt from."""
    sizes = Counter(clip.facts["identity"] for clip in clips)
    for clip in clips:
        facts = clip.facts
        person = facts["file"] if sizes[facts["identity"]] > CROWD else facts["identity"]
        for picture, value in sharp_frames(clip, EACH):
            packed = PackedFrame(JpegFrames.encode(picture), facts["source"], "train")
            yield Candidate(packed, person, facts["file"], value)


def chosen(
    frames: Iterable[Candidate], max_bytes: int, max_of_a_source: int = MAX_OF_A_SOURCE
) -> list[PackedFrame]:
    """As many as fit: everybody's first frame before anybody's second, each time the sharpest first."""
    ranked = sorted(frames, key=lambda frame: -frame.sharpness)
    # A person's other clips come before more of the same clip.
    ranked = _by_turn(ranked, lambda frame: frame.clip)
    ranked = _by_turn(ranked, lambda frame: frame.person)
    taken, size, packed = Counter[str](), 0, list[PackedFrame]()
    for frame in ranked:
        one = frame.packed
        if taken[one.source] < max_of_a_source and size + len(one.jpeg) <= max_bytes:
            packed.append(one)
            taken[one.source] += 1
            size += len(one.jpeg)
    return packed


def _by_turn(frames: Iterable[Candidate], group: Callable[[Candidate], str]) -> list[Candidate]:
    """The first of every group, then the second of every group, and so on; otherwise in their order."""
    turn, numbered = Counter[str](), list[tuple[int, Candidate]]()
    for frame in frames:
        numbered.append((turn[group(frame)], frame))
        turn[group(frame)] += 1
    return [frame for _, frame in sorted(numbered, key=lambda pair: pair[0])]


def val_frames(clips: Iterable[PreparedClip], count: int) -> list[Frame]:
    """Sharp frames (side, side, 3) of unseen people, at most an eighth of them from any one source."""
    max_of_a_source = max(2, count // 8)
    taken, frames = Counter[str](), list[Frame]()
    for clip in clips:
        source = clip.facts["source"]
        if taken[source] >= max_of_a_source:
            continue
        found = [picture for picture, _ in sharp_frames(clip, 2)]
        frames += found
        taken[source] += len(found)
    return frames[:count]


def selected(clips: Path, megabytes: float = MEGABYTES) -> tuple[list[PackedFrame], list[PackedFrame]]:
    """Of what training.prepare wrote: frames to train on, and frames to look at."""
    from training.clips import prepared

    val = [
        PackedFrame(JpegFrames.encode(frame), "", "val")
        for frame in val_frames(prepared(clips, split="val"), VAL_FRAMES)
    ]
    return chosen(candidates(prepared(clips, split="train")), int(megabytes * 1_000_000)), val


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, default=Path(".cache/clips"))
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--megabytes", type=float, default=MEGABYTES, help="of frames to train on")
    arguments = parser.parse_args()
    train, val = selected(arguments.clips, arguments.megabytes)
    write_pack(arguments.output, train + val)
    for source, count in Counter(frame.source for frame in train).most_common():
        print(f"{count:5d} {source}")
    print(f"{len(train)} to train on, {len(val)} to look at: {arguments.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
