"""A small use case that went live: its sensor and its nightly schedule run the chain, day after day."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest

from pipelines import definitions
from pipelines.automation.run_requests import request_retrain, request_run
from pipelines.operations.run import list_refusals
from pipelines.runtime.dagster_internals import partition_range_tags
from sixtyforty.decisions.decision_table import StoredDecision, read_decisions
from sixtyforty.lifecycle.champions import adopt_champion
from sixtyforty.spec.clock import CLOCK_FILE_VARIABLE, now
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.workspace import Workspace
from tests.dagster_runs import open_instance
from tests.helpers import CALLS, VISITS, calls_on, csv_text, day_range, land_extract, visits_on
from tests.leaky_world import NAME, World, make_world
from tests.pipelines.automation.ticks import evaluate_sensor, home_of

FIRST, ADOPTED = date(2013, 3, 1), date(2013, 4, 4)
CHANGES: dict[str, Any] = {
    "replay": {"first_day": "2013-03-18", "retrain": "week", "warm_up_days": 10},
    "gate": {"margin": 0, "max_rejected_share": 0.9},
    "automation": {"retrain_cron": "30 3 * * *", "late_after_minutes": 100_000},
}
CALLS_A_DAY = 12
Rows = Sequence[Sequence[Any]]


@dataclass
class LiveWorld:
    """A live use case with its Dagster instance and its business clock."""

    world: World
    instance: dg.DagsterInstance
    clock: Path

    @property
    def ws(self) -> Workspace:
        """The workspace, by the declaration as it is now."""
        return self.world.open()

    def land(
        self, day: date, calls: Callable[[Rows], tuple[Sequence[str], Rows]] | None = None, with_visits: bool = True
    ) -> None:
        """Land a day's extracts. calls: changes the rows of calls, and returns their header and the new rows."""
        header, rows = list(CALLS["columns"]), calls_on(day, CALLS_A_DAY)
        text = csv_text(CALLS, rows)
        if calls:
            header, changed = calls(rows)
            text = "".join(",".join(map(str, row)) + "\n" for row in [list(header), *changed])
        land_extract(self.ws.landing, f"calls_{day}.csv", text)
        if with_visits:
            land_extract(self.ws.landing, f"visits_{day}.csv", csv_text(VISITS, visits_on(day, CALLS_A_DAY)))

    def set_time(self, day: date, hour: int = 22) -> None:
        """Set the business clock to an hour (UTC) of a day."""
        self.clock.write_text(f"{day}T{hour:02}:00:00")

    def catch_up(self, most: int = 5) -> list[str]:
        """Run what the sensor of new data requests, until it requests nothing; return what the runs refused."""
        runs = []
        for _ in range(most):
            requests = evaluate_sensor(self.ws, self.instance, "new_data").requests
            if not requests:
                return list_refusals(self.instance, runs)
            runs += [self._run(request) for request in requests]
        raise AssertionError(f"the sensor requests more than {most} rounds of runs")

    def catch_up_anyway(self, day: date) -> None:
        """Run the import of a day, as a person can in Dagster's pages. Raises what its step raises."""
        now_text = self.clock.read_text()
        request = request_run(self.ws.use_case, "data", ["raw/calls"], datetime.fromisoformat(now_text), "by hand", {})
        self._run(request.with_replaced_attrs(tags={**request.tags, **partition_range_tags(f"{day}", f"{day}")}))

    def train(self) -> list[str]:
        """Run what the nightly schedule requests; return what the run refused."""
        ws = self.ws
        request = request_retrain(ws.use_case, home_of(ws), self.instance, now(), "nightly")
        assert isinstance(request, dg.RunRequest), request.skip_message
        return list_refusals(self.instance, [self._run(request)])

    def _run(self, request: dg.RunRequest) -> str:
        run = (
            definitions.defs()
            .resolve_job_def(NAME)
            .execute_in_process(
                instance=self.instance,
                # Data Docs take most of the time of a run on so few rows, and no test of this world reads them.
                asset_selection=[key for key in request.asset_selection or () if key.path[-1] != "data_docs"],
                run_config={key: part for key, part in (request.run_config or {}).items() if key == "resources"},
                tags=dict(request.tags),
            )
        )
        return str(run.run_id)

    def live_through(self, first: date, last: date, **landing: Any) -> None:
        """Land these days, let the sensor run the chain on each evening, and train each night. Nothing is refused."""
        for day in day_range(first, last):
            assert self.live_day(date.fromisoformat(day), **landing) == []
            assert self.train() == []

    def live_day(self, day: date, **landing: Any) -> list[str]:
        """Land a day, let the sensor run the chain on it that evening, and return what was refused."""
        self.land(day, **landing)
        self.set_time(day)
        return self.catch_up()

    def decided(self, day: date) -> dict[str, StoredDecision]:
        """Return the live decisions of a day by id."""
        return {decision.decision_id: decision for decision in read_decisions(self.ws, day.isoformat(), "live")}

    def deciders(self, day: date) -> set[str]:
        """Return who took the live decisions of a day."""
        return {decision.decided_by for decision in self.decided(day).values()}

    @property
    def champion(self) -> ChampionRow:
        """The champion in force now."""
        champion = self.ws.champion_ledger.champion_at("live", self.clock.read_text())
        assert champion is not None
        return champion

    def feature(self, day: date, name: str) -> list[Any]:
        """Return the values of a feature on a day."""
        entry = self.ws.lake.entry("features", day.isoformat())
        assert entry is not None
        return list(pq.read_table(self.ws.lake.local_file(entry))[name].to_pylist())

    def columns_of(self, day: date) -> set[str]:
        """Return the columns of a day's features."""
        entry = self.ws.lake.entry("features", day.isoformat())
        assert entry is not None
        return set(self.ws.lake.columns(entry))


def build_live_home(folder: Path) -> None:
    """Build a home in a folder: a use case that is live from ADOPTED on, with the champion of its replay."""
    with pytest.MonkeyPatch.context() as patch, open_live_world(folder, patch) as live:
        live.set_time(ADOPTED, 0)
        for day in day_range(FIRST, ADOPTED - timedelta(days=1)):
            live.land(date.fromisoformat(day))
        definitions.defs().resolve_job_def(NAME).execute_in_process(
            instance=live.instance, tags=partition_range_tags(f"{FIRST}", f"{ADOPTED - timedelta(days=1)}")
        )
        adopt_champion(live.ws, by="Ada", why="it pays", now=live.ws.use_case.day_start(ADOPTED))


@contextmanager
def open_live_world(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[LiveWorld]:
    """Open the live use case of a folder."""
    world, clock = make_world(folder / "world", patch, **copy.deepcopy(CHANGES)), folder / "clock"
    patch.setenv(CLOCK_FILE_VARIABLE, str(clock))
    with open_instance(folder / "dagster") as instance:
        yield LiveWorld(world, instance, clock)
