"""Compute the results of a randomized experiment: the effect so far, the money of each day, and the plan of a new one.

The held-out units show what the current process would have been worth on the model's units. Each held-out unit is
weighted by the ratio of the two arms' sizes, and the figures are adjusted for the covariate. So the money of days and
months adds up to the total.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sixtyforty.accounting.arm_sums import (
    COUNTS,
    SUMS,
    HoldoutError,
    build_arm,
    declared_holdout,
    merge_sums,
    sum_arms,
)
from sixtyforty.accounting.cluster_spread import measure_spread
from sixtyforty.accounting.experiment_ledger import DATASET, ExperimentAccount
from sixtyforty.accounting.holdout_shares import count_held_out
from sixtyforty.decisions import assignment
from sixtyforty.decisions.due_decisions import live_since
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.sql import literal
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.experiment import Arm, compare_arms
from sixtyforty.value.experiment_design import HoldoutDesign
from sixtyforty.value.experiment_estimate import HoldoutEstimate
from sixtyforty.value.lift import Interval
from sixtyforty.value.share_test import find_mismatches, sequential_p_value
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import duckdb

PLANNING_PARTITIONS = 56  # partitions before the live start that a plan uses; 56 days contain each weekday eight times


def measure_effect(ws: Workspace, partitions: Sequence[str] | None = None) -> HoldoutEstimate | None:
    """Return the effect that the experiment shows so far; None without known outcomes for the model or for the holdout.

    partitions: the partitions to include; None includes all.
    """
    import numpy as np

    with _open_accounts(ws, partitions) as accounts:
        if accounts is None:
            return None
        model, current = accounts.arms(ws.use_case)
        bounds = declared_holdout(ws.use_case).bounds
        effect = compare_arms(model, current, bounds.ends if bounds else None)
        spread = measure_spread(accounts.db, accounts.rows, float(effect.slope), ws.use_case.days_between_decisions)
    drawn = count_held_out(ws, accounts.partitions)
    held_out = float(current.total[:, 0].sum())
    share = held_out / float(effect.units)
    units_a_day = float(effect.units) / (len(accounts.partitions) * ws.use_case.days_between_decisions)

    def per_1000(low: float, high: float) -> Interval:
        return Interval(*(1000 * float(end) for end in (effect.value, low, high)), problem=effect.problem)

    return HoldoutEstimate(
        since=accounts.partitions[0],
        units=int(effect.units),
        held_out=int(held_out),
        lift=per_1000(*effect.always_valid_interval(declared_holdout(ws.use_case).planned_units)),
        single_look=per_1000(*effect.single_look_interval()),
        gain=float(effect.value * model.total[:, 0].sum()),
        sample_ratio_p_value=sequential_p_value(drawn),
        imbalance=float(effect.imbalance),
        design=HoldoutDesign.of_spread(share, units_a_day, spread)
        if spread
        else HoldoutDesign(share, float(effect.error * np.sqrt(effect.units * share * (1 - share))), units_a_day),
        mismatches=find_mismatches(drawn),
        broken_bounds=_describe_broken_bounds(ws, accounts.partitions),
    )


def _describe_broken_bounds(ws: Workspace, partitions: Sequence[str]) -> str:
    """Return which partition has a value outside of the declared bounds; empty if none has, or without bounds."""
    bounds = declared_holdout(ws.use_case).bounds
    if bounds is None:
        return ""
    for partition, entry in ws.lake.entries(DATASET, partitions).items():
        account = ExperimentAccount.from_entry(entry)
        least, greatest = account.least, account.greatest
        if not account.decisions:
            continue
        if least is None or greatest is None:
            return (
                f"the account of {partition} doesn't hold the extreme values. Value this partition again with"
                " `sixtyforty run`."
            )
        if least < bounds.low or greatest > bounds.high:
            return (
                f"values of {partition} are from {least:g} to {greatest:g}, outside of"
                f" kpi.holdout.bounds ({bounds.low:g} to {bounds.high:g}). Correct the outcomes or the bounds."
            )
    return ""


def read_daily_values(ws: Workspace, partitions: Sequence[str]) -> list[DailyValue]:
    """Return the daily value of each partition, over the experiment's units on which the model decides.

    The current process's money on these units is estimated from the held-out arm. The money of random choice and
    perfect foresight is NaN, because nobody knows the outcome of an action not taken.
    """
    import numpy as np
    import pandas as pd

    with _open_accounts(ws, partitions) as accounts:
        if accounts is None:
            return []
        model, current = accounts.arms(ws.use_case)
        by = ["_partition", "share", "held_out"]
        portions = merge_sums(accounts.db, accounts.rows, by, [*SUMS[:3], *COUNTS], by)
        sums = pd.concat(portions, ignore_index=True)
    held_out = sums["held_out"]
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

    use_case, share, (features, outcomes) = ws.use_case, declared_holdout(ws.use_case).share, _entries_before_start(ws)
    policy = literal(assignment.policy_name(share))
    columns = f"current_action as action, current_action, 'current_process' as decided_by, {policy} as policy"
    with sum_arms(ws, features, outcomes, columns) as sums:
        known = [counts.account["decisions"] for counts in sums.counts.values() if counts.account["decisions"]]
        if not known:
            raise HoldoutError(
                f"{use_case.name}: no outcome from before the live start is known, so a holdout can't be planned. Run"
                " the chain on past days first."
            )
        _, covariance = build_arm(use_case, sums.db, sums.rows).mean(np.ones(1))
        slope = float(covariance[0, 1] / covariance[1, 1]) if covariance[1, 1] > 0 else 0.0
        spread = measure_spread(sums.db, sums.rows, slope, use_case.days_between_decisions)
    units_a_day = sum(known) / (len(known) * use_case.days_between_decisions)
    if spread:
        return HoldoutDesign.of_spread(share, units_a_day, spread)
    variance = covariance[0, 0] - slope * covariance[0, 1]
    return HoldoutDesign(share, float(np.sqrt(variance * sum(known))), units_a_day)


def _entries_before_start(ws: Workspace) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """Return the manifests of features and outcomes of the last PLANNING_PARTITIONS partitions before the live start.

    With the current process's actions, their units are those on which a plan rests.
    """
    use_case, start = ws.use_case, live_since(ws, "live")
    known = use_case.decision_partitions(ws.lake.partitions("outcomes"))
    before = [p for p in known if start is None or use_case.closes_at(p) <= start][-PLANNING_PARTITIONS:]
    features = ws.lake.entries("features", before)
    return features, ws.lake.entries("outcomes", list(features))


@dataclass(frozen=True)
class _OpenAccounts:
    """The accounts of the experiment in a session of DuckDB.

    `rows` is SQL of their sums, as in `ArmSums`. `partitions`: the partitions of the sums, sorted.
    """

    db: duckdb.DuckDBPyConnection
    rows: str
    partitions: list[str]

    def arms(self, use_case: UseCase) -> tuple[Arm, Arm]:
        """Return the two arms of the experiment: the model's arm, and the arm that keeps the current process."""
        model, current = (
            build_arm(use_case, self.db, f"(from {self.rows} where held_out = {held_out})")
            for held_out in (False, True)
        )
        return model, current


@contextmanager
def _open_accounts(ws: Workspace, partitions: Sequence[str] | None = None) -> Iterator[_OpenAccounts | None]:
    """Open the accounts, for the holdout shares with units in both arms.

    Yield None if no share has units in both arms. partitions: the partitions to include; None includes all.

    Units that were assigned to arms in another way than is declared now are left out, for example units that were
    assigned separately instead of in clusters. They can't be compared with later units.
    """
    entries = ws.lake.entries(DATASET, partitions)
    if not entries:
        yield None
        return
    drawn_as_declared = f"(cluster <> '') = {bool(assignment.cluster_columns(ws.use_case))}"
    declared = f"(select *, 0 as portion from {_with_cubes(ws, entries.values())} where {drawn_as_declared})"
    in_both = f"(select share from {declared} group by share having count(distinct held_out) = 2)"
    with ws.lake.open_session(ws.use_case.timezone) as db:
        rows = f"(from {declared} where share in {in_both})"
        included = db.execute(f"select distinct _partition from {rows} order by 1").fetchall()
        yield _OpenAccounts(db, rows, [partition for (partition,) in included]) if included else None


def _with_cubes(ws: Workspace, entries: Iterable[Entry]) -> str:
    """Return SQL of the sums in accounts. `value_cubed` is infinite in accounts of releases that didn't store it."""
    cubes = "(select null::double as value_cubed where false)"
    rows = f"(from {ws.lake.select_rows(entries)} union all by name {cubes})"
    return f"(select * replace (coalesce(value_cubed, 'infinity') as value_cubed) from {rows})"
