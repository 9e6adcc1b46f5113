"""Run the degradation drill: measure what decisions are worth when a feed fails at the decision time.

The drill samples past days. On each sampled day, the drill damages the newest rows of one feed (see `feed_faults`) and
builds the features again. A model that was trained only on earlier days then decides. Older rows stay undamaged. Each
fault is valued twice: as if nobody checked the data, and with the serving gate, which leaves suspect rows to the
current process. The current process decides on undamaged data, because people don't depend on the feed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from sixtyforty.accounting.feed_faults import FAULTS, SOUND, WRONG_UNIT_FACTOR, Fault, build_fault_statements
from sixtyforty.modeling.backtest import list_folds
from sixtyforty.modeling.challengers import find_best_recipe
from sixtyforty.modeling.estimators import FittedModel
from sixtyforty.modeling.fault_injection import rebuild_with_faults
from sixtyforty.modeling.training_plan import read_training_rows
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.files import digest
from sixtyforty.storage.manifests import Entry, versions_by_partition
from sixtyforty.storage.verdicts import Verdict
from sixtyforty.value.daily_value import DailyValue, value_of_day
from sixtyforty.value.lift import Interval, estimate_lift
from sixtyforty.value.policy import Policy
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

DATASET = "degradation"
MINIMUM_DAYS = 2  # with fewer days, no confidence interval can be computed
MAX_DAYS = 16  # with about 15,000 units, a drill takes half a minute

ServingGate = Callable[[Mapping[str, "pa.Table"]], Mapping[str, tuple["pa.Table", Verdict]]]
"""Function that checks feature tables, by partition. It returns each table with a column `suspect`, and a verdict."""


@dataclass(frozen=True)
class FaultImpact:
    """The gain over the current process, per 1,000 decisions, if one feed has one fault.

    `ungated`: the gain if the model decides on all units, as if nobody checked the data. `gated`: the gain if the
    serving gate leaves suspect rows to the current process. `fallback`: the share of the units that the gate leaves to
    the current process. `warned`: whether the gate warned about the features.
    """

    feed: str
    fault: str
    ungated: Interval
    gated: Interval
    fallback: float
    warned: bool

    @property
    def chain_response(self) -> str:
        """How the chain responds to the fault, in words for people."""
        if self.fallback:
            return "falls back"
        return "continues with a warning" if self.warned else "continues"

    def is_guarded(self, margin: float) -> bool:
        """Return whether the use case is guarded against the fault.

        One of two conditions is enough:

        - The gain over the current process stays proven although nobody checks the data (`ungated`).
        - The serving gate checks the data, and decisions lose at most `margin` against the current process (`gated`).

        margin: an amount per 1,000 decisions, in the KPI's currency.
        """
        return self.ungated.low > 0 or self.gated.value >= -margin

    def to_dict(self) -> dict[str, Any]:
        """Return the impact of the fault for JSON. An unknown figure is None."""
        return asdict(self) | {"ungated": _known_ends(self.ungated), "gated": _known_ends(self.gated)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> FaultImpact:
        """Create an impact from the dict that `to_dict` returns."""
        intervals = {name: RoundedInterval.from_dict(fields[name]).to_interval() for name in ("ungated", "gated")}
        return cls(**{**fields, **intervals})


@dataclass(frozen=True)
class Drill:
    """The result of a degradation drill, as stored in the facts of its manifest.

    `basis`: hash of everything on which the impacts depend. `days`: number of sampled days. `as_of`: the local day in
    ISO format; all sampled days are earlier.
    """

    basis: str
    days: int
    as_of: str
    impacts: list[FaultImpact]

    @classmethod
    def from_entry(cls, entry: Entry) -> Drill:
        """Read the result of a degradation drill from its manifest."""
        impacts = [FaultImpact.from_dict(fields) for fields in entry.facts["impacts"]]
        return cls(**entry.facts | {"impacts": impacts})

    def to_facts(self) -> dict[str, Any]:
        """Return the result as facts for the manifest of the drill."""
        return vars(self) | {"impacts": [impact.to_dict() for impact in self.impacts]}


def _known_ends(interval: Interval) -> dict[str, Any]:
    """Return an estimate and its confidence interval for JSON, not rounded. NaN becomes None."""
    ends = {name: getattr(interval, name) for name in ("value", "low", "high")}
    return {name: None if math.isnan(end) else end for name, end in ends.items()} | {"problem": interval.problem}


def sample_days(days: Sequence[str], limit: int = MAX_DAYS) -> list[str]:
    """Return at most `limit` of the days, spread evenly over time and over the weekdays.

    days: must be sorted. The sample isn't random: the same days give the same sample.
    """
    step = -(-len(days) // limit)
    return list(days[:: step + (step % 7 == 0)]) if days else []


def run_drill(ws: Workspace, as_of: date, gate: ServingGate) -> list[FaultImpact]:
    """Return the impact of each feed fault on a sample of the backtest's days before the local day `as_of`.

    Return an empty list with fewer than MINIMUM_DAYS such days with known outcomes. The impacts are stored in the lake,
    and computed again only after models, inputs or code have changed.
    """
    version_of_day = _scoring_versions(ws, as_of)
    features, outcomes = (ws.lake.entries(name, list(version_of_day)) for name in ("features", "outcomes"))
    known = sorted(features.keys() & outcomes.keys())
    # Models trained before the replay starts have learned from a few weeks only. The days that these models score are
    # used only if there are no other days.
    replayed = [d for d in known if ws.use_case.first_day(d) >= ws.use_case.replay.first_day]
    days = sample_days(replayed or known)
    if not days:
        return []
    features, outcomes = {d: features[d] for d in days}, {d: outcomes[d] for d in days}
    inputs = {"features": versions_by_partition(features), "outcomes": versions_by_partition(outcomes)}
    version_of_day = {d: version_of_day[d] for d in days}
    basis = _basis(ws, version_of_day, inputs)
    current = ws.lake.entry(DATASET, SNAPSHOT)
    if current is None or current.facts["basis"] != basis:
        known_by = str(ws.use_case.day_start(as_of))
        units = read_training_rows(ws.use_case, ws.lake, features, outcomes, known_by, with_groups=True)
        if len(units["_partition"].unique()) < MINIMUM_DAYS:  # too few outcomes were known at the start of `as_of`
            return []
        impacts = _measure_impacts(ws, version_of_day, units.to_pandas(), gate)
        current = _write_drill(ws, Drill(basis, len(days), str(as_of), impacts), inputs)
    return Drill.from_entry(current).impacts


def read_impacts(ws: Workspace) -> list[FaultImpact]:
    """Return the impacts that the newest degradation drill measured, or an empty list if no drill has run."""
    entry = ws.lake.entry(DATASET, SNAPSHOT)
    return Drill.from_entry(entry).impacts if entry else []


def _basis(ws: Workspace, version_of_day: Mapping[str, str], inputs: Mapping[str, Mapping[str, str]]) -> str:
    """Return a hash of everything on which the drill's impacts depend: models, inputs, code and faults."""
    models = {day: ws.models.card(version).files["model.skops"] for day, version in version_of_day.items()}
    return digest(
        {"models": models, "inputs": inputs, "code": ws.code_version, "faults": FAULTS, "factor": WRONG_UNIT_FACTOR}
    )


def _scoring_versions(ws: Workspace, as_of: date) -> dict[str, str]:
    """Return the model version that scores each day of the backtest. Each model was trained only on earlier days."""
    recipe = find_best_recipe(ws.use_case, ws.lake, ws.models, as_of)
    return {
        partition: fold.version
        for fold in list_folds(ws.use_case, ws.lake, ws.models, recipe, as_of)
        for partition in ws.use_case.decision_partitions(ws.use_case.starting_between(fold.first, fold.end))
    }


def _measure_impacts(
    ws: Workspace, version_of_day: Mapping[str, str], units: pd.DataFrame, gate: ServingGate
) -> list[FaultImpact]:
    units_of_day = {str(day): rows for day, rows in units.groupby("_partition", sort=True)}

    def damage_day(day: str) -> dict[Fault, pa.Table | None]:
        """Return the features of a day under each fault. Only data of this day are damaged, not of earlier days."""
        decision_times = sorted(units_of_day[day]["decided_at"].tolist())
        median_time = decision_times[len(decision_times) // 2]
        faults = {SOUND: [], **build_fault_statements(ws.use_case, day, median_time)}
        return dict(rebuild_with_faults(ws.use_case, ws.lake, day, faults))

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:  # DuckDB releases Python's global interpreter lock
        damaged = dict(zip(units_of_day, pool.map(damage_day, units_of_day), strict=True))
    faults = next(iter(damaged.values()))
    models = {version: ws.models.load(version) for version in set(version_of_day.values())}
    model_of_day = {day: models[version_of_day[day]] for day in units_of_day}
    return [
        _measure_impact(
            ws.use_case, fault, {d: tables[fault] for d, tables in damaged.items()}, model_of_day, units_of_day, gate
        )
        for fault in faults
    ]


def _measure_impact(
    use_case: UseCase,
    fault: Fault,
    features_of_day: Mapping[str, pa.Table | None],
    model_of_day: Mapping[str, FittedModel],
    units_of_day: Mapping[str, pd.DataFrame],
    gate: ServingGate,
) -> FaultImpact:
    """Return the impact of one feed fault over the sampled days.

    features_of_day: the damaged features of each day; None if features.sql failed on the damaged feed.
    units_of_day: each day's units with known outcomes, and the current process's actions on undamaged data.
    """
    import numpy as np

    checked = gate({day: table for day, table in features_of_day.items() if table is not None})
    ungated: list[DailyValue] = []
    gated: list[DailyValue] = []
    fallbacks = 0
    for day, units in units_of_day.items():
        current, outcome = units["current_action"].to_numpy(object), units[use_case.kpi.outcome].to_numpy(float)
        action, suspect = current, np.ones(len(units), bool)
        if day in checked:  # otherwise features.sql failed, so the current process decides
            features, verdict = checked[day]
            rows = units[use_case.decision.key].merge(features.to_pandas(), on=use_case.decision.key, how="left")
            rows["current_action"] = current
            action = Policy.from_use_case(use_case).choose_actions(rows, model_of_day[day].predict(rows)).action
            suspect = rows["suspect"].notna().to_numpy() | (not verdict.accepted)
        safe_action = np.where(suspect, current, action)
        ungated.append(value_of_day(use_case.kpi, day, units.assign(action=action), outcome))
        gated.append(value_of_day(use_case.kpi, day, units.assign(action=safe_action), outcome))
        fallbacks += int(suspect.sum())
    return FaultImpact(
        *fault,
        ungated=estimate_lift(ungated, block_days=use_case.kpi.block_days),
        gated=estimate_lift(gated, block_days=use_case.kpi.block_days),
        fallback=fallbacks / sum(d.decisions for d in gated),
        warned=any(verdict.warnings for _, verdict in checked.values()),
    )


def _write_drill(ws: Workspace, drill: Drill, inputs: dict[str, dict[str, str]]) -> Entry:
    import pyarrow as pa

    rows = [
        {"feed": i.feed, "fault": i.fault, "ungated": i.ungated.value, "gated": i.gated.value, "fallback": i.fallback}
        for i in drill.impacts
    ]
    table = pa.Table.from_pylist(rows)
    return ws.lake.write(DATASET, SNAPSHOT, table, inputs=inputs, code=ws.code_version, facts=drill.to_facts())
