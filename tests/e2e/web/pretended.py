"""Answers of a server that would take long to bring about."""

from __future__ import annotations

import json
from typing import Any

from e2e.web.tab import GENUINE, HAND_IN, Tab
from playwright.sync_api import Route

JOB = "0" * 32


def says(route: Route, status: int, body: dict[str, Any], **headers: str) -> None:
    """An answer in JSON; headers' names have underscores for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    route.fulfill(status=status, json=body, headers=named)


def pretend(tab: Tab, **job: Any) -> None:
    """Whatever is handed in becomes a job of which the server says this from then on."""
    told = {"id": JOB, "state": "running", "file": "", "verdict": None, "failure": None, "progress": None}
    length = str(GENUINE.stat().st_size)
    context = tab.page.context  # another tab may do the work
    context.route("**/v1/uploads", lambda route: says(route, 201, {}, Location=f"/v1/uploads/{JOB}"))
    context.route(f"**/v1/uploads/{JOB}", lambda route: says(route, 200, {}, Upload_Offset=length))
    context.route(HAND_IN, lambda route: says(route, 202, {**told, "state": "queued"}))
    context.route(f"**/v1/jobs/{JOB}", lambda route: says(route, 200, {**told, **job}))


def pretend_progress(tab: Tab, **progress: Any) -> None:
    """What the job's events say."""
    event = f"event: progress\ndata: {json.dumps({'state': 'running', **progress})}\n\n"
    tab.page.context.route(
        f"**/v1/jobs/{JOB}/events",
        lambda route: route.fulfill(content_type="text/event-stream", body=event),
    )
