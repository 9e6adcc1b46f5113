"""Simulate the live days of a plan: the clock moves, extracts land, the daemon processes them, and faults happen."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.authoring import catalog
from pipelines.demo import flights
from pipelines.demo.drill.home import Daemon, DrillError, DrillHome, delivered_decisions, unfinished_runs
from pipelines.demo.drill.plan import Plan, corrected_name
from pipelines.settings import ROOT
from sixtyforty.spec.wording import format_plural

if TYPE_CHECKING:
    from sixtyforty.decisions.delivery_table import DeliveredDecision

STEP_SECONDS = 300  # Seconds of real time in which the chain must finish its work after one step of the clock.


@dataclass(frozen=True)
class DrillResult:
    """One line of the drill's table: the check or event, its outcome, and whether the outcome is as expected."""

    subject: str
    outcome: str
    ok: bool = True


@dataclass(frozen=True)
class StagedExtract:
    """An extract that has not landed yet, and the time at which it lands (naive UTC)."""

    lands_at: datetime
    file: Path


@dataclass
class LivedDays:
    """The results of the simulated days, and every decision as it was first delivered, by decision id."""

    results: list[DrillResult] = field(default_factory=list)
    delivered: dict[str, DeliveredDecision] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)  # Seconds of real time for each step of the clock.


def live_through(home: DrillHome, plan: Plan, show_progress: Callable[[str], None]) -> LivedDays:
    """Simulate the live days of a plan under a running daemon.

    Raises DrillError if the chain does not finish its work in STEP_SECONDS after a step of the clock.
    """
    staged = stage_extracts(home.folder / "to_come", plan)
    daemon, lived = Daemon(home), LivedDays()
    daemon_kills, worker_kills = list(plan.daemon_kills), list(plan.worker_kills)
    daemon.start()
    try:
        _start_sensors(home)
        for now in plan.steps():
            started = time.monotonic()
            staged = _land_due(home, staged, now)
            home.set_clock(now)
            if daemon_kills and now >= daemon_kills[0]:
                daemon.kill_and_restart()
                lived.results.append(DrillResult(f"daemon killed (SIGKILL) at {daemon_kills.pop(0)}", "restarted"))
            if worker_kills and now >= worker_kills[0]:
                subject = f"run worker killed (SIGKILL) at {worker_kills.pop(0)}"
                lived.results.append(DrillResult(subject, _kill_worker(home)))
            _wait_until_idle(home, now)
            _compare_deliveries(lived, delivered_decisions(home), now)
            lived.waits.append(time.monotonic() - started)
            show_progress(
                f"{now:%a %d %b %H:%M} UTC: {len(lived.delivered):>6,} decisions delivered so far"
                f" ({lived.waits[-1]:.0f} s after landing)"
            )
    finally:
        daemon.stop()
    median = sorted(lived.waits)[len(lived.waits) // 2]
    lived.results.append(
        DrillResult("time from landing to delivery", f"median {median:.0f} s in {len(lived.waits)} steps")
    )
    return lived


def stage_extracts(folder: Path, plan: Plan) -> list[StagedExtract]:
    """Write the hourly extracts of the plan's days to a folder, with the plan's faults.

    Return the extracts in order of landing.
    """
    flights.land(folder, plan.days[0], plan.days[-1], hourly=True)
    next_day = plan.days[-1] + timedelta(days=1)  # The timetable of this day lands on the last day of the plan.
    next_extracts = flights.land(folder / "ahead", next_day, next_day, hourly=True)
    timetable = next(path for path in next_extracts if path.name.startswith("timetable"))
    timetable.rename(folder / f"timetable_{next_day}.csv")
    for name in flights.REFERENCE:
        (folder / name).unlink(missing_ok=True)
    for fault in plan.faults:
        path = folder / fault.extract
        content, usual_time = path.read_bytes(), path.stat().st_mtime
        if fault.corrupt:
            path.write_bytes(fault.corrupt(content))
        if fault.corrected_at:
            corrected = folder / corrected_name(path.name)
            corrected.write_bytes(content)
            _set_modified(corrected, _timestamp(fault.corrected_at))
        _set_modified(path, _timestamp(fault.lands_at) if fault.lands_at else usual_time)
    staged = [StagedExtract(_modified_at(path), path) for path in folder.glob("*.csv")]
    earliest = plan.start - timedelta(days=1)
    return sorted(
        (extract for extract in staged if extract.lands_at >= earliest),
        key=lambda extract: (extract.lands_at, extract.file.name),
    )


def _modified_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)


def _timestamp(utc: datetime) -> float:
    return utc.replace(tzinfo=UTC).timestamp()


def _set_modified(path: Path, timestamp: float) -> None:
    os.utime(path, (timestamp, timestamp))


def _land_due(home: DrillHome, staged: list[StagedExtract], now: datetime) -> list[StagedExtract]:
    """Copy the extracts that land at or before `now` into the landing zone. Return those that land later."""
    for extract in staged:
        if extract.lands_at <= now:
            # Like a real system, write under a temporary name, then rename. copy2 copies the landing time as well.
            temporary = home.landing_zone / f".{extract.file.name}"
            shutil.copy2(extract.file, temporary)
            temporary.replace(home.landing_zone / extract.file.name)
    return [extract for extract in staged if extract.lands_at > now]


def _compare_deliveries(lived: LivedDays, current: Mapping[str, DeliveredDecision], now: datetime) -> None:
    """Check that decisions delivered earlier are unchanged, and add the new ones to `lived.delivered`.

    If an earlier decision has changed, add a failed check to `lived.results`.
    """
    changed = [decision_id for decision_id, row in lived.delivered.items() if current.get(decision_id) != row]
    if changed:
        outcome = f"{format_plural(len(changed), 'delivered decision')} changed"
        lived.results.append(DrillResult(f"at {now} UTC", outcome, ok=False))
    lived.delivered |= current


def _start_sensors(home: DrillHome) -> None:
    executable = str(Path(sys.executable).with_name("dagster"))
    command = [executable, "sensor", "start", "--start-all", "-w", str(ROOT / "workspace.yaml")]
    process = subprocess.run(command, env=home.environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if process.returncode:
        raise DrillError(f"Dagster cannot start the sensors: {process.stderr[-1000:]}")


def _work_left(now: datetime) -> list[str]:
    import dagster as dg

    from pipelines.automation.run_requests import list_remaining_work

    with dg.DagsterInstance.get() as instance:
        return list_remaining_work(catalog.open_workspace(flights.USE_CASE), instance, now)


def _wait_until_idle(home: DrillHome, now: datetime) -> None:
    """Wait until no run is active and no partition needs a run. Raises DrillError after STEP_SECONDS."""
    deadline = time.monotonic() + STEP_SECONDS
    while time.monotonic() < deadline:
        work = home.evaluate(lambda: unfinished_runs() or _work_left(now))
        if not work:
            return
        time.sleep(0.5)
    raise DrillError(
        f"The drill's chain did not finish its work of {now} UTC in {STEP_SECONDS} s. Work left: {work}. Run the drill"
        " again with --folder FOLDER, and read daemon.log there."
    )


def _kill_worker(home: DrillHome) -> str:
    """Kill the process of the next run as soon as it starts. Raises DrillError if no run starts in STEP_SECONDS."""
    deadline = time.monotonic() + STEP_SECONDS
    while time.monotonic() < deadline:
        for run_id, pid in home.evaluate(_run_processes).items():
            os.kill(pid, signal.SIGKILL)
            return f"run {run_id[:8]} lost its worker"
        time.sleep(0.05)
    raise DrillError(
        f"No run of the drill started in {STEP_SECONDS} s. Run the drill again with --folder FOLDER, and read"
        " daemon.log there."
    )


def _run_processes() -> dict[str, int]:
    """Return the process id of each active run, by run id."""
    import dagster as dg

    from pipelines.runtime.launcher import find_run_process

    with dg.DagsterInstance.get() as instance:
        processes = {run.run_id: find_run_process(instance, run.run_id) for run in unfinished_runs()}
    return {run_id: process.pid for run_id, process in processes.items() if process}
