"""Dump and restore a PostgreSQL database with PostgreSQL's programs `pg_dump` and `pg_restore`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.databases import open_engine, parse_database_url


class PostgresDumpError(SixtyfortyError):
    """The program `pg_dump` or `pg_restore` is missing or failed."""


def is_postgres(url: str) -> bool:
    """Return whether a database URL names a PostgreSQL database."""
    return url.startswith("postgresql")


def has_tables(url: str) -> bool:
    """Return whether the database at a URL contains any table."""
    import sqlalchemy as sa

    return bool(sa.inspect(open_engine(url, poolclass=sa.NullPool)).get_table_names())


def dump_database(url: str, file: Path) -> None:
    """Write the database at a URL to a file in PostgreSQL's custom format. If `pg_dump` fails, no file is written."""
    partial = file.with_suffix(".writing")
    _run("pg_dump", url, ["--format=custom", f"--file={partial}"])
    partial.replace(file)


def restore_database(url: str, file: Path) -> None:
    """Restore a dump into the database at a URL in one transaction, so completely or not at all."""
    database = str(parse_database_url(url).database)
    options = ["--no-owner", "--no-acl", "--single-transaction", "--exit-on-error"]
    _run("pg_restore", url, [*options, f"--dbname={database}", str(file)])


def _run(program: str, url: str, options: list[str]) -> None:
    path = shutil.which(program)
    if not path:
        raise PostgresDumpError(f"{program} is not on PATH. Install PostgreSQL's client programs (postgresql-client).")
    process = subprocess.run(
        [path, *options], env=os.environ | _connection_environment(url), capture_output=True, text=True
    )
    if process.returncode:
        problem = (process.stderr.strip() or f"exit code {process.returncode}").splitlines()[-1]
        raise PostgresDumpError(f"PostgreSQL's program {program} failed: {problem}")


def _connection_environment(url: str) -> dict[str, str]:
    """Return a database URL as environment variables, which other users can't read, unlike a command line."""
    parsed = parse_database_url(url)
    variables = {
        "PGHOST": parsed.host or parsed.query.get("host"),
        "PGPORT": parsed.port or parsed.query.get("port"),
        "PGUSER": parsed.username,
        "PGPASSWORD": parsed.password,
        "PGDATABASE": parsed.database,
        "PGSSLMODE": parsed.query.get("sslmode"),
        "PGSSLROOTCERT": parsed.query.get("sslrootcert"),
    }
    return {name: str(setting) for name, setting in variables.items() if setting}
