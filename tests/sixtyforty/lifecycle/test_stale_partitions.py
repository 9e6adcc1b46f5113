"""Whatever a run left undone is found by comparing manifests, wherever the run stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sixtyforty.accounting import kpi_ledger
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.delivery import deliver_decisions
from sixtyforty.decisions.review_queue import queue_reviews
from sixtyforty.ingest.raw import ingest
from sixtyforty.lifecycle import stale_partitions
from sixtyforty.lifecycle.stale_partitions import find_stale_partitions, list_stretches
from sixtyforty.modeling.built_by import FACT, declared_parts
from sixtyforty.modeling.features import FeatureWindow
from sixtyforty.modeling.outcomes import build_outcomes
from sixtyforty.spec.clock import now
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import Entry, versions_by_partition
from sixtyforty.workspace import Workspace
from tests.helpers import (
    CALLS,
    SQL,
    UNJUDGED,
    VISITS,
    accept_partitions,
    calls_on,
    csv_text,
    land_days,
    land_extract,
    make_workspace,
    visits_on,
)

DAYS = [date(2013, 3, 5) + timedelta(days=i) for i in range(5)]
KEYS = [day.isoformat() for day in DAYS]
LATER = datetime(2013, 3, 20)
DURING_LAST_DAY = datetime(2013, 3, 9, 12)


def go_live(ws: Workspace) -> None:
    """Put a champion in force from the second day on, so that decisions are due."""
    ws.champion_ledger.append(
        track="live",
        version="none",
        verdict="PROMOTE",
        kind="adopted",
        as_of="2013-03-06",
        effective_from="2013-03-06T00:00:00",
        reasons=["a start"],
    )


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    """Five days landed and nothing else done; live since the second day."""
    ws = make_workspace(tmp_path)
    land_days(ws, DAYS)
    go_live(ws)
    return ws


def verdict_facts(**verdict: Any) -> dict[str, Any]:
    unjudged: dict[str, Any] = dict(UNJUDGED)
    return {**unjudged, "verdict": {**unjudged["verdict"], **verdict}}


def validate(ws: Workspace, keys: Sequence[str], closed: bool = True) -> None:
    """Validate these days, with a verdict that says whether they were closed."""
    accept_partitions(ws, keys)
    for name in ws.use_case.sources:
        for key, entry in ws.lake.entries(f"validated/{name}", keys).items():
            rows = pq.read_table(ws.lake.local_file(entry))
            facts = verdict_facts(closed=closed)
            ws.lake.write(f"validated/{name}", key, rows, inputs=entry.inputs, code="test", facts=facts)


def build(ws: Workspace, keys: Sequence[str]) -> None:
    """Build features and outcomes of these days."""
    features, outcomes = FeatureWindow(ws.use_case, ws.lake, keys).build(), build_outcomes(ws.use_case, ws.lake, keys)
    for key, rows in features.tables.items():
        rows = rows.append_column("suspect", pa.array(["no model yet"] * rows.num_rows, pa.string()))
        ws.lake.write("features", key, rows, inputs=features.inputs[key], code="test", facts=UNJUDGED)
    for key, rows in outcomes.tables.items():
        ws.lake.write("outcomes", key, rows, inputs=outcomes.inputs[key], code="test")


def run_chain(ws: Workspace, keys: Sequence[str] = KEYS, now: datetime = LATER) -> None:
    """Do everything that a run does."""
    validate(ws, keys)
    build(ws, keys)
    for key, decisions in take_decisions(ws, keys, "live", now).items():
        deliver_decisions(ws, {key: decisions.entry}, "live")
    kpi_ledger.write_accounts(ws, keys, "live")


def entry_of(ws: Workspace, dataset: str, key: str) -> Entry:
    entry = ws.lake.entry(dataset, key)
    assert entry is not None
    return entry


def test_landed_extracts_make_their_days_stale(ws: Workspace) -> None:
    stale = find_stale_partitions(ws, "live", LATER)
    assert stale.ranges() == [(KEYS[0], KEYS[-1])]
    assert stale.sources == {"calls", "visits"}
    assert "calls: 1 landed extract to import" in stale.reasons[KEYS[0]]


def test_after_a_complete_run_nothing_is_stale(ws: Workspace) -> None:
    run_chain(ws)
    assert find_stale_partitions(ws, "live", LATER).reasons == {}


@pytest.mark.parametrize(
    ("last_stage", "reason"),
    [
        ("raw", "not validated yet"),
        ("validated", "inputs have changed"),
        ("features", "decisions due"),
        ("decisions", "the decisions aren't delivered"),
        ("delivery", "the value of the decisions is missing or outdated"),
    ],
)
def test_wherever_a_run_stopped_the_rest_is_found(ws: Workspace, last_stage: str, reason: str) -> None:
    for name in ws.use_case.sources:
        ws.landing.scan(name)
        ingest(ws.use_case, name, ws.lake, ws.landing, KEYS, "test")
    stages = ["raw", "validated", "features", "decisions", "delivery"]
    done = stages[: stages.index(last_stage) + 1]
    if "validated" in done:
        validate(ws, KEYS)
    if "features" in done:
        build(ws, KEYS)
    if "decisions" in done:
        taken = take_decisions(ws, KEYS, "live", LATER)
        if "delivery" in done:
            deliver_decisions(ws, {key: decisions.entry for key, decisions in taken.items()}, "live")
    stale = find_stale_partitions(ws, "live", LATER)
    assert any(reason in text for text in stale.reasons[KEYS[2]])
    run_chain(ws)
    assert find_stale_partitions(ws, "live", LATER).reasons == {}


def test_a_late_extract_makes_its_lookback_stale_and_no_more(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, lookback_partitions=2)
    land_days(ws, DAYS)
    validate(ws, KEYS)
    build(ws, KEYS)
    land_extract(ws.landing, "visits_late.csv", csv_text(VISITS, [(1, f"{DAYS[1]} 15:00:00", 1)]))
    stale = find_stale_partitions(ws, "live", LATER)
    assert stale.ranges() == [(KEYS[0], KEYS[3])], "its day, the outcomes before it, and two days of lookback"
    assert stale.sources == {"visits"}
    validate(ws, KEYS[0:4])
    build(ws, KEYS[0:4])
    assert find_stale_partitions(ws, "live", LATER).reasons == {}


def test_a_growing_day_is_validated_again_after_it_has_settled(ws: Workspace) -> None:
    validate(ws, KEYS, closed=False)
    build(ws, KEYS)
    settled_at = ws.use_case.settled_at(KEYS[-1])
    before = find_stale_partitions(ws, "live", settled_at - timedelta(seconds=1)).reasons.get(KEYS[-1], {})
    assert not any("closed" in reason for reason in before)
    assert any("closed" in reason for reason in find_stale_partitions(ws, "live", settled_at).reasons[KEYS[-1]])


def test_decisions_fall_due_as_time_passes(ws: Workspace) -> None:
    run_chain(ws, now=DURING_LAST_DAY)
    assert find_stale_partitions(ws, "live", DURING_LAST_DAY).reasons == {}
    stale = find_stale_partitions(ws, "live", DURING_LAST_DAY + timedelta(hours=1))
    assert {key: list(reasons) for key, reasons in stale.reasons.items()} == {KEYS[-1]: ["1 decision due"]}
    assert not stale.sources, "nothing needs validation for that"


def test_the_same_reason_in_another_state_is_other_work(ws: Workspace) -> None:
    """An hour with as many decisions as the one before must not count as done."""
    run_chain(ws, now=DURING_LAST_DAY)
    first = find_stale_partitions(ws, "live", DURING_LAST_DAY + timedelta(hours=1))
    run_chain(ws, now=DURING_LAST_DAY + timedelta(hours=1))
    second = find_stale_partitions(ws, "live", DURING_LAST_DAY + timedelta(hours=2))
    day = KEYS[-1], KEYS[-1]
    assert first.reasons_for(*day) == second.reasons_for(*day) == [f"{KEYS[-1]}: 1 decision due"]
    assert first.work_key(*day) != second.work_key(*day)


def test_a_file_replaced_under_its_name_is_other_work(ws: Workspace) -> None:
    keys = [find_stale_partitions(ws, "live", LATER).work_key(KEYS[0], KEYS[-1])]
    land_extract(ws.landing, f"calls_{DAYS[0]}.csv", csv_text(CALLS, calls_on(DAYS[0])[:-1]))
    keys.append(find_stale_partitions(ws, "live", LATER).work_key(KEYS[0], KEYS[-1]))
    assert keys[0] != keys[1]


def test_an_unreachable_source_stops_no_other(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, sources={"visits": {"location": f"{tmp_path}/nowhere"}})
    land_extract(ws.landing, f"calls_{DAYS[0]}.csv", csv_text(CALLS, calls_on(DAYS[0])))
    stale = find_stale_partitions(ws, "live", LATER)
    assert stale.sources == {"calls"}
    assert "visits" in stale.unreachable["visits"]


def test_the_extracts_of_an_unreachable_source_wait(tmp_path: Path) -> None:
    """A run for them would fail, and take the other sources' days with it."""
    away = tmp_path / "away"
    away.mkdir()
    ws = make_workspace(tmp_path, sources={"visits": {"location": f"{away}"}})
    (away / f"visits_{DAYS[0]}.csv").write_text(csv_text(VISITS, visits_on(DAYS[0])))
    assert find_stale_partitions(ws, "live", LATER).sources == {"visits"}
    away.rename(tmp_path / "gone")
    stale = find_stale_partitions(ws, "live", LATER)
    assert not stale.reasons
    assert "visits" in stale.unreachable
    (tmp_path / "gone").rename(away)
    assert find_stale_partitions(ws, "live", LATER).sources == {"visits"}


def test_before_going_live_no_decision_is_due(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    land_days(ws, DAYS)
    validate(ws, KEYS)
    build(ws, KEYS)
    assert find_stale_partitions(ws, "live", LATER).reasons == {}


def test_a_rejected_day_is_judged_only_once(ws: Workspace) -> None:
    run_chain(ws)
    land_extract(ws.landing, "calls_more.csv", csv_text(CALLS, [(1, "x", f"{DAYS[2]} 15:00:00", 0.5)]))
    ws.landing.scan("calls")
    raw = ingest(ws.use_case, "calls", ws.lake, ws.landing, [KEYS[2]], "test")[KEYS[2]]
    inputs = {"raw/calls": versions_by_partition({KEYS[2]: raw})}
    empty = FeatureWindow(ws.use_case, ws.lake, [KEYS[2]]).build().tables[KEYS[2]].slice(0, 0)
    ws.lake.write("rejected/calls", KEYS[2], empty, inputs=inputs, facts=verdict_facts(closed=True, accepted=False))
    assert find_stale_partitions(ws, "live", LATER).reasons == {}


def test_a_restatement_changes_no_live_decision(ws: Workspace) -> None:
    run_chain(ws)
    before = entry_of(ws, decisions_dataset("live"), KEYS[2])
    corrected = [*visits_on(DAYS[2])[:-1], (visits_on(DAYS[2])[-1][0], f"{DAYS[2]} 16:00:00", 1)]
    land_extract(ws.landing, "visits_corrected.csv", csv_text(VISITS, corrected))
    assert find_stale_partitions(ws, "live", LATER).reasons
    run_chain(ws)
    assert entry_of(ws, decisions_dataset("live"), KEYS[2]) == before
    assert find_stale_partitions(ws, "live", LATER).reasons == {}
    assert len(calls_on(DAYS[2])) == before.rows


def test_decisions_wait_for_a_review_queue_while_their_day_is_open(tmp_path: Path) -> None:
    review = {"reviewers": {"lead": 3}, "minutes_per_review": 5, "abstain_below": 1}
    ws = make_workspace(tmp_path, people={"review": review})
    land_days(ws, DAYS)
    go_live(ws)
    run_chain(ws, now=DURING_LAST_DAY)
    stale = find_stale_partitions(ws, "live", DURING_LAST_DAY)
    assert {key: list(reasons) for key, reasons in stale.reasons.items()} == {
        KEYS[-1]: ["the decisions aren't in the review queue"]
    }
    queue_reviews(ws, KEYS[-1:], "live")
    assert find_stale_partitions(ws, "live", DURING_LAST_DAY).reasons == {}


LONG = [date(2013, 3, 5) + timedelta(days=i) for i in range(15)]
LONG_KEYS = [day.isoformat() for day in LONG]
MONTHS_LATER = datetime(2013, 4, 20)


@pytest.fixture
def long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Fifteen days, all done, in blocks of two days; two days ahead may have features."""
    monkeypatch.setattr(stale_partitions, "BLOCK", 2)
    ws = make_workspace(tmp_path, lookback_partitions=2, partitions={"start": f"{LONG[0]}", "end": None})
    land_days(ws, LONG)
    go_live(ws)
    run_chain(ws, LONG_KEYS, MONTHS_LATER)
    assert find_stale_partitions(ws, "live", MONTHS_LATER).reasons == {}
    return ws


def test_each_turn_looks_at_the_newest_stretch_and_one_older_block(long: Workspace) -> None:
    turns = [list_stretches(long, MONTHS_LATER, turn) for turn in range(8)]
    newest = [LONG_KEYS[14], "2013-03-20", "2013-03-21"]
    assert all(last == newest for _, last in turns)
    older = [first for first, _ in turns]
    assert all(len(block) == 2 for block in older)
    (everything,) = list_stretches(long, MONTHS_LATER, None)
    assert sorted({key for block in older for key in block} | set(newest)) == everything
    assert older[0] == LONG_KEYS[:2], "the blocks are counted from the first partition"
    assert older[0] == list_stretches(long, MONTHS_LATER, len(set(map(tuple, older))))[0]


def test_all_turns_together_find_what_one_complete_look_finds(long: Workspace) -> None:
    land_extract(long.landing, "visits_late.csv", csv_text(VISITS, [(1, f"{LONG[1]} 15:00:00", 1)]))
    long.lake.drop("outcomes", LONG_KEYS[6])
    long.lake.drop("kpi/live", LONG_KEYS[9])
    long.lake.drop("kpi_evidence/live", LONG_KEYS[10])  # a home of an earlier version has none
    (long.deliveries / "live" / f".{LONG_KEYS[14]}.delivered").unlink()
    everything = find_stale_partitions(long, "live", MONTHS_LATER).reasons
    assert {LONG_KEYS[1], LONG_KEYS[6], *LONG_KEYS[9:11], LONG_KEYS[14]} <= everything.keys()
    by_turn = [find_stale_partitions(long, "live", MONTHS_LATER, turn).reasons for turn in range(7)]
    assert all(LONG_KEYS[14] in reasons for reasons in by_turn), "every turn finds what is new"
    together: dict[str, dict[str, str]] = {}
    for turn in by_turn:
        for key, reasons in turn.items():
            together.setdefault(key, {}).update(reasons)
    assert together == everything


def test_a_look_reads_no_manifest_outside_its_stretches(long: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    read, entry = set(), Lake.entry

    def record(self: Lake, dataset: str, partition: str) -> Entry | None:
        read.add(partition)
        return entry(self, dataset, partition)

    monkeypatch.setattr(Lake, "entry", record)
    find_stale_partitions(long, "live", MONTHS_LATER, 1)
    stretches = list_stretches(long, MONTHS_LATER, 1)
    allowed = {key for stretch in stretches for key in long.use_case.widen(stretch, 2, 1)}
    assert set(LONG_KEYS[2:4]) <= read <= allowed
    assert not read & set(LONG_KEYS[6:9])


def test_extracts_of_a_day_that_is_not_open_yet_wait(tmp_path: Path) -> None:
    """A run over a partition that Dagster doesn't have yet fails, and takes the open ones with it."""
    changes: dict[str, Any] = {"partitions": {"end": None, "partitions_ahead": 2}}
    ws = make_workspace(tmp_path, sources={"calls": {"files": "calls_*.csv"}}, **changes)
    land_days(ws, [*DAYS, DAYS[-1] + timedelta(days=1), DAYS[-1] + timedelta(days=2)])
    next_day = DURING_LAST_DAY + timedelta(days=1)
    for turn in (None, 0):
        stale = find_stale_partitions(ws, "live", DURING_LAST_DAY, turn)
        assert stale.ranges() == [(KEYS[0], "2013-03-10")], "on the 9th, the 10th is open"
        assert find_stale_partitions(ws, "live", next_day, turn).ranges() == [(KEYS[0], "2013-03-11")]


def test_a_row_of_a_day_far_ahead_does_not_move_the_newest_stretch(long: Workspace) -> None:
    far_day = (now() + timedelta(days=300)).date()  # later days count as outside the partitions
    land_extract(long.landing, "calls_typo.csv", csv_text(CALLS, [(1, "x", f"{far_day} 15:00:00", 0.5)]))
    before = list_stretches(long, MONTHS_LATER, 0)
    find_stale_partitions(long, "live", MONTHS_LATER, 0)
    assert [arrival for arrival in long.landing.known("calls") if f"{far_day}" in arrival.partitions]
    assert list_stretches(long, MONTHS_LATER, 0) == before


def test_features_and_outcomes_are_built_again_when_their_sql_changes(ws: Workspace) -> None:
    run_chain(ws)
    for dataset in ("features", "outcomes"):
        for key, entry in ws.lake.entries(dataset).items():
            facts = {**entry.facts, FACT: declared_parts(ws.use_case, dataset)}  # type: ignore[arg-type]
            rows = pq.read_table(ws.lake.local_file(entry))
            ws.lake.write(dataset, key, rows, inputs=entry.inputs, code="test", facts=facts)
    kpi_ledger.write_accounts(ws, KEYS, "live")
    assert find_stale_partitions(ws, "live", LATER).reasons == {}
    (ws.use_case.folder / "features.sql").write_text(SQL["features"].replace("u.load", "u.load, 1 as one"))
    (ws.use_case.folder / "outcomes.sql").write_text(SQL["outcomes"] + " where true")
    stale = find_stale_partitions(ws, "live", LATER)
    assert {key: sorted(reasons) for key, reasons in stale.reasons.items()} == {
        key: ["features: features.sql changed", "outcomes: outcomes.sql changed"] for key in KEYS
    }
    assert stale.sources == set(), "the sources need not be read again"


def test_a_retyped_column_is_validated_again(ws: Workspace) -> None:
    run_chain(ws)
    source = ws.use_case.sources["calls"].model_copy(update={"columns": {**CALLS["columns"], "load": "VARCHAR"}})
    sources = {**ws.use_case.sources, "calls": source}
    changed = replace(ws, use_case=ws.use_case.model_copy(update={"sources": sources}))
    stale = find_stale_partitions(changed, "live", LATER)
    assert "calls: the declared type of load has changed" in stale.reasons[KEYS[0]]
    assert stale.sources == {"calls"}
    validate(changed, KEYS)
    reasons = find_stale_partitions(changed, "live", LATER).reasons
    assert not any("declared type" in reason for of_key in reasons.values() for reason in of_key)
