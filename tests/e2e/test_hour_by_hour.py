"""A day that is processed hour by hour gives the features and decisions of a backfill, on DST changes too."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from expectations.serving_gate import check_features
from expectations.suites import load_suite
from expectations.validation import validate
from pipelines.authoring import catalog
from pipelines.demo import flights
from sixtyforty.decisions import review_queue
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.ingest.raw import ingest
from sixtyforty.modeling import estimators, features, outcomes, training_plan
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.storage.verdicts import verdict_facts
from sixtyforty.workspace import Workspace
from tests.helpers import day_range
from tests.long_proofs import RUN_WHOLE, draw

SPRING, SUMMER, AUTUMN = date(2013, 3, 10), date(2013, 7, 1), date(2013, 11, 3)
FIRST_HOURS = 8  # with a DST change
LINEAGE = ["data_version", "verdict_id"]  # they depend on the extracts: a file a month here, a file an hour there


@pytest.fixture(scope="module")
def use_case():
    return catalog.load_use_case("flight_delays")


def import_and_validate(ws: Workspace, partitions: list[str], now=None, references: bool = True) -> None:
    """Import and validate what has landed."""
    for name, source in (ws.use_case.inputs if references else ws.use_case.partitioned).items():
        keys = partitions if source.partition else [SNAPSHOT]
        ingest(ws.use_case, name, ws.lake, ws.landing, keys, ws.code_version)
        suite = load_suite(ws.use_case.name, name)
        validate(ws.use_case, name, suite, ws.lake, keys, now, ws.code_version)


def publish_features(ws: Workspace, partitions: list[str]) -> None:
    built = features.FeatureWindow(ws.use_case, ws.lake, partitions).build()
    suite = load_suite(ws.use_case.name, "features")
    for p, (rows, verdict) in check_features(ws.use_case, suite, built.tables).items():
        facts = verdict_facts(verdict)
        ws.lake.write("features", p, rows, inputs=built.inputs[p], code=ws.code_version, facts=facts)


def read_rows(ws: Workspace, name: str, day: date) -> pd.DataFrame:
    with ws.lake.open_session("UTC") as db:
        rows = ws.lake.select_rows(ws.lake.entries(name, [day.isoformat()]).values())
        return db.execute(f"select * from {rows} order by decided_at, carrier, flight, origin").df()


def make_home_with_history(use_case, folder: Path, day: date) -> Workspace:
    """Return a home with data up to the evening before `day`, and a champion in force."""
    ws = Workspace(use_case, folder, f"sqlite:///{folder}/deliveries.sqlite")
    flights.land(ws.landing.folder, day - timedelta(days=36), day - timedelta(days=1))
    before = day_range(day - timedelta(days=36), day - timedelta(days=1))
    import_and_validate(ws, before)
    publish_features(ws, before[-7:])
    for p, rows in outcomes.build_outcomes(use_case, ws.lake, before[-7:]).tables.items():
        ws.lake.write("outcomes", p, rows)
    plan = training_plan.plan_training(use_case, ws.lake, day)
    ws.models.write_training_set(use_case, ws.lake, plan)
    learned = ws.models.training_frame(plan.version)
    columns = ws.models.card(plan.version).features
    ws.models.write_model(plan.version, estimators.fit_model(use_case.model, use_case.kpi, columns, learned))
    ws.champion_ledger.append(
        track="replay",
        version=plan.version,
        verdict="PROMOTE",
        kind="first",
        as_of=day.isoformat(),
        effective_from=use_case.day_start(day).isoformat(),
        reasons=["for the test"],
    )
    return ws


@pytest.mark.e2e
@pytest.mark.parametrize("day", draw([SPRING, SUMMER, AUTUMN], 2), ids=str)
def test_hour_by_hour_equals_a_backfill(day, use_case, tmp_path):
    """The chain runs after each of the first hours, and skips two of three later ones. `make prove` skips none."""
    hourly = make_home_with_history(use_case, tmp_path / "hourly", day)
    shutil.copytree(tmp_path / "hourly", tmp_path / "backfilled")
    backfilled = Workspace(use_case, tmp_path / "backfilled", f"sqlite:///{tmp_path}/backfilled.sqlite")
    today = [day.isoformat()]

    flights.land(backfilled.landing.folder, day, day)
    import_and_validate(backfilled, today)
    publish_features(backfilled, today)
    take_decisions(backfilled, today, "replay", None)
    review_queue.queue_reviews(backfilled, today, "replay")

    flights.land(tmp_path / "hours", day, day, hourly=True)
    hourly.landing.folder.mkdir(parents=True, exist_ok=True)
    for name in (f"timetable_{day}.csv", "planes.csv", "airports.csv", "airlines.csv"):
        shutil.copy2(tmp_path / "hours" / name, hourly.landing.folder / name)
    hours = flights.hours_of(day)
    assert len(hours) == {SPRING: 23, SUMMER: 24, AUTUMN: 25}[day]
    runs = hours if RUN_WHOLE else [*hours[:FIRST_HOURS], *hours[FIRST_HOURS:-1:3], hours[-1]]
    new_decisions = []
    for hour in hours:
        for file in (tmp_path / "hours").glob(f"*_{hour:%Y-%m-%dT%H}Z.csv"):
            shutil.copy2(file, hourly.landing.folder / file.name)
        if hour not in runs:
            continue
        now = (hour + timedelta(hours=1)).replace(tzinfo=None)
        import_and_validate(hourly, today, now, references=False)
        publish_features(hourly, today)
        taken_now = take_decisions(hourly, today, "replay", now)
        new_decisions.append(taken_now[today[0]].new if taken_now else 0)
        review_queue.queue_reviews(hourly, today, "replay")

    decisions = read_rows(hourly, decisions_dataset("replay"), day)
    expected = read_rows(backfilled, decisions_dataset("replay"), day)
    assert len(decisions) > 700
    assert sum(new_decisions) == len(decisions)
    least = 15 if day == SUMMER else 8
    least = 15 if day == SUMMER else 8
    assert sum(count > 0 for count in new_decisions) >= least, "decisions are taken at their decision times"
    pd.testing.assert_frame_equal(decisions.drop(columns=LINEAGE), expected.drop(columns=LINEAGE))
    pd.testing.assert_frame_equal(read_rows(hourly, "features", day), read_rows(backfilled, "features", day))
    assert (decisions.decided_by == "model").all()
    assert decisions.decision_id.is_unique
    queued = review_queue.read_queue(hourly, today[0], "replay")
    assert queued == review_queue.read_queue(backfilled, today[0], "replay"), (
        "the queue doesn't depend on when it was filled"
    )
    assert queued
