"""The routes of jobs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import JSONResponse, Response, StreamingResponse

from gateway.access import Access
from gateway.errors import bad_options, no_result, no_such_job, no_such_upload, not_found
from gateway.events import HEADERS as EVENTS_HEADERS
from gateway.events import MEDIA_TYPE as EVENTS_TYPE
from gateway.events import Places, job_events
from gateway.job_answers import attempt_described, described
from gateway.job_body import JobBody, Wishes, key_of_idempotency
from gateway.job_service import JobService
from gateway.jobs.job import ID_LETTERS, Job, State
from gateway.report_request import FORMATS
from gateway.reports import Renderer
from gateway.request_context import RequestContext
from gateway.upload import Upload
from outofsync_client.protocol import EDGE_JOB, PREFER_HEADER, PREFERENCE_HEADER, RESPOND_ASYNC, WAIT

MAX_WAIT_S = 60.0  # of one request that waits for a job's end
PAGE, MAX_PAGE = 50, 200  # jobs in one answer
FILTERS: Mapping[str, tuple[str, ...]] = {
    "state": tuple(State),
    "verdict": ("real", "likely_real", "likely_fake", "fake", "inconclusive"),
    "label": ("REAL", "FAKE"),
}
_ID = re.compile(f"[0-9a-f]{{{ID_LETTERS}}}")
_PREFERENCE = re.compile(r'\s*([a-z-]+)\s*(?:=\s*"?([0-9]{1,9})"?)?\s*(?:;[^,]*)?', re.IGNORECASE)


class JobRoutes:
    """What is answered at each of them."""

    def __init__(
        self,
        service: JobService,
        access: Access,
        renderer: Renderer,
        followers: Places,
        *,
        max_bytes: int,
    ) -> None:
        self._service = service
        self._access = access
        self._renderer = renderer
        self._followers = followers
        self._max_bytes = max_bytes

    async def submit(self, context: RequestContext) -> Response:
        """Take a job: 202, and where to ask for it."""
        return await self._submit(context, Wishes.of(context))

    async def submit_detect(self, context: RequestContext) -> Response:
        """The same for a caller of ``/v1/detect`` who would rather not wait."""
        response = await self._submit(context, Wishes())
        response.headers[PREFERENCE_HEADER] = RESPOND_ASYNC
        return response

    async def _submit(self, context: RequestContext, wishes: Wishes) -> Response:
        holder = context.authenticate(self._access)
        if wishes.upload is None:
            body = JobBody(context, self._max_bytes)
            job = await self._service.submit(holder, context.request_id, body, wishes)
        else:
            job = await self._submit_pieces(context, holder, wishes)
        context.log_fields["job"] = job.id
        headers = {"Location": EDGE_JOB.format(id=job.id)}
        return JSONResponse(described(job), status_code=HTTPStatus.ACCEPTED, headers=headers)

    async def _submit_pieces(self, context: RequestContext, holder: str, wishes: Wishes) -> Job:
        if context.length or "transfer-encoding" in context.request.headers:
            raise bad_options("an upload in pieces takes the place of a body, and there is one")
        key = key_of_idempotency(context)
        if key and (before := await self._service.by_key(holder, key)):
            return before
        store = await self._service.pieces()
        pieces = await self._service.call(store.get, wishes.upload or "", holder)
        if pieces is None:
            raise no_such_upload()
        return await self._service.submit_pieces(holder, context.request_id, key, pieces, wishes)

    async def get(self, context: RequestContext) -> Response:
        """One job, with its result where it has one; after a while, where the caller prefers to wait."""
        holder = context.authenticate(self._access)
        wait_s = min(MAX_WAIT_S, preferences(context).get(WAIT) or 0)
        job = await self._of(context, holder)
        headers = {}
        if job.unfinished and wait_s:
            later = await context.cancel_on_disconnect(self._service.wait(job.id, holder, wait_s))
            if later is None:  # forgotten meanwhile
                raise no_such_job()
            job = later
            headers = {PREFERENCE_HEADER: f"{WAIT}={wait_s:.0f}"}
        values = described(job)
        if job.callback is not None:
            attempts = [attempt_described(one) for one in await self._service.attempts(job)]
            values["callback"] = {"url": job.callback, "state": job.callback_state, "attempts": attempts}
        if job.state is State.RUNNING:
            values["segments"] = await self._service.segments(job.id)
        if job.state is State.DONE:
            values["result"] = await self._service.result(job.id)
        return JSONResponse(values, headers=headers)

    async def page(self, context: RequestContext) -> Response:
        """A caller's own jobs, newest first."""
        holder = context.authenticate(self._access)
        limit, before, filters = _asked(context.request.query_params)
        jobs = await self._service.page(holder, limit + 1, before, filters)
        following = jobs[limit - 1].id if len(jobs) > limit else None
        return JSONResponse({"jobs": [described(job) for job in jobs[:limit]], "next": following})

    async def end(self, context: RequestContext) -> Response:
        """Cancel a job, or forget one that has ended."""
        holder = context.authenticate(self._access)
        job = await self._of(context, holder)
        if job.unfinished and await self._service.cancel(job):
            return JSONResponse(described(await self._of(context, holder)))
        await self._service.forget(job)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def new_secret(self, context: RequestContext) -> Response:
        """A new secret for this key's callbacks, shown once."""
        holder = context.authenticate(self._access)
        secret = await self._service.new_secret(holder)
        return JSONResponse({"secret": secret}, status_code=HTTPStatus.CREATED)

    async def events(self, context: RequestContext) -> Response:
        """What a job is at, whenever that changes, until it has ended."""
        holder = context.authenticate(self._access)
        job = await self._of(context, holder)
        context.resources.enter_context(self._followers.one(holder))
        following = job_events(self._service.looks(job.id, holder))
        return StreamingResponse(following, media_type=EVENTS_TYPE, headers=EVENTS_HEADERS)

    async def report(self, context: RequestContext) -> Response:
        """A job's result for people, or for other programs, as a file."""
        holder = context.authenticate(self._access)
        kind = context.request.path_params["format"]
        if kind not in FORMATS:
            raise not_found()
        job = await self._of(context, holder)
        result = await self._service.result(job.id)
        if result is None:
            raise no_result(job.state)
        result["request"] = {"file": job.file, "options": json.loads(job.options)}
        body = json.dumps({"result": result, "file": job.file, "format": kind}).encode()
        with Upload.of(body) as upload:
            report = await context.cancel_on_disconnect(self._renderer.render(upload), upload)
        return report.response()

    async def _of(self, context: RequestContext, holder: str) -> Job:
        """The job that an address names; raises ``not_found``."""
        id = context.request.path_params["id"]
        if not _ID.fullmatch(id):
            raise no_such_job()
        context.log_fields["job"] = id
        job = await self._service.job(id, holder)
        if job is None:
            raise no_such_job()
        return job


def preferences(context: RequestContext) -> dict[str, int | None]:
    """What a caller would rather have (RFC 7240); what makes no sense is left out, as that document says."""
    found: dict[str, int | None] = {}
    for line in context.request.headers.getlist(PREFER_HEADER):
        for word in line.split(","):
            if match := _PREFERENCE.fullmatch(word):
                found.setdefault(match[1].lower(), None if match[2] is None else int(match[2]))
    return found


def _asked(given: Mapping[str, str]) -> tuple[int, str | None, dict[str, str | None]]:
    """How many jobs, behind which one, of what kind; raises ``bad_options``."""
    known = (*FILTERS, "limit", "before")
    if unknown := sorted(set(given) - set(known)):
        raise bad_options(f"the address names {unknown[0][:40]!r}; known are {', '.join(known)}")
    limit = given.get("limit", str(PAGE))
    if not re.fullmatch("[1-9][0-9]{0,2}", limit) or int(limit) > MAX_PAGE:
        raise bad_options(f"limit must be a number from 1 to {MAX_PAGE}")
    before = given.get("before")
    if before is not None and not _ID.fullmatch(before):
        raise bad_options("before must be the id of a job")
    filters = {name: given.get(name) for name in FILTERS}
    for name, value in filters.items():
        if value is not None and value not in FILTERS[name]:
            raise bad_options(f"{name} must be one of {', '.join(FILTERS[name])}")
    return int(limit), before, filters
