"""A holdout and a treatment have shares between 0 and 1."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sixtyforty.spec.experiments import Holdout, Treatment


@pytest.mark.parametrize("share", [0, 1, -0.1])
def test_the_share_of_a_holdout_is_between_0_and_1(share: float) -> None:
    with pytest.raises(ValidationError, match="share"):
        Holdout(share=share, value_per_outcome=1)


def test_each_action_of_a_treatment_has_a_share_above_0() -> None:
    with pytest.raises(ValidationError, match=r"shares\.act"):
        Treatment(column="got", shares={"act": 0, "wait": 0.5}, value_per_outcome=1)
