"""Compute the results of a randomized experiment: the effect so far, the money of each day, and the plan of a new one.

The held-out units show what the current process would have been worth on the model's units. Each held-out unit is
weighted by the ratio of the two arms' sizes, and the figures are adjusted for the covariate. So the money of days and
months adds up to the total.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sixtyforty.accounting.experiment_ledger import COUNTS, DATASET, SUMS, HoldoutError, declared_holdout, load_units
from sixtyforty.accounting.holdout_shares import count_held_out
from sixtyforty.decisions import assignment
from sixtyforty.decisions.due_decisions import live_since
from sixtyforty.spec.use_case import UseCase
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.experiment import Arm, compare_arms
from sixtyforty.value.experiment_design import HoldoutDesign
from sixtyforty.value.experiment_estimate import HoldoutEstimate
from sixtyforty.value.lift import Interval
from sixtyforty.value.share_test import find_mismatches, sequential_p_value
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

PLANNING_PARTITIONS = 56  # partitions before the live start that a plan uses; 56 days contain each weekday eight times


def measure_effect(ws: Workspace, partitions: Sequence[str] | None = None) -> HoldoutEstimate | None:
    """Return the effect that the experiment shows so far; None without known outcomes for the model or for the holdout.

    partitions: the partitions to include; None includes all.
    """
    import numpy as np

    sums = _read_sums(ws, partitions)
    if sums is None:
        return None
    model, current = _arms(ws.use_case, sums)
    effect = compare_arms(model, current)
    drawn = count_held_out(ws, sorted(sums["_partition"].unique()))
    held_out = float(current.total[:, 0].sum())
    share = held_out / float(effect.units)
    units_a_day = float(effect.units) / (sums["_partition"].nunique() * ws.use_case.days_between_decisions)

    def per_1000(low: float, high: float) -> Interval:
        return Interval(*(1000 * float(end) for end in (effect.value, low, high)))

    return HoldoutEstimate(
        since=str(sums["_partition"].min()),
        units=int(effect.units),
        held_out=int(held_out),
        lift=per_1000(*effect.always_valid_interval(declared_holdout(ws.use_case).planned_units)),
        single_look=per_1000(*effect.single_look_interval()),
        gain=float(effect.value * model.total[:, 0].sum()),
        sample_ratio_p_value=sequential_p_value(drawn),
        imbalance=float(effect.imbalance),
        design=HoldoutDesign(share, float(effect.error * np.sqrt(effect.units * share * (1 - share))), units_a_day),
        mismatches=find_mismatches(drawn),
    )


def read_daily_values(ws: Workspace, partitions: Sequence[str]) -> list[DailyValue]:
    """Return the daily value of each partition, over the experiment's units on which the model decides.

    The current process's money on these units is estimated from the held-out arm. The money of random choice and
    perfect foresight is NaN, because nobody knows the outcome of an action not taken.
    """
    import numpy as np

    sums = _read_sums(ws, partitions)
    if sums is None:
        return []
    held_out = sums["held_out"]
    model, current = _arms(ws.use_case, sums)
    slope = float(compare_arms(model, current).slope)
    units_per_held_out = dict(zip(sorted(sums["share"].unique()), model.total[:, 0] / current.total[:, 0], strict=True))
    weight = sums["share"].map(units_per_held_out)
    by_covariate = slope * sums["covariate"]
    sums["current_process"] = np.where(held_out, weight * (sums["value"] - by_covariate), by_covariate)
    sums.loc[held_out, ["value", "units", *COUNTS]] = 0
    by_partition = sums.groupby("_partition", sort=True)[["units", "value", "current_process", *COUNTS]].sum()
    return [
        DailyValue(
            partition=str(partition),
            decisions=int(units),
            model=float(model_money),
            current_process=float(current_money),
            random_choice=np.nan,
            perfect_foresight=np.nan,
            acted=int(acted),
            differ=int(differ),
            fallback=int(fallback),
        )
        for partition, units, model_money, current_money, acted, differ, fallback in by_partition.itertuples(name=None)
    ]


def plan_experiment(ws: Workspace) -> HoldoutDesign:
    """Return the design of a holdout of the declared share, computed from the units decided before the model went live.

    Raises HoldoutError if no holdout is declared, or if no outcome is known yet.
    """
    import numpy as np

    use_case, share = ws.use_case, declared_holdout(ws.use_case).share
    units = _units_before_start(ws)
    if units is None or units.empty:
        raise HoldoutError(
            f"{use_case.name}: no outcome from before the live start is known, so a holdout can't be planned. Run the"
            " chain on past days first."
        )
    sums = units.assign(share=share).groupby(["share", "cluster"], sort=True)[SUMS].sum().reset_index()
    _, spread = _arm(use_case, sums).mean(np.ones(1))
    explained = spread[0, 1] ** 2 / spread[1, 1] if spread[1, 1] > 0 else 0.0
    deviation = float(np.sqrt((spread[0, 0] - explained) * len(units)))
    days = units["_partition"].nunique() * use_case.days_between_decisions
    return HoldoutDesign(share, deviation, len(units) / days)


def _units_before_start(ws: Workspace) -> pd.DataFrame | None:
    """Return units with a known outcome from before the live start, with the current process's actions.

    The units are those of the last PLANNING_PARTITIONS partitions before the live start. Return None without such
    partitions.
    """
    use_case, start = ws.use_case, live_since(ws, "live")
    known = use_case.decision_partitions(ws.lake.partitions("outcomes"))
    before = [p for p in known if start is None or use_case.closes_at(p) <= start][-PLANNING_PARTITIONS:]
    features = ws.lake.entries("features", before)
    if not features:
        return None
    units = load_units(ws, features, ws.lake.entries("outcomes", list(features)), "current_action as action")
    return units[units["outcome"].notna()]


def _read_sums(ws: Workspace, partitions: Sequence[str] | None = None) -> pd.DataFrame | None:
    """Read the sums of units, values and covariates from accounts, for the holdout shares with units in both arms.

    Return None if no share has units in both arms. partitions: the partitions to include; None includes all.

    Units that were assigned to arms in another way than is declared now are left out, for example units that were
    assigned separately instead of in clusters. They can't be compared with later units.
    """
    entries = ws.lake.entries(DATASET, partitions)
    if not entries:
        return None
    drawn_as_declared = f"(cluster <> '') = {bool(assignment.cluster_columns(ws.use_case))}"
    with ws.lake.open_session(ws.use_case.timezone) as db:
        sums = db.execute(
            f"""from {ws.lake.select_rows(entries.values())} where {drawn_as_declared}
            order by _partition, share, held_out, cluster"""
        ).df()
    in_both_arms = sums.groupby("share")["held_out"].transform("nunique") == 2
    return sums[in_both_arms].reset_index(drop=True) if in_both_arms.any() else None


def _arms(use_case: UseCase, sums: pd.DataFrame) -> tuple[Arm, Arm]:
    """Return the two arms of the experiment: the model's arm, and the arm that keeps the current process."""
    held_out = sums["held_out"]
    return _arm(use_case, sums[~held_out]), _arm(use_case, sums[held_out])


def _arm(use_case: UseCase, sums: pd.DataFrame) -> Arm:
    """Return one arm of the experiment (model or holdout). Each holdout share that was in force is one stratum.

    The strata are sorted by share.
    """
    if not assignment.cluster_columns(use_case):
        return Arm.from_unit_sums(sums.groupby("share", sort=True)[SUMS].sum().to_numpy(float))
    import numpy as np

    wide = sums.pivot_table(index="cluster", columns="share", values=SUMS[:3], aggfunc="sum", fill_value=0.0)
    strata = [
        wide.xs(share, axis=1, level="share")[SUMS[:3]].to_numpy(float) for share in sorted(sums["share"].unique())
    ]
    return Arm.from_cluster_sums(np.stack(strata, 1))
