"""Who keeps the current process: units held back to be compared with, and all of them while the model is in shadow.

Which units those are is drawn once and for ever: a hash of the use case, a salt and the declared columns, as a number
from 0 to 1, is below the share or it isn't. It depends on no order, no clock and no other unit; a larger share keeps
those of a smaller one. What was in force for a decision is in its policy: `…; holdout=0.1`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.rollout_ledger import STEPS, StepName
from sixtyforty.value.decision_ids import join_escaped
from sixtyforty.value.policy import POLICY_VERSION

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from sixtyforty.workspace import Workspace

HELD_OUT = ("holdout", "shadow")  # what such a decision's `decided_by` says
HOLDOUT_REASON = "held back: keeps the current process, to compare with"
SHADOW_REASON = "shadow: the model looks on, the current process decides"


def draw_number(use_case: str, salt: str, values: Sequence[Any]) -> str:
    """What is drawn for a unit or cluster: 16 hex digits, the same for ever."""
    return hashlib.sha256(join_escaped([use_case, salt, *values]).encode()).hexdigest()[:16]


def is_held_out(drawn: Iterable[str], share: NDArray[np.float64] | float) -> NDArray[np.bool_]:
    """Whether each drawn number, from 0 to 1, is below its share."""
    import numpy as np

    return np.array([int(d, 16) / 16**16 for d in drawn], float) < share


def has_assignment(case: UseCase, track: str) -> bool:
    """Whether some keep the current process: live only, for the past can't be lived otherwise."""
    return track == "live" and (case.kpi.holdout is not None or case.automation.rollout is not None)


def cluster_columns(case: UseCase) -> list[str]:
    """The columns of the unit source that are drawn by, where that isn't each unit by itself; else none."""
    of = case.kpi.holdout or case.automation.rollout
    return of.cluster_by if of and not set(case.decision.key) <= set(of.cluster_by) else []


def draw_rows(case: UseCase, rows: pd.DataFrame) -> list[str]:
    """What is drawn for each row, of its columns `_by0`, `_by1`, … (text)."""
    salt = case.kpi.holdout.salt if case.kpi.holdout else ""
    by = [rows[f"_by{i}"].fillna("").tolist() for i in range(len(cluster_columns(case) or case.decision.key))]
    return [draw_number(case.name, salt, values) for values in zip(*by, strict=True)]


def add_draw_columns(ws: Workspace, rows: str, partitions: Iterable[str]) -> str:
    """SQL of the rows (with `_partition` and the key) and what is drawn by, as text: `_by0`, `_by1`, …"""
    case = ws.use_case
    key, by = case.decision.key, cluster_columns(case)
    named = [f"""coalesce("{c}"::varchar, '') as _by{i}""" for i, c in enumerate(by or key)]
    if set(by) <= set(key):
        return f"(select *, {', '.join(named)} from {rows})"
    both = ", ".join(["_partition", *(f'"{c}"' for c in key)])
    units = ws.lake.select_rows(ws.lake.entries(f"validated/{case.decision.unit_source}", partitions).values())
    return f"(from {rows} left join (select {both}, {', '.join(named)} from {units}) using ({both}))"


def share_of_step(case: UseCase, step: StepName) -> float:
    """The share that keeps the current process in a step."""
    always = case.kpi.holdout.share if case.kpi.holdout else 0.0
    largest = case.automation.rollout.holdout_share if case.automation.rollout else always
    return {"shadow": 1.0, "holdout": largest, "full": always}[step]


def policy_name(share: float) -> str:
    """The name of the policy where a share keeps the current process."""
    return f"{POLICY_VERSION}; holdout={share!r}" if share else POLICY_VERSION


def parse_share(policy: str) -> float:
    """The share named in a policy; 0 without."""
    found = re.search(r"; holdout=([0-9.e-]+)$", policy)
    return float(found[1]) if found else 0.0


@dataclass(frozen=True)
class HeldOutUnits:
    """Of units about to be decided: who is held back, who is in shadow, and the name of the policy in force for each.

    Before the first champion there is nothing to hold back from. Held back is who is drawn, whatever the model would
    have been fit for: what makes it unfit must not tell the arms apart. In shadow no reviewer is asked either.
    """

    held: NDArray[np.bool_]
    in_shadow: NDArray[np.bool_]
    policies: NDArray[Any]

    @classmethod
    def among(cls, ws: Workspace, frame: pd.DataFrame, deciding: NDArray[np.bool_]) -> HeldOutUnits:
        """Of rows with `decided_at` and what is drawn by; deciding: for which of them there is a champion."""
        import numpy as np

        case = ws.use_case
        taken = ws.rollout_ledger.steps() if case.automation.rollout else []
        steps: list[StepName] = [STEPS[0] if case.automation.rollout else STEPS[-1], *(t.step for t in taken)]
        begins = np.array([t.effective_from for t in taken], "datetime64[us]")
        at = np.searchsorted(begins, frame["decided_at"].to_numpy(), side="right")
        share = np.array([share_of_step(case, s) for s in steps])[at]
        in_shadow = np.array([s == "shadow" for s in steps])[at] & deciding
        held = is_held_out(draw_rows(case, frame), share) & deciding & ~in_shadow
        names = np.array([policy_name(share_of_step(case, s)) for s in steps], object)[at]
        return cls(held, in_shadow, np.where(deciding, names, POLICY_VERSION))

    def hold_back(self, frame: pd.DataFrame, columns: dict[str, Any]) -> None:
        """Gives them the present action, in the `columns` of decisions (see there)."""
        import numpy as np

        in_shadow = self.in_shadow & np.isin(columns["decided_by"], ("model", "review"))
        for mask, by, why in ((self.held, "holdout", HOLDOUT_REASON), (in_shadow, "shadow", SHADOW_REASON)):
            columns["action"][mask] = frame["current_action"].to_numpy(object)[mask]
            columns["decided_by"][mask], columns["reason"][mask] = by, why
        columns["policy"] = self.policies
