"""A table's rows become dataclass instances, and an instance becomes JSON with the columns of the table again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sixtyforty.decisions.decision_records import record_to_dict, records_from_rows


@dataclass(frozen=True)
class Taken:
    decision_id: str
    unit: Mapping[str, object]
    action: str


def test_columns_that_are_no_field_belong_to_the_unit_whatever_their_order() -> None:
    first, second = records_from_rows(
        Taken, ["action", "site", "decision_id", "call"], [("act", "north", "a", 1), ("wait", "south", "b", 2)]
    )
    assert first == Taken("a", {"site": "north", "call": 1}, "act")
    assert second == Taken("b", {"site": "south", "call": 2}, "wait")
    assert records_from_rows(Taken, ["decision_id", "call", "action"], []) == []


def test_a_key_column_may_be_named_unit() -> None:
    (taken,) = records_from_rows(Taken, ["decision_id", "unit", "action"], [("a", 7, "act")])
    assert taken == Taken("a", {"unit": 7}, "act")
    assert record_to_dict(taken) == {"decision_id": "a", "unit": 7, "action": "act"}


def test_the_json_has_the_key_columns_in_place_of_the_unit() -> None:
    columns = record_to_dict(Taken("a", {"site": "north", "call": 1}, "act"))
    assert list(columns.items()) == [("decision_id", "a"), ("site", "north"), ("call", 1), ("action", "act")]
