"""Raw bytes sent to a gateway or an edge: HTTP that is almost right, and HTTP that is not."""

from __future__ import annotations

import re
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.fuzzing.mutation import Mutator

LONGEST_S = 60.0  # until an answer has ended, on a busy machine too
PATIENCE_S = 0.5  # until it is taken to wait for more than was sent
MOST_BYTES = 1 << 20  # of an answer
# What a server says of itself and of its own faults; 501 and 505 are about what was asked.
FAULTS = {500, 502, 504}
REQUEST = re.compile(rb"[A-Z]+ \S+ HTTP/1\.[01]\r?\n")
BOUNDARY = b"fuzz7MA4YWxk"
TOKENS = (
    *(b"\r\n", b"\n", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b"%00", b"/../", b"//", b"?", b"#", b"\xff" * 9),
    *(
        b"HTTP/1.0",
        b"HTTP/2.0",
        b"HTTP/1.1",
        b"CONNECT",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"TRACE",
        b"HEAD",
    ),
    *(b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Content-Length: 99999999999999999999\r\n"),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked, gzip\r\n",
        b"ffffffffffffffff\r\n",
        b"0\r\n\r\n",
    ),
    *(b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\nConnection: Upgrade\r\n", b"Connection: close\r\n"),
    *(
        b"explain: x\r\n",
        b"data: x\r\n",
        b"Range: bytes=-1\r\n",
        b"X-OutOfSync-Request-Id: \r\n",
        b"Cookie: " + b"a" * 9000,
    ),
    b"--" + BOUNDARY,
)


@dataclass(frozen=True)
class Service:
    """Where it listens, a key that it takes, and the file of the authority that vouches for it."""

    url: str
    key: str
    authority: Path | None = None

    def ask(self, message: bytes) -> bytes:
        """All that comes back until the other side hangs up; raises TimeoutError where it never does."""
        parts = urlsplit(self.url)
        answer = b""
        plain = socket.create_connection((parts.hostname, parts.port), timeout=LONGEST_S)
        with plain, self._secured(plain) as channel, suppress(ConnectionError, ssl.SSLError):
            channel.sendall(message)
            channel.settimeout(PATIENCE_S)
            while len(answer) < MOST_BYTES:
                try:
                    chunk = channel.recv(1 << 16)
                except TimeoutError:
                    if channel.gettimeout() == LONGEST_S:
                        raise
                    channel.shutdown(socket.SHUT_WR)  # it waits for more, and there is none
                    channel.settimeout(LONGEST_S)
                    continue
                if not chunk:
                    break
                answer += chunk
        return answer

    def problem(self, message: bytes) -> str:
        """What is wrong about how it answers, if anything. Hanging up without a word is no wrong."""
        try:
            answer = self.ask(message)
        except TimeoutError:
            return f"it neither answers nor hangs up within {LONGEST_S:g} s"
        except OSError as error:
            return f"it takes no connection: {error}"
        if not answer:
            return ""
        try:
            version, status = answer.split(None, 2)[:2]
            code = int(status)
        except ValueError:
            if not REQUEST.match(message):
                return ""  # nginx speaks HTTP/0.9, too: what names no version gets a body alone
            return f"it answers {answer[:40]!r}, which is no HTTP"
        if not version.startswith(b"HTTP/1.") or not 100 <= code <= 599:
            return f"it answers {answer[:40]!r}"
        return f"it answers {code}: {answer[-200:]!r}" if code in FAULTS else ""

    def seeds(self) -> list[bytes]:
        """Requests as they should be; each asks for the connection's end."""
        head = f"Host: {urlsplit(self.url).netloc}\r\nX-Api-Key: {self.key}\r\nConnection: close\r\n".encode()
        file = (
            b'--%b\r\nContent-Disposition: form-data; name="data"; filename="v"\r\n\r\nno video\r\n'
            % BOUNDARY
        )
        options = b'--%b\r\nContent-Disposition: form-data; name="options"\r\n\r\n{}\r\n' % BOUNDARY
        form = file + options + b"--%b--\r\n" % BOUNDARY
        kind = b"Content-Type: multipart/form-data; boundary=%b\r\n" % BOUNDARY
        chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(form), form)
        return [
            b"GET /v1/health HTTP/1.1\r\n%b\r\n" % head,
            b"GET /v1/models HTTP/1.1\r\n%b\r\n" % head,
            b"POST /v1/detect HTTP/1.1\r\n%b%bContent-Length: %d\r\n\r\n%b" % (head, kind, len(form), form),
            b"POST /v1/detect HTTP/1.1\r\n%b%bTransfer-Encoding: chunked\r\n\r\n%b" % (head, kind, chunks),
            b"POST /v1/detect HTTP/1.1\r\n%bContent-Length: 8\r\n\r\nno video" % head,
            b"POST /v1/deblur HTTP/1.1\r\n%bContent-Length: 8\r\n\r\nno video" % head,
        ]

    def mutated(self, seed: int) -> Mutator:
        return Mutator(self.seeds(), TOKENS, seed)

    def _secured(self, plain: socket.socket) -> socket.socket:
        if self.authority is None:
            return plain
        context = ssl.create_default_context(cafile=str(self.authority))
        return context.wrap_socket(plain, server_hostname=urlsplit(self.url).hostname)
