"""A verdict states its figures so that they agree with its decision."""

from __future__ import annotations

import pytest

from expectations.judgement import different_percentages


@pytest.mark.parametrize(
    ("share", "other", "texts"),
    [
        (1.0, 0.1, ("100%", "10%")),
        (21 / 200, 0.1, ("10.5%", "10.0%")),
        (0.1004, 0.1, ("10.04%", "10.00%")),
        (1.0, 0.999, ("100.0%", "99.9%")),
        (100_001 / 1_000_000, 0.1, ("10.0001%", "10.0000%")),
    ],
)
def test_shares_that_differ_have_different_texts(share: float, other: float, texts: tuple[str, str]) -> None:
    assert different_percentages(share, other) == texts
