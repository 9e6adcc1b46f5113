"""The account of a randomized use case: what the arms were worth adds up, by day and in all, and how sure it is."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import ttest_ind

from sixtyforty.accounting import acceptance, experiment_results, kpi_audit, kpi_ledger, kpi_summary, usage
from sixtyforty.accounting.break_even import work_out
from sixtyforty.accounting.experiment_ledger import ACCOUNT, HoldoutError
from sixtyforty.decisions import assignment, provenance
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.delivery import deliver_decisions
from sixtyforty.decisions.responses import Response
from sixtyforty.decisions.responses import record_response as respond
from sixtyforty.lifecycle import catch_up
from sixtyforty.reports import impact_report, model_record
from sixtyforty.reports.digests import ROLES
from sixtyforty.value.daily_value import group_by_month
from sixtyforty.workspace import Workspace
from tests.helpers import SQL, WITH_RESPONSES, accept, crown, lake_bytes, make_use_case, make_workspace, merged, publish

TRAINED = [date(2013, 3, 1) + timedelta(days=i) for i in range(12)]
LIVE = [date(2013, 3, 25) + timedelta(days=i) for i in range(14)]
P = [d.isoformat() for d in LIVE]
A_DAY = 60
WORTH = -10.0
HOLDOUT = {"share": 0.4, "value_per_outcome": WORTH, "planned_units": 800}
RANDOMIZED = {
    "partitions": {"start": "2013-03-01"},
    "model": {"params": {"max_iter": 40}},
    "kpi": {"measurement": "randomized", "holdout": HOLDOUT},
}


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return a_fortnight(tmp_path_factory.mktemp("lived"))


def a_fortnight(folder: Path) -> Workspace:
    """A home that has lived for a fortnight: a call acted on is late three times in ten, another by its load."""
    ws = make_workspace(folder, **RANDOMIZED)
    publish(ws, [*TRAINED, *LIVE], count=A_DAY)
    for track in ("replay", "live"):
        crown(ws, LIVE[0], track)
    take_decisions(ws, P, "live", None)
    rng = np.random.default_rng(1)
    for partition in P:
        outcome(
            ws,
            partition,
            {
                d["id"]: int(rng.random() < (0.3 if d["action"] == "act" else load(d["id"])))
                for d in read_decisions(ws, partition, "live")
            },
        )
    kpi_ledger.write_accounts(ws, P, "live")
    return ws


def load(number: int) -> float:
    return round(number % 100 * 37 % 100 / 100, 2)


def outcome(ws: Workspace, partition: str, late: dict[int, int | None]) -> None:
    """What became of a day's calls, as it was lived."""
    entry = ws.lake.entry("outcomes", partition)
    rows = pq.read_table(ws.lake.local_file(entry))
    values = pa.array([late[i] for i in rows["id"].to_pylist()], rows.schema.field("late").type)
    rows = rows.set_column(rows.column_names.index("late"), "late", values)
    ws.lake.write("outcomes", partition, rows, inputs=entry.inputs, code="test")


def declared(lived: Workspace, folder: Path, **changes: Any) -> Workspace:
    """A copy of it, declared otherwise; accounted for anew."""
    shutil.copytree(lived.home, folder / "home")
    case = make_use_case(folder / "home" / "use_case", **merged(RANDOMIZED, changes))
    ws = Workspace(case, folder / "home", f"sqlite:///{folder}/deliveries.db")
    kpi_ledger.write_accounts(ws, P, "live")
    return ws


def units(ws: Workspace) -> tuple[np.ndarray, np.ndarray]:
    """What each unit was worth and whether it was held back, by plain Python."""
    found = []
    for p in P:
        late = {r["id"]: r["late"] for r in pq.read_table(ws.lake.local_file(ws.lake.entry("outcomes", p))).to_pylist()}
        found += [
            (WORTH * late[d["id"]] - (3 if d["action"] == "act" else 0), d["decided_by"] == "holdout")
            for d in read_decisions(ws, p, "live")
            if late[d["id"]] is not None
        ]
    value, held = zip(*found, strict=True)
    return np.array(value, float), np.array(held, bool)


def test_the_lift_is_the_difference_of_the_arms(lived):
    value, held = units(lived)
    found, by_hand = experiment_results.measure_effect(lived), ttest_ind(value[~held], value[held], equal_var=False)
    assert (found.units, found.held_out, found.since) == (len(LIVE) * A_DAY, held.sum(), P[0])
    assert found.lift.value == pytest.approx(1000 * (value[~held].mean() - value[held].mean()))
    low, high = by_hand.confidence_interval(0.95)
    assert (found.single_look.low, found.single_look.high) == pytest.approx((1000 * low, 1000 * high))
    assert found.lift.low < found.single_look.low < found.single_look.high < found.lift.high
    assert found.gain == pytest.approx((~held).sum() * found.lift.value / 1000)
    assert found.is_trustworthy
    assert found.design.units_a_day == A_DAY


def test_days_and_months_add_up_to_the_lift_and_the_gain(lived):
    value, held = units(lived)
    found, days, shown = (
        kpi_summary.summarise_kpi(lived, "live"),
        kpi_ledger.read_daily_values(lived, "live"),
        experiment_results.measure_effect(lived),
    )
    assert [d.partition for d in days] == P
    assert sum(d.decisions for d in days) == found["decisions"] == (~held).sum()
    assert found["totals"]["model"] == pytest.approx(value[~held].sum(), abs=0.006)
    assert sum(d.model - d.current_process for d in days) == pytest.approx(shown.gain)
    assert sum(d.model - d.current_process for m in group_by_month(days).values() for d in m) == pytest.approx(
        shown.gain
    )
    per = found["per_1000"]
    assert per["model"] - per["current_process"] == pytest.approx(found["lift_vs_current"]["value"], abs=0.03)
    assert (per["random_choice"], found["totals"]["perfect_foresight"]) == (None, None)
    assert (found["label"], found["holdout"]["held_out"]) == ("randomized", held.sum())
    assert found["told"].startswith(("It gains", "No effect found"))
    json.dumps(found, allow_nan=False)


def test_up_to_a_day_it_is_what_was_known_of_the_days_until_then(lived):
    found, shown = kpi_summary.summarise_kpi(lived, "live", P[6]), experiment_results.measure_effect(lived, P[:7])
    assert (found["holdout"]["units"], found["to"]) == (7 * A_DAY, P[6])
    assert (
        found["lift_vs_current"]["value"]
        == round(shown.lift.value, 2)
        != round(experiment_results.measure_effect(lived).lift.value, 2)
    )
    assert found["gain"] == pytest.approx(shown.gain, abs=0.02)


def test_of_the_past_no_impact_is_claimed(lived, tmp_path):
    ws, exact = declared(lived, tmp_path / "a"), make_use_case(tmp_path / "exact")
    take_decisions(ws, P, "replay", None)
    kpi_ledger.write_accounts(ws, P, "replay")
    found = kpi_summary.summarise_kpi(ws, "replay")
    assert (found["label"], found["told"]) == ("assumed", kpi_summary.ASSUMPTION)
    assert "holdout" not in found
    other = Workspace(exact, ws.home, ws.database_url)
    kpi_ledger.write_accounts(other, P, "replay")
    assert kpi_summary.summarise_kpi(other, "replay") == {k: v for k, v in found.items() if k != "told"} | {
        "label": "exact"
    }


def test_a_day_is_accounted_for_in_sums_and_again_only_when_it_changes(lived, tmp_path):
    ws = declared(lived, tmp_path)
    before = lake_bytes(ws.lake)
    assert {e.rows for e in ws.lake.entries(ACCOUNT).values()} == {2}
    kpi_ledger.write_accounts(ws, P, "live")
    assert lake_bytes(ws.lake) == before
    late = {d["id"]: None for d in read_decisions(ws, P[3], "live")}
    outcome(ws, P[3], late | {next(iter(late)): 1})
    assert any(
        "money" in r for r in catch_up.find_stale_partitions(ws, "live", ws.use_case.settled_at(P[-1])).why[P[3]]
    )
    account = kpi_ledger.write_accounts(ws, [P[3]], "live")[P[3]]
    assert (account.facts["decisions"], account.facts["unknown"]) == (1, A_DAY - 1)
    value, held = units(ws)
    assert experiment_results.measure_effect(ws).lift.value == pytest.approx(
        1000 * (value[~held].mean() - value[held].mean())
    )


def test_the_accounts_are_audited(lived, tmp_path):
    ws = declared(lived, tmp_path)
    assert kpi_audit.find_differences(ws, "live", P) == []
    file = ws.lake.root / ACCOUNT / f"{P[2]}.json"
    forged = json.loads(file.read_text())
    forged["facts"]["present"] += 1
    file.write_text(json.dumps(forged))
    (line,) = kpi_audit.find_differences(ws, "live", P)
    assert line.startswith(P[2])


def test_a_covariate_narrows_the_interval_and_the_days_still_add_up(lived, tmp_path):
    ws = declared(lived, tmp_path, kpi={"holdout": {"covariate": "load"}})
    plain, found, days = (
        experiment_results.measure_effect(lived),
        experiment_results.measure_effect(ws),
        kpi_ledger.read_daily_values(ws, "live"),
    )
    assert found.lift.high - found.lift.low < 0.95 * (plain.lift.high - plain.lift.low)
    assert abs(found.imbalance) < 3
    assert sum(d.model - d.current_process for d in days) == pytest.approx(found.gain)
    assert sum(d.model for d in days) == pytest.approx(
        sum(d.model for d in kpi_ledger.read_daily_values(lived, "live"))
    )
    assert experiment_results.plan_experiment(ws).deviation < experiment_results.plan_experiment(lived).deviation


def test_a_covariate_that_is_not_there_is_named(lived, tmp_path):
    with pytest.raises(HoldoutError, match=r"kpi.holdout.covariate 'laod' is not a column of features.sql"):
        declared(lived, tmp_path, kpi={"holdout": {"covariate": "laod"}})


def test_a_covariate_that_is_missing_says_nothing(lived, tmp_path):
    ws = declared(lived, tmp_path, kpi={"holdout": {"covariate": "late_before"}})
    assert "late_before" in SQL["features"]
    assert np.isfinite(experiment_results.measure_effect(ws).lift.value)


def test_clusters_are_counted_as_such(lived, tmp_path):
    ws = declared(lived, tmp_path, kpi={"holdout": {"cluster_by": ["load"]}})
    shutil.rmtree(ws.lake.root / "decisions")
    take_decisions(ws, P, "live", None)
    kpi_ledger.write_accounts(ws, P, "live")
    assert {e.rows for e in ws.lake.entries(ACCOUNT).values()} == {A_DAY}
    found, days = experiment_results.measure_effect(ws), kpi_ledger.read_daily_values(ws, "live")
    rows = [d for p in P for d in read_decisions(ws, p, "live")]
    held = {load(d["id"]) for d in rows if d["decided_by"] == "holdout"}
    assert found.held_out == len(LIVE) * len(held)
    assert held == {load(i) for i in range(A_DAY) if is_drawn(ws, str(load(i)))}
    assert sum(d.model - d.current_process for d in days) == pytest.approx(found.gain)
    value, alone = units(ws)
    one = ttest_ind(value[~alone], value[alone], equal_var=False).confidence_interval(0.95)
    assert found.single_look.high - found.single_look.low > 1.2 * 1000 * (
        one.high - one.low
    )  # loads differ: fewer than the units


def is_drawn(ws: Workspace, value: str, salt: str = "") -> bool:
    return bool(assignment.is_held_out([assignment.draw_number(ws.use_case.name, salt, [value])], 0.4)[0])


def test_two_clusters_say_nothing_and_it_is_told(lived, tmp_path):
    salt = next(s for s in "abcdefgh" if is_drawn(lived, "north", s) and not is_drawn(lived, "south", s))
    ws = declared(lived, tmp_path, kpi={"holdout": {"cluster_by": ["site"], "salt": salt}})
    shutil.rmtree(ws.lake.root / "decisions")
    shutil.rmtree(ws.lake.root / "kpi")
    take_decisions(ws, P, "live", None)
    kpi_ledger.write_accounts(ws, P, "live")
    assert kpi_summary.summarise_kpi(ws, "live")["told"].startswith("Too early to say: 840 calls, 420 of them kept")


def test_who_was_right_to_override_is_not_known(lived, tmp_path):
    ws = declared(lived, tmp_path, **WITH_RESPONSES)
    one = read_decisions(ws, P[0], "live")[0]
    other = {"act": "wait", "wait": "act"}[one["action"]]
    respond(ws, Response(one["decision_id"], "ann", "decider", "overridden", other, "I know better"))
    accept(ws, P[:1])
    usage.write_accounts(ws, P[:1], "live")
    found = acceptance.summarise_acceptance(ws, "live")
    assert (found.overridden, found.known, found.gain) == (1, 0, 0)


def test_the_design_comes_from_the_days_before_the_start(lived):
    found = experiment_results.plan_experiment(lived)
    late = [int(load(i) > 0.5) for i in range(A_DAY)]
    value = [WORTH * y - 3 * (load(i) > 0.7) for i, y in enumerate(late)]
    assert (found.share, found.units_a_day) == (0.4, A_DAY)
    assert found.deviation == pytest.approx(np.std(value), rel=0.01)


def test_a_design_needs_a_past_and_a_holdout(lived, tmp_path):
    with pytest.raises(HoldoutError, match="nothing to plan with"):
        experiment_results.plan_experiment(make_workspace(tmp_path / "new", **RANDOMIZED))
    with pytest.raises(HoldoutError, match=r"kpi\.label is exact"):
        experiment_results.plan_experiment(make_workspace(tmp_path / "exact"))


def test_the_thread_and_the_page_claim_no_more_than_is_known(lived, tmp_path):
    ws = declared(lived, tmp_path)
    deliver_decisions(ws, {p: ws.lake.entry("decisions/live", p) for p in P[:1]}, "live")
    one = read_decisions(ws, P[0], "live")[0]
    thread = provenance.trace_decision(ws, one["decision_id"])
    cost = 3 if one["action"] == "act" else 0
    assert thread["outcome"]["value"] == WORTH * thread["outcome"]["late"] - cost
    assert thread["outcome"]["value_current_process"] is None
    assert thread["policy"]["version"].endswith("holdout=0.4")
    page = impact_report.write(ws, "live").read_text()
    assert kpi_summary.summarise_kpi(ws, "live")["told"] in page.replace("&#39;", "'")
    assert "keeps the current process: the others are compared with those" in page
    assert "nan" not in page.replace("finance", "")
    assert "toss of a coin" not in page
    assert work_out(ws, "live") == []
    assert "**randomized**: units were assigned to the current process at random" in model_record.text(ws, "live")
    shutil.rmtree(ws.lake.root / "validated")  # whose verdicts these tests have none of
    told = [ROLES[role](ws, "live", P) for role in ("owner", "auditor")]
    assert f"- {kpi_summary.summarise_kpi(ws, 'live')['told']}" in told[0]
    assert any(line.startswith("- 840: model ") and ", holdout " in line for line in told[1])
