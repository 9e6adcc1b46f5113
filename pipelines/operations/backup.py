"""A copy of everything that can't be made again, and the way back.

In the folder of a back-up: `home/` (what lies below the home: landing zone, models and ledgers, deliveries, reports,
DVC's pointers, cache and remote, Dagster's storage), `lake/`, `database.dump` where the database is a PostgreSQL, and
last of all `backup.json` with every file's SHA-256: without it a back-up isn't one. SQLite files are copied by SQLite,
so that a copy is whole though someone writes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.authoring import catalog
from pipelines.settings import Profile, prepare, profile

CONTENTS = "backup.json"
DUMP = "database.dump"
BESIDE = (".dvc", "dvc.lock")  # what DVC keeps in the home beside data/
LEFT_OUT = ("data/services", ".dvc/tmp", ".dvc/cache")  # made anew at each start, or belonging to a moment
SQLITE = b"SQLite format 3\0"
TRIES = 3


class BackupError(RuntimeError):
    """The back-up can't be made, or isn't whole."""


def backup(to: Path, patience: float = 600) -> dict[str, Any]:
    """Copies everything into `to`, a folder that doesn't exist yet or an older back-up, which is brought up to date.

    Waits up to `patience` seconds for runs under way, and copies anew what a run changed meanwhile. Returns what
    `backup.json` holds. Raises BackupError when there is no quiet, or PostgreSQL's `pg_dump` fails.
    """
    chosen = prepare()
    if to.exists() and any(to.iterdir()) and not (to / CONTENTS).exists():
        raise BackupError(f"{to} holds something else than a back-up")
    to.mkdir(parents=True, exist_ok=True)
    to.chmod(0o700)
    (to / CONTENTS).unlink(missing_ok=True)
    for _ in range(TRIES):
        began = _quiet(patience)
        files = {name: _copy(source, to / name) for name, source in _files(chosen)}
        if chosen.database_url.startswith("postgresql"):
            _dump(chosen, to / DUMP)
            files[DUMP] = _sha256(to / DUMP)
        if not _runs_since(began):
            break
    else:
        raise BackupError("runs kept starting while files were copied: stop the services, or back up at a quieter hour")
    for path in [p for p in to.rglob("*") if p.is_file() and p.relative_to(to).as_posix() not in files]:
        path.unlink()
    contents = {"made": datetime.now(UTC).isoformat(timespec="seconds"), "profile": chosen.name, "files": files}
    (to / CONTENTS).write_text(json.dumps(contents, indent=1))
    return contents


def recover(source: Path) -> dict[str, Any]:
    """Puts a back-up into an empty home, lake and PostgreSQL. Returns what was brought back.

    Raises BackupError when a file isn't as it was backed up, or something isn't empty; nothing is changed then.
    """
    if not (source / CONTENTS).exists():
        raise BackupError(f"{source} has no {CONTENTS}: it is no back-up, or one that was never finished")
    contents = json.loads((source / CONTENTS).read_text())
    chosen = profile()
    _is_empty(chosen)
    for name, sha in contents["files"].items():
        if not (source / name).is_file() or _sha256(source / name) != sha:
            raise BackupError(f"{name} isn't as it was backed up")
    dumped = DUMP in contents["files"]
    if dumped != chosen.database_url.startswith("postgresql"):
        raise BackupError(f"the back-up is {'' if dumped else 'not '}of a PostgreSQL: see SIXTYFORTY_DATABASE_URL")
    if dumped:
        _load(chosen, source / DUMP)
    for name in contents["files"].keys() - {DUMP}:
        kind, _, path = name.partition("/")
        target = (chosen.lake if kind == "lake" and isinstance(chosen.lake, Path) else chosen.home) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, target)
    prepare()
    places, _ = catalog.complete()
    ledgers = {name: len(ws.ledger.rows()) + len(ws.rollout.rows()) for name, ws in places.items()}
    return {"made": contents["made"], "files": len(contents["files"]), "ledgers": ledgers}


def _files(chosen: Profile) -> Iterator[tuple[str, Path]]:
    """What is copied: its name in the back-up, and where it lies."""
    # a bucket is guarded by its own versions, not by copies
    lake = chosen.lake if isinstance(chosen.lake, Path) else None
    out = [*(chosen.home / o for o in LEFT_OUT), *([lake] if lake else [])]
    for top in (chosen.home / "data", *(chosen.home / b for b in BESIDE)):
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if _wanted(path) and not any(path.is_relative_to(o) for o in out):
                yield f"home/{path.relative_to(chosen.home).as_posix()}", path
    for path in sorted(lake.rglob("*")) if lake else ():
        if _wanted(path):
            yield f"lake/{path.relative_to(lake).as_posix()}", path  # type: ignore[arg-type]


def _wanted(path: Path) -> bool:
    """Files, but for locks, what is half written, and the logs that SQLite keeps beside a file."""
    name = path.name
    return path.is_file() and not (
        (name.endswith((".lock", "-wal", "-shm", "-journal")) and name != "dvc.lock") or name.startswith(".writing-")
    )


def _copy(source: Path, target: Path) -> str:
    """Copies a file unless the same lies there; returns its SHA-256."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as file:
        lite = file.read(len(SQLITE)) == SQLITE
    if lite:
        target.unlink(missing_ok=True)
        with closing(sqlite3.connect(source)) as ours, closing(sqlite3.connect(target)) as theirs:
            ours.backup(theirs)
        return _sha256(target)
    sha = _sha256(source)
    if not target.exists() or _sha256(target) != sha:
        shutil.copy2(source, target)
    return sha


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _quiet(patience: float) -> float:
    """Waits until no run is under way; returns the moment (seconds since 1970)."""
    import dagster as dg

    from pipelines.automation.housekeeping import UNDERWAY

    limit = time.monotonic() + patience
    with dg.DagsterInstance.get() as instance:
        while runs := instance.get_runs(dg.RunsFilter(statuses=UNDERWAY)):
            if time.monotonic() > limit:
                raise BackupError(f"{len(runs)} runs are under way, and no end of them in {patience:.0f} s")
            time.sleep(1)
    return time.time()


def _runs_since(began: float) -> bool:
    """Whether a run was under way at any time since."""
    import dagster as dg

    since = datetime.fromtimestamp(began, UTC)
    with dg.DagsterInstance.get() as instance:
        return any(
            r.start_time and r.start_time >= began for r in instance.get_run_records(dg.RunsFilter(updated_after=since))
        )


def _is_empty(chosen: Profile) -> None:
    """Raises BackupError where something would be overwritten. What `doctor` makes doesn't count."""
    kinds = ("landing", "models", "deliveries", "reports", "recipe", "dvc/cache", "dvc/remote")
    lake = [chosen.lake] if isinstance(chosen.lake, Path) else []
    for folder in (*(chosen.home / "data" / k for k in kinds), *lake):
        if any(p.is_file() for p in folder.rglob("*")):
            raise BackupError(f"{folder} isn't empty: move it out of the way first")
    if chosen.database_url.startswith("postgresql"):
        import sqlalchemy as sa

        engine = sa.create_engine(chosen.database_url, poolclass=sa.NullPool)
        if sa.inspect(engine).get_table_names():
            raise BackupError("the database isn't empty: make a new one (createdb), and name it in the URL")


def _dump(chosen: Profile, to: Path) -> None:
    writing = to.with_suffix(".writing")
    _postgres("pg_dump", chosen, ["--format=custom", f"--file={writing}"])
    writing.replace(to)


def _load(chosen: Profile, dump: Path) -> None:
    """All or nothing."""
    import sqlalchemy as sa

    options = ["--no-owner", "--no-acl", "--single-transaction", "--exit-on-error"]

    database = str(sa.engine.make_url(chosen.database_url).database)
    _postgres("pg_restore", chosen, [*options, f"--dbname={database}", str(dump)])


def _postgres(program: str, chosen: Profile, options: list[str]) -> None:
    """Runs one of PostgreSQL's own programs. The password goes by the environment, which others can't read."""
    import sqlalchemy as sa

    url = sa.engine.make_url(chosen.database_url)
    found = shutil.which(program)
    if not found:
        raise BackupError(f"{program} is not on PATH: install PostgreSQL's client programs (postgresql-client)")
    settings = {
        "PGHOST": url.host or url.query.get("host"),
        "PGPORT": url.port or url.query.get("port"),
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
        "PGSSLMODE": url.query.get("sslmode"),
        "PGSSLROOTCERT": url.query.get("sslrootcert"),
    }
    env = os.environ | {name: str(value) for name, value in settings.items() if value}
    done = subprocess.run([found, *options], env=env, capture_output=True, text=True)
    if done.returncode:
        raise BackupError(f"{program}: {(done.stderr.strip() or 'failed').splitlines()[-1]}")
