"""The champion ledger when its writer is killed, its disk is full, or somebody cuts rows off its end."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest

from pipelines.operations import doctor
from sixtyforty.storage.champion_ledger import ChampionLedger
from sixtyforty.storage.hash_chain import LedgerError
from tests.faults.worker import start_process, wait_for_exit
from tests.sixtyforty.storage.test_champion_ledger import APRIL, judge

DISK_FULL = 7


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a ledger with three rows."""
    for version in "abc":
        judge(ChampionLedger(tmp_path / "champion.jsonl"), version)
    return tmp_path / "champion.jsonl"


def test_an_incomplete_last_line_counts_as_never_written_and_the_next_append_removes_it(path: Path) -> None:
    ledger, content = ChampionLedger(path), path.read_bytes()
    rows, last = ledger.rows(), content.splitlines(keepends=True)[-1]
    for length in (1, len(last) // 2, len(last) - 1):
        path.write_bytes(content + last[:length])
        assert ledger.rows() == rows
        added = judge(ledger, f"d{length}")
        assert ledger.rows() == [*rows, added]
        path.with_suffix(".head").unlink()
        path.write_bytes(content)


def test_an_incomplete_line_in_the_middle_is_damage(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:50] + b"\n" + lines[2])
    with pytest.raises(LedgerError, match="row 2: "):
        ChampionLedger(path).rows()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_rows_that_were_cut_off_the_end_are_missed(path: Path, count: int) -> None:
    ledger = ChampionLedger(path)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:count]))
    for use in (ledger.rows, lambda: judge(ledger, "d"), lambda: ledger.champion_at("replay", APRIL)):
        with pytest.raises(LedgerError, match=f"row {count + 1}: rows are missing at the end"):
            use()


def test_a_deleted_ledger_is_missed(path: Path) -> None:
    path.unlink()
    with pytest.raises(LedgerError, match="the file holds 0 of at least 3 rows"):
        ChampionLedger(path).rows()


def test_another_ledger_of_the_same_length_is_refused(path: Path, tmp_path: Path) -> None:
    other = ChampionLedger(tmp_path / "other" / "champion.jsonl")
    for version in "xyz":
        judge(other, version)
    path.write_bytes(other.path.read_bytes())
    with pytest.raises(LedgerError, match=r"row 3: the hash of the row differs from the hash in champion\.head"):
        ChampionLedger(path).rows()


def test_a_writer_killed_between_row_and_head_loses_nothing(path: Path) -> None:
    ledger, head = ChampionLedger(path), path.with_suffix(".head")
    old_head = head.read_bytes()
    added = judge(ledger, "d")
    head.write_bytes(old_head)
    assert ledger.rows()[-1] == added
    assert judge(ledger, "d") == added
    assert json.loads(head.read_bytes()) == {"rows": 4, "hash": added.hash}


def _judge_on_a_small_disk(path: Path, limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        judge(ChampionLedger(path), "b", reasons=["A long reason. " * 100])
    except OSError:
        os._exit(DISK_FULL)


def test_a_full_disk_leaves_the_rows_unchanged_and_with_room_the_next_row_is_written(tmp_path: Path) -> None:
    path = tmp_path / "champion.jsonl"
    first = judge(ChampionLedger(path), "a")
    content = path.read_bytes()
    limit = len(content) + 100  # too small for the next row
    assert wait_for_exit(start_process(_judge_on_a_small_disk, path, limit)) == DISK_FULL
    assert path.read_bytes() == content
    assert ChampionLedger(path).rows() == [first]
    assert not list(tmp_path.glob(".writing-*"))
    assert wait_for_exit(start_process(_judge_on_a_small_disk, path, 100_000)) == 0
    assert [row.version for row in ChampionLedger(path).rows()] == ["a", "b"]


def test_the_doctor_reports_rows_that_were_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIXTYFORTY_HOME", str(tmp_path))
    for name in ("SIXTYFORTY_PROFILE", "SIXTYFORTY_DATABASE_URL", "SIXTYFORTY_DVC_REMOTE"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "data" / "models" / "flight_delays" / "champion.jsonl"
    judge(ChampionLedger(path), "a")
    path.write_bytes(b"")
    (check,) = [check for check in doctor.examine() if check.thing == "verification of flight_delays"]
    assert not check.ok
    assert "missing at the end" in check.found
    assert "champion.head" in f"{check.found} {check.cure}"
