"""Write and read the sums that a gain rests on (see `value/unit_sums.py`): one account per partition and track.

The accounts lie next to the KPI accounts, and cover the same decisions. A live experiment has none: its gain is the
difference between two arms, and doesn't rest on the payoffs of single decisions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from sixtyforty.decisions.assignment import HELD_OUT
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.track import Track
from sixtyforty.storage.files import canonical_json
from sixtyforty.storage.manifest_index import ManifestIndex
from sixtyforty.storage.manifests import Entry
from sixtyforty.value.group_sums import SumsByGroup
from sixtyforty.value.period_sums import PeriodSums
from sixtyforty.value.prediction_bins import BIN_SUMS
from sixtyforty.value.unit_sums import NO_SUMS, PAYOFF_SUMS, UnitSums, sum_units
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from sixtyforty.value.payoff_base import Floats

GROUP = ("action", "current_action", "needed")
GROUPED = {"payoffs": len(PAYOFF_SUMS), "predictions": len(BIN_SUMS), "segments": 1}  # the numbers of each group


def unit_sums_dataset(track: Track) -> str:
    """Return the name of the lake dataset with the sums that a track's gain rests on."""
    return f"kpi_evidence/{track}"


def add_portions(kpi: Kpi, portions: Iterable[pd.DataFrame], sums: dict[str, UnitSums]) -> Iterator[pd.DataFrame]:
    """Yield the portions of some decisions unchanged, and add up the sums of their partitions in `sums`.

    portions: one row per decision, with `decided_by` and the columns that `sum_units` needs. Decisions in shadow or
    held out don't count.
    """
    for units in portions:
        counted = units[~units["decided_by"].isin(HELD_OUT)]
        for partition, of_portion in sum_units(kpi, counted).items():
            sums[partition] = sums.get(partition, NO_SUMS) + of_portion
        yield units


def write_sums(
    ws: Workspace, track: Track, sums: Mapping[str, UnitSums], inputs: Mapping[str, Mapping[str, dict[str, str]]]
) -> None:
    """Write the sums of some partitions. inputs: the versions of the inputs by dataset and partition, by partition."""
    with _account_index(ws, track).recording() as indexed:
        indexed |= ws.lake.write_all(
            unit_sums_dataset(track),
            {partition: _account_table(of_partition) for partition, of_partition in sums.items()},
            inputs=inputs,
            code=ws.code_version,
            facts={partition: of_partition.to_facts() for partition, of_partition in sums.items()},
        )


def read_sums(ws: Workspace, track: Track, partitions: Sequence[str]) -> PeriodSums:
    """Return the sums of some partitions, sorted by partition. Partitions without an account are left out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = _account_index(ws, track).table()
    rows = rows.filter(pc.is_in(rows["_partition"], pa.array(partitions, pa.string()))).combine_chunks()
    return PeriodSums(
        partitions=rows["_partition"].to_pylist(),
        payoffs=_sum_lists(rows, "payoffs", by_partition=True),
        predictions=_total_lists(rows, "predictions"),
        segments=_total_lists(rows, "segments"),
        acted=rows["acted"].to_numpy(),
        current_acted=rows["current_acted"].to_numpy(),
    )


def _total_lists(rows: pa.Table, name: str) -> SumsByGroup:
    """Return the sums of each group, added over all rows of the index. name: a name in GROUPED."""
    return {key: tuple(sums[:, 0].tolist()) for key, sums in _sum_lists(rows, name, by_partition=False).items()}


def _sum_lists(rows: pa.Table, name: str, *, by_partition: bool) -> dict[tuple[str, ...], Floats]:
    """Return the sums of each group: by row of the index, shape (sums, rows), or in total, shape (sums, 1)."""
    import numpy as np
    import pyarrow.compute as pc

    lists = rows[f"{name}_keys"].combine_chunks()
    encoded = lists.flatten().dictionary_encode()
    groups, keys = encoded.indices.to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist()
    numbers: Floats = rows[f"{name}_sums"].combine_chunks().flatten().to_numpy().reshape(-1, GROUPED[name])
    width = rows.num_rows if by_partition else 1
    cells = groups.astype(np.int64) * width
    if by_partition:
        cells += pc.list_parent_indices(lists).to_numpy()
    columns = [np.bincount(cells, weights=column, minlength=len(keys) * width) for column in numbers.T]
    totals: Floats = np.stack(columns).astype(float).reshape(GROUPED[name], len(keys), width)
    return {tuple(json.loads(key)): totals[:, position] for position, key in enumerate(keys)}


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

    texts, numbers = pa.list_(pa.string()), pa.list_(pa.float64())
    lists = {f"{name}_{part}": kind for name in GROUPED for part, kind in (("keys", texts), ("sums", numbers))}
    schema = pa.schema({**lists, "acted": pa.float64(), "current_acted": pa.float64()})
    return ManifestIndex(ws.lake, unit_sums_dataset(track), ws.cache, schema, _index_row)


def _index_row(entry: Entry) -> dict[str, object]:
    """Return the account of a partition as lists: the key of each group as JSON, and the sums of all groups."""
    row: dict[str, object] = {name: entry.facts[name] for name in ("acted", "current_acted")}
    for name in GROUPED:
        groups = entry.facts[name]
        row[f"{name}_keys"] = [canonical_json(key) for key, _ in groups]
        row[f"{name}_sums"] = [number for _, sums in groups for number in sums]
    return row
