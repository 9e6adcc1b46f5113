"""The degradation drill: what decisions are worth when a feed fails at the very moment they are taken.

On past days, each with the model that decides it and hasn't seen it, the day's own rows of one feed are damaged and
its features made again; the history before the day stays sound, as it would. Each fault is valued twice: as if nobody
looked, and with the serving gate, which leaves suspect rows to the current process. The current process is the true
one, of undamaged data: it is what people do today.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sixtyforty.modeling.backtest import best_recipe, folds
from sixtyforty.modeling.estimators import Fitted
from sixtyforty.modeling.features import rebuilt
from sixtyforty.modeling.model_store import rows
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import Entry, digest, versions
from sixtyforty.storage.verdicts import Verdict
from sixtyforty.value.lift import Interval, day, lift
from sixtyforty.value.policy import Policy
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

DATASET = "degradation"
DAYS = 16  # at most: some 15,000 units say what is lost, within half a minute
FAULTS = ("missing", "stale", "duplicated", "wrong unit")
NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "REAL", "DOUBLE")
WRONG = 60  # seconds for minutes, minutes for hours

# Feature tables by partition in; with `suspect` added, and each partition's verdict, out.
Gate = Callable[[Mapping[str, "pa.Table"]], Mapping[str, tuple["pa.Table", Verdict]]]
Fault = tuple[str, str]  # feed and what is wrong with it
SOUND: Fault = ("", "none")


@dataclass(frozen=True)
class Finding:
    """One fault of one feed. Lifts over the current process per 1,000 decisions; `fallback`: share of rows left to it.

    `ungated`: the model decides all, as if nobody looked. `gated`: as the chain does it.
    """

    feed: str
    fault: str
    ungated: Interval
    gated: Interval
    fallback: float
    warned: bool

    @property
    def happens(self) -> str:
        """What the chain does about it."""
        return "falls back" if self.fallback else "goes on, warns" if self.warned else "goes on"

    def guarded(self, margin: float) -> bool:
        """Whether it costs nothing: it leaves a proven lift, or with the gate no more is lost than the margin."""
        return self.ungated.low > 0 or self.gated.value >= -margin

    @property
    def plain(self) -> dict[str, Any]:
        """As kept: an interval's NaN is None, as JSON has no such number."""
        data = asdict(self)
        return data | {k: {n: None if x != x else x for n, x in data[k].items()} for k in ("ungated", "gated")}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Finding:
        """The inverse of `plain`."""
        intervals = {
            k: Interval(**{n: float("nan") if v is None else v for n, v in data[k].items()})
            for k in ("ungated", "gated")
        }
        return cls(**{**data, **intervals})


def damage(use_case: UseCase, partition: str, moment: datetime) -> dict[Fault, list[str]]:
    """Each fault as the SQL that makes it in the views of features.sql, to the newest partition known by then alone.

    That is the unit's own, or the last before it of which something was known at `moment` (UTC). missing: no row
    came. stale: none since `moment`. duplicated: each came twice. wrong unit: all numbers but keys are 60 times what
    they are. Units stay, but for their numbers: without any there is nothing to decide.
    """
    found: dict[Fault, list[str]] = {}
    for feed, source in use_case.partitioned.items():
        newest = f"(select max(_partition) from {feed} where known_at <= timestamp '{moment}')"
        own = f"where _partition = least('{partition}', {newest})"
        is_unit = feed == use_case.decision.unit
        if not is_unit:
            found[feed, "missing"] = [f"delete from {feed} {own}"]
        found[feed, "stale"] = [f"delete from {feed} {own} and known_at > timestamp '{moment}'"]
        found[feed, "duplicated"] = [f"insert into {feed} select * from {feed} {own}"]
        keys = {*source.key, *(use_case.decision.key if is_unit else ())}
        numbers = {c: k for c, k in source.columns.items() if k.upper().startswith(NUMBERS) and c not in keys}
        if numbers:
            values = ", ".join(f'"{c}" = try_cast("{c}"::double * {WRONG} as {k})' for c, k in numbers.items())
            tables = (feed, "units") if is_unit else (feed,)
            found[feed, "wrong unit"] = [f"update {table} set {values} {own}" for table in tables]
    return found


def sample(days: list[str], most: int = DAYS) -> list[str]:
    """At most so many of the days, evenly spread over them and over the week: the same ones each time."""
    step = -(-len(days) // most)
    return days[:: step + (step % 7 == 0)] if days else []


def drill(ws: Workspace, as_of: date, gate: Gate) -> list[Finding]:
    """The findings on a sample of the walk-forward days before `as_of`, the sound feeds first; empty without any.

    Kept in the lake: as long as models, data and code are the same, they aren't worked out again.
    """
    scored = _scored_by(ws, as_of)
    features, outcomes = ws.lake.entries("features", list(scored)), ws.lake.entries("outcomes", list(scored))
    have = sorted(features.keys() & outcomes.keys())
    # days the replay decides, where there are such: the models before learned from a few weeks
    days = sample([d for d in have if ws.use_case.day_of(d) >= ws.use_case.replay.first_day] or have)
    if not days:
        return []
    features, outcomes = {d: features[d] for d in days}, {d: outcomes[d] for d in days}
    inputs = {"features": versions(features), "outcomes": versions(outcomes)}
    shas = {scored[d]: ws.models.card(scored[d])["files"]["model.skops"] for d in days}
    seen = digest({"models": shas, "inputs": inputs, "code": ws.code, "faults": FAULTS, "wrong": WRONG})
    kept = ws.lake.entry(DATASET, SNAPSHOT)
    if kept is None or kept.facts["seen"] != seen:
        known = str(ws.use_case.starts(as_of))
        truth = rows(ws.use_case, ws.lake, features, outcomes, known)
        if not truth.num_rows:  # what became of them isn't known yet
            return []
        found = _findings(ws, {d: scored[d] for d in days}, truth.to_pandas(), gate)
        kept = _keep(ws, found, {"seen": seen, "days": len(days), "as_of": str(as_of)}, inputs)
    return [Finding.of(f) for f in kept.facts["findings"]]


def recorded(ws: Workspace) -> list[Finding]:
    """What the last drill found; empty when there was none."""
    kept = ws.lake.entry(DATASET, SNAPSHOT)
    return [Finding.of(f) for f in kept.facts["findings"]] if kept else []


def _scored_by(ws: Workspace, as_of: date) -> dict[str, str]:
    """Walk-forward day to the model version of its fold: none learned from the day."""
    recipe = best_recipe(ws.use_case, ws.lake, ws.models, as_of)
    found = folds(ws.use_case, ws.lake, ws.models, recipe, as_of)
    return {p: version for version, first, end in found for p in ws.use_case.deciding(ws.use_case.between(first, end))}


def _findings(ws: Workspace, scored: Mapping[str, str], truth: pd.DataFrame, gate: Gate) -> list[Finding]:
    known = {str(p): frame for p, frame in truth.groupby("_partition", sort=True)}

    def make(partition: str) -> dict[Fault, pa.Table | None]:  # one day at a time: none is another's damaged history
        moments = sorted(known[partition]["decided_at"].tolist())
        middle = moments[len(moments) // 2]
        faults = {SOUND: [], **damage(ws.use_case, partition, middle)}
        return dict(rebuilt(ws.use_case, ws.lake, partition, faults))

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:  # DuckDB works outside of Python's lock
        made = dict(zip(known, pool.map(make, known), strict=True))
    faults = next(iter(made.values()))
    tables = {fault: {p: found[fault] for p, found in made.items()} for fault in faults}
    models = {version: ws.models.load(version) for version in set(scored.values())}
    return [_valued(ws.use_case, f, t, {p: models[scored[p]] for p in t}, known, gate) for f, t in tables.items()]


def _valued(
    use_case: UseCase,
    fault: Fault,
    tables: Mapping[str, pa.Table | None],
    models: Mapping[str, Fitted],
    known: Mapping[str, pd.DataFrame],
    gate: Gate,
) -> Finding:
    """What a fault costs, over days of which `known` holds the units with known outcomes and their true actions."""
    import numpy as np

    judged = gate({p: t for p, t in tables.items() if t is not None})
    ungated, gated, fell = [], [], 0
    for partition, frame in known.items():
        key, kpi = use_case.decision.key, use_case.kpi
        present, outcome = frame["current_action"].to_numpy(object), frame[kpi.outcome].to_numpy(float)
        chosen, suspect = present, np.ones(len(frame), bool)
        if partition in judged:  # else features.sql had no answer: the run fails, and people go on as today
            table, verdict = judged[partition]
            mine = frame[key].merge(table.to_pandas(), on=key, how="left")
            mine["current_action"] = present
            chosen = Policy.of(use_case).take(mine, models[partition].score(mine)).action
            suspect = mine["suspect"].notna().to_numpy() | (not verdict.accepted)
        ungated.append(day(kpi, partition, frame.assign(action=chosen), outcome))
        gated.append(day(kpi, partition, frame.assign(action=np.where(suspect, present, chosen)), outcome))
        fell += int(suspect.sum())
    warned = any(verdict.warnings for _, verdict in judged.values())
    return Finding(*fault, lift(ungated), lift(gated), fell / sum(d.decisions for d in gated), warned)


def _keep(ws: Workspace, found: list[Finding], facts: dict[str, Any], inputs: dict[str, dict[str, str]]) -> Entry:
    import pyarrow as pa

    rows_ = [
        {"feed": f.feed, "fault": f.fault, "ungated": f.ungated.value, "gated": f.gated.value, "fallback": f.fallback}
        for f in found
    ]
    table = pa.Table.from_pylist(rows_)
    return ws.lake.write(
        DATASET, SNAPSHOT, table, inputs=inputs, code=ws.code, facts={**facts, "findings": [f.plain for f in found]}
    )
