"""Add up numbers by group. The sums of portions can be added, so a partition of any size takes little memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

# Sums by group. The key of a group is a tuple of texts.
SumsByGroup = dict[tuple[str, ...], tuple[float, ...]]


def sum_by_group(keys: Sequence[pd.Series[Any] | NDArray[Any]], numbers: Sequence[NDArray[Any]]) -> SumsByGroup:
    """Return the sums of each array of numbers by group, sorted by key. Sums of integers are integers.

    keys: the parts of each row's key: arrays of texts, at least one, each of shape (n,). numbers: each of shape (n,).
    Numbers are added in the order of the rows, so equal rows give equal sums to the last digit.
    """
    import numpy as np
    import pandas as pd

    encoded = [pd.factorize(np.asarray(part, object), sort=True) for part in keys]
    codes = np.zeros(len(encoded[0][0]), np.int64)
    for part, names in encoded:
        codes = codes * max(len(names), 1) + part
    _, first, group = np.unique(codes, return_index=True, return_inverse=True)
    columns = []
    for array in numbers:
        sums = np.bincount(group, weights=array, minlength=len(first))
        columns.append(sums.astype(np.int64).tolist() if array.dtype.kind in "iu" else sums.tolist())
    names_of_groups = zip(*(np.asarray(names, object)[part[first]] for part, names in encoded), strict=True)
    return dict(zip((tuple(map(str, key)) for key in names_of_groups), zip(*columns, strict=True), strict=True))


def add_groups(first: SumsByGroup, second: SumsByGroup) -> SumsByGroup:
    """Add up the sums of equal groups. Both must have the same sums in each group."""
    total = dict(first)
    for key, sums in second.items():
        total[key] = tuple(a + b for a, b in zip(total[key], sums, strict=True)) if key in total else sums
    return total


def split_partitions(groups: Mapping[tuple[str, ...], tuple[float, ...]]) -> dict[str, SumsByGroup]:
    """Return the groups of each partition, without the first part of their keys, which is the partition."""
    partitions: dict[str, SumsByGroup] = {}
    for (partition, *key), sums in groups.items():
        partitions.setdefault(partition, {})[tuple(key)] = sums
    return partitions
