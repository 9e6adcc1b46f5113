"""The manifest index: figures from a dataset's manifests, in one Arrow file per year.

The index is a cache, so that sums over a long history read few files. It can always be computed from the manifests
again.

Each row holds the stamp of its manifest: a text that changes when the manifest file is replaced. A comparison of the
stamps shows which manifests were replaced, deleted or restored from a backup. A comparison of all stamps takes time in
proportion to the history. Therefore each update of the index records the modification time of the dataset's folder. Any
later change in the folder changes that time. An object store has no folder times, so one listing of its objects gives
all stamps.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sixtyforty.storage.files import canonical_json, digest, file_stamp, write_atomic
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.locks import LOCK_TIMEOUT, LockTimeoutError, exclusive_lock
from sixtyforty.storage.manifests import Entry

if TYPE_CHECKING:
    import pyarrow as pa

KEY_COLUMNS = ("_partition", "_stamp")
INDEXES_IN_MEMORY = 8
RECORDING_TIMEOUT = 5.0  # seconds for which a recording waits for other processes that use the index
StampsByYear = dict[str, dict[str, str]]  # the stamp of each partition's manifest, by year and partition


class ManifestIndex:
    """A dataset's manifests as one table, with one row per manifest, sorted by partition.

    cache: the folder below which the index is stored.
    schema: the names and types of the columns.
    row: a function that returns the row of a manifest, as {column name: content}.
    """

    def __init__(
        self, lake: Lake, dataset: str, cache: Path, schema: pa.Schema, row: Callable[[Entry], Mapping[str, Any]]
    ) -> None:
        import pyarrow as pa

        self.lake, self.dataset, self.row = lake, dataset, row
        self.schema = pa.schema([*((column, pa.string()) for column in KEY_COLUMNS), *schema])
        self.folder = cache / "manifest_index" / dataset
        self._manifests, self._mark = lake.root / dataset, self.folder / "complete.json"

    @contextmanager
    def recording(self) -> Iterator[dict[str, Entry]]:
        """At the end of a `with` block, add to the manifest index the partitions that the block has written.

        The block must put the manifests of these partitions into the yielded dict, by partition. If the process is
        killed, the next reader updates the index. So does it if the index is out of date before the block, or if
        another process uses the index for longer than RECORDING_TIMEOUT. Due decisions don't wait for a cache.
        """
        with ExitStack() as stack:
            years_indexed, written = None, dict[str, Entry]()
            if self._complete_years() is not None:
                with suppress(LockTimeoutError):
                    stack.enter_context(self._lock(RECORDING_TIMEOUT))
                    years_indexed = self._complete_years()
            yield written
            if years_indexed is not None and written:
                modified = self._touch_folder()
                stamps = {p: _stamp_text(file_stamp(self._manifests / f"{p}.json")) for p in written}
                years = _group_by_year(stamps)
                for year, stamps_of_year in years.items():
                    entries = {partition: written[partition] for partition in stamps_of_year}
                    self._rewrite_year(year, entries, stamps_of_year, stamps_of_year)
                self._write_mark(modified, {*years_indexed, *years})

    def table(self) -> pa.Table:
        """Return one row per manifest, sorted by partition. If a manifest changed, the index is updated first."""
        import pyarrow as pa

        empty = self.schema.empty_table()
        if isinstance(self._manifests, Path) and not self._manifests.exists():
            return empty
        if self._complete_years() is None:
            with self._lock():  # two processes that update the index at once would mix their files
                if self._complete_years() is None:
                    self._update()
        return pa.concat_tables([empty, *_read_years(self._mark, *file_stamp(self._mark))])

    def _lock(self, timeout: float = LOCK_TIMEOUT) -> AbstractContextManager[None]:
        return exclusive_lock(self.folder / ".lock", f"update the index of {self.dataset}", timeout)

    def _complete_years(self) -> list[str] | None:
        """Return the years that the manifest index covers; None if the index may be out of date.

        The index may be out of date if a manifest may have been added, replaced or deleted since its last update.
        """
        if isinstance(self._manifests, Path):
            with suppress(FileNotFoundError):
                mark = json.loads(self._mark.read_bytes())
                current = {"schema": self._schema_digest, "modified": self._manifests.stat().st_mtime_ns}
                if current == {name: mark.get(name) for name in current}:
                    return list(mark["years"])
        return None

    @property
    def _schema_digest(self) -> str:
        return digest(str(self.schema))

    def _touch_folder(self) -> int:
        """Set the modification time of the dataset's folder to now, and return it in nanoseconds.

        File systems often round times. Without this step, a later change could get the same modification time.
        """
        now = time.time_ns()
        if isinstance(self._manifests, Path):
            os.utime(self._manifests, ns=(now, now))
            return self._manifests.stat().st_mtime_ns
        return now

    def _write_mark(self, modified: int, years: Iterable[str]) -> None:
        mark = {"schema": self._schema_digest, "modified": modified, "years": sorted(years)}
        write_atomic(self._mark, canonical_json(mark).encode())

    def _update(self) -> None:
        """Rewrite the index files of the years in which a manifest was added, replaced or deleted."""
        modified, years = self._touch_folder(), _group_by_year(self._current_stamps())
        changed = isinstance(self._manifests, Path) or not self._mark.exists()
        for year in {file.stem for file in self.folder.glob("*.arrow")} | years.keys():
            stamps, indexed = years.get(year, {}), self._indexed_year(year)
            indexed_stamps = dict(zip(*(indexed[column].to_pylist() for column in KEY_COLUMNS), strict=True))
            partitions = stamps.keys() | indexed_stamps.keys()
            outdated = {p for p in partitions if indexed_stamps.get(p) != stamps.get(p)}
            if outdated:
                entries = self.lake.entries(self.dataset, sorted(outdated & stamps.keys()))
                self._rewrite_year(year, entries, stamps, outdated)
                changed = True
        if changed:
            self._write_mark(modified, years)

    def _current_stamps(self) -> dict[str, str]:
        """Return each manifest's stamp, by partition: a text that changes when the manifest's file is replaced."""
        if isinstance(self._manifests, Path):
            return {file.stem: _stamp_text(file_stamp(file)) for file in self._manifests.glob("*.json")}
        tags = {name: stat.tag for name, stat in self._manifests.list_objects().items()}
        return {name.removesuffix(".json"): tag for name, tag in tags.items() if name.endswith(".json")}

    def _indexed_year(self, year: str) -> pa.Table:
        file = self.folder / f"{year}.arrow"
        table = _read_arrow(file) if file.exists() else self.schema.empty_table()
        return table if table.schema.equals(self.schema) else self.schema.empty_table()

    def _rewrite_year(
        self, year: str, entries: Mapping[str, Entry], stamps: Mapping[str, str], replaced: Collection[str]
    ) -> None:
        """Rewrite the index file of one year: remove the rows of some partitions, then add rows for some manifests.

        entries: the manifests to add. stamps: the stamps of at least these manifests, by partition. replaced: the
        partitions whose rows are removed.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        indexed = self._indexed_year(year)
        kept = indexed.filter(pc.invert(pc.is_in(indexed[KEY_COLUMNS[0]], pa.array(replaced, pa.string()))))
        rows = [
            {**self.row(entry), **dict(zip(KEY_COLUMNS, (partition, stamps[partition]), strict=True))}
            for partition, entry in entries.items()
        ]
        table = pa.concat_tables([kept, pa.Table.from_pylist(rows, schema=self.schema)]).sort_by(KEY_COLUMNS[0])
        sink = pa.BufferOutputStream()  # Arrow files with lists are read five times as fast as Parquet
        with pa.ipc.new_file(sink, self.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as file:
            file.write_table(table.combine_chunks())
        write_atomic(self.folder / f"{year}.arrow", sink.getvalue().to_pybytes())


def _read_arrow(file: Path) -> pa.Table:
    import pyarrow as pa

    return pa.ipc.open_file(file.read_bytes()).read_all()  # a third of the time of reading from the file


@lru_cache(maxsize=INDEXES_IN_MEMORY)
def _read_years(mark: Path, *_stamp: int) -> tuple[pa.Table, ...]:
    """Return the tables of a manifest index, one for each year. They stay in memory until the index is updated.

    mark: the file that lists the indexed years. _stamp: the stamp of this file, which every update of the index
    changes.
    """
    years = json.loads(mark.read_bytes())["years"]
    return tuple(_read_arrow(mark.with_name(f"{year}.arrow")) for year in years)


def _stamp_text(stamp: Iterable[Any]) -> str:
    return " ".join(map(str, stamp))


def _group_by_year(stamps: Mapping[str, str]) -> StampsByYear:
    years: StampsByYear = {}
    for partition, stamp in sorted(stamps.items()):
        years.setdefault(partition[:4], {})[partition] = stamp
    return years
