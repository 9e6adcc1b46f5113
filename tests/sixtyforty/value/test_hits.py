"""Hits, misses, false alarms and correct idles: scikit-learn computes the same from the units."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.hits import HitCounts, compare_hits, compare_segments
from tests.sixtyforty.value.kpis import EXPERIMENT, STAFF, THREE
from tests.sixtyforty.value.test_unit_sums import BY_FARE, make_units, sum_partition


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 100))
def test_the_counts_are_those_of_scikit_learn(seed: int, count: int) -> None:
    units = make_units(THREE, count, seed)
    hits = compare_hits(THREE, sum_partition(THREE, units).payoffs)
    assert hits is not None
    for column, counts in (("action", hits.taken), ("current_action", hits.current)):
        needed, acted = units["outcome"] == 1, units[column] != "wait"
        (idles, alarms), (misses, taken) = confusion_matrix(needed, acted, labels=[False, True])
        assert counts == HitCounts(taken, misses, alarms, idles)
        assert (counts.precision or 0.0) == pytest.approx(precision_score(needed, acted, zero_division=0))
        assert (counts.recall or 0.0) == pytest.approx(recall_score(needed, acted, zero_division=0))


def test_segments_add_up_to_the_total_and_have_the_recall_of_scikit_learn() -> None:
    units = make_units(BY_FARE, 300)
    sums = sum_partition(BY_FARE, units)
    segments, hits = compare_segments(sums.segments), compare_hits(BY_FARE, sums.payoffs)
    assert hits is not None
    assert [(s.column, s.name) for s in segments] == [("site", "north"), ("site", "south")]
    for segment in segments:
        rows = units[units["site"] == segment.name]
        assert segment.taken.recall == pytest.approx(recall_score(rows["outcome"] == 1, rows["action"] == "act"))
        acted = rows["current_action"] == "act"
        assert segment.current.recall == pytest.approx(recall_score(rows["outcome"] == 1, acted))
    totals = np.sum([list(vars(segment.taken).values()) for segment in segments], axis=0)
    assert totals.tolist() == list(vars(hits.taken).values())


def test_without_actions_or_needs_the_shares_are_unknown() -> None:
    counts = HitCounts(0, 0, 0, 5)
    assert (counts.precision, counts.recall) == (None, None)
    assert counts.to_dict() == {
        **{"hits": 0, "misses": 0, "false_alarms": 0, "correct_idles": 5},
        **{"precision": None, "recall": None},
    }


@pytest.mark.parametrize("kpi", [STAFF, EXPERIMENT])
def test_an_outcome_that_depends_on_the_action_has_no_hits(kpi: Kpi) -> None:
    assert compare_hits(kpi, sum_partition(kpi, make_units(kpi, 20)).payoffs) is None
