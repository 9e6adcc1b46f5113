"""Build outcomes: run the use case's outcomes.sql on the data in the lake."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sixtyforty.modeling.feature_sql import FeatureError, sorted_by_unit, unit_columns
from sixtyforty.modeling.features import BuiltPartitions
from sixtyforty.modeling.lineage import input_versions, read_inputs
from sixtyforty.modeling.point_in_time import open_inputs
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.storage.stored_tables import PORTION_ROWS, TableStore

if TYPE_CHECKING:
    import duckdb

FLOATS = ("FLOAT", "DOUBLE")


def build_outcomes(use_case: DecisionChain, lake: Lake, partitions: Sequence[str]) -> BuiltPartitions:
    """Build the outcomes of the units of some partitions. The rows of each table are sorted by decided_at and key.

    Columns: the key, decided_at (UTC), the outcome as a number (null while it is unknown), the treatment's column if
    one is declared, its propensity, and `known_at` (UTC). An outcome that isn't a finite number, such as 0 divided by
    0, is unknown. So is a propensity that isn't above 0 and at most 1; `treatment_shares.py` then refuses the
    experiment.
    Raises FeatureError if outcomes.sql returns several rows for a unit.
    """
    before, after = use_case.outcome_window
    entries = read_inputs(use_case, lake, use_case.widen(partitions, before, after))
    key, unit = identifiers(use_case.decision.key), unit_columns(use_case)
    with open_inputs(use_case, lake, entries, partitions) as db:
        db.execute(f"create temp table _known as from ({use_case.sql('outcomes')})")
        db.execute(
            f"""create temp table _outcomes as select u._partition, {key}, u.decided_at,
            o.* exclude ({unit}) {_replace_invalid(db, use_case)} from units u left join _known o using ({unit})"""
        )
        reader = db.sql(sorted_by_unit(use_case, "_outcomes")).to_arrow_reader(PORTION_ROWS)
        tables = TableStore(lake.scratch).keep_partitions(reader)
        units = db.execute("select count(*) from units").fetchall()[0][0]
    row_count = sum(table.num_rows for table in tables.values())
    if row_count != units:
        raise FeatureError(
            f"{use_case.name}: there are {units} units, but outcomes.sql returns {row_count} rows."
            " The query must return at most one row for each unit."
        )
    windows = {partition: use_case.widen([partition], before, after) for partition in tables}
    return BuiltPartitions(tables, {p: input_versions(use_case, entries, window) for p, window in windows.items()})


def _replace_invalid(db: duckdb.DuckDBPyConnection, use_case: DecisionChain) -> str:
    """Return the SQL that replaces infinite outcomes and invalid propensities by null, and true and false by 1 and 0.

    Only a float can be infinite or no number. The text is empty if nothing can need to be replaced.
    """
    outcome, treatment = identifier(use_case.kpi.outcome), use_case.kpi.treatment
    replaced = []
    outcome_type = str(db.sql(f"select {outcome} from _known limit 0").types[0])
    if outcome_type in FLOATS:
        replaced.append(f"case when isfinite(o.{outcome}) then o.{outcome} end as {outcome}")
    elif outcome_type == "BOOLEAN":
        replaced.append(f"o.{outcome}::integer as {outcome}")
    if treatment and treatment.propensity:
        column = identifier(treatment.propensity)
        # DuckDB sorts NaN above every number, so NaN isn't at most 1.
        replaced.append(f"case when o.{column} > 0 and o.{column} <= 1 then o.{column}::double end as {column}")
    return f"replace ({', '.join(replaced)})" if replaced else ""
