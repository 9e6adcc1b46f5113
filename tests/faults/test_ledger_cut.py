"""The champion ledger when its writer is killed, its disk is full, or somebody cuts rows off its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.operations import doctor
from sixtyforty.storage.champion_ledger import Ledger, LedgerError
from tests.sixtyforty.storage.test_champion_ledger import APRIL, judge


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    found = Ledger(tmp_path / "champion.jsonl")
    for version in "abc":
        judge(found, version)
    return found


def test_a_line_torn_off_in_the_middle_was_never_written_and_the_next_append_cuts_it_off(ledger):
    whole, rows = ledger.path.read_bytes(), ledger.rows()
    last = whole.splitlines(keepends=True)[-1]
    for cut in (1, len(last) // 2, len(last) - 1):
        ledger.path.write_bytes(whole + last[:cut])
        assert ledger.rows() == rows
        added = judge(ledger, f"d{cut}")
        assert ledger.rows() == [*rows, added]
        ledger.path.with_suffix(".head").unlink()
        ledger.path.write_bytes(whole)


def test_a_torn_line_in_the_middle_is_damage(ledger):
    lines = ledger.path.read_bytes().splitlines(keepends=True)
    ledger.path.write_bytes(lines[0] + lines[1][:50] + b"\n" + lines[2])
    with pytest.raises(LedgerError, match="row 2: "):
        ledger.rows()


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_rows_cut_off_the_end_are_missed(ledger, kept):
    lines = ledger.path.read_bytes().splitlines(keepends=True)
    ledger.path.write_bytes(b"".join(lines[:kept]))
    for use in (ledger.rows, lambda: judge(ledger, "d"), lambda: ledger.champion("replay", APRIL)):
        with pytest.raises(LedgerError, match=f"row {kept + 1}: rows were cut off the end"):
            use()


def test_a_ledger_that_is_gone_altogether_is_missed(ledger):
    ledger.path.unlink()
    with pytest.raises(LedgerError, match="cut off the end: 0 of at least 3"):
        ledger.rows()


def test_another_ledger_of_the_same_length_is_not_taken_for_it(ledger, tmp_path):
    other = Ledger(tmp_path / "other" / "champion.jsonl")
    for version in "xyz":
        judge(other, version)
    ledger.path.write_bytes(other.path.read_bytes())
    with pytest.raises(LedgerError, match=r"row 3: isn't the one champion\.head knows"):
        ledger.rows()


def test_a_writer_killed_between_row_and_head_lost_nothing(ledger, monkeypatch):
    head = ledger.path.with_suffix(".head").read_bytes()
    added = judge(ledger, "d")
    ledger.path.with_suffix(".head").write_bytes(head)  # as it was when the row had just been written
    assert ledger.rows()[-1] == added
    assert judge(ledger, "d") == added
    assert json.loads(ledger.path.with_suffix(".head").read_bytes()) == {"rows": 4, "hash": added.hash}


def test_doctor_tells_of_rows_cut_off(tmp_path, monkeypatch):
    monkeypatch.setenv("SIXTYFORTY_HOME", str(tmp_path))
    for name in ("SIXTYFORTY_PROFILE", "SIXTYFORTY_DATABASE_URL", "SIXTYFORTY_DVC_REMOTE"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "data" / "models" / "flight_delays" / "champion.jsonl"
    judge(Ledger(path), "a")
    assert "1 rows" in doctor._ledger("flight_delays")
    path.write_bytes(b"")
    (told,) = [t for t in doctor.examine() if t["thing"] == "champion ledger of flight_delays"]
    assert not told["ok"]
    assert "cut off the end" in told["found"]
    assert "champion.head" in told["cure"]
