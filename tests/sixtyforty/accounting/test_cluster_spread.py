"""The spread between and within clusters equals sums over a table of units, without the effect of the covariate."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest

from sixtyforty.accounting.cluster_spread import measure_spread
from sixtyforty.value.experiment_design import ArmClusters, ClusterSpread

SLOPE = 0.5


def make_units(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    units = pd.DataFrame({"cluster": rng.integers(0, 40, 2000).astype(str), "day": rng.integers(0, 20, 2000)})
    units["held_out"] = units["cluster"].astype(int) % 4 == 0
    units["_partition"] = "2024-03-" + (units["day"] + 1).astype(str).str.zfill(2)
    units["covariate"] = rng.normal(size=2000)
    guest = rng.normal(0, 3, 40)[units["cluster"].astype(int)]
    units["value"] = guest + SLOPE * units["covariate"] + rng.normal(0, 2, 2000)
    return units


def test_the_spread_equals_that_of_the_units() -> None:
    units = make_units(1)
    squares = {
        "units": 1.0,
        "value_value": units["value"] ** 2,
        "value_covariate": units["value"] * units["covariate"],
        "covariate_covariate": units["covariate"] ** 2,
    }
    names = ["value", "covariate", *squares]
    sums = units.assign(**squares).groupby(["_partition", "held_out", "cluster"])[names].sum().reset_index()
    with duckdb.connect() as db:
        db.register("sums", sums)
        spread = measure_spread(db, "(from sums)", SLOPE, days_between=1)
    assert spread is not None
    assert (spread.between, spread.within) == pytest.approx((3, 2), rel=0.25)
    units["adjusted"] = units["value"] - SLOPE * units["covariate"]
    arms = []
    for _, arm in units.groupby("held_out"):
        clusters = [part["adjusted"].to_numpy() for _, part in arm.groupby("cluster")]
        since = arm.groupby("cluster")["_partition"].min()
        sizes = np.array([len(c) for c in clusters])
        arms.append(
            ArmClusters(
                len(clusters),
                int((since > "2024-03-10").sum()),
                float(sizes.sum()),
                float((sizes**2).sum()),
                float(arm["adjusted"].sum()),
                float((arm["adjusted"] ** 2).sum()),
                float(sum(c.sum() ** 2 / len(c) for c in clusters)),
            )
        )
    expected = ClusterSpread.of_arms(arms, days=20)
    assert expected is not None
    assert vars(spread) == pytest.approx(vars(expected))


def test_units_without_clusters_have_no_spread() -> None:
    with duckdb.connect() as db:
        columns = "'2024-03-01' as _partition, true as held_out, '' as cluster, 1 as units, 1 as value, 0 as covariate"
        rows = f"(select {columns}, 1 as value_value, 0 as value_covariate, 0 as covariate_covariate)"
        assert measure_spread(db, rows, 0.0, 1) is None
