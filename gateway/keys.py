"""API keys: who may ask. ``python -m gateway.keys add|list|revoke|rotate``.

The file holds names and SHA-256 sums, never a key: a key is shown once, when it is made. Keys are 32 random
bytes, so that a plain sum cannot be turned back.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from fcntl import LOCK_EX, flock
from pathlib import Path

from outofsync_client.protocol.private_files import write_private

logger = logging.getLogger("gateway")
PREFIX = "oos_"
SECRET_BYTES = 32
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@")


@dataclass(frozen=True)
class Key:
    """One key, without the key; times in ISO 8601, UTC."""

    name: str
    sha256: str
    created: str
    expires: str | None = None
    revoked: str | None = None

    def is_valid(self, now: datetime) -> bool:
        """Whether it opens anything at this moment."""
        return self.revoked is None and (self.expires is None or now < datetime.fromisoformat(self.expires))

    def state(self, now: datetime) -> str:
        """What a list says of it."""
        if self.revoked:
            return f"revoked {self.revoked}"
        if self.expires is None:
            return "valid"
        return f"valid until {self.expires}" if self.is_valid(now) else f"expired {self.expires}"


class KeyChangeError(Exception):
    """The keys cannot be changed as asked; the message says why."""


class KeyFile:
    """The keys as they are now: the file is read again when it has changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._version: tuple[int, int, int] | None = None
        self._by_digest: dict[str, Key] = {}

    def holder(self, presented: str) -> str | None:
        """The name of the valid key that was presented, None for any other text."""
        self._refresh()
        key = self._by_digest.get(_digest(presented))
        return key.name if key is not None and key.is_valid(datetime.now(UTC)) else None

    def _refresh(self) -> None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._version, self._by_digest = None, {}
            return
        version = (status.st_mtime_ns, status.st_size, status.st_ino)
        if version == self._version:
            return
        self._version = version
        try:
            self._by_digest = {key.sha256: key for key in read(self.path)}
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.error(
                "%s cannot be read (%s); the keys are those of before", self.path, type(error).__name__
            )


def read(path: Path) -> list[Key]:
    """Every key of a file, none where it is missing."""
    try:
        return [Key(**values) for values in json.loads(path.read_text())["keys"]]
    except FileNotFoundError:
        return []


def add(path: Path, name: str, *, days: float | None = None) -> str:
    """Make a key and return it; raises :class:`KeyChangeError` for a name in use or without sense."""
    if not name or not set(name) <= _NAME_CHARACTERS:
        raise KeyChangeError(f"{name!r} is no name: letters, digits and . _ - @ are allowed")
    with _locked(path) as keys:
        if any(key.name == name and key.revoked is None for key in keys):
            raise KeyChangeError(f"{name} has a key already; rotate it, or choose another name")
        return _new_key(keys, name, days)


def revoke(path: Path, name: str) -> None:
    """End a name's keys at once; raises :class:`KeyChangeError` where it has none."""
    with _locked(path) as keys:
        _revoke(keys, name)


def rotate(path: Path, name: str, *, days: float | None = None) -> str:
    """End a name's keys and return a new one; raises :class:`KeyChangeError` where it has none."""
    with _locked(path) as keys:
        _revoke(keys, name)
        return _new_key(keys, name, days)


def _new_key(keys: list[Key], name: str, days: float | None) -> str:
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    now = datetime.now(UTC)
    expires = None if days is None else _stamp(now + timedelta(days=days))
    keys.append(Key(name, _digest(secret), _stamp(now), expires))
    return secret


def _revoke(keys: list[Key], name: str) -> None:
    now = _stamp(datetime.now(UTC))
    places = [place for place, key in enumerate(keys) if key.name == name and key.revoked is None]
    if not places:
        raise KeyChangeError(f"{name} has no key")
    for place in places:
        keys[place] = replace(keys[place], revoked=now)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


@contextmanager
def _locked(path: Path) -> Iterator[list[Key]]:
    """The keys, to be changed; written whole or not at all, readable by the owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        flock(lock, LOCK_EX)
        keys = read(path)
        yield keys
        write_private(path, json.dumps({"keys": [asdict(key) for key in keys]}, indent=2))
    finally:
        os.close(lock)


def main() -> int:
    """The command line; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m gateway.keys", description="Manage API keys.")
    parser.add_argument("action", choices=("add", "list", "revoke", "rotate"))
    parser.add_argument("name", nargs="?", help="whose key it is; it stands in the access log")
    parser.add_argument("--keys", type=Path, default=Path(".state/edge/keys.json"), help="file of the keys")
    parser.add_argument("--days", type=float, help="how long a new key is valid (default: until revoked)")
    options = parser.parse_args()
    if options.action != "list" and not options.name:
        parser.error(f"{options.action} needs a name")
    try:
        if options.action == "add":
            sys.stdout.write(f"{add(options.keys, options.name, days=options.days)}\n")
        elif options.action == "rotate":
            sys.stdout.write(f"{rotate(options.keys, options.name, days=options.days)}\n")
        elif options.action == "revoke":
            revoke(options.keys, options.name)
        else:
            now = datetime.now(UTC)
            for key in read(options.keys):
                sys.stdout.write(f"{key.name}\tsince {key.created}\t{key.state(now)}\n")
    except KeyChangeError as error:
        sys.stderr.write(f"keys: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
