"""An answer revises the delivered row and file; the decision in the lake stays history."""

from __future__ import annotations

import csv
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from sixtyforty.decisions.answering import answer_decision
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import StoredDecision, decisions_dataset, read_decisions
from sixtyforty.decisions.delivery import deliver_answers, deliver_decisions
from sixtyforty.decisions.delivery_table import REVISION_COLUMNS, delivery_table_name, read_deliveries, read_delivery
from sixtyforty.decisions.provenance import trace_decision
from sixtyforty.decisions.response_rules import ResponseError
from sixtyforty.decisions.responses import AlreadyAnsweredError, add_responses, find_forged_responses
from sixtyforty.spec.track import Track
from sixtyforty.storage.response_log import Response
from sixtyforty.workspace import Workspace
from tests.helpers import (
    WITH_RESPONSES,
    accept_partitions,
    make_workspace,
    merge,
    publish_days,
    put_champion_in_force,
    read_lake,
)

TRAINED = [date(2013, 3, 16) + timedelta(days=i) for i in range(10)]
DAY = date(2013, 3, 26)
KEY = f"{DAY}"
DECLARED: dict[str, Any] = merge(
    WITH_RESPONSES,
    {"people": {"answer_within_minutes": 60}, "automation": {"rollout": {"holdout_share": 0.5, "min_days": 3}}},
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.e2e)])
def ws(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    """Return a home with a delivered live day in the rollout step holdout."""
    home = make_workspace(tmp_path, **DECLARED)
    if request.param == "postgresql":
        home = Workspace(home.use_case, home.home, request.getfixturevalue("postgres").database())
    publish_days(home, [*TRAINED, DAY], count=20)
    put_champion_in_force(home, DAY, "live")
    start = home.use_case.day_start(DAY).isoformat()
    home.rollout_ledger.take_step("holdout", by="ann", why="for the test", effective_from=start)
    take_decisions(home, [KEY], "live", None)
    deliver(home)
    return home


def deliver(ws: Workspace, track: Track = "live") -> None:
    deliver_decisions(ws, ws.lake.entries(decisions_dataset(track), [KEY]), track)


def decided(ws: Workspace, by: str = "model", nth: int = 0) -> StoredDecision:
    return [d for d in read_decisions(ws, KEY, "live") if d.decided_by == by][nth]


def override(decision: StoredDecision, minutes: int = 10, person: str = "ann") -> Response:
    action, at = "act" if decision.action == "wait" else "wait", decision.decided_at + timedelta(minutes=minutes)
    return Response(decision.decision_id, person, "expert", "overridden", action, "the road is closed", at=at)


def withdrawal(decision: StoredDecision, minutes: int = 20, person: str = "ann") -> Response:
    at = decision.decided_at + timedelta(minutes=minutes)
    return Response(decision.decision_id, person, "expert", "withdrawn", at=at)


def row_in_csv(ws: Workspace, decision: StoredDecision) -> dict[str, str]:
    text = (ws.deliveries / f"live/{KEY}.csv").read_bytes().decode()
    return next(row for row in csv.DictReader(text.splitlines()) if row["decision_id"] == decision.decision_id)


def files(ws: Workspace) -> list[bytes]:
    return [(ws.deliveries / f"live/{KEY}.{kind}").read_bytes() for kind in ("csv", "parquet")]


def test_an_override_revises_the_delivered_row_and_nothing_in_the_lake(ws: Workspace) -> None:
    decision, lake = decided(ws), read_lake(ws.lake)
    before = {d.decision_id: d for d in read_deliveries(ws, "live")}
    response = answer_decision(ws, override(decision))
    row = read_delivery(ws, "live", decision.decision_id)
    assert row and (row.action, row.decided_action, row.decided_by) == (response.action, decision.action, "model")
    assert (row.revision, row.answered_by, row.answered_at) == (1, "expert", response.at)
    assert row.delivered_at == before[decision.decision_id].delivered_at
    others = {d.decision_id: d for d in read_deliveries(ws, "live") if d.decision_id != decision.decision_id}
    assert others == {i: d for i, d in before.items() if i != decision.decision_id}
    shown = row_in_csv(ws, decision)
    assert (shown["action"], shown["decided_action"], shown["revision"]) == (response.action, decision.action, "1")
    parquet = pq.read_table(str(ws.deliveries / f"live/{KEY}.parquet")).to_pylist()
    assert [r["answered_by"] for r in parquet if r["revision"]] == ["expert"]
    assert {k: v for k, v in read_lake(ws.lake).items() if "decisions" in k} == {
        k: v for k, v in lake.items() if "decisions" in k
    }
    trace = trace_decision(ws, decision.decision_id)
    assert (trace.decision.action, trace.answer and trace.answer.action) == (decision.action, response.action)
    assert trace.delivery == row
    assert trace.outcome and trace.outcome.value_done == pytest.approx(
        (trace.outcome.outcome or 0) * 10 - 3 if response.action == "act" else 0
    )


def test_a_revision_is_written_once_and_a_later_delivery_keeps_it(ws: Workspace) -> None:
    decision = decided(ws)
    answer_decision(ws, override(decision))
    rows, written = read_deliveries(ws, "live"), files(ws)
    assert deliver_answers(ws, "live", [KEY]) == 0
    deliver(ws)
    assert (read_deliveries(ws, "live"), files(ws)) == (rows, written)


def test_without_answers_rows_and_files_stay_as_they_are(ws: Workspace) -> None:
    rows, written = read_deliveries(ws, "live"), files(ws)
    assert not set(REVISION_COLUMNS) & set(row_in_csv(ws, decided(ws)))
    assert {row.revision for row in rows} == {0}
    add_responses(ws, [Response(d.decision_id, "ann", "decider", "seen", at=d.decided_at) for d in rows])
    assert deliver_answers(ws, "live", [KEY]) == 0
    deliver(ws)
    assert (read_deliveries(ws, "live"), files(ws)) == (rows, written)


def test_an_acceptance_names_the_role_and_keeps_the_action(ws: Workspace) -> None:
    decision = decided(ws)
    answer_decision(ws, Response(decision.decision_id, "ann", "decider", "accepted", at=decision.decided_at))
    row = read_delivery(ws, "live", decision.decision_id)
    assert row and (row.action, row.decided_action, row.revision) == (decision.action, None, 1)
    assert row.answered_by == "decider"


def test_a_withdrawn_answer_puts_the_decision_in_force_again(ws: Workspace) -> None:
    decision = decided(ws)
    answer_decision(ws, override(decision))
    with pytest.raises(ResponseError, match="answered by somebody else"):
        answer_decision(ws, withdrawal(decision, person="bob"))
    answer_decision(ws, withdrawal(decision))
    row = read_delivery(ws, "live", decision.decision_id)
    assert row and (row.action, row.decided_action, row.revision) == (decision.action, None, 2)
    assert row.answered_at == decision.decided_at + timedelta(minutes=20)
    assert row_in_csv(ws, decision)["action"] == decision.action
    with pytest.raises(ResponseError, match="has been withdrawn already"):
        answer_decision(ws, withdrawal(decision, 30))


def test_after_a_withdrawal_somebody_answers_again(ws: Workspace) -> None:
    decision = decided(ws)
    accepted = Response(decision.decision_id, "ann", "decider", "accepted", at=decision.decided_at)
    answer_decision(ws, accepted)
    answer_decision(ws, withdrawal(decision, 0))  # at the same time as the answer
    with pytest.raises(ResponseError, match="the deadline for another answer was"):
        answer_decision(ws, override(decision, 61, "bob"))
    again = answer_decision(ws, override(decision, 0, "bob"))
    assert again.attempt == 2
    row = read_delivery(ws, "live", decision.decision_id)
    assert row and (row.action, row.decided_action, row.revision) == (again.action, decision.action, 3)
    assert (row.answered_by, row.answered_at) == ("expert", again.at)
    assert row_in_csv(ws, decision)["action"] == again.action
    with pytest.raises(AlreadyAnsweredError) as error:
        answer_decision(ws, override(decision, 30, "ann"))
    assert error.value.answer == again
    answer_decision(ws, withdrawal(decision, 40, "bob"))
    row = read_delivery(ws, "live", decision.decision_id)
    assert row and (row.action, row.revision) == (decision.action, 4)
    assert deliver_answers(ws, "live", [KEY]) == 0
    assert set(find_forged_responses(ws)) == {""}


def test_a_withdrawal_needs_an_answer_and_comes_before_the_deadline(ws: Workspace) -> None:
    first, second = decided(ws), decided(ws, nth=1)
    with pytest.raises(ResponseError, match="there is no answer to withdraw"):
        answer_decision(ws, withdrawal(first))
    answer_decision(ws, override(second))
    with pytest.raises(ResponseError, match="could only be withdrawn until"):
        answer_decision(ws, withdrawal(second, 61))
    row = read_delivery(ws, "live", second.decision_id)
    assert row and row.revision == 1


def test_a_late_second_or_held_out_answer_changes_no_delivered_row(ws: Workspace) -> None:
    rows, written = read_deliveries(ws, "live"), files(ws)
    late, held_out = decided(ws), decided(ws, "holdout")
    answer_decision(ws, override(late, minutes=61))
    answer_decision(ws, override(held_out))
    assert (read_deliveries(ws, "live"), files(ws)) == (rows, written)
    for decision, effect in ((late, "late"), (held_out, "held out")):
        answer = trace_decision(ws, decision.decision_id).answer
        assert answer and (answer.effect, answer.action) == (effect, decision.action)
    with pytest.raises(AlreadyAnsweredError):
        answer_decision(ws, override(late, person="bob"))
    with pytest.raises(ResponseError, match="There is no decision"):
        answer_decision(ws, Response(f"live-{KEY}-000000000000", "ann", "decider", "accepted"))


def test_an_answer_before_the_delivery_is_delivered_with_it(ws: Workspace) -> None:
    take_decisions(ws, [KEY], "replay", None)
    decision = read_decisions(ws, KEY, "replay")[0]
    answer_decision(ws, override(decision))
    assert read_delivery(ws, "replay", decision.decision_id) is None
    deliver(ws, "replay")
    row = read_delivery(ws, "replay", decision.decision_id)
    assert row and (row.revision, row.decided_action) == (1, decision.action)


def test_an_answer_that_another_system_delivered_is_in_force_too(ws: Workspace) -> None:
    decision = decided(ws)
    add_responses(ws, [override(decision)])  # recorded, but without a revision of the delivered row
    accept_partitions(ws, [KEY])
    engine = sa.create_engine(ws.database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("delete from calls_in_time_responses")
    engine.dispose()
    assert deliver_answers(ws, "live", [KEY]) == 1
    row = read_delivery(ws, "live", decision.decision_id)
    assert row and (row.revision, row.decided_action) == (1, decision.action)


def test_a_simulated_answer_revises_no_delivered_row(ws: Workspace) -> None:
    take_decisions(ws, [KEY], "replay", None)
    deliver(ws, "replay")
    decision = read_decisions(ws, KEY, "replay")[0]
    add_responses(ws, [Response(**override(decision).__dict__ | {"simulated": True})])
    assert deliver_answers(ws, "replay", [KEY]) == 0


def test_a_table_of_an_earlier_release_gets_the_columns_of_answers(ws: Workspace) -> None:
    engine, table = sa.create_engine(ws.database_url), delivery_table_name("calls_in_time", "live")
    with engine.begin() as connection:
        for column in REVISION_COLUMNS:
            connection.exec_driver_sql(f"alter table {table} drop column {column}")
    engine.dispose()
    decision = decided(ws)
    row = read_delivery(ws, "live", decision.decision_id)
    assert row and (row.action, row.revision, row.answered_at) == (decision.action, 0, None)
    answer_decision(ws, override(decision))
    row = read_delivery(ws, "live", decision.decision_id)
    assert row and isinstance(row.answered_at, datetime) and row.revision == 1
