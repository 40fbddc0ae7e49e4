"""What deblurring gains on faces of people that no network was trained on, and what it does to sharp ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.clips import PreparedClip
from training.evaluation.judging import Product
from training.evaluation.report import Cell, Table
from training.frame_pack import val_frames
from training.restoration import (
    CLEARLY_LARGE_PX,
    HELD_OUT_SEED,
    KINDS,
    Fidelity,
    Frames,
    fidelity,
    held_out,
    richardson_lucy,
    touched,
    unsharp_mask,
)

SHARP = "none (sharp frames)"


@dataclass(frozen=True)
class DeblurringTask:
    """Sharp frames of these clips, blurred in one way; or, with no kind, what ``auto`` would touch."""

    clips: tuple[PreparedClip, ...]
    kind: str
    frames: int


@dataclass(frozen=True)
class DeblurringRow:
    """Mean PSNR (dB) and SSIM of each remedy for one kind of blur."""

    kind: str
    frames: int
    remedies: dict[str, Fidelity]


def deblurring_row(product: Product, task: DeblurringTask) -> DeblurringRow:
    """Blurred frames as they are and after each remedy, against the sharp ones."""
    frames = val_frames(task.clips, task.frames)
    if not frames:
        return DeblurringRow(task.kind, 0, {})
    if task.kind == SHARP:
        blurred = sharp = np.stack(frames)
    else:
        blurred, sharp = held_out(frames, task.kind, HELD_OUT_SEED)
    remedies: dict[str, Callable[[Frames], Frames]] = {
        "as it is": lambda pictures: pictures,
        "unsharp mask": unsharp_mask,
        "Richardson-Lucy": richardson_lucy,
        "network": product.restorer.restore,
    }
    found = {name: fidelity(remedy(blurred), sharp) for name, remedy in remedies.items()}
    return DeblurringRow(task.kind, len(frames), found)


def tasks_of(clips: Sequence[PreparedClip], frames: int) -> list[DeblurringTask]:
    """A task for each kind of blur, and one for sharp frames."""
    return [DeblurringTask(tuple(clips), kind, frames) for kind in (*KINDS, SHARP)]


def touched_by_auto(product: Product, clips: tuple[PreparedClip, ...]) -> dict[str, Any]:
    """Frames of unblurred clips with large faces that ``deblur=auto`` would restore."""
    large = [clip for clip in clips if float(clip.facts["face_px"]) >= CLEARLY_LARGE_PX]
    restored, total = touched(large, product.restorer.blurry_below)
    return {"clips": len(large), "face_px_at_least": CLEARLY_LARGE_PX, "frames": total, "restored": restored}


def deblurring_table(split: str, rows: Sequence[DeblurringRow], touched: dict[str, Any]) -> Table:
    names = list(rows[0].remedies) if rows else []
    cells: list[tuple[Cell, ...]] = [
        (
            row.kind,
            row.frames,
            *(f"{each.psnr:.2f} dB, {each.ssim:.3f}" for each in row.remedies.values()),
        )
        for row in rows
    ]
    note = (
        "Sharp face crops blurred at random; mean PSNR (60 dB stands for equal) and SSIM against the sharp "
        "ones. Richardson-Lucy undoes one Gaussian blur in linear light, chosen on people trained on. "
        f"`auto` would restore {touched['restored']} of {touched['frames']} frames of {touched['clips']} "
        f"unblurred clips whose faces have at least {touched['face_px_at_least']} px."
    )
    return Table("deblurring", f"Deblurring, `{split}`", ("blur", "frames", *names), cells, note)
