"""``make audit``: what is shipped, under which licences, and whether anything in it is known to be weak.

    python -m archives.audit [--advisories FILE.zip|FOLDER] [--json FILE]

Every pin must have an exact version and hashes. pip-audit asks for known vulnerabilities: the public service,
or, without a network, advisories in OSV's format that were brought along (the export of its ecosystem PyPI).
What could not be looked up is not taken for sound: it is counted, and the command fails.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from archives.inventory import REQUIREMENTS, UnpinnedError, libraries, page_libraries, pins, unlicensed

LOOPBACK = "127.0.0.1"
LOOKUP_S = 10  # for each library, until the network counts as closed


@dataclass(frozen=True)
class Findings:
    """What was looked up of the pins, and what was found: ``name version: id, …``."""

    weak: tuple[str, ...]
    unknown: tuple[str, ...]  # nothing could be learnt of these
    failed: str = ""  # why nothing was learnt at all


Advisories = dict[str, list[dict[str, Any]]]  # by the library's name


def read_advisories(place: Path) -> Advisories:
    """OSV's records for PyPI, a folder or a zip file of JSON files; raises OSError or ValueError."""
    found: Advisories = defaultdict(list)
    for text in _texts(place):
        record = json.loads(text)
        for name in {canonicalize_name(one["package"]["name"]) for one in _affected(record)}:
            found[name].append(record)
    return found


def _texts(place: Path) -> Iterator[bytes]:
    if place.is_dir():
        for path in sorted(place.glob("*.json")):
            yield path.read_bytes()
    else:
        try:
            with zipfile.ZipFile(place) as file:
                for name in file.namelist():
                    if name.endswith(".json"):
                        yield file.read(name)
        except zipfile.BadZipFile as error:
            raise ValueError(f"{place}: {error}") from None


def _affected(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in record.get("affected", ()) if one.get("package", {}).get("ecosystem") == "PyPI"]


def concerns(record: dict[str, Any], name: str, version: str) -> bool:
    """Whether an advisory is about this version: one that it lists, or in one of its ranges."""
    return any(
        version in one.get("versions", ())
        or any(_is_within(ranged["events"], version) for ranged in one.get("ranges", ()) if _counts(ranged))
        for one in _affected(record)
        if canonicalize_name(one["package"]["name"]) == name
    )


def _counts(ranged: dict[str, Any]) -> bool:
    return ranged.get("type") == "ECOSYSTEM"


def _is_within(events: list[dict[str, str]], version: str) -> bool:
    """Whether the last event that is not later than the version leaves it affected."""
    affected = False
    mine = Version(version)
    for event in sorted(events, key=_when):
        ((kind, _),) = event.items()
        at = _when(event)
        if kind == "introduced" and at <= mine:
            affected = True
        elif (kind == "fixed" and at <= mine) or (kind == "last_affected" and at < mine):
            affected = False
    return affected


def _when(event: dict[str, str]) -> Version:
    """The version of an event; 0 stands for the first of all, and what is no version for the last."""
    try:
        return Version(next(iter(event.values())))
    except InvalidVersion:
        return Version("99999!0")


@contextmanager
def answering(advisories: Advisories) -> Iterator[str]:
    """The address, on loopback, of a service that answers as OSV's would, from these advisories."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = canonicalize_name(asked["package"]["name"])
            vulns = [one for one in advisories.get(name, ()) if concerns(one, name, asked["version"])]
            answer = json.dumps({"vulns": vulns} if vulns else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{LOOPBACK}:{server.server_address[1]}/"
        server.shutdown()


def look_up(requirements: Path, service: tuple[str, ...] = ()) -> Findings:
    """Let pip-audit look every pin up; ``service`` are its options for another one than the public."""
    wanted = dict(pins(requirements))
    with tempfile.TemporaryDirectory(prefix="outofsync-audit-") as folder:
        plain = Path(folder) / "pins.txt"  # markers are judged already, hashes are checked
        plain.write_text("".join(f"{name}=={version}\n" for name, version in wanted.items()))
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(plain), "--no-deps"]
        command += ["--disable-pip", "--format", "json", "--progress-spinner", "off"]
        command += ["--timeout", str(LOOKUP_S), *service]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        rows = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        return Findings((), tuple(wanted), failed=said[-1])
    known = {row["name"]: row for row in rows if "skip_reason" not in row}
    weak = [
        f"{name} {row['version']}: {', '.join(vuln['id'] for vuln in row['vulns'])}"
        for name, row in known.items()
        if row["vulns"]
    ]
    return Findings(tuple(weak), tuple(name for name in wanted if canonicalize_name(name) not in known))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requirements", type=Path, default=REQUIREMENTS)
    parser.add_argument("--advisories", type=Path, help="OSV's records, where no network is to be asked")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    say = sys.stdout.write
    try:
        parts = [*libraries(chosen.requirements), *page_libraries()]
        if chosen.advisories:
            with answering(read_advisories(chosen.advisories)) as address:
                findings = look_up(
                    chosen.requirements, ("--vulnerability-service", "osv", "--osv-url", address)
                )
        else:
            findings = look_up(chosen.requirements)
    except (OSError, ValueError, KeyError, UnpinnedError) as error:
        sys.stderr.write(f"audit: {error}\n")
        return 1
    for licence, count in Counter(part.licence or "none stated" for part in parts).most_common():
        names = ", ".join(part.name for part in parts if (part.licence or "none stated") == licence)
        say(f"{count:3} {licence}: {names}\n")
    silent = unlicensed(parts)
    pinned = len(parts) - len(page_libraries())
    say(f"{pinned} pins, all with hashes; {len(silent)} of {len(parts)} parts state no licence\n")
    if findings.unknown:
        say(f"{len(findings.unknown)} of {pinned} pins could not be looked up, so nothing is known of them")
        say(f" ({findings.failed})\n" if findings.failed else f": {', '.join(findings.unknown[:5])} …\n")
        say("without a network, bring OSV's export for PyPI along: make audit ADVISORIES=all.zip\n")
    say("".join(f"known to be weak: {row}\n" for row in findings.weak))
    say(f"{pinned - len(findings.unknown)} pins looked up, {len(findings.weak)} known to be weak\n")
    if chosen.json:
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        found = {
            "pins": pinned,
            "weak": findings.weak,
            "unknown": findings.unknown,
            "licences": {part.purl: part.licence for part in parts},
        }
        chosen.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 1 if findings.weak or findings.unknown or silent else 0


if __name__ == "__main__":
    sys.exit(main())
