"""A copy of a live home for one fault: its clock, the extracts that land, its runs, and the looks of the watch."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.authoring import catalog
from pipelines.demo import flights
from pipelines.demo.drill.home import DrillError, DrillHome
from pipelines.demo.fault_drill.database_changes import copy_database, undo_database_changes
from pipelines.operations.dagster_watch import Automation
from pipelines.operations.run import RunFailedError, run_range
from pipelines.operations.watch import watch_use_case
from pipelines.runtime.dagster_internals_daemon import record_heartbeats, record_tick, running_sensor
from pipelines.runtime.stored_errors import find_cause, read_safe_text
from sixtyforty.reports.alerts import AlertReceipt
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import dagster as dg

OWNER = "SIXTYFORTY_DRILL_OWNER"  # the variable with the address of the drill's recipient
SENSOR = f"{flights.USE_CASE}_new_data"
SOURCES = ("timetable", "movements", "weather")
STAGES = [
    *(f"{kind}/{source}" for source in SOURCES for kind in ("raw", "validated")),
    *("features", "outcomes", "decisions", "delivery"),
]
LIVE = date(2013, 2, 6)  # the first live day
AFTERNOON = 14  # local hour
SPOILED = ".spoiled"

Spoil = Callable[[bytes], bytes | None]


@dataclass
class Scene:
    """A live home in which one fault is planted.

    - now: the business clock (UTC, naive).
    - to_come: a folder with the extracts that land later. The time of a file is its landing time.
    - spoiled: how extracts are changed while they land, by the start of their names. None as content: they don't land.
    - kept: the content of changed files before the change; None for a file that did not exist.
    - address_problem: why messages can't be sent; None if they can.
    - is_daemon_alive: whether the daemon writes its heartbeats.
    - is_sensor_alive: whether the daemon also evaluates the sensor, and writes its ticks.
    - watch_ahead: by how many seconds the clock of the watch is ahead of this machine's.
    - undo: what else to do to remove the fault.
    """

    home: DrillHome
    now: datetime
    to_come: Path
    spoiled: dict[str, Spoil] = field(default_factory=dict)
    kept: dict[Path, bytes | None] = field(default_factory=dict)
    address_problem: str | None = None
    is_daemon_alive: bool = True
    is_sensor_alive: bool = True
    watch_ahead: float = 0.0
    undo: list[Callable[[], object]] = field(default_factory=list)
    problem: str = ""

    @property
    def ws(self) -> Workspace:
        """The workspace of the use case in this home. Its alerts go to the drill's recipient."""
        return _alert_owner(self.home.evaluate(lambda: catalog.open_workspace(flights.USE_CASE)))

    @property
    def data(self) -> Path:
        """The folder `data/` of the home."""
        return self.home.folder / "data"

    def write(self, path: Path, content: bytes | None) -> None:
        """Replace a file, or delete it (None), and remember what it held. The old file may be a link to other homes."""
        self.kept.setdefault(path, path.read_bytes() if path.exists() else None)
        path.unlink(missing_ok=True)
        if content is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def change(self, manipulate: Callable[[Workspace], None]) -> None:
        """Let a function change models, decisions and the delivery database, and remember what they held before."""
        database = self.data / "deliveries.sqlite"
        copies = self.home.folder / "before.sqlite", self.home.folder / "after.sqlite"
        copy_database(database, copies[0])
        before = self._read_records()
        manipulate(self.ws)
        after = self._read_records()
        copy_database(database, copies[1])
        changed = [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
        self.kept |= {path: before.get(path) for path in changed}
        self.undo.append(lambda: undo_database_changes(database, *copies))

    def _read_records(self) -> dict[Path, bytes]:
        folders = self.data / "models", self.data / "lake" / flights.USE_CASE / "decisions"
        return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}

    def mend(self) -> None:
        """Undo the planted changes: put changed files back, and land corrected extracts under the same names."""
        for step in self.undo:
            step()
        for path, content in self.kept.items():
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_bytes(content)
        for path in sorted((self.home.folder / SPOILED).glob("*")):
            shutil.copy2(path, self.home.landing_zone / path.name)
        self.undo, self.kept, self.spoiled, self.problem = [], {}, {}, ""
        self.address_problem, self.is_daemon_alive, self.is_sensor_alive, self.watch_ahead = None, True, True, 0.0

    def advance(self, hours: int) -> None:
        """Move the clock, land the extracts that are due, and run the chain. A failed run is kept in `problem`."""
        self.now += timedelta(hours=hours)
        self.home.set_clock(self.now)
        self._land_due()
        self.run_chain()

    def _land_due(self) -> None:
        for path in sorted(self.to_come.glob("*.csv")):
            landed = self.home.landing_zone / path.name
            aside = self.home.folder / SPOILED / path.name
            is_due = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None) <= self.now
            if not is_due or landed.exists() or aside.exists():
                continue
            spoil = next((how for start, how in self.spoiled.items() if path.name.startswith(start)), None)
            if spoil is None:
                shutil.copy2(path, landed)
                continue
            aside.parent.mkdir(exist_ok=True)
            shutil.copy2(path, aside)
            content = spoil(path.read_bytes())
            if content is not None:
                landed.write_bytes(content)

    def run_chain(self) -> None:
        """Run the live chain on the live days, and in the afternoon also on the next day: its timetable is there."""
        local = self.now.replace(tzinfo=UTC).astimezone(flights.ZONE)
        last = local.date() + timedelta(days=local.hour >= AFTERNOON)
        self.problem = ""
        with self._in_home():
            try:
                run_range(
                    flights.USE_CASE,
                    LIVE,
                    last,
                    as_of=self.now.isoformat(),
                    track="live",
                    select=STAGES,
                )
            except (RunFailedError, SixtyfortyError) as error:
                self.problem = str(error).partition(": ")[2] or str(error)

    def verify_at_night(self) -> None:
        """Run the nightly job that verifies the records."""
        import dagster as dg

        from pipelines.definitions import defs

        with self._in_home(), dg.DagsterInstance.get() as instance:
            job = defs().resolve_job_def("housekeeping")
            run = job.execute_in_process(instance=instance, raise_on_error=False)
        errors = [find_cause(event.step_failure_data.error) for event in run.all_events if event.is_step_failure]
        differences = "; ".join(filter(None, map(read_safe_text, errors)))
        self.problem = "" if run.success else f"The nightly verification failed: {differences}"

    def look(self) -> list[AlertReceipt]:
        """Let the watch look once. Return the receipts of the messages that were sent."""
        with self._in_home():
            now = time.time() + self.watch_ahead
            self._record_daemon(now)
            loaded, automation = catalog.load_workspaces_to_watch(), Automation(frozenset({SENSOR}))
            ws, error = loaded.unread.get(flights.USE_CASE) or (loaded.complete[flights.USE_CASE], None)
            receipts = watch_use_case(_alert_owner(ws), "live", self._send, automation, now, opening_error=error)
        return [receipt for receipt in receipts if isinstance(receipt, AlertReceipt) and receipt.why is None]

    def _send(self, address: str, title: str, text: str) -> str | None:
        return self.address_problem

    def with_instance(self, function: Callable[[dg.DagsterInstance], object]) -> None:
        """Call a function with the Dagster instance of the home."""
        import dagster as dg

        with self._in_home(), dg.DagsterInstance.get() as instance:
            function(instance)

    def _record_daemon(self, now: float) -> None:
        import dagster as dg

        if not self.is_daemon_alive:
            return
        try:
            with dg.DagsterInstance.get() as instance:
                record_heartbeats(instance, now)
                states = [state for state in instance.all_instigator_state() if state.name == SENSOR]
                if not states:
                    states = [running_sensor(SENSOR, last_tick_timestamp=now)]
                    instance.add_instigator_state(states[0])
                if self.is_sensor_alive:
                    record_tick(instance, states[0], now)
        except Exception as error:  # the storage itself may be the fault; the watch then reports it
            self.problem = self.problem or f"the daemon can't write to its storage ({type(error).__name__})"

    @contextmanager
    def _in_home(self) -> Iterator[None]:
        """Use the environment of the home, and write the output of runs to its file chain.log."""
        with self.home.entered(), (self.home.folder / "chain.log").open("a") as log, redirect_stderr(log):
            yield


def _alert_owner(ws: Workspace) -> Workspace:
    """Return a workspace whose alerts go to the drill's recipient."""
    return replace(ws, use_case=ws.use_case.model_copy(update={"alerts": {"owner": [OWNER]}}))


def read_decisions(scene: Scene) -> Mapping[str, Decision]:
    """Return the live decisions that the delivery table or the lake holds, by decision id.

    Raises SixtyfortyError if one of the two can't be read.
    """
    from sixtyforty.decisions.delivery_table import read_deliveries

    delivered = {
        row.decision_id: Decision(row.decided_at, row.action, row.decided_by)
        for row in read_deliveries(scene.ws, "live")
    }
    return _read_lake(scene.ws) | delivered


@dataclass(frozen=True)
class Decision:
    """When (UTC, naive), what, and by whom a decision was taken."""

    decided_at: datetime
    action: str
    decided_by: str


def _read_lake(ws: Workspace) -> dict[str, Decision]:
    import duckdb

    entries = ws.lake.entries("decisions/live").values()
    if not entries:
        return {}
    query = f"select decision_id, decided_at, action, decided_by from {ws.lake.select_rows(entries)}"
    try:
        with ws.lake.open_session(ws.use_case.timezone) as db:
            rows = db.execute(query).fetchall()
    except duckdb.Error as error:
        raise DrillError(f"a file of the lake is missing or damaged: {type(error).__name__}") from error
    return {decision_id: Decision(*fields) for decision_id, *fields in rows}
