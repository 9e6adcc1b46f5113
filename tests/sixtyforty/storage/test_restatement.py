"""A late row restates its partition, and the partitions computed from it."""

from datetime import datetime
from pathlib import Path

import pytest

from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.listed_extracts import ListedExtract, extract_facts
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.restatement import (
    changed_inputs,
    is_closed,
    lists_extracts,
    restated_by,
    validation_reason,
    was_restated,
)
from tests.helpers import make_use_case

DAY = "2013-03-05"
NOON = datetime(2013, 3, 5, 12)  # the partition is open
NEXT_WEEK = datetime(2013, 3, 12)


@pytest.fixture
def use_case(tmp_path: Path) -> UseCase:
    """Return the small use case of the test helpers, whose partitions are days."""
    return make_use_case(tmp_path)


def entry(dataset: str, sha: str = "a", **fields: object) -> Entry:
    """Return a manifest of the day with a content hash."""
    return Entry(dataset=dataset, partition=DAY, file="x.parquet", rows=1, sha256=sha, **fields)  # type: ignore[arg-type]


def verdict(raw: Entry, closed: bool) -> Entry:
    """Return the manifest that a validation of the raw partition writes."""
    return entry("validated/calls", inputs={"raw/calls": {DAY: raw.version}}, facts={"verdict": {"closed": closed}})


def test_a_partition_closes_when_its_rows_have_had_time_to_settle(use_case: UseCase) -> None:
    settled = use_case.settled_at(DAY)
    assert not is_closed(use_case, DAY, NOON)
    assert is_closed(use_case, DAY, settled)
    assert is_closed(use_case, DAY, None)
    assert is_closed(use_case, SNAPSHOT, NOON)


def test_a_raw_partition_lists_the_extracts_that_it_holds() -> None:
    extracts = [ListedExtract(name, "a", seq, 1, 0, None) for seq, name in enumerate(("a.csv", "b.csv"), 1)]
    raw = entry("raw/calls", facts=extract_facts(extracts))
    assert lists_extracts(raw, extracts)
    assert not lists_extracts(raw, extracts[::-1])
    assert not lists_extracts(raw, extracts[:1])
    assert not lists_extracts(None, extracts)
    assert lists_extracts(None, [])


def test_another_raw_version_needs_validation(use_case: UseCase) -> None:
    raw, late = entry("raw/calls"), entry("raw/calls", sha="b")
    judged = [verdict(raw, closed=True)]
    assert validation_reason(use_case, raw, [], NEXT_WEEK) == "not validated yet"
    assert validation_reason(use_case, raw, judged, NEXT_WEEK) is None
    assert validation_reason(use_case, late, judged, NEXT_WEEK) == "not validated yet"


def test_a_partition_judged_while_open_needs_validation_after_it_closes(use_case: UseCase) -> None:
    raw = entry("raw/calls")
    judged = [verdict(raw, closed=False)]
    assert validation_reason(use_case, raw, judged, NOON) is None
    assert validation_reason(use_case, raw, judged, NEXT_WEEK) == "the partition has closed since its validation"


def test_changed_inputs_are_new_replaced_and_withdrawn_partitions(use_case: UseCase) -> None:
    made_from = {"validated/calls": {"2013-03-03": "1", "2013-03-04": "1"}, "validated/visits": {"2013-03-04": "1"}}
    features = entry("features", inputs=made_from)
    in_force = {"validated/calls": {"2013-03-04": "2", DAY: "1"}, "validated/visits": {"2013-03-04": "1"}}
    assert changed_inputs(use_case, features, made_from) == []
    assert changed_inputs(use_case, features, in_force) == [
        "validated/calls 2013-03-03",
        "validated/calls 2013-03-04",
        f"validated/calls {DAY}",
    ]
    assert len(changed_inputs(use_case, None, in_force)) == 3


def test_only_a_closed_partition_with_other_rows_is_restated(use_case: UseCase) -> None:
    before = entry("features", inputs={"validated/calls": {DAY: "1"}})
    late = entry("features", sha="b", inputs={"validated/calls": {DAY: "2"}})
    assert restated_by(use_case, before, late, NEXT_WEEK) == f"validated/calls {DAY}"
    assert restated_by(use_case, before, late, NOON) is None
    assert restated_by(use_case, None, late, NEXT_WEEK) is None
    assert restated_by(use_case, before, before, NEXT_WEEK) is None
    other_code = entry("features", sha="b", inputs=before.inputs)
    assert restated_by(use_case, before, other_code, NEXT_WEEK) == "the code version changed"


def test_a_replaced_verdict_was_restated_only_if_its_partition_had_closed() -> None:
    raw, other = entry("raw/calls"), entry("validated/calls", sha="b")
    assert was_restated(verdict(raw, closed=True), other)
    assert not was_restated(verdict(raw, closed=False), other)
    assert not was_restated(verdict(raw, closed=True), None)
    assert not was_restated(raw, other)
