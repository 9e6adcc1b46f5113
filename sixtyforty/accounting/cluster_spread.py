"""Measure how the values of an experiment's units spread between clusters and within them, in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sixtyforty.value.experiment_design import ArmClusters, ClusterSpread

if TYPE_CHECKING:
    import duckdb


def measure_spread(db: duckdb.DuckDBPyConnection, rows: str, slope: float, days_between: float) -> ClusterSpread | None:
    """Return the spread of the units' values, without what the covariate explains; None without clusters that recur.

    rows: SQL of sums, as in `ArmSums`. slope: the coefficient of the covariate. days_between: the number of days from
    one partition to the next.
    """
    number = f"{slope!r}::double"
    arms = db.execute(
        f"""with clusters as (
            select held_out, cluster, min(_partition) as since, sum(units) as m,
                sum(value - {number} * covariate) as s,
                sum(value_value - 2 * {number} * value_covariate + {number} * {number} * covariate_covariate) as q
            from {rows} where cluster <> '' group by held_out, cluster),
        partitions as (select _partition, row_number() over (order by _partition) as n, count(*) over () as total
            from (select distinct _partition from {rows})),
        half as (select max(_partition) as last from partitions where n <= (total + 1) // 2)
        select count(*), count(*) filter (since > (select last from half)), sum(m), sum(m * m), sum(s), sum(q),
            sum(s * s / m) from clusters group by held_out order by held_out"""
    ).fetchall()
    total = db.execute(f"select count(distinct _partition) from {rows}").fetchall()[0][0]
    return ClusterSpread.of_arms([ArmClusters(*arm) for arm in arms], total * days_between) if arms else None
