"""Build the payoffs of rows: what each action pays on each unit, and which action is expected to pay most.

A KPI has either named actions (`choice_payoffs.py`) or a numeric action (`numeric_payoffs.py`). Both answer the same
questions (`payoff_base.py`).
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
    """Return the payoffs of rows.

    rows: the columns of Kpi.payoff_sql and, once outcomes are known, the treatment's column. Where actions have limits,
    also `decided_at` and, for several partitions, `_partition`. Raises PayoffError where a column is missing.
    """
    return NumericPayoffs(kpi.amount) if kpi.amount else ChoicePayoffs(kpi, rows)
