"""The drill: a week of real extracts lived under a running daemon, with what goes wrong in a week, and what was left.

The clock is moved on step by step: extracts land when an airline's systems would have sent them, the daemon's sensor
does the rest. Some come late, one is junk and is corrected, the daemon is killed twice and a run's worker once. In the
end the data stages must be the very bytes of a clean backfill of the same extracts, every departure decided once and
never again, and those whose data came too late by the fallback.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines import demo
from pipelines.profiles import ROOT, profile
from sixtyforty.clock import DRILL

CASE = "flight_delays"
HISTORY = date(2013, 1, 1)
STAGES = ("raw", "validated", "rejected", "quarantine", "features", "outcomes")
PATIENCE = 300  # wall seconds a step may take


class DrillError(RuntimeError):
    """The chain didn't come to rest, or a service didn't start."""


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
    demo.land(home.landing, HISTORY, until)
    home.call("run", CASE, "--from", f"{HISTORY}", "--to", f"{until}")
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
    return demo.hours_of(day)[0].replace(tzinfo=None)


def stage_extracts(folder: Path, plan: Plan) -> list[tuple[datetime, Path]]:
    """The days' hourly extracts with the moment (UTC) each lands at, mishaps included, in order."""
    demo.land(folder, plan.days[0], plan.days[-1], hourly=True)
    ahead = plan.days[-1] + timedelta(days=1)
    demo.land(folder, ahead, ahead, hourly=True)  # for its timetable, which lands the day before
    for path in folder.glob("*.csv"):
        if path.name in demo.REFERENCE or (f"{ahead}" in path.name and not path.name.startswith("timetable")):
            path.unlink()
    for mishap in plan.mishaps:
        path = folder / mishap.extract
        content, came = path.read_bytes(), path.stat().st_mtime
        if mishap.content:
            path.write_bytes(mishap.content(content))
        if mishap.corrected:
            corrected = folder / path.name.replace(".csv", "_corrected.csv")
            corrected.write_bytes(content)
            _set(corrected, _stamp(mishap.corrected))
        _set(path, _stamp(mishap.lands) if mishap.lands else came)
    found = [(datetime.fromtimestamp(p.stat().st_mtime, UTC).replace(tzinfo=None), p) for p in folder.glob("*.csv")]
    return sorted(
        (f for f in found if f[0] >= midnight(plan.days[0]) - timedelta(days=1)), key=lambda f: (f[0], f[1].name)
    )


def _stamp(moment: datetime) -> float:
    return moment.replace(tzinfo=UTC).timestamp()


def _set(path: Path, stamp: float) -> None:
    os.utime(path, (stamp, stamp))


def steps(plan: Plan) -> Iterator[datetime]:
    """The moments (UTC) the clock is moved to: every three hours, on one day every hour, then until all has closed."""
    for day in plan.days:
        hours = [h.replace(tzinfo=None) + timedelta(hours=1) for h in demo.hours_of(day)]
        yield from hours if day == plan.hourly else hours[2::3]
    yield midnight(plan.days[-1] + timedelta(days=1)) + timedelta(hours=2)


def live(home: Home, plan: Plan, say: Callable[[str], None]) -> tuple[list[Finding], dict[str, Any]]:
    """Lives the days; returns what happened, and every delivered decision as it was first delivered."""
    staged = stage_extracts(home.folder / "to_come", plan)
    daemon, delivered, findings, waits = Daemon(home), {}, [], []
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
            changed = [i for i, row in delivered.items() if now_delivered(home).get(i) != row] if delivered else []
            if changed:
                findings.append(Finding(f"at {moment}", f"{len(changed)} delivered decisions changed", ok=False))
            delivered |= now_delivered(home)
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


def in_home(home: Home, code: Callable[[], Any]) -> Any:
    """Runs code in this process with the home's environment."""
    before = dict(os.environ)
    os.environ.update(home.environment)
    try:
        return code()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _unfinished() -> list[Any]:
    import dagster as dg

    from pipelines.automation import UNFINISHED

    with dg.DagsterInstance.get() as instance:
        return [r.dagster_run for r in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED))]


def _left(moment: datetime) -> list[str]:
    import dagster as dg

    from pipelines import catalog
    from pipelines.automation import undone

    with dg.DagsterInstance.get() as instance:
        return undone(catalog.workspace(CASE), instance, moment)


def _rest(home: Home, moment: datetime) -> None:
    """Waits until no run is at work and nothing is left for one to do. Raises DrillError when it takes too long."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        left = in_home(home, lambda: _unfinished() or _left(moment))
        if not left:
            return
        time.sleep(0.5)
    raise DrillError(f"at {moment} UTC the chain didn't come to rest in {PATIENCE} s: {left}")


def _kill_worker(home: Home) -> str:
    """Kills the process of the next run as soon as there is one."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for run in in_home(home, _unfinished):
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    words = (folder / "cmdline").read_bytes()
                    if run.run_id.encode() in (folder / "environ").read_bytes() + words and b"grpc" not in words:
                        os.kill(int(folder.name), signal.SIGKILL)
                        return f"run {run.run_id[:8]} lost its worker"
                except OSError:
                    continue
        time.sleep(0.05)
    raise DrillError("no run came to be killed")


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


def clean(home: Home, folder: Path, plan: Plan) -> Home:
    """A backfill, in one go, of the very extracts that have landed in a home."""
    other = make_home(folder, {k: v for k, v in home.environment.items() if k == "SIXTYFORTY_PROFILE"})
    shutil.copytree(home.landing, other.landing, copy_function=shutil.copy2)
    last = plan.days[-1] + timedelta(days=1)
    data = [f"{kind}/{s}" for s in _sources() for kind in ("raw", "validated")]
    other.call("run", CASE, "--from", f"{HISTORY}", "--to", f"{last}", "--as-of", f"{next_moment(plan)}",
               "--select", *data, "features", "outcomes")  # fmt: skip
    return other


def _sources() -> list[str]:
    from pipelines import catalog

    return list(catalog.load(CASE).sources)


def next_moment(plan: Plan) -> datetime:
    """The last moment (UTC) the clock comes to."""
    return list(steps(plan))[-1]


def compare(home: Home, other: Home, plan: Plan) -> list[Finding]:
    """The data stages of both, byte by byte, on the days lived and the day before."""
    found = []
    first = plan.days[0] - timedelta(days=1)
    for stage in STAGES:
        ours, theirs = (_files(h, stage, first) for h in (home, other))
        differ = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))
        told = (
            f"{len(ours)} files, byte-equal to a clean backfill" if not differ else f"differ: {', '.join(differ[:5])}"
        )
        found.append(Finding(stage, told, ok=bool(ours or stage in ("rejected", "quarantine")) and not differ))
    return found


def _files(home: Home, stage: str, first: date) -> dict[str, bytes]:
    root = home.folder / "data" / "lake" / CASE
    return {
        str(p.relative_to(root)): p.read_bytes()
        for p in sorted((root / stage).rglob("*"))
        if p.is_file() and not p.name.startswith(".") and p.name[:10] >= f"{first}"
    }


def decided(home: Home, plan: Plan, delivered: dict[str, Any]) -> list[Finding]:
    """Each departure once, unchanged since its delivery, and the late ones by the fallback."""
    from pipelines import catalog
    from sixtyforty.decisions import LATE, dataset
    from sixtyforty.lake import connect

    ws = in_home(home, lambda: catalog.workspace(CASE))
    key = ", ".join(ws.use_case.decision.key)
    with connect(ws.use_case.timezone) as db:
        units = ws.lake.rows(ws.lake.entries("features").values())
        rows = ws.lake.rows(ws.lake.entries(dataset("live")).values())
        start, end = midnight(plan.days[0]), next_moment(plan)
        due = f"(from {units} where decided_at between timestamp '{start}' and timestamp '{end}')"
        one = db.execute(
            f"""select (select count(*) from {due}), (select count(*) from {rows}),
            (select count(distinct ({key})) from {rows}), (select count(*) from {due} anti join {rows} using ({key})),
            (select count(*) from {rows} where reason = '{LATE}'),
            (select count(*) from {rows} where decided_by = 'fallback' and reason <> '{LATE}'),
            (select count(*) from {rows} where decided_by = 'model'),
            (select count(*) from {rows} where decided_by = 'fallback' and action <> present_action)"""
        ).fetchone()
    assert one
    units_due, taken, distinct, missing, late, dead, by_model, astray = one
    now = now_delivered(home)
    same = now == delivered and set(now) == {i for i in delivered}
    return [
        Finding("each departure decided exactly once", f"{units_due:,} due, {taken:,} taken, {missing} missing",
                ok=units_due == taken == distinct and not missing),
        Finding("delivered, and unchanged since", f"{len(now):,} rows", ok=same and len(now) == taken),
        Finding("by the model", f"{by_model:,}", ok=by_model > 0),
        Finding("too late, by the fallback", f"{late:,}", ok=bool(late) == any(m.lands for m in plan.mishaps) and not astray),
        Finding("a dead feed, by the fallback", f"{dead:,}", ok=not astray),
    ]  # fmt: skip


def no_run_left(home: Home) -> Finding:
    """No run is started for ever."""
    left = in_home(home, _unfinished)
    return Finding("runs left unfinished", f"{len(left)}", ok=not left)


def told(findings: list[Finding]) -> str:
    """The table."""
    width = max(len(f.what) for f in findings)
    return "\n".join(f"{'ok ' if f.ok else 'NOT'}  {f.what:<{width}}  {f.found}" for f in findings)
