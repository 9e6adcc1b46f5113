"""Collect the evidence on a challenger. Only the gate (`gate.py`) decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from sixtyforty.modeling.backtest import list_folds, run_walk_forward, score_block
from sixtyforty.modeling.model_card import ModelCard
from sixtyforty.modeling.model_store import ModelStore
from sixtyforty.modeling.monotone_constraints import find_broken_constraints
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.champion_ledger import ChampionLedger
from sixtyforty.storage.lake import Lake
from sixtyforty.value.daily_value import DailyValue

ChallengerKind = Literal["first", "refresh", "recipe"]


@dataclass(frozen=True)
class LatestBlock:
    """The values of the same newest days under two models: one of the challenger's recipe, and the champion."""

    challenger: Sequence[DailyValue]
    champion: Sequence[DailyValue]


@dataclass(frozen=True)
class GateEvidence:
    """What the gate knows about a challenger.

    - `kind`: first (no champion exists), refresh (the champion has the same recipe) or recipe (another recipe).
    - `missing_share`: share of the training window's partitions that are missing or that governance refused.
    - `walk_forward`: out-of-sample daily values of the challenger's recipe.
    - `latest`: the newest block, compared with the champion; only for a refresh.
    - `current_recipe`: out-of-sample daily values of the champion's recipe; only for another recipe.
    - `refused_partitions`: training partitions whose features governance refused.
    - `broken_constraints`: a line for each monotone constraint that the model breaks.
    - `is_assumed`: whether the action may change the outcome without an experiment that measured the effect.
    - `selection_reason`: why this challenger was selected.
    """

    kind: ChallengerKind
    missing_share: float
    walk_forward: Sequence[DailyValue]
    latest: LatestBlock | None = None
    current_recipe: Sequence[DailyValue] | None = None
    refused_partitions: Sequence[str] = ()
    broken_constraints: Sequence[str] = ()
    is_assumed: bool = False
    selection_reason: str = ""


def collect_evidence(
    use_case: UseCase,
    lake: Lake,
    store: ModelStore,
    ledger: ChampionLedger,
    track: Track,
    version: str,
    selection_reason: str = "",
) -> GateEvidence:
    """Collect the evidence on a challenger, compared with the champion in force at the start of its training day.

    version: the challenger. selection_reason: why it was selected, to be shown with the verdict.
    """
    card = store.card(version)
    recipe, as_of = card.recipe_version, card.as_of
    champion = ledger.champion_at(track, use_case.day_start(as_of))
    champion_card = store.card(champion.version) if champion else None
    kind: ChallengerKind = "first"
    latest = current_recipe = None
    if champion_card and champion_card.recipe_version != recipe:
        kind = "recipe"
        current_recipe = run_walk_forward(use_case, lake, store, champion_card.recipe_version, as_of)
    elif champion_card:
        kind = "refresh"
        latest = _latest_block(use_case, lake, store, recipe, as_of, champion_card)
    return GateEvidence(
        kind=kind,
        missing_share=card.missing_share,
        walk_forward=run_walk_forward(use_case, lake, store, recipe, as_of),
        latest=latest,
        current_recipe=current_recipe,
        refused_partitions=_refused_partitions(lake, card),
        broken_constraints=find_broken_constraints(use_case.model.monotone_constraints, store, version),
        is_assumed=use_case.label("replay") == "assumed",  # the walk-forward replays the past
        selection_reason=selection_reason,
    )


def _latest_block(
    use_case: UseCase, lake: Lake, store: ModelStore, recipe: str, as_of: date, champion_card: ModelCard
) -> LatestBlock | None:
    """Return the newest block of the recipe and of the champion on the same days.

    Return None if no block exists, or if the champion learned from the block's days.
    """
    folds = list_folds(use_case, lake, store, recipe, as_of)
    if not folds or champion_card.as_of > folds[-1].first:
        return None
    first, end = folds[-1].first, folds[-1].end
    return LatestBlock(
        challenger=score_block(use_case, lake, store, folds[-1].version, first, end),
        champion=score_block(use_case, lake, store, champion_card.version, first, end),
    )


def _refused_partitions(lake: Lake, card: ModelCard) -> list[str]:
    """Return the training partitions whose features, in the version that the model learned from, were refused."""
    refused = []
    for partition, version in card.data["features"].items():
        current = lake.entry("features", partition)
        entry = current if current is not None and current.version == version else lake.replaced_entry(version)
        if entry is None or not entry.facts["verdict"]["accepted"]:
            refused.append(partition)
    return refused
