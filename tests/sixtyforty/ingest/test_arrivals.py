"""The arrivals ledger keeps each extract with its order and its partitions."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from sixtyforty.ingest import arrivals
from sixtyforty.ingest.arrivals import Arrival, arrivals_for, read_arrivals, write_arrivals
from sixtyforty.ingest.listing_memory import ListedFile

FIRST = Arrival("a", "0123456789abcdef" * 4, 7, 5, 1, 3, {"2013-03-10": 3}, tag="t")
SECOND = Arrival("b", "", 0, 0, 2, 1, {"2013-03-11": 1}, problem="the file is empty", is_present=False)


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    ledger = tmp_path / "calls.json"
    assert read_arrivals(ledger) == []
    for written in ([FIRST, SECOND], [SECOND]):
        write_arrivals(ledger, written)
        assert read_arrivals(ledger) == written
        arrivals._LEDGERS.clear()
        assert read_arrivals(ledger) == written, "from the file"


def test_a_ledger_is_parsed_only_if_another_process_has_written_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a hundred years, the ledger is large, and each run reads it after each scan."""
    ledger, parsed = tmp_path / "calls.json", list[bytes]()
    monkeypatch.setattr(arrivals, "json", SimpleNamespace(loads=lambda text: parsed.append(text) or json.loads(text)))
    write_arrivals(ledger, [FIRST])
    assert read_arrivals(ledger) == [FIRST] and not parsed
    other = tmp_path / "other.json"
    write_arrivals(other, [FIRST, SECOND])
    other.replace(ledger)
    assert read_arrivals(ledger) == read_arrivals(ledger) == [FIRST, SECOND]
    assert len(parsed) == 1


def test_an_arrival_has_a_short_id_and_its_listing() -> None:
    assert FIRST.id == "0123456789abcdef"
    assert FIRST.listed_file == ListedFile("a", 7, 5, "t")


def test_the_arrivals_of_a_partition_hold_or_promise_its_rows() -> None:
    assert arrivals_for([FIRST, SECOND], ["2013-03-11", "2013-03-12"]) == [SECOND]
    assert arrivals_for([FIRST, SECOND], []) == []
