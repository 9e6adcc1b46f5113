"""Write and read the sums that a gain rests on (see `value/unit_sums.py`): one account per partition and track.

The accounts lie next to the KPI accounts, and cover the same decisions. A live experiment has none: its gain is the
difference between two arms, and doesn't rest on the payoffs of single decisions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from sixtyforty.accounting.kpi_ledger import known_outcome_sql
from sixtyforty.decisions.assignment import HELD_OUT
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.due_units import read_frames
from sixtyforty.decisions.partition_portions import cut_at_partitions
from sixtyforty.spec.track import Track
from sixtyforty.storage.files import canonical_json
from sixtyforty.storage.manifest_index import ManifestIndex
from sixtyforty.storage.manifests import Entry, versions_by_partition
from sixtyforty.storage.sql import identifier, identifiers, literal
from sixtyforty.value import candidates
from sixtyforty.value.unit_sums import NO_SUMS, PAYOFF_SUMS, UnitSums, sum_units
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

GROUP = ("action", "current_action", "needed")


def unit_sums_dataset(track: Track) -> str:
    """Return the name of the lake dataset with the sums that a track's gain rests on."""
    return f"kpi_evidence/{track}"


def write_accounts(ws: Workspace, partitions: Sequence[str], track: Track) -> dict[str, Entry]:
    """Write the sums of some partitions. Return the manifests of the accounts, by partition.

    Partitions without decisions or without outcomes are left out. A live experiment has no such account.
    """
    if ws.use_case.is_randomized(track):
        return {}
    decisions = ws.lake.entries(decisions_dataset(track), partitions)
    outcomes = ws.lake.entries("outcomes", list(decisions))
    decisions = {p: decisions[p] for p in outcomes}
    if not decisions:
        return {}
    sums = dict.fromkeys(decisions, NO_SUMS)
    for units in _read_units(ws, decisions, outcomes):
        for partition, of_portion in sum_units(ws.use_case.kpi, units).items():
            sums[partition] += of_portion
    inputs = {
        p: {
            decisions_dataset(track): versions_by_partition({p: decisions[p]}),
            "outcomes": versions_by_partition({p: outcomes[p]}),
        }
        for p in decisions
    }
    with _account_index(ws, track).recording() as indexed:
        indexed |= ws.lake.write_all(
            unit_sums_dataset(track),
            {partition: _account_table(of_partition) for partition, of_partition in sums.items()},
            inputs=inputs,
            code=ws.code_version,
            facts={partition: of_partition.to_facts() for partition, of_partition in sums.items()},
        )
    return indexed


def read_sums(ws: Workspace, track: Track) -> dict[str, UnitSums]:
    """Return the sums of every partition that has an account, sorted by partition."""
    table = _account_index(ws, track).table()
    facts = json.loads(f"[{','.join(table['facts'].to_pylist())}]")
    return dict(zip(table["_partition"].to_pylist(), map(UnitSums.from_facts, facts), strict=True))


def _read_units(ws: Workspace, decisions: Mapping[str, Entry], outcomes: Mapping[str, Entry]) -> Iterator[pd.DataFrame]:
    """Yield the rows that `sum_units` needs, one per decision, ordered by partition, decision time and key.

    Decisions in shadow or held out are left out. The rows come in portions, so that a partition may have more decisions
    than fit into memory.
    """
    kpi, key = ws.use_case.kpi, identifiers(ws.use_case.decision.key)
    feature_columns = [*(c for c in kpi.segments if c not in ws.use_case.decision.key), *kpi.payoff_sql]
    columns = [*kpi.segments, *kpi.payoff_sql, *kpi.outcome_columns[1:]]
    with ws.lake.open_session(ws.use_case.timezone) as db:
        join = ""
        if feature_columns:
            known_then = candidates.candidates_sql(ws.use_case, ws.lake, db, decisions, [], feature_columns)
            join = f"left join {known_then} using (_partition, {key})"
        query = f"""select _partition, d.decided_at, d.action, d.current_action, d.expected,
                {known_outcome_sql(kpi)} as outcome{"".join(f", {identifier(c)}" for c in columns)}
            from {ws.lake.select_rows(decisions.values())} d
            left join {ws.lake.select_rows(outcomes.values())} o using (_partition, {key})
            {join} where d.decided_by not in ({", ".join(map(literal, HELD_OUT))})
            order by _partition, d.decided_at, {key}"""
        yield from cut_at_partitions(read_frames(db, query, []), "anywhere")


def _account_table(sums: UnitSums) -> pa.Table:
    """Return the payoffs of a partition as a table, one row per group. Its facts hold all sums."""
    import pyarrow as pa

    names = (*GROUP, *PAYOFF_SUMS)
    types = [*(pa.string() for _ in GROUP), pa.int64(), *(pa.float64() for _ in PAYOFF_SUMS[1:])]
    rows = [dict(zip(names, (*key, *of_group), strict=True)) for key, of_group in sorted(sums.payoffs.items())]
    return pa.Table.from_pylist(rows, schema=pa.schema(list(zip(names, types, strict=True))))


def _account_index(ws: Workspace, track: Track) -> ManifestIndex:
    """Return an index of a track's accounts, from which the sums of all partitions are read in one query."""
    import pyarrow as pa

    schema = pa.schema({"facts": pa.string()})
    return ManifestIndex(
        ws.lake, unit_sums_dataset(track), ws.cache, schema, lambda entry: {"facts": canonical_json(entry.facts)}
    )
