"""Share the gate's error budget of a year between the recipes that are first tried in the year.

The budget is the probability with which at least one recipe without a gain may be promoted: 1 - `gate.confidence`.
Recipe number j of a year gets 1 / (j (j + 1)) of the budget, for all looks at it together. These shares add up to at
most the budget, however many recipes follow (Bonferroni's inequality; 1/2 + 1/6 + 1/12 + … = 1). The share is fixed
before the first look and never changes. So the choice of the best recipe at each look is covered, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sixtyforty.modeling.model_store import ModelStore
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.storage.champion_ledger import ChampionLedger, ChampionRow

UNKNOWN_RECIPE = "unknown"  # a recipe of an early ledger row, whose model card can't be read any more


@dataclass(frozen=True)
class RecipeTrial:
    """The place of a recipe among those that were first tried in the same year.

    year: the year of the first training day on which the recipe was tried. number: its position in that year, from 1.
    tried: the hashes of all recipes that are tried together with it, in the order of their declaration.
    """

    year: int
    number: int = 1
    tried: Sequence[str] = ()


def error_share(confidence: float, number: int) -> float:
    """Return the probability with which a recipe without any gain may ever be promoted, over all looks at it.

    confidence: `gate.confidence`. number: the number of the recipe in its year. The shares of all recipes of a year add
    up to at most 1 - confidence.
    """
    return (1 - confidence) / (number * (number + 1))


def number_recipe(
    ledger: ChampionLedger, store: ModelStore, recipe: str, declared: Sequence[str], year: int
) -> RecipeTrial:
    """Return the place of a recipe among those that were first tried in the same year.

    A recipe is tried at the gate's first verdict while the recipe was declared, even if the verdict was about another
    recipe: the gate could have chosen it. Both tracks count, because they look at the same days. Verdicts that a
    rebuild of the replay canceled count for the same reason, and so do withdrawn recipes.
    declared: the hashes of the declared recipes, which are tried now. year: the year of the training day.
    """
    years: dict[str, int] = {}
    for row in ledger.rows():
        if row.by == "gate" and row.verdict in ("PROMOTE", "HOLD", "REJECT", "PENDING") and not row.is_refused:
            for tried in _tried_recipes(row, store):
                years.setdefault(tried, int(row.as_of[:4]))
    for tried in [*declared, recipe]:
        years.setdefault(tried, year)
    same_year = [tried for tried, first in years.items() if first == years[recipe]]
    return RecipeTrial(years[recipe], same_year.index(recipe) + 1, list(declared))


def _tried_recipes(row: ChampionRow, store: ModelStore) -> Iterator[str]:
    """Yield the hashes of the recipes that were tried with a verdict.

    The row names them, and the hash chain protects the row. The rows of early releases don't, so the model card does.
    """
    if row.tried_recipes:
        yield from row.tried_recipes
        return
    try:
        yield store.card(row.version).recipe_version
    except ModelError:
        yield UNKNOWN_RECIPE
