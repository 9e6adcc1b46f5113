"""The lake: one immutable Parquet file a partition, and beside it the manifest that says what it is.

A dataset is a folder (`validated/movements`). A partition is `<key>.<content hash>.parquet` with the manifest
`<key>.json` pointing to it; replacing a partition writes the new file first and flips the manifest last, each
by temporary file, fsync and rename, so a reader sees the old or the new, never half. Neither holds wall-clock
times or run ids: the same inputs and code give the same bytes.

It lies in a folder or in an object store. What is read of the latter's Parquet files is kept beside: a name holds the
hash of its content, so what was once fetched, and found to be that, never needs to be fetched again.

A manifest's `version` is the hash of its content, its inputs' versions and its code: following `inputs` from a
decision leads to the extracts it came from.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sixtyforty.storage.object_store import SIDE_BY_SIDE, Remote, Stat, Where

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
R = TypeVar("R")


def digest(value: Any) -> str:
    """A short, stable hash (16 hex digits) of JSON-like data or bytes."""
    data = value if isinstance(value, bytes) else canonical(value).encode()
    return hashlib.sha256(data).hexdigest()[:16]


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: the same data, the same text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)


def write_atomic(path: Where, data: bytes) -> None:
    """Writes a whole file or nothing: temporary file, fsync, rename; of an object store, one PUT."""
    if isinstance(path, Remote):
        path.write(data)
        return
    temporary, once = path.with_name(f".writing-{secrets.token_hex(8)}"), os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        handle = os.open(temporary, once, 0o644)
    except FileNotFoundError:  # hardly ever: asked for beforehand, it would cost each of thousands a tenth more
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(temporary, once, 0o644)
    try:
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(handle, left) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def parquet(table: pa.Table) -> bytes:
    """A table as a Parquet file, as the chain keeps its own: the same rows, the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    # lz4 takes half the time of zstd here for a fifth more bytes; nobody skips row groups of these by statistics
    pq.write_table(table.combine_chunks(), sink, compression="lz4", write_statistics=False)
    return sink.getvalue().to_pybytes()


def side_by_side(work: Callable[[T], R], items: Collection[T]) -> list[R]:
    """What `work` makes of each item, in their order, four at a time.

    For what waits for the disk, or is done outside of Python's lock, as DuckDB's, Parquet's and a model's work is.
    """
    with ThreadPoolExecutor(min(4, len(items) or 1)) as pool:
        return list(pool.map(work, items))


def rename(path: Where, to: Where) -> None:
    """Gives a file another name; an object, killed in between, has both."""
    if isinstance(path, Remote):
        write_atomic(to, path.read_bytes())
        path.unlink()
    else:
        path.rename(str(to))


@contextmanager
def alone(lock: Where) -> Iterator[None]:
    """Waits until no other process is between these lines with the same lock; one that was killed holds none."""
    if isinstance(lock, Remote):
        with lock.alone():
            yield
        return
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class Entry:
    """One partition of one dataset: its file and what its manifest says.

    `inputs` maps a dataset to {partition: version}; `facts` is what the stage recorded (counts, verdicts).
    """

    dataset: str
    partition: str
    file: str
    rows: int
    sha256: str
    inputs: dict[str, dict[str, str]] = field(default_factory=dict)
    code: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def version(self) -> str:
        """Hash of content, inputs, code and facts."""
        return digest(self.manifest)

    @property
    def manifest(self) -> dict[str, Any]:
        """What the manifest file holds."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def stamp(path: Where) -> tuple[Any, ...]:
    """What is another whenever the file is: a flip is a rename, so inode and time tell. Raises FileNotFoundError."""
    status = path.stat()
    return (status.tag,) if isinstance(status, Stat) else (status.st_ino, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1 << 15)
def _entry(path: str, *_: int) -> Entry:
    """A manifest, parsed once for each file it ever was."""
    return Entry(**json.loads(Path(path).read_bytes()))


@lru_cache(maxsize=1 << 15)
def _parsed(manifest: bytes) -> Entry:
    return Entry(**json.loads(manifest))


class Lake:
    """The datasets of one use case below `root`; `cache` is where files of an object store are kept once read."""

    def __init__(self, root: Where, cache: Path | None = None) -> None:
        self.root, self.cache = root, cache

    def _manifest(self, dataset: str, partition: str) -> Where:
        return self.root / dataset / f"{partition}.json"

    def entry(self, dataset: str, partition: str) -> Entry | None:
        """The partition's manifest, or None when it was never written."""
        try:
            if isinstance(self.root, Remote):
                return _parsed(self._manifest(dataset, partition).read_bytes())
            path = f"{self.root}/{dataset}/{partition}.json"  # put together by Path it takes longer than the look at it
            status = os.stat(path)  # noqa: PTH116
        except FileNotFoundError:
            return None
        return _entry(path, status.st_ino, status.st_mtime_ns, status.st_size)

    def partitions(self, dataset: str) -> list[str]:
        """The partitions that were written, in order."""
        folder = self.root / dataset
        if isinstance(folder, Remote):
            return sorted(p.name.removesuffix(".json") for p in folder.glob("*.json"))
        try:  # listed, a hundred years of days take less than half of what they take by glob
            names = os.listdir(folder)  # noqa: PTH208
        except FileNotFoundError:
            return []
        return sorted(n.removesuffix(".json") for n in names if n.endswith(".json"))

    def entries(self, dataset: str, partitions: Iterable[str] | None = None) -> dict[str, Entry]:
        """Manifests by partition, in order; of the given partitions, or of all there are."""
        wanted = None if partitions is None else list(partitions)
        if isinstance(self.root, Remote) and (wanted is None or len(wanted) > 2):
            return _manifests(self.root / dataset, wanted)
        found = ((p, self.entry(dataset, p)) for p in (self.partitions(dataset) if wanted is None else wanted))
        return {p: e for p, e in found if e is not None}

    def past(self, version: str) -> Entry | None:
        """A manifest that has since been replaced, by its version."""
        try:
            return Entry(**json.loads((self.root / "history" / f"{version}.json").read_bytes()))
        except FileNotFoundError:
            return None

    def replaced(self, since: datetime, until: datetime) -> list[Entry]:
        """Manifests that were replaced from a UTC moment (naive) up to another, by the times of the files kept."""
        first, end = (m.replace(tzinfo=UTC).timestamp() for m in (since, until))
        history = self.root / "history"
        there = history.listed() if isinstance(history, Remote) else {p.name: p.stat() for p in history.glob("*.json")}
        files = [history / name for name, status in there.items() if first <= status.st_mtime < end]
        return sorted((Entry(**json.loads(p.read_bytes())) for p in files), key=lambda e: (e.dataset, e.partition))

    def path(self, entry: Entry) -> Path:
        """Where the entry's Parquet file can be read. There is none where it is gone."""
        return self._local([entry])[0]

    def _local(self, entries: Sequence[Entry]) -> list[Path]:
        """The entries' files on this machine, fetched if need be."""
        if isinstance(self.root, Path):
            return [self.root / e.dataset / e.file for e in entries]
        assert self.cache is not None, "a lake in an object store needs a cache"
        paths = {f"{e.dataset}/{e.file}": (self.cache / e.dataset / e.file, e.sha256) for e in entries}
        absent = [name for name, (path, _) in paths.items() if not path.exists()]
        for i in range(0, len(absent), SIDE_BY_SIDE):  # not more in memory than that
            for name, data in self.root.contents(absent[i : i + SIDE_BY_SIDE]).items():
                path, sha = paths[name]
                if hashlib.sha256(data).hexdigest() != sha:
                    raise OSError(f"{self.root / name} is not what its manifest says: its hash differs")
                write_atomic(path, data)
        return [path for path, _ in paths.values()]

    def write(
        self,
        dataset: str,
        partition: str,
        table: pa.Table,
        *,
        inputs: Mapping[str, dict[str, str]] | None = None,
        code: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Publishes a partition: its rows, what they came from and what is known of them."""
        data = parquet(table)
        sha = hashlib.sha256(data).hexdigest()
        entry = Entry(
            dataset=dataset,
            partition=partition,
            file=f"{partition}.{sha[:12]}.parquet",
            rows=table.num_rows,
            sha256=sha,
            inputs={k: dict(v) for k, v in (inputs or {}).items()},
            code=code,
            facts=json.loads(canonical(facts or {})),
        )
        before = self.entry(dataset, partition)
        if before == entry and (self.root / dataset / entry.file).exists():
            return entry
        if self.cache is not None:  # the next stage reads it
            write_atomic(self.cache / dataset / entry.file, data)
        write_atomic(self.root / dataset / entry.file, data)
        if before is not None:  # kept, so that a decision taken on it can still be explained
            write_atomic(self.root / "history" / f"{before.version}.json", canonical(before.manifest).encode())
        write_atomic(self._manifest(dataset, partition), canonical(entry.manifest).encode())
        if before is not None and before.file != entry.file:
            (self.root / dataset / before.file).unlink(missing_ok=True)
        return entry

    def write_all(
        self,
        dataset: str,
        tables: Mapping[str, pa.Table],
        *,
        inputs: Mapping[str, Mapping[str, dict[str, str]]] | None = None,
        code: str = "",
        facts: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> dict[str, Entry]:
        """Publishes partitions side by side, each as `write` does; tables, inputs and facts are by partition."""

        def one(p: str) -> Entry:
            made_from, known = (inputs or {}).get(p), (facts or {}).get(p)
            return self.write(dataset, p, tables[p], inputs=made_from, code=code, facts=known)

        return dict(zip(tables, side_by_side(one, tables), strict=True))

    def drop(self, dataset: str, partition: str) -> None:
        """Withdraws a partition, if it is there."""
        entry = self.entry(dataset, partition)
        if entry is not None:
            self._manifest(dataset, partition).unlink(missing_ok=True)
            (self.root / dataset / entry.file).unlink(missing_ok=True)

    def rows(self, entries: Iterable[Entry]) -> str:
        """SQL that reads the entries' rows, with their `_partition`. There must be at least one entry."""
        files = [str(path) for path in self._local(list(entries))]
        key = "regexp_extract(filename, '([^/]+)\\.[0-9a-f]{12}\\.parquet$', 1)"
        return f"(select * exclude filename, {key} as _partition from read_parquet({files!r}, filename=true))"


def _manifests(folder: Remote, partitions: Sequence[str] | None) -> dict[str, Entry]:
    names = None if partitions is None else [f"{p}.json" for p in partitions]
    found = {n.removesuffix(".json"): _parsed(data) for n, data in folder.current(".json", names).items()}
    return {p: found[p] for p in (partitions or sorted(found)) if p in found}


def versions(entries: Mapping[str, Entry]) -> dict[str, str]:
    """Partition to version: the form in which a manifest names its inputs."""
    return {partition: entry.version for partition, entry in entries.items()}


def split(table: pa.Table, column: str, partitions: Sequence[str]) -> dict[str, pa.Table]:
    """A table sorted by `column` cut into one table a partition (without that column); absent ones left out."""
    import pyarrow.compute as pc

    counts = {row["values"]: row["counts"] for row in pc.value_counts(table[column]).to_pylist()}
    body, cut, start = table.drop_columns([column]), {}, 0
    for key in sorted(counts):
        if str(key) in partitions:
            cut[str(key)] = body.slice(start, counts[key])
        start += counts[key]
    return cut
