"""A KPI's kind of action decides which payoffs are built; both kinds follow the same interface."""

from __future__ import annotations

import pandas as pd
import pytest

from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.choice_payoffs import ChoicePayoffs
from sixtyforty.value.numeric_payoffs import NumericPayoffs
from sixtyforty.value.payoffs import build_payoffs
from tests.sixtyforty.value.kpis import EXPERIMENT, STAFF, TWO


@pytest.mark.parametrize(("kpi", "kind"), [(TWO, ChoicePayoffs), (EXPERIMENT, ChoicePayoffs), (STAFF, NumericPayoffs)])
def test_named_and_numeric_actions_have_their_own_payoffs(kpi: Kpi, kind: type) -> None:
    assert isinstance(build_payoffs(kpi, pd.DataFrame(index=range(2))), kind)
