"""Tables of an older version are brought up to date, and nothing in them is lost."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from gateway.jobs.tables import FILE, JOBS, METADATA, connect, with_driver

LATER = ("remaining_s", "scored", "crashes", "segments")


def test_columns_that_came_later_are_added(database: str | None, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / FILE}" if database is None else with_driver(database)
    before = sa.create_engine(url)
    older = sa.MetaData()
    columns = [
        sa.Column(one.name, one.type, primary_key=one.primary_key, nullable=one.nullable)
        for one in JOBS.c
        if one.name not in LATER
    ]
    sa.Table(JOBS.name, older, *columns)
    older.create_all(before)
    needed = {column.name: 0 for column in JOBS.c if not column.nullable}
    row = {**needed, **dict.fromkeys(("id", "holder", "request_id", "state", "priority"), "x")}
    row |= dict.fromkeys(("file", "sha256", "body_type", "options"), "x")
    with before.begin() as connection:
        connection.execute(sa.insert(older.tables[JOBS.name]).values(row))
    before.dispose()
    for _ in range(2):  # whoever comes later finds them there
        engine = connect(database, tmp_path)
        with engine.connect() as connection:
            found = connection.execute(sa.select(JOBS)).one()._mapping
        assert [found[name] for name in LATER] == [None] * len(LATER)
        assert found["id"] == "x"
        assert set(sa.inspect(engine).get_table_names()) >= set(METADATA.tables)
        engine.dispose()
