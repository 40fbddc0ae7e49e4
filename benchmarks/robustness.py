"""``make robustness``: what files and calls as people have them come to, and what must not matter.

    python -m benchmarks.robustness [--clips 20] [--shared ../shared] [--json FILE]

Four tables: whole files of the kinds that recorders, phones and editors leave, against the same video
without; calls of the kinds that go wrong, as the tests that hold each; malformed files, against what has to
come of each (samples/malformed); and the drift of offset and probability over clips written in other ways
(benchmarks/drift.py, which goes on where it was cut off). Limits of the drift: offset the same, median change
of probability at most 0.02, largest at most 0.10. Then what is left of a video after every kind of end,
whether answers are the same to the last bit, and what others notice while somebody abuses the service
(benchmarks/abuse.py).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import abuse
from benchmarks.abusers import KINDS
from benchmarks.drift import KEPT, Drift, clips_of, show
from benchmarks.fuzzing.rounds import Fuzzer, Plan
from benchmarks.judge import Judge
from benchmarks.malformed import malformed

ROOT = Path(__file__).resolve().parent.parent
SAME = 0.02  # by which a probability may differ where nothing differs
BASE = "00_base.mp4"
AS_BASE, LIKE_BASE = "as the base", "with the base's label"
JUDGED, NAMED = "judged", "refused with a way out"
# What each shared file has to come to; offsets of those that are made with one.
CASES: dict[str, tuple[str, int | range | None]] = {
    "01_mkv_starts_at_5s.mkv": (AS_BASE, 0),
    "02_mkv_starts_at_1h.mkv": (AS_BASE, 0),
    "04_subtitle_longer_than_video.mkv": (AS_BASE, 0),
    "06_two_sounds_second_has_more_bits.mp4": (AS_BASE, 0),
    "07_dub_is_default.mkv": (JUDGED, None),
    # Both parts, and so two seconds that the base does not show.
    "08_times_start_again.ts": (LIKE_BASE, 0),
    "10_channels_in_opposite_phase.mp4": (AS_BASE, 0),
    # The pixels are the base's, mirrored; a network that learned from faces one way round does not see the
    # same in them, and the probability moves by 0.04.
    "11_mirrored_matrix.mp4": (LIKE_BASE, 0),
    "13_spatial_second_sound.mov": (AS_BASE, 0),
    "15_ts_cut_inside_a_packet.ts": (JUDGED, 0),
    "16_photo_panned_under_narration.mp4": (JUDGED, None),
    "17_sound_2_frames_early.mp4": (AS_BASE, -2),
    "17_sound_2_frames_late.mp4": (AS_BASE, 2),
    "17_sound_3_frames_late.mp4": (AS_BASE, 3),
    "18_ffmpeg_r_23.976.mp4": (AS_BASE, -1),  # its pictures come 57 ms late
    "19_h264_amr.3gp": (AS_BASE, 0),
    "20_240fps.mp4": (JUDGED, range(-1, 1)),  # its coder skips small movements, so that pictures lag
    # The base's first second, with the 512 samples (10.7 ms) before it that DTS's encoder leaves in the file.
    "21_dts_sound.mkv": (LIKE_BASE, range(2)),
    "22_._interview.mp4": (NAMED, None),
}
REAL = ("real", "likely_real")
# Others than these verdicts are right for what shows another voice, or nobody who speaks.
VERDICTS = {
    "07_dub_is_default.mkv": ("fake", "likely_fake"),
    "16_photo_panned_under_narration.mp4": ("inconclusive",),
}
CALLS = (
    "tests/unit/media/test_mistaken.py",
    "tests/unit/gateway/test_form.py",
    "tests/unit/handlers/test_batching.py::test_a_field_that_nobody_knows_is_answered_as_the_gateway_does",
    "tests/unit/client/test_client.py::test_a_key_may_come_with_the_line_end_of_the_file_it_lay_in",
    "tests/unit/client/test_client.py::test_a_file_that_was_read_to_its_end_is_not_sent_as_nothing",
    "tests/unit/client/test_client.py::test_a_file_with_nothing_but_read_will_do",
    "tests/unit/client/test_reports.py::test_the_longest_names_leave_room_for_what_reports_add",
    "tests/unit/client/batch/test_batch.py",
)

# Each looks for a video after another kind of end; and each compares answers to the last bit.
LEFTOVERS = (
    "tests/robustness/server/test_privacy.py",
    "tests/robustness/server/test_full_disk.py::test_nothing_remains_of_a_video_that_found_no_room",
)
DETERMINISM = ("tests/robustness/server/test_determinism.py",)


def is_right(name: str, result: dict[str, Any], base: dict[str, Any]) -> bool:
    """Whether a shared file came to what it has to."""
    wanted, offset = CASES[name]
    if wanted == NAMED or "error" in result:
        return wanted == NAMED and "error" in result and result["error"]["code"] == "unsupported_media"
    if offset is not None and result["offset_frames"] not in (
        offset if isinstance(offset, range) else (offset,)
    ):
        return False
    # Not by the verdict, which a thousandth may change where a video lies beside the edge of two bands.
    if wanted in (AS_BASE, LIKE_BASE) and result["label"] != base["label"]:
        return False
    if wanted == AS_BASE:
        return bool(abs(result["probability_fake"] - base["probability_fake"]) <= SAME)
    return result["verdict"] in VERDICTS.get(name, REAL)


def cases(judge: Judge, folder: Path) -> list[dict[str, Any]]:
    """A row for each shared file; none where there are none."""
    if not folder.is_dir():
        return []
    base = judge.result((folder / BASE).read_bytes())
    rows = []
    for name in CASES:
        result = judge.result((folder / name).read_bytes())
        said = result["error"]["code"] if "error" in result else result["verdict"]
        rows.append({"file": name, "now": said, "right": is_right(name, result, base)})
    return rows


def tried(names: Sequence[str]) -> tuple[int, int]:
    """How many of these tests were run, and how many passed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "calls.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"--junitxml={report}",
            *names,
        ]
        subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
        suite = next(ElementTree.parse(report).iter("testsuite")).attrib
    run = int(suite["tests"]) - int(suite["skipped"])
    return run, run - int(suite["failures"]) - int(suite["errors"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--clips", type=int, default=20, help="of the drift")
    parser.add_argument("--processes", type=int, default=2, help="that judge altered clips")
    parser.add_argument("--kept", type=Path, default=KEPT, help="what is known of the drift already")
    parser.add_argument("--inputs", type=int, default=10_000, help="for parsers; make fuzz tries more")
    parser.add_argument("--mutated", type=int, default=500, help="files for the decoder")
    parser.add_argument("--abuse-seconds", type=float, default=15.0, help="of each kind of abuse")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--checkpoints", type=Path, default=ROOT / "checkpoints")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    judge = Judge(chosen.checkpoints)
    files = cases(judge, chosen.shared / "cases")
    for row in files:
        print(f"{'right' if row['right'] else 'WRONG':<6} {row['file']:<40} {row['now']}")
    print(f"files with the right answer: {sum(row['right'] for row in files)} of {len(files)}", flush=True)
    called, right = tried(CALLS)
    print(f"calls with the right answer: {right} of {called}", flush=True)
    crafted = malformed(judge.result)
    for row in crafted:
        if not row["right"]:
            print(f"WRONG  {row['kind']}: {row['file']:<40} {row['now']}")
    print(f"malformed files with the right answer: {sum(row['right'] for row in crafted)} of {len(crafted)}")
    print(f"decoders that they ended: {dict(judge.decoders) or 0}", flush=True)
    fuzzer = Fuzzer(Plan(inputs=chosen.inputs, files=chosen.mutated))
    fuzzer.round(seed=0)
    print(f"parser inputs tried: {fuzzer.parser_inputs}; mutated files tried: {chosen.mutated}")
    print(f"what these came to: {dict(fuzzer.outcomes)}; findings: {len(fuzzer.found)}", flush=True)
    rows = Drift(chosen.checkpoints, chosen.kept).rows(
        clips_of(chosen.shared, chosen.clips), chosen.processes
    )
    show(rows)
    ended, clean = tried(LEFTOVERS)
    print(f"\nends after which a video was searched for: {ended}; leftovers found: {ended - clean}")
    repeated, same = tried(DETERMINISM)
    print(f"the same answer in company, by other workers, after a restart: {same} of {repeated}", flush=True)
    abused = abuse.measured(list(KINDS), chosen.abuse_seconds)
    abuse.show(abused)
    if chosen.json:
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        found = {
            "files": files,
            "calls": {"tried": called, "right": right},
            "leftovers": {"ends": ended, "found": ended - clean},
            "same": {"tried": repeated, "right": same},
            "abuse": abuse.as_dicts(abused),
            "malformed": crafted,
            "fuzzed": {"inputs": fuzzer.parser_inputs, "files": fuzzer.outcomes, "found": len(fuzzer.found)},
            "drift": [row.to_dict() for row in rows],
        }
        chosen.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
