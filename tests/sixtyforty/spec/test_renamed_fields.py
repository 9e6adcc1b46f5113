"""The table of renamed fields is complete and answers for one field at a time."""

from __future__ import annotations

import re
from pathlib import Path

from sixtyforty.spec.renamed_fields import (
    RENAMED_FIELDS,
    RENAMED_FILES,
    RENAMED_SQL,
    RENAMED_VALUES,
    renamed_field,
    renamed_value,
)

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "renamed.md"


def test_a_renamed_field_has_its_new_name_and_another_field_has_none() -> None:
    assert renamed_field("Kpi", "outcome_kind") == "outcome_type"
    assert renamed_field("Kpi", "outcome") == ""
    assert renamed_field("Nothing", "outcome_kind") == ""


def test_a_renamed_value_has_its_new_name_and_another_value_has_none() -> None:
    assert renamed_value("Kpi", "outcome_type", "yes_no") == "binary"
    assert renamed_value("Kpi", "outcome_type", "number") == ""
    assert renamed_value("Kpi", "outcome_type", ["yes_no"]) == ""


def test_a_new_name_is_not_an_old_name_of_the_same_model() -> None:
    for model, names in RENAMED_FIELDS.items():
        assert not set(names) & set(names.values()), model


def test_the_page_of_renamed_names_lists_every_pair() -> None:
    rows = [re.findall(r"`([^`]+)`", line) for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    pairs = {(cells[0].rpartition(".")[2], cells[1]) for cells in rows}
    pairs |= {(cells[0], cells[1]) for cells in rows}
    tables = [*RENAMED_FIELDS.values(), RENAMED_FILES, RENAMED_SQL]
    assert {pair for table in tables for pair in table.items()} <= pairs


def test_the_page_of_renamed_names_lists_every_value() -> None:
    rows = [re.findall(r"`([^`]+)`", line) for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    listed = {(cells[0].rpartition(".")[2], *cells[1:3]) for cells in rows}
    for (_, field), values in RENAMED_VALUES.items():
        for old_value, new_value in values.items():
            assert (field, old_value, new_value) in listed
