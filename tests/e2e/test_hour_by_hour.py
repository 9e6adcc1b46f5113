"""A day lived hour by hour gives exactly the features and decisions of a backfill, DST days included."""

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
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.workspace import Workspace
from tests.helpers import day_range

SPRING, SUMMER, AUTUMN = date(2013, 3, 10), date(2013, 7, 1), date(2013, 11, 3)
LINEAGE = ["data_version", "verdict_id"]  # they name the extracts, and those differ: a month's file, or an hour's


@pytest.fixture(scope="module")
def use_case():
    return catalog.load_use_case("flight_delays")


def bring(ws: Workspace, partitions: list[str], moment=None, references: bool = True) -> None:
    """What has landed, through governance."""
    for name, source in (ws.use_case.inputs if references else ws.use_case.partitioned).items():
        wanted = partitions if source.partition else [SNAPSHOT]
        ingest(ws.use_case, name, ws.lake, ws.landing, wanted, ws.code_version)
        validate(ws.use_case, name, load_suite(ws.use_case.name, name), ws.lake, wanted, moment, ws.code_version)


def publish_features(ws: Workspace, partitions: list[str]) -> None:
    built = features.FeatureWindow(ws.use_case, ws.lake, partitions).build()
    for p, (rows, verdict) in check_features(ws.use_case, load_suite(ws.use_case.name, "features"), built.tables).items():
        facts = {"verdict": verdict.to_dict(), "verdict_id": verdict.id}
        ws.lake.write("features", p, rows, inputs=built.inputs[p], code=ws.code_version, facts=facts)


def frame(ws: Workspace, name: str, day: date) -> pd.DataFrame:
    with connect("UTC") as db:
        rows = ws.lake.select_rows(ws.lake.entries(name, [day.isoformat()]).values())
        return db.execute(f"select * from {rows} order by decided_at, carrier, flight, origin").df()


def with_history(use_case, folder: Path, day: date) -> Workspace:
    """A home that has lived until the evening before `day`, with a champion in force."""
    ws = Workspace(use_case, folder, f"sqlite:///{folder}/deliveries.sqlite")
    flights.land(ws.landing.folder, day - timedelta(days=36), day - timedelta(days=1))
    before = day_range(day - timedelta(days=36), day - timedelta(days=1))
    bring(ws, before)
    publish_features(ws, before[-7:])
    for p, rows in outcomes.build_outcomes(use_case, ws.lake, before[-7:]).tables.items():
        ws.lake.write("outcomes", p, rows)
    plan = training_plan.plan_training(use_case, ws.lake, day)
    ws.models.write_training_set(use_case, ws.lake, plan)
    learned = ws.models.training_frame(plan.version)
    columns = ws.models.card(plan.version)["features"]
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
@pytest.mark.parametrize("day", [SPRING, SUMMER, AUTUMN], ids=str)
def test_hour_by_hour_equals_a_backfill(day, use_case, tmp_path):
    lived = with_history(use_case, tmp_path / "lived", day)
    shutil.copytree(tmp_path / "lived", tmp_path / "backfilled")
    backfilled = Workspace(use_case, tmp_path / "backfilled", f"sqlite:///{tmp_path}/backfilled.sqlite")
    today = [day.isoformat()]

    flights.land(backfilled.landing.folder, day, day)
    bring(backfilled, today)
    publish_features(backfilled, today)
    take_decisions(backfilled, today, "replay", None)
    review_queue.queue_reviews(backfilled, today, "replay")

    flights.land(tmp_path / "hours", day, day, hourly=True)
    lived.landing.folder.mkdir(parents=True, exist_ok=True)
    for name in (f"timetable_{day}.csv", "planes.csv", "airports.csv", "airlines.csv"):
        shutil.copy2(tmp_path / "hours" / name, lived.landing.folder / name)
    hours = flights.hours_of(day)
    assert len(hours) == {SPRING: 23, SUMMER: 24, AUTUMN: 25}[day]
    taken = []
    for hour in hours:
        for file in (tmp_path / "hours").glob(f"*_{hour:%Y-%m-%dT%H}Z.csv"):
            shutil.copy2(file, lived.landing.folder / file.name)
        moment = (hour + timedelta(hours=1)).replace(tzinfo=None)
        bring(lived, today, moment, references=False)
        publish_features(lived, today)
        found = take_decisions(lived, today, "replay", moment)
        taken.append(found[today[0]].new if found else 0)
        review_queue.queue_reviews(lived, today, "replay")

    ours, theirs = frame(lived, decisions_dataset("replay"), day), frame(backfilled, decisions_dataset("replay"), day)
    assert len(ours) > 700
    assert sum(taken) == len(ours)
    assert sum(n > 0 for n in taken) >= 15, "decisions are taken as their moments come, not all at once"
    pd.testing.assert_frame_equal(ours.drop(columns=LINEAGE), theirs.drop(columns=LINEAGE))
    pd.testing.assert_frame_equal(frame(lived, "features", day), frame(backfilled, "features", day))
    assert (ours.decided_by == "model").all()
    assert ours.decision_id.is_unique
    queued = review_queue.read_queue(lived, today[0], "replay")
    assert queued == review_queue.read_queue(backfilled, today[0], "replay"), (
        "who is asked doesn't depend on when we looked"
    )
    assert queued
