"""Where Prometheus reads: the gateway's own metrics, and its servers', which listen on loopback alone.

``/metrics`` is the gateway's, ``/servers/N/metrics`` the Nth server's as TorchServe tells them.
"""

from __future__ import annotations

from collections.abc import Sequence

import httpx
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, make_asgi_app
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.servers import Server

SERVER_S = 10.0
NOTHING_HERE = "there is nothing here; try /metrics or /servers/1/metrics\n"


def metrics_app(
    registry: CollectorRegistry, servers: Sequence[Server], client: httpx.AsyncClient
) -> Starlette:
    """An application of its own, for a port of its own: none of it is for callers."""
    own = make_asgi_app(registry)

    async def of_gateway(_: Request) -> ASGIApp:
        return own  # Starlette calls what an endpoint gives as an ASGI application

    async def of_server(request: Request) -> Response:
        number = request.path_params["number"]
        if not 1 <= number <= len(servers):
            raise HTTPException(404)
        if (content := await server_metrics(servers[number - 1], client)) is None:
            return PlainTextResponse("the server is not ready\n", 503)
        return Response(content, media_type=CONTENT_TYPE_LATEST)

    async def nothing_here(*_: object) -> Response:
        return PlainTextResponse(NOTHING_HERE, 404)

    routes = [Route("/metrics", of_gateway), Route("/servers/{number:int}/metrics", of_server)]
    return Starlette(routes=routes, exception_handlers={404: nothing_here})


async def server_metrics(server: Server, client: httpx.AsyncClient) -> bytes | None:
    """What a server tells of itself, in Prometheus's format; None where it does not answer."""
    address = server.address()
    if address is None:
        return None
    try:
        return (await client.get(address.metrics_url, timeout=SERVER_S)).content
    except (httpx.HTTPError, httpx.InvalidURL):
        return None
