"""The page in the browser: its built files and the samples, in memory, with what they are sent with."""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import not_found
from outofsync.limits import Limits
from outofsync_client.protocol import FORM_BYTES

HERE = Path(__file__).resolve().parent
PAGE = HERE / "page"  # what client/web builds
SAMPLES = HERE.parent / "samples"
ROUTES = ("/", "/icon.svg", "/manifest.webmanifest", "/assets/{name:path}", "/samples/{name}")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".mp4": "video/mp4",
}
COMPRESSED = (".html", ".js", ".css", ".svg", ".json", ".webmanifest")
INDEX = "/index.html"
HASHED = "/assets/"  # names there change with what they hold
LASTING, CHECKED = "public, max-age=31536000, immutable", "no-cache"
_CONFIG = re.compile(r'(<meta\s+name="outofsync-config"\s+content=")"')


@dataclass(frozen=True)
class PageFile:
    """One file, and how it is sent."""

    content: bytes
    compressed: bytes | None  # gzip, where that is smaller
    tag: str
    content_type: str
    cache_control: str

    @classmethod
    def of(cls, address: str, content: bytes) -> PageFile:
        """The file at an address; what it is follows from its name."""
        suffix = Path(address).suffix
        compressed = gzip.compress(content, mtime=0) if suffix in COMPRESSED else content
        return cls(
            content,
            compressed if len(compressed) < len(content) else None,
            f'W/"{hashlib.sha256(content).hexdigest()[:32]}"',
            TYPES.get(suffix, "application/octet-stream"),
            LASTING if address.startswith(HASHED) else CHECKED,
        )

    def response(self, request: Request) -> Response:
        """The file as this caller takes it, or word that it has not changed."""
        headers = {**HEADERS, "ETag": self.tag, "Cache-Control": self.cache_control}
        content = self.content
        if self.compressed is not None:
            headers["Vary"] = "Accept-Encoding"
            if _takes_gzip(request):
                headers["Content-Encoding"], content = "gzip", self.compressed
        if self.tag in request.headers.get("if-none-match", ""):
            headers.pop("Content-Encoding", None)
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(content, headers=headers, media_type=self.content_type)


class PageFiles:
    """Every file of the page by its address, read once."""

    def __init__(
        self,
        *,
        session: str | None,
        key_required: bool,
        jobs: bool,
        request_bytes: int,
        page: Path = PAGE,
        samples: Path = SAMPLES,
    ) -> None:
        """``session`` is the token that the page shows for itself, ``request_bytes`` the largest request.

        With ``jobs`` the page hands videos in as jobs, and lists those of whoever uses it.
        """
        clips = {f"/samples/{path.name}": path for path in sorted(samples.glob("*.mp4"))}
        config = {
            "session": session,
            "key_required": key_required,
            "jobs": jobs,
            "max_bytes": request_bytes - FORM_BYTES,
            "max_seconds": Limits().duration_s,
            "samples": [{"file": path.name, "title": _title(path)} for path in clips.values()],
        }
        contents = dict(_built(page)) | {address: path.read_bytes() for address, path in clips.items()}
        contents[INDEX] = configured(contents[INDEX], config)
        self._files = {address: PageFile.of(address, content) for address, content in contents.items()}
        self._files["/"] = self._files.pop(INDEX)

    def response(self, request: Request) -> Response:
        """The file that is asked for; raises ``not_found`` where there is none."""
        file = self._files.get(request.url.path)
        if file is None:
            raise not_found()
        return file.response(request)


def configured(index: bytes, config: Mapping[str, Any]) -> bytes:
    """The page with what it has to know of its gateway; raises ValueError where it has no place for that."""
    content = html.escape(json.dumps(config))
    text, places = _CONFIG.subn(lambda found: f'{found[1]}{content}"', index.decode())
    if places != 1:
        raise ValueError("the page has no empty <meta name=outofsync-config>")
    return text.encode()


def _built(page: Path) -> Iterator[tuple[str, bytes]]:
    """Address and content of what was built."""
    for path in sorted(page.rglob("*")):
        if path.is_file():
            yield f"/{path.relative_to(page).as_posix()}", path.read_bytes()


def _title(path: Path) -> str:
    """``another_voice.mp4`` → ``Another voice``."""
    return path.stem.replace("_", " ").capitalize()


def _takes_gzip(request: Request) -> bool:
    codings = request.headers.get("accept-encoding", "").lower().replace(" ", "").split(",")
    return "gzip" in codings or any(coding.startswith("gzip;") and coding != "gzip;q=0" for coding in codings)
