"""Writes an edge's folder: nginx's configuration, its error answers, and the static pages."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from string import Template

from gateway.openapi import DOCUMENT
from gateway.page_files import HEADERS as PAGE_HEADERS
from gateway.page_files import POLICY
from outofsync_client.protocol import EDGE_STAGE, REQUEST_ID_HEADER, RETRY_AFTER_S, ErrorCode
from serving.edge.certificate import development_certificate
from serving.edge.settings import EdgeSettings
from serving.edge.user import WorkerUser
from serving.settings import CONFIG, ServeError


class NginxTemplate(Template):
    """Fills in ``%{name}``: what stands after a dollar sign is nginx's own."""

    delimiter = "%"


TEMPLATES = CONFIG / "edge"
SWAGGER = ("swagger-ui-bundle.js", "swagger-ui.css")

REFERENCE_POLICY = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")

HEADERS = f"""\
add_header Strict-Transport-Security "max-age=63072000" always;
add_header X-Content-Type-Options nosniff always;
add_header X-Frame-Options DENY always;
add_header Referrer-Policy no-referrer always;
add_header Permissions-Policy "camera=(), microphone=(), geolocation=(), interest-cohort=()" always;
add_header Cross-Origin-Opener-Policy same-origin always;
add_header Cross-Origin-Resource-Policy same-origin always;
add_header {REQUEST_ID_HEADER} $named always;
"""

PROXY = f"""\
proxy_http_version 1.1;
proxy_buffering off;
proxy_connect_timeout 5s;
proxy_set_header Host $host;
proxy_set_header Connection "";
proxy_set_header X-Real-IP $remote_addr;
proxy_set_header {REQUEST_ID_HEADER} $named;
proxy_hide_header {REQUEST_ID_HEADER};
""" + "".join(f"proxy_hide_header {name};\n" for name in PAGE_HEADERS)  # every answer has them from nginx


LATER = {"Retry-After": str(RETRY_AFTER_S)}


@dataclass(frozen=True)
class Fault:
    """An error that nginx itself answers: on which of its codes, and what it says."""

    found: tuple[int, ...]
    status: int
    code: str
    message: str
    hint: str
    headers: dict[str, str] = field(default_factory=dict)
    # Whether what still comes is read for a while, so that whoever sends it sees the answer.
    read_on: bool = True


FAULTS = (
    Fault(
        (400, 414, 431, 494),
        400,
        ErrorCode.BAD_OPTIONS,
        "the request is not well-formed HTTP",
        "Send it anew.",
        read_on=False,  # heads without end would be read for half a minute
    ),
    Fault(
        (495, 496, 497), 400, ErrorCode.BAD_OPTIONS, "this port speaks HTTPS", "Use https:// in the address."
    ),
    Fault(
        (403, 405),
        405,
        ErrorCode.METHOD_NOT_ALLOWED,
        "this address is not asked in that way",
        "See /reference/.",
        {"Allow": "$taken"},
    ),
    Fault(
        (404,),
        404,
        ErrorCode.NOT_FOUND,
        "there is nothing at this address",
        "See /reference/ for every address.",
    ),
    Fault((408,), 408, ErrorCode.TIMEOUT, "the request came too slowly", "Send it over a faster connection."),
    Fault((413,), 413, ErrorCode.TOO_LARGE, "the request is too large", "Send a smaller file, or its parts."),
    Fault(
        (429,), 429, ErrorCode.BUSY, "this key has sent too many requests", "Wait, then send it again.", LATER
    ),
    Fault(
        (501, 505),
        400,
        ErrorCode.BAD_OPTIONS,
        "the request asks for a kind of HTTP that is not spoken here",
        "Speak HTTP/1.1 or 2, and send a body with its length or in chunks.",
    ),
    Fault((500,), 500, ErrorCode.INTERNAL, "the edge failed on this request", "Report it with its id."),
    Fault((502, 503), 503, ErrorCode.BUSY, "no gateway answers for now", "Send it again later.", LATER),
    Fault((504,), 504, ErrorCode.TIMEOUT, "the gateway did not answer in time", "Send a shorter video."),
)


def render(settings: EdgeSettings, gateways: list[str], shared: Path, user: WorkerUser | None) -> Path:
    """Write everything and return the configuration file; ``gateways`` as nginx names servers.

    What nginx's workers use lies in ``shared``, which is the user's whom they are; the rest is read by nginx
    itself, and is private to whoever starts it.
    """
    folder = settings.folder
    for name in ("temporary", "pages/reference", "pages/v1"):
        (shared / name).mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    certificate, key = _certificate(settings)
    (folder / "errors.conf").write_text(errors_conf())
    (folder / "headers.conf").write_text(HEADERS)
    (folder / "proxy.conf").write_text(PROXY)
    _pages(shared / "pages")
    if user is not None:
        user.check_reach(shared)
        user.own(shared, *shared.rglob("*"))
    text = NginxTemplate((TEMPLATES / "nginx.conf").read_text()).substitute(
        user=f"user {user.name} {user.group};" if user else "",
        folder=folder,
        shared=shared,
        gateways="\n".join(f"        server {gateway};" for gateway in gateways),
        listen=f"{settings.address}:{settings.port}",
        redirect=_redirect(settings),
        certificate=certificate,
        key=key,
        page_policy=POLICY,
        reference_policy=REFERENCE_POLICY,
        rate=f"{settings.rate:g}",
        burst=settings.burst,
        address_rate=f"{settings.rate * settings.address_share:g}",
        address_burst=settings.burst * settings.address_share,
        connections=settings.connections,
        address_connections=settings.address_connections,
        header_s=settings.header_s,
        body_s=settings.body_s,
        answer_s=settings.answer_s,
        request_bytes=settings.request_bytes,
    )
    path = folder / "nginx.conf"
    path.write_text(text)
    return path


def errors_conf() -> str:
    """A location for each fault, which answers the envelope."""
    parts = []
    for fault in FAULTS:
        values = {
            "code": fault.code,
            "status": fault.status,
            "stage": EDGE_STAGE,
            "message": fault.message,
            "hint": fault.hint,
            "request_id": "$named",
        }
        codes = " ".join(map(str, fault.found))
        name = f"/_fault/{fault.found[0]}"  # an address: a request too broken to have one is answered, too
        extra = "".join(f'    add_header {name} "{value}" always;\n' for name, value in fault.headers.items())
        if extra:  # which ends what the location inherits, so that all are named again
            policy = f'    add_header Content-Security-Policy "{POLICY}" always;\n'
            extra = f"    include headers.conf;\n{policy}{extra}"
        if not fault.read_on:
            extra += "    lingering_close off;\n"
        parts.append(
            f"error_page {codes} = {name};\n"
            f"location = {name} {{\n"
            f"    internal;\n    default_type application/json;\n{extra}"
            f"    return {fault.status} '{json.dumps({'error': values})}';\n}}\n"
        )
    return "\n".join(parts)


def _certificate(settings: EdgeSettings) -> tuple[Path, Path]:
    if settings.certificate and settings.key:
        return settings.certificate.resolve(), settings.key.resolve()
    if settings.certificate or settings.key:
        raise ServeError("a certificate comes with its key: give --certificate and --key")
    return development_certificate(settings.folder, settings.host)


def _redirect(settings: EdgeSettings) -> str:
    if settings.plain_port is None:
        return ""
    return (
        f"    server {{\n        listen {settings.address}:{settings.plain_port};\n"
        f"        include {settings.folder}/errors.conf;\n        include {settings.folder}/headers.conf;\n"
        f'        add_header Content-Security-Policy "{POLICY}" always;\n'
        f"        return 308 https://$host:{settings.port}$request_uri;\n    }}\n"
    )


def _pages(pages: Path) -> None:
    """The API reference; the page itself is the gateway's."""
    shutil.copytree(TEMPLATES / "static" / "reference", pages / "reference", dirs_exist_ok=True)
    (pages / "v1" / "openapi.json").write_text(json.dumps(DOCUMENT))
    found = find_spec("fastapi_offline")  # only its files are used: Swagger UI, without a network
    if found is None or found.origin is None:
        raise ServeError("Swagger UI is missing; set the environment up: make setup")
    for name in SWAGGER:
        shutil.copy(Path(found.origin).parent / "static" / name, pages / "reference")
