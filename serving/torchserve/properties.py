"""The properties file that TorchServe reads."""

from __future__ import annotations

from string import Template

from outofsync.limits import Limits
from serving.settings import FORM_BYTES, ServerSettings
from serving.torchserve.ports import Ports


def server_properties(settings: ServerSettings, ports: Ports) -> str:
    """The text of TorchServe's configuration file."""
    limits = Limits()
    values = {
        "inference_port": ports.inference,
        "management_port": ports.management,
        "metrics_port": ports.metrics,
        "grpc_inference_port": ports.grpc_inference,
        "grpc_management_port": ports.grpc_management,
        "model_store": _escaped(str(settings.model_store.resolve())),
        "max_request_size": limits.request_bytes + FORM_BYTES,
        "max_response_size": limits.clip_bytes,
        # A token that was not changed in time still serves until the next turn.
        "token_expiration_min": round(2 * settings.rotate_s / 60) + 10,
    }
    kind = "cpu" if settings.device == "cpu" else "gpu"
    parts = ("server.properties", f"{kind}.properties")
    template = "".join((settings.config / name).read_text() for name in parts)
    return Template(template).substitute(values)


def _escaped(value: str) -> str:
    """Java reads properties as Latin-1 with backslash escapes."""
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = [int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2)]
    return "".join(chr(code) if code < 128 else f"\\u{code:04x}" for code in codes)
