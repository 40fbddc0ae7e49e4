"""A route as callers meet it: every failure becomes an envelope, every request is counted and logged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.errors import EdgeError, busy, internal
from gateway.metrics import Metrics
from gateway.request_context import CLIENT_CLOSED_CODE, CLIENT_CLOSED_REQUEST, RequestContext
from outofsync_client import OutOfSyncError
from outofsync_client.protocol import REQUEST_ID_HEADER

Work = Callable[[RequestContext], Awaitable[Response]]

STOPPED = busy("the gateway is stopping")

logger = logging.getLogger("gateway")


class Endpoint:
    """An ASGI application, which unlike a function of a request knows when its answer has been sent."""

    def __init__(
        self,
        route: str,
        work: Work,
        metrics: Metrics,
        *,
        admit: Callable[[Request], None],
        draining: Callable[[], bool],
    ) -> None:
        """``admit`` raises an ``EdgeError`` for a request that the work is not to see."""
        self._route = route
        self._work = work
        self._metrics = metrics
        self._admit = admit
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = RequestContext(Request(scope, receive), self._route, self._metrics)
        try:
            async with context.resources:
                response = await self._response(context)
                await response(scope, receive, context.recorded(send))
        except OutOfSyncError as error:
            # The answer is half sent and will never be whole: uvicorn closes the connection for that.
            context.code = error.code
            logger.warning("request %s: its server broke the answer off (%s)", context.request_id, error.code)
        except asyncio.CancelledError:
            context.code = STOPPED.code
            logger.warning("request %s: there was no time left to send the answer", context.request_id)
        except TimeoutError:
            logger.warning("request %s: the caller does not read the answer", context.request_id)
        finally:
            context.end()

    async def _response(self, context: RequestContext) -> Response:
        response: Response
        try:
            self._admit(context.request)
            response = await self._work(context)
        except EdgeError as error:
            context.code = error.code
            response = error_response(error, context.request_id)
        except ClientDisconnect:
            context.code = CLIENT_CLOSED_CODE
            response = Response(status_code=CLIENT_CLOSED_REQUEST)
        except asyncio.CancelledError:  # uvicorn does so when the time to stop has come
            context.code = STOPPED.code
            response = error_response(STOPPED, context.request_id)
        except Exception:
            logger.exception("request %s failed", context.request_id)
            fault = internal("the gateway failed on this request")
            context.code = fault.code
            response = error_response(fault, context.request_id)
        response.headers.setdefault(REQUEST_ID_HEADER, context.request_id)
        response.headers.setdefault("Cache-Control", "no-store")
        if self._draining():
            response.headers["Connection"] = "close"  # so that the next request finds another gateway
        return response


def error_response(error: EdgeError, request_id: str) -> Response:
    """The answer that tells of an error."""
    headers = {REQUEST_ID_HEADER: request_id, "Cache-Control": "no-store", **error.headers}
    return JSONResponse(error.envelope(request_id), status_code=error.status, headers=headers)
