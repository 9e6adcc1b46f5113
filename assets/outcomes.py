"""outcomes: what became of each unit, once known."""

from __future__ import annotations

import dagster as dg

from assets.stage import Published, Result, Step, stage
from sixtyforty.modeling.features import outcomes
from sixtyforty.spec.use_case import UseCase


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The outcomes of a use case."""
    return [
        stage(
            use_case,
            "outcomes",
            _outcomes,
            description=f"What became of the {use_case.kpi.noun} (`outcomes.sql`): {use_case.kpi.outcome_name} or not,"
            " and when that was known.",
            phase="data_preparation",
            kinds={"duckdb", "parquet"},
            deps=[f"validated/{s}" for s in use_case.partitioned],
        )
    ]


def _outcomes(step: Step) -> Result:
    import pyarrow.compute as pc

    result, name = Result(), step.use_case.kpi.outcome
    for portion in step.chunks():
        built = outcomes(step.use_case, step.ws.lake, portion)
        before = step.ws.lake.entries("outcomes", built.tables)
        made = step.ws.lake.write_all("outcomes", built.tables, inputs=built.inputs, code=step.ws.code)
        for partition, rows in built.tables.items():
            entry = made[partition]
            known = rows.num_rows - rows[name].null_count
            result.published[partition] = Published(
                entry.version,
                {
                    "dagster/partition_row_count": rows.num_rows,
                    "known": known,
                    "unknown": rows[name].null_count,
                    f"share {step.use_case.kpi.outcome_name}": float(pc.mean(rows[name]).as_py() or 0.0),
                },
            )
            result.restate(step.use_case, before.get(partition), entry, step.clock.moment())
    step.log.info(f"outcomes: {len(result.published)} partitions")
    return result
