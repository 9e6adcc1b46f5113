"""Living through days: extracts land as the clock is moved on, the daemon does the rest, and things go wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.authoring import catalog
from pipelines.demo import flights
from pipelines.demo.drill.home import CASE, Daemon, DrillError, Home, in_home, midnight, now_delivered, unfinished
from pipelines.settings import ROOT

PATIENCE = 300  # wall seconds a step may take


@dataclass(frozen=True)
class Mishap:
    """One thing that goes wrong: `extract` lands at `lands` (UTC) instead of its time, changed or not."""

    what: str
    extract: str
    lands: datetime | None = None
    content: Callable[[bytes], bytes] | None = None
    corrected: datetime | None = None  # when the true content lands, under a name of its own


@dataclass
class Plan:
    """Days to live, the one lived hour by hour, what goes wrong, and the moments (UTC) of the kills."""

    days: list[date]
    hourly: date | None
    mishaps: list[Mishap]
    daemon_dies: list[datetime]
    worker_dies: list[datetime]


@dataclass
class Finding:
    """A line of the table."""

    what: str
    found: str
    ok: bool = True


def stage_extracts(folder: Path, plan: Plan) -> list[tuple[datetime, Path]]:
    """The days' hourly extracts with the moment (UTC) each lands at, mishaps included, in order."""
    flights.land(folder, plan.days[0], plan.days[-1], hourly=True)
    ahead = plan.days[-1] + timedelta(days=1)  # its timetable lands the day before
    others = flights.land(folder / "ahead", ahead, ahead, hourly=True)
    next(p for p in others if p.name.startswith("timetable")).rename(folder / f"timetable_{ahead}.csv")
    for path in folder.glob("*.csv"):
        if path.name in flights.REFERENCE:
            path.unlink()
    for mishap in plan.mishaps:
        path = folder / mishap.extract
        content, came = path.read_bytes(), path.stat().st_mtime
        if mishap.content:
            path.write_bytes(mishap.content(content))
        if mishap.corrected:
            corrected = folder / corrected_name(path.name)
            corrected.write_bytes(content)
            _set(corrected, _stamp(mishap.corrected))
        _set(path, _stamp(mishap.lands) if mishap.lands else came)
    found = [(datetime.fromtimestamp(p.stat().st_mtime, UTC).replace(tzinfo=None), p) for p in folder.glob("*.csv")]
    return sorted(
        (f for f in found if f[0] >= midnight(plan.days[0]) - timedelta(days=1)), key=lambda f: (f[0], f[1].name)
    )


def corrected_name(extract: str) -> str:
    """The name under which an extract's true content comes."""
    return extract.replace(".csv", "_corrected.csv")


def _stamp(moment: datetime) -> float:
    return moment.replace(tzinfo=UTC).timestamp()


def _set(path: Path, stamp: float) -> None:
    os.utime(path, (stamp, stamp))


def steps(plan: Plan) -> Iterator[datetime]:
    """The moments (UTC) the clock is moved to: every three hours, on one day every hour, then until all has closed."""
    for day in plan.days:
        hours = [h.replace(tzinfo=None) + timedelta(hours=1) for h in flights.hours_of(day)]
        yield from hours if day == plan.hourly else hours[2::3]
    yield midnight(plan.days[-1] + timedelta(days=1)) + timedelta(hours=2)


def live(home: Home, plan: Plan, say: Callable[[str], None]) -> tuple[list[Finding], dict[str, Any]]:
    """Lives the days; returns what happened, and every delivered decision as it was first delivered."""
    staged = stage_extracts(home.folder / "to_come", plan)
    daemon, findings, waits = Daemon(home), [], []
    delivered: dict[str, Any] = {}
    daemon_dies, worker_dies = list(plan.daemon_dies), list(plan.worker_dies)
    daemon.start()
    try:
        _switch_on(home)
        for moment in steps(plan):
            begun = time.monotonic()
            for arrival, path in [s for s in staged if s[0] <= moment]:
                _land(path, home.landing)
                staged.remove((arrival, path))
            home.at(moment)
            if daemon_dies and moment >= daemon_dies[0]:
                daemon.kill()
                findings.append(Finding(f"daemon killed -9 at {daemon_dies.pop(0)}", "started again"))
            if worker_dies and moment >= worker_dies[0]:
                findings.append(Finding(f"run worker killed -9 at {worker_dies.pop(0)}", _kill_worker(home)))
            _rest(home, moment)
            now = now_delivered(home)
            changed = [i for i, row in delivered.items() if now.get(i) != row]
            if changed:
                findings.append(Finding(f"at {moment}", f"{len(changed)} delivered decisions changed", ok=False))
            delivered |= now
            waits.append(time.monotonic() - begun)
            say(f"{moment:%a %d %b %H:%M} UTC  {len(delivered):>6,} decisions delivered  ({waits[-1]:.0f} s)")
    finally:
        daemon.stop()
    waits.sort()
    findings.append(
        Finding("landed to delivered and at rest", f"median {waits[len(waits) // 2]:.0f} s wall, {len(waits)} steps")
    )
    return findings, delivered


def _land(path: Path, landing: Path) -> None:
    """As systems do it: under a name that isn't taken, then renamed; the time of landing kept."""
    temporary = landing / f".{path.name}"
    shutil.copy2(path, temporary)
    temporary.replace(landing / path.name)


def _switch_on(home: Home) -> None:
    command = [str(Path(sys.executable).with_name("dagster")), "sensor", "start", "--start-all"]
    command += ["-w", str(ROOT / "workspace.yaml")]
    done = subprocess.run(command, env=home.environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DrillError(f"the sensors can't be switched on: {done.stderr[-1000:]}")


def _left(moment: datetime) -> list[str]:
    import dagster as dg

    from pipelines.automation.sensors import undone

    with dg.DagsterInstance.get() as instance:
        return undone(catalog.workspace(CASE), instance, moment)


def _rest(home: Home, moment: datetime) -> None:
    """Waits until no run is at work and nothing is left for one to do. Raises DrillError when it takes too long."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        left = in_home(home, lambda: unfinished() or _left(moment))
        if not left:
            return
        time.sleep(0.5)
    raise DrillError(f"at {moment} UTC the chain didn't come to rest in {PATIENCE} s: {left}")


def _kill_worker(home: Home) -> str:
    """Kills the process of the next run as soon as there is one."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for run_id, worker in in_home(home, _workers).items():
            os.kill(worker, signal.SIGKILL)
            return f"run {run_id[:8]} lost its worker"
        time.sleep(0.05)
    raise DrillError("no run came to be killed")


def _workers() -> dict[str, int]:
    """The process of each run that is at work."""
    import dagster as dg

    from pipelines.runtime.launcher import last_seen

    with dg.DagsterInstance.get() as instance:
        seen = {run.run_id: last_seen(instance, run.run_id) for run in unfinished()}
    return {run_id: found[0] for run_id, found in seen.items() if found}


def next_moment(plan: Plan) -> datetime:
    """The last moment (UTC) the clock comes to."""
    return list(steps(plan))[-1]
