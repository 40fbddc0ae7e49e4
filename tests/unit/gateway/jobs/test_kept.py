"""What lies on the disk and in the database of a job: for its owner alone, for as long as is promised."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from unit.gateway.conftest import LiveGateway, MakeGateway, wait_until
from unit.gateway.jobs.conftest import Gate
from unit.gateway.jobs.test_routes import ended, get, submit

from gateway import job_worker
from gateway.jobs import desk
from gateway.jobs.settings import JobSettings
from gateway.jobs.tables import FILE, JOBS, with_driver

OWN_FOLDER, OWN_FILE = 0o700, 0o600
NAME = "a-name-that-stands-nowhere-else"


@pytest.fixture
def live(make_gateway: MakeGateway, database: str | None, monkeypatch: pytest.MonkeyPatch) -> LiveGateway:
    monkeypatch.setattr(desk, "SWEEP_S", 0.0)
    monkeypatch.setattr(job_worker, "FOLLOW_S", 0.01)
    jobs = JobSettings(database=database, lease_s=0.5)
    return make_gateway(jobs=jobs, prepare=lambda server: (server.state / "progress").mkdir())


@pytest.fixture
def rows(live: LiveGateway, database: str | None) -> Iterator[sa.Engine]:
    """The database as whoever has broken into it sees it."""
    folder = live.servers[0].state / "jobs"
    url = f"sqlite:///{folder / FILE}" if database is None else with_driver(database)
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


def everything(engine: sa.Engine, folder: Path) -> str:
    """All that is kept anywhere: every row of every table, and every byte of every file."""
    found = []
    inspector = sa.inspect(engine)
    for schema in inspector.get_schema_names():
        if schema in ("information_schema", "pg_catalog", "pg_toast"):
            continue
        for name in inspector.get_table_names(schema):
            table = sa.Table(name, sa.MetaData(), schema=schema, autoload_with=engine)
            with engine.connect() as connection:
                found += [repr(row) for row in connection.execute(sa.select(table))]
    found += [path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()]
    return "\n".join(found)


def age(engine: sa.Engine, seconds: float) -> None:
    """As if jobs had ended so much earlier."""
    with engine.begin() as connection:
        connection.execute(sa.update(JOBS).values(ended=JOBS.c.ended - seconds))


@pytest.mark.slow
def test_what_is_forgotten_leaves_no_trace_in_either_database(live: LiveGateway, rows: sa.Engine) -> None:
    folder = live.servers[0].state / "jobs"
    taken = submit(live, NAME.encode(), path=f"/v1/jobs?file={NAME}", headers={"Idempotency-Key": NAME})
    done = ended(live, taken)
    before = everything(rows, folder)
    for words in (taken["id"], NAME, taken["sha256"], done["result"]["verdict"]):
        assert words in before
    assert live.ask("DELETE", f"/v1/jobs/{taken['id']}").status_code == 204
    after = everything(rows, folder)
    for words in (taken["id"], NAME, taken["sha256"], json.dumps(done["result"])[:40]):
        assert words not in after, words


@pytest.mark.slow
def test_a_result_expires_and_then_the_job_itself(live: LiveGateway, rows: sa.Engine) -> None:
    days = JobSettings().retention_s
    taken = submit(live, path=f"/v1/jobs?file={NAME}")
    assert ended(live, taken)["state"] == "done"
    age(rows, 0.9 * days)
    kept = submit(live, b"another")
    assert ended(live, kept)["state"] == "done"
    assert get(live, taken)["state"] == "done"
    age(rows, 0.2 * days)
    wait_until(lambda: get(live, taken)["state"] == "expired")
    expired = get(live, taken)
    assert (expired["file"], expired["verdict"], "result" in expired) == ("", None, False)
    assert live.ask("GET", f"/v1/jobs/{taken['id']}/report.json").status_code == 404
    assert get(live, kept)["state"] == "done"
    age(rows, days)
    wait_until(lambda: live.ask("GET", f"/v1/jobs/{taken['id']}").status_code == 404)
    assert taken["id"] not in everything(rows, live.servers[0].state / "jobs")


@pytest.mark.slow
def test_a_cancelled_job_leaves_no_upload_and_no_progress(live: LiveGateway) -> None:
    gate = Gate()
    live.servers[0].answer = gate.answer
    taken = submit(live)
    state = live.servers[0].state
    wait_until(lambda: list((state / "progress").iterdir()))
    assert live.ask("DELETE", f"/v1/jobs/{taken['id']}").json()["state"] == "cancelled"
    wait_until(lambda: not list((state / "progress").iterdir()))
    assert not list((state / "jobs" / "uploads").iterdir())
    gate.open.set()


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_lies_on_the_disk_is_its_owners_alone(make_gateway: MakeGateway) -> None:
    before = os.umask(0)  # as permissive as can be
    try:
        live = make_gateway(prepare=lambda server: (server.state / "progress").mkdir())
        gate = Gate()
        live.servers[0].answer = gate.answer
        submit(live)
        tus: dict[str, Any] = {"Tus-Resumable": "1.0.0", "Upload-Length": "10"}
        assert live.ask("POST", "/v1/uploads", headers=tus).status_code == 201
        state = live.servers[0].state
        wait_until(lambda: list((state / "progress").iterdir()))
        uploads = state / "jobs" / "uploads"
        assert len(list(uploads.iterdir())) == 2
        assert {permissions(folder) for folder in (state / "jobs", uploads)} == {OWN_FOLDER}
        files = [path for path in (state / "jobs").rglob("*") if path.is_file()]
        files += (state / "progress").iterdir()
        assert {path.name: permissions(path) for path in files} == {path.name: OWN_FILE for path in files}
        gate.open.set()
    finally:
        os.umask(before)
