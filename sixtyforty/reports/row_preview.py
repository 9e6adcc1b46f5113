"""Show the first rows of a partition in the lake, without personal columns.

Nothing stores a preview. So Dagster's storage holds no rows, and a row that is removed from the lake is shown nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from sixtyforty.modeling.personal_lineage import impersonal_columns, personal_columns
from sixtyforty.spec.sources import Source
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.sql import identifier
from sixtyforty.workspace import Workspace

SHOWN_ROWS = 20
OF_SOURCE = ("raw", "validated")
DERIVED_BY = ("units", "features", "outcomes")


@dataclass(frozen=True, kw_only=True)
class RowPreview:
    """The first rows of a partition.

    columns: the DuckDB type of each shown column, by name. rows: the cells as text; None is a missing value.
    total: number of rows of the partition. left_out: number of columns that hold or may hold personal data.
    partitions: all partitions of the dataset, sorted.
    """

    partition: str
    partitions: Sequence[str]
    columns: dict[str, str]
    rows: Sequence[Sequence[str | None]]
    total: int
    left_out: int


def previewed_datasets(use_case: UseCase) -> list[str]:
    """Return the datasets of a use case whose rows may be shown."""
    of_sources = [f"{kind}/{source}" for source in use_case.sources for kind in OF_SOURCE]
    return [*of_sources, "features", "outcomes", *(f"decisions/{track}" for track in get_args(Track))]


def preview_rows(ws: Workspace, dataset: str, partition: str | None = None) -> RowPreview | None:
    """Return the first rows of a partition; of the newest one, if `partition` is None. None: no such partition.

    dataset: a folder of the lake, such as `raw/weather` or `features`.
    """
    partitions = ws.lake.partitions(dataset)
    partition = partition or max(partitions, default="")
    entry = ws.lake.entry(dataset, partition) if partition in partitions else None
    if entry is None:
        return None
    with ws.lake.open_session(ws.use_case.timezone) as db:
        rows = ws.lake.select_rows([entry])
        types = {name: kind for name, kind, *_ in db.execute(f"describe from {rows}").fetchall()}
        allowed = _shown_columns(ws.use_case, dataset, list(types))
        shown = [name for name in types if name in allowed]
        cells = ", ".join(f"{identifier(name)}::varchar as {identifier(name)}" for name in shown)
        records = db.execute(f"select {cells} from {rows} limit {SHOWN_ROWS}").fetchall() if shown else []
    return RowPreview(
        partition=partition,
        partitions=partitions,
        columns={name: types[name] for name in shown},
        rows=records,
        total=entry.rows,
        left_out=len(types) - len(shown),
    )


def _shown_columns(use_case: UseCase, dataset: str, columns: Sequence[str]) -> set[str]:
    """Return those columns of a dataset that hold no personal data."""
    kind, _, source_name = dataset.partition("/")
    if kind in OF_SOURCE:
        return set(columns) - _personal_names(use_case.sources[source_name])
    if not personal_columns(use_case):
        return set(columns)
    return impersonal_columns(use_case, DERIVED_BY, columns)


def _personal_names(source: Source) -> set[str]:
    """Return every name under which an extract of a source may deliver a personal column."""
    return {name for column in source.personal for name in source.names_of(column)}
