"""Staged lines: the lines of an extract by partition, from the scan that reads them until the ingest that stores them.

The lines stay in memory until all staged lines of the process exceed a limit. Further lines go to files in the scratch
folder of the process.
"""

from __future__ import annotations

import secrets
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sixtyforty.storage.files import access_errors
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.memory import staging_limit
from sixtyforty.storage.parquet_files import row_groups

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 1 << 16  # the rows that are read at once from a file of staged lines


@dataclass(frozen=True)
class _FilePart:
    """Consecutive record batches of an Arrow file."""

    file: Path
    batches: range

    def tables(self) -> Iterator[pa.Table]:
        import pyarrow as pa

        with access_errors(self.file), pa.OSFile(str(self.file)) as source:
            reader = pa.ipc.open_file(source)
            for number in self.batches:
                yield pa.Table.from_batches([reader.get_batch(number)])


class StagingArea:
    """Where one landing zone stages lines: in memory up to a limit, then in files.

    lake: its scratch folder holds the files.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake, self._lock, self.bytes_in_memory = lake, threading.Lock(), 0

    @property
    def is_full(self) -> bool:
        """Whether the lines in memory exceed the limit."""
        return self.bytes_in_memory > staging_limit()

    def count(self, byte_count: int) -> None:
        """Change the count of the bytes that staged lines take in memory. A negative number lowers the count."""
        with self._lock:
            self.bytes_in_memory += byte_count

    def new_file(self) -> Path:
        """Return a path for a new file of staged lines."""
        return self._lake.scratch / f"lines-{secrets.token_hex(8)}.arrow"


@dataclass
class _Holdings:
    """The memory and the files in which the staged lines of one extract are stored."""

    area: StagingArea
    byte_count: int
    files: list[Path]

    def release(self) -> None:
        self.area.count(-self.byte_count)
        for file in self.files:
            file.unlink(missing_ok=True)


class StagedLines:
    """The lines of one extract by partition, in the order of the extract.

    `counts` is the number of lines by partition. `byte_count` is the number of bytes that all lines would take in
    memory, including lines that are in files. The files are deleted when nobody uses this object anymore.

    area: where the lines are staged. None: the lines are only counted.
    """

    def __init__(self, area: StagingArea | None) -> None:
        self.counts: dict[str, int] = {}
        self.byte_count = 0
        self._area = area
        self._parts: dict[str, list[pa.Table | _FilePart]] = {}
        if area:
            self._holdings = _Holdings(area, 0, [])
            # At its end, the process deletes the scratch folder. A forked process must not delete its parent's files.
            weakref.finalize(self, self._holdings.release).atexit = False

    def append(self, lines_by_partition: Mapping[str, pa.Table]) -> None:
        """Add lines to their partitions, after the partitions' existing lines.

        If too many lines are in memory, all lines of this extract in memory are then written to one file. Raises
        FileAccessError if the disk is full. The lines then stay in memory.
        """
        for partition, lines in lines_by_partition.items():
            self.counts[partition] = self.counts.get(partition, 0) + lines.num_rows
            if self._area:
                byte_count = lines.nbytes
                self._parts.setdefault(partition, []).append(lines)
                self.byte_count += byte_count
                self._holdings.byte_count += byte_count
                self._area.count(byte_count)
        if self._area and self._area.is_full and lines_by_partition:
            self._move_to_file(self._area)

    def move_first(self, partition: str, new_partition: str) -> None:
        """Move all lines of one partition to another partition, before the existing lines of that partition."""
        if partition in self.counts:
            self.counts[new_partition] = self.counts.pop(partition) + self.counts.get(new_partition, 0)
            self._parts[new_partition] = self._parts.pop(partition, []) + self._parts.get(new_partition, [])

    def tables(self, partition: str) -> Iterator[pa.Table]:
        """Yield the lines of a partition in tables of bounded size."""
        for part in self._parts.get(partition, []):
            if isinstance(part, _FilePart):
                yield from part.tables()
            else:
                yield part

    def _move_to_file(self, area: StagingArea) -> None:
        """Write all lines in memory to one new file, partition by partition."""
        import pyarrow as pa

        file, start = area.new_file(), 0
        tables = {
            partition: [part for part in parts if not isinstance(part, _FilePart)]
            for partition, parts in self._parts.items()
        }
        schema = next(table.schema for parts in tables.values() for table in parts)
        self._holdings.files.append(file)
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        new_parts: dict[str, _FilePart] = {}
        with (
            access_errors(file),
            pa.OSFile(str(file), "wb") as sink,
            pa.ipc.new_file(sink, schema, options=options) as writer,
        ):
            for partition, parts in tables.items():
                end = start
                for batch in _batches(parts):
                    writer.write_batch(batch)
                    end += 1
                if end > start:
                    new_parts[partition] = _FilePart(file, range(start, end))
                start = end
        for partition, part in new_parts.items():  # the lines leave the memory only when the file is complete
            on_disk = [earlier for earlier in self._parts[partition] if isinstance(earlier, _FilePart)]
            self._parts[partition] = [*on_disk, part]
        area.count(-self._holdings.byte_count)
        self._holdings.byte_count = 0


def _batches(tables: Sequence[pa.Table]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of tables in record batches that are neither small nor large. A row of long texts may be large."""
    if not tables:
        return
    for group in row_groups((batch for table in tables for batch in table.to_batches()), tables[0].schema):
        yield from group.to_batches(max_chunksize=BATCH_ROWS)
