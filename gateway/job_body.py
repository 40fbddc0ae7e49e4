"""What a caller hands in as a job: the body as a server is to read it, and what it is about."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from gateway.errors import bad_options, empty_file, too_large
from gateway.form import CONTENT_TYPE, FILE, OPTIONS, Form
from gateway.jobs.job import Priority
from gateway.report_request import MAX_NAME_LETTERS, base_name
from gateway.request_context import SAFE_ID, RequestContext
from outofsync.errors import OutOfSyncError
from outofsync.options import Options
from outofsync_client.protocol import IDEMPOTENCY_HEADER

PARAMETERS = ("file", "priority", "fresh", "callback", "upload")
_ID = re.compile("[0-9a-f]{32}")
BARE_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Wishes:
    """What the address says of a job."""

    file: str = ""
    priority: Priority = Priority.INTERACTIVE
    fresh: bool = False  # judge it, whatever answers there are
    callback: str | None = None  # the address to call once it has ended
    upload: str | None = None  # in pieces, which is complete: in place of a body

    @classmethod
    def of(cls, context: RequestContext) -> Wishes:
        """Raises ``bad_options`` for what nobody knows."""
        given = context.request.query_params
        if unknown := sorted(set(given) - set(PARAMETERS)):
            raise bad_options(f"the address names {unknown[0][:40]!r}; known are {', '.join(PARAMETERS)}")
        if len(given.multi_items()) > len(given):
            raise bad_options("the address names something twice")
        if (fresh := given.get("fresh", "false")) not in ("true", "false"):
            raise bad_options("fresh must be true or false")
        if len(file := given.get("file", "")) > MAX_NAME_LETTERS:
            raise bad_options(f"file must be a name of at most {MAX_NAME_LETTERS} letters")
        try:
            priority = Priority(given.get("priority", Priority.INTERACTIVE))
        except ValueError:
            raise bad_options(f"priority must be one of {', '.join(Priority)}") from None
        upload = given.get("upload")
        if upload is not None and not _ID.fullmatch(upload):
            raise bad_options("upload must be the id of an upload in pieces")
        return cls(file, priority, fresh == "true", given.get("callback"), upload)


class JobBody:
    """One request's body as it comes: taken apart on the way, and summed."""

    def __init__(self, context: RequestContext, max_bytes: int) -> None:
        """Raises as :meth:`RequestContext.video` does, and ``bad_options`` for a form without a boundary."""
        self._max_bytes = max_bytes
        self._digest = hashlib.sha256()
        self._file_bytes = 0
        self._options = b""
        self._received = context.video(max_bytes)
        content_type = context.request.headers.get("content-type", "")
        is_form = content_type.lower().startswith(CONTENT_TYPE)
        self._form = Form(content_type, self._watch) if is_form else None
        self.idempotency = key_of_idempotency(context)
        self.type = BARE_TYPE if self._form is None else self._form.content_type

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as a server is to read it; raises ``bad_options`` for a form that cannot be read."""
        size = 0
        pieces = self._received if self._form is None else self._form.rewrite(self._received)
        async for piece in pieces:
            size += len(piece)
            if size > self._max_bytes:
                raise too_large(self._max_bytes)
            if self._form is None:
                self._watch(FILE, piece)
            yield piece

    def check_file(self) -> None:
        """Once the body is here: raises ``empty_file`` where it holds no file."""
        if not self._file_bytes:
            raise empty_file()

    @property
    def sha256(self) -> str:
        """Of the file, once the body is here."""
        return self._digest.hexdigest()

    @property
    def options(self) -> str:
        """The options in one way of writing them, once the body is here; raises ``bad_options``."""
        return canonical_options(self._options)

    def file(self, named: str) -> str:
        """What the caller calls the file, without folders; in the address before the form."""
        name = named or ("" if self._form is None else self._form.file_name)
        return base_name(name)[:MAX_NAME_LETTERS]

    def _watch(self, kind: str, piece: bytes) -> None:
        if kind == OPTIONS:
            self._options += piece
        else:
            self._digest.update(piece)
            self._file_bytes += len(piece)


def canonical_options(raw: bytes) -> str:
    """Options in one way of writing them; raises ``bad_options``."""
    try:
        values = Options.parse(raw).to_dict()
    except OutOfSyncError as error:
        raise bad_options(error.message) from None
    return json.dumps({**values, "include": sorted(set(values["include"]))}, sort_keys=True)


def key_of_idempotency(context: RequestContext) -> str | None:
    """What names a job at every attempt to hand it in, where the caller names it and that can do no harm."""
    given = context.request.headers.get(IDEMPOTENCY_HEADER, "")
    return given if SAFE_ID.fullmatch(given) else None
