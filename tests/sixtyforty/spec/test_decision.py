"""A decision in every n-th partition needs a day that anchors it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from sixtyforty.spec.decision import Decision

DAY = date(2013, 3, 1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"every_partitions": 4}, "every_partitions: every_partitions above 1 needs a day with a decision"),
        ({"anchor_day": DAY}, "anchor_day: anchor_day is only used with every_partitions above 1"),
        ({"learn_every_partitions": 2}, "learn_every_partitions: learn_every_partitions is only used with every_"),
        (
            {"every_partitions": 4, "anchor_day": DAY, "learn_every_partitions": 3},
            r"every_partitions \(4\) must be a multiple of learn_every_partitions \(3\)",
        ),
    ],
)
def test_intervals_that_contradict_each_other_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Decision(key=["id"], decided_at="starts_at", **fields)


def test_a_divisor_is_a_valid_learning_interval() -> None:
    decision = Decision(
        key=["id"], decided_at="starts_at", every_partitions=4, anchor_day=DAY, learn_every_partitions=2
    )
    assert decision.learn_every_partitions == 2
