"""A review needs something to review, and says who decides until the reviewer has answered."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sixtyforty.spec.review import Review


def declare(**fields: Any) -> Review:
    return Review.model_validate({"reviewers": {"manager": 5}, "minutes_per_review": 3} | fields)


@pytest.mark.parametrize("fields", [{"abstain_below": 2.0}, {"rule": "expert"}])
def test_a_review_has_a_rule_or_a_threshold(fields: dict[str, Any]) -> None:
    assert declare(**fields).reviewers == {"manager": 5}


def test_a_review_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="no decision would be reviewed; declare a `rule`"):
        declare()


def test_the_current_process_decides_below_the_threshold_only_if_it_is_the_fallback() -> None:
    assert declare(abstain_below=2.0, fallback="current_process").defer_below == 2.0
    assert declare(abstain_below=2.0).defer_below == 0.0
