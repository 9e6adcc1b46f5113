"""PostgreSQL's own programs get the connection by environment, and their failure is an error with its text."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.operations import postgres_dump
from pipelines.operations.postgres_dump import PostgresDumpError, dump_database, is_postgres

URL = "postgresql+psycopg2://ann:s3cret@db.example:5433/lake?sslmode=require"


def test_only_postgres_urls_count() -> None:
    assert is_postgres(URL)
    assert not is_postgres("sqlite:///deliveries.sqlite")


def test_the_connection_goes_by_environment_not_by_command_line() -> None:
    assert postgres_dump._connection_environment(URL) == {
        "PGHOST": "db.example",
        "PGPORT": "5433",
        "PGUSER": "ann",
        "PGPASSWORD": "s3cret",
        "PGDATABASE": "lake",
        "PGSSLMODE": "require",
    }
    socket = postgres_dump._connection_environment("postgresql+psycopg2://ann@/lake?host=/run/pg")
    assert socket == {"PGHOST": "/run/pg", "PGUSER": "ann", "PGDATABASE": "lake"}


def test_a_missing_program_is_answered_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PostgresDumpError, match="postgresql-client"):
        dump_database(URL, tmp_path / "database.dump")


def test_a_failing_program_is_reported_with_its_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\necho first >&2\necho 'no such server' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(PostgresDumpError, match=r"^PostgreSQL's program pg_dump failed: no such server$"):
        dump_database(URL, tmp_path / "database.dump")
    assert not (tmp_path / "database.dump").exists()
