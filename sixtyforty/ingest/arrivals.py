"""The arrivals ledger: which extracts of a source have arrived, in which order, and for which partitions.

`seq` orders the arrivals. If two rows have the same key, the row of the later arrival counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from sixtyforty.ingest.listing_memory import ListedFile
from sixtyforty.storage.files import canonical_json, file_stamp, write_atomic
from sixtyforty.storage.object_store import StoragePath

PARSED_LEDGERS = 64  # kept in memory
ID_DIGITS = 16  # of the content hash


@dataclass(frozen=True)
class Arrival:
    """One landed extract. Its name is its path below its location.

    size: bytes. mtime_ns: nanoseconds since 1970. tag: the content tag of its store, if it has one.
    partitions: how many rows each partition has in it; a partition that its name promises may have none.
    problem: why the extract is refused. is_present: whether the last scan saw it; else it was archived, and the lake
    holds its rows.
    """

    name: str
    sha256: str
    size: int
    mtime_ns: int
    seq: int
    rows: int
    partitions: dict[str, int] = field(default_factory=dict)
    problem: str | None = None
    tag: str = ""
    is_present: bool = True

    @property
    def id(self) -> str:
        """The id that its rows carry."""
        return self.sha256[:ID_DIGITS]

    @property
    def listed_file(self) -> ListedFile:
        """The file as it was listed."""
        return ListedFile(self.name, self.size, self.mtime_ns, self.tag)


def read_arrivals(ledger: StoragePath) -> list[Arrival]:
    """Return the arrivals of a ledger in order of arrival, the latest of each name; none if there is no ledger."""
    try:
        return list(_parse_ledger(ledger, *file_stamp(ledger)))
    except FileNotFoundError:
        return []


@lru_cache(maxsize=PARSED_LEDGERS)
def _parse_ledger(ledger: StoragePath, *_stamp: object) -> tuple[Arrival, ...]:
    """Parse a ledger once per replacement of its file: every scan reads it."""
    return tuple(Arrival(**fields) for fields in json.loads(ledger.read_bytes()))


def write_arrivals(ledger: StoragePath, arrivals: Iterable[Arrival]) -> None:
    """Replace a ledger."""
    write_atomic(ledger, canonical_json([vars(arrival) for arrival in arrivals]).encode())


def arrivals_for(arrivals: Iterable[Arrival], partitions: Iterable[str]) -> list[Arrival]:
    """Return the arrivals that hold rows of these partitions, or promise them by their names."""
    requested = set(partitions)
    return [arrival for arrival in arrivals if requested & arrival.partitions.keys()]
