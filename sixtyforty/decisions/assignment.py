"""Assign units to the holdout: the current process decides on these units, as a comparison for the model.

A number from 0 to 1 is drawn for each unit or cluster, by a hash of the use case, a salt and the declared columns. A
unit whose number is below the holdout share is held out. The number doesn't depend on the order of the units, on the
time or on other units. If the share grows, the units that were already held out stay held out. While a rollout is in
shadow, the current process decides on all units. The policy of a decision names the share in force: `…; holdout=0.1`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.decisions.decision_draft import DecisionDraft
from sixtyforty.ingest.contract_rows import select_validated_rows
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.track import Track
from sixtyforty.storage.rollout_ledger import STEPS, StepName
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.value.decision_ids import join_escaped
from sixtyforty.value.policy import POLICY_VERSION

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from sixtyforty.workspace import Workspace

HELD_OUT = ("holdout", "shadow")  # `decided_by` if the current process decides for comparison
HOLDOUT_REASON = "held out: the current process decides, so that the model can be compared with it"
SHADOW_REASON = "shadow: the current process decides, and the model's decision isn't used"


def draw_number(use_case: str, salt: str, values: Sequence[Any]) -> str:
    """Return the number that decides whether a unit or cluster is held out, as 16 hex digits: a hash of the arguments.

    values: the values of the columns that identify the unit or cluster.
    """
    return hashlib.sha256(join_escaped([use_case, salt, *values]).encode()).hexdigest()[:16]


def is_held_out(drawn: Iterable[str], share: NDArray[np.float64] | float) -> NDArray[np.bool_]:
    """Return for each unit whether it is held out: its number from `draw_number`, scaled to 0 to 1, is below `share`.

    drawn: numbers from `draw_number`. share: one share for all units, or one for each.
    """
    import numpy as np

    return np.array([int(digits, 16) / 16**16 for digits in drawn], float) < share


def has_assignment(use_case: DecisionChain, track: Track) -> bool:
    """Return whether units are held out on a track. Only the live track can have a holdout."""
    return track == "live" and (use_case.kpi.holdout is not None or use_case.automation.rollout is not None)


def cluster_columns(use_case: DecisionChain) -> list[str]:
    """Return the columns that identify a cluster: units that are held out together. Without clusters: an empty list.

    A unit that may occur in several partitions is a cluster: it is held out in all of them, or in none.
    """
    declared, key = use_case.kpi.holdout or use_case.automation.rollout, use_case.decision.key
    if declared is None:
        return []
    if declared.cluster_by and not set(key) <= set(declared.cluster_by):
        return declared.cluster_by
    return key if use_case.units_recur else []


def draw_columns(use_case: DecisionChain) -> dict[str, str]:
    """Return the columns by which units are assigned to the holdout, each with its alias in SQL, such as `_draw0`."""
    columns = cluster_columns(use_case) or use_case.decision.key
    return {column: f"_draw{number}" for number, column in enumerate(columns)}


def draw_rows(use_case: DecisionChain, rows: pd.DataFrame) -> list[str]:
    """Return for each row the number that decides whether its unit is held out. rows: from `add_draw_columns`."""
    salt = use_case.kpi.holdout.salt if use_case.kpi.holdout else ""
    columns = [rows[name].fillna("").tolist() for name in draw_columns(use_case).values()]
    return [draw_number(use_case.first_name, salt, values) for values in zip(*columns, strict=True)]


def add_draw_columns(ws: Workspace, rows: str, partitions: Iterable[str]) -> str:
    """Return SQL that adds to `rows` a text copy of each column by which units are assigned to the holdout.

    rows: SQL of a table with `_partition` and the unit's key. partitions: the partitions of these rows. The copies
    are named `_draw0`, `_draw1`, ….
    """
    use_case = ws.use_case
    key = use_case.decision.key
    drawn = draw_columns(use_case)
    texts = ", ".join(f"coalesce({identifier(column)}::varchar, '') as {name}" for column, name in drawn.items())
    if set(drawn) <= set(key):
        return f"(select *, {texts} from {rows})"
    unit = f"_partition, {identifiers(key)}"
    source = str(use_case.decision.unit_source)  # clusters are columns of the source of the units
    entries = ws.lake.entries(f"validated/{source}", partitions)
    units = select_validated_rows(ws.lake, use_case.sources[source], entries.values())
    return f"(from {rows} left join (select {unit}, {texts} from {units}) using ({unit}))"


def share_of_step(use_case: DecisionChain, step: StepName) -> float:
    """Return the share of units on which the current process decides in a rollout step."""
    permanent = use_case.kpi.holdout.share if use_case.kpi.holdout else 0.0
    rollout = use_case.automation.rollout
    return {"shadow": 1.0, "holdout": rollout.holdout_share if rollout else permanent, "full": permanent}[step]


def policy_name(share: float) -> str:
    """Return the policy name that is stored with a decision. The name ends with the holdout share, unless it is 0."""
    return f"{POLICY_VERSION}; holdout={share!r}" if share else POLICY_VERSION


def parse_share(policy: str) -> float:
    """Return the holdout share at the end of a policy name, or 0 if the name contains no share."""
    match = re.search(r"; holdout=([0-9.e-]+)$", policy)
    return float(match[1]) if match else 0.0


@dataclass(frozen=True)
class HeldOutUnits:
    """Which units of a batch are in the holdout or in shadow, and the name of each unit's policy.

    Each array has the shape (units,). Units without a champion aren't held out, because there is no model to compare.
    The draw ignores late and suspect inputs, because leaving out such units would make the arms of the experiment
    differ.
    In shadow, the current process also takes the decisions that would otherwise go to reviewers.
    """

    in_holdout: NDArray[np.bool_]
    in_shadow: NDArray[np.bool_]
    policies: NDArray[Any]

    @classmethod
    def draw(cls, ws: Workspace, units: pd.DataFrame, has_champion: NDArray[np.bool_]) -> HeldOutUnits:
        """Choose the units to hold out by their random numbers, and determine each unit's rollout step and policy name.

        units: rows of `add_draw_columns` with `decided_at` (UTC). has_champion: whether a champion is in force for each
        unit.
        """
        import numpy as np

        use_case = ws.use_case
        taken = ws.rollout_ledger.steps() if use_case.automation.rollout else []
        first_step = STEPS[0] if use_case.automation.rollout else STEPS[-1]
        steps: list[StepName] = [first_step, *(row.step for row in taken)]
        starts = np.array([row.effective_from for row in taken], "datetime64[us]")
        position = np.searchsorted(starts, units["decided_at"].to_numpy(), side="right")
        shares = [share_of_step(use_case, step) for step in steps]
        in_shadow = np.array([step == "shadow" for step in steps])[position] & has_champion
        in_holdout = is_held_out(draw_rows(use_case, units), np.array(shares)[position]) & has_champion & ~in_shadow
        policies = np.array([policy_name(share) for share in shares], object)[position]
        return cls(in_holdout, in_shadow, np.where(has_champion, policies, POLICY_VERSION))

    def apply(self, current_actions: pa.ChunkedArray, draft: DecisionDraft) -> None:
        """In the draft of decisions, give held-out units the current process's action, and each unit its policy.

        current_actions: the action of the current process for each unit.
        """
        import numpy as np

        in_shadow = self.in_shadow & np.isin(draft.decided_by, ("model", "review"))
        current_action = current_actions.to_numpy()
        for mask, decided_by, reason in (
            (self.in_holdout, "holdout", HOLDOUT_REASON),
            (in_shadow, "shadow", SHADOW_REASON),
        ):
            draft.action[mask] = current_action[mask]
            draft.decided_by[mask], draft.reason[mask] = decided_by, reason
        draft.policy[:] = self.policies
