"""A rule says what it expects, and hides personal data."""

from __future__ import annotations

from expectations.rules import PartitionRules, Rule, Suite, personal_names
from sixtyforty.spec.sources import Source


def test_a_rule_lists_its_columns_and_what_it_expects() -> None:
    pair = {"column_A": "clock", "column_B": "clock_expected"}
    rule = Rule(type="expect_column_pair_values_to_be_equal", severity="info", kwargs=pair, why="w")
    assert (rule.columns, rule.column) == (["clock", "clock_expected"], "clock, clock_expected")
    assert rule.expected == "clock equals clock_expected"


def test_personal_columns_and_their_values_are_masked() -> None:
    arguments = {"column": "name", "value_set": ["Ann"]}
    rule = Rule(type="expect_column_values_to_be_in_set", severity="info", kwargs=arguments, why="w")
    masked = rule.mask_personal({"name"})
    assert masked.kwargs == {"column": "(personal data)", "value_set": ["(personal data)"]}
    assert rule.mask_personal({"other"}) is rule
    unique = Rule(
        type="expect_compound_columns_to_be_unique", severity="info", kwargs={"column_list": ["id", "name"]}, why="w"
    )
    assert unique.mask_personal({"name"}).columns == ["id", "(personal data)"]


def test_what_is_computed_from_a_personal_column_is_personal() -> None:
    source = Source(
        description="x",
        files="x",
        columns={"id": "INTEGER", "name": "VARCHAR"},
        key=["id"],
        personal=["name"],
        derived={"initial": "name[1:1]", "rename": "id + 1"},
    )
    suite = Suite(description="x", partition=PartitionRules(metrics={"first_one": "min(initial)", "rows": "count(*)"}))
    assert personal_names(suite, source) == {"name", "initial", "first_one"}
