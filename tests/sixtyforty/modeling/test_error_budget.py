"""The recipes of a year share one error budget, and a recipe keeps its share."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.modeling.error_budget import RecipeTrial, error_share, number_recipe
from sixtyforty.modeling.model_store import ModelStore
from sixtyforty.storage.champion_ledger import ChampionLedger
from tests.trained_models import make_card

YEAR = 2013


@given(st.floats(0.501, 0.9999), st.integers(1, 3000))
def test_the_shares_of_any_number_of_recipes_add_up_to_at_most_the_budget(confidence: float, recipes: int) -> None:
    shares = [error_share(confidence, number) for number in range(1, recipes + 1)]
    budget = 1 - confidence
    assert sum(shares) <= budget * (1 + 1e-9)
    assert sum(shares) == pytest.approx(budget * recipes / (recipes + 1))
    assert shares == sorted(shares, reverse=True) and shares[-1] > 0


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=3, unique=True), min_size=1, max_size=12))
def test_no_two_recipes_of_a_year_have_the_same_number_and_none_changes(trials: list[list[str]]) -> None:
    ledger, store = Ledger(), NoCards()
    numbers: dict[str, int] = {}
    for position, declared in enumerate(trials):
        for recipe in declared:
            number = number_recipe(ledger, store, recipe, declared, YEAR).number
            assert numbers.setdefault(recipe, number) == number
        ledger.add(str(position), declared)
    assert sorted(numbers.values()) == list(range(1, len(numbers) + 1))


class Ledger(ChampionLedger):
    """A champion ledger in memory."""

    def __init__(self) -> None:
        self._rows: list[Any] = []

    def rows(self) -> list[Any]:
        return self._rows

    def add(self, version: str, tried: list[str], **fields: Any) -> None:
        """Add a verdict on the challenger `version`, when the recipes `tried` were declared."""
        row: dict[str, Any] = {
            "track": "replay",
            "version": version,
            "verdict": "HOLD",
            "kind": "first",
            "as_of": f"{YEAR}-04-01",
            "effective_from": f"{YEAR}-04-01T04:00:00",
            "reasons": ["for the test"],
            "by": "gate",
            "evidence": {"tried_recipes": tried} if tried else {},
        }
        self._rows.append(self.row_type(**row | fields))


class NoCards(ModelStore):
    """A model store without a card."""

    def __init__(self) -> None:
        super().__init__(Path("no such folder"))


def number(ledger: ChampionLedger, recipe: str, store: ModelStore | None = None, year: int = YEAR) -> RecipeTrial:
    return number_recipe(ledger, store or NoCards(), recipe, [recipe], year)


def test_the_first_recipe_gets_half_of_the_budget() -> None:
    assert number(Ledger(), "a") == RecipeTrial(YEAR, 1, ["a"])
    assert error_share(0.95, 1) == pytest.approx(0.025)


def test_declared_recipes_that_the_gate_did_not_judge_were_tried_too() -> None:
    ledger = Ledger()
    ledger.add("v", ["a", "b", "c"])
    assert [number(ledger, recipe).number for recipe in "abcd"] == [1, 2, 3, 4]


def test_a_recipe_keeps_its_share_in_later_years_and_the_next_year_has_a_new_budget() -> None:
    ledger = Ledger()
    ledger.add("v", ["a", "b"])
    assert number(ledger, "b", year=YEAR + 1) == RecipeTrial(YEAR, 2, ["b"])
    assert number(ledger, "c", year=YEAR + 1) == RecipeTrial(YEAR + 1, 1, ["c"])


def test_both_tracks_share_the_budget() -> None:
    ledger = Ledger()
    ledger.add("v", ["a"])
    ledger.add("w", ["b"], track="live")
    assert [number(ledger, recipe).number for recipe in "abc"] == [1, 2, 3]


def test_verdicts_before_a_rebuild_of_the_replay_count() -> None:
    ledger = Ledger()
    ledger.add("v", ["a"])
    ledger.add("-", [], verdict="REBUILD", kind="rebuilt", by="chain")
    ledger.add("v", ["b"])
    assert [number(ledger, recipe).number for recipe in "abc"] == [1, 2, 3]


def test_a_withdrawn_recipe_still_counts() -> None:
    ledger = Ledger()
    ledger.add("v", ["a"])
    ledger.add("v", [], verdict="WITHDRAW", kind="withdrawn", by="somebody", evidence={"recipe": "a"})
    assert number(ledger, "b").number == 2


@pytest.mark.parametrize("fields", [{"by": "somebody", "verdict": "PROMOTE"}, {"evidence": {"refused": True}}])
def test_a_row_without_a_look_at_the_money_is_no_trial(fields: dict[str, Any]) -> None:
    ledger = Ledger()
    ledger.add("v", [], **fields)
    assert number(ledger, "a").number == 1


def test_a_row_of_an_early_release_takes_the_recipe_from_the_card(tmp_path: Path) -> None:
    store, ledger = ModelStore(tmp_path), Ledger()
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "card.json").write_bytes(make_card(recipe_version="a", as_of=date(2013, 3, 7)).to_json())
    ledger.add("v", [])
    assert [number(ledger, recipe, store).number for recipe in "ab"] == [1, 2]


def test_cards_that_are_gone_count_as_one_recipe_and_block_nothing(tmp_path: Path) -> None:
    store, ledger = ModelStore(tmp_path), Ledger()
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "card.json").write_bytes(b"rubbish")
    for version in ("v", "w", "x"):
        ledger.add(version, [])
    assert number(ledger, "a", store).number == 2


def test_a_changed_card_does_not_change_the_recipe_of_a_row(tmp_path: Path) -> None:
    store, ledger = ModelStore(tmp_path), Ledger()
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "card.json").write_bytes(make_card(recipe_version="b").to_json())
    ledger.add("v", ["a"])
    assert [number(ledger, recipe, store).number for recipe in "ab"] == [1, 2]
