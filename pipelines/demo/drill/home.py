"""A home to live in, apart from everybody else's: folder, environment, clock, and the daemon in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines import settings
from pipelines.authoring import catalog
from pipelines.demo import flights
from pipelines.settings import ROOT, profile
from sixtyforty.spec.clock import DRILL

CASE = "flight_delays"
HISTORY = date(2013, 1, 1)
LEARNT = (
    "features",
    "outcomes",
    "training_set",
    "challenger",
    "backtest",
    "champion",
    "decisions",
    "delivery",
    "kpi_impact",
)


class DrillError(RuntimeError):
    """The chain didn't come to rest, or a service didn't start."""


@dataclass
class Home:
    """A home with its environment."""

    folder: Path
    environment: dict[str, str]

    @property
    def clock(self) -> Path:
        """The file the drill's moment is in."""
        return self.folder / "clock"

    @property
    def landing(self) -> Path:
        """The landing folder."""
        return self.folder / "data" / "landing" / CASE

    def at(self, moment: datetime) -> None:
        """Moves the clock."""
        new = self.clock.with_suffix(".new")
        new.write_text(moment.isoformat())
        new.replace(self.clock)

    def call(self, *arguments: str) -> str:
        """Runs the `sixtyforty` command there. Raises DrillError with what it said."""
        command = [sys.executable, "-m", "pipelines.cli", *arguments]
        done = subprocess.run(command, env=self.environment, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DrillError(f"{' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
        return done.stdout


@dataclass
class Daemon:
    """Dagster's daemon in a home, killed and started again at will."""

    home: Home
    process: subprocess.Popen[bytes] | None = None
    kills: int = field(default=0)

    def start(self) -> None:
        """Starts it; its words go to daemon.log."""
        in_home(self.home, settings.prepare)
        command = [str(Path(sys.executable).with_name("dagster-daemon")), "run", "-w", str(ROOT / "workspace.yaml")]
        with (self.home.folder / "daemon.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.home.environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """kill -9, then starts another."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.kills += 1
        self.start()

    def stop(self) -> None:
        """Ends it and what it started."""
        if self.process:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


def prepare(folder: Path, until: date, profile: dict[str, str] | None = None) -> Home:
    """A home whose history is known up to a local day: landed in bulk, replayed, its champion adopted."""
    home = make_home(folder, profile or {})
    flights.land(home.landing, HISTORY, until)
    data = [f"{kind}/{s}" for s in catalog.load(CASE).inputs for kind in ("raw", "validated")]
    home.call("run", CASE, "--from", f"{HISTORY}", "--to", f"{until}", "--select", *data, *LEARNT)
    home.at(midnight(until + timedelta(days=1)))
    home.call("adopt", CASE, "--by", "the drill", "--why", "the drill goes live")
    return home


def make_home(folder: Path, profile: dict[str, str]) -> Home:
    """An empty home and the environment of what runs there."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SIXTYFORTY_", "DAGSTER_"))}
    environment |= {
        "SIXTYFORTY_HOME": str(folder),
        "DAGSTER_HOME": str(folder / "data" / "dagster"),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": "1",
        DRILL: str(folder / "clock"),
        **profile,
    }
    home = Home(folder, environment)
    home.at(midnight(HISTORY))
    return home


def midnight(day: date) -> datetime:
    """The UTC moment (naive) a local day begins."""
    return flights.hours_of(day)[0].replace(tzinfo=None)


def in_home(home: Home, code: Callable[[], Any]) -> Any:
    """Runs code in this process with the home's environment."""
    before = dict(os.environ)
    os.environ.update(home.environment)
    try:
        return code()
    finally:
        os.environ.clear()
        os.environ.update(before)


def unfinished() -> list[Any]:
    import dagster as dg

    from pipelines.automation.sensors import UNFINISHED

    with dg.DagsterInstance.get() as instance:
        return [r.dagster_run for r in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED))]


def now_delivered(home: Home) -> dict[str, Any]:
    """The rows of the live delivery table by decision id, without the wall clock."""
    import sqlalchemy as sa

    engine = sa.create_engine(in_home(home, lambda: profile().database_url))
    try:
        if not sa.inspect(engine).has_table(f"{CASE}_decisions"):
            return {}
        with engine.connect() as connection:
            rows = connection.execute(sa.text(f"select * from {CASE}_decisions")).mappings().all()
        return {r["decision_id"]: {k: v for k, v in r.items() if k != "delivered_at"} for r in rows}
    finally:
        engine.dispose()
