"""Collect the evidence on a challenger. Only the gate (`gate.py`) decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from sixtyforty.modeling.backtest import run_walk_forward
from sixtyforty.modeling.built_by import hash_tested_parts
from sixtyforty.modeling.error_budget import RecipeTrial, number_recipe
from sixtyforty.modeling.feature_fit import find_feature_problem
from sixtyforty.modeling.model_card import ModelCard
from sixtyforty.modeling.model_files import find_file_problem
from sixtyforty.modeling.model_store import ModelStore
from sixtyforty.modeling.monotone_constraints import find_broken_constraints
from sixtyforty.modeling.redefined_features import find_redefined
from sixtyforty.modeling.refresh_twin import TwinComparison, compare_with_twin
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.modeling.taint import TaintedDataError, find_tainted_versions, require_sound
from sixtyforty.modeling.training_plan import declared_recipes
from sixtyforty.modeling.treatment_shares import describe_share_mismatch
from sixtyforty.spec.kpi import BLOCK_DAYS
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.champion_ledger import ChampionLedger, ChampionRow
from sixtyforty.storage.exactness_ledger import ExactnessLedger, describe_standing
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.verdicts import is_accepted
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.past_experiment import find_overlap_problem

ChallengerKind = Literal["first", "refresh", "recipe"]


@dataclass(frozen=True)
class GateEvidence:
    """The evidence from which the gate judges a challenger.

    `kind`: first (no champion can score), refresh (the champion has the same recipe) or recipe (another recipe).
    `missing_share`: share of the training window's partitions without features or outcomes, closed days aside.
    `walk_forward`: daily values of the challenger's recipe, out of sample. `comparison`: the values of a refresh's twin
    and of a champion; None if there is nothing to compare. `current_recipe`: daily values of the champion's recipe, out
    of sample, for another recipe. `refused_partitions`: training partitions whose features governance refused, or whose
    verdict is no longer stored. `broken_constraints`: a text for each monotone constraint that the model breaks.
    `is_assumed`: whether the gain is assumed: the action may change the outcome, and no experiment measured by how
    much. `selection_reason`: why this challenger was selected. `file_problem`: why the files of the challenger, or of a
    model in the comparison, can't be trusted. `share_mismatch`: how the received actions of a past experiment differ
    from the declared shares. `taint`: which training or walk-forward partitions have leakage; empty if there is no
    leakage. `withdrawal`: when and why the challenger's version or recipe was withdrawn; empty if the challenger may
    decide. `unfit_champion`: why the champion in force can't score; the challenger is then judged as the first model.
    `training_rows`: number of rows that the challenger learned from; None if the collection ended before. `block_days`:
    see `kpi.block_days`. `trial`: the place of the recipe in the error budget of its year; None if the collection ended
    before. `overlap_problem`: why a past experiment knows too little about the recipe's decisions; empty if it knows
    enough. `refutation`: how a holdout has refuted that gains are exact; empty if none has.
    """

    kind: ChallengerKind
    missing_share: float
    walk_forward: Sequence[DailyValue]
    comparison: TwinComparison | None = None
    current_recipe: Sequence[DailyValue] | None = None
    refused_partitions: Sequence[str] = ()
    broken_constraints: Sequence[str] = ()
    is_assumed: bool = False
    selection_reason: str = ""
    file_problem: str | None = None
    share_mismatch: str | None = None
    withdrawal: str = ""
    taint: str = ""
    unfit_champion: str = ""
    training_rows: int | None = None
    block_days: int = BLOCK_DAYS
    trial: RecipeTrial | None = None
    overlap_problem: str = ""
    refutation: str = ""


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

    Four problems end the collection: untrusted files, a withdrawal, wrong shares of an experiment, and leakage. The
    evidence then contains only the first such problem.
    """
    if problem := find_file_problem(use_case.first_name, lake, store, version):
        return GateEvidence("first", 0.0, [], selection_reason=selection_reason, file_problem=problem)
    if row := ledger.withdrawal_of(version, store.card(version).recipe_version):
        return GateEvidence("first", 0.0, [], selection_reason=selection_reason, withdrawal=row.withdrawal_text)
    judged = [p for p in lake.partitions("outcomes") if use_case.first_day(p) < store.card(version).as_of]
    if mismatch := describe_share_mismatch(use_case, lake, judged):
        return GateEvidence("first", 0.0, [], selection_reason=selection_reason, share_mismatch=mismatch)
    try:
        require_sound(
            find_tainted_versions(lake, store.card(version).data["features"]),
            "the challenger learned from tainted data",
        )
        return _collect_from_files(use_case, lake, store, ledger, track, version, selection_reason)
    except TaintedDataError as error:
        return GateEvidence("first", 0.0, [], selection_reason=selection_reason, taint=str(error))
    except ModelError as error:
        problem = f"a model in the challenger's comparison can't be trusted: {error}"
        return GateEvidence("first", 0.0, [], selection_reason=selection_reason, file_problem=problem)


def _collect_from_files(
    use_case: UseCase,
    lake: Lake,
    store: ModelStore,
    ledger: ChampionLedger,
    track: Track,
    version: str,
    selection_reason: str,
) -> GateEvidence:
    card = store.card(version)
    recipe, as_of = card.recipe_version, card.as_of
    champion = ledger.champion_at(track, use_case.day_start(as_of))
    unfit_champion = describe_unfit_champion(use_case, lake, store, track, champion) if champion else ""
    champion_card = store.card(champion.version) if champion and not unfit_champion else None
    kind: ChallengerKind = "first"
    walk_forward = run_walk_forward(use_case, lake, store, recipe, as_of)
    comparison = current_recipe = None
    if champion_card and champion_card.recipe_version != recipe:
        kind = "recipe"
        current_recipe = run_walk_forward(use_case, lake, store, champion_card.recipe_version, as_of)
    elif champion_card:
        kind = "refresh"
        promoted = _promoted_before(use_case, ledger, track, as_of)
        comparison = compare_with_twin(use_case, lake, store, recipe, as_of, promoted, walk_forward)
    return GateEvidence(
        kind=kind,
        missing_share=card.missing_share,
        training_rows=card.rows,
        walk_forward=walk_forward,
        block_days=use_case.kpi.block_days,
        trial=number_recipe(ledger, store, recipe, list(declared_recipes(use_case)), as_of.year),
        comparison=comparison,
        overlap_problem=find_overlap_problem(use_case.kpi, walk_forward),
        current_recipe=current_recipe,
        refused_partitions=_refused_partitions(lake, card),
        broken_constraints=find_broken_constraints(use_case.model.monotone_constraints, store, version),
        refutation=find_refutation(use_case, store),
        is_assumed=use_case.label("replay") == "assumed",  # the backtest decides about past units, as a replay does
        selection_reason=selection_reason,
        unfit_champion=unfit_champion,
    )


def find_refutation(use_case: UseCase, store: ModelStore) -> str:
    """Return how a holdout has refuted that gains are exact, as recorded in the ledger; empty if none has."""
    if use_case.kpi.measurement != "exact":
        return ""
    ledger = ExactnessLedger(store.root / "exactness.jsonl")
    return describe_standing(ledger, hash_tested_parts(use_case), use_case.name) or ""


def _promoted_before(use_case: UseCase, ledger: ChampionLedger, track: Track, as_of: date) -> list[str]:
    """Return the versions that were promoted before a local day, the champion in force first, then earlier ones."""
    start = use_case.day_start(as_of).isoformat()
    versions = [row.version for row in ledger.sound_promotions(track) if row.effective_from <= start]
    return list(dict.fromkeys(reversed(versions)))


def describe_unfit_champion(
    use_case: UseCase, lake: Lake, store: ModelStore, track: Track, champion: ChampionRow
) -> str:
    """Return why the champion in force can't score the newest features; an empty text if it can.

    While the champion can't score, the current process decides, so a challenger need only beat the current process. On
    the replay, raises ModelError if the champion's files can't be trusted, because they must be restored first.
    """
    newest = max(lake.partitions("features"), default=None)
    entry = lake.entry("features", newest) if newest else None
    version = champion.version
    try:
        card = store.card(version)
        store.require_bound(version, champion.bound)
        problem = find_feature_problem(card, lake.columns(entry), {}) if entry else None
        if problem is None and track == "live":
            problem = find_redefined(use_case, lake, store, card)
        if problem is None:
            store.load(version)
    except ModelError as error:
        if track == "replay":
            raise
        problem = str(error).split(". ")[0].rstrip(".")
    return f"the champion {version} can't score ({problem}), so the current process decides" if problem else ""


def _refused_partitions(lake: Lake, card: ModelCard) -> list[str]:
    """Return the training partitions for which governance refused the feature version that the model learned from.

    A partition whose version is no longer stored counts as refused.
    """
    refused = []
    for partition, version in card.data["features"].items():
        current = lake.entry("features", partition)
        entry = current if current is not None and current.version == version else lake.replaced_entry(version)
        if entry is None or not is_accepted(entry):
            refused.append(partition)
    return refused
