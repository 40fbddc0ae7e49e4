"""Resumable uploads by tus 1.0.0 (https://tus.io): creation, termination and expiration beside its core.

tus and not the IETF's draft: it has been stable for years, and has clients for every language.
"""

from __future__ import annotations

import asyncio
import binascii
import os
from base64 import b64decode
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import Response

from gateway.access import Access
from gateway.errors import EdgeError, bad_options, busy, edge_error, no_such_upload, too_large
from gateway.job_body import canonical_options
from gateway.job_service import JobService
from gateway.jobs.settings import UPLOAD_S
from gateway.report_request import MAX_NAME_LETTERS, base_name
from gateway.request_context import RequestContext
from outofsync_client.protocol import (
    EDGE_UPLOAD,
    TUS_HEADER,
    TUS_VERSION,
    UPLOAD_LENGTH_HEADER,
    UPLOAD_METADATA_HEADER,
    UPLOAD_OFFSET_HEADER,
    UPLOAD_TYPE,
    ErrorCode,
)

if TYPE_CHECKING:
    from gateway.jobs.pieces import Pieces, PieceStore

EXTENSIONS = "creation,termination,expiration"
SAID = {TUS_HEADER: TUS_VERSION}


class UploadRoutes:
    """What is answered at each of them."""

    def __init__(self, service: JobService, access: Access, *, max_bytes: int) -> None:
        self._service = service
        self._access = access
        self._max_bytes = max_bytes

    async def options(self, _: RequestContext) -> Response:
        """What is spoken here; no key is needed to ask."""
        headers = {
            "Tus-Version": TUS_VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Max-Size": str(self._max_bytes),
        }
        return Response(status_code=HTTPStatus.NO_CONTENT, headers={**SAID, **headers})

    async def create(self, context: RequestContext) -> Response:
        """Begin an upload: 201, and where it goes."""
        holder, store = await self._store(context)
        length = _number(context, UPLOAD_LENGTH_HEADER)
        if not length:
            raise bad_options(f"{UPLOAD_LENGTH_HEADER} must be the video's length in bytes")
        if length > self._max_bytes:
            raise too_large(self._max_bytes)
        told = _metadata(context.request.headers.get(UPLOAD_METADATA_HEADER, ""))
        options = canonical_options(told.get("options", b""))
        file = base_name(told.get("filename", b"").decode("utf-8", "replace"))[:MAX_NAME_LETTERS]
        try:
            made = await self._service.call(store.begin, holder, length, file, options)
        except OSError:
            raise busy("there is no room to keep the upload") from None
        headers = {"Location": EDGE_UPLOAD.format(id=made.id), **SAID, **_expires(made)}
        return Response(status_code=HTTPStatus.CREATED, headers=headers)

    async def head(self, context: RequestContext) -> Response:
        """How much of it is here."""
        pieces, store = await self._pieces(context)
        offset = await asyncio.to_thread(store.offset, pieces)
        headers = {UPLOAD_OFFSET_HEADER: str(offset), UPLOAD_LENGTH_HEADER: str(pieces.length)}
        return Response(headers={**headers, **SAID, **_expires(pieces)})

    async def append(self, context: RequestContext) -> Response:
        """The next piece; what of it had come when the connection broke, is kept."""
        from gateway.jobs.pieces import BusyError

        if context.request.headers.get("content-type", "") != UPLOAD_TYPE:
            raise edge_error(
                ErrorCode.UNSUPPORTED_MEDIA, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"a piece is {UPLOAD_TYPE}"
            )
        pieces, store = await self._pieces(context)
        given = _number(context, UPLOAD_OFFSET_HEADER)
        try:
            with store.writing(pieces) as descriptor:
                offset = store.offset(pieces)
                if given != offset:
                    raise _conflict(f"the upload stands at {offset}")
                async for piece in context.video(self._max_bytes):
                    if offset + len(piece) > pieces.length:
                        raise too_large(pieces.length)
                    offset += os.write(descriptor, piece)
                await asyncio.to_thread(os.fsync, descriptor)
        except BusyError:
            raise _conflict("the upload is being written to") from None
        except OSError:
            raise busy("there is no room to keep the upload") from None
        headers = {UPLOAD_OFFSET_HEADER: str(offset), **SAID, **_expires(pieces)}
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)

    async def remove(self, context: RequestContext) -> Response:
        """It is not to go on."""
        pieces, store = await self._pieces(context)
        await self._service.call(store.remove, pieces.id)
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=SAID)

    async def _store(self, context: RequestContext) -> tuple[str, PieceStore]:
        holder = context.authenticate(self._access)
        if context.request.headers.get(TUS_HEADER) != TUS_VERSION:
            message = f"{TUS_HEADER} must be {TUS_VERSION}"
            status = HTTPStatus.PRECONDITION_FAILED
            raise edge_error(ErrorCode.BAD_OPTIONS, status, message, Tus_Version=TUS_VERSION)
        return holder, await self._service.pieces()

    async def _pieces(self, context: RequestContext) -> tuple[Pieces, PieceStore]:
        """The upload that an address names; raises ``not_found``."""
        holder, store = await self._store(context)
        found = await self._service.call(store.get, context.request.path_params["id"], holder)
        if found is None:
            raise no_such_upload()
        return found, store


def _number(context: RequestContext, header: str) -> int:
    """A header's number; raises ``bad_options``."""
    value = context.request.headers.get(header, "")
    if not (value.isascii() and value.isdecimal()) or len(value) > 15:
        raise bad_options(f"{header} must be a number of bytes")
    return int(value)


def _metadata(header: str) -> dict[str, bytes]:
    """``Upload-Metadata``: names with values in Base64; raises ``bad_options``."""
    found: dict[str, bytes] = {}
    for pair in filter(None, (word.strip() for word in header.split(","))):
        name, _, value = pair.partition(" ")
        try:
            found[name] = b64decode(value, validate=True)
        except binascii.Error:
            raise bad_options(f"{UPLOAD_METADATA_HEADER} is no list of names and Base64") from None
    return found


def _expires(pieces: Pieces) -> dict[str, str]:
    """Not before: each piece puts it off."""
    return {
        "Upload-Expires": format_datetime(datetime.fromtimestamp(pieces.created + UPLOAD_S, UTC), usegmt=True)
    }


def _conflict(message: str) -> EdgeError:
    return edge_error(
        ErrorCode.BAD_OPTIONS, HTTPStatus.CONFLICT, message, hint="Ask with HEAD where it stands."
    )
