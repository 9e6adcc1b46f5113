"""Each ledger row has an anchor in the database, whatever a writer's death leaves behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from sixtyforty.storage.ledger_anchors import Anchor, LedgerAnchors, LedgerError, delete_anchors, find_anchor_problems


@dataclass(frozen=True)
class Row:
    """A ledger row, as far as anchors know it."""

    seq: int
    hash: str


ROWS = [Row(1, "aa"), Row(2, "bb"), Row(3, "cc")]


def test_reading_creates_no_database(anchors: LedgerAnchors, tmp_path: Path) -> None:
    assert anchors.read() == {}
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.e2e)])
def anchors(request: pytest.FixtureRequest, tmp_path: Path) -> LedgerAnchors:
    url = f"sqlite:///{tmp_path / 'new' / 'deliveries.db'}"
    return LedgerAnchors(request.getfixturevalue("postgres").database() if request.param != "sqlite" else url, "calls")


def record(anchors: LedgerAnchors, rows: list[Row]) -> None:
    for count in range(1, len(rows) + 1):
        with anchors.record("notes.jsonl", rows[:count]):
            pass


def test_each_row_is_recorded_for_its_use_case_and_ledger(anchors: LedgerAnchors) -> None:
    record(anchors, ROWS[:2])
    assert anchors.read() == {"notes.jsonl": [Anchor(1, "aa", True), Anchor(2, "bb", True)]}
    assert LedgerAnchors(anchors.database_url, "visits").read() == {}
    delete_anchors(anchors.database_url, "calls")
    assert anchors.read() == {}


def test_a_writer_killed_before_the_row_was_written_leaves_an_anchor_that_the_next_row_replaces(
    anchors: LedgerAnchors,
) -> None:
    record(anchors, ROWS[:1])
    with pytest.raises(KeyboardInterrupt), anchors.record("notes.jsonl", ROWS[:2]):
        raise KeyboardInterrupt
    assert find_anchor_problems("notes.jsonl", ROWS[:1], anchors.read()["notes.jsonl"]) == []
    other = Row(2, "dd")
    with anchors.record("notes.jsonl", [ROWS[0], other]):
        pass
    assert anchors.read()["notes.jsonl"] == [Anchor(1, "aa", True), Anchor(2, "dd", True)]


def test_nothing_is_recorded_after_a_row_that_was_changed_cut_or_forged(anchors: LedgerAnchors) -> None:
    record(anchors, ROWS[:2])
    for rows, problem in (
        ([Row(1, "xx"), *ROWS[1:]], "row 1 of notes.jsonl differs from its anchor in the database"),
        ([ROWS[0], Row(2, "zz")], "row 2 of notes.jsonl is missing"),
        ([*ROWS, Row(4, "ee")], "row 3 of notes.jsonl has no anchor"),
    ):
        with pytest.raises(LedgerError, match=problem), anchors.record("notes.jsonl", rows):
            raise AssertionError


def test_several_processes_may_write_the_first_rows_of_a_home_at_once(anchors: LedgerAnchors) -> None:
    def first_row(number: int) -> None:
        record(LedgerAnchors(anchors.database_url, f"calls_{number}"), ROWS[:1])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(first_row, range(6)))
    assert all(LedgerAnchors(anchors.database_url, f"calls_{number}").read() for number in range(6))


def test_rows_of_an_early_release_need_no_anchor() -> None:
    assert find_anchor_problems("notes.jsonl", ROWS, []) == []
    assert find_anchor_problems("notes.jsonl", ROWS, [Anchor(3, "cc", True)]) == []
