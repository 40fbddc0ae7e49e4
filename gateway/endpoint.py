"""A route as callers meet it: every failure becomes an envelope, every request is counted and logged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.errors import EdgeError, busy, internal
from gateway.measures import Measures
from gateway.upstream import REQUEST_ID_HEADER
from gateway.visit import HUNG_UP, HUNG_UP_CODE, Visit
from outofsync_client import OutOfSyncError

Work = Callable[[Visit], Awaitable[Response]]

STOPPED = busy("the gateway is stopping")

logger = logging.getLogger("gateway")


class Endpoint:
    """An ASGI application, which unlike a function of a request knows when its answer has been sent."""

    def __init__(
        self, route: str, work: Work, measures: Measures, draining: Callable[[], bool] = lambda: False
    ) -> None:
        self._route = route
        self._work = work
        self._measures = measures
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit = Visit(Request(scope, receive), self._route, self._measures)
        try:
            async with visit.resources:
                response = await self._response(visit)
                await response(scope, receive, visit.recording(send))
        except OutOfSyncError as error:
            # The answer is half sent and will never be whole: uvicorn closes the connection for that.
            visit.code = error.code
            logger.warning("request %s: its server broke the answer off (%s)", visit.request_id, error.code)
        except asyncio.CancelledError:
            visit.code = STOPPED.code
            logger.warning("request %s: there was no time left to send the answer", visit.request_id)
        except TimeoutError:
            logger.warning("request %s: the caller does not read the answer", visit.request_id)
        finally:
            visit.end()

    async def _response(self, visit: Visit) -> Response:
        response: Response
        try:
            response = await self._work(visit)
        except EdgeError as error:
            visit.code = error.code
            response = said(error, visit.request_id)
        except ClientDisconnect:
            visit.code = HUNG_UP_CODE
            response = Response(status_code=HUNG_UP)
        except asyncio.CancelledError:  # uvicorn does so when the time to stop has come
            visit.code = STOPPED.code
            response = said(STOPPED, visit.request_id)
        except Exception:
            logger.exception("request %s failed", visit.request_id)
            fault = internal("the gateway failed on this request")
            visit.code = fault.code
            response = said(fault, visit.request_id)
        response.headers.setdefault(REQUEST_ID_HEADER, visit.request_id)
        response.headers.setdefault("Cache-Control", "no-store")
        if self._draining():
            response.headers["Connection"] = "close"  # so that the next request finds another gateway
        return response


def said(error: EdgeError, request_id: str) -> Response:
    """The answer that tells of an error."""
    headers = {REQUEST_ID_HEADER: request_id, "Cache-Control": "no-store", **error.headers}
    return JSONResponse(error.envelope(request_id), status_code=error.status, headers=headers)
