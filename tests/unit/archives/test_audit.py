"""Pins are looked up, licences are stated, and the bill of materials names what lies beside it."""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from jsonschema import Draft7Validator  # type: ignore[import-untyped]
from pretended_torchserve import write_archive
from referencing import Registry, Resource

from archives import audit
from archives.bill import bill_name, write_bill
from archives.inventory import UnpinnedError, libraries, page_libraries, pins, unlicensed

SCHEMAS = ("bom-1.6.SNAPSHOT.schema.json", "spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json")
HASH = f"--hash=sha256:{'0' * 64}"
RANGED = {
    "package": {"ecosystem": "PyPI", "name": "Click"},
    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9.0"}]}],
}
LISTED = {"package": {"ecosystem": "PyPI", "name": "rich"}, "versions": ["15.0.0"]}


def advisory(identity: str, *affected: dict[str, Any]) -> dict[str, Any]:
    return {"id": identity, "modified": "2026-01-01T00:00:00Z", "affected": list(affected)}


def audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit code of the audit of two pins."""
    requirements = tmp_path / "pins.txt"
    requirements.write_text(
        f"click==8.5.1 \\\n    {HASH}\nrich==15.0.0 {HASH}\nwinonly==1.0 ; sys_platform == 'win32' {HASH}\n"
    )
    monkeypatch.setattr(sys, "argv", ["audit", "--requirements", str(requirements), *words])
    return audit.main()


def advisories(tmp_path: Path, *records: dict[str, Any]) -> Path:
    place = tmp_path / "all.zip"
    with zipfile.ZipFile(place, "w") as file:
        for record in records:
            file.writestr(f"{record['id']}.json", json.dumps(record))
    return place


def test_a_pin_that_is_known_to_be_weak_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = advisories(tmp_path, advisory("PYSEC-2026-1", RANGED), advisory("PYSEC-2026-2", LISTED))
    report = tmp_path / "results" / "audit.json"
    assert audited(tmp_path, monkeypatch, "--advisories", str(place), "--json", str(report)) == 1
    printed = capsys.readouterr().out
    assert "known to be weak: click 8.5.1: PYSEC-2026-1" in printed
    assert "known to be weak: rich 15.0.0: PYSEC-2026-2" in printed
    assert "2 pins looked up, 2 known to be weak" in printed
    assert json.loads(report.read_text())["unknown"] == []


def test_sound_pins_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed = {**RANGED, "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "8.5.1"}]}]}
    place = advisories(tmp_path, advisory("PYSEC-2026-1", fixed))
    assert audited(tmp_path, monkeypatch, "--advisories", str(place)) == 0
    assert "2 pins looked up, 0 known to be weak" in capsys.readouterr().out


def test_what_cannot_be_looked_up_is_not_taken_for_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    requirements = tmp_path / "pins.txt"
    requirements.write_text(f"click==8.5.1 {HASH}\n")
    nobody = "http://127.0.0.1:9/"
    closed = audit.look_up(requirements, ("--vulnerability-service", "osv", "--osv-url", nobody))
    assert closed.unknown == ("click",)
    assert closed.failed
    monkeypatch.setattr(audit, "look_up", lambda _: closed)
    assert audited(tmp_path, monkeypatch) == 1
    assert "1 of 2 pins could not be looked up, so nothing is known of them" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("events", "version", "affected"),
    [
        ([{"introduced": "1.0"}], "0.9", False),
        ([{"introduced": "1.0"}], "1.0", True),
        ([{"introduced": "1.0"}, {"last_affected": "2.0"}], "2.0", True),
        ([{"introduced": "1.0"}, {"last_affected": "2.0"}], "2.0.1", False),
        ([{"introduced": "0"}, {"fixed": "1.0"}, {"introduced": "2.0"}, {"fixed": "2.1"}], "1.5", False),
        ([{"introduced": "0"}, {"fixed": "1.0"}, {"introduced": "2.0"}, {"fixed": "2.1"}], "2.0.3", True),
    ],
)
def test_ranges_are_read_as_osv_means_them(
    events: list[dict[str, str]], version: str, *, affected: bool
) -> None:
    package = {"ecosystem": "PyPI", "name": "click"}
    record = advisory("X", {"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]})
    assert audit.concerns(record, "click", version) is affected


@pytest.mark.parametrize("line", ["click>=8\n", "click==8.5.1\n", f"click>=8 {HASH}\n"])
def test_a_pin_without_version_or_hash_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "pins.txt").write_text(line)
    with pytest.raises(UnpinnedError, match="click"):
        list(pins(tmp_path / "pins.txt"))


def test_everything_that_is_shipped_states_its_licence() -> None:
    assert not unlicensed([*libraries(), *page_libraries()])


def test_the_bill_is_what_scanners_read_and_the_same_each_time(tmp_path: Path) -> None:
    archive = tmp_path / "ensemble.mar"
    write_archive(archive, "ensemble", "1.0")
    target = tmp_path / bill_name(None)
    write_bill([archive], target)
    first = target.read_bytes()
    write_bill([archive], target)
    assert target.read_bytes() == first
    bill = json.loads(first)
    schemas = resources.files("cyclonedx.schema._res")
    found = {name: json.loads((schemas / name).read_text()) for name in SCHEMAS}
    places = {urljoin(found[SCHEMAS[0]]["$id"], name): schema for name, schema in found.items()}
    registry: Registry[Any] = Registry().with_resources(
        (place, Resource.from_contents(schema)) for place, schema in places.items()
    )
    Draft7Validator(found[SCHEMAS[0]], registry=registry).validate(bill)
    named = {one["name"]: one for one in bill["components"]}
    sums = [{"alg": "SHA-256", "content": hashlib.sha256(archive.read_bytes()).hexdigest()}]
    assert named["ensemble.mar"]["hashes"] == sums
    assert [one["name"] for one in named["ensemble.mar"]["components"]] == ["weights.safetensors"]
    assert named["torchserve"]["purl"] == "pkg:pypi/torchserve@0.12.0"
    assert named["preact"]["licenses"]
