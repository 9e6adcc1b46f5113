"""A small use case with files of its own that the command line runs for a year of business time, day after day."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from expectations import suites
from pipelines.authoring import catalog, loader
from pipelines.operations.dagster_watch import Automation
from pipelines.operations.watch import watch_use_case
from sixtyforty.decisions.decision_table import StoredDecision, read_decisions
from sixtyforty.decisions.delivery_table import read_deliveries
from sixtyforty.reports.alerts import AlertReceipt
from sixtyforty.spec.clock import CLOCK_FILE_VARIABLE
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.workspace import Workspace
from tests.declared_project import declare_use_case
from tests.helpers import CALLS, CREWS, VISITS, WITH_RESPONSES, csv_text, day_range, land_extract, merge
from tests.homes import use_home
from tests.pipelines.conftest import RunCli

NAME = "calls_in_time"
FIRST, LIVE, RETIRED, LAST = date(2013, 1, 14), date(2013, 4, 1), date(2014, 3, 24), date(2014, 3, 31)
CALLS_A_DAY = 8
DECIDING = ("features", "outcomes", "decisions", "delivery", "kpi_impact")  # as a run of the sensor for new data
TRAINING = (*DECIDING, "training_set", "challenger", "backtest", "champion")
LATE_ABOVE = {"north": 0.3, "south": 0.7}
FEATURES = """
    select u.id, u.load, avg(v.late) as late_before from units u
    left join (select c.site, v.late, v.known_at from visits v join calls c using (id)) v
        on v.site = u.site and v.known_at between u.decided_at - interval 2 day and u.decided_at
    group by all"""
CURRENT_PROCESS = "select id, case when load > 0.9 then 'act' else 'wait' end as action from units"
GATE: dict[str, Any] = {"target": 400, "minimum_gain": 50, "minimum_partitions": 14}
DECLARED: dict[str, Any] = merge(
    WITH_RESPONSES,
    {
        "partitions": {"start": f"{FIRST}", "end": None},
        "replay": {"first_day": "2013-03-01", "retrain": "month", "warm_up_days": 14},
        "gate": {"margin": 0, "max_rejected_share": 0.9},
        "model": {"training_days": 60, "categorical": [], "params": {"max_iter": 8}},
        "stages": {
            "idea_date": "2012-12-01",
            "poc": GATE | {"stop_date": "2013-06-01"},
            "pilot": GATE | {"stop_date": "2013-12-01"},
            "production": GATE | {"stop_date": "2015-01-01"},
        },
        "automation": {
            "late_after_minutes": 200_000,
            "rollout": {"holdout_share": 0.25, "min_days": 10},
        },
        "watch": {"no_user_days": 1000},
    },
)


def calls_on(day: date, count: int = CALLS_A_DAY) -> list[tuple[int, str, str, float]]:
    """Return the calls of a day, from noon UTC on, with loads between 0 and 1 that differ from day to day."""
    loads, number = random.Random(day.toordinal()), day.toordinal() * 10
    noon = datetime.combine(day, time(12))
    return [
        (number + i, "north" if i % 2 else "south", f"{noon + timedelta(hours=i % 4)}", round(loads.random(), 2))
        for i in range(count)
    ]


def visits_on(day: date, count: int = CALLS_A_DAY) -> list[tuple[int, str, int]]:
    """Return the visits of a day, two hours after each call. In the north, they are late at lower loads."""
    surprises, visits = random.Random(-day.toordinal()), []
    for number, site, hour, load in calls_on(day, count):
        late = (load > LATE_ABOVE[site]) != (surprises.random() < 0.05)
        visits.append((number, f"{datetime.fromisoformat(hour) + timedelta(hours=2)}", int(late)))
    return visits


@dataclass
class Year:
    """A project with one use case, its home and its business clock. Commands are run as on a terminal."""

    root: Path
    run_cli: RunCli
    name: str = NAME
    has_crew: bool = False
    has_crews: bool = False
    landed: dict[date, int] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder of the declaration."""
        return loader.FOLDER / self.name

    @property
    def ws(self) -> Workspace:
        """The workspace, by the declaration as it is now."""
        return catalog.open_workspace(self.name)

    @property
    def clock(self) -> Path:
        """The file with the business time."""
        return self.root / "clock"

    def set_time(self, day: date, hour: int = 23) -> None:
        """Set the business clock to an hour (UTC) of a day."""
        self.clock.write_text(f"{day}T{hour:02}:00:00")

    def declare(self, **changes: Any) -> None:
        """Change fields of `defs.yaml`, as a person does in an editor."""
        file = self.folder / "defs.yaml"
        document = yaml.safe_load(file.read_text())
        document["attributes"] = merge(document["attributes"], changes)
        file.write_text(yaml.safe_dump(document, sort_keys=False))

    def write_features(self, sql: str) -> None:
        """Replace `features.sql`."""
        (self.folder / "features.sql").write_text(sql)

    def land(self, first: date, last: date) -> None:
        """Land the extracts of some days, each in the evening of its day."""
        for day in map(date.fromisoformat, day_range(first, last)):
            at, calls = datetime.combine(day, time(20)), [*map(list, calls_on(day))]
            text = csv_text(CALLS, calls)
            if self.has_crew:
                header = ",".join([*CALLS["columns"], "crew"])
                text = "\n".join([header, *(",".join(map(str, [*row, 2])) for row in calls)]) + "\n"
            land_extract(self.ws.landing, f"calls_{day}.csv", text, at)
            land_extract(self.ws.landing, f"visits_{day}.csv", csv_text(VISITS, visits_on(day)), at)
            if self.has_crews:
                crews = csv_text(CREWS, [(day, site, 3) for site in LATE_ABOVE])
                land_extract(self.ws.landing, f"crews_{day}.csv", crews, at)
            self.landed[day] = len(calls)

    def run(self, first: date, last: date, options: str = "", code: int = 0) -> str:
        """Run the chain on some days, and return what it printed on stderr. code: the expected exit code."""
        finished = self.run_cli(f"run {self.name} --from {first} --to {last} {options}")
        assert finished.code == code, finished.err[-3000:]
        return finished.err

    def live_through(
        self, first: date, last: date, stages: Sequence[str] = (), since: date | None = None, code: int = 0
    ) -> str:
        """Land some days, run the live chain on the evening of the last one, and return the log.

        stages: DECIDING, TRAINING, or nothing for all stages. since: the first day of the run, if it is an earlier one.
        code: the expected exit code.
        """
        before = self.history(first - timedelta(days=1))
        self.land(first, last)
        self.set_time(last)
        log = self.run(since or first, last, f"--track live {self.select(stages)}", code)
        assert self.history(first - timedelta(days=1)) == before, "live decisions are history"
        assert self.undecided(last) == []
        return log

    def select(self, stages: Sequence[str]) -> str:
        """Return the option that runs the import of each source and these stages; nothing for all stages."""
        sources = [name for name in self.ws.use_case.sources if name != "responses"]
        imports = [f"{kind}/{source}" for kind in ("raw", "validated") for source in sources]
        return f"--select {','.join([*imports, *stages])}" if stages else ""

    def history(self, until: date) -> dict[str, str]:
        """Return a hash of each stored live decision file and of each day's delivered rows and files, up to a day."""
        ws, days = self.ws, day_range(LIVE, until)
        hashes = {}
        for day, entry in ws.lake.entries("decisions/live", days).items():
            hashes[f"decisions {day}"] = _hash(Path(str(ws.lake.local_file(entry))).read_bytes())
        for file in sorted(ws.deliveries.glob("live/*")):
            if file.name.split(".")[0] in days:
                hashes[f"file {file.name}"] = _hash(file.read_bytes())
        for row in read_deliveries(ws, "live"):
            if row.partition <= f"{until}":
                hashes[f"row {row.decision_id}"] = _hash(repr(row).encode())
        return hashes

    def decided(self, day: date) -> list[StoredDecision]:
        """Return the live decisions of a day."""
        return read_decisions(self.ws, day.isoformat(), "live")

    def undecided(self, until: date) -> list[str]:
        """Return the live days, up to a day, on which not each unit has exactly one decision."""
        decisions = {day: entry.rows for day, entry in self.ws.lake.entries("decisions/live").items()}
        return [
            f"{day}: {decisions.get(f'{day}', 0)} of {count}"
            for day, count in self.landed.items()
            if LIVE <= day <= until and decisions.get(f"{day}", 0) != count
        ]

    def deciders(self, first: date, last: date) -> set[str]:
        """Return who took the live decisions of some days."""
        days = map(date.fromisoformat, day_range(first, last))
        return {decision.decided_by for day in days for decision in self.decided(day)}

    def answer(self, command: str) -> Any:
        """Return the JSON that a command about the use case prints."""
        command = command.format(self.name) if "{}" in command else f"{command} {self.name}"
        finished = self.run_cli(f"{command} --json")
        assert finished.code == 0, finished.err
        return finished.answer

    def change(self, command: str, options: str = "", code: int = 0) -> str:
        """Run a command that changes something, with a reason, and return what it printed. code: expected exit code."""
        command = command.format(self.name) if "{}" in command else f"{command} {self.name}"
        finished = self.run_cli(f"{command} {options} --by ola --why 'We agreed on it.'")
        assert finished.code == code, (finished.out, finished.err)
        return finished.out if code == 0 else finished.err

    def doctor(self, thing: str) -> dict[str, Any]:
        """Return what `doctor` says about one thing of the use case."""
        things = {item["thing"]: item for item in self.run_cli("doctor --json").answer["things"]}
        line: dict[str, Any] = things[f"{thing} of {self.name}"]
        return line

    def alerts(self) -> dict[str, str]:
        """Return the texts of the alerts that the watch sends now, by kind."""
        time_now = datetime.fromisoformat(self.clock.read_text()).replace(tzinfo=UTC).timestamp()
        receipts = watch_use_case(self.ws, "live", lambda *_: None, Automation(frozenset()), time_now)
        return {r.kind: r.text if isinstance(r, AlertReceipt) else "resolved" for r in receipts}

    def columns_of(self, day: date) -> set[str]:
        """Return the columns of a day's features."""
        entry = self.ws.lake.entry("features", day.isoformat())
        assert entry is not None
        return set(self.ws.lake.columns(entry))

    @property
    def champion(self) -> str:
        """The version of the champion in force now."""
        champion = self.ws.champion_ledger.champion_at("live", self.clock.read_text())
        assert champion is not None
        return champion.version

    def newest_verdict(self) -> ChampionRow:
        """Return the gate's newest verdict on a live challenger."""
        return [row for row in self.ws.champion_ledger.rows() if row.track == "live" and row.by == "gate"][-1]


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def make_year(root: Path, patch: pytest.MonkeyPatch, run_cli: RunCli) -> Year:
    """Write the project, and use an empty home."""
    use_home(patch, root / "home")
    patch.setattr(loader, "FOLDER", root / "project" / "pipelines" / "use_cases")
    patch.setattr(catalog, "FOLDER", loader.FOLDER)
    patch.setattr(suites, "HERE", root / "project" / "rules")
    declare_use_case(loader.FOLDER, suites.HERE, NAME, **DECLARED)
    (loader.FOLDER / NAME / "features.sql").write_text(FEATURES)
    (loader.FOLDER / NAME / "current_process.sql").write_text(CURRENT_PROCESS)
    year = Year(root, run_cli)
    patch.setenv(CLOCK_FILE_VARIABLE, str(year.clock))
    return year
