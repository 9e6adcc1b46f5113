"""A suite is read from its file, and an error names the file."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from expectations import suites
from expectations.rules import Suite
from sixtyforty.spec.errors import DeclarationError


def write_suite(tmp_path, monkeypatch, **changes: Any) -> Suite:
    rule = {"type": "expect_column_values_to_not_be_null", "severity": "info", "kwargs": {"column": "a"}, "why": "w"}
    suite = {"description": "a test", "rows": [rule], "partition": {"metrics": {"n": "count(*)"}, "rules": [rule]}}
    for path, replacement in changes.items():
        target = suite
        *path, last = path.split("__")
        for step in path:
            target = target[int(step) if step.isdigit() else step]
        target[last] = replacement
    (tmp_path / "a_use_case").mkdir()
    (tmp_path / "a_use_case" / "a_source.yaml").write_text(yaml.safe_dump(suite))
    monkeypatch.setattr(suites, "HERE", tmp_path)
    return suites.load_suite("a_use_case", "a_source")


def test_a_valid_suite_loads(tmp_path, monkeypatch):
    suite = write_suite(tmp_path, monkeypatch)
    assert [(r.type, r.severity, r.applies) for r in suite.rows] == [
        ("expect_column_values_to_not_be_null", "info", "always")
    ]


@pytest.mark.parametrize(
    ("path", "replacement"),
    [
        ("abuot", "x"),
        ("rows__0__severty", "info"),
        ("partition__metric", {}),
        ("partition__rules__0__when", "close"),
        ("rows__0__severity", "fatal"),
        ("rows__0__applies", "noon"),
    ],
)
def test_an_unknown_field_or_word_is_an_error(path, replacement, tmp_path, monkeypatch):
    with pytest.raises(DeclarationError, match=path.split("__")[-1]):
        write_suite(tmp_path, monkeypatch, **{path: replacement})


def test_a_rule_needs_the_meaning_of_its_failure(tmp_path, monkeypatch):
    with pytest.raises(DeclarationError, match="why"):
        write_suite(tmp_path, monkeypatch, rows=[{"type": "t", "severity": "info", "kwargs": {}}])


def test_a_missing_suite_is_an_error_with_its_file():
    with pytest.raises(FileNotFoundError, match=r"nothing\.yaml"):
        suites.load_suite("flight_delays", "nothing")


def test_yes_and_no_are_words_in_a_suite(tmp_path, monkeypatch):
    rule = "{type: t, severity: info, why: w, kwargs: {column: on, value_set: [no, yes, true]}}"
    (tmp_path / "a_use_case").mkdir()
    (tmp_path / "a_use_case" / "a_source.yaml").write_text(f"description: a test\nrows:\n- {rule}\n")
    monkeypatch.setattr(suites, "HERE", tmp_path)
    assert suites.load_suite("a_use_case", "a_source").rows[0].kwargs == {
        "column": "on",
        "value_set": ["no", "yes", True],
    }


def test_a_suite_is_parsed_again_only_when_it_changes(tmp_path, monkeypatch):
    before = write_suite(tmp_path, monkeypatch)
    assert suites.load_suite("a_use_case", "a_source") is before
    file = tmp_path / "a_use_case" / "a_source.yaml"
    file.write_text(file.read_text().replace("a test", "another test"))
    assert suites.load_suite("a_use_case", "a_source").description == "another test"


def test_the_flights_have_many_rules_of_each_severity():
    """On flights, by which people live: the timetable and what happened."""
    flight_suites = [suites.load_suite("flight_delays", source) for source in ("timetable", "movements")]
    rules = [r for suite in flight_suites for r in [*suite.rows, *suite.partition.rules]]
    assert len(rules) >= 40
    assert {r.severity for r in rules} == {"critical", "warning", "info"}
    assert {r.applies for r in rules} == {"always", "after_close"}
