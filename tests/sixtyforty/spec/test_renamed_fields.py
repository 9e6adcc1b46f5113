"""The table of renamed fields is complete and answers for one field at a time."""

from __future__ import annotations

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
    rows = [line.split("|") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    listed = {
        (names[0], names[1]) for cells in rows if (names := [cell.split("`")[1] for cell in cells if "`" in cell])[1:]
    }
    fields = {(old.rpartition(".")[2], new) for old, new in listed}
    for tables in (RENAMED_FIELDS.values(), [RENAMED_FILES, RENAMED_SQL]):
        for old, new in (pair for names in tables for pair in names.items()):
            assert (old.rpartition(".")[2], new) in fields, f"{old} -> {new}"
    for (_, field), names in RENAMED_VALUES.items():
        for old, new in names.items():
            assert any(
                {field, old, new} <= {c.split("`")[1].rpartition(".")[2] for c in cells if "`" in c} for cells in rows
            )
