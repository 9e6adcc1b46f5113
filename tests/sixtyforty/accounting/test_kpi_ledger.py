"""The KPI ledger: one account per partition, of the decisions whose outcome is known, written once per change."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sixtyforty.accounting import kpi_audit, kpi_ledger
from sixtyforty.accounting.kpi_ledger import KpiAccount
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.use_case import UseCase
from sixtyforty.value.candidates import CandidateError
from sixtyforty.value.daily_values import FIGURES
from sixtyforty.value.unit_groups import group_sql
from sixtyforty.workspace import Workspace
from tests.helpers import DECLARED, make_workspace, merge, publish_days, put_champion_in_force, read_lake
from tests.small_portions import use_small_portions

BUSY = {"description": "Heavy loads", "action": "case when load > 0.4 then 'act' else 'wait' end"}
DAYS = [date(2013, 4, 1) + timedelta(days=i) for i in range(3)]
KEYS = [f"{day}" for day in DAYS]


def decided_home(folder: Path, **changes: Any) -> Workspace:
    """Return a home with three days of decisions by the current process, and their outcomes."""
    ws = make_workspace(folder, **changes)
    publish_days(ws, DAYS, count=20)
    take_decisions(ws, KEYS, "replay", None)
    return ws


def read_sql(ws: Workspace, query: str) -> list[tuple[Any, ...]]:
    with ws.lake.open_session("UTC") as db:
        return db.execute(query).fetchall()


def set_outcomes(ws: Workspace, partition: str, late: list[int | None]) -> None:
    entry = ws.lake.entry("outcomes", partition)
    assert entry is not None
    rows = pq.read_table(ws.lake.local_file(entry))
    rows = rows.set_column(rows.column_names.index("late"), "late", pa.array(late, pa.int32()))
    ws.lake.write("outcomes", partition, rows, inputs=entry.inputs, code="test")


def test_an_account_holds_the_money_of_every_way_to_decide(tmp_path: Path) -> None:
    ws = decided_home(tmp_path)
    accounts = kpi_ledger.write_accounts(ws, KEYS, "replay")
    daily_values = kpi_ledger.read_daily_values(ws, "replay")
    assert [d.partition for d in daily_values] == list(accounts) == KEYS
    for entry, daily_value in zip(accounts.values(), daily_values, strict=True):
        assert vars(daily_value).items() <= vars(KpiAccount.from_entry(entry)).items()
    outcomes = pq.read_table(ws.lake.local_file(ws.lake.entry("outcomes", KEYS[0]))).to_pylist()  # type: ignore[arg-type]
    late = {row["id"]: row["late"] for row in outcomes}
    decisions = read_decisions(ws, KEYS[0], "replay")
    assert daily_values[0].model == sum(10 * late[d.unit["id"]] - 3 for d in decisions if d.action == "act")
    assert daily_values[0].perfect_foresight == 7 * sum(late.values())


def test_units_that_recur_have_the_sums_of_their_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = decided_home(tmp_path, kpi={"candidates": {"busy": BUSY}})
    kpi_ledger.write_accounts(ws, KEYS[:1], "replay")
    plain = kpi_ledger.read_daily_values(ws, "replay")
    assert plain[0].unit_groups is None
    monkeypatch.setattr(DecisionChain, "units_recur", property(lambda _: True))
    assert kpi_ledger.read_daily_values(ws, "replay")[0].unit_groups == {}, "an account of an earlier release"
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    daily_values = kpi_ledger.read_daily_values(ws, "replay")
    assert replace(daily_values[0], unit_groups=None) == plain[0]
    for day in daily_values:
        assert day.unit_groups is not None
        assert [sum(day.unit_groups[name]) for name in ("decisions", "model", "candidate busy")] == pytest.approx(
            [day.decisions, day.model, day.candidates["busy"]]
        )
    groups = group_sql(ws.use_case.decision.key)
    units = ws.lake.select_rows(ws.lake.entries("outcomes", KEYS[:1]).values())
    counts = dict(read_sql(ws, f"select {groups}, count(*) from {units} group by 1"))
    assert daily_values[0].unit_groups is not None
    assert {g: n for g, n in enumerate(daily_values[0].unit_groups["decisions"]) if n} == counts


def test_decisions_without_an_outcome_are_counted_and_carry_no_money(tmp_path: Path) -> None:
    ws = decided_home(tmp_path)
    set_outcomes(ws, KEYS[0], [1, *[None] * 19])
    set_outcomes(ws, KEYS[1], [None] * 20)
    accounts = kpi_ledger.write_accounts(ws, KEYS, "replay")
    assert [entry.facts["unknown"] for entry in accounts.values()] == [19, 20, 0]
    assert [d.decisions for d in kpi_ledger.read_daily_values(ws, "replay")] == [1, 20]


def test_accounts_are_read_up_to_a_partition(tmp_path: Path) -> None:
    ws = decided_home(tmp_path)
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    assert [d.partition for d in kpi_ledger.read_daily_values(ws, "replay", until=KEYS[1])] == KEYS[:2]


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    ws = decided_home(tmp_path)
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    before = read_lake(ws.lake)
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    assert read_lake(ws.lake) == before


def test_partitions_without_decisions_or_outcomes_have_no_account(tmp_path: Path) -> None:
    ws = decided_home(tmp_path)
    ws.lake.drop("outcomes", KEYS[0])
    ws.lake.drop("decisions/replay", KEYS[1])
    assert list(kpi_ledger.write_accounts(ws, KEYS, "replay")) == KEYS[2:]
    assert kpi_ledger.write_accounts(ws, KEYS[:2], "replay") == {}


def test_a_candidate_without_an_action_for_each_decision_writes_nothing(tmp_path: Path) -> None:
    gaps = {"description": "Only heavy loads", "action": "case when load > 0.5 then 'act' end"}
    ws = decided_home(tmp_path, kpi={"candidates": {"gaps": gaps}})
    with pytest.raises(CandidateError, match=r"kpi\.candidates\.gaps"):
        kpi_ledger.write_accounts(ws, KEYS, "replay")
    assert ws.lake.partitions("kpi/replay") == []


def test_names_with_quotes_are_accounted_for_and_audited(tmp_path: Path) -> None:
    rule = "case when \"lo\"\"ad\" > 0.4 then 'don''t wait' else 'wait' end"
    kpi = {
        "actions": {"don't wait": {"description": "call a second fitter in at once", "cost": 4, "gain": 12}},
        "outcome": 'la"te',
        "segments": ['lo"ad'],
        "candidates": {"heavy": {"description": "Heavy loads", "action": rule}},
    }
    ws = make_workspace(tmp_path, kpi=kpi)
    sql = {
        "features": 'select u.id, u.site, u.load, u.load as "lo""ad" from units u',
        "outcomes": 'select u.id, v.late as "la""te", v.known_at from units u left join visits v using (id)',
        "current_process": "select id, case when load > 0.7 then 'don''t wait' else 'wait' end as action from units",
    }
    for name, text in sql.items():
        (ws.use_case.folder / f"{name}.sql").write_text(text)
    publish_days(ws, DAYS, count=20)
    take_decisions(ws, KEYS, "replay", None)
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    assert sum(d.acted for d in kpi_ledger.read_daily_values(ws, "replay")) > 0
    assert kpi_audit.find_differences(ws, "replay", KEYS) == []


UNPRICED_ACTIONS = {  # a second fitter can't be called in the north when it is quiet, and nobody knows the gain at noon
    "wait": {"description": "call nobody"},
    "act": {
        "description": "call a second fitter in",
        "cost": "case when site = 'south' or load > 0.3 then 3 end",
        "gain": "case when load < 0.9 then 10 else 'nan'::double end",
    },
}


@pytest.mark.parametrize("with_champion", [True, False])
def test_a_unit_whose_cost_is_unknown_stays_in_the_accounts(tmp_path: Path, with_champion: bool) -> None:
    """The rule acts on heavy loads, whether the cost is known or not. Its expected outcome acts on every unit."""
    candidates = {
        "rule": {"description": "heavy loads", "action": "case when load > 0.5 then 'act' else 'wait' end"},
        "sure": {"description": "always late", "expected_outcome": "1.0"},
    }
    ws = make_workspace(tmp_path, kpi={"actions": UNPRICED_ACTIONS, "candidates": candidates})
    publish_days(ws, [DAYS[0] - timedelta(days=n) for n in range(5, 0, -1)] + DAYS, count=20)
    if with_champion:
        put_champion_in_force(ws, DAYS[0])
    take_decisions(ws, KEYS, "replay", None)
    accounts = {p: KpiAccount.from_entry(e) for p, e in kpi_ledger.write_accounts(ws, KEYS, "replay").items()}
    assert kpi_audit.find_differences(ws, "replay", KEYS) == []
    for partition, account in accounts.items():
        entry = ws.lake.entry("features", partition)
        assert entry is not None
        features = {row["id"]: row for row in pq.read_table(ws.lake.local_file(entry)).to_pylist()}
        priced = {i for i, row in features.items() if None not in (row["_gain act"], row["_cost act"])}
        assert 0 < len(priced) < 20
        decisions = read_decisions(ws, partition, "replay")
        assert len(decisions) == account.decisions + account.unknown == 20
        by_model = [d for d in decisions if d.decided_by == "model"]
        assert bool(by_model) == with_champion
        assert all(d.unit["id"] in priced for d in by_model if d.action == "act")
        unknown = [d for d in decisions if "act" in (d.action, d.current_action) and d.unit["id"] not in priced]
        assert account.unknown == len(unknown)
        assert all(map(math.isfinite, (account.model, account.current_process, account.random_choice)))
        assert account.candidates["sure"] <= account.perfect_foresight


CANDIDATES = {
    "rule": {"description": "heavy loads", "action": "case when load > 0.5 then 'act' else 'wait' end"},
    "likely": {"description": "by load", "expected_outcome": "load"},
}
LIMITED = {"wait": {"description": "call nobody"}, "act": {"description": "act", "cost": 3, "gain": 10, "limit": 2}}


@pytest.mark.parametrize("actions", [UNPRICED_ACTIONS, LIMITED])
def test_a_partition_of_many_portions_has_the_same_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, actions: dict[str, Any]
) -> None:
    ws = decided_home(tmp_path, kpi={"actions": actions, "candidates": CANDIDATES, "segments": ["site", "load"]})
    set_outcomes(ws, KEYS[0], [None, *[1, 0] * 9, None])
    whole = [KpiAccount.from_entry(entry) for entry in kpi_ledger.write_accounts(ws, KEYS, "replay").values()]
    by_champion = kpi_ledger.value_units_with_champion(ws, KEYS, "replay")
    use_small_portions(monkeypatch)
    by_portion = [KpiAccount.from_entry(entry) for entry in kpi_ledger.write_accounts(ws, KEYS, "replay").values()]
    assert kpi_ledger.value_units_with_champion(ws, KEYS, "replay") == by_champion
    assert [account.unknown for account in whole] == [account.unknown for account in by_portion]
    for one, other in zip(whole, by_portion, strict=True):
        assert one.segments == other.segments
        assert one.candidates == other.candidates
        assert {name: getattr(other, name) for name in FIGURES} == pytest.approx(
            {name: getattr(one, name) for name in FIGURES}
        )


def test_the_account_of_a_partition_does_not_depend_on_the_other_partitions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = decided_home(tmp_path, kpi={"candidates": CANDIDATES, "segments": ["site"]})
    use_small_portions(monkeypatch)
    kpi_ledger.write_accounts(ws, KEYS, "replay")
    together = read_lake(ws.lake)
    for key in KEYS:
        kpi_ledger.write_accounts(ws, [key], "replay")
    assert read_lake(ws.lake) == together


def test_amounts_are_accounted_for_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = make_workspace(tmp_path)
    amount = {"description": "fitters", "shortage_cost": 60, "excess_cost": 20, "maximum": 9}
    declared = merge(DECLARED, {"kpi": {"outcome_type": "number", "amount": amount}})
    del declared["kpi"]["actions"]
    ws = Workspace(UseCase(**declared, folder=ws.use_case.folder), tmp_path, f"sqlite:///{tmp_path}/deliveries.db")
    (ws.use_case.folder / "current_process.sql").write_text("select id, 3 * load as action from units")
    publish_days(ws, DAYS, count=20)
    take_decisions(ws, KEYS, "replay", None)
    (whole,) = kpi_ledger.write_accounts(ws, KEYS[:1], "replay").values()
    use_small_portions(monkeypatch)
    (by_portion,) = kpi_ledger.write_accounts(ws, KEYS[:1], "replay").values()
    assert by_portion.facts["random_choice"] < 0
    assert {name: by_portion.facts[name] for name in FIGURES} == pytest.approx(
        {name: whole.facts[name] for name in FIGURES}
    )
    assert kpi_audit.find_differences(ws, "replay", KEYS[:1]) == []
