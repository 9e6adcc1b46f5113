"""Check features for leakage: features recomputed from data known at the decision time must be identical."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sixtyforty.modeling.feature_sql import create_feature_table
from sixtyforty.modeling.point_in_time import as_known_at
from sixtyforty.spec.decision_chain import DecisionChain

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa


def find_leakage(
    db: duckdb.DuckDBPyConnection, use_case: DecisionChain, tables: Mapping[str, pa.Table], sample: int
) -> list[str]:
    """Recompute the features of sampled decision times and return one line per difference.

    db: a session of `point_in_time.open_inputs`. tables: the built features, by partition. sample: the number of
    partitions to check, each at one decision time. The same use case and partitions give the same sample. A line names
    the feature, the decision time (UTC) and the number of units.
    """
    if not tables:
        return []
    differences: list[str] = []
    chance = random.Random(f"{use_case.name} {min(tables)} {max(tables)}")
    for partition in sorted(chance.sample(sorted(tables), min(sample, len(tables)))):
        features = tables[partition].to_pandas()
        decision_time = chance.choice(sorted(features["decided_at"].unique()))
        with as_known_at(db, use_case, partition, decision_time):
            create_feature_table(db, use_case)
            recomputed = db.sql("from _built").to_arrow_table().to_pandas()
        built = features[features["decided_at"] == decision_time]
        differences += _compare(use_case, built, recomputed, decision_time)
    return differences


def _compare(
    use_case: DecisionChain, built: pd.DataFrame, recomputed: pd.DataFrame, decision_time: datetime
) -> list[str]:
    """Return a line for each column whose values differ.

    Columns with a leading underscore are compared too. They may hold a vendor's scores, and scores that use later data
    would make the vendor look too good.
    """
    if len(built) != len(recomputed):
        return [f"{len(built)} units are decided at {decision_time} UTC, but only {len(recomputed)} were known then"]
    key = use_case.decision.key
    built, recomputed = built.sort_values(key, ignore_index=True), recomputed.sort_values(key, ignore_index=True)
    differences = []
    for column in recomputed.columns:
        if column in {*key, "_partition", "decided_at"}:
            continue
        count = _count_different(built[column], recomputed[column])
        if count:
            differences.append(
                f"{column} at {decision_time} UTC: {count} of {len(built)} units use values from after that time"
            )
    return differences


def _count_different(built: pd.Series[Any], recomputed: pd.Series[Any]) -> int:
    import numpy as np

    if built.dtype.kind in "fiu" and recomputed.dtype.kind in "fiu":
        same = np.isclose(built.astype(float), recomputed.astype(float), rtol=0, atol=1e-9, equal_nan=True)
    else:
        same = (built.astype(str) == recomputed.astype(str)).to_numpy()
    return int((~same).sum())
