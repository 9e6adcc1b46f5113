"""Build the payoffs of rows: what each action pays on each unit, and which action has the highest expected payoff.

A KPI has either named actions (`choice_payoffs.py`) or a numeric action (`numeric_payoffs.py`). Both classes have the
interface of `payoff_base.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.choice_payoffs import ChoicePayoffs
from sixtyforty.value.numeric_payoffs import NumericPayoffs
from sixtyforty.value.payoff_base import Payoffs

if TYPE_CHECKING:
    import pandas as pd


def build_payoffs(kpi: Kpi, rows: pd.DataFrame) -> Payoffs:
    """Return the payoffs of all actions on some rows, one row per unit.

    rows: the columns of Kpi.payoff_sql. For realized payoffs with a treatment, also the treatment's column. If actions
    have limits, also `decided_at`, and `_partition` if the rows are from several partitions.
    Raises PayoffError if a column of Kpi.payoff_sql is missing.
    """
    return NumericPayoffs(kpi.amount) if kpi.amount else ChoicePayoffs(kpi, rows)
