"""Receipts are appended in order, and a receipt that a crash cut off is removed."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from sixtyforty.storage.locks import LockTimeoutError, exclusive_lock
from sixtyforty.storage.receipts import Receipt, Receipts


@dataclass(frozen=True, kw_only=True)
class Sent(Receipt):
    """A receipt of a test."""

    to: str
    why: str | None = None


@pytest.fixture
def receipts(tmp_path: Path) -> Receipts[Sent]:
    return Receipts(tmp_path / "alerts" / "calls.jsonl", Sent)


def test_receipts_are_read_in_order_with_the_time_of_each(receipts: Receipts[Sent]) -> None:
    assert receipts.rows() == []
    with receipts.lock():
        written = [receipts.append(Sent(to="owner:MAIL")), receipts.append(Sent(to="owner:CHAT", why="no answer"))]
    assert receipts.rows() == written
    assert all(datetime.fromisoformat(row.at).tzinfo is not None for row in written)
    assert receipts.path.read_text().splitlines()[0] == f'{{"at":"{written[0].at}","to":"owner:MAIL","why":null}}'


@pytest.mark.parametrize("fragment", [b"{", b'{"at":"2013', b"\xc3"])
def test_a_receipt_that_a_crash_cut_off_is_skipped_and_then_removed(receipts: Receipts[Sent], fragment: bytes) -> None:
    with receipts.lock():
        first = receipts.append(Sent(to="owner:MAIL"))
    with receipts.path.open("ab") as file:
        file.write(fragment)
    if fragment != b"\xc3":
        assert receipts.rows() == [first]
    second = receipts.append(Sent(to="owner:CHAT"))
    assert receipts.rows() == [first, second]


def test_only_one_sender_holds_the_lock(receipts: Receipts[Sent]) -> None:
    with (
        receipts.lock(),
        pytest.raises(LockTimeoutError, match=r"send messages and append to calls\.jsonl"),
        exclusive_lock(receipts.path.with_suffix(".lock"), "try", timeout=0.1),
    ):
        pytest.fail("two senders hold the lock")


def test_receipts_that_cannot_be_written_are_remembered_and_written_later(
    receipts: Receipts[Sent], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, the watch ended on a full disk: after it had sent a message, and without a record of it."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Receipts, "_write", fail)
        patch.setattr("sixtyforty.storage.receipts.exclusive_lock", fail)
        with receipts.lock():
            first = receipts.append(Sent(to="owner:MAIL"))
        assert Receipts(receipts.path, Sent).rows() == [first]
    assert not receipts.path.exists()
    assert "calls.jsonl can't be written (No space left on device)" in capsys.readouterr().err
    with receipts.lock():
        second = receipts.append(Sent(to="owner:CHAT"))
    assert receipts.rows() == [first, second]
    assert len(receipts.path.read_text().splitlines()) == 2
