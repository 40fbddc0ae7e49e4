"""What was sent in place of a video's bytes, where its first bytes tell: callers mend it sooner when told."""

from __future__ import annotations

import base64
import binascii
import re

_SEND = "Send the video file's own bytes, as they are."
_BASE64 = re.compile(rb"[A-Za-z0-9+/_\-\s]{64,}={0,2}\s*")
_SIGNS: tuple[tuple[bytes, str, str], ...] = (
    (
        b"\x00\x05\x16\x07",
        "a Mac's notes on a file",
        "Send the file whose name lacks the ._.",
    ),
    (b"\x1f\x8b", "compressed with gzip", "Send the video file itself, not compressed and without encoding."),
    (b"PK\x03\x04", "a ZIP archive", "Unpack it and send the video."),
    (b"Rar!", "a RAR archive", "Unpack it and send the video."),
    (b"7z\xbc\xaf", "a 7z archive", "Unpack it and send the video."),
    (b"\x89PNG", "a picture", "Send a video with sound."),
    (b"GIF8", "a picture", "Send a video with sound."),
    (b"%PDF", "a PDF document", _SEND),
)
_MARK = b"\xef\xbb\xbf"  # that text may begin with
_JPEG = b"\xff\xd8\xff"
_INSIDE = b"ftyp"  # of a film that phones put behind a photo
LOOKED_AT = 4096


def mistaken_for(data: bytes | bytearray) -> tuple[str, str] | None:
    """What these bytes are (a phrase), and what to do about it; None where they tell nothing."""
    head = bytes(data[:LOOKED_AT])
    for sign, what, hint in _SIGNS:
        if head.startswith(sign):
            return what, hint
    if head.startswith(_JPEG):
        if data.find(_INSIDE, len(_JPEG)) > 0:
            return "a photo with a video inside", "Export the video from the photo (a motion or live photo)."
        return "a picture", "Send a video with sound."
    text = head.removeprefix(_MARK).lstrip()
    if text.startswith((b"<", b"#EXTM3U", b"ffconcat", b"[playlist]", b"v=0")):
        return "a page or a playlist, which only names videos", "Download the video and send its bytes."
    if text.startswith((b"{", b"[")):
        return "JSON", _SEND
    if text.startswith(b"data:") or _is_base64(head):
        return "text that codes bytes (base64)", f"Decode it first. {_SEND}"
    return None


def _is_base64(head: bytes) -> bool:
    """Whether this text decodes; a long word in a plain text has no such length."""
    if not _BASE64.fullmatch(head):
        return False
    letters = b"".join(head.split())
    try:
        decoded = base64.b64decode(letters[: len(letters) // 4 * 4], altchars=None, validate=True)
    except binascii.Error:
        return False
    return any(byte > 127 for byte in decoded)
