"""The champion ledger: nothing in it changes unseen, and what was in force at any moment is known."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sixtyforty.storage.champion_ledger import ChampionLedger, ChampionRow
from sixtyforty.storage.hash_chain import GENESIS, LedgerError, row_hash

APRIL, MAY, JUNE = "2013-04-01T04:00:00", "2013-05-01T04:00:00", "2013-06-01T04:00:00"


@pytest.fixture
def ledger(tmp_path: Path) -> ChampionLedger:
    return ChampionLedger(tmp_path / "models" / "champion.jsonl")


def judge(ledger: ChampionLedger, version: str, **changes: Any) -> ChampionRow:
    fields = {
        "track": "replay",
        "verdict": "PROMOTE",
        "kind": "refresh",
        "as_of": APRIL[:10],
        "effective_from": APRIL,
        "reasons": ["because"],
        "evidence": {"days": 30},
    }
    return ledger.append(version=version, **fields | changes)


def test_a_ledger_that_was_never_written_is_empty(ledger: ChampionLedger) -> None:
    assert ledger.rows() == []
    assert ledger.promotions("replay") == []
    assert ledger.champion_at("replay", APRIL) is None
    assert not ledger.path.exists()


def test_rows_are_numbered_and_chained(ledger: ChampionLedger) -> None:
    first, second = judge(ledger, "a"), judge(ledger, "b")
    assert ledger.rows() == [first, second]
    assert [(r.seq, r.before) for r in ledger.rows()] == [(1, GENESIS), (2, first.hash)]
    assert first.by == "gate"
    assert datetime.fromisoformat(first.recorded_at).tzinfo is not None


def test_appending_leaves_what_is_there_as_it_is(ledger: ChampionLedger) -> None:
    judge(ledger, "a")
    before = ledger.path.read_bytes()
    judge(ledger, "b")
    assert ledger.path.read_bytes().startswith(before)


def test_the_same_judgement_is_not_repeated(ledger: ChampionLedger) -> None:
    first = judge(ledger, "a")
    judge(ledger, "b")
    before = ledger.path.read_bytes()
    assert judge(ledger, "a", reasons=["said in other words"]) == first
    assert ledger.path.read_bytes() == before


@pytest.mark.parametrize("change", [{"track": "live"}, {"as_of": MAY[:10]}, {"verdict": "HOLD"}])
def test_another_judgement_on_the_same_challenger_is_a_row_of_its_own(ledger: ChampionLedger, change: dict) -> None:
    judge(ledger, "a")
    judge(ledger, "a", **change)
    assert len(ledger.rows()) == 2


def edited(number: int, **fields: Any) -> Callable[[list[str]], list[str]]:
    def edit(lines: list[str]) -> list[str]:
        return [json.dumps(json.loads(x) | fields) if i == number - 1 else x for i, x in enumerate(lines)]

    return edit


@pytest.mark.parametrize(
    ("tamper", "row"),
    [
        (edited(2, verdict="HOLD"), 2),
        (edited(2, effective_from=MAY), 2),
        (edited(2, recorded_at="2013-01-01T00:00:00+00:00"), 2),
        (edited(2, evidence={"days": 31}), 2),
        (edited(3, by="somebody"), 3),
        (edited(1, before="1" * 16), 1),
        (edited(2, note="put in"), 2),
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
def test_tampering_is_found_and_the_row_is_named(
    ledger: ChampionLedger, tamper: Callable[[list[str]], list[str]], row: int
) -> None:
    for version in "abc":
        judge(ledger, version)
    lines = ledger.path.read_text().splitlines()
    ledger.path.write_text("\n".join(tamper(lines)) + "\n")
    for use in (ledger.rows, lambda: judge(ledger, "d"), lambda: ledger.champion_at("replay", APRIL)):
        with pytest.raises(LedgerError, match=f"row {row}: "):
            use()
    assert ledger.path.read_text().splitlines() == tamper(lines)


def test_a_row_rehashed_after_a_change_breaks_the_row_after_it(ledger: ChampionLedger) -> None:
    for version in "abc":
        judge(ledger, version)
    lines = ledger.path.read_text().splitlines()
    changed = json.loads(lines[1]) | {"verdict": "HOLD"}
    lines[1] = json.dumps(changed | {"hash": row_hash(changed)})
    ledger.path.write_text("\n".join(lines) + "\n")
    with pytest.raises(LedgerError, match="row 3: was changed, or a row before it is missing"):
        ledger.rows()


def test_a_row_put_at_the_end_must_have_the_next_number(ledger: ChampionLedger) -> None:
    last = judge(ledger, "a")
    forged = last.model_dump() | {"version": "b", "before": last.hash, "seq": 3}
    with ledger.path.open("a") as file:
        file.write(json.dumps(forged | {"hash": row_hash(forged)}) + "\n")
    with pytest.raises(LedgerError, match="row 2: "):
        ledger.rows()


@pytest.mark.parametrize(
    ("moment", "version"),
    [
        (datetime(2013, 4, 1, 3, 59, 59, 999999), None),
        (datetime(2013, 4, 1, 4), "april"),
        (datetime(2013, 5, 1, 3, 59, 59), "april"),
        (datetime(2013, 5, 1, 4, 0, 0, 1), "april"),  # May's challenger was held
        (datetime(2013, 6, 1, 4), "june"),
        (datetime(2014, 1, 1), "june"),
        (MAY, "april"),
        ("9999", "june"),
    ],
)
def test_the_champion_is_the_last_one_promoted_by_then(
    ledger: ChampionLedger, moment: datetime | str, version: str | None
) -> None:
    judge(ledger, "april")
    judge(ledger, "may", as_of=MAY[:10], effective_from=MAY, verdict="HOLD")
    judge(ledger, "june", as_of=JUNE[:10], effective_from=JUNE)
    judge(ledger, "lively", track="live")
    found = ledger.champion_at("replay", moment)
    assert (found.version if found else None) == version


def test_in_force_goes_by_business_time_and_then_by_who_was_judged_last(ledger: ChampionLedger) -> None:
    judge(ledger, "june", effective_from=JUNE)
    judge(ledger, "april")
    judge(ledger, "april again")
    assert [r.version for r in ledger.promotions("replay")] == ["april", "april again", "june"]
    assert ledger.champion_at("replay", MAY).version == "april again"


def test_tracks_are_apart(ledger: ChampionLedger) -> None:
    judge(ledger, "a")
    assert ledger.champion_at("live", MAY) is None


def test_a_judgement_in_a_word_the_ledger_does_not_know_is_not_written(ledger: ChampionLedger) -> None:
    with pytest.raises(ValueError, match="verdict"):
        judge(ledger, "a", verdict="MAYBE")
    assert ledger.rows() == []


def _append(path: Path, who: int, count: int, start: Any) -> None:
    start.wait()
    for i in range(count):
        judge(ChampionLedger(path), f"{who}-{i}")


def test_two_processes_that_append_at_once_lose_nothing(ledger: ChampionLedger) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    processes = [context.Process(target=_append, args=(ledger.path, who, 15, start)) for who in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [p.exitcode for p in processes] == [0, 0]
    rows = ledger.rows()
    assert sorted(r.version for r in rows) == sorted(f"{who}-{i}" for who in range(2) for i in range(15))
    for who in range(2):
        assert [r.version for r in rows if r.version.startswith(f"{who}-")] == [f"{who}-{i}" for i in range(15)]
