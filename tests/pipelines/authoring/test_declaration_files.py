"""The other files of a declaration: YAML that can't be read, suites that are wrong, and the rules we know."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipelines.authoring import loader
from tests.full_declaration import FULL, RULE, SUITE, as_yaml, write
from tests.helpers import merge
from tests.invalid_declarations import load_problems


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
def test_a_file_that_is_no_declaration_is_reported(text: str, line: int, tmp_path: Path):
    folder, rules = write(tmp_path)
    (folder / "defs.yaml").write_text(text)
    problem = load_problems(folder, rules)[0]
    assert problem.file == folder / "defs.yaml" and abs(problem.line - line) <= 1 and problem.allowed


@pytest.mark.parametrize("word", ["on", "off", "yes", "no"])
def test_the_booleans_of_old_yaml_are_text(word: str, tmp_path: Path):
    folder, rules = write(tmp_path)
    file = folder / "defs.yaml"
    file.write_text(file.read_text().replace("title: Fitters in time", f"title: {word}"))
    assert loader.load_declaration(folder, rules).title == word


def test_a_date_is_read_as_a_date(tmp_path: Path):
    changes = {"decision": {"every_partitions": 4, "anchor_day": date(2013, 3, 5)}}
    folder, rules = write(tmp_path, merge(FULL, changes))
    assert loader.load_declaration(folder, rules).decision.anchor_day == date(2013, 3, 5)


SUITE_MUTATIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"descripton": "x"}, "descripton", "description"),
    ({"description": None}, "description", ""),
    ({"rows": "none"}, "rows", "[none]"),
    ({"rows": [RULE | {"type": "expect_column_values_to_not_be_nul"}]}, "rows.0.type", RULE["type"]),
    ({"rows": [RULE | {"type": "our_own_rule"}]}, "rows.0.type", ""),
    ({"rows": [RULE | {"severity": "critcal"}]}, "rows.0.severity", "critical"),
    ({"rows": [RULE | {"kwargs": {"column": "idd"}}]}, "rows.0.kwargs.column", "id"),
    ({"rows": [RULE | {"kwargs": {"colum": "id"}}]}, "rows.0.kwargs.colum", "column"),
    ({"rows": [RULE | {"kwargs": {}}]}, "rows.0.kwargs", ""),
    ({"rows": [RULE | {"applies": "after_closing"}]}, "rows.0.applies", "after_close"),
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


@pytest.mark.parametrize(("changes", "field", "meant"), SUITE_MUTATIONS, ids=[row[1] for row in SUITE_MUTATIONS])
def test_a_wrong_suite_is_reported_with_what_was_meant(changes, field, meant, tmp_path: Path):
    suite = SUITE | changes
    if "descripton" in changes:
        del suite["description"]
    folder, rules = write(tmp_path, suite=suite)
    problems = [p for p in load_problems(folder, rules) if p.file == rules / folder.name / "calls.yaml"]
    assert [(p.field, p.suggestion) for p in problems] == [(field, meant)], [str(p) for p in problems]
    assert problems[0].allowed and problems[0].line > 0


def test_a_rule_on_an_unknown_feature_is_reported_if_sql_is_checked(tmp_path: Path):
    folder, rules = write(tmp_path)
    suite = {"description": "x", "rows": [RULE | {"kwargs": {"column": "lod"}}]}
    (rules / folder.name / "features.yaml").write_text(as_yaml(suite))
    loader.load_declaration(folder, rules)
    problems = load_problems(folder, rules, sql=True)
    assert [(p.field, p.suggestion) for p in problems] == [("rows.0.kwargs.column", "load")]
