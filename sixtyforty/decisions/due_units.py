"""Read the units to decide, in portions, so that a partition may have more units than fit into memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from sixtyforty.decisions import assignment
from sixtyforty.decisions.partition_portions import cut_at_partitions
from sixtyforty.spec.contract_types import parse_type
from sixtyforty.spec.track import Track
from sixtyforty.storage import stored_tables
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.sql import identifiers
from sixtyforty.value.decision_ids import make_decision_ids
from sixtyforty.value.payoff_base import TakenActions
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

ROUNDED_KINDS = ("decimal", "time")  # kinds of column types whose values a DataFrame can't hold exactly
VECTOR_ROWS = 2048  # DuckDB returns DataFrames whose number of rows is a multiple of this


def read_due_units(
    ws: Workspace,
    track: Track,
    features: Mapping[str, Entry],
    before: Mapping[str, Entry],
    start: datetime,
    as_of: datetime | None,
    scope: str,
) -> Iterator[pd.DataFrame]:
    """Yield the due units with their features and `decision_id`, sorted by partition, decision time and key.

    If an action has a limit, a portion ends with a decision time, unless that time has more units than a portion.

    before: the manifests of the decisions already taken. Their units are left out.
    start: the UTC time from which the track decides.
    as_of: the UTC time up to which units are due; None for all units.
    scope: the SQL condition for the units to decide.
    """
    rows = ws.lake.select_rows(features.values())
    if assignment.has_assignment(ws.use_case, track):
        rows = assignment.add_draw_columns(ws, rows, list(features))
    until = f"and decided_at <= timestamp '{as_of}'" if as_of else ""
    key = identifiers(ws.use_case.decision.key)
    undecided = f"anti join {ws.lake.select_rows(before.values())} d using (_partition, {key})" if before else ""
    query = f"""select * from {rows} f {undecided}
        where decided_at >= timestamp '{start}' {until} and {scope}
        order by _partition, decided_at, {key}"""
    with ws.lake.open_session(ws.use_case.timezone) as db:
        frames = read_frames(db, query, ws.use_case.decision.key)
        for units in cut_at_partitions(frames, "between times") if ws.use_case.kpi.has_limits else frames:
            yield units.assign(decision_id=_decision_ids(ws, track, units))


def read_frames(db: duckdb.DuckDBPyConnection, query: str, key: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Yield the rows of a query in portions. Key columns that pandas would round, such as DECIMAL, hold Python objects.

    query: must order its rows by `_partition` and key.
    """
    relation = db.sql(f"select * from ({query}) limit 0")
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    rounded = [column for column in key if _is_rounded(types[column])]
    with db.cursor() as rows, db.cursor() as exact:
        rows.execute(query)
        if rounded:
            exact.execute(f"select {identifiers(rounded)} from ({query})")
        while not (chunk := rows.fetch_df_chunk(max(1, stored_tables.PORTION_ROWS // VECTOR_ROWS))).empty:
            if rounded:
                values = zip(*exact.fetchmany(len(chunk)), strict=True)
                chunk = chunk.assign(**dict(zip(rounded, map(list, values), strict=True)))
            for first in range(0, len(chunk), stored_tables.PORTION_ROWS):
                yield chunk.iloc[first : first + stored_tables.PORTION_ROWS].reset_index(drop=True)


def _is_rounded(column_type: str) -> bool:
    contract_type = parse_type(column_type)
    return column_type == "HUGEINT" or (contract_type is not None and contract_type.kind in ROUNDED_KINDS)


def _decision_ids(ws: Workspace, track: Track, units: pd.DataFrame) -> list[str]:
    """Return the decision id of each unit. The units must already be sorted by partition."""
    keys = zip(*(units[column].tolist() for column in ws.use_case.decision.key), strict=True)
    keyed = groupby(zip(units["_partition"].tolist(), keys, strict=True), itemgetter(0))
    return [
        decision_id
        for partition, pairs in keyed
        for decision_id in make_decision_ids(ws.use_case.first_name, track, partition, map(itemgetter(1), pairs))
    ]


def count_taken(ws: Workspace, before: Mapping[str, Entry]) -> TakenActions:
    """Count the actions of decisions already taken, by partition and decision time. before: their manifests.

    An action with a limit per day has the time None, so that it counts at each decision time of the day.
    """
    counts: TakenActions = {}
    by_day = {name for name, action in ws.use_case.kpi.actions.items() if action.is_limited_by_day}
    if before:
        with ws.lake.open_session(ws.use_case.timezone) as db:
            rows = db.execute(
                "select _partition, decided_at, action, count(*)"
                f" from {ws.lake.select_rows(before.values())} group by all"
            ).fetchall()
        for partition, time, action, count in rows:
            counted_at = None if action in by_day else time
            counts.setdefault((partition, counted_at), Counter())[action] += count
    return counts
