"""Compare the declared recipes by their value in the backtest, and list the challengers of a training day."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date

from sixtyforty.modeling.backtest import find_trained_version, run_walk_forward, value_metrics
from sixtyforty.modeling.model_store import ModelStore
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.modeling.training_plan import declared_recipes
from sixtyforty.spec.money import format_money
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.champion_ledger import ChampionLedger
from sixtyforty.storage.lake import Lake


@dataclass(frozen=True)
class Challenger:
    """A model version that the gate must judge.

    `reason` says why the version was selected; it is empty if there was no choice between recipes.
    """

    version: str
    reason: str


def value_by_recipe(use_case: UseCase, lake: Lake, store: ModelStore, as_of: date) -> dict[str, float]:
    """Return each declared recipe's value per 1,000 decisions in the backtest, by recipe hash, the highest value first.

    All recipes are valued on the same days before `as_of`. Recipes with the same value stay in the declared order. A
    recipe is left out if it has no model trained on `as_of`, or if its model files can't be trusted. The check of the
    asset `backtest` reports such files.
    """
    days_by_recipe = {}
    for recipe in declared_recipes(use_case):
        with suppress(ModelError):
            if find_trained_version(use_case, lake, store, recipe, as_of):
                days_by_recipe[recipe] = run_walk_forward(use_case, lake, store, recipe, as_of)
    if not days_by_recipe:
        return {}
    common = set.intersection(*({day.partition for day in days} for days in days_by_recipe.values()))
    values = {
        recipe: value_metrics([day for day in days if day.partition in common]).model
        for recipe, days in days_by_recipe.items()
    }
    known = [(recipe, amount) for recipe, amount in values.items() if amount is not None]
    return dict(sorted(known, key=lambda pair: -pair[1]))


def list_challengers(
    use_case: UseCase, lake: Lake, store: ModelStore, ledger: ChampionLedger, track: Track, as_of: date
) -> list[Challenger]:
    """Return the challengers of a training day in the order in which the gate judges them.

    The first challenger has the recipe with the highest walk-forward value; withdrawn recipes are skipped. If the
    champion has another declared recipe, the model of the champion's recipe follows.
    """
    declared = list(declared_recipes(use_case))
    values = value_by_recipe(use_case, lake, store, as_of) if len(declared) > 1 else {}
    ranked = [*values, *(recipe for recipe in declared if recipe not in values)]
    allowed = [recipe for recipe in ranked if not _is_withdrawn(use_case, lake, store, ledger, recipe, as_of)]
    best = (allowed or ranked)[0]  # if all recipes are withdrawn, the gate rejects the best one and gives the reason
    reasons = {best: _describe_ranking(use_case, values) if values else ""}
    champion = ledger.champion_at(track, use_case.day_start(as_of))
    if champion:
        with suppress(ModelError):  # if the champion's card can't be read, the gate's evidence says so
            current = store.card(champion.version).recipe_version
            if current in declared:
                reasons.setdefault(current, "the challenger has the champion's recipe")
    challengers = []
    for recipe, reason in reasons.items():
        version = find_trained_version(use_case, lake, store, recipe, as_of)
        if version:
            challengers.append(Challenger(version, reason))
    return challengers


def _is_withdrawn(
    use_case: UseCase, lake: Lake, store: ModelStore, ledger: ChampionLedger, recipe: str, as_of: date
) -> bool:
    """Return whether a recipe was withdrawn, or the model that was trained from it on the local day `as_of`."""
    version = find_trained_version(use_case, lake, store, recipe, as_of)
    return ledger.withdrawal_of(version or "", recipe) is not None


def _describe_ranking(use_case: UseCase, values: dict[str, float]) -> str:
    currency = use_case.kpi.currency
    ranking = ", ".join(f"{recipe_name(use_case, r)} {format_money(v, currency)}" for r, v in values.items())
    return f"the challenger has the highest walk-forward value per 1,000 decisions: {ranking}"


def find_best_recipe(use_case: UseCase, lake: Lake, store: ModelStore, as_of: date) -> str:
    """Return the hash of the recipe with the highest value in the backtest before the local day `as_of`.

    If no recipe has a value yet, return the recipe of the declared model.
    """
    declared = list(declared_recipes(use_case))
    if len(declared) == 1:
        return declared[0]
    return next(iter(value_by_recipe(use_case, lake, store, as_of)), declared[0])


def recipe_name(use_case: UseCase, recipe: str) -> str:
    """Return the name of a recipe: `model` for the declared model, or the name of the declared alternative.

    recipe: the hash of the recipe. A recipe that isn't declared has no name, so the hash is returned.
    """
    names = dict(zip(declared_recipes(use_case), ["model", *use_case.model.alternatives], strict=False))
    return names.get(recipe, recipe)
