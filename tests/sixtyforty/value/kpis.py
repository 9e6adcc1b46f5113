"""KPIs and accounts that several tests of the package share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from numpy.typing import NDArray

from sixtyforty.spec.actions import Action, Amount
from sixtyforty.spec.experiments import Treatment
from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.choice_payoffs import ChoicePayoffs
from sixtyforty.value.daily_value import DailyValue, value_of_day

MONEY = st.integers(-50, 50).map(float)
SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=20).map(np.array)


def make_kpi(**fields: Any) -> Kpi:
    """Return a KPI in EUR with an exact measurement, changed by some fields."""
    declared = {
        "name": "k",
        "currency": "EUR",
        "measurement": "exact",
        "outcome": "o",
        "outcome_name": "o",
        "unit_plural": "n",
        "block_days": 1,  # the days of these tests are independent
        "target": 0,
    }
    return Kpi(**declared | fields)


def kpi_of(**actions: tuple[float, float]) -> Kpi:
    """Return a KPI whose actions have these costs and gains."""
    return make_kpi(
        actions={name: Action(description=name, cost=cost, gain=gain) for name, (cost, gain) in actions.items()}
    )


@st.composite
def kpis(draw: st.DrawFn) -> Kpi:
    """Draw a KPI with two to four actions, whose first action is the cheapest or not."""
    costs = draw(st.lists(st.integers(0, 50).map(float), min_size=2, max_size=4))
    return kpi_of(**{f"a{i}": (cost, draw(MONEY)) for i, cost in enumerate(costs)})


TWO = kpi_of(wait=(0, 0), act=(3, 10))
THREE = kpi_of(act=(3, 10), rush=(7, 16), wait=(1, 0))

# Payoffs in columns of the rows.
FARES = {"wait": Action(description=""), "act": Action(description="", cost="fee", gain="fare * 0.5")}

AMOUNT = Amount(description="fitters", shortage_cost=60, excess_cost=20, minimum=1, maximum=9)
STAFF = make_kpi(amount=AMOUNT, outcome_type="number")

# A past experiment.
EXPERIMENT = make_kpi(
    measurement="randomized",
    outcome_type="number",
    actions={"none": Action(description=""), "mail": Action(description="", cost=1)},
    treatment=Treatment(column="received", shares={"none": 0.75, "mail": 0.25}, value_per_outcome=2.0),
)


def choice_payoffs(kpi: Kpi, count: int) -> ChoicePayoffs:
    """Return the payoffs of rows without columns."""
    return ChoicePayoffs(kpi, pd.DataFrame(index=range(count)))


def account_day(
    kpi: Kpi,
    partition: str,
    actions: Sequence[str],
    current_actions: Sequence[str],
    outcome: NDArray[np.float64],
    fallback: int = 0,
    candidates: Mapping[str, Sequence[str]] | None = None,
) -> DailyValue:
    """Return the money of a day, of which the first decisions are the fallback's."""
    decided_by = ["fallback"] * fallback + ["model"] * (len(actions) - fallback)
    rows = pd.DataFrame(
        {"action": list(actions), "current_action": list(current_actions), "decided_by": decided_by}, dtype=object
    )
    return value_of_day(kpi, partition, rows, outcome, candidates)


def day_worth(partition: str, decisions: int, model: float, current_process: float) -> DailyValue:
    """Return a day with the given money."""
    return DailyValue(partition, decisions, model, current_process, 0.0, 0.0, 0, 0, 0)
