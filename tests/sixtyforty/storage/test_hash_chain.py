"""A hash chain detects every change, and no acknowledged row is lost, whatever a writer's death leaves behind."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage import hash_chain
from sixtyforty.storage.files import canonical_json, write_atomic
from sixtyforty.storage.hash_chain import GENESIS, EffectiveRow, HashChain, LedgerError, row_hash
from sixtyforty.storage.object_store import StoragePath

APRIL, MAY = "2013-04-01T04:00:00", "2013-05-01T04:00:00"


class Note(EffectiveRow):
    """A row of the test's own ledger."""

    text: str


class Notes(HashChain[Note]):
    """A ledger of notes."""

    row_type = Note


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path / "models" / "notes.jsonl")


def add(notes: Notes, text: str, **changes: Any) -> Note:
    """Append a note, unless one with its text exists."""
    fields = {"text": text, "by": "Ada", "effective_from": APRIL, "evidence": {"days": 30}} | changes
    return notes.append_row(Note(**fields), lambda rows: next((row for row in rows if row.text == text), None))


def lines_of(notes: Notes) -> list[str]:
    return notes.path.read_bytes().decode().splitlines()


def replace_lines(notes: Notes, lines: list[str]) -> None:
    write_atomic(notes.path, ("\n".join(lines) + "\n").encode())


def test_a_ledger_that_was_never_written_is_empty(notes: Notes) -> None:
    assert notes.rows() == []
    assert not notes.path.exists()


def test_rows_are_numbered_and_chained(notes: Notes) -> None:
    first, second = add(notes, "a"), add(notes, "b")
    assert notes.rows() == [first, second]
    assert [(row.seq, row.previous_hash) for row in notes.rows()] == [(1, GENESIS), (2, first.hash)]
    assert first.hash == row_hash(first)
    assert datetime.fromisoformat(first.recorded_at).tzinfo is not None


def test_appending_leaves_earlier_rows_unchanged(notes: Notes) -> None:
    add(notes, "a")
    content = notes.path.read_bytes()
    add(notes, "b")
    assert notes.path.read_bytes().startswith(content)


def test_a_repeated_row_is_returned_and_not_appended(notes: Notes) -> None:
    first = add(notes, "a")
    content = notes.path.read_bytes()
    assert add(notes, "a", by="Bo") == first
    assert notes.path.read_bytes() == content


def edit(number: int, **fields: Any) -> Callable[[list[str]], list[str]]:
    """Return a function that changes fields of a row, without its hash."""
    return lambda lines: [
        json.dumps(json.loads(line) | fields) if i == number else line for i, line in enumerate(lines, 1)
    ]


@pytest.mark.parametrize(
    ("tamper", "row"),
    [
        (edit(2, text="changed"), 2),
        (edit(2, effective_from=MAY), 2),
        (edit(2, recorded_at="2013-01-01T00:00:00+00:00"), 2),
        (edit(2, evidence={"days": 31}), 2),
        (edit(3, by="somebody"), 3),
        (edit(1, previous_hash="1" * 16), 1),
        (edit(2, unknown="added"), 2),
        (lambda lines: [lines[0], lines[2]], 2),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[1], lines[0], lines[2]], 1),
        (lambda lines: [lines[0], lines[2], lines[1]], 2),
        (lambda lines: [*lines[:2], lines[1], lines[2]], 3),
        (lambda lines: [*lines, lines[2][:40]], 4),
        (lambda lines: [*lines, "null"], 4),
        (lambda lines: [lines[0], "", *lines[1:]], 2),
    ],
)
def test_tampering_is_detected_and_the_row_is_named(
    notes: Notes, tamper: Callable[[list[str]], list[str]], row: int
) -> None:
    for text in "abc":
        add(notes, text)
    tampered = tamper(lines_of(notes))
    replace_lines(notes, tampered)
    for use in (notes.rows, lambda: add(notes, "d")):
        with pytest.raises(LedgerError, match=rf"notes\.jsonl, row {row}: .*Restore notes\.jsonl"):
            use()
    assert lines_of(notes) == tampered


def test_a_changed_row_with_a_new_hash_breaks_the_next_row(notes: Notes) -> None:
    for text in "abc":
        add(notes, text)
    lines = lines_of(notes)
    changed = json.loads(lines[1]) | {"text": "changed"}
    replace_lines(notes, [lines[0], json.dumps(changed | {"hash": row_hash(Note(**changed))}), lines[2]])
    with pytest.raises(LedgerError, match="row 3: this row of the ledger was changed, or an earlier row is missing"):
        notes.rows()


def test_a_last_row_that_was_replaced_differs_from_the_head(notes: Notes) -> None:
    add(notes, "a")
    changed = json.loads(lines_of(notes)[0]) | {"text": "changed"}
    replace_lines(notes, [json.dumps(changed | {"hash": row_hash(Note(**changed))})])
    with pytest.raises(LedgerError, match=r"row 1: the hash of the row differs from the hash in notes\.head"):
        notes.rows()


def test_a_forged_last_row_must_have_the_next_number(notes: Notes) -> None:
    last = add(notes, "a")
    forged = last.model_dump() | {"text": "b", "previous_hash": last.hash, "seq": 3}
    replace_lines(notes, [*lines_of(notes), json.dumps(forged | {"hash": row_hash(Note(**forged))})])
    with pytest.raises(LedgerError, match="row 2: "):
        notes.rows()


def test_rows_that_were_cut_off_the_end_are_missed(notes: Notes) -> None:
    for text in "abc":
        add(notes, text)
    replace_lines(notes, lines_of(notes)[:1])
    with pytest.raises(LedgerError, match="row 2: rows are missing at the end: the file holds 1 of at least 3 rows"):
        notes.rows()
    notes.path.unlink()
    with pytest.raises(LedgerError, match="row 1: rows are missing at the end"):
        add(notes, "d")


def test_a_last_line_without_its_end_is_skipped_and_then_removed(notes: Notes) -> None:
    first = add(notes, "a")
    content = notes.path.read_bytes()
    write_atomic(notes.path, content + b'{"seq":2,"te')
    assert notes.rows() == [first]
    second = add(notes, "b")
    assert notes.rows() == [first, second]
    assert notes.path.read_bytes().startswith(content)


def test_a_writer_killed_before_the_head_loses_nothing(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    add(notes, "a")

    def fail_at_the_head(path: StoragePath, content: bytes) -> None:
        if path.name.endswith(".head"):
            raise KeyboardInterrupt
        write_atomic(path, content)

    with monkeypatch.context() as broken:
        broken.setattr(hash_chain, "write_atomic", fail_at_the_head)
        with pytest.raises(KeyboardInterrupt):
            add(notes, "b")
    assert [row.text for row in notes.rows()] == ["a", "b"]
    add(notes, "b")
    assert json.loads(notes.path.with_suffix(".head").read_bytes())["rows"] == 2


def test_a_row_with_an_invalid_field_is_not_written(notes: Notes) -> None:
    with pytest.raises(ValueError, match="text"):
        add(notes, 7)  # type: ignore[arg-type]
    assert notes.rows() == []


def test_a_ledger_error_is_one_that_users_can_act_on() -> None:
    assert issubclass(LedgerError, SixtyfortyError)


def _append(path: Path, writer: int, count: int, start: Any) -> None:
    start.wait()
    for number in range(count):
        add(Notes(path), f"{writer}-{number}")


def test_two_processes_that_append_at_once_lose_no_row(notes: Notes) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    processes = [context.Process(target=_append, args=(notes.path, writer, 15, start)) for writer in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    for writer in range(2):
        texts = [row.text for row in notes.rows() if row.text.startswith(f"{writer}-")]
        assert texts == [f"{writer}-{number}" for number in range(15)]


def early_lines(texts: str) -> list[str]:
    """Return the lines of a ledger as the release before wrote them: hashes of 16 digits, and no use case."""
    lines, previous = list[str](), "0" * 16
    for number, text in enumerate(texts, 1):
        row = {
            "seq": number,
            "recorded_at": "2013-04-01T00:00:00+00:00",
            "by": "Ada",
            "previous_hash": previous,
            "effective_from": APRIL,
            "evidence": {"days": 30},
            "text": text,
        }
        previous = hashlib.sha256(canonical_json(row).encode()).hexdigest()[:16]
        lines.append(canonical_json(row | {"hash": previous}))
    return lines


def test_a_ledger_of_the_release_before_is_read_and_continued_with_full_hashes(tmp_path: Path) -> None:
    ledger = Notes(tmp_path / "notes.jsonl", "calls")
    replace_lines(ledger, early_lines("ab"))
    write_atomic(tmp_path / "notes.head", json.dumps({"rows": 2, "hash": ledger.rows()[-1].hash}).encode())
    third = add(ledger, "c")
    rows = ledger.rows()
    assert [(row.text, len(row.hash), row.use_case) for row in rows] == [
        ("a", 16, ""),
        ("b", 16, ""),
        ("c", 64, "calls"),
    ]
    assert third.previous_hash == row_hash(rows[1])
    assert third.previous_hash.startswith(rows[1].hash)


def test_no_row_with_a_short_hash_may_follow_one_with_a_full_hash(tmp_path: Path) -> None:
    ledger = Notes(tmp_path / "notes.jsonl")
    first = add(ledger, "a")
    row = json.loads(early_lines("ab")[1]) | {"previous_hash": first.hash}
    short = row_hash(Note(**{name: part for name, part in row.items() if name != "hash"}))[:16]
    replace_lines(ledger, [*lines_of(ledger), canonical_json(row | {"hash": short})])
    with pytest.raises(LedgerError, match="row 2: this row of the ledger was changed"):
        ledger.rows()


def test_a_row_must_name_the_use_case_of_its_ledger(tmp_path: Path) -> None:
    add(Notes(tmp_path / "notes.jsonl", "calls"), "a")
    with pytest.raises(LedgerError, match="row 1: the row belongs to the use case calls, expected visits"):
        Notes(tmp_path / "notes.jsonl", "visits").rows()
