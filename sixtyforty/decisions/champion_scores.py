"""Score the units of one champion, or say why it can't score them.

A live champion that can't score leaves its units to the current process. The reason may be a missing or changed file,
features other than those that it learned from, an estimator that fails, or a veto that can't be evaluated. On the
replay, only a missing or retyped feature counts as such a reason. A replay is a calculation, so any other fault ends
its run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.decisions.decision_draft import DecisionDraft
from sixtyforty.modeling.feature_fit import find_feature_problem
from sixtyforty.modeling.redefined_features import find_redefined
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.track import Track
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.storage.partition_columns import Columns
from sixtyforty.value.payoff_base import ActionCounts
from sixtyforty.value.policy import ChosenActions, Policy
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from sixtyforty.modeling.estimators import FittedModel

    Mask = NDArray[np.bool_]

UNSCORED = "the champion can't score: "  # starts the reason of a decision that the champion in force couldn't take


@dataclass(frozen=True)
class ChampionUnits:
    """The units on which one champion decides, as masks over all units.

    `units`: those of this champion. `held`: those in the holdout, of any champion. Held-out units form a group of their
    own, because their actions use up no limit.
    """

    champion: ChampionRow
    units: Mask
    held: Mask

    def groups(self, unfit: Mask) -> list[Mask]:
        """Return two masks without the unfit units: those that the champion decides, and its held-out ones."""
        fit = self.units & ~unfit
        return [fit & ~self.held, fit & self.held]


@dataclass(frozen=True)
class ScoredUnits:
    """The scores of a champion's two groups of units, and why it can't score some units.

    `groups`: the mask of the scored units of each group, with their scores. `reasons`: one for each of all units; None
    where the champion scored the unit, or where it isn't its unit.
    """

    groups: list[tuple[Mask, NDArray[np.float64]]]
    reasons: NDArray[Any]

    @property
    def unscored(self) -> Mask:
        """The units that the champion can't score."""
        import numpy as np

        return np.array([reason is not None for reason in self.reasons], bool)


def score_units(
    ws: Workspace, batch: ChampionUnits, units: pd.DataFrame, unfit: Mask, columns: Columns, track: Track
) -> ScoredUnits:
    """Return the champion's scores of its fit units, and why it can't score the others.

    columns: the columns of the units' features. Raises ModelError on the replay for a fault that isn't in the features.
    """
    import numpy as np

    reasons = np.full(len(units), None, object)
    masks = batch.groups(unfit)
    to_score = masks[0] | masks[1]
    if not to_score.any():
        return ScoredUnits([], reasons)
    try:
        card = ws.models.card(batch.champion.version)
        problem = find_feature_problem(card, columns, ws.use_case.kpi.payoff_sql)
        if problem is None and track == "live":
            problem = find_redefined(ws.use_case, ws.lake, ws.models, card)
        if problem:
            reasons[to_score] = unscored_reason(problem)
            return ScoredUnits([], reasons)
        model = ws.models.load(batch.champion.version)
        return ScoredUnits([(mask, _predict(model, units[mask])) for mask in masks if mask.any()], reasons)
    except ModelError:
        if track == "replay":
            raise
        return _score_by_partition(ws, batch.champion.version, units, masks, reasons)


def unscored_reason(problem: object) -> str:
    """Return the reason of decisions that a champion can't take. Of a longer text, the first sentence is enough."""
    return f"{UNSCORED}{str(problem).split('. ')[0].rstrip('.')}: the current process decides"


def _predict(model: FittedModel, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Return the scores of rows. Raises ModelError if the estimator fails, or gives some rows no number."""
    import numpy as np

    try:
        scores = model.predict(rows)
    except Exception as error:  # an estimator may raise anything; its text may hold data, so only the type is reported
        raise ModelError(f"its estimator fails with a {type(error).__name__}") from error
    finite = np.isfinite(scores).reshape(-1, len(rows)).all(axis=0)
    if not finite.all():
        raise ModelError(f"it gives no number for {int((~finite).sum())} of {len(rows)} units")
    return scores


def _score_by_partition(
    ws: Workspace, version: str, units: pd.DataFrame, masks: list[Mask], reasons: NDArray[Any]
) -> ScoredUnits:
    """Return the scores after an error: a partition that can be scored by itself doesn't suffer from another one.

    reasons: completed in place.
    """
    try:
        model = ws.models.load(version)
    except ModelError as file_error:
        reasons[masks[0] | masks[1]] = unscored_reason(file_error)
        return ScoredUnits([], reasons)
    groups = []
    for mask in masks:
        for partition in units.loc[mask, "_partition"].unique():
            in_partition = mask & (units["_partition"] == partition).to_numpy()
            try:
                groups.append((in_partition, _predict(model, units[in_partition])))
            except ModelError as partition_error:
                reasons[in_partition] = unscored_reason(partition_error)
    return ScoredUnits(groups, reasons)


def decide_scored(
    batch: ChampionUnits,
    scored: ScoredUnits,
    policy: Policy,
    units: pd.DataFrame,
    counts: ActionCounts | None,
    draft: DecisionDraft,
    track: Track,
) -> None:
    """Write the decisions of the scored units into the draft.

    counts: the actions that already use up limits; they don't count for held-out units. Raises PolicyError or
    PayoffError on the replay.
    """
    import numpy as np

    for mask, score in scored.groups:
        counted = None if (mask & batch.held).any() else counts
        chosen = _choose(policy, units[mask], score, counted, track)
        if isinstance(chosen, str):
            leave_to_current_process(draft, mask, np.full(len(units), chosen, object))
            continue
        draft.expected[mask] = chosen.expected
        draft.action[mask], draft.reason[mask] = chosen.action, chosen.reason
        draft.decided_by[mask] = np.where(chosen.deferred, "review", "model")


def _choose(
    policy: Policy, rows: pd.DataFrame, score: NDArray[np.float64], counts: ActionCounts | None, track: Track
) -> ChosenActions | str:
    """Return the chosen actions or, on the live track, why the policy can't choose any."""
    try:
        return policy.choose_actions(rows, score, counts)
    except SixtyfortyError as error:
        if track == "replay":
            raise
        return unscored_reason(error)


def leave_to_current_process(draft: DecisionDraft, mask: Mask, reasons: NDArray[Any]) -> None:
    """Write into the draft that the current process decides on units, because the model may not or can't."""
    draft.decided_by[mask], draft.reason[mask] = "fallback", reasons[mask]
