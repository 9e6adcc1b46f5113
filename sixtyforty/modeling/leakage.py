"""Check features for leakage: features recomputed from data known at the decision time must be identical."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sixtyforty.modeling.feature_sql import create_feature_table, unit_columns
from sixtyforty.modeling.leakage_sample import CandidateTime, choose_times, list_candidates, seed_of
from sixtyforty.modeling.point_in_time import as_known_at
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.sql import identifier

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa


UNIT = "(the unit itself)"  # replaces the name of a feature if a unit became known only after its decision time


@dataclass(frozen=True)
class Leak:
    """Leakage in one feature at one decision time (UTC): values change if only data known at that time are used.

    `units`: the number of units whose value of the feature changes, out of the `checked` units of that decision time.
    """

    partition: str
    feature: str
    decision_time: datetime
    units: int
    checked: int

    def __str__(self) -> str:
        """Return one line that names the leaking feature, the decision time and the number of units."""
        if self.feature == UNIT:
            return f"{self.units} of {self.checked} units at {self.decision_time} UTC became known after that time"
        units = f"{self.units} of {self.checked} units"
        return f"{self.feature} at {self.decision_time} UTC: {units} use values from after that time"


def find_leakage(
    db: duckdb.DuckDBPyConnection,
    use_case: DecisionChain,
    tables: Mapping[str, pa.Table],
    again: Mapping[str, Collection[str]] | None = None,
) -> list[Leak]:
    """Recompute the features of chosen decision times. Return a Leak for each feature whose values change.

    db: a session of `point_in_time.open_inputs`. tables: the built features of each partition. The same partitions give
    the same choice, so that a check can be repeated (see `leakage_sample`). again: for each partition, the decision
    times at which an earlier check detected leakage. If any feature has leakage, all other partitions are checked,
    too, each until its first leak.
    """
    if not tables:
        return []
    rows = _all_rows(tables)
    candidates = list_candidates(_with_outcomes(db, use_case, rows), [*use_case.decision.key, "current_action"])
    chosen = choose_times(candidates, use_case.days_between_decisions, seed_of(use_case.first_name, tables))
    chosen += [c for c in candidates if c not in chosen and str(c.time) in (again or {}).get(c.partition, ())]
    by_time: Mapping[Any, pd.DataFrame] = dict(iter(rows.groupby(["_partition", "decided_at"])))
    leaks: list[Leak] = []
    for candidate in chosen:
        leaks += _check_decision_time(db, use_case, candidate, by_time)
    tainted = {leak.partition for leak in leaks}
    for candidate in candidates if leaks else ():
        if candidate.partition not in tainted and candidate not in chosen:
            leaks += _check_decision_time(db, use_case, candidate, by_time)
            tainted = {leak.partition for leak in leaks}
    return leaks


def _all_rows(tables: Mapping[str, pa.Table]) -> pd.DataFrame:
    """Concatenate the feature tables of several partitions. The added column `_partition` names the partition."""
    import pandas as pd

    return pd.concat([table.to_pandas().assign(_partition=p) for p, table in tables.items()], ignore_index=True)


def _with_outcomes(db: duckdb.DuckDBPyConnection, use_case: DecisionChain, rows: pd.DataFrame) -> pd.DataFrame:
    """Return feature rows with an additional column: the outcome of each unit, null if it isn't known yet.

    Rows of a single partition are returned unchanged, because most of its outcomes aren't known yet.
    """
    if rows["_partition"].nunique() == 1:
        return rows
    unit = unit_columns(use_case)
    outcome, outcomes = identifier(use_case.kpi.outcome), use_case.sql("outcomes")
    query = f"select {unit}, o.{outcome} as _known_outcome from units left join ({outcomes}) o using ({unit})"
    known = db.sql(query).to_arrow_table().to_pandas()  # with the same key types as the feature rows
    keys = [column for column in known.columns if column != "_known_outcome"]
    return rows.merge(known.drop_duplicates(keys), on=keys, how="left")


def _check_decision_time(
    db: duckdb.DuckDBPyConnection,
    use_case: DecisionChain,
    candidate: CandidateTime,
    by_time: Mapping[Any, pd.DataFrame],
) -> list[Leak]:
    """Recompute the features of one decision time. Return a Leak for each column whose values change.

    Columns with a leading underscore are compared too. They may contain a vendor's scores, and scores that use later
    data would make the vendor look too good. by_time: the built features by partition and decision time.
    """
    partition, decision_time = candidate.partition, candidate.time
    built = by_time[partition, decision_time]
    with as_known_at(db, use_case, partition, decision_time):
        create_feature_table(db, use_case)
        recomputed = db.sql("from _built").to_arrow_table().to_pandas()
    if len(built) != len(recomputed):
        return [Leak(partition, UNIT, decision_time, abs(len(built) - len(recomputed)), len(built))]
    key = use_case.decision.key
    built, recomputed = built.sort_values(key, ignore_index=True), recomputed.sort_values(key, ignore_index=True)
    counts = {
        column: count_different(built[column], recomputed[column])
        for column in recomputed.columns
        if column not in {*key, "_partition", "decided_at"}
    }
    return [Leak(partition, column, decision_time, count, len(built)) for column, count in counts.items() if count]


def count_different(built: pd.Series[Any], recomputed: pd.Series[Any]) -> int:
    """Return the number of rows in which two columns differ. Null equals null, and NaN equals NaN."""
    import numpy as np

    null, recomputed_null = built.isna().to_numpy(), recomputed.isna().to_numpy()
    kinds = built.dtype.kind + recomputed.dtype.kind
    if set(kinds) <= set("iu"):
        same = built.to_numpy() == recomputed.to_numpy()
    elif set(kinds) <= set("fiu"):
        same = np.isclose(built.astype(float), recomputed.astype(float), rtol=0, atol=1e-9, equal_nan=True)
    else:  # pandas compares null text as different
        texts = (series.astype(object).map(str).to_numpy(object) for series in (built, recomputed))
        same = np.equal(*texts).astype(bool)
    same = np.where(null | recomputed_null, null & recomputed_null, same)
    return int((~same).sum())
