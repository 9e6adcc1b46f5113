"""The gate before the model: feature rows that would mislead it are marked, and the current process decides them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from expectations.gx_runner import failing
from expectations.row_rules import breaking
from expectations.rule_results import partition_results, row_results
from expectations.suites import Suite
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.verdicts import Verdict

if TYPE_CHECKING:
    import pyarrow as pa


def check_features(
    use_case: UseCase, suite: Suite, tables: Mapping[str, pa.Table]
) -> dict[str, tuple[pa.Table, Verdict]]:
    """Each partition's feature table with `suspect` added (why a row isn't scored, or null), and its verdict.

    In the verdict `quarantined` counts the suspect rows: they stay, to be decided by the current process.
    """
    import pyarrow as pa

    if not tables:
        return {}
    whole = pa.concat_tables([t.append_column("_partition", [[p] * t.num_rows]) for p, t in tables.items()])
    whole = whole.append_column("_id", pa.array(range(whole.num_rows), pa.int64()))
    with connect(use_case.timezone) as db:
        db.register("built", whole)
        breaking(db, "features", "built", suite.rows)
        hits = db.execute("select rule, id from hits order by rule, id").fetchnumpy()
        aggregates = "".join(f", {sql} as {name}" for name, sql in suite.partition.metrics.items())
        metrics = db.execute(f"select _partition{aggregates} from built group by 1 order by 1").df()
    whole_hits = failing("features_partitions", metrics, suite.partition.rules)
    reasons: list[str | None] = [None] * whole.num_rows
    broken = {n: hits["id"][hits["rule"] == n] for n in range(len(suite.rows))}
    for n, rule in enumerate(suite.rows):
        if rule.severity == "critical":
            for i in map(int, broken[n]):
                reasons[i] = f"{reasons[i]}; {rule.why}" if reasons[i] else rule.why
    personal = {column for source in use_case.sources.values() for column in source.personal}
    found, start = {}, 0
    for partition, table in tables.items():
        end = start + table.num_rows
        mine = reasons[start:end]
        here = {n: (rows[(rows >= start) & (rows < end)] - start).tolist() for n, rows in broken.items()}
        counted = {n: (len(rows), rows[:20]) for n, rows in here.items() if rows}
        results, failures = partition_results(suite, partition, metrics, whole_hits, closed=True, unspoken=personal)
        bad = sum(r is not None for r in mine)
        verdict = Verdict(
            source="features",
            partition=partition,
            accepted=not failures,
            landed=table.num_rows,
            accepted_rows=table.num_rows - bad,
            quarantined=bad,
            duplicates=0,
            superseded=0,
            reasons=failures,
            rules=row_results(suite, counted, table.num_rows, personal) + results,
        )
        found[partition] = (table.append_column("suspect", pa.array(mine, pa.string())), verdict)
        start = end
    return found
