"""The known rules, with their required and optional arguments, are those of Great Expectations."""

from __future__ import annotations

from typing import Any

from expectations.rule_catalog import ALWAYS, ROW_RULES, RULES, TYPE_RULES, UNIQUE_RULES, list_arguments


def test_required_arguments_are_a_part_of_all_arguments() -> None:
    for rule_type in RULES:
        required, allowed = list_arguments(rule_type)
        assert set(required) <= set(allowed) and set(ALWAYS) <= set(allowed), rule_type


def test_the_rules_of_each_group_exist() -> None:
    assert RULES.keys() >= ROW_RULES | UNIQUE_RULES


def test_the_known_rules_are_those_of_great_expectations() -> None:
    import great_expectations.expectations.core  # noqa: F401  (registers them)
    from great_expectations.expectations import expectation as gx
    from great_expectations.expectations.registry import (
        get_expectation_impl,
        list_registered_expectation_implementations,
    )

    kinds = gx.ColumnMapExpectation, gx.ColumnPairMapExpectation, gx.MulticolumnMapExpectation
    own = {
        "id",
        "meta",
        "notes",
        "result_format",
        "description",
        "catch_exceptions",
        "rendered_content",
        "severity",
        "windows",
        "batch_id",
        "library_metadata",
        *ALWAYS,
    }
    registered = {}
    for name in list_registered_expectation_implementations():
        rule: Any = get_expectation_impl(name)
        if issubclass(rule, kinds) and "like_pattern" not in name:  # these need a database
            fields = {k: f for k, f in rule.__fields__.items() if k not in own}
            registered[name] = " ".join(f"{k}!" if f.required else k for k, f in fields.items())
    assert {name: fields for name, fields in registered.items() if name not in TYPE_RULES} == RULES
    assert registered.keys() >= TYPE_RULES
