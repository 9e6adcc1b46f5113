"""What Dagster records of a stage: only what it published, and its checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from dagster._core.definitions.data_version import extract_data_version_from_entry

from assets.stage import CheckResult, PublishedPartition, Stage, StageCheck, StageResult, StageRun
from assets.wiring import Wiring, build_stage_assets
from pipelines.demo.flights import FIRST_DAY, LAST_DAY
from pipelines.runtime.dagster_internals_events import EventRecorder
from sixtyforty.spec.partitions import SNAPSHOT
from tests.assets.recorded_runs import RecordedRun, data_version, execute, key, plain
from tests.flights import AFTER, BEFORE, DAY, DAYS, flight_delays

StageFunction = Callable[[StageRun], StageResult]


def publish_nothing(run: StageRun) -> StageResult:
    return StageResult()


def two_stages(first: StageFunction, second: StageFunction = publish_nothing, **options: Any) -> dg.Definitions:
    """Return a stage `one` that does the first function, and a stage `two` after it."""
    common: dict[str, Any] = {"description": "for the test", "phase": "evaluation", "kinds": {"csv"}}
    stages = [
        Stage(name="one", run=first, inputs=[], **common, **options),
        Stage(name="two", run=second, inputs=["one"], **common),
    ]
    wiring = Wiring(EventRecorder(), lambda: [flight_delays()])
    return dg.Definitions(
        assets=[asset for stage in stages for asset in build_stage_assets(stage, flight_delays(), wiring)]
    )


@contextmanager
def executed(
    definitions: dg.Definitions, home: Path, days: Sequence[str] = DAYS
) -> Iterator[tuple[RecordedRun, dg.DagsterInstance]]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield execute(definitions, home, instance, ["one", "two"], days), instance


def test_a_stage_receives_the_whole_range_and_the_wiring(tmp_path):
    partitions: list[list[str]] = []

    def look(run: StageRun) -> StageResult:
        partitions.append(run.partitions)
        assert (run.ws.home, run.track) == (tmp_path, "replay")
        assert [use_case.name for use_case in run.load_use_cases()] == ["flight_delays"]
        return StageResult()

    with executed(two_stages(look, look), tmp_path) as (run, _):
        assert run.success
    assert partitions == [DAYS, DAYS]


def test_a_stage_that_publishes_nothing_materializes_nothing_and_stops_nothing(tmp_path):
    with executed(two_stages(publish_nothing), tmp_path) as (run, instance):
        assert run.success
        assert run.materialized("one") == {}
        assert instance.get_materialized_partitions(key("one")) == set()
        assert run.steps(dg.DagsterEventType.STEP_SUCCESS) == {"flight_delays__one", "flight_delays__two"}


def test_a_stage_that_runs_last_starts_after_the_others(tmp_path):
    order: list[str] = []
    stages = [
        Stage(
            name=name,
            run=lambda _, name=name: order.append(name) or StageResult(),
            inputs=inputs,
            runs_last=name == "docs",
            description="for the test",
            phase="evaluation",
            kinds={"csv"},
        )
        for name, inputs in (("checked", []), ("docs", ["checked"]), ("decided", ["checked"]), ("sent", ["decided"]))
    ]
    wiring = Wiring(EventRecorder(), lambda: [flight_delays()])
    assets = [asset for stage in stages for asset in build_stage_assets(stage, flight_delays(), wiring)]
    with dg.DagsterInstance.ephemeral() as instance:
        assert execute(dg.Definitions(assets=assets), tmp_path, instance, [s.name for s in stages], DAYS).success
    assert order == ["checked", "decided", "sent", "docs"]


def test_only_published_partitions_are_materialized_with_their_own_metadata(tmp_path):
    def publish(run: StageRun) -> StageResult:
        days = [DAYS[0], DAYS[2]]
        return StageResult({d: PublishedPartition(f"version of {d}", {"rows": n}) for n, d in enumerate(days)})

    with executed(two_stages(publish), tmp_path) as (run, instance):
        assert run.success
        recorded = {day: (data_version(m), plain(m.metadata)) for day, m in run.materialized("one").items()}
        assert recorded == {
            BEFORE: (f"version of {BEFORE}", {"rows": 0}),
            AFTER: (f"version of {AFTER}", {"rows": 1}),
        }
        assert instance.get_materialized_partitions(key("one")) == {BEFORE, AFTER}
        record = instance.get_latest_data_version_record(key("one"), partition_key=AFTER)
        assert record is not None
        version = extract_data_version_from_entry(record.event_log_entry)
        assert version is not None and version.value == f"version of {AFTER}"


def test_a_failed_check_of_one_day_stops_neither_the_others_nor_the_next_stage(tmp_path):
    def check(run: StageRun) -> StageResult:
        results = [CheckResult("sound", d != DAY, {"day": d}, d, description=d) for d in run.partitions]
        published = {d: PublishedPartition(d) for d in run.partitions if d != DAY}
        return StageResult(published, [*results, CheckResult("added_up", False, warn=True)])

    checks = [StageCheck("sound", "by day", each_partition=True), StageCheck("added_up", "of the run")]
    with executed(two_stages(check, checks=checks), tmp_path) as (run, _):
        assert run.success
        assert {d: (c.passed, c.severity.value, c.description) for d, c in run.checks("one", "sound").items()} == {
            BEFORE: (True, "ERROR", BEFORE),
            DAY: (False, "ERROR", DAY),
            AFTER: (True, "ERROR", AFTER),
        }
        assert {d: (c.passed, c.severity.value) for d, c in run.checks("one", "added_up").items()} == {
            None: (False, "WARN")
        }
        assert "flight_delays__two" in run.steps(dg.DagsterEventType.STEP_SUCCESS)


def test_a_stage_that_raises_stops_the_next_one(tmp_path):
    def broken(run: StageRun) -> StageResult:
        raise RuntimeError("out of paper")

    with executed(two_stages(broken), tmp_path) as (run, instance):
        assert not run.success
        assert instance.get_materialized_partitions(key("one")) == set()
        assert run.steps(dg.DagsterEventType.STEP_SUCCESS) == set()


def test_a_failed_sql_shows_no_data_in_what_dagster_stores(tmp_path):
    def cast(run: StageRun) -> StageResult:
        duckdb.sql("select 'ada@example.org'::int").fetchall()
        return StageResult()

    with executed(two_stages(cast), tmp_path) as (run, _):
        assert not run.success
        stored = str(run.log)
    assert "the SQL failed (ConversionException, whose text may hold data and isn't shown)" in stored
    assert "ada@example.org" not in stored


def test_a_lack_of_memory_is_reported_with_its_cure(tmp_path):
    def fill(run: StageRun) -> StageResult:
        with duckdb.connect(config={"memory_limit": "1MB", "temp_directory": ""}) as db:
            db.execute("create table long as select repeat('x', 5000000) || range from range(9)")
        return StageResult()

    with executed(two_stages(fill), tmp_path) as (run, _):
        stored = str(run.log)
    assert "flight_delays one: the rows need more memory than SIXTYFORTY_MEMORY allows (" in stored
    assert "). Set it to a larger size, such as 4GB." in stored
    assert "Correct the declared SQL" not in stored


def test_a_stage_without_partitions_gets_one_materialization(tmp_path):
    def write(run: StageRun) -> StageResult:
        assert run.partitions == [SNAPSHOT]
        return StageResult.snapshot("v1", {"page": "here"})

    with executed(two_stages(write, partitioned=False), tmp_path) as (run, instance):
        assert run.success
        assert {day: data_version(m) for day, m in run.materialized("one").items()} == {None: "v1"}
        assert instance.get_latest_materialization_event(key("one")) is not None


def test_partitions_are_the_local_days_of_the_use_case():
    first = next(iter(two_stages(publish_nothing).assets or []))
    assert isinstance(first, dg.AssetsDefinition) and first.partitions_def is not None
    days = first.partitions_def.get_partition_keys()
    assert (days[0], days[-1], len(days)) == (FIRST_DAY.isoformat(), LAST_DAY.isoformat(), 366)
