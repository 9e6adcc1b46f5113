"""Check features for leakage: features recomputed from data known at the decision time must be identical."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sixtyforty.modeling.feature_sql import create_feature_table
from sixtyforty.modeling.point_in_time import as_known_at
from sixtyforty.spec.decision_chain import DecisionChain

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
        """Return one line with the feature, the decision time and the number of units."""
        if self.feature == UNIT:
            return f"{self.units} of {self.checked} units at {self.decision_time} UTC became known after that time"
        units = f"{self.units} of {self.checked} units"
        return f"{self.feature} at {self.decision_time} UTC: {units} use values from after that time"


def find_leakage(
    db: duckdb.DuckDBPyConnection,
    use_case: DecisionChain,
    tables: Mapping[str, pa.Table],
    sample: int,
    again: Mapping[str, Collection[str]] | None = None,
) -> list[Leak]:
    """Recompute the features of sampled decision times. Return a Leak for each feature whose values change.

    db: a session of `point_in_time.open_inputs`. tables: the built features of each partition. sample: the number of
    partitions to check, at one decision time each. The same partitions give the same sample, so that a check can be
    repeated. again: for each partition, the decision times at which an earlier check detected leakage.
    """
    if not tables:
        return []
    leaks: list[Leak] = []
    chance = random.Random(f"{use_case.first_name} {min(tables)} {max(tables)}")
    sampled = set(chance.sample(sorted(tables), min(sample, len(tables))))
    repeated = again or {}
    for partition in sorted(sampled | (repeated.keys() & tables.keys())):
        features = tables[partition].to_pandas()
        times = sorted(features["decided_at"].unique())
        chosen = {chance.choice(times)} if partition in sampled else set()
        chosen |= {time for time in times if str(time) in repeated.get(partition, ())}
        for decision_time in sorted(chosen):
            built = features[features["decided_at"] == decision_time]
            leaks += _check_decision_time(db, use_case, partition, built, decision_time)
    return leaks


def _check_decision_time(
    db: duckdb.DuckDBPyConnection,
    use_case: DecisionChain,
    partition: str,
    built: pd.DataFrame,
    decision_time: datetime,
) -> list[Leak]:
    """Recompute the features of one decision time. Return a Leak for each column whose values change.

    Columns with a leading underscore are compared too. They may contain a vendor's scores, and scores that use later
    data would make the vendor look too good.
    """
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
