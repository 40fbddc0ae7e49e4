"""A caller's form, taken apart and put together anew as it passes through.

TorchServe's own reader of forms takes any number of fields of any name, and fails in ways of its own on those
it cannot read. So it gets what this knows: one file, and the options.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from gateway.errors import malformed_form

FILE_FIELDS = ("data", "file")
FILE, OPTIONS = "file", "options"  # the kinds of field
MAX_OPTION_BYTES = 65_536
MAX_PREAMBLE_BYTES = 65_536
CONTENT_TYPE = "multipart/form-data"
# Of a field and a piece of what it holds.
Watch = Callable[[str, bytes], object]


class Form:
    """Rewrites one form. Raises ``bad_options`` for what is no form, and for fields nobody knows.

    ``watch`` sees what the fields ``file`` and ``options`` hold; ``file_name`` is what the caller calls the
    file.
    """

    def __init__(self, content_type: str, watch: Watch | None = None) -> None:
        _, parameters = parse_options_header(content_type)
        boundary = parameters.get(b"boundary")
        if not boundary:
            raise malformed_form("the form names no boundary")
        self.file_name = ""
        self._watch = watch
        self._first = boundary
        self._boundary = uuid.uuid4().hex
        self._out: list[bytes] = []
        self._seen: set[str] = set()
        self._header: list[bytes] = [b"", b""]
        self._headers: dict[bytes, bytes] = {}
        self._name = self._kind = ""
        self._option_bytes = 0
        self._ended = False
        try:
            self._parser = self._parser_of(boundary)
        except FormParserError:
            raise malformed_form("the form's boundary is too long") from None

    def _parser_of(self, boundary: bytes) -> MultipartParser:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._part_data,
                "on_part_end": lambda: self._out.append(b"\r\n"),
                "on_end": self._end,
            },
        )

    @property
    def content_type(self) -> str:
        """Of what comes out."""
        return f"{CONTENT_TYPE}; boundary={self._boundary}"

    async def rewrite(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The form as a server is to read it."""
        async for chunk in self._from_first_part(body):
            try:
                self._parser.write(chunk)
            except FormParserError:
                raise malformed_form("the form cannot be read") from None
            if self._out:
                yield b"".join(self._out)
                self._out.clear()
        if not self._ended:
            raise malformed_form("the form ends too early")
        yield f"--{self._boundary}--\r\n".encode()

    async def _from_first_part(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The body without the preamble that a form may have (RFC 2046, section 5.1.1)."""
        start, first, found = b"", b"--" + self._first, False
        async for chunk in body:
            if found:
                yield chunk
                continue
            start += chunk
            at = (b"\r\n" + start).find(b"\r\n" + first)
            if at < 0 or len(start) == at + len(first):
                if len(start) > MAX_PREAMBLE_BYTES:
                    raise malformed_form("the form does not begin with its boundary")
                continue
            if start[at + len(first)] == ord("\n"):
                raise malformed_form("the form's lines end with LF; they must end with CR LF")
            found = True
            yield start[at:]
        if not found:
            yield start

    def _part_begins(self) -> None:
        self._headers, self._header = {}, [b"", b""]

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def _header_ends(self) -> None:
        name, value = self._header
        self._headers[name.lower()] = value
        self._header = [b"", b""]

    def _headers_end(self) -> None:
        _, parameters = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = parameters.get(b"name", b"").decode("utf-8", "replace")
        kind = self._kind = FILE if self._name in FILE_FIELDS else self._name
        if kind not in (FILE, OPTIONS):
            raise malformed_form(f"the form has a field {self._name[:40]!r}; known are data and options")
        if kind in self._seen:
            raise malformed_form(f"the form has two fields {self._name!r}")
        self._seen.add(kind)
        if kind == FILE:
            self.file_name = parameters.get(b"filename", b"").decode("utf-8", "replace")
        filename = '; filename="video"' if kind == FILE else ""
        content_type = "application/octet-stream" if kind == FILE else "application/json"
        self._out.append(
            f'--{self._boundary}\r\nContent-Disposition: form-data; name="{self._name}"{filename}\r\n'
            f"Content-Type: {content_type}\r\n\r\n".encode()
        )

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == OPTIONS:
            self._option_bytes += end - start
            if self._option_bytes > MAX_OPTION_BYTES:
                raise malformed_form("the options are too long")
        piece = data[start:end]
        if self._watch is not None:
            self._watch(self._kind, piece)
        self._out.append(piece)

    def _end(self) -> None:
        self._ended = True
