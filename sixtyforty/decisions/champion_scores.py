"""Score the units of one champion, or return the reason why the champion can't score them.

If a live champion can't score a unit, the current process decides. The champion can't score if its files are missing or
changed, the features lack a column that it learned from, its estimator fails, or its vetoes can't be evaluated. On the
replay, only a missing or changed feature is such a reason. Any other fault ends the run, because a replay can be
calculated again.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from sixtyforty.value.policy import Policy, WeighedUnits
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

    `units`: the mask of the champion's units. `held`: the mask of all held-out units, also those of other champions.
    Held-out units are scored as a separate group, because their actions use up no limit.
    """

    champion: ChampionRow
    units: Mask
    held: Mask

    def groups(self, unfit: Mask) -> list[Mask]:
        """Return two masks: the units that the champion decides, and the champion's held-out units.

        unfit: the mask of units that can't be scored. They are in neither of the two masks.
        """
        fit = self.units & ~unfit
        return [fit & ~self.held, fit & self.held]


@dataclass(frozen=True)
class ScoredUnits:
    """The scores of a champion's units, and the reasons why some of its units have no score.

    `groups`: for each group of scored units, the mask of the units and their scores. `reasons`: for each unit of the
    run, why the champion can't score the unit; None for scored units and for units of other champions.
    """

    groups: list[tuple[Mask, NDArray[np.float64]]]
    reasons: NDArray[Any]

    @property
    def unscored(self) -> Mask:
        """The mask of the units that the champion can't score."""
        import numpy as np

        return np.array([reason is not None for reason in self.reasons], bool)


def score_units(
    ws: Workspace, batch: ChampionUnits, units: pd.DataFrame, unfit: Mask, columns: Columns, track: Track
) -> ScoredUnits:
    """Return the scores of the champion's units, and the reasons why some of its units have no score.

    unfit: the mask of units to leave out. columns: the columns of the features. On the replay, raises ModelError for
    any fault other than a missing or changed feature.
    """
    import numpy as np

    reasons = np.full(len(units), None, object)
    masks = batch.groups(unfit)
    to_score = masks[0] | masks[1]
    if not to_score.any():
        return ScoredUnits([], reasons)
    try:
        card = ws.models.card(batch.champion.version)
        ws.models.require_bound(batch.champion.version, batch.champion.bound)
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
        return _score_by_partition(ws, batch.champion, units, masks, reasons)


def unscored_reason(problem: object) -> str:
    """Return the reason to store with decisions that a champion can't take: the first sentence about the problem."""
    return f"{UNSCORED}{str(problem).split('. ')[0].rstrip('.')}: the current process decides"


def _predict(model: FittedModel, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Return the scores of feature rows. Raises ModelError if the estimator fails, or if a score isn't a number."""
    import numpy as np

    try:
        scores = model.predict(rows)
    except Exception as error:  # an estimator may raise anything; its text may hold data, so only the type is reported
        raise ModelError(f"the model's estimator fails with a {type(error).__name__}") from error
    finite = np.isfinite(scores).reshape(-1, len(rows)).all(axis=0)
    if not finite.all():
        raise ModelError(f"the model's estimator returns no number for {int((~finite).sum())} of {len(rows)} units")
    return scores


def _score_by_partition(
    ws: Workspace, champion: ChampionRow, units: pd.DataFrame, masks: list[Mask], reasons: NDArray[Any]
) -> ScoredUnits:
    """Score each partition separately after an error, so that only the partitions with an error have no scores.

    reasons: filled in place with the reason for each unit that can't be scored.
    """
    try:
        ws.models.require_bound(champion.version, champion.bound)
        model = ws.models.load(champion.version)
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


@dataclass(frozen=True)
class WeighedGroup:
    """Scored units of one champion whose actions the policy chooses.

    - mask: the positions of the units in their portion.
    - weighed: what the policy needs of them.
    - is_held: whether the units are held out, so that their actions use up no limit.
    """

    mask: Mask
    weighed: WeighedUnits
    is_held: bool


def weigh_scored(
    batch: ChampionUnits,
    scored: ScoredUnits,
    policy: Policy,
    units: pd.DataFrame,
    draft: DecisionDraft,
    track: Track,
) -> list[WeighedGroup]:
    """Return the scored units of a champion for `decide_weighed`.

    If the policy can't weigh units on the live track, the current process decides, with the reason in the draft. On the
    replay, raises PolicyError or PayoffError.
    """
    groups = []
    for mask, score in scored.groups:
        try:
            weighed = policy.weigh_units(units[mask], score)
        except SixtyfortyError as error:
            _leave_unscored(draft, mask, error, track)
        else:
            groups.append(WeighedGroup(mask, weighed, bool((mask & batch.held).any())))
    return groups


def decide_weighed(
    policy: Policy, groups: Sequence[tuple[DecisionDraft, WeighedGroup]], counts: ActionCounts, track: Track
) -> None:
    """Choose the actions of units that compete with each other, and write them into the drafts of their portions.

    counts: the earlier actions that use up the limits of the policy. On the replay, raises PayoffError if the policy
    can't choose.
    """
    import numpy as np

    if not groups:
        return
    ranked = policy.rank_actions([group.weighed for _, group in groups], counts)
    for (draft, group), actions in zip(groups, ranked, strict=True):
        try:
            chosen = policy.settle_actions(group.weighed, actions)
        except SixtyfortyError as error:
            _leave_unscored(draft, group.mask, error, track)
            continue
        draft.expected[group.mask] = chosen.expected
        draft.action[group.mask], draft.reason[group.mask] = chosen.action, chosen.reason
        deciders = np.array(["fallback", "review", "model"], object)
        draft.decided_by[group.mask] = deciders[np.where(chosen.impossible, 0, np.where(chosen.deferred, 1, 2))]


def _leave_unscored(draft: DecisionDraft, mask: Mask, error: SixtyfortyError, track: Track) -> None:
    """Let the current process decide on units on which the policy fails. On the replay, raise the error."""
    import numpy as np

    if track == "replay":
        raise error
    leave_to_current_process(draft, mask, np.full(len(mask), unscored_reason(error), object))


def leave_to_current_process(draft: DecisionDraft, mask: Mask, reasons: NDArray[Any]) -> None:
    """In the draft of decisions, let the current process decide on the units in `mask`, with the reason for each."""
    draft.decided_by[mask], draft.reason[mask] = "fallback", reasons[mask]
