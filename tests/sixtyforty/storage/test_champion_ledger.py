"""The champion ledger answers which model decides at any time, on each track."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sixtyforty.spec.track import Track
from sixtyforty.storage.champion_ledger import ChampionLedger, ChampionRow

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
        "reasons": ["The gain is proven."],
        "evidence": {"days": 30},
    }
    return ledger.append(version=version, **fields | changes)


def test_an_empty_ledger_has_no_champion(ledger: ChampionLedger) -> None:
    assert ledger.promotions("replay") == []
    assert ledger.champion_at("replay", APRIL) is None


def test_the_gate_writes_a_row_unless_a_person_is_named(ledger: ChampionLedger) -> None:
    assert judge(ledger, "a").by == "gate"
    assert judge(ledger, "b", by="Ada").by == "Ada"


def test_the_same_verdict_is_not_repeated(ledger: ChampionLedger) -> None:
    first = judge(ledger, "a")
    judge(ledger, "b")
    assert judge(ledger, "a", reasons=["Other words for the same."]) == first
    assert len(ledger.rows()) == 2


def test_a_person_can_repeat_a_promotion(ledger: ChampionLedger) -> None:
    judge(ledger, "a")
    judge(ledger, "b")
    again = judge(ledger, "a", repeat=True, kind="rollback", by="Ada")
    assert [row.version for row in ledger.rows()] == ["a", "b", "a"]
    assert ledger.champion_at("replay", APRIL) == again


@pytest.mark.parametrize("change", [{"track": "live"}, {"as_of": MAY[:10]}, {"verdict": "HOLD"}])
def test_another_verdict_on_the_same_challenger_is_a_new_row(ledger: ChampionLedger, change: dict[str, str]) -> None:
    judge(ledger, "a")
    judge(ledger, "a", **change)
    assert len(ledger.rows()) == 2


@pytest.mark.parametrize(
    ("time", "version"),
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
def test_the_champion_is_the_last_version_promoted_by_then(
    ledger: ChampionLedger, time: datetime | str, version: str | None
) -> None:
    judge(ledger, "april")
    judge(ledger, "may", as_of=MAY[:10], effective_from=MAY, verdict="HOLD")
    judge(ledger, "june", as_of=JUNE[:10], effective_from=JUNE)
    judge(ledger, "live version", track="live")
    champion = ledger.champion_at("replay", time)
    assert (champion.version if champion else None) == version


def test_promotions_are_ordered_by_business_time_then_by_row(ledger: ChampionLedger) -> None:
    judge(ledger, "june", effective_from=JUNE)
    judge(ledger, "april")
    judge(ledger, "april again")
    assert [row.version for row in ledger.promotions("replay")] == ["april", "april again", "june"]
    champion = ledger.champion_at("replay", MAY)
    assert champion is not None
    assert champion.version == "april again"


def test_a_champion_of_one_track_does_not_decide_on_the_other(ledger: ChampionLedger) -> None:
    judge(ledger, "a")
    assert ledger.champion_at("live", MAY) is None


def test_an_unknown_verdict_is_not_written(ledger: ChampionLedger) -> None:
    with pytest.raises(ValueError, match="verdict"):
        judge(ledger, "a", verdict="MAYBE")
    assert ledger.rows() == []


def withdraw(ledger: ChampionLedger, version: str, **changes: Any) -> ChampionRow:
    fields: dict[str, Any] = {"kind": "withdrawn", "by": "Ada", "as_of": MAY[:10], "effective_from": JUNE}
    return ledger.take_out_of_force(version, **fields | {"reasons": ["It knew the future."]} | changes)


@pytest.mark.parametrize("track", ["replay", "live"])
def test_a_withdrawn_champion_leaves_the_earlier_one_in_force_on_both_tracks(
    ledger: ChampionLedger, track: Track
) -> None:
    judge(ledger, "a", track=track)
    judge(ledger, "b", track=track, effective_from=MAY)
    row = withdraw(ledger, "b")
    assert withdraw(ledger, "b", by="Bo") == row
    champion = ledger.champion_at(track, JUNE)
    assert champion is not None and champion.version == "a"
    assert [row.version for row in ledger.promotions(track)] == ["a", "b"]
    assert [row.version for row in ledger.sound_promotions(track)] == ["a"]
    assert row in ledger.rows_of(track)
    assert row.withdrawal_text == "withdrawn on 2013-06-01: It knew the future"


def test_the_newest_withdrawal_is_the_reason_of_a_track_without_champion(ledger: ChampionLedger) -> None:
    judge(ledger, "a", track="live")
    judge(ledger, "b", track="live", effective_from=MAY)
    assert ledger.newest_withdrawal("live") is None
    withdraw(ledger, "b", reasons=["An error."])
    withdraw(ledger, "never promoted", reasons=["A try."])
    row = withdraw(ledger, "a", reasons=["The law."])
    assert ledger.newest_withdrawal("live") == row, "the earlier champion decided until then"
    assert ledger.newest_withdrawal("replay") is None


def test_a_withdrawn_recipe_covers_its_later_versions(ledger: ChampionLedger) -> None:
    for version in ("a", "b", "c"):
        judge(ledger, version)
    withdraw(ledger, "b")
    row = withdraw(ledger, "b", also=["a"], recipe="leaky")
    assert ledger.withdrawal_of("a") == row
    assert ledger.withdrawal_of("later", "leaky") == row
    assert ledger.withdrawal_of("later", "mended") is ledger.withdrawal_of("c") is None


def test_a_rebuilt_replay_forgets_its_champions_from_then_on_and_no_live_one(ledger: ChampionLedger) -> None:
    judge(ledger, "a")
    judge(ledger, "b", effective_from=MAY, as_of=MAY[:10])
    judge(ledger, "b", effective_from=MAY, as_of=MAY[:10], track="live")
    judge(ledger, "-", verdict="REBUILD", kind="rebuilt", effective_from=MAY, as_of=MAY[:10], repeat=True)
    assert [row.version for row in ledger.promotions("replay")] == ["a"]
    assert [row.version for row in ledger.promotions("live")] == ["b"]
    assert [row.as_of for row in ledger.verdicts("replay")] == [APRIL[:10]]
    assert [row.effective_from for row in ledger.rows() if row.verdict == "REBUILD"] == [MAY]
    again = judge(ledger, "b", effective_from=MAY, as_of=MAY[:10])
    assert again.seq == 5
    assert ledger.champion_at("replay", MAY) == again
