"""Mistakes in a use case's other files, its SQL and suites, and in what isn't YAML at all."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from expectations.rule_catalog import ALWAYS, RULES
from pipelines.authoring import loader
from tests.full_declaration import FULL, RULE, SUITE, dump, write
from tests.helpers import SQL, merged
from tests.invalid_declarations import refused

# Files that can't be read as what they are


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("type: [", 1),
        ("type: x\n\tattributes: y", 2),
        ("a: b: c", 1),
        ("- a\nb", 2),
        ("", 1),
        ("text", 1),
        ("[]", 1),
        ("attributes: {}", 1),
        ("type: pipelines.component.DecisionPipeline\nattributes:\n", 2),
        ("type: x\ntype: y", 2),
        ("a: !!python/object:os.system {}", 1),
        ("a: *b", 1),
        ('a: "open', 1),
        ("a: 2013-99-99", 1),
    ],
)
def test_what_is_no_declaration_is_told(text: str, line: int, tmp_path: Path):
    place, rules = write(tmp_path)
    (place / "defs.yaml").write_text(text)
    found = refused(place, rules)
    assert found[0].file == place / "defs.yaml" and abs(found[0].line - line) <= 1 and found[0].allowed


def test_bytes_that_are_no_text_are_told(tmp_path: Path):
    place, rules = write(tmp_path)
    (place / "defs.yaml").write_bytes(b"type: \xff\xfe")
    assert "isn't YAML" in refused(place, rules)[0].message


@pytest.mark.parametrize("word", ["on", "off", "yes", "no"])
def test_words_stay_words(word: str, tmp_path: Path):
    place, rules = write(tmp_path)
    file = place / "defs.yaml"
    file.write_text(file.read_text().replace("title: Fitters in time", f"title: {word}"))
    assert loader.load_declaration(place, rules).title == word


def test_the_field_on_is_a_field(tmp_path: Path):
    place, rules = write(tmp_path, merged(FULL, {"decision": {"every_partitions": 4}}))
    file = place / "defs.yaml"
    file.write_text(file.read_text().replace("  decision:\n", "  decision:\n    on: 2013-03-05\n"))
    assert loader.load_declaration(place, rules).decision.on == date(2013, 3, 5)


# SQL


@pytest.mark.parametrize("stage", SQL)
@pytest.mark.parametrize(
    ("text", "line", "meant"),
    [
        (None, 1, ""),
        ("", 1, ""),
        ("-- only words", 1, ""),
        ("selec 1", 1, ""),
        ("select id,\nfrom (", 2, ""),
        ("select id,\n  lod\nfrom units", 2, "load"),
        ("select id\nfrom unitz", 2, "units"),
        ("select site from units", 1, ""),
        ("drop table units", 1, ""),
        ("select 1; select 2", 1, ""),
    ],
)
def test_sql_that_cannot_run_is_told_with_its_line(stage, text, line, meant, tmp_path: Path):
    place, rules = write(tmp_path)
    file = place / f"{stage}.sql"
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    found = [m for m in refused(place, rules, sql=True) if m.file == file]
    assert found and found[0].line == line, [str(m) for m in found]
    assert found[0].allowed and found[0].suggestion == meant, str(found[0])


def test_a_file_under_another_name_is_suggested(tmp_path: Path):
    place, rules = write(tmp_path)
    (place / "outcomes.sql").rename(place / "outcome.sql")
    (rules / place.name / "calls.yaml").rename(rules / place.name / "cals.yaml")
    found = {m.file.name: m.suggestion for m in refused(place, rules)}
    assert found == {"outcomes.sql": "outcome.sql", "calls.yaml": "cals.yaml"}


# Suites


SUITE_WAYS: list[tuple[dict[str, Any], str, str]] = [
    ({"abuot": "x"}, "abuot", "about"),
    ({"about": None}, "about", ""),
    ({"rows": "none"}, "rows", "[none]"),
    ({"rows": [RULE | {"type": "expect_column_values_to_not_be_nul"}]}, "rows.0.type", RULE["type"]),
    ({"rows": [RULE | {"type": "our_own_rule"}]}, "rows.0.type", ""),
    ({"rows": [RULE | {"severity": "critcal"}]}, "rows.0.severity", "critical"),
    ({"rows": [RULE | {"kwargs": {"column": "idd"}}]}, "rows.0.kwargs.column", "id"),
    ({"rows": [RULE | {"kwargs": {"colum": "id"}}]}, "rows.0.kwargs.colum", "column"),
    ({"rows": [RULE | {"kwargs": {}}]}, "rows.0.kwargs", ""),
    ({"rows": [RULE | {"at": "closed"}]}, "rows.0.at", "close"),
    ({"rows": [{k: v for k, v in RULE.items() if k != "why"}]}, "rows.0.why", ""),
    ({"rows": [RULE, RULE | {"why": "TODO"}]}, "rows.1.why", ""),
    (
        {
            "rows": [
                RULE
                | {
                    "type": "expect_column_values_to_be_in_set",
                    "kwargs": {"column": "site", "value_set": {"source": "site", "column": "site"}},
                }
            ]
        },
        "rows.0.kwargs.value_set",
        "sites",
    ),
    (
        {
            "rows": [
                RULE
                | {
                    "type": "expect_column_values_to_be_in_set",
                    "kwargs": {"column": "site", "value_set": {"source": "sites", "column": "sight"}},
                }
            ]
        },
        "rows.0.kwargs.value_set",
        "site",
    ),
    (
        {"partition": {"metrics": {"row": "count(*)"}, "rules": SUITE["partition"]["rules"]}},
        "partition.rules.0.kwargs.column",
        "row",
    ),
]


@pytest.mark.parametrize(("changes", "field", "meant"), SUITE_WAYS, ids=[w[1] for w in SUITE_WAYS])
def test_a_suite_that_is_wrong_is_told(changes, field, meant, tmp_path: Path):
    suite = {k: v for k, v in (SUITE | changes).items() if not (k == "about" and "abuot" in changes)}
    place, rules = write(tmp_path, suite=suite)
    found = [m for m in refused(place, rules) if m.file == rules / place.name / "calls.yaml"]
    assert [(m.field, m.suggestion) for m in found] == [(field, meant)], [str(m) for m in found]
    assert found[0].allowed and found[0].line > 0


def test_a_rule_on_no_feature_is_told_once_the_features_are_known(tmp_path: Path):
    place, rules = write(tmp_path)
    suite = {"description": "x", "rows": [RULE | {"kwargs": {"column": "lod"}}]}
    (rules / place.name / "features.yaml").write_text(dump(suite))
    loader.load_declaration(place, rules)
    assert [(m.field, m.suggestion) for m in refused(place, rules, sql=True)] == [("rows.0.kwargs.column", "load")]


def test_the_rules_we_know_are_great_expectations_own():
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
    found = {}
    for name in list_registered_expectation_implementations():
        rule: Any = get_expectation_impl(name)
        if issubclass(rule, kinds):
            fields = {k: f for k, f in rule.__fields__.items() if k not in own}
            found[name] = " ".join(k + "!" * bool(f.required) for k, f in fields.items())
    assert found == RULES
