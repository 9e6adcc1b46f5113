"""Suites as written: what they may say, and that Great Expectations runs every word of it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
import yaml

from expectations import suites
from expectations.gx_runner import RuleError, build_suite, find_failing_rows
from expectations.suites import Rule
from pipelines.authoring import catalog
from sixtyforty.spec.errors import DeclarationError

BETWEEN = {"column": "temp", "min_value": 0, "max_value": 10}


def rule(type: str = "expect_column_values_to_be_between", severity: str = "critical", **kwargs: Any) -> Rule:
    return Rule(type=type, severity=severity, kwargs=kwargs or BETWEEN, why="for the test")


def written(tmp_path, monkeypatch, **changes: Any) -> suites.Suite:
    one = {"type": "expect_column_values_to_not_be_null", "severity": "info", "kwargs": {"column": "a"}, "why": "w"}
    suite = {"description": "a test", "rows": [one], "partition": {"metrics": {"n": "count(*)"}, "rules": [one]}}
    for where, value in changes.items():
        at = suite
        *path, last = where.split("__")
        for step in path:
            at = at[int(step) if step.isdigit() else step]
        at[last] = value
    (tmp_path / "a_use_case").mkdir()
    (tmp_path / "a_use_case" / "a_source.yaml").write_text(yaml.safe_dump(suite))
    monkeypatch.setattr(suites, "HERE", tmp_path)
    return suites.load_suite("a_use_case", "a_source")


def test_a_sound_suite_loads(tmp_path, monkeypatch):
    suite = written(tmp_path, monkeypatch)
    assert [(r.type, r.severity, r.applies) for r in suite.rows] == [
        ("expect_column_values_to_not_be_null", "info", "always")
    ]


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("abuot", "x"),
        ("rows__0__severty", "info"),
        ("partition__metric", {}),
        ("partition__rules__0__when", "close"),
        ("rows__0__severity", "fatal"),
        ("rows__0__applies", "noon"),
    ],
)
def test_an_unknown_word_is_refused(where, value, tmp_path, monkeypatch):
    with pytest.raises(DeclarationError, match=where.split("__")[-1]):
        written(tmp_path, monkeypatch, **{where: value})


def test_a_rule_must_say_what_its_failure_means(tmp_path, monkeypatch):
    with pytest.raises(DeclarationError, match="why"):
        written(tmp_path, monkeypatch, rows=[{"type": "t", "severity": "info", "kwargs": {}}])


def test_a_source_without_a_suite_is_named():
    with pytest.raises(FileNotFoundError, match=r"nothing\.yaml"):
        suites.load_suite("flight_delays", "nothing")


def test_a_suites_words_are_those_of_its_declaration(tmp_path, monkeypatch):
    rule = "{type: t, severity: info, why: w, kwargs: {column: on, value_set: [no, yes, true]}}"
    (tmp_path / "a_use_case").mkdir()
    (tmp_path / "a_use_case" / "a_source.yaml").write_text(f"description: a test\nrows:\n- {rule}\n")
    monkeypatch.setattr(suites, "HERE", tmp_path)
    assert suites.load_suite("a_use_case", "a_source").rows[0].kwargs == {"column": "on", "value_set": ["no", "yes", True]}


def test_a_suite_is_read_again_only_when_it_changed(tmp_path, monkeypatch):
    before = written(tmp_path, monkeypatch)
    assert suites.load_suite("a_use_case", "a_source") is before
    file = tmp_path / "a_use_case" / "a_source.yaml"
    file.write_text(file.read_text().replace("a test", "another test"))
    assert suites.load_suite("a_use_case", "a_source").description == "another test"


EVERY = [(name, source) for name in catalog.list_use_cases() for source in (*catalog.load_use_case(name).sources, "features")]


@pytest.mark.parametrize(("use_case", "source"), EVERY)
def test_great_expectations_takes_every_rule(use_case, source):
    suite = suites.load_suite(use_case, source)
    for name, rules in (("rows", suite.rows), ("partition", suite.partition.rules)):
        plain = [r for r in rules if not isinstance(r.kwargs.get("value_set"), dict)]
        assert len(build_suite(name, plain).expectations) == len(plain)
    assert all(r.kwargs["column"] in suite.partition.metrics for r in suite.partition.rules)


def test_the_flights_have_twenty_rules_and_more_of_each_severity():
    """On flights, by which people live: the timetable and what happened."""
    found = [suites.load_suite("flight_delays", source) for source in ("timetable", "movements")]
    rules = [r for suite in found for r in [*suite.rows, *suite.partition.rules]]
    assert len(rules) >= 40
    assert {r.severity for r in rules} == {"critical", "warning", "info"}
    assert {r.applies for r in rules} == {"always", "after_close"}


@pytest.mark.parametrize("severity", ["critical", "warning", "info"])
def test_a_misspelt_type_is_refused(severity):
    rules = [rule(), rule("expect_colunm_values_to_be_between", severity)]
    with pytest.raises(RuleError, match="expect_colunm_values_to_be_between"):
        build_suite("weather", rules)


def test_misspelt_arguments_are_refused():
    with pytest.raises((RuleError, ValueError)):
        build_suite("weather", [rule(column="temp", minimum=0)])


FRAME = pd.DataFrame({"temp": [5.0, 50.0, None, -1.0], "origin": ["JFK", "LGA", "EWR", "JFK"]})


def test_rows_that_break_a_rule_are_found_by_position():
    unique = rule("expect_column_values_to_be_unique", column="origin")
    there = rule("expect_column_values_to_not_be_null", column="temp")
    assert find_failing_rows("weather", FRAME, [rule(), unique, there]) == [[1, 3], [0, 3], [2]]


@pytest.mark.parametrize("severity", ["critical", "warning", "info"])
def test_a_rule_about_a_missing_column_is_no_pass(severity):
    with pytest.raises(RuleError, match="windspeed"):
        find_failing_rows("weather", FRAME, [rule(), rule(severity=severity, column="windspeed", min_value=0)])


def test_a_rule_that_is_not_about_rows_is_refused():
    with pytest.raises(RuleError, match="doesn't check single rows"):
        find_failing_rows("weather", FRAME, [rule("expect_column_mean_to_be_between", column="temp", min_value=100)])


def test_a_rule_about_the_table_is_refused():
    with pytest.raises(RuleError, match="doesn't check single rows"):
        find_failing_rows("weather", FRAME, [rule("expect_table_row_count_to_equal", value=3)])


def test_the_switch_from_rows_to_metrics_is_the_cure():
    metrics = pd.DataFrame({"mean_temp": [4.0, 400.0]})
    assert find_failing_rows("weather", metrics, [rule(column="mean_temp", max_value=100)]) == [[1]]
