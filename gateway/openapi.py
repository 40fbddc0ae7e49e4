"""The OpenAPI document, from the file beside this one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

DOCUMENT: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("openapi.yaml").read_text())
