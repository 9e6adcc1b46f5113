"""Receipts are appended in order, and a receipt that a crash cut off is removed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from sixtyforty.storage.locks import LockTimeoutError, exclusive_lock
from sixtyforty.storage.receipts import Receipts


@pytest.fixture
def receipts(tmp_path: Path) -> Receipts:
    return Receipts(tmp_path / "alerts" / "calls.jsonl")


def test_receipts_are_read_in_order_with_the_time_of_each(receipts: Receipts) -> None:
    assert receipts.rows() == []
    with receipts.lock():
        written = [receipts.append(to="owner:MAIL", why=None), receipts.append(to="owner:CHAT", why="no answer")]
    assert receipts.rows() == written
    assert all(datetime.fromisoformat(row["at"]).tzinfo is not None for row in written)


@pytest.mark.parametrize("fragment", [b"{", b'{"at":"2013', b"\xc3"])
def test_a_receipt_that_a_crash_cut_off_is_skipped_and_then_removed(receipts: Receipts, fragment: bytes) -> None:
    with receipts.lock():
        first = receipts.append(to="owner:MAIL")
    with receipts.path.open("ab") as file:
        file.write(fragment)
    if fragment != b"\xc3":
        assert receipts.rows() == [first]
    second = receipts.append(to="owner:CHAT")
    assert receipts.rows() == [first, second]


def test_only_one_sender_holds_the_lock(receipts: Receipts) -> None:
    with (
        receipts.lock(),
        pytest.raises(LockTimeoutError, match=r"send messages and append to calls\.jsonl"),
        exclusive_lock(receipts.path.with_suffix(".lock"), "try", timeout=0.1),
    ):
        pytest.fail("two senders hold the lock")
