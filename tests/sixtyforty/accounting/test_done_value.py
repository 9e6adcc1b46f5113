"""Both values reconcile to the cent: if every decision were followed, and of what people did."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sixtyforty.accounting import kpi_ledger, usage
from sixtyforty.accounting.done_value import DoneValue, UncountedAnswersError, read_counted_days
from sixtyforty.accounting.kpi_summary import summarize_kpi
from sixtyforty.accounting.usage import EFFECT_FIELDS
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import StoredDecision, read_decisions
from sixtyforty.decisions.provenance import trace_decision
from sixtyforty.decisions.responses import add_responses
from sixtyforty.lifecycle.stage_gate import measure_stage
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.stages import StageGate
from sixtyforty.storage.response_log import ANSWERS, Response
from sixtyforty.value.lift import measure_lift
from sixtyforty.value.policy import POLICY_VERSION
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.value.summary import compute_balance
from sixtyforty.workspace import Workspace
from tests.experiment_home import KEYS as EXPERIMENT_KEYS
from tests.experiment_home import copy_home
from tests.helpers import WITH_RESPONSES, accept_partitions, make_workspace, merge, publish_days, put_champion_in_force

TRAINED = [date(2013, 3, 16) + timedelta(days=i) for i in range(10)]
LIVE = [date(2013, 3, 26) + timedelta(days=i) for i in range(3)]
KEYS = [f"{day}" for day in LIVE]
DECLARED: dict[str, Any] = merge(
    WITH_RESPONSES,
    {"people": {"answer_within_minutes": 60}, "automation": {"rollout": {"holdout_share": 0.3, "min_days": 3}}},
)


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    """Return a home with three live days: one in shadow, two with a holdout."""
    home = make_workspace(tmp_path, **DECLARED)
    publish_days(home, [*TRAINED, *LIVE], count=20)
    put_champion_in_force(home, LIVE[0], "live")
    start = home.use_case.day_start(LIVE[1]).isoformat()
    home.rollout_ledger.take_step("holdout", by="ann", why="for the test", effective_from=start)
    take_decisions(home, KEYS, "live", None)
    kpi_ledger.write_accounts(home, KEYS, "live")
    return home


def all_decisions(ws: Workspace) -> list[StoredDecision]:
    return [decision for key in KEYS for decision in read_decisions(ws, key, "live")]


def draw_answers(ws: Workspace, seed: int) -> list[Response]:
    """Return answers of all kinds to most decisions: also late, held out, withdrawn and repeated ones."""
    drawn, responses = random.Random(seed), list[Response]()
    for decision in all_decisions(ws):
        kind = drawn.choice(["none", "accepted", "overridden", "overridden", "withdrawn", "again", "late"])
        if kind == "none":
            continue
        at = decision.decided_at + timedelta(minutes=90 if kind == "late" else 10)
        other = "act" if decision.action == "wait" else "wait"
        event: Any = "accepted" if kind == "accepted" else "overridden"
        action = decision.action if event == "accepted" else other
        responses.append(Response(decision.decision_id, "ann", "decider", event, action, "why", at=at))
        if kind == "withdrawn":
            later = decision.decided_at + timedelta(minutes=drawn.choice([20, 90]))
            responses.append(Response(decision.decision_id, "ann", "decider", "withdrawn", at=later))
        if kind == "again":  # with a third answer, which doesn't count
            for minutes, event, attempt in [(20, "withdrawn", 1), (30, drawn.choice(ANSWERS), 2), (40, "accepted", 3)]:
                at = decision.decided_at + timedelta(minutes=minutes + drawn.choice([0, 60]))
                action = {"accepted": decision.action, "overridden": other, "withdrawn": None}[event]
                responses.append(
                    Response(decision.decision_id, "bo", "decider", event, action, "why", at=at, attempt=attempt)
                )
    return responses


def account(ws: Workspace, keys: list[str] = KEYS) -> None:
    accept_partitions(ws, keys)
    usage.write_accounts(ws, keys, "live")


def value_by_hand(ws: Workspace) -> tuple[float, float, int]:
    """Return the value of the decisions, the value of what people did, and the number of overrides in force.

    A decision without an answer in force counts as `people.unanswered` declares.
    """
    decided = done = 0.0
    overrides = 0
    not_done = ws.use_case.people.unanswered == "not_done"
    for decision in all_decisions(ws):
        trace = trace_decision(ws, decision.decision_id)
        if decision.decided_by in ("shadow", "holdout") or trace.outcome is None or trace.outcome.value is None:
            continue
        decided += trace.outcome.value
        is_unanswered = trace.answer is None or trace.answer.effect != "in force"
        if is_unanswered and not_done:
            assert trace.outcome.value_current_process is not None
            done += trace.outcome.value_current_process
        else:
            done += trace.outcome.value if trace.outcome.value_done is None else trace.outcome.value_done
        overrides += trace.outcome.value_done is not None
    return decided, done, overrides


def declare(ws: Workspace, unanswered: str) -> Workspace:
    """Return the same home with another rule for unanswered decisions."""
    return make_workspace(ws.home, **merge(DECLARED, {"people": {"unanswered": unanswered}}))


@pytest.mark.parametrize("unanswered", ["done", "not_done"])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_value_of_what_people_did_is_that_of_each_unit_added_up(ws: Workspace, seed: int, unanswered: str) -> None:
    ws = declare(ws, unanswered)
    add_responses(ws, draw_answers(ws, seed))
    account(ws)
    summary, (decided, done, overrides) = summarize_kpi(ws, "live"), value_by_hand(ws)
    assert summary.totals["model"] == pytest.approx(decided, abs=0.005)
    assert summary.done and overrides > 3
    assert (summary.done.overrides, summary.done.total) == (overrides, pytest.approx(done, abs=0.005))
    assert summary.done.total - summary.done.difference == pytest.approx(decided, abs=0.005)
    assert summary.done.gain - summary.done.difference == pytest.approx(summary.gain, abs=0.005)


def test_without_answers_the_value_of_the_decisions_stays(ws: Workspace) -> None:
    account(ws)
    before = summarize_kpi(ws, "live")
    seen = [Response(d.decision_id, "ann", "decider", "seen", at=d.decided_at) for d in all_decisions(ws)]
    add_responses(ws, seen)
    account(ws)
    after = summarize_kpi(ws, "live")
    assert before.done and after.done
    assert replace(before, done=None) == replace(after, done=None)
    assert (after.done.overrides, after.done.difference, after.done.total) == (0, 0.0, before.totals["model"])
    facts = [entry.facts for entry in ws.lake.entries(usage.usage_dataset("live")).values()]
    assert len(facts) == 3 and not any(set(EFFECT_FIELDS) & set(f) for f in facts)


def test_without_any_answer_nobody_acted_if_unanswered_decisions_are_not_done(ws: Workspace) -> None:
    account(ws)
    summary = summarize_kpi(declare(ws, "not_done"), "live")
    assert summary.done
    assert (summary.done.gain, summary.done.total) == (0.0, summary.totals["current_process"])
    assert summary.done.unanswered == summary.differ_from_current > 0
    assert (summary.counted.gain, summary.counted.standing) == (0.0, "no gain shown")
    assert summary.counted.note == "The gain counts what people did."


def test_the_gain_of_what_people_did_has_the_interval_of_its_days(ws: Workspace) -> None:
    add_responses(ws, draw_answers(ws, 1))
    account(ws)
    days = kpi_ledger.read_daily_values(ws, "live")
    done_days = read_counted_days(ws, "live", days)
    summary = summarize_kpi(ws, "live")
    assert summary.done
    assert summary.done.lift == RoundedInterval.of(
        measure_lift("live", done_days, block_days=ws.use_case.kpi.block_days)
    )
    assert sum(d.model - d.current_process for d in done_days) == pytest.approx(summary.done.gain, abs=0.005)
    balance = compute_balance(ws.use_case.kpi, done_days)
    assert summary.counted.net_impact == pytest.approx(balance.net_impact, abs=0.005)
    assert summary.to_dict()["net_impact"] == summary.counted.net_impact


def test_answers_that_are_not_counted_refuse_the_figure(ws: Workspace) -> None:
    account(ws, KEYS[:-1])
    summary = summarize_kpi(ws, "live")
    assert summary.done is None
    assert summary.done_problem == summary.counted.note
    assert f"the answers to the decisions of 1 partition on {KEYS[-1]} aren't counted" in summary.counted.note
    assert (summary.counted.gain, summary.counted.net_impact, summary.counted.payback) == (None, None, None)
    assert (summary.counted.standing, summary.counted.lift.value) == ("not known", None)
    with pytest.raises(UncountedAnswersError, match="sixtyforty run calls_in_time --from"):
        read_counted_days(ws, "live", kpi_ledger.read_daily_values(ws, "live"))


def test_a_live_stage_gate_judges_what_people_did(ws: Workspace) -> None:
    gate = StageGate(target=500, minimum_gain=100, stop_date=date(2013, 12, 1), minimum_partitions=2)
    account(ws)
    since, now = ws.use_case.day_start(LIVE[0]), ws.use_case.day_start(date(2013, 5, 1))
    followed = measure_stage(ws, "pilot", since, now, gate)
    not_done = measure_stage(declare(ws, "not_done"), "pilot", since, now, gate)
    assert followed.lift.value == pytest.approx(summarize_kpi(ws, "live").lift_vs_current.value, abs=0.01)
    assert (not_done.lift.value, not_done.partitions) == (0.0, followed.partitions)
    add_responses(ws, draw_answers(ws, 1))
    accept_partitions(ws, KEYS)
    refused = measure_stage(ws, "pilot", since, now, gate)
    assert math.isnan(refused.lift.value)
    assert "aren't counted" in (refused.refusal or "")


def test_outdated_counts_refuse_the_figure(ws: Workspace) -> None:
    account(ws)
    assert summarize_kpi(ws, "live").done
    add_responses(ws, draw_answers(ws, 1))
    accept_partitions(ws, KEYS)
    assert "aren't counted" in (summarize_kpi(ws, "live").done_problem or "")


def test_counts_of_an_earlier_version_refuse_the_figure(ws: Workspace) -> None:
    account(ws)
    entry = ws.lake.entry(usage.usage_dataset("live"), KEYS[1])
    assert entry
    facts = {name: fact for name, fact in entry.facts.items() if name != "unanswered"}
    table = pq.read_table(ws.lake.local_file(entry))
    ws.lake.write(usage.usage_dataset("live"), KEYS[1], table, inputs=entry.inputs, code="test", facts=facts)
    assert f"1 partition on {KEYS[1]}" in (summarize_kpi(ws, "live").done_problem or "")


def test_an_override_with_an_unknown_action_leaves_the_decision_unanswered(ws: Workspace) -> None:
    decision = next(d for d in all_decisions(ws) if d.decided_by == "model" and d.action != d.current_action)
    at = decision.decided_at
    add_responses(ws, [Response(decision.decision_id, "ann", "decider", "overridden", "dance", "why", at=at)])
    account(ws)
    summary = summarize_kpi(declare(ws, "not_done"), "live")
    assert summary.done
    assert (summary.done.overrides, summary.done.unanswered) == (0, summary.differ_from_current)


def test_a_withdrawn_and_a_second_answer_count_as_responses_only(ws: Workspace) -> None:
    first, second = [d for d in read_decisions(ws, KEYS[1], "live") if d.decided_by == "model"][:2]
    other = {"act": "wait", "wait": "act"}
    at = first.decided_at + timedelta(minutes=5)
    withdrawn = Response(first.decision_id, "ann", "decider", "overridden", other[first.action], "why", at=at)
    accepted = Response(second.decision_id, "ann", "decider", "accepted", second.action, at=second.decided_at)
    add_responses(ws, [withdrawn, Response(first.decision_id, "ann", "decider", "withdrawn", at=at), accepted])
    accept_partitions(ws, KEYS)
    entry = ws.lake.entry("validated/responses", KEYS[1])
    assert entry
    rows = pq.read_table(ws.lake.local_file(entry)).to_pylist()
    again = next(row for row in rows if row["event"] == "accepted") | {
        "response_id": "second",
        "person": "bob",
        "event": "overridden",
        "action": other[second.action],
        "at": second.decided_at + timedelta(minutes=1),
    }
    table = pa.Table.from_pylist([*rows, again], pq.read_schema(ws.lake.local_file(entry)))
    ws.lake.write("validated/responses", KEYS[1], table, inputs=entry.inputs, code="test", facts=entry.facts)
    counts = usage.write_accounts(ws, KEYS, "live")[KEYS[1]]
    usage_of_day = usage.PartitionUsage.from_entry(counts)
    assert (usage_of_day.responses, usage_of_day.accepted, usage_of_day.overridden, usage_of_day.gain) == (4, 1, 0, 0.0)
    done = summarize_kpi(ws, "live").done
    assert done and (done.overrides, done.difference) == (0, 0.0)


def test_in_an_experiment_the_cost_of_the_action_taken_is_corrected(experiment: Workspace, tmp_path: Path) -> None:
    ws = copy_home(experiment, tmp_path, **WITH_RESPONSES)
    key = EXPERIMENT_KEYS[3]
    decisions = read_decisions(ws, key, "live")
    acted = [d for d in decisions if d.decided_by == "model" and d.action == "act"][:2]
    waited = [d for d in decisions if d.decided_by == "model" and d.action == "wait"][:1]
    held_out = [d for d in decisions if d.decided_by == "holdout" and d.action == "act"][:1]
    other = {"act": "wait", "wait": "act"}
    add_responses(
        ws,
        [
            Response(d.decision_id, "ann", "decider", "overridden", other[d.action], "why", at=d.decided_at)
            for d in (*acted, *waited, *held_out)
        ],
    )
    before = summarize_kpi(ws, "live")
    account(ws, EXPERIMENT_KEYS)
    after = summarize_kpi(ws, "live")
    assert (len(acted), len(waited), len(held_out), before.done) == (2, 1, 1, None)
    assert "aren't counted" in (before.done_problem or "")
    assert after.done and (after.done.overrides, after.done.difference) == (3, 2 * 3.0 - 3.0)
    shift = round(1000 * after.done.difference / after.decisions, 2)
    assert after.done.lift.value == pytest.approx((after.lift_vs_current.value or 0) + shift, abs=0.011)
    assert after.totals == before.totals, "the experiment's own figures stay"


def test_an_override_of_a_decision_that_is_in_no_account_changes_no_value(tmp_path: Path) -> None:
    rush = {"description": "call two fitters in", "cost": 4, "gain": 11}
    wait = {"cost": "null::double"}
    ws = make_workspace(tmp_path, **merge(WITH_RESPONSES, {"kpi": {"actions": {"wait": wait, "rush": rush}}}))
    publish_days(ws, [*TRAINED, *LIVE], count=20)
    put_champion_in_force(ws, LIVE[0], "live")
    take_decisions(ws, KEYS, "live", None)
    kpi_ledger.write_accounts(ws, KEYS, "live")
    unknown = sum(kpi_ledger.KpiAccount.from_entry(e).unknown for e in ws.lake.entries("kpi/live").values())
    overridden = [d for d in all_decisions(ws) if d.current_action == "wait"]
    other = {"act": "rush", "rush": "act"}
    add_responses(
        ws,
        [
            Response(d.decision_id, "ann", "decider", "overridden", other[d.action], "why", at=d.decided_at)
            for d in overridden
        ],
    )
    account(ws)
    assert unknown == len(overridden) > 0, "the price of the current process's action is unknown"
    done = summarize_kpi(ws, "live").done
    assert done and (done.overrides, done.difference) == (0, 0.0)
    usages = [usage.PartitionUsage.from_entry(e) for e in ws.lake.entries(usage.usage_dataset("live")).values()]
    assert sum(u.known for u in usages) == sum(u.known_without_effect for u in usages) == len(overridden)
    assert sum(u.gain for u in usages) == pytest.approx(sum(u.gain_without_effect for u in usages))


def test_an_override_outside_the_experiment_changes_no_value(experiment: Workspace, tmp_path: Path) -> None:
    ws = copy_home(experiment, tmp_path, **WITH_RESPONSES)
    key = EXPERIMENT_KEYS[3]
    entry = ws.lake.entry("decisions/live", key)
    assert entry
    rows = pq.read_table(ws.lake.local_file(entry))
    decision = next(d for d in read_decisions(ws, key, "live") if d.decided_by == "model" and d.action == "act")
    ids, policies = (rows[name].to_pylist() for name in ("decision_id", "policy"))
    policies[ids.index(decision.decision_id)] = POLICY_VERSION  # as without a champion in force
    outside = rows.set_column(rows.column_names.index("policy"), "policy", pa.array(policies))
    ws.lake.write("decisions/live", key, outside, inputs=entry.inputs, code="test", facts=entry.facts)
    kpi_ledger.write_accounts(ws, [key], "live")
    at = decision.decided_at
    add_responses(ws, [Response(decision.decision_id, "ann", "decider", "overridden", "wait", "why", at=at)])
    account(ws, EXPERIMENT_KEYS)
    done = summarize_kpi(ws, "live").done
    assert done and (done.overrides, done.difference) == (0, 0.0)


def make_done(**changes: Any) -> DoneValue:
    figures = {"difference": -6.0, "total": 94.0, "gain": 10.0, "per_1000": 9.4, "net_impact": 10.0, "payback": None}
    counts = {"overrides": 2, "unanswered": 1, "unpriced": 0, "responses": 5, "simulated": 0}
    lift = RoundedInterval(1.0, -1.0, 3.0)
    return DoneValue(**{"track": "live", "unanswered_rule": "done", "lift": lift} | figures | counts | changes)


def test_a_sentence_names_both_values() -> None:
    assert make_done().describe("EUR") == (
        "Value if every decision had been followed: EUR 100. Value with people's answers: EUR 94 (-EUR 6). It counts"
        " 2 overrides in force; 1 unanswered decision that would change the current process's action counts as decided."
    )
    simulated = make_done(track="replay", simulated=5, unanswered_rule="not_done", unanswered=12).describe("EUR")
    assert simulated.startswith("Nobody acted on this replay. Value if every decision had been followed")
    assert "Value with simulated answers: EUR 94" in simulated
    assert "12 unanswered decisions that would change" in simulated
    assert simulated.endswith("count as the current process's action.")
    assert make_done(track="replay").whose_answers == "practice answers"
    assert make_done(track="replay", simulated=2).whose_answers == "partly simulated answers"
    assert make_done(unpriced=2).describe("EUR").endswith("2 overrides to an action of unknown price count as decided.")


@pytest.mark.parametrize("unanswered", ["done", "not_done"])
def test_if_units_recur_the_groups_have_the_value_of_what_people_did(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, unanswered: str
) -> None:
    """Otherwise the interval would be that of the decisions. Without the sums of an earlier account, there is none."""
    monkeypatch.setattr(DecisionChain, "units_recur", property(lambda _: True))
    ws = declare(ws, unanswered)
    add_responses(ws, draw_answers(ws, 1))
    account(ws)
    kpi_ledger.write_accounts(ws, KEYS, "live")
    days = kpi_ledger.read_daily_values(ws, "live")
    done = read_counted_days(ws, "live", days)
    assert [day.model for day in done] != [day.model for day in days]
    for day in done:
        assert day.unit_groups is not None
        assert sum(day.unit_groups["model"]) == pytest.approx(day.model)
    entry = ws.lake.entry("acceptance/live", KEYS[1])
    assert entry is not None
    facts = {name: fact for name, fact in entry.facts.items() if "group" not in name}
    table = pq.read_table(ws.lake.local_file(entry))
    ws.lake.write("acceptance/live", KEYS[1], table, inputs=entry.inputs, facts=facts)
    by_partition = {day.partition: day for day in read_counted_days(ws, "live", days)}
    assert by_partition[KEYS[1]].unit_groups == {} and by_partition[KEYS[2]].unit_groups
