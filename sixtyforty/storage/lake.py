"""The lake: one immutable Parquet file per partition, with a manifest that describes the partition.

A dataset is a folder (`validated/movements`). The rows of a partition are in `<key>.<content hash>.parquet`. The
manifest `<key>.json` names that file. To replace a partition, the lake writes the new Parquet file first and the
manifest last, each atomically. So a reader sees either the old or the new partition, never a mix. Neither file holds
the time of writing or a run id, so equal inputs and equal code give equal bytes.

The lake is in a folder or in an object store. Parquet files from an object store are cached in a local folder. Their
names contain the hash of their content, so a cached file is never outdated.
"""

from __future__ import annotations

import json
import os
import random
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.files import (
    access_error,
    access_errors,
    canonical_json,
    create_folder,
    digest,
    file_sha256,
    unfinished_file,
    write_atomic,
)
from sixtyforty.storage.manifests import Entry, parse_manifest, read_manifest
from sixtyforty.storage.object_store import PARALLEL_REQUESTS, ObjectPath, StoragePath
from sixtyforty.storage.parquet_files import write_parquet
from sixtyforty.storage.partition_columns import Columns, read_columns, schema_hash
from sixtyforty.storage.scratch import scratch_folder
from sixtyforty.storage.sql import literal
from sixtyforty.storage.stored_tables import Rows, run_for_tables, to_reader

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

# The share of files in a local lake whose hash is checked when they are read. `sixtyforty verify` checks all files.
CHECKED_SHARE = 1 / 64
HISTORY = "history"  # folder of the manifests that newer manifests replaced


class LakeError(SixtyfortyError):
    """A file of the lake differs from its manifest."""


class Lake:
    """The datasets of one use case.

    root: the folder or object store prefix of the datasets.
    cache: the local folder for scratch files, and for copies of Parquet files if `root` is in an object store. It may
    be left out for a lake in a folder, whose scratch files are then in the system's temporary folder.
    linked: the folders of other lakes to whose files `root` has symbolic links.
    """

    def __init__(self, root: StoragePath, cache: Path | None = None, linked: tuple[Path, ...] = ()) -> None:
        self.root, self.cache, self.linked = root, cache, linked

    @property
    def _local_root(self) -> Path:
        """The local folder with the Parquet files: the lake itself or, if the lake is in an object store, the cache."""
        if isinstance(self.root, Path):
            return self.root
        assert self.cache is not None, "a lake in an object store needs a cache"
        return self.cache

    def _manifest_path(self, dataset: str, partition: str) -> StoragePath:
        return self.root / dataset / f"{partition}.json"

    def entry(self, dataset: str, partition: str) -> Entry | None:
        """Return the current manifest of a partition; None if the partition doesn't exist."""
        try:
            if isinstance(self.root, ObjectPath):
                manifest = self._manifest_path(dataset, partition)
                return parse_manifest(manifest.read_bytes(), f"{manifest}")
            path = f"{self.root}/{dataset}/{partition}.json"  # the path is a text, because joining Path objects is slow
            status = os.stat(path)  # noqa: PTH116
        except FileNotFoundError:
            return None
        except SixtyfortyError:
            raise
        except OSError as error:
            raise access_error(f"{self.root}/{dataset}", error) from error
        return read_manifest(path, status.st_ino, status.st_mtime_ns, status.st_size)

    def partitions(self, dataset: str) -> list[str]:
        """Return the keys of the dataset's partitions, sorted."""
        folder = self.root / dataset
        if isinstance(folder, ObjectPath):
            return sorted(path.name.removesuffix(".json") for path in folder.glob("*.json"))
        try:
            with access_errors(folder):  # for 36,500 partitions, os.listdir takes less than half the time of glob
                names = os.listdir(folder)  # noqa: PTH208
        except FileNotFoundError:
            return []
        return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))

    def entries(self, dataset: str, partitions: Iterable[str] | None = None) -> dict[str, Entry]:
        """Return the current manifests of a dataset, by partition.

        partitions: the partitions to return, in this order; None: all partitions, sorted. Partitions that don't exist
        are left out.
        """
        selected = None if partitions is None else list(partitions)
        if isinstance(self.root, ObjectPath) and (selected is None or len(selected) > 2):
            return _listed_manifests(self.root / dataset, selected)
        keys = self.partitions(dataset) if selected is None else selected
        manifests = ((partition, self.entry(dataset, partition)) for partition in keys)
        return {partition: entry for partition, entry in manifests if entry is not None}

    def replaced_entry(self, version: str) -> Entry | None:
        """Return the manifest of a replaced version of a partition; None if the lake no longer has the manifest."""
        try:
            return parse_manifest((file := self.root / HISTORY / f"{version}.json").read_bytes(), f"{file}")
        except FileNotFoundError:
            return None

    def entries_replaced_between(self, start: datetime, end: datetime) -> list[Entry]:
        """Return the manifests that were replaced in a period, sorted by dataset and partition.

        start, end: UTC, naive; the end is excluded. The lake moves a replaced manifest to its history folder. The
        modification time of the file there is the time of the replacement.
        """
        first, last = (time.replace(tzinfo=UTC).timestamp() for time in (start, end))
        history = self.root / HISTORY
        if isinstance(history, ObjectPath):
            modified = {name: stat.st_mtime for name, stat in history.list_objects().items()}
        else:
            modified = {path.name: path.stat().st_mtime for path in history.glob("*.json")}
        files = [history / name for name, time in modified.items() if first <= time < last]
        entries = [parse_manifest(file.read_bytes(), f"{file}") for file in files]
        return sorted(entries, key=lambda entry: (entry.dataset, entry.partition))

    def local_file(self, entry: Entry) -> Path:
        """Return the local path of the Parquet file that a manifest names.

        If the lake is in an object store, the file is fetched into the cache first. In a folder, the file no longer
        exists if its partition has been replaced.
        """
        return self._local_files([entry])[0]

    def _local_files(self, entries: Sequence[Entry]) -> list[Path]:
        """Return the local paths of the Parquet files that manifests name. Files that the cache lacks are fetched."""
        if isinstance(self.root, Path):
            paths = [self.root / entry.dataset / entry.file for entry in entries]
            for entry, path in zip(entries, paths, strict=True):
                if random.random() < CHECKED_SHARE:
                    _check_file(path, entry)
            return paths
        files = {f"{e.dataset}/{e.file}": (self._local_root / e.dataset / e.file, e.sha256) for e in entries}
        missing = [name for name, (path, _) in files.items() if not path.exists()]
        for start in range(0, len(missing), PARALLEL_REQUESTS):
            copies = {name: self.scratch / secrets.token_hex(8) for name in missing[start : start + PARALLEL_REQUESTS]}
            self.root.download(copies)
            for name, copy in copies.items():
                path, sha256 = files[name]
                if file_sha256(copy) != sha256:
                    raise _changed_file(self.root / name)
                create_folder(path.parent)
                copy.replace(path)
        return [path for path, _ in files.values()]

    def write(
        self,
        dataset: str,
        partition: str,
        rows: Rows | pa.RecordBatchReader,
        *,
        inputs: Mapping[str, dict[str, str]] | None = None,
        code: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Write a partition and its manifest, and return the manifest. An unchanged partition is not written again.

        rows: a stream of any length is written with bounded memory. The sizes of its batches don't change the bytes.
        inputs: the versions of the input partitions, by dataset and partition.
        code: the code version.
        facts: anything else that the chain stage records, such as counts and verdicts.
        """
        import pyarrow as pa

        reader = rows if isinstance(rows, pa.RecordBatchReader) else to_reader(rows)
        folder = self._local_root / dataset
        with ExitStack() as stack:
            with access_errors(folder):
                file = stack.enter_context(unfinished_file(folder))
                row_count = write_parquet(file, reader)
            entry = Entry(
                dataset=dataset,
                partition=partition,
                file=f"{partition}.{file.sha256[:12]}.parquet",
                rows=row_count,
                sha256=file.sha256,
                inputs={source: dict(versions) for source, versions in (inputs or {}).items()},
                code=code,
                facts=json.loads(canonical_json(facts or {})),
                schema=schema_hash(reader.schema),
            )
            current = self.entry(dataset, partition)
            if current != entry or not (self.root / dataset / entry.file).exists():
                with access_errors(folder):
                    file.publish(folder / entry.file)
                self._publish(entry, current)
        return entry

    def _publish(self, entry: Entry, current: Entry | None) -> None:
        """Replace a partition's manifest, and move the old manifest to the history folder.

        The new Parquet file is already in the local folder.

        current: the old manifest; None for a new partition. In an object store, the Parquet file is uploaded first.
        """
        folder = self.root / entry.dataset
        if isinstance(folder, ObjectPath):  # the local file stays in the cache for the next chain stage
            (folder / entry.file).upload(self._local_root / entry.dataset / entry.file)
        if current is not None:  # explanations of past decisions need the old manifests
            history = self.root / HISTORY / f"{current.version}.json"
            write_atomic(history, canonical_json(current.manifest).encode())
        manifest = self._manifest_path(entry.dataset, entry.partition)
        write_atomic(manifest, canonical_json(entry.manifest).encode())
        if current is not None and current.file != entry.file:
            (folder / current.file).unlink(missing_ok=True)

    def write_all(
        self,
        dataset: str,
        tables: Mapping[str, Rows],
        *,
        inputs: Mapping[str, Mapping[str, dict[str, str]]] | None = None,
        code: str = "",
        facts: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> dict[str, Entry]:
        """Write several partitions, and return their manifests by partition. Tables in memory are written in parallel.

        tables, inputs, facts: mappings by partition. See `write`.
        """

        def write_one(partition: str) -> Entry:
            return self.write(
                dataset,
                partition,
                tables[partition],
                inputs=(inputs or {}).get(partition),
                code=code,
                facts=(facts or {}).get(partition),
            )

        return run_for_tables(write_one, tables)

    def drop(self, dataset: str, partition: str) -> None:
        """Delete a partition's Parquet file and manifest, if they exist."""
        entry = self.entry(dataset, partition)
        if entry is not None:
            self._manifest_path(dataset, partition).unlink(missing_ok=True)
            (self.root / dataset / entry.file).unlink(missing_ok=True)

    def open_session(self, timezone: str) -> duckdb.DuckDBPyConnection:
        """Return a DuckDB session that can read the lakes of all use cases, and no other file.

        timezone: IANA name of the use case's time zone. The caller closes the session.
        """
        folder = self._local_root
        readable = tuple(path.resolve() for path in (folder.parent, folder, *self.linked))
        return connect(timezone, readable, self.scratch)

    @property
    def scratch(self) -> Path:
        """The folder for files that only this process needs."""
        return scratch_folder(self.cache)

    def columns(self, entry: Entry) -> Columns:
        """Return the columns of a partition: their Arrow types by name. The answer is cached."""
        return read_columns(self.local_file(entry), entry.schema or entry.sha256)

    def group_by_columns(self, entries: Iterable[Entry]) -> list[list[Entry]]:
        """Group manifests whose partitions have equal columns. The groups are in the order of their first manifests."""
        groups: dict[str, list[Entry]] = {}
        for entry in entries:
            groups.setdefault(entry.schema, []).append(entry)
        for entry in groups.pop("", []):
            groups.setdefault(digest(list(self.columns(entry).items())), []).append(entry)
        return list(groups.values())

    def select_rows(self, entries: Iterable[Entry]) -> str:
        """Return a SQL subquery in parentheses for the rows of some partitions, with the column `_partition`.

        entries: the manifests of the partitions, at least one. A column that a partition lacks is null in its rows.
        If the types of a column differ, DuckDB casts the column to a type that holds all values.
        """
        selects = [self._select_alike(group) for group in self.group_by_columns(entries)]
        return selects[0] if len(selects) == 1 else f"({' union all by name '.join(selects)})"

    def _select_alike(self, entries: Sequence[Entry]) -> str:
        """Return a SQL subquery for the rows of partitions with equal columns. entries: the manifests."""
        files = [str(path) for path in self._local_files(entries)]
        partition = "regexp_extract(filename, '([^/]+)\\.[0-9a-f]{12}\\.parquet$', 1)"
        listing = f"[{', '.join(map(literal, files))}]"
        return f"(select * exclude filename, {partition} as _partition from read_parquet({listing}, filename=true))"


def _check_file(path: Path, entry: Entry) -> None:
    """Raise LakeError if a file differs from its manifest. A missing file is left to its reader."""
    with suppress(FileNotFoundError):
        if file_sha256(path) != entry.sha256:
            raise _changed_file(path)


def _changed_file(path: StoragePath) -> LakeError:
    return LakeError(
        f"{path}: the hash of the file differs from the hash in its manifest. Restore the file from a backup, or"
        " materialize the partition again."
    )


def _listed_manifests(folder: ObjectPath, partitions: Sequence[str] | None) -> dict[str, Entry]:
    names = None if partitions is None else [f"{partition}.json" for partition in partitions]
    contents = folder.read_listed(".json", names)
    entries = {n.removesuffix(".json"): parse_manifest(content, f"{folder}/{n}") for n, content in contents.items()}
    return {partition: entries[partition] for partition in (partitions or sorted(entries)) if partition in entries}


def split_by_partition(table: pa.Table, column: str, partitions: Sequence[str]) -> dict[str, pa.Table]:
    """Split a table into one table per partition.

    table: must already be sorted by `column`.
    column: holds the partition key of each row. The returned tables don't have it.
    partitions: the keys to return. Other rows are left out, and so are partitions without rows.
    """
    import pyarrow.compute as pc

    counts = {row["values"]: row["counts"] for row in pc.value_counts(table[column]).to_pylist()}
    rows = table.drop_columns([column])
    tables: dict[str, pa.Table] = {}
    start = 0
    for key in sorted(counts):
        if str(key) in partitions:
            tables[str(key)] = rows.slice(start, counts[key])
        start += counts[key]
    return tables
