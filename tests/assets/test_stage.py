"""What Dagster is told: a rejected day isn't green, the rest of its range goes on, and nothing happens twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from assets.resources import BusinessTime, Place
from assets.stage import Check, CheckSpec, Published, Result, Step, stage
from pipelines.component import chain
from pipelines.demo.flights import FIRST_DAY, LAST_DAY
from sixtyforty.spec.partitions import SNAPSHOT
from tests import flights
from tests.flights import AFTER, BEFORE, DAY, DAYS, first_rows, flight_delays

REFERENCE = [f"{kind}/{s}" for s in flights.REFERENCE for kind in ("raw", "validated")]
DAILY = [f"{kind}/{s}" for s in flights.SOURCES for kind in ("raw", "validated")]
DAILY += ["features", "outcomes", "decisions", "review_queue", "delivery", "kpi_impact"]


@dataclass
class Run:
    """What a run said of itself."""

    success: bool
    log: list[dg.EventLogEntry]

    @property
    def events(self) -> list[dg.DagsterEvent]:
        """What Dagster's pages are made from."""
        return [e.dagster_event for e in self.log if e.dagster_event]

    def materialized(self, name: str) -> dict[str | None, dg.AssetMaterialization]:
        """By partition."""
        found = [e.asset_materialization for e in self.log if e.asset_materialization]
        assert len({(m.asset_key, m.partition) for m in found}) == len(found)
        return {m.partition: m for m in found if m.asset_key == key(name)}

    def checks(self, name: str, check: str) -> dict[str | None, dg.AssetCheckEvaluation]:
        """By partition."""
        found = [
            e.asset_check_evaluation_data
            for e in self.events
            if e.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ]
        return {c.partition: c for c in found if (c.asset_key, c.check_name) == (key(name), check)}

    def steps(self, kind: dg.DagsterEventType) -> set[str | None]:
        """The steps with an event of that kind."""
        return {e.step_key for e in self.events if e.event_type == kind}


def key(name: str) -> dg.AssetKey:
    return dg.AssetKey(["flight_delays", *name.split("/")])


def execute(
    definitions: dg.Definitions, home: Path, instance: dg.DagsterInstance, names: list[str], days: list[str] = DAYS
) -> Run:
    """Runs these stages over the days, in one run."""
    place = Place(home=home, database_url=f"sqlite:///{home / 'deliveries.sqlite'}", dvc_remote=str(home / "dvc"))
    bound = dg.Definitions.merge(definitions, dg.Definitions(resources={"place": place, "clock": BusinessTime()}))
    result = bound.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[key(n) for n in names],
        tags={ASSET_PARTITION_RANGE_START_TAG: days[0], ASSET_PARTITION_RANGE_END_TAG: days[-1]},
        raise_on_error=False,
    )
    return Run(result.success, instance.all_logs(result.run_id))


def data_version(materialization: dg.AssetMaterialization) -> str:
    return (materialization.tags or {})["dagster/data_version"]


def plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v.value for k, v in metadata.items() if k != "failed"}


# The chain, with a bad day.


@dataclass
class Story:
    """A range whose middle day came in half, then whole, then once more."""

    home: Path
    instance: dg.DagsterInstance
    half: Run
    whole: Run
    again: Run
    trees: list[dict[str, tuple[int, str]]]
    delivered: list[list[Any]]
    green: list[set[str]]  # the days Dagster shows as materialized for validated/timetable


def tree(home: Path) -> dict[str, tuple[int, str]]:
    """Every file below lake and deliveries: when it was written, and what it holds."""
    files = [p for kind in ("lake", "deliveries") for p in (home / "data" / kind).rglob("*") if p.is_file()]
    return {str(p.relative_to(home)): (p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest()) for p in files}


def deliveries(home: Path) -> list[Any]:
    engine = sa.create_engine(f"sqlite:///{home / 'deliveries.sqlite'}")
    with engine.connect() as connection:
        found = connection.execute(sa.text("select * from flight_delays_replay_decisions order by decision_id")).all()
    engine.dispose()
    return list(found)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, extracts: Path) -> Iterator[Story]:
    home = tmp_path_factory.mktemp("story")
    ws = flights.workspace(home)
    ws.landing.folder.mkdir(parents=True)
    for source in flight_delays().inputs:
        for day in DAYS:
            flights.deliver(ws, extracts, flights.extract(source, day), lambda content: content)
    flights.deliver(ws, extracts, flights.extract("timetable", DAY), first_rows(0.5), later=True)
    definitions, runs, trees, delivered, green = chain(flight_delays()), [], [], [], []
    with dg.DagsterInstance.ephemeral() as instance:
        for correct in (False, True, False):
            if correct:
                flights.deliver(ws, extracts, flights.extract("timetable", DAY), lambda content: content)
            runs.append(execute(definitions, home, instance, DAILY if correct else REFERENCE + DAILY))
            trees.append(tree(home))
            delivered.append(deliveries(home))
            green.append(instance.get_materialized_partitions(key("validated/timetable")))
        yield Story(home, instance, *runs, trees, delivered, green)


def test_a_rejected_day_is_not_green_and_the_rest_of_its_range_goes_on(story):
    assert story.half.success
    for name in ("validated/timetable", "features", "outcomes", "decisions", "delivery", "kpi_impact"):
        assert set(story.half.materialized(name)) == {BEFORE, AFTER}
    for name in ("raw/timetable", "validated/movements", "validated/weather"):
        assert set(story.half.materialized(name)) == set(DAYS)
    assert story.green[0] == {BEFORE, AFTER}
    ran = story.half.steps(dg.DagsterEventType.STEP_SUCCESS)
    assert {f"flight_delays__{name.replace('/', '__')}" for name in REFERENCE + DAILY} == ran
    assert not story.half.steps(dg.DagsterEventType.STEP_SKIPPED)


def test_its_check_fails_as_an_error_and_says_why(story):
    checks = story.half.checks("validated/timetable", "contract")
    assert set(checks) == set(DAYS)
    bad = checks[DAY]
    assert (bad.passed, bad.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "half a timetable misleads" in (bad.description or "")
    assert "half a timetable misleads" in str(bad.metadata["reasons"].value)
    records = bad.metadata["failed"].value.records
    assert [r.data["rule"].split("(")[0] for r in records if r.data["severity"] == "critical"] == [
        "column_values_to_be_between"
    ] * 2
    assert plain(bad.metadata)["landed"] == 491
    for day in (BEFORE, AFTER):
        assert checks[day].passed
        assert plain(checks[day].metadata)["quarantined"] == 0
    (conservation,) = story.half.checks("validated/timetable", "conservation").values()
    assert conservation.passed
    assert conservation.description == "2 partitions accepted, 1 rejected, 0 rows in quarantine"


def test_each_materialization_carries_its_own_version(story):
    lake = flights.workspace(story.home).lake
    kept_in = {"decisions": "decisions/replay", "kpi_impact": "kpi/replay", "review_queue": "review/replay"}
    for name in ("raw/weather", "validated/weather", "features", "outcomes", "decisions", "review_queue", "kpi_impact"):
        found = {day: data_version(m) for day, m in story.whole.materialized(name).items()}
        assert found == {day: e.version for day, e in lake.entries(kept_in.get(name, name), DAYS).items()}
        assert len(set(found.values())) == len(DAYS)
    (planes,) = story.again.materialized("validated/planes").values()
    assert data_version(planes) == lake.entry("validated/planes", SNAPSHOT).version


def test_a_day_that_was_corrected_becomes_green(story):
    assert story.whole.success
    assert story.green[1] == set(DAYS)
    for name in ("validated/timetable", "features", "decisions", "delivery", "kpi_impact"):
        assert set(story.whole.materialized(name)) == set(DAYS)
    good = story.whole.checks("validated/timetable", "contract")[DAY]
    assert good.passed
    assert plain(good.metadata)["landed"] == 983
    before = {m: data_version(v) for m, v in story.half.materialized("decisions").items()}
    after = {m: data_version(v) for m, v in story.whole.materialized("decisions").items()}
    assert before[BEFORE] == after[BEFORE]
    assert len(story.delivered[1]) - len(story.delivered[0]) == 983
    assert set(story.delivered[0]) < set(story.delivered[1])  # nothing delivered before was touched


def test_the_same_range_again_changes_no_byte_and_adds_nothing(story):
    assert story.again.success
    assert story.trees[2] == story.trees[1]
    assert story.trees[1] != story.trees[0]
    assert story.delivered[2] == story.delivered[1]
    assert len(story.delivered[1]) == len({row.decision_id for row in story.delivered[1]})
    for name in ("decisions", "delivery"):
        assert {plain(m.metadata)["new"] for m in story.again.materialized(name).values()} == {0}
    for name in DAILY:
        whole, again = (
            {d: data_version(m) for d, m in run.materialized(name).items()} for run in (story.whole, story.again)
        )
        assert again == whole


def test_money_reconciles_on_each_run(story):
    for run in (story.half, story.whole, story.again):
        (check,) = run.checks("kpi_impact", "money_reconciles").values()
        assert check.passed


def test_without_a_champion_nothing_differs_and_nobody_is_asked(story):
    (check,) = story.whole.checks("kpi_impact", "operational").values()
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    newest = plain(story.whole.materialized("kpi_impact")[AFTER].metadata)
    assert newest["candidate airport_now"] != newest["current process"]
    queued = [plain(m.metadata)["queued"] for m in story.whole.materialized("review_queue").values()]
    assert queued == [0] * len(DAYS)


# One stage alone.


def built(
    run: Callable[[Step], Result], after: Callable[[Step], Result] | None = None, **options: Any
) -> dg.Definitions:
    """A stage `one`, and a stage `two` behind it."""
    words: dict[str, Any] = {"description": "for the test", "phase": "evaluation", "kinds": {"csv"}}
    two = stage(flight_delays(), "two", after or (lambda step: Result()), deps=["one"], **words)
    return dg.Definitions(assets=[stage(flight_delays(), "one", run, **words, **options), two])


@contextmanager
def executed(
    definitions: dg.Definitions, home: Path, days: list[str] = DAYS
) -> Iterator[tuple[Run, dg.DagsterInstance]]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield execute(definitions, home, instance, ["one", "two"], days), instance


def test_a_stage_sees_the_whole_range_at_once(tmp_path):
    seen: list[list[str]] = []

    def look(step: Step) -> Result:
        seen.append(step.partitions)
        return Result()

    with executed(built(look, look), tmp_path) as (run, _):
        assert run.success
    assert seen == [DAYS, DAYS]


def test_nothing_published_is_nothing_green_and_yet_no_stop(tmp_path):
    with executed(built(lambda step: Result()), tmp_path) as (run, instance):
        assert run.success
        assert run.materialized("one") == {}
        assert instance.get_materialized_partitions(key("one")) == set()
        assert run.steps(dg.DagsterEventType.STEP_SUCCESS) == {"flight_delays__one", "flight_delays__two"}


def test_only_what_was_published_is_green_with_its_own_metadata(tmp_path):
    def publish(step: Step) -> Result:
        return Result({d: Published(f"version of {d}", {"rows": n}) for n, d in enumerate([DAYS[0], DAYS[2]])})

    with executed(built(publish), tmp_path) as (run, instance):
        assert run.success
        found = run.materialized("one")
        assert {d: (data_version(m), plain(m.metadata)) for d, m in found.items()} == {
            BEFORE: (f"version of {BEFORE}", {"rows": 0}),
            AFTER: (f"version of {AFTER}", {"rows": 1}),
        }
        assert instance.get_materialized_partitions(key("one")) == {BEFORE, AFTER}
        record = instance.get_latest_data_version_record(key("one"), partition_key=AFTER)
        assert record is not None
        assert dg._core.definitions.data_version.extract_data_version_from_entry(record.event_log_entry).value == (
            f"version of {AFTER}"
        )


def test_a_failed_check_of_one_day_stops_neither_the_others_nor_the_next_stage(tmp_path):
    def check(step: Step) -> Result:
        passed = [Check("sound", d != DAY, {"day": d}, d, description=d) for d in step.partitions]
        return Result(
            {d: Published(d) for d in step.partitions if d != DAY}, [*passed, Check("added_up", False, warn=True)]
        )

    specs = [CheckSpec("sound", "by day", each=True), CheckSpec("added_up", "of the run")]
    with executed(built(check, checks=specs), tmp_path) as (run, _):
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


def test_a_stage_that_breaks_stops_what_comes_after_it(tmp_path):
    def broken(step: Step) -> Result:
        raise RuntimeError("out of paper")

    with executed(built(broken), tmp_path) as (run, instance):
        assert not run.success
        assert instance.get_materialized_partitions(key("one")) == set()
        assert run.steps(dg.DagsterEventType.STEP_SUCCESS) == set()


def test_what_has_no_partitions_gets_one_materialization(tmp_path):
    def whole(step: Step) -> Result:
        assert step.partitions == [SNAPSHOT]
        return Result({SNAPSHOT: Published("v1", {"page": "here"})})

    with executed(built(whole, partitioned=False), tmp_path) as (run, instance):
        assert run.success
        assert {d: data_version(m) for d, m in run.materialized("one").items()} == {None: "v1"}
        assert instance.get_latest_materialization_event(key("one")) is not None


def test_partitions_are_the_local_days_of_the_use_case():
    one, _ = built(lambda step: Result()).assets
    days = one.partitions_def.get_partition_keys()
    assert (days[0], days[-1], len(days)) == (FIRST_DAY.isoformat(), LAST_DAY.isoformat(), 366)
