"""A worker's bounds, set in processes of the test's own: they cannot be taken back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HANDLERS = Path(__file__).parents[3] / "handlers"


def limited(settings: str, then: str, *, on_gpu: bool = False) -> subprocess.CompletedProcess[str]:
    script = f"from rlimits import apply_rlimits\napply_rlimits({settings}, on_gpu={on_gpu})\n{then}"
    return subprocess.run([sys.executable, "-c", script], cwd=HANDLERS, capture_output=True, text=True)


LIMITS = "import resource as r; print(r.getrlimit(r.RLIMIT_AS)[0], r.getrlimit(r.RLIMIT_NOFILE)[1])"


def test_limits_are_set_for_good() -> None:
    done = limited("{'address_space_gib': 2, 'open_files': 64}", LIMITS)
    assert done.stdout.split() == [str(2 * 1024**3), "64"]


def test_more_memory_than_allowed_is_an_error_not_a_death() -> None:
    done = limited(
        "{'address_space_gib': 1}",
        "try: bytearray(2 * 1024**3)\nexcept MemoryError: print('refused')",
    )
    assert done.stdout == "refused\n"


def test_a_graphics_card_needs_all_the_address_space_it_wants() -> None:
    done = limited("{'address_space_gib': 2, 'open_files': 64}", LIMITS, on_gpu=True)
    assert done.stdout.split() == ["-1", "64"]


def test_no_core_and_no_file_for_others_to_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    done = limited(
        "{}", f"import resource as r; print(r.getrlimit(r.RLIMIT_CORE)); open({str(path)!r}, 'w').close()"
    )
    assert done.stdout == "(0, 0)\n"
    assert path.stat().st_mode & 0o077 == 0


def test_a_setting_that_is_not_known_stops_the_worker() -> None:
    done = limited("{'colour': 1}", "")
    assert "unknown settings of a worker: ['colour']" in done.stderr


@pytest.mark.parametrize("name", ["open_files", "processes"])
def test_none_is_no_limit(name: str) -> None:
    assert limited(f"{{{name!r}: None}}", "print('fine')").stdout == "fine\n"
