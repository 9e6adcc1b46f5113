"""Decisions: each unit once, at its moment, by the champion in force; then delivered once, accounted and explained."""

import json
import shutil
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from sixtyforty.accounting import kpi_audit, kpi_ledger
from sixtyforty.decisions import provenance
from sixtyforty.decisions.deciding import LATE_REASON, take_decisions
from sixtyforty.decisions.decision_table import decisions_dataset, read_decisions
from sixtyforty.decisions.delivery import DeliveryError, deliver_decisions, find_undelivered
from sixtyforty.decisions.delivery_table import delivery_table_name, read_delivery
from sixtyforty.decisions.due_decisions import count_due
from sixtyforty.lifecycle import champions
from sixtyforty.modeling import estimators, training_plan
from sixtyforty.modeling.lineage import find_outdated
from sixtyforty.workspace import Workspace
from tests.helpers import land_extract, make_workspace, publish_days, read_lake

TRAINED = [date(2013, 3, 1) + timedelta(days=i) for i in range(12)]
DAY = date(2013, 3, 13)
P = [DAY.isoformat()]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A home with features until DAY, and a champion from DAY on."""
    ws = make_workspace(tmp_path_factory.mktemp("trained"))
    publish_days(ws, [*TRAINED, DAY], count=20)
    plan = training_plan.plan_training(ws.use_case, ws.lake, DAY)
    ws.models.write_training_set(ws.use_case, ws.lake, plan)
    rows, features = ws.models.training_frame(plan.version), ws.models.card(plan.version)["features"]
    ws.models.write_model(plan.version, estimators.fit_model(ws.use_case.model, ws.use_case.kpi, features, rows))
    ws.champion_ledger.append(
        track="replay",
        version=plan.version,
        verdict="PROMOTE",
        kind="first",
        as_of=DAY.isoformat(),
        effective_from=ws.use_case.day_start(DAY).isoformat(),
        reasons=["better"],
    )
    return ws


@pytest.fixture
def ready(trained, tmp_path):
    """A copy of it, for one test."""
    shutil.copytree(trained.home, tmp_path / "home")
    return Workspace(trained.use_case, tmp_path / "home", f"sqlite:///{tmp_path}/deliveries.db")


def mark_suspect(ws, partition):
    """Serving's mark on the first unit of a partition."""
    entry = ws.lake.entry("features", partition)
    rows = pq.read_table(ws.lake.local_file(entry))
    marks = pa.array(["a share above 1", *[None] * (rows.num_rows - 1)], pa.string())
    rows = rows.set_column(rows.column_names.index("suspect"), "suspect", marks)
    ws.lake.write("features", partition, rows, inputs=entry.inputs, code="test", facts=entry.facts)


def test_decisions_before_the_first_champion_are_the_current_process(ready):
    before = take_decisions(ready, [TRAINED[-1].isoformat()], "replay", None)[TRAINED[-1].isoformat()]
    rows = read_decisions(ready, TRAINED[-1].isoformat(), "replay")
    assert (before.by_model, before.fallback, len(rows)) == (0, 20, 20)
    assert all(d["action"] == d["current_action"] and d["champion_version"] is None for d in rows)


def test_each_unit_is_decided_once_as_its_moment_comes(ready):
    hours = [datetime(2013, 3, 13, h) for h in range(10, 16)]
    new = []
    for hour in hours:
        found = take_decisions(ready, P, "replay", hour)
        new.append(found[P[0]].new if found else 0)
    assert new == [0, 5, 5, 5, 5, 0]
    first = read_decisions(ready, P[0], "replay")
    assert take_decisions(ready, P, "replay", None)[P[0]].new == 0
    assert read_decisions(ready, P[0], "replay") == first
    assert len({d["decision_id"] for d in first}) == 20


def test_a_decision_taken_stays_when_its_features_are_restated(ready):
    take_decisions(ready, P, "replay", datetime(2013, 3, 13, 12))
    taken = read_decisions(ready, P[0], "replay")
    mark_suspect(ready, P[0])
    take_decisions(ready, P, "replay", None)
    after = {d["decision_id"]: d for d in read_decisions(ready, P[0], "replay")}
    assert len(after) == 20
    assert all(after[d["decision_id"]] == d for d in taken)
    assert len({d["data_version"] for d in after.values()}) == 2


def test_a_row_that_would_mislead_falls_back_and_says_so(ready):
    mark_suspect(ready, P[0])
    taken = take_decisions(ready, P, "replay", None)[P[0]]
    fallen = [d for d in read_decisions(ready, P[0], "replay") if d["decided_by"] == "fallback"]
    assert (taken.by_model, taken.fallback, len(fallen)) == (19, 1, 1)
    assert fallen[0]["action"] == fallen[0]["current_action"]
    assert fallen[0]["reason"] == "a share above 1"
    assert fallen[0]["expected"] is None


def go_live(ws, moment):
    return champions.adopt_champion(ws, by="Ada", why="it pays", moment=moment)


def test_nothing_is_decided_live_before_a_champion_is_adopted(ready):
    assert take_decisions(ready, P, "live", datetime(2013, 3, 14)) == {}
    assert count_due(ready, P, "live", datetime(2013, 3, 14)) == {}


def test_live_decisions_begin_with_the_adoption(ready):
    begin = datetime(2013, 3, 13, 12)  # an hour after the first moment
    go_live(ready, begin)
    taken = take_decisions(ready, [TRAINED[-1].isoformat(), *P], "live", datetime(2013, 3, 13, 13))
    rows = read_decisions(ready, P[0], "live")
    assert list(taken) == P
    assert {d["decided_by"] for d in rows} == {"model"}
    assert min(d["decided_at"] for d in rows) == begin
    assert len(rows) == 10


def test_what_comes_due_is_counted_and_then_taken(ready):
    go_live(ready, datetime(2013, 3, 13, 11))
    noon, after = datetime(2013, 3, 13, 12), datetime(2013, 3, 13, 14)
    assert count_due(ready, P, "live", noon) == {P[0]: 10}
    take_decisions(ready, P, "live", noon)
    assert count_due(ready, P, "live", noon) == {}
    assert count_due(ready, P, "live", after) == {P[0]: 10}


def test_a_decision_that_comes_too_late_is_the_fallbacks(ready):
    """The tiny use case calls an hour late: units of 11 and 12 are, at half past one; those of 13 aren't."""
    go_live(ready, datetime(2013, 3, 13, 11))
    take_decisions(ready, P, "live", datetime(2013, 3, 13, 13, 30))
    by = {d["decided_at"].hour: (d["decided_by"], d["reason"]) for d in read_decisions(ready, P[0], "live")}
    assert by == {
        11: ("fallback", LATE_REASON),
        12: ("fallback", LATE_REASON),
        13: ("model", "highest expected payoff"),
    }
    late = [d for d in read_decisions(ready, P[0], "live") if d["reason"] == LATE_REASON]
    assert all(d["action"] == d["current_action"] for d in late)


def restate(ws, partition):
    """A correction in the validated data that features don't know of yet."""
    entry = ws.lake.entry("validated/visits", partition)
    table = pq.read_table(ws.lake.local_file(entry))
    ws.lake.write("validated/visits", partition, table.slice(1), inputs=entry.inputs, code="new", facts=entry.facts)


def test_nothing_is_decided_on_features_older_than_the_data(ready):
    """A run that selects only `decisions` can't get around what came after the features."""
    restate(ready, TRAINED[-1].isoformat())
    assert find_outdated(ready.use_case, ready.lake, P) == {P[0]: [f"validated/visits {TRAINED[-1]}"]}
    assert take_decisions(ready, P, "replay", None) == {}


def test_what_governance_did_not_accept_is_not_delivered(ready):
    entry = take_decisions(ready, P, "replay", None)[P[0]].entry
    features = ready.lake.entry("features", P[0])
    rows = pq.read_table(ready.lake.local_file(features))
    refused = {**features.facts, "verdict": {**features.facts["verdict"], "accepted": False}}
    (ready.lake.root / "features" / f"{P[0]}.json").unlink()
    with pytest.raises(DeliveryError, match="governance didn't accept"):
        deliver_decisions(ready, {P[0]: entry}, "replay")
    ready.lake.write("features", P[0], rows, inputs=features.inputs, code="test", facts=refused)
    with pytest.raises(DeliveryError, match=P[0]):
        deliver_decisions(ready, {P[0]: entry}, "replay")
    assert find_undelivered(ready, "replay", {P[0]: entry}) == {P[0]}


def test_a_delivery_is_vouched_for_until_more_is_decided(ready):
    half = take_decisions(ready, P, "replay", datetime(2013, 3, 13, 12))[P[0]].entry
    assert find_undelivered(ready, "replay", {P[0]: half}) == {P[0]}
    deliver_decisions(ready, {P[0]: half}, "replay")
    assert find_undelivered(ready, "replay", {P[0]: half}) == set()
    whole = take_decisions(ready, P, "replay", None)[P[0]].entry
    assert find_undelivered(ready, "replay", {P[0]: whole}) == {P[0]}


def test_tracks_are_apart(ready):
    take_decisions(ready, P, "replay", None)
    go_live(ready, datetime(2013, 3, 13, 11))
    take_decisions(ready, P, "live", datetime(2013, 3, 13, 14))
    replay, live = read_decisions(ready, P[0], "replay"), read_decisions(ready, P[0], "live")
    assert len(replay) == len(live) == 20
    assert not {d["decision_id"] for d in replay} & {d["decision_id"] for d in live}
    assert delivery_table_name("calls_in_time", "live") != delivery_table_name("calls_in_time", "replay")


def test_running_again_writes_the_same_bytes(ready):
    take_decisions(ready, P, "replay", None)
    before = read_lake(ready.lake)
    take_decisions(ready, P, "replay", None)
    assert read_lake(ready.lake) == before


def test_delivered_once_whatever_happens(ready):
    entry = take_decisions(ready, P, "replay", None)[P[0]].entry
    first = deliver_decisions(ready, {P[0]: entry}, "replay")[P[0]]
    again = deliver_decisions(ready, {P[0]: entry}, "replay")[P[0]]
    assert (first.new, again.new, again.rows) == (20, 0, 20)
    engine = sa.create_engine(ready.database_url)
    with engine.connect() as connection:
        count = connection.execute(sa.text(f"select count(*), count(distinct decision_id) from {first.table}")).one()
    assert tuple(count) == (20, 20)
    one = read_decisions(ready, P[0], "replay")[0]
    assert read_delivery(ready, "replay", one["decision_id"])["action"] == one["action"]
    assert read_delivery(ready, "live", one["decision_id"]) is None


def test_money_is_the_sum_of_the_decisions_payoffs_and_a_forgery_is_found(ready):
    take_decisions(ready, P, "replay", None)
    entry = kpi_ledger.write_accounts(ready, P, "replay")[P[0]]
    became = {
        r["id"]: r["late"] for r in pq.read_table(ready.lake.local_file(ready.lake.entry("outcomes", P[0]))).to_pylist()
    }
    by_hand = sum(10 * became[d["id"]] - 3 for d in read_decisions(ready, P[0], "replay") if d["action"] == "act")
    assert entry.facts["model"] == by_hand
    assert kpi_audit.find_differences(ready, "replay", P) == []
    forged = json.loads((ready.lake.root / "kpi/replay" / f"{P[0]}.json").read_text())
    forged["facts"]["model"] += 1
    (ready.lake.root / "kpi/replay" / f"{P[0]}.json").write_text(json.dumps(forged))
    assert len(kpi_audit.find_differences(ready, "replay", P)) == 1


def test_explain_follows_the_thread_to_the_files(ready):
    take_decisions(ready, P, "replay", None)
    one = read_decisions(ready, P[0], "replay")[3]
    thread = provenance.trace_decision(ready, one["decision_id"])
    assert {f["file"] for f in thread["inputs"]} == {
        f"{s}_{d}.csv" for s in ("calls", "visits") for d in ("2013-03-10", "2013-03-11", "2013-03-12", DAY)
    }
    assert thread["champion"]["version"] == one["champion_version"]
    assert thread["features"]["id"] == one["id"]
    assert thread["delivery"] is None
    assert thread["outcome"]["late"] in (0, 1)


def test_explain_survives_a_restatement(ready):
    take_decisions(ready, P, "replay", None)
    one = read_decisions(ready, P[0], "replay")[3]
    before = provenance.trace_decision(ready, one["decision_id"])
    mark_suspect(ready, P[0])
    after = provenance.trace_decision(ready, one["decision_id"])
    assert after["inputs"] == before["inputs"]
    assert after["decision"] == before["decision"]


@pytest.mark.parametrize("wrong", ["nonsense", "replay-2013-03-13-000000000000", "replay-1999-01-01-1a2b3c4d5e6f"])
def test_explain_says_what_is_wrong_with_an_id(ready, wrong):
    take_decisions(ready, P, "replay", None)
    with pytest.raises(ValueError, match="decision"):
        provenance.trace_decision(ready, wrong)


def test_no_features_no_decisions(workspace):
    assert take_decisions(workspace, P, "replay", None) == {}
    assert workspace.lake.entries(decisions_dataset("replay")) == {}
    land_extract(workspace.landing, "calls_nothing.csv", "")
    assert take_decisions(workspace, P, "replay", None) == {}


def test_a_day_without_a_known_outcome_has_no_money_yet(ready):
    """A live day is accounted for from its first decision on, before anything is known of it."""
    take_decisions(ready, P, "replay", None)
    outcomes = ready.lake.entry("outcomes", P[0])
    rows = pq.read_table(ready.lake.local_file(outcomes))
    unknown = rows.set_column(rows.column_names.index("late"), "late", pa.nulls(rows.num_rows, pa.int32()))
    ready.lake.write("outcomes", P[0], unknown, inputs=outcomes.inputs, code="test")
    account = kpi_ledger.write_accounts(ready, P, "replay")[P[0]]
    assert (account.facts["decisions"], account.facts["unknown"]) == (0, 20)
    assert kpi_ledger.read_daily_values(ready, "replay") == []
