"""Read the index of the KPI accounts (see `kpi_ledger`) as columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sixtyforty.value.daily_values import FIGURES, NUMBERS_BY_KEY, DailyValues, NumbersByKey
from sixtyforty.value.policy_weights import read_weights
from sixtyforty.value.random_choice import DealtAmounts
from sixtyforty.value.unit_groups import GROUPS

if TYPE_CHECKING:
    import pyarrow as pa


def read_columns(rows: pa.Table, units_recur: bool) -> DailyValues:
    """Return the money of each account in the index as columns, sorted by partition.

    rows: the rows of the index. units_recur: whether the accounts have sums of groups of units.
    """
    import numpy as np

    columns = {name: rows[name].to_numpy() for name in FIGURES}
    columns["partition"] = rows["_partition"].to_numpy()
    groups = _read_groups(rows) if units_recur else [None] * len(rows)
    amounts = [DealtAmounts.from_dict(json.loads(text)) if text else None for text in rows["amounts"].to_pylist()]
    weights = [read_weights(json.loads(text)) if text else {} for text in rows["weights"].to_pylist()]
    for name, objects in (("unit_groups", groups), ("amounts", amounts), ("weights", weights)):
        columns[name] = np.fromiter(objects, object, len(rows))
    return DailyValues(columns, {name: _read_numbers(rows[name]) for name in NUMBERS_BY_KEY})


def _read_numbers(column: pa.ChunkedArray) -> NumbersByKey:
    """Return the numbers of a column of maps, by key. A map that lacks a key has NaN there."""
    import numpy as np
    import pyarrow as pa

    maps = column.combine_chunks()
    keys, days = maps.keys.dictionary_encode(), np.repeat(np.arange(len(maps)), np.diff(maps.offsets.to_numpy()))
    is_pair = pa.types.is_fixed_size_list(maps.type.item_type)
    numbers = maps.items.flatten().to_numpy().reshape(-1, 2) if is_pair else maps.items.to_numpy()
    codes, by_key = keys.indices.to_numpy(), {}
    for code, key in enumerate(keys.dictionary.to_pylist()):
        by_key[key] = np.full((len(maps), *numbers.shape[1:]), np.nan)
        by_key[key][days[codes == code]] = numbers[codes == code]
    return by_key


def _read_groups(rows: pa.Table) -> list[dict[str, list[float]]]:
    """Return the sums of groups in each row of the index; an empty dict if the account has none."""
    sums = iter(rows["group_sums"].combine_chunks().flatten().to_numpy().reshape(-1, GROUPS).tolist())
    return [{name: next(sums) for name in names} for names in rows["group_names"].to_pylist()]
