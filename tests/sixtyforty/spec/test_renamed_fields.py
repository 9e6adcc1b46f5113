"""The table of renamed fields is complete and answers for one field at a time."""

from __future__ import annotations

from sixtyforty.spec.renamed_fields import RENAMED_FIELDS, renamed_field, renamed_value


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
