"""The arrivals ledger keeps each extract with its order and its partitions."""

from __future__ import annotations

from pathlib import Path

from sixtyforty.ingest.arrivals import Arrival, arrivals_for, read_arrivals, write_arrivals
from sixtyforty.ingest.listing_memory import ListedFile

FIRST = Arrival("a", "0123456789abcdef" * 4, 7, 5, 1, 3, {"2013-03-10": 3}, tag="t")
SECOND = Arrival("b", "", 0, 0, 2, 1, {"2013-03-11": 1}, problem="the file is empty", is_present=False)


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    ledger = tmp_path / "calls.json"
    assert read_arrivals(ledger) == []
    write_arrivals(ledger, [FIRST, SECOND])
    assert read_arrivals(ledger) == [FIRST, SECOND]
    write_arrivals(ledger, [SECOND])
    assert read_arrivals(ledger) == [SECOND]


def test_an_arrival_has_a_short_id_and_its_listing() -> None:
    assert FIRST.id == "0123456789abcdef"
    assert FIRST.listed_file == ListedFile("a", 7, 5, "t")


def test_the_arrivals_of_a_partition_hold_or_promise_its_rows() -> None:
    assert arrivals_for([FIRST, SECOND], ["2013-03-11", "2013-03-12"]) == [SECOND]
    assert arrivals_for([FIRST, SECOND], []) == []
