"""The document says what the service does."""

from __future__ import annotations

from typing import Any

import jsonschema  # type: ignore[import-untyped]
from openapi_spec_validator import validate
from unit.gateway.conftest import LiveGateway

from gateway.openapi import DOCUMENT
from gateway.page_files import ROUTES as PAGE_ROUTES
from outofsync.errors import ErrorCode
from outofsync.options import Options

EDGE_CODES = {"authentication", "not_deployed", "not_found", "method_not_allowed", "timeout"}


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = {**DOCUMENT["components"]["schemas"][name], "components": DOCUMENT["components"]}
    return found


def test_the_document_is_valid() -> None:
    validate(DOCUMENT)


def test_options_and_codes_are_the_engines() -> None:
    assert set(schema("Options")["properties"]) == set(Options.__slots__)
    codes = schema("Error")["properties"]["error"]["properties"]["code"]["enum"]
    assert set(codes) == {code.value for code in ErrorCode} | EDGE_CODES


def test_every_route_is_described(live: LiveGateway) -> None:
    routes = {route.path for route in live.gateway.app().routes}  # type: ignore[attr-defined]
    assert routes - {"/v1/openapi.json", *PAGE_ROUTES} == set(DOCUMENT["paths"])
    assert live.ask("GET", "/v1/openapi.json", key="").json() == DOCUMENT


def test_answers_keep_to_their_schemas(live: LiveGateway) -> None:
    jsonschema.validate(live.detect(key="").json(), schema("Error"))
    jsonschema.validate(live.ask("GET", "/v1/health").json(), schema("Health"))
    jsonschema.validate(live.ask("GET", "/v1/models").json(), schema("Models"))
