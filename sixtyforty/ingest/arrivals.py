"""The arrivals ledger: which extracts of a source have arrived, in which order, and for which partitions.

`seq` numbers the arrivals in their order. If two extracts have a row with the same key, the row of the extract that
arrived later replaces the other row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sixtyforty.ingest.listing_memory import ListedFile
from sixtyforty.storage.bounded_cache import BoundedCache
from sixtyforty.storage.files import canonical_json, file_stamp, write_atomic
from sixtyforty.storage.object_store import StoragePath

PARSED_LEDGERS = 64  # the largest number of parsed ledgers that stay in memory
LEFT_OUT_IF_EMPTY = ("undeclared", "contract", "memory")  # empty fields would make the ledger of a long history large
ID_DIGITS = 16  # the id of an extract is this many hex digits of its content hash


@dataclass(frozen=True)
class Arrival:
    """One extract that has arrived.

    - name: the path of the file, relative to its location.
    - sha256: the hash of the file's bytes.
    - size: the number of bytes.
    - mtime_ns: the modification time, in nanoseconds since 1970.
    - seq: the number of the arrival, in the order of arrival.
    - rows: the number of rows in the extract.
    - partitions: the number of rows by partition. A partition in the file's name is listed even without rows. For a
      refused extract, these are the rows of the extract that it replaced.
    - problem: why the extract is refused; None if it is not refused.
    - tag: the content tag (ETag) of the file in its object store, if the store has tags.
    - is_present: whether the last scan found the file. False if the file was archived; the lake still holds its rows.
    - undeclared: the columns of the file that the data contract didn't name when the file was read.
    - contract: for a refused extract, the hash of the data contract and of the code that refused it; otherwise empty.
    - memory: the memory of the reader process in bytes, if the extract is refused because this process ended while it
      read the extract; otherwise 0.
    - seen_at: the UTC time of the scan that read the extract first, in ISO format. If an earlier data contract refused
      the extract, this is the scan that read it by the current data contract. Empty if an older version of this
      project wrote the ledger.
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
    undeclared: list[str] = field(default_factory=list)
    contract: str = ""
    memory: int = 0
    seen_at: str = ""

    @property
    def id(self) -> str:
        """The id of the extract. In the lake, the column `_extract` of the extract's rows holds this id."""
        return self.sha256[:ID_DIGITS]

    @property
    def listed_file(self) -> ListedFile:
        """The file's name, size, modification time and content tag, as the last scan listed them."""
        return ListedFile(self.name, self.size, self.mtime_ns, self.tag)


# Ledgers that this process has read or written, by path and stamp, because each scan reads them.
_LEDGERS: BoundedCache[tuple[Any, ...], tuple[Arrival, ...]] = BoundedCache(PARSED_LEDGERS)


def read_arrivals(ledger: StoragePath) -> list[Arrival]:
    """Return the newest arrival of each file name, in order of arrival; an empty list if the ledger doesn't exist."""
    try:
        version = (ledger, *file_stamp(ledger))
    except FileNotFoundError:
        return []
    arrivals = _LEDGERS.get(version)
    if arrivals is None:
        arrivals = tuple(Arrival(**fields) for fields in json.loads(ledger.read_bytes()))
        _LEDGERS.put(version, arrivals)
    return list(arrivals)


def write_arrivals(ledger: StoragePath, arrivals: Iterable[Arrival]) -> None:
    """Replace the content of an arrivals ledger. The arrivals must be in order of arrival.

    The caller must hold the lock of the ledger.
    """
    written = tuple(arrivals)
    rows = [{name: part for name, part in vars(a).items() if part or name not in LEFT_OUT_IF_EMPTY} for a in written]
    write_atomic(ledger, canonical_json(rows).encode())
    _LEDGERS.put((ledger, *file_stamp(ledger)), written)


def arrivals_for(arrivals: Iterable[Arrival], partitions: Iterable[str]) -> list[Arrival]:
    """Return the arrivals of extracts with rows of some partitions, or with a file name that mentions one of them."""
    requested = set(partitions)
    return [arrival for arrival in arrivals if requested & arrival.partitions.keys()]
