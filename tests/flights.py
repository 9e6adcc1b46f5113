"""Real days of the flights, an extract a day and source, and homes they have been brought into."""

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
    """The use case as declared."""
    return catalog.load_use_case("flight_delays")


@cache
def landed(folder: Path, days: tuple[str, ...]) -> Path:
    """The extracts of these days, each day landed by itself."""
    with patch.object(flights, "_read", cache(flights._read)):  # the source is unpacked once, not for every day
        for day in days:
            flights.land(folder, date.fromisoformat(day), date.fromisoformat(day))
    return folder


@cache
def references(folder: Path, extracts: Path) -> Path:
    """A home with the reference tables validated and nothing else landed."""
    ws = workspace(folder)
    for name in REFERENCE:
        bring(ws, extracts, name)
    return folder


@cache
def accepted(folder: Path, extracts: Path, before: Path) -> Path:
    """A home with all the days validated."""
    shutil.copytree(before, folder)
    ws = workspace(folder)
    for name in SOURCES:
        verdicts = bring(ws, extracts, name, MANY)
        assert len(verdicts) == len(MANY)
        assert all(v.accepted for v in verdicts.values())
    return folder


def workspace(home: Path) -> Workspace:
    """The flights' folders below a home."""
    return Workspace(flight_delays(), home, f"sqlite:///{home / 'deliveries.sqlite'}")


def extract(source: str, day: str) -> str:
    """The name of a day's extract."""
    return f"{source}_{day}_{day}.csv" if flight_delays().sources[source].partition else f"{source}.csv"


def bring(
    ws: Workspace,
    extracts: Path,
    source: str,
    days: Iterable[str] = DAYS,
    changes: Mapping[str, Bytes] | None = None,
) -> dict[str, Verdict]:
    """Lands these days' extracts of a source, changed where asked, and takes them through the gate."""
    partitioned = flight_delays().sources[source].partition
    ws.landing.folder.mkdir(parents=True, exist_ok=True)
    for day in days:
        change = (changes or {}).get(day)
        deliver(ws, extracts, extract(source, day), change or (lambda content: content), later=change is not None)
    return gate(ws, source, list(days) if partitioned else [SNAPSHOT])


def deliver(ws: Workspace, extracts: Path, name: str, change: Bytes, later: bool = False) -> Path:
    """Puts one extract in the landing folder; `later`: a minute after the source's own."""
    target, source = ws.landing.folder / name, extracts / name
    target.write_bytes(change(source.read_bytes()))
    moment = source.stat().st_mtime + 60 * later
    os.utime(target, (moment, moment))
    return target


def gate(ws: Workspace, source: str, partitions: list[str]) -> dict[str, Verdict]:
    """From the landing folder to `validated`."""
    ingest(ws.use_case, source, ws.lake, ws.landing, partitions, ws.code_version)
    return validate(
        ws.use_case, source, load_suite(ws.use_case.name, source), ws.lake, partitions, None, ws.code_version
    )


# What goes wrong with an extract.


def rows(content: bytes) -> list[list[str]]:
    """Header and rows, cut into fields."""
    return [line.split(",") for line in content.decode().splitlines()]


def text(lines: Iterable[list[str]]) -> bytes:
    """The extract again."""
    return "".join(",".join(line) + "\n" for line in lines).encode()


def edited(column: str, change: Callable[[str], str], which: slice = slice(None)) -> Bytes:
    """Changes one column, in all rows or some of them (counted from 0, without the header)."""

    def edit(content: bytes) -> bytes:
        header, *body = rows(content)
        at = header.index(column)
        for row in body[which]:
            row[at] = change(row[at])
        return text([header, *body])

    return edit


def first_rows(share: float) -> Bytes:
    """Cut short at the end of a line."""

    def cut(content: bytes) -> bytes:
        header, *body = rows(content)
        return text([header, *body[: int(len(body) * share)]])

    return cut


def cut_mid_line(content: bytes) -> bytes:
    """Cut short in the middle of the file, with four fields of the last line still there."""
    end = content.index(b"\n", len(content) // 2) + 1
    line = content[end : content.index(b"\n", end)]
    return content[:end] + b",".join(line.split(b",")[:4])


def renamed(column: str, name: str) -> Bytes:
    """Another name for a column."""
    return lambda content: text([[name if c == column else c for c in rows(content)[0]], *rows(content)[1:]])


def delimited_by(delimiter: str) -> Bytes:
    """Another delimiter than the contract's."""
    return lambda content: content.replace(b",", delimiter.encode())


def tenth_again(content: bytes) -> bytes:
    """Every tenth row twice, the copies at the end."""
    header, *body = rows(content)
    return text([header, *body, *body[::10]])
