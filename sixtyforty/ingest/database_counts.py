"""Compare, for each partition, the number of rows of a database query with the number of rows that were imported.

A read of a query returns only rows whose cursor value is new. So a row that was deleted from the database stays in the
validated data. A row that was committed with an old cursor value is missing in the validated data. A comparison of the
numbers of rows shows both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.ingest.partitioning import partition_columns, partition_keys
from sixtyforty.ingest.quarantine import count_open
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.verdicts import read_verdict

GROUPS_PER_QUERY = 100_000
NO_PARTITION = "without a partition"  # in place of a partition key, for rows whose date can't be read


@dataclass(frozen=True)
class RowDifference:
    """A partition whose number of rows in the database differs from the number in the lake.

    database_rows: the rows of the query. lake_rows: the validated rows, and those that are still in quarantine.
    """

    partition: str
    database_rows: int
    lake_rows: int

    def __str__(self) -> str:
        return (
            f"{self.partition}: {format_plural(self.database_rows, 'row')} in the database,"
            f" {self.lake_rows:,} validated or quarantined"
        )


def count_database_rows(landing: LandingZone, source: str) -> Counter[str]:
    """Return the number of rows of a source's query by partition.

    Rows whose date can't be read are counted under NO_PARTITION. Raises UnreachableSourceError if the database can't be
    read.
    """
    import pyarrow as pa

    use_case, rows = landing.use_case, Counter[str]()
    columns = partition_columns(use_case, use_case.sources[source])
    groups = landing.count_query_rows(source, columns)
    with landing.lake.open_session(use_case.timezone) as db:
        while batch := list(islice(groups, GROUPS_PER_QUERY)):
            texts = {c: pa.array([cells[n] for cells, _ in batch], pa.string()) for n, c in enumerate(columns)}
            keys = partition_keys(db, use_case, use_case.sources[source], pa.table(texts)).to_pylist()
            for key, (_, count) in zip(keys, batch, strict=True):
                rows[NO_PARTITION if key is None else key] += count
    return rows


def find_differences(landing: LandingZone, source: str, database_rows: Mapping[str, int]) -> list[RowDifference]:
    """Return the partitions whose number of rows differs between the database and the lake, sorted.

    database_rows: see `count_database_rows`. A partition's rows in the lake are those that its newest verdict counts as
    accepted, and the keys that are still in quarantine. Rows that were read several times count once.
    """
    lake = landing.lake
    entries = lake.entries(f"validated/{source}") | lake.entries(f"rejected/{source}")
    quarantined = count_open(landing, source)
    lake_rows = {p: read_verdict(entry).accepted_rows + quarantined.get(p, 0) for p, entry in entries.items()}
    counts = {p: (database_rows.get(p, 0), lake_rows.get(p, 0)) for p in sorted({*database_rows, *lake_rows})}
    return [RowDifference(p, *pair) for p, pair in counts.items() if pair[0] != pair[1]]
