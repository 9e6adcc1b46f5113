"""The part of a use case that decisions depend on answers questions about its sources, units and partitions."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tests.helpers import RESPONSES, SITES, make_use_case


def test_sources_are_partitioned_or_snapshots_and_responses_are_no_input(tmp_path: Path) -> None:
    sources = {"sites": SITES, "responses": RESPONSES}
    use_case = make_use_case(tmp_path, sources=sources, people={"responses": "responses", "unanswered": "done"})
    assert list(use_case.partitioned) == ["calls", "visits"]
    assert list(use_case.snapshots) == ["sites"]
    assert list(use_case.inputs) == ["calls", "visits", "sites"]


def test_unit_columns_are_those_of_the_unit_source_or_of_all_inputs(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path)
    assert list(use_case.unit_columns) == ["id", "site", "call_hour", "load"]
    use_case = make_use_case(tmp_path, decision={"unit_source": None})
    assert set(use_case.unit_columns) == {"id", "site", "call_hour", "load", "seen_at", "late"}
    assert use_case.outcome_window == (3, 1)


def test_a_decision_in_every_fourth_week_has_units_after_a_complete_lookback(tmp_path: Path) -> None:
    use_case = make_use_case(
        tmp_path,
        partitions={"every": "week", "start": "2013-03-03", "end": "2013-12-28"},
        decision={"unit_source": None, "every_partitions": 4, "anchor_day": "2013-03-31", "learn_every_partitions": 2},
    )
    weeks = use_case.partition_range("2013-03-03", "2013-05-05")
    assert use_case.decision_partitions(weeks) == ["2013-03-03", "2013-03-31", "2013-04-28"]
    assert use_case.partitions_with_units(weeks) == ["2013-03-31", "2013-04-14", "2013-04-28"]


def test_a_partition_settles_after_its_end(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path, governance={"settle_minutes": 30})
    assert use_case.settled_at("2013-07-01") == datetime(2013, 7, 2, 4, 30)
