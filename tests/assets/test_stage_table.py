"""The stages as the table wires them, on three real days of flights, one of which is wrong at first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from assets.stage_table import STAGES
from pipelines.component import build_chain
from sixtyforty.spec.partitions import SNAPSHOT
from tests import flights
from tests.assets.recorded_runs import RecordedRun, data_version, execute, key, plain
from tests.dagster_runs import open_instance
from tests.flights import AFTER, BEFORE, DAY, DAYS, first_rows, flight_delays
from tests.helpers import make_use_case

REFERENCE = [f"{kind}/{source}" for source in flights.REFERENCE for kind in ("raw", "validated")]
DAILY = [f"{kind}/{source}" for source in flights.SOURCES for kind in ("raw", "validated")]
DAILY += ["features", "outcomes", "decisions", "review_queue", "delivery", "kpi_impact"]


@dataclass
class ThreeRuns:
    """A range whose middle day first lands half, then completely; then the same range again."""

    home: Path
    instance: dg.DagsterInstance
    half: RecordedRun
    complete: RecordedRun
    repeated: RecordedRun
    trees: list[dict[str, tuple[int, str]]]  # after each run
    delivered: list[list[Any]]
    materialized: list[set[str]]  # the days that Dagster shows as materialized for validated/timetable


def tree(home: Path) -> dict[str, tuple[int, str]]:
    """Return every file of lake and deliveries: when it was written, and the hash of its content.

    A lock file names its last holder, so it is left out.
    """
    paths = [p for kind in ("lake", "deliveries") for p in (home / "data" / kind).rglob("*")]
    files = [p for p in paths if p.is_file() and p.suffix != ".lock"]
    return {str(p.relative_to(home)): (p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest()) for p in files}


def deliveries(home: Path) -> list[Any]:
    """Return the rows of the delivery table."""
    engine = sa.create_engine(f"sqlite:///{home / 'deliveries.sqlite'}")
    with engine.connect() as connection:
        rows = connection.execute(sa.text("select * from flight_delays_replay_decisions order by decision_id")).all()
    engine.dispose()
    return list(rows)


@pytest.fixture(scope="module")
def three_runs(tmp_path_factory: pytest.TempPathFactory, extracts: Path) -> Iterator[ThreeRuns]:
    home = tmp_path_factory.mktemp("three_runs")
    ws = flights.workspace(home)
    ws.landing.folder.mkdir(parents=True)
    for source in flight_delays().inputs:
        for day in DAYS:
            flights.deliver(ws, extracts, flights.extract(source, day), lambda content: content)
    flights.deliver(ws, extracts, flights.extract("timetable", DAY), first_rows(0.5), later=True)
    definitions, runs, trees, delivered, materialized = build_chain(flight_delays()), [], [], [], []
    with open_instance(tmp_path_factory.mktemp("dagster")) as instance:
        for is_corrected in (False, True, False):
            if is_corrected:
                flights.deliver(ws, extracts, flights.extract("timetable", DAY), lambda content: content)
            runs.append(execute(definitions, home, instance, DAILY if is_corrected else REFERENCE + DAILY))
            trees.append(tree(home))
            delivered.append(deliveries(home))
            materialized.append(instance.get_materialized_partitions(key("validated/timetable")))
        yield ThreeRuns(home, instance, *runs, trees, delivered, materialized)


def test_each_stage_is_named_once_and_runs_after_its_inputs():
    names = [stage.name for stage in STAGES]
    assert len(names) == len(set(names))
    assets = [asset for asset in build_chain(flight_delays()).assets or [] if isinstance(asset, dg.AssetsDefinition)]
    keys = {asset.key for asset in assets}
    assert all(upstream in keys for asset in assets for upstream in asset.asset_deps[asset.key])


def test_a_stage_that_does_not_apply_has_no_asset(tmp_path):
    plain_use_case = make_use_case(tmp_path)  # without reviewers, responses, stages or vendors
    targets = {stage.name: stage.targets(plain_use_case) for stage in STAGES}
    assert {name for name, built in targets.items() if not built} == {
        "review_queue",
        "acceptance",
        "stage_gate",
        "build_or_buy",
    }
    assert [target.source_name for target in targets["raw"]] == ["calls", "visits"]


def test_a_rejected_day_is_not_materialized_and_the_rest_of_its_range_continues(three_runs):
    half = three_runs.half
    assert half.success
    for name in ("validated/timetable", "features", "outcomes", "decisions", "delivery", "kpi_impact"):
        assert set(half.materialized(name)) == {BEFORE, AFTER}
    for name in ("raw/timetable", "validated/movements", "validated/weather"):
        assert set(half.materialized(name)) == set(DAYS)
    assert three_runs.materialized[0] == {BEFORE, AFTER}
    succeeded = half.steps(dg.DagsterEventType.STEP_SUCCESS)
    assert {f"flight_delays__{name.replace('/', '__')}" for name in REFERENCE + DAILY} == succeeded
    assert not half.steps(dg.DagsterEventType.STEP_SKIPPED)


def test_the_check_of_a_rejected_day_fails_as_an_error_with_the_reason(three_runs):
    checks = three_runs.half.checks("validated/timetable", "contract")
    assert set(checks) == set(DAYS)
    rejected = checks[DAY]
    assert (rejected.passed, rejected.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert rejected.description
    reasons = str(rejected.metadata["reasons"].value)
    assert rejected.description.removeprefix("rejected: ").split(";")[0] in reasons
    records = rejected.metadata["failed rules"].value.records
    critical = [(r.data["column"], r.data["expected"]) for r in records if r.data["severity"] == "critical"]
    assert critical == [("row_count", "500 to 1,300"), ("last_hour", "22 to 23")]
    assert "491" in [r.data["observed"] for r in records]
    assert plain(rejected.metadata)["rows landed"] == 491
    for day in (BEFORE, AFTER):
        assert checks[day].passed
        assert plain(checks[day].metadata)["rows quarantined"] == 0
    (conservation,) = three_runs.half.checks("validated/timetable", "conservation").values()
    assert conservation.passed
    assert conservation.description == "2 partitions accepted, 1 rejected, 0 rows quarantined"


def test_each_materialization_carries_its_own_version(three_runs):
    lake = flights.workspace(three_runs.home).lake
    datasets = {"decisions": "decisions/replay", "kpi_impact": "kpi/replay", "review_queue": "review/replay"}
    for name in ("raw/weather", "validated/weather", "features", "outcomes", "decisions", "review_queue", "kpi_impact"):
        versions = {day: data_version(m) for day, m in three_runs.complete.materialized(name).items()}
        entries = lake.entries(datasets.get(name, name), DAYS)
        assert versions == {day: entry.version for day, entry in entries.items()}
        assert len(set(versions.values())) == len(DAYS)
    (planes,) = three_runs.repeated.materialized("validated/planes").values()
    snapshot = lake.entry("validated/planes", SNAPSHOT)
    assert snapshot is not None and data_version(planes) == snapshot.version


def test_a_corrected_day_is_materialized(three_runs):
    complete = three_runs.complete
    assert complete.success
    assert three_runs.materialized[1] == set(DAYS)
    for name in ("validated/timetable", "features", "decisions", "delivery", "kpi_impact"):
        assert set(complete.materialized(name)) == set(DAYS)
    accepted = complete.checks("validated/timetable", "contract")[DAY]
    assert accepted.passed
    assert plain(accepted.metadata)["rows landed"] == 983
    before = data_version(three_runs.half.materialized("decisions")[BEFORE])
    assert before == data_version(complete.materialized("decisions")[BEFORE])
    assert len(three_runs.delivered[1]) - len(three_runs.delivered[0]) == 983
    assert set(three_runs.delivered[0]) < set(three_runs.delivered[1])  # no earlier delivery changed


def test_the_same_range_again_changes_no_byte_and_delivers_nothing(three_runs):
    assert three_runs.repeated.success
    assert three_runs.trees[2] == three_runs.trees[1]
    assert three_runs.trees[1] != three_runs.trees[0]
    assert three_runs.delivered[2] == three_runs.delivered[1]
    assert len(three_runs.delivered[1]) == len({row.decision_id for row in three_runs.delivered[1]})
    for name in ("decisions", "delivery"):
        assert {plain(m.metadata)["new decisions"] for m in three_runs.repeated.materialized(name).values()} == {0}
    for name in DAILY:
        first, second = (
            {day: data_version(m) for day, m in run.materialized(name).items()}
            for run in (three_runs.complete, three_runs.repeated)
        )
        assert second == first


def test_money_reconciles_in_each_run(three_runs):
    for run in (three_runs.half, three_runs.complete, three_runs.repeated):
        (check,) = run.checks("kpi_impact", "money_reconciles").values()
        assert check.passed


def test_without_a_champion_no_decision_differs_and_no_review_is_queued(three_runs):
    (check,) = three_runs.complete.checks("kpi_impact", "decisions_differ").values()
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    newest = plain(three_runs.complete.materialized("kpi_impact")[AFTER].metadata)
    assert newest["candidate airport_now (USD)"] != newest["current process (USD)"]
    queued = [plain(m.metadata)["decisions queued"] for m in three_runs.complete.materialized("review_queue").values()]
    assert queued == [0] * len(DAYS)
