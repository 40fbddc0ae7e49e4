"""Tables as markdown and as plain JSON types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

from training.evaluation.statistics import MISSING, Figure

Cell = str | int | Figure | None


@dataclass(frozen=True)
class Table:
    """A titled table with a note below; ``name`` is what its figures are filed under."""

    name: str
    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    note: str = ""

    def markdown(self) -> str:
        lines = [f"### {self.title}", "", _line(self.header), "|" + "---|" * len(self.header)]
        lines += [_line([MISSING if cell is None else str(cell) for cell in row]) for row in self.rows]
        return "\n".join(lines) + ("\n\n" + self.note if self.note else "") + "\n"

    def figures(self) -> list[dict[str, Any]]:
        """A dictionary for each row, by the names of the columns."""
        return [{name: plain(cell) for name, cell in zip(self.header, row, strict=True)} for row in self.rows]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def plain(value: Any) -> Any:
    """Dataclasses as dictionaries, tuples as lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
