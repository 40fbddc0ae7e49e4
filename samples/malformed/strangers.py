"""Files that name other files, hold other things than video, or are two things at once."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from fractions import Fraction
from functools import partial

import av
from av.container import OutputContainer
from av.packet import Packet

from samples.malformed.boxes import box, find
from samples.malformed.footage import Footage, Writing
from samples.malformed.headers import MP4

# What they would open or ask, if they were obeyed: nothing of these is of any harm.
FILE, ADDRESS = "/etc/hostname", "http://127.0.0.1:9/stolen"
SCRIPT = "<script>alert(1)</script>"
ESCAPES = "\x1b]0;owned\x07\x1b[2J%n%s{{7*7}}\u202e"
KEY = "00112233445566778899aabbccddeeff"

PLAYLISTS: dict[str, bytes] = {
    "HLS": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{FILE}\n#EXTINF:5,\n{ADDRESS}\n#EXT-X-ENDLIST\n".encode(),
    "HLS behind a byte order mark": f"\ufeff#EXTM3U\n#EXTINF:5,\n{ADDRESS}\n".encode(),
    "DASH": f'<?xml version="1.0"?><MPD><Period><BaseURL>{ADDRESS}</BaseURL></Period></MPD>'.encode(),
    "list of files to join": f"ffconcat version 1.0\nfile '{FILE}'\n".encode(),
    "session description": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
    "SMIL": f'<smil><body><video src="{ADDRESS}"/></body></smil>'.encode(),
    "SVG": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{ADDRESS}"/></svg>'.encode(),
    "Windows media list": f'<asx version="3.0"><entry><ref href="{ADDRESS}"/></entry></asx>'.encode(),
    "PLS": f"[playlist]\nFile1={ADDRESS}\nNumberOfEntries=1\n".encode(),
    "numbered pictures": b"concat:%03d.png|/etc/hostname\n",
    "sound alone": b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0" + bytes(24),
    "AviSynth script": f'DirectShowSource("{FILE}")\n'.encode(),
    "FFmpeg's metadata": b";FFMETADATA1\ntitle=x\n",
}


def elsewhere(footage: Footage) -> bytes:
    """An mp4 whose samples are said to lie at another address (a data reference that is not to itself)."""
    data = MP4(footage)
    found = find(data, b"dref")
    entry = box(b"url ", bytes(4), ADDRESS.encode() + b"\0")
    return data[: found.body + 8] + entry + data[found.body + 8 + len(entry) :]


def in_another_file(footage: Footage) -> bytes:
    """A QuickTime file whose samples are said to lie in a file of this machine, as aliases say it."""
    data = Writing(container="mov")(footage)
    found = find(data, b"dref")
    name = FILE.encode()
    alias = bytes(142) + struct.pack(">HH", 18, len(name)) + name + struct.pack(">h", -1)
    entry = box(b"alis", bytes(4), alias)
    return data[: found.body + 8] + entry + data[found.body + 8 + len(entry) :]


def behind(head: bytes, how: Writing, footage: Footage) -> bytes:
    """Something else first, then a video."""
    return head + how(footage)


def also_a_zip(footage: Footage) -> bytes:
    """A video that unpacks as an archive, since those are read from their end."""
    file = io.BytesIO(MP4(footage))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("../../escape.sh", "#!/bin/sh\nexit 1\n")
    return file.getvalue()


def also_a_page(footage: Footage) -> bytes:
    """A video with a page in a box that players skip."""
    return MP4(footage) + box(b"free", f"--><html>{SCRIPT}</html><!--".encode())


def with_metadata(value: str) -> Callable[[Footage], bytes]:
    return Writing(container="matroska", metadata={"title": value, "comment": value, "artist": value})


def subtitled(footage: Footage) -> bytes:
    """A video whose subtitles hold scripts, drawing commands and codes for terminals."""

    def add(output: OutputContainer) -> Callable[[], None]:
        stream = output.add_stream("ass")
        stream.time_base = Fraction(1, 1000)

        def write() -> None:
            words = f"0,0,Default,,0,0,0,,{{\\p1}}m 0 0 l 9 9{{\\p0}}{SCRIPT}{ESCAPES}"
            packet = Packet(words.encode())
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts, packet.dts, packet.duration = 0, 0, 500
            output.mux(packet)

        return write

    return Writing(container="matroska", also=add)(footage)


ENCRYPTED = Writing(
    container_options={
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": KEY,
        "encryption_kid": KEY,
    }
)


def stills_only(footage: Footage) -> bytes:
    """A picture, as a file of its own."""
    with io.BytesIO() as file:
        with av.open(file, "w", format="image2pipe") as output:
            stream = output.add_stream("mjpeg", rate=25)
            height, width = footage.pictures[0].shape[:2]
            stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
            output.mux(stream.encode(av.VideoFrame.from_ndarray(footage.pictures[0], format="rgb24")))
            output.mux(stream.encode(None))
        return file.getvalue()


POLYGLOTS: dict[str, Callable[[Footage], bytes]] = {
    "a ZIP archive, then a video": partial(behind, b"PK\x03\x04" + bytes(26), MP4),
    "a PDF, then a video": partial(behind, b"%PDF-1.7\n1 0 obj<</JS (app.alert\\(1\\))>>endobj\n", MP4),
    "a page, then a video": partial(behind, f"<html>{SCRIPT}</html>".encode(), MP4),
    "a program, then a video": partial(behind, b"\x7fELF\x02\x01\x01" + bytes(57), MP4),
    "a shell script, then a video": partial(behind, b"#!/bin/sh\nexit 1\n", MP4),
    "a picture": stills_only,
}
