"""Callbacks: a signed request that our server makes for a stranger, so only where the operator allows it.

The name is looked up here, once, and the connection goes to the very address that was looked at: a name that
leads elsewhere a moment later (rebinding) leads nowhere. No redirection is followed, no proxy is asked, and
only the answer's status is read.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from standardwebhooks import Webhook

from gateway.jobs.settings import MAX_URL_LETTERS

TIMEOUT_S = 15.0  # of each step …
TOTAL_S = 30.0  # … and of all of them: a receiver that trickles holds nobody up
DEFAULT_PORTS = {"https": 443, "http": 80}
EVENT = "job.ended"


class RefusedError(Exception):
    """This address is not called; the message says why."""


@dataclass(frozen=True)
class Target:
    """An address that the operator allows. ``literal`` is the address where it was named by number."""

    scheme: str
    host: str
    port: int
    path: str
    literal: bool

    @classmethod
    def of(cls, url: str, allowed: Sequence[str]) -> Target:
        """Raises :class:`RefusedError` for what is no address, or not among those allowed.

        One that is allowed reads ``hooks.example``, ``*.hooks.example``, ``hooks.example:8443``, all of them
        by https alone, or ``http://10.1.2.3:8000``: without encryption, or inside a private network, only
        where it is said as plainly as that.
        """
        if not allowed:
            raise RefusedError("callbacks are not allowed at this server")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise RefusedError("the callback is not an address") from None
        plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= MAX_URL_LETTERS
        if not plain or parts.scheme not in DEFAULT_PORTS or not host or parts.username is not None:
            raise RefusedError("the callback must be https://host/path, without a user's name")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        target = cls(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme], path, _is_number(host))
        if not any(target._fits(entry) for entry in allowed):
            raise RefusedError(f"callbacks to {host[:80]} are not allowed at this server")
        return target

    def _fits(self, entry: str) -> bool:
        scheme, _, place = entry.rpartition("://")
        parts = urlsplit(f"//{place}")
        scheme = scheme or "https"
        same = (scheme, parts.port or DEFAULT_PORTS[scheme]) == (self.scheme, self.port)
        return (
            same
            and fnmatchcase(self.host, (parts.hostname or "").lower())
            and (not self.literal or parts.hostname == self.host)
        )

    async def address(self) -> str:
        """The number to connect to; raises :class:`RefusedError` for one that is not everybody's to reach."""
        if self.literal:
            return self.host
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM
            )
        except OSError:
            raise RefusedError("the callback's host is not known") from None
        numbers = [str(entry[4][0]) for entry in found]
        if not numbers or not all(is_public(number) for number in numbers):
            raise RefusedError("the callback's host leads into a private network")
        return numbers[0]


class CallbackSender:
    """Sends them."""

    def __init__(self, allowed: Sequence[str], authority: Path | None = None) -> None:
        """``authority`` is a file of certificates that vouch for receivers, in place of the system's.

        Raises OSError where it cannot be read, ``ssl.SSLError`` where it holds none.
        """
        self._allowed = tuple(allowed)
        self._trust = True if authority is None else ssl.create_default_context(cafile=str(authority))

    def check(self, url: str) -> None:
        """Raises :class:`RefusedError` for an address that would never be called."""
        Target.of(url, self._allowed)

    async def send(self, url: str, id: str, data: dict[str, Any], secrets: Sequence[str]) -> int:
        """Send one event and return the answer's status; raises RefusedError, and httpx's errors."""
        target = Target.of(url, self._allowed)
        number = await target.address()
        now = datetime.now(UTC)
        body = json.dumps({"type": EVENT, "timestamp": now.isoformat(timespec="seconds"), "data": data})
        signatures = [Webhook(secret).sign(id, now, body) for secret in secrets]
        host = f"[{target.host}]" if ":" in target.host else target.host
        headers = {
            "Host": host if target.port == DEFAULT_PORTS[target.scheme] else f"{host}:{target.port}",
            "Content-Type": "application/json",
            "webhook-id": id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
        place = f"[{number}]" if ":" in number else number
        async with (
            asyncio.timeout(TOTAL_S),
            httpx.AsyncClient(
                timeout=TIMEOUT_S, trust_env=False, follow_redirects=False, verify=self._trust
            ) as client,
            client.stream(
                "POST",
                f"{target.scheme}://{place}:{target.port}{target.path}",
                content=body,
                headers=headers,
                extensions={"sni_hostname": target.host},
            ) as response,
        ):
            return response.status_code


def is_public(number: str) -> bool:
    """Whether an address is everybody's to reach; those that stand for another one are not taken."""
    address = ipaddress.ip_address(number)
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return isinstance(address, ipaddress.IPv4Address) or (
        address in ipaddress.ip_network("2000::/3") and address.sixtofour is None and address.teredo is None
    )


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
