"""What the handlers use of TorchServe's context, for tests that drive them without a server."""

from __future__ import annotations

from typing import Any


class FakeMetrics:
    """Collects counters as TorchServe's collector would."""

    def __init__(self) -> None:
        self.counted: dict[str, float] = {}

    def add_counter(self, name: str, value: float, *, dimensions: list[Any]) -> None:
        label = "".join(f"{{{dimension.value}}}" for dimension in dimensions)
        self.counted[name + label] = self.counted.get(name + label, 0.0) + value


class FakeContext:
    """A batch's context: the headers of its requests, and the statuses that they are answered with."""

    def __init__(
        self, name: str, headers: list[dict[str, Any]], settings: dict[str, Any], model_dir: str = "/nowhere"
    ) -> None:
        self.model_name = name
        self.manifest = {"model": {"modelVersion": "1.0"}}
        self.system_properties = {"model_dir": model_dir, "gpu_id": None}
        self.model_yaml_config = {"outofsync": settings}
        self.headers = headers
        self.metrics = FakeMetrics()
        self.statuses: dict[int, int] = {}
        self.types: dict[int, str] = {}

    def get_all_request_header(self, index: int) -> dict[str, Any]:
        return self.headers[index]

    def set_response_status(self, code: int, idx: int) -> None:
        self.statuses[idx] = code

    def set_response_content_type(self, index: int, value: str) -> None:
        self.types[index] = value
