"""Build point-in-time features and the current process's actions: run the use case's SQL on the data in the lake."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from sixtyforty.modeling.feature_sql import create_feature_table, create_table_without_features, sorted_by_unit
from sixtyforty.modeling.leakage import Leak, find_leakage
from sixtyforty.modeling.lineage import feature_window, input_versions, read_inputs
from sixtyforty.modeling.point_in_time import open_inputs, within_lookback
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.stored_tables import PORTION_ROWS, Rows, TableStore, portions

# Columns of a feature table that no model sees. Key columns are hidden too.
HIDDEN_COLUMNS = ("_partition", "decided_at", "current_action", "suspect")


@dataclass(frozen=True)
class BuiltPartitions:
    """The tables of features or outcomes that were built, by partition, and the versions of their inputs.

    The tables are sorted by decided_at and key. Large ones are not in memory (see `storage/stored_tables.py`).
    `inputs[partition][dataset]` maps the partitions of an input dataset to their versions. `beyond_lookback`: the
    columns whose values change if a partition is built together with others, because the SQL reads outside the
    partition's lookback. If any column is listed, each partition was built alone.
    """

    tables: dict[str, Rows]
    inputs: dict[str, dict[str, dict[str, str]]]
    beyond_lookback: tuple[str, ...] = ()


class FeatureWindow:
    """A DuckDB session that builds the features of some partitions and checks them.

    The session contains the validated data of these partitions and of their lookback. Use it in a `with` block.
    """

    def __init__(self, use_case: DecisionChain, lake: Lake, partitions: Sequence[str]) -> None:
        self.use_case, self.lake, self.partitions = use_case, lake, partitions
        self.entries = read_inputs(use_case, lake, feature_window(use_case, partitions))
        self.db = open_inputs(use_case, lake, self.entries, partitions)
        self._store = TableStore(lake.scratch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    def build(self) -> BuiltPartitions:
        """Build the features of the partitions. The rows of each table are sorted by decided_at and key.

        The features of a partition depend only on the partition and its lookback, so they are the same when the
        partition is built alone. The partitions are built together, and a sample of them alone as well. If the results
        differ, each partition is built alone. A partition without units has no table. Raises FeatureError if the SQL
        doesn't return each unit exactly once.
        """
        create_feature_table(self.db, self.use_case)
        tables = self._read_built()
        beyond_lookback = self._columns_beyond_lookback(tables)
        if beyond_lookback:
            tables = {partition: self._build_alone(partition) for partition in tables}
        return BuiltPartitions(tables, self._versions(tables), beyond_lookback)

    def build_without_features(self) -> BuiltPartitions:
        """Build tables with the current process's actions, and with null in place of each feature.

        The columns are those of the newest features, so that code that reads features needs no special case.
        """
        newest = self.lake.partitions("features")[-1:]
        entries = list(self.lake.entries("features", newest).values())
        hidden = {*HIDDEN_COLUMNS, *self.use_case.decision.key}
        columns = [column for entry in entries for column in self.lake.columns(entry) if column not in hidden]
        rows = self.lake.select_rows(entries) if entries else "units"
        create_table_without_features(self.db, self.use_case, rows, columns)
        tables = self._read_built()
        return BuiltPartitions(tables, self._versions(tables))

    def _versions(self, partitions: Iterable[str]) -> dict[str, dict[str, dict[str, str]]]:
        """Return the versions of the inputs of each partition."""
        windows = {partition: feature_window(self.use_case, [partition]) for partition in partitions}
        return {p: input_versions(self.use_case, self.entries, window) for p, window in windows.items()}

    def _columns_beyond_lookback(self, tables: Mapping[str, Rows]) -> tuple[str, ...]:
        """Return the feature columns whose values change if a sampled partition is built alone, not with the others.

        The first partition changes if the SQL reads later rows. The last one changes if the SQL reads rows before its
        lookback.
        """
        if len(self.partitions) == 1:
            return ()
        columns: set[str] = set()
        for partition in _sample_partitions(self.use_case.first_name, sorted(tables)):
            pairs = zip(portions(self._build_alone(partition)), portions(tables[partition]), strict=True)
            for alone, together in pairs:
                columns |= {name for name in alone.column_names if not alone[name].equals(together[name])}
        return tuple(sorted(columns))

    def _build_alone(self, partition: str) -> Rows:
        with within_lookback(self.db, self.use_case, partition):
            create_feature_table(self.db, self.use_case)
            return self._read_built()[partition]

    def _read_built(self) -> dict[str, Rows]:
        rows = self.db.sql(sorted_by_unit(self.use_case)).to_arrow_reader(PORTION_ROWS)
        return self._store.keep_partitions(rows)

    def find_leakage(
        self, tables: Mapping[str, Rows], again: Mapping[str, Collection[str]] | None = None
    ) -> list[Leak]:
        """Return the leakage in built features. The arguments are those of `leakage.find_leakage`."""
        return find_leakage(self.db, self.use_case, tables, again)


def _sample_partitions(use_case_name: str, partitions: Sequence[str]) -> list[str]:
    """Choose the partitions to build alone, as a check: the first, the last and one at random, but reproducibly."""
    chance = random.Random(f"{use_case_name} {partitions[0]} {partitions[-1]}") if partitions else random.Random(0)
    return list(dict.fromkeys([*partitions[:1], *partitions[-1:], *chance.sample(partitions, min(1, len(partitions)))]))


def feature_names(use_case: DecisionChain, columns: Sequence[str]) -> list[str]:
    """Select the columns of a feature table that the model sees.

    Columns with a leading underscore are for comparisons only. A key column is a feature only if `model.categorical`
    lists the column.
    """
    hidden = {*use_case.decision.key, *HIDDEN_COLUMNS} - set(use_case.model.categorical)
    return [column for column in columns if column not in hidden and not column.startswith("_")]
