"""Tables have the columns of their rows."""

from __future__ import annotations

import pyarrow as pa
import pytest

from outofsync_cluster.rows import TABLES, ErrorRow, Row, SourceRow, VideoRow, schema_of, table_of


@pytest.mark.parametrize("row", TABLES.values(), ids=list(TABLES))
def test_a_table_without_rows_has_its_columns(row: type[Row]) -> None:
    assert table_of(row, []).schema == schema_of(row)


def test_what_may_be_missing_may_be_null() -> None:
    schema = schema_of(VideoRow)
    assert schema.field("label").nullable
    assert not schema.field("key").nullable
    assert schema.field("reasons").type == pa.list_(pa.string())


def test_rows_come_back_as_they_were() -> None:
    row = ErrorRow("a.mp4", None, "no_audio", "decode", "no sound", "Send a file with sound.", 1)
    assert table_of(ErrorRow, [row]).to_pylist() == [
        {
            "uri": "a.mp4",
            "sha256": None,
            "code": "no_audio",
            "stage": "decode",
            "message": "no sound",
            "hint": "Send a file with sound.",
            "attempts": 1,
        }
    ]


def test_a_source_knows_when_it_changed() -> None:
    table = table_of(SourceRow, [SourceRow("a.mp4", 3, 1_700_000_000_000_000_000, "ab", "k", None, False)])
    assert table.column("modified").to_pylist() == [1_700_000_000_000_000_000]
