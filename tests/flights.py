"""Real days of the flights, with one extract per day and source, and homes that hold them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from unittest.mock import patch

from expectations.suites import load_suite
from expectations.validation import validate
from pipelines.authoring import catalog
from pipelines.demo import flights
from sixtyforty.ingest.raw import ingest
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.verdicts import Verdict
from sixtyforty.workspace import Workspace
from tests.helpers import day_range

MANY = day_range(date(2013, 6, 3), date(2013, 6, 22))
BEFORE, DAY, AFTER = DAYS = MANY[8:11]
REFERENCE = ["planes", "airports", "airlines"]
SOURCES = ["timetable", "movements", "weather"]
Bytes = Callable[[bytes], bytes]


@cache
def flight_delays() -> UseCase:
    """Return the declared use case."""
    return catalog.load_use_case("flight_delays")


@cache
def landed(folder: Path, days: tuple[str, ...]) -> Path:
    """Write the extracts of these days, each day by itself, and return their folder."""
    with patch.object(flights, "_read", cache(flights._read)):  # unpack the source once, not for every day
        for day in days:
            flights.land(folder, date.fromisoformat(day), date.fromisoformat(day))
    return folder


@cache
def references(folder: Path, extracts: Path) -> Path:
    """Create a home with only the reference tables, validated."""
    ws = workspace(folder)
    for name in REFERENCE:
        land_and_validate(ws, extracts, name)
    return folder


@cache
def accepted(folder: Path, extracts: Path, before: Path) -> Path:
    """Create a home with all the days validated."""
    shutil.copytree(before, folder)
    ws = workspace(folder)
    for name in SOURCES:
        verdicts = land_and_validate(ws, extracts, name, MANY)
        assert len(verdicts) == len(MANY)
        assert all(v.accepted for v in verdicts.values())
    return folder


def workspace(home: Path) -> Workspace:
    """Return the workspace of the flights in a home."""
    return Workspace(flight_delays(), home, f"sqlite:///{home / 'deliveries.sqlite'}")


def extract(source: str, day: str) -> str:
    """Return the file name of a day's extract."""
    return f"{source}_{day}_{day}.csv" if flight_delays().sources[source].partition else f"{source}.csv"


def land_and_validate(
    ws: Workspace,
    extracts: Path,
    source: str,
    days: Iterable[str] = DAYS,
    changes: Mapping[str, Bytes] | None = None,
) -> dict[str, Verdict]:
    """Land these days' extracts of a source with the changes by day, validate them, and return the verdicts."""
    partitioned = flight_delays().sources[source].partition
    ws.landing.folder.mkdir(parents=True, exist_ok=True)
    for day in days:
        change = (changes or {}).get(day)
        deliver(ws, extracts, extract(source, day), change or (lambda content: content), later=change is not None)
    return validate_landed(ws, source, list(days) if partitioned else [SNAPSHOT])


def deliver(ws: Workspace, extracts: Path, name: str, change: Bytes, later: bool = False) -> Path:
    """Land one extract with a change; `later`: a minute after the time of the original."""
    target, source = ws.landing.folder / name, extracts / name
    target.write_bytes(change(source.read_bytes()))
    moment = source.stat().st_mtime + 60 * later
    os.utime(target, (moment, moment))
    return target


def validate_landed(ws: Workspace, source: str, partitions: list[str]) -> dict[str, Verdict]:
    """Ingest and validate what has landed, and return the verdicts."""
    ingest(ws.use_case, source, ws.lake, ws.landing, partitions, ws.code_version)
    return validate(
        ws.use_case, source, load_suite(ws.use_case.name, source), ws.lake, partitions, None, ws.code_version
    )


# Faults of an extract


def rows(content: bytes) -> list[list[str]]:
    """Return the header and the rows as fields."""
    return [line.split(",") for line in content.decode().splitlines()]


def text(lines: Iterable[list[str]]) -> bytes:
    """Return fields as the bytes of an extract."""
    return "".join(",".join(line) + "\n" for line in lines).encode()


def edited(column: str, change: Callable[[str], str], which: slice = slice(None)) -> Bytes:
    """Return a change of one column, in all rows or some of them (counted from 0, without the header)."""

    def edit(content: bytes) -> bytes:
        header, *body = rows(content)
        position = header.index(column)
        for row in body[which]:
            row[position] = change(row[position])
        return text([header, *body])

    return edit


def first_rows(share: float) -> Bytes:
    """Return a change that keeps a share of the rows."""

    def cut(content: bytes) -> bytes:
        header, *body = rows(content)
        return text([header, *body[: int(len(body) * share)]])

    return cut


def cut_mid_line(content: bytes) -> bytes:
    """Truncate an extract in the middle, with four fields of the last line left."""
    end = content.index(b"\n", len(content) // 2) + 1
    line = content[end : content.index(b"\n", end)]
    return content[:end] + b",".join(line.split(b",")[:4])


def renamed(column: str, name: str) -> Bytes:
    """Return a change that renames a column."""
    return lambda content: text([[name if c == column else c for c in rows(content)[0]], *rows(content)[1:]])


def delimited_by(delimiter: str) -> Bytes:
    """Return a change to another delimiter."""
    return lambda content: content.replace(b",", delimiter.encode())


def tenth_again(content: bytes) -> bytes:
    """Repeat every tenth row at the end."""
    header, *body = rows(content)
    return text([header, *body, *body[::10]])
