"""One caller's request from its first byte to its response's last: who asks, and what becomes of it."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Send

from gateway.access import Access
from gateway.errors import coded_body, misplaced_options, too_large, too_slow
from gateway.form import CONTENT_TYPE, Form
from gateway.metrics import Metrics
from gateway.request_log import log_request
from gateway.upload import Upload
from gateway.upstream import FORWARDED_HEADERS, UpstreamRequest
from outofsync_client.protocol import REQUEST_ID_HEADER

CLIENT_CLOSED_REQUEST = 499  # nginx's word for it: nobody is left to read the answer
CLIENT_CLOSED_CODE = "hung_up"
SEND_S = 30.0  # longest pause of a caller who reads an answer, as nginx has it
# After so long an upload must have come at this pace on the whole: 200 MB would take two days at it, and a
# caller who sends a byte now and then, which nginx is content with, would hold a place for ever.
PATIENCE_S, SLOWEST_BYTES_S = 60.0, 1000.0
SAFE_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")

T = TypeVar("T")
IDENTITY = "identity"  # a body that is coded in no way


@dataclass
class RequestContext:
    """What is known of a request while it is answered; ``log_fields`` go to the request log."""

    request: Request
    route: str
    metrics: Metrics
    started: float = field(default_factory=time.monotonic)
    resources: AsyncExitStack = field(default_factory=AsyncExitStack)  # held until the answer has been sent
    status: int = CLIENT_CLOSED_REQUEST
    code: str = ""
    log_fields: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = self.request.headers.get(REQUEST_ID_HEADER, "")
        self.request_id = given if SAFE_ID.fullmatch(given) else uuid.uuid4().hex
        self.metrics.in_progress.labels(self.route).inc()
        self._bytes_out = 0
        self._ended = False

    def authenticate(self, access: Access) -> str:
        """Who asks, "" for everybody; raises ``authentication`` where that is nobody who may."""
        if holder := access.holder(self.request):
            self.log_fields["key"] = holder
        return holder

    @property
    def length(self) -> int | None:
        """Bytes of the body, where the caller said it."""
        length = self.request.headers.get("content-length", "")
        return int(length) if length.isdecimal() else None

    def upstream_request(self, max_bytes: int) -> tuple[UpstreamRequest, Upload]:
        """What servers are sent, and the body, not yet received; raises ``too_large`` where it says so."""
        if self.request.url.query:
            raise misplaced_options()
        headers = {name: value for name in FORWARDED_HEADERS if (value := self.request.headers.get(name))}
        content_type = self.request.headers.get("content-type", "")
        body = self.video(max_bytes)
        if content_type.lower().startswith(CONTENT_TYPE):
            form = Form(content_type)
            request = UpstreamRequest(self.request_id, {**headers, "content-type": form.content_type}, None)
            return request, Upload(form.rewrite(body), max_bytes=max_bytes)
        # Whatever it calls itself, a bare body is a file: TorchServe would parse JSON.
        headers["content-type"] = "application/octet-stream"
        request = UpstreamRequest(self.request_id, headers, self.length)
        return request, Upload(body, max_bytes=max_bytes)

    def video(self, max_bytes: int) -> AsyncIterator[bytes]:
        """The body piece by piece; raises ``too_large`` where it says so, and 415 for a coded one."""
        if (coding := self.request.headers.get("content-encoding", IDENTITY).lower()) != IDENTITY:
            raise coded_body(coding[:40])
        self._check_length(max_bytes)
        return self._body()

    def body(self, max_bytes: int) -> Upload:
        """The body as it is, not yet received; raises ``too_large`` where it says so."""
        self._check_length(max_bytes)
        return Upload(self._body(), max_bytes=max_bytes)

    def _check_length(self, max_bytes: int) -> None:
        if self.length is not None and self.length > max_bytes:
            raise too_large(max_bytes)

    async def _body(self) -> AsyncIterator[bytes]:
        begun, received = time.monotonic(), 0
        async for chunk in self.request.stream():
            received += len(chunk)
            self.log_fields["bytes_in"] = received
            if (spent := time.monotonic() - begun) > PATIENCE_S and received < spent * SLOWEST_BYTES_S:
                raise too_slow()
            yield chunk
        self.log_fields["upload_s"] = round(time.monotonic() - self.started, 3)

    async def cancel_on_disconnect(self, work: Awaitable[T], upload: Upload | None = None) -> T:
        """What the work gives; raises ClientDisconnect, and ends it, as soon as the caller has left.

        ``upload`` is the body, where the work reads one.
        """
        task = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(self._disconnected(upload))
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise ClientDisconnect
            return task.result()
        finally:
            for one in (task, gone):
                one.cancel()
            await asyncio.gather(task, gone, return_exceptions=True)

    async def _disconnected(self, upload: Upload | None) -> None:
        """Returns once the caller has left; until the body is here, receiving it tells."""
        while upload is not None and not upload.complete:
            await asyncio.sleep(0.05)
        while (await self.request.receive())["type"] != "http.disconnect":
            pass

    def _peer(self) -> str:
        """The caller's address. Over a Unix socket nginx says it; over TCP that header may be anybody's."""
        if self.request.client is not None and self.request.client.host:
            return str(self.request.client.host)
        return self.request.headers.get("x-real-ip", "")

    def recorded(self, send: Send) -> Send:
        """``send``, noting what is sent; raises TimeoutError where the caller takes nothing for too long."""

        async def record_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
            else:
                self._bytes_out += len(message.get("body", b""))
                if not message.get("more_body", False):
                    self.end(complete=True)
            await asyncio.wait_for(send(message), SEND_S)

        return record_and_send

    def end(self, *, complete: bool = False) -> None:
        """Count and log what became of it, once; without a known reason it is the caller who left."""
        if self._ended:
            return
        self._ended = True
        if not (complete or self.code):
            self.status, self.code = CLIENT_CLOSED_REQUEST, CLIENT_CLOSED_CODE
        seconds = time.monotonic() - self.started
        self.metrics.in_progress.labels(self.route).dec()
        self.metrics.requests.labels(self.route, str(self.status), self.code).inc()
        self.metrics.seconds.labels(self.route).observe(seconds)
        self.metrics.upload_bytes.labels(self.route).inc(self.log_fields.get("bytes_in", 0))
        log_request(
            request_id=self.request_id,
            route=self.route,
            status=self.status,
            code=self.code,
            peer=self._peer(),
            seconds=round(seconds, 3),
            bytes_out=self._bytes_out,
            **self.log_fields,
        )
