"""SQL pays the same as Python, whatever the kind of action and whatever its name."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.spec.actions import Action
from sixtyforty.spec.kpi import Kpi
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.value.payoff_sql import cost_sql, gain_sql, payoff_sql, priced_sql
from sixtyforty.value.payoffs import build_payoffs
from tests.sixtyforty.value.kpis import EXPERIMENT, FARES, MONEY, STAFF, kpis, make_kpi

QUOTED = make_kpi(
    actions={
        "don't wait": Action(description="", cost=2.0, gain=5.0),
        'a "special" call': Action(description="", cost="fee", gain="fare"),
    }
)


@given(st.sampled_from(["choice", "columns", "amount", "experiment", "quoted"]), st.data())
def test_sql_pays_the_same_as_python(kind: str, data: st.DataObject) -> None:
    kpi = {
        "choice": data.draw(kpis()),
        "columns": make_kpi(actions=FARES),
        "amount": STAFF,
        "experiment": EXPERIMENT,
        "quoted": QUOTED,
    }[kind]
    count = data.draw(st.integers(1, 6))
    sizes = {"min_size": count, "max_size": count}
    actions = kpi.actions_by_cost or ["1", "4", "9"]
    rows = pd.DataFrame(
        {
            "action": data.draw(st.lists(st.sampled_from(actions), **sizes)),
            "outcome": data.draw(st.lists(st.integers(0, 9).map(float), **sizes)),
            "received": data.draw(st.lists(st.sampled_from(actions), **sizes)),
            **{column: data.draw(st.lists(MONEY, **sizes)) for column in kpi.payoff_sql},
        }
    )
    realized = build_payoffs(kpi, rows).realized(rows["action"].tolist(), rows["outcome"].to_numpy())
    with connect("UTC") as db:
        db.register("rows", rows)
        by_sql = db.execute(f"select {payoff_sql(kpi, 'action', 'outcome')} from rows").fetchall()
    assert [payoff for (payoff,) in by_sql] == pytest.approx(realized.tolist())


def test_a_payoff_in_a_column_is_quoted() -> None:
    assert cost_sql(QUOTED, 'a "special" call') == '"_cost a ""special"" call"'
    assert gain_sql(QUOTED, "don't wait") == "5.0::double"


@pytest.mark.parametrize("kpi", [make_kpi(actions=FARES), QUOTED, STAFF, EXPERIMENT])
def test_sql_and_python_agree_on_which_actions_have_known_payoffs(kpi: Kpi) -> None:
    actions = kpi.actions_by_cost or ["1", "4"]
    prices = [dict.fromkeys(kpi.payoff_sql, value) for value in (1.0, None)]
    rows = pd.DataFrame([{"action": action, **row} for action in actions for row in prices])
    rows = rows.astype(dict.fromkeys(kpi.payoff_sql, float))
    with connect("UTC") as db:
        db.register("rows", pa.Table.from_pandas(rows))
        known = db.execute(f"select {priced_sql(kpi, 'action')} from rows").fetchall()
    assert [row[0] for row in known] == build_payoffs(kpi, rows).is_priced(rows["action"].tolist()).tolist()
