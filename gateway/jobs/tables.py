"""The tables, in SQLite or PostgreSQL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa

FILE = "jobs.sqlite"
BUSY_MS = 30_000  # longest wait for another process that writes to SQLite
LOCK = 0x6F6F73  # of PostgreSQL: whoever takes turns holds it

METADATA = sa.MetaData()

JOBS = sa.Table(
    "outofsync_jobs",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("holder", sa.String(128), nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("priority", sa.String(16), nullable=False),
    sa.Column("file", sa.String(255), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("body_type", sa.String(255), nullable=False),
    sa.Column("options", sa.Text, nullable=False),
    sa.Column("turn", sa.Integer, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("started", sa.Double),
    sa.Column("ended", sa.Double),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("gateway", sa.String(64)),
    sa.Column("stage", sa.String(16)),
    sa.Column("share", sa.Double),
    sa.Column("remaining_s", sa.Double),
    sa.Column("scored", sa.Integer),
    sa.Column("pipeline", sa.String(128)),
    sa.Column("verdict", sa.String(16)),
    sa.Column("label", sa.String(8)),
    sa.Column("error", sa.JSON(none_as_null=True)),
    sa.Column("answered_by", sa.String(32)),
    sa.Column("idempotency", sa.String(64)),
    sa.Column("callback", sa.Text),
    sa.Column("callback_state", sa.String(16)),
    sa.Column("crashes", sa.Integer),
    sa.Column("segments", sa.Text),
    sa.Column("result", sa.Text),
    sa.UniqueConstraint("holder", "idempotency"),
    sa.Index("outofsync_jobs_of_holder", "holder", "id"),
    sa.Index("outofsync_jobs_by_state", "state", "id"),
    sa.Index("outofsync_jobs_by_file", "holder", "sha256"),
    sa.Index("outofsync_jobs_by_turn", "turn"),
)
LARGE = ("segments", "result")  # which may be megabytes
SUMMARY = [column for column in JOBS.c if column.name not in LARGE]

# What signs callbacks, for each key, and what became of them.
SECRETS = sa.Table(
    "outofsync_callback_secrets",
    METADATA,
    sa.Column("holder", sa.String(128), primary_key=True),
    sa.Column("created", sa.Double, primary_key=True),
    sa.Column("secret", sa.String(128), nullable=False),
)
ATTEMPTS = sa.Table(
    "outofsync_callback_attempts",
    METADATA,
    sa.Column("job", sa.String(32), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("problem", sa.Text),
)

# Uploads that come in pieces, until they are a job's.
UPLOADS = sa.Table(
    "outofsync_uploads",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("holder", sa.String(128), nullable=False, index=True),
    sa.Column("length", sa.BigInteger, nullable=False),
    sa.Column("head", sa.Integer, nullable=False),
    sa.Column("boundary", sa.String(64), nullable=False),
    sa.Column("file", sa.String(255), nullable=False),
    sa.Column("options", sa.Text, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
)

# The gateways that share the work, and when each was last heard of.
GATEWAYS = sa.Table(
    "outofsync_gateways",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("seen", sa.Double, nullable=False),
)


def connect(database: str | None, folder: Path) -> sa.Engine:
    """An engine whose tables are there; raises SQLAlchemy's errors where the database cannot be reached."""
    if database is None:
        engine = sqlite_engine(folder / FILE)
    else:
        engine = sa.create_engine(with_driver(database), pool_pre_ping=True)
    with engine.begin() as connection:  # of two gateways that start together, one makes them
        take_turns(connection)
        METADATA.create_all(connection)
        _add_columns(connection)
    return engine


def _add_columns(connection: sa.Connection) -> None:
    """What tables of an older version lack; every column that was added later may be empty."""
    there = sa.inspect(connection)
    quoted = connection.dialect.identifier_preparer.format_table
    for table in METADATA.sorted_tables:
        known = {column["name"] for column in there.get_columns(table.name)}
        for column in table.c:
            if column.name not in known:
                words = sa.schema.CreateColumn(column).compile(connection)
                connection.execute(sa.text(f"ALTER TABLE {quoted(table)} ADD COLUMN {words}"))


def with_driver(database: str) -> sa.URL:
    """The URL of a PostgreSQL database, for the driver that is installed."""
    url = sa.make_url(database)
    if url.get_backend_name() != "postgresql":
        raise ValueError("jobs are kept in SQLite, or in PostgreSQL by a URL postgresql://…")
    return url.set(drivername="postgresql+psycopg")


def take_turns(connection: sa.Connection) -> None:
    """Let nobody else in who takes turns, until this transaction ends."""
    if connection.dialect.name == "sqlite":
        connection.execute(sa.text("BEGIN IMMEDIATE"))
    else:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


def sqlite_engine(path: Path, *, lasting: bool = True, **settings: Any) -> sa.Engine:
    """A database file for its owner alone, made where it is missing, which readers and a writer use at once.

    Unless it is ``lasting``, the last changes may be lost with the power, and cost no wait for the disk;
    ``settings`` are SQLAlchemy's.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    engine = sa.create_engine(f"sqlite:///{path}", **settings)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if lasting else 'NORMAL'}")
        connection.execute("PRAGMA secure_delete=ON")  # what is forgotten leaves no trace in the file

    return engine


def empty_journal(engine: sa.Engine) -> None:
    """SQLite's journal holds what was there before."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
