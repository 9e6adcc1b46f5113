"""Between two scans, the memory keeps the position and the files that the ledger doesn't hold."""

from __future__ import annotations

from pathlib import Path

from sixtyforty.ingest.listing_memory import ListedFile, ListingMemory

KNOWN = [ListedFile("a.csv", 1, 1), ListedFile("b.csv", 1, 1)]
UNREADABLE = ListedFile("b.csv", 2, 2)  # changed since it was known
UNFINISHED = ListedFile("c.csv", 3, 3)


def test_a_first_scan_knows_the_files_of_the_ledger(tmp_path: Path) -> None:
    state = ListingMemory(tmp_path / "calls.json", KNOWN, is_partial=True).state("*.csv")
    assert list(state.files.values()) == KNOWN
    assert (state.position, state.is_partial) == (None, True)


def test_the_next_scan_continues_with_the_files_that_the_ledger_does_not_hold(tmp_path: Path) -> None:
    memory = ListingMemory(tmp_path / "calls.json", KNOWN, is_partial=True)
    state = memory.state("*.csv")
    state.files = {file.name: file for file in (KNOWN[0], UNREADABLE, UNFINISHED)}
    state.position, state.last_key = "b.csv", "c.csv"
    memory.save(KNOWN)
    restored = ListingMemory(tmp_path / "calls.json", KNOWN, is_partial=False).state("*.csv")
    assert restored.files == {"a.csv": KNOWN[0], "b.csv": UNREADABLE, "c.csv": UNFINISHED}
    assert (restored.position, restored.last_key, restored.is_partial) == ("b.csv", "c.csv", False)


def test_known_files_have_their_markers_and_others_are_stored(tmp_path: Path) -> None:
    memory = ListingMemory(tmp_path / "calls.json", KNOWN, is_partial=True)
    state = memory.marker_state("*.csv.done", ".done")
    assert set(state.files) == {"a.csv.done", "b.csv.done"}
    state.files["c.csv.done"] = ListedFile("c.csv.done", 0, 9)
    memory.save(KNOWN, ".done")
    assert b"c.csv.done" in (tmp_path / "calls.json").read_bytes()
    assert b"a.csv.done" not in (tmp_path / "calls.json").read_bytes()


def test_nothing_is_written_without_a_listing_in_parts_or_without_a_change(tmp_path: Path) -> None:
    ListingMemory(tmp_path / "calls.json", KNOWN, is_partial=True).save(KNOWN)
    assert not (tmp_path / "calls.json").exists()
    memory = ListingMemory(tmp_path / "calls.json", KNOWN, is_partial=True)
    memory.state("*.csv").position = ""
    memory.save(KNOWN)
    written = (tmp_path / "calls.json").stat().st_mtime_ns
    again = ListingMemory(tmp_path / "calls.json", KNOWN, is_partial=True)
    again.state("*.csv")
    again.save(KNOWN)
    assert (tmp_path / "calls.json").stat().st_mtime_ns == written
