"""The account of a randomized use case, live: what both arms were worth, by day, and what the difference says.

A day's account holds, for each share in force and arm (and cluster, where such were drawn), the sums of what its units
were worth and of their covariate: cost follows the new days, and the figures of any days follow from the sums. What
the current process would have made of the model's units is told from those that kept it: each of them stands for as
many as there are of the model's to one of theirs, and what the covariate foretold is set right. So days and months add
up to the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sixtyforty.decisions import assignment
from sixtyforty.decisions.deciding import begins, dataset
from sixtyforty.spec.kpi import Holdout
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.lake import Entry, versions
from sixtyforty.value.experiment import Arm, Design, Measured, as_dealt, compare
from sixtyforty.value.lift import BY_PRESENT_PROCESS, Day, Interval
from sixtyforty.value.payoff_sql import cost_sql
from sixtyforty.value.payoffs import Choice
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

ACCOUNT = "kpi/live"
PAST = 56  # newest days before the start that a design is made from: eight weeks, each weekday as often
SUMS = ["units", "value", "covariate", "value_value", "value_covariate", "covariate_covariate"]
COUNTS = ["acted", "differ", "fallback"]


class HoldoutError(ValueError):
    """Why a holdout says nothing here."""


def randomized(case: UseCase, track: str) -> bool:
    """Whether the track's money is the difference between two arms."""
    return track == "live" and case.kpi.holdout is not None


def _declared(case: UseCase) -> Holdout:
    if case.kpi.holdout is None:
        raise HoldoutError(f"{case.name}: kpi.label is exact: its action doesn't change the outcome, none is held back")
    return case.kpi.holdout


def account(ws: Workspace, partitions: Sequence[str]) -> dict[str, Entry]:
    """Accounts for these partitions (a chunk) of live decisions.

    Facts: `decisions` dealt to the arms whose outcome is known, `held` of them to the current process, what either arm
    was worth (`model`, `present`), `beside` (known, but decided in shadow or before there was a holdout) and `unknown`.
    """
    import pyarrow as pa

    decisions = ws.lake.entries(dataset("live"), partitions)
    outcomes = ws.lake.entries("outcomes", list(decisions))
    decisions = {p: decisions[p] for p in outcomes}
    if not decisions:
        return {}
    kpi, found = ws.use_case.kpi, {}
    units = _units(ws, decisions, outcomes, "action, current_action, decided_by, policy")
    units["share"] = units["policy"].map({p: assignment.share_in(p) for p in units["policy"].unique()})
    units["held"] = units["decided_by"] == "holdout"
    units["acted"] = units["action"] != kpi.idle
    units["differ"] = units["action"] != units["current_action"]
    units["fallback"] = units["decided_by"].isin(BY_PRESENT_PROCESS)
    numbers = dict.fromkeys(SUMS, pa.float64()) | dict.fromkeys(COUNTS, pa.int64())
    schema = pa.schema({"share": pa.float64(), "held": pa.bool_(), "cluster": pa.string(), **numbers})
    for key, rows in units.groupby("_partition", sort=True):
        partition = str(key)
        known = rows[rows["outcome"].notna()]
        dealt = known[(known["share"] > 0) & (known["share"] < 1)]
        sums = dealt.groupby(["share", "held", "cluster"], sort=True)[[*SUMS, *COUNTS]].sum().reset_index()
        arm = dealt.groupby("held")["value"].sum()
        facts = {
            "partition": partition,
            "decisions": len(dealt),
            "held": int(dealt["held"].sum()),
            "model": float(arm.get(False, 0.0)),
            "present": float(arm.get(True, 0.0)),
            "beside": len(known) - len(dealt),
            "unknown": len(rows) - len(known),
        }
        inputs = {
            dataset("live"): versions({partition: decisions[partition]}),
            "outcomes": versions({partition: outcomes[partition]}),
        }
        table = pa.Table.from_pandas(sums, schema=schema, preserve_index=False).replace_schema_metadata(None)
        found[partition] = ws.lake.write(ACCOUNT, partition, table, inputs=inputs, code=ws.code, facts=facts)
    return found


def _units(ws: Workspace, rows: Mapping[str, Entry], outcomes: Mapping[str, Entry], columns: str) -> pd.DataFrame:
    """Rows of decisions or features with their outcome, the cluster they were drawn in ('': alone), and the SUMS.

    A covariate that is missing is its day's mean, which says nothing. Raises HoldoutError where there is no such.
    """
    import pyarrow.parquet as pq

    case, covariate = ws.use_case, _declared(ws.use_case).covariate
    key = ", ".join(f'"{c}"' for c in case.decision.key)
    features = ws.lake.entries("features", list(rows))
    if covariate and not all(covariate in pq.read_schema(ws.lake.path(e)).names for e in features.values()):
        raise HoldoutError(f"kpi.holdout.covariate '{covariate}' is not a column of features.sql")
    known = f'"{covariate}"::double' if covariate else "0.0"
    priced = "".join(f', "{c}"' for c in case.kpi.priced)
    taken = f"(select _partition, {key}, {columns} from {ws.lake.rows(rows.values())})"
    with connect(case.timezone) as db:
        found = db.execute(
            f"""select d.*, o."{case.kpi.outcome}"::double as outcome, f.* exclude (_partition, {key})
            from {assignment.with_columns(ws, taken, list(rows))} d
            join {ws.lake.rows(outcomes.values())} o using (_partition, {key})
            left join (select _partition, {key}, {known} as covariate, decided_at{priced}
                from {ws.lake.rows(features.values())}) f
            using (_partition, {key}) order by _partition, {key}"""
        ).df()
    found["cluster"] = assignment.drawn_for(case, found) if assignment.together(case) else ""
    x = found["covariate"].fillna(found.groupby("_partition")["covariate"].transform("mean")).fillna(0.0)
    y = Choice(case.kpi, found).worth(found["action"].tolist(), found["outcome"].to_numpy(float))
    return found.assign(
        units=1.0, value=y, covariate=x, value_value=y * y, value_covariate=y * x, covariate_covariate=x * x
    )


def _sums(ws: Workspace, partitions: Sequence[str] | None = None) -> pd.DataFrame | None:
    """What the accounts of these days hold, of shares with units in both arms; None without any.

    Units drawn in another way than is declared now (alone, not in clusters) aren't compared with those that follow.
    """
    entries = ws.lake.entries(ACCOUNT, partitions)
    if not entries:
        return None
    alike = f"(cluster <> '') = {bool(assignment.together(ws.use_case))}"
    with connect(ws.use_case.timezone) as db:
        found = db.execute(
            f"from {ws.lake.rows(entries.values())} where {alike} order by _partition, share, held, cluster"
        ).df()
    both = found.groupby("share")["held"].transform("nunique") == 2
    return found[both].reset_index(drop=True) if both.any() else None


def _arm(case: UseCase, sums: pd.DataFrame) -> Arm:
    """Shares are the strata, the smallest first."""
    if not assignment.together(case):
        return Arm.of_units(sums.groupby("share", sort=True)[SUMS].sum().to_numpy(float))
    wide = sums.pivot_table(index="cluster", columns="share", values=SUMS[:3], aggfunc="sum", fill_value=0.0)
    strata = [
        wide.xs(share, axis=1, level="share")[SUMS[:3]].to_numpy(float) for share in sorted(sums["share"].unique())
    ]
    import numpy as np

    return Arm.of_clusters(np.stack(strata, 1))


def days(ws: Workspace, partitions: Sequence[str]) -> list[Day]:
    """These days' money of the model's arm, and what the current process would have made of it; no other policies."""
    import numpy as np

    sums = _sums(ws, partitions)
    if sums is None:
        return []
    held = sums["held"]
    model, present = _arm(ws.use_case, sums[~held]), _arm(ws.use_case, sums[held])
    slope = float(compare(model, present).slope)
    ratios = dict(zip(sorted(sums["share"].unique()), model.total[:, 0] / present.total[:, 0], strict=True))
    stands_for = sums["share"].map(ratios)
    foretold = slope * sums["covariate"]
    sums["current_process"] = np.where(held, stands_for * (sums["value"] - foretold), foretold)
    sums.loc[held, ["value", "units", *COUNTS]] = 0
    by_day = sums.groupby("_partition", sort=True)[["units", "value", "current_process", *COUNTS]].sum()
    return [
        Day(str(p), int(n), float(value), float(other), np.nan, np.nan, int(acted), int(differ), int(fell))
        for p, n, value, other, acted, differ, fell in by_day.itertuples(name=None)
    ]


def measured(ws: Workspace, partitions: Sequence[str] | None = None) -> Measured | None:
    """What the holdout shows of these days, or all; None: no units of both arms have an outcome."""
    import numpy as np

    sums = _sums(ws, partitions)
    if sums is None:
        return None
    model, present = (_arm(ws.use_case, sums[sums["held"] == held]) for held in (False, True))
    found, shares = compare(model, present), np.array(sorted(sums["share"].unique()))
    held = float(present.total[:, 0].sum())
    share = held / float(found.units)
    each_day = float(found.units) / (sums["_partition"].nunique() * ws.use_case.days_apart)

    def per_1000(low: float, high: float) -> Interval:
        return Interval(*(1000 * float(v) for v in (found.value, low, high)))

    return Measured(
        since=str(sums["_partition"].min()),
        units=int(found.units),
        held=int(held),
        lift=per_1000(*found.always(_declared(ws.use_case).planned_units)),
        once=per_1000(*found.interval()),
        gain=float(found.value * model.total[:, 0].sum()),
        likely=float(as_dealt(model, present, shares)),
        imbalance=float(found.imbalance),
        design=Design(share, float(found.error * np.sqrt(found.units * share * (1 - share))), each_day),
    )


def design(ws: Workspace) -> Design:
    """What a holdout of the declared share can show, from units of the days before the model decided live.

    Raises HoldoutError where none is declared, or nothing is known yet.
    """
    import numpy as np

    case, share = ws.use_case, _declared(ws.use_case).share
    start = begins(ws, "live")
    became = case.deciding(ws.lake.partitions("outcomes"))
    before = [p for p in became if start is None or case.closes(p) <= start][-PAST:]
    features = ws.lake.entries("features", before)
    outcomes = ws.lake.entries("outcomes", list(features))
    units = _units(ws, features, outcomes, "current_action as action") if features else None
    known = units[units["outcome"].notna()] if units is not None else None
    if known is None or known.empty:
        raise HoldoutError(f"{case.name}: no outcome is known of a day before it went live: nothing to plan with")
    sums = known.assign(share=share).groupby(["share", "cluster"], sort=True)[SUMS].sum().reset_index()
    _, spread = _arm(case, sums).mean(np.ones(1))
    rest = spread[0, 0] - (spread[0, 1] ** 2 / spread[1, 1] if spread[1, 1] > 0 else 0.0)
    return Design(
        share, float(np.sqrt(rest * len(known))), len(known) / (known["_partition"].nunique() * case.days_apart)
    )


def audit(ws: Workspace, partitions: Sequence[str]) -> list[str]:
    """Each day's money of either arm again, by SQL over decisions and outcomes; one line a difference."""
    kpi, key = ws.use_case.kpi, ", ".join(f'"{c}"' for c in ws.use_case.decision.key)
    accounts = ws.lake.entries(ACCOUNT, partitions)
    if not accounts:
        return []
    decisions, outcomes = (ws.lake.entries(d, list(accounts)) for d in (dataset("live"), "outcomes"))
    cost = " ".join(f"when '{a}' then {cost_sql(kpi, a)}" for a in kpi.actions)
    value = f'{_declared(ws.use_case).value_per_outcome!r}::double * o."{kpi.outcome}" - (case d.action {cost} end)'
    priced = ""
    if kpi.priced:
        columns = ", ".join(f'"{c}"' for c in kpi.priced)
        features = ws.lake.rows(ws.lake.entries("features", list(accounts)).values())
        priced = f"join (select _partition, {key}, {columns} from {features}) using (_partition, {key})"
    with connect(ws.use_case.timezone) as db:
        sums = {
            p: (m, r)
            for p, m, r in db.execute(
                f"""select d._partition, coalesce(sum({value}) filter (decided_by <> 'holdout'), 0),
                    coalesce(sum({value}) filter (decided_by = 'holdout'), 0)
                from {ws.lake.rows(decisions.values())} d
                join {ws.lake.rows(outcomes.values())} o using (_partition, {key}) {priced}
                where o."{kpi.outcome}" is not null and d.policy like '%holdout=%' and d.policy not like '%holdout=1.0'
                group by 1"""
            ).fetchall()
        }
    found = []
    for partition, entry in accounts.items():
        mine, theirs = (entry.facts["model"], entry.facts["present"]), sums.get(partition, (0.0, 0.0))
        if any(abs(a - b) > 0.005 for a, b in zip(mine, theirs, strict=True)):
            found.append(f"{partition}: {mine[0]:.2f} and {mine[1]:.2f}, by SQL {theirs[0]:.2f}, {theirs[1]:.2f}")
    return found
