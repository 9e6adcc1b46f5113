"""A separate installation for the drill: its folder, its environment, its clock and its daemon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pipelines import settings
from pipelines.authoring import catalog
from pipelines.demo import flights
from pipelines.demo.drill.plan import midnight
from pipelines.settings import ROOT
from sixtyforty.spec.clock import CLOCK_FILE_VARIABLE
from sixtyforty.spec.errors import SixtyfortyError

if TYPE_CHECKING:
    from dagster import DagsterRun

    from sixtyforty.decisions.delivery_table import DeliveredDecision

HISTORY_START = date(2013, 1, 1)
# Stages that must run after the sources before a champion can be adopted.
STAGES_TO_CHAMPION = (
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
T = TypeVar("T")


class DrillError(SixtyfortyError):
    """The drill cannot continue: a command failed, or the chain did not finish its work in time."""


@dataclass
class DrillHome:
    """The home of a drill (the folder that holds `data/`), and the environment variables of its processes."""

    folder: Path
    environment: dict[str, str]

    @property
    def landing_zone(self) -> Path:
        """The landing zone of the drill's use case."""
        return self.folder / "data" / "landing" / flights.USE_CASE

    def set_clock(self, time: datetime) -> None:
        """Set the time (naive UTC) that every process of this home uses as the current time."""
        clock = self.folder / "clock"
        new = clock.with_suffix(".new")
        new.write_text(time.isoformat())
        new.replace(clock)

    def run_command(self, *arguments: str) -> str:
        """Run a `sixtyforty` command in this home, and return its output. Raises DrillError if the command fails."""
        command = [sys.executable, "-m", "pipelines.cli", *arguments]
        process = subprocess.run(command, env=self.environment, cwd=ROOT, capture_output=True, text=True, check=False)
        if process.returncode:
            raise DrillError(f"sixtyforty {' '.join(arguments)} failed: {process.stderr.strip()[-2000:]}")
        return process.stdout

    def run_stages(self, first: date, last: date, *stages: str, as_of: datetime | None = None) -> None:
        """Import all sources and run these stages, on the local days `first` to `last`. Raises DrillError on failure.

        as_of: take the decisions that are due at or before this UTC time. None: now.
        """
        inputs = catalog.load_use_case(flights.USE_CASE).inputs
        sources = [f"{kind}/{source}" for source in inputs for kind in ("raw", "validated")]
        arguments = [
            flights.USE_CASE,
            "--from",
            f"{first}",
            "--to",
            f"{last}",
            "--select",
            ",".join([*sources, *stages]),
        ]
        self.run_command("run", *arguments, *(["--as-of", as_of.isoformat()] if as_of else []))

    def evaluate(self, function: Callable[[], T]) -> T:
        """Call a function in this process with the environment variables of this home, and return what it returns."""
        with self.entered():
            return function()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Use the environment variables of this home in this process, until the block ends."""
        before = dict(os.environ)
        os.environ.update(self.environment)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


@dataclass
class Daemon:
    """The Dagster daemon of a drill's home, which the drill kills and restarts."""

    home: DrillHome
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the daemon. Its output is appended to daemon.log in the home."""
        self.home.evaluate(settings.prepare_dagster_home)
        executable = str(Path(sys.executable).with_name("dagster-daemon"))
        with (self.home.folder / "daemon.log").open("ab") as log:
            self.process = subprocess.Popen(
                [executable, "run", "-w", str(ROOT / "workspace.yaml")],
                env=self.home.environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill_and_restart(self) -> None:
        """Kill the daemon without notice (SIGKILL), and start another daemon."""
        assert self.process, "the daemon was started"
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.start()

    def stop(self) -> None:
        """Stop the daemon. If it has not stopped after 20 s, kill it and the processes that it started."""
        if self.process:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


def home_with_history(folder: Path, last: date) -> DrillHome:
    """Return a home with a replayed history up to the local day `last`, and with the replay's champion adopted."""
    home = create_home(folder, {})
    flights.land(home.landing_zone, HISTORY_START, last)
    home.run_stages(HISTORY_START, last, *STAGES_TO_CHAMPION)
    home.set_clock(midnight(last + timedelta(days=1)))
    home.run_command("adopt", flights.USE_CASE, "--by", "the drill", "--why", "the drill goes live")
    return home


def create_home(folder: Path, profile: dict[str, str]) -> DrillHome:
    """Create a home without data. `profile`: further environment variables, such as SIXTYFORTY_PROFILE."""
    folder.mkdir(parents=True, exist_ok=True)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("SIXTYFORTY_", "DAGSTER_"))}
    environment = inherited | {
        "SIXTYFORTY_HOME": str(folder),
        "DAGSTER_HOME": str(folder / "data" / "dagster"),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": "1",
        CLOCK_FILE_VARIABLE: str(folder / "clock"),
        **profile,
    }
    home = DrillHome(folder, environment)
    home.set_clock(midnight(HISTORY_START))
    return home


def unfinished_runs() -> list[DagsterRun]:
    """Return the unfinished runs of the Dagster instance that the environment of this process names."""
    import dagster as dg

    from pipelines.automation.run_requests import UNFINISHED

    with dg.DagsterInstance.get() as instance:
        return [record.dagster_run for record in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED))]


def delivered_decisions(home: DrillHome) -> dict[str, DeliveredDecision]:
    """Return the rows of the live delivery table by decision id."""
    from sixtyforty.decisions.delivery_table import read_deliveries

    ws = home.evaluate(lambda: catalog.open_workspace(flights.USE_CASE))
    return {delivered.decision_id: delivered for delivered in read_deliveries(ws, "live")}
