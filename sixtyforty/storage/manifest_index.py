"""What a dataset's manifests say, gathered in a file a year: a sum over a long history reads those, not each manifest.

The files hold nothing of their own: they lie in the cache, and what they lack is read from the manifests. Each row
keeps the stamp of the manifest it was read from, so that one that was replaced, withdrawn or brought back from a
back-up shows. To look at each stamp costs as much as there is history, so the dataset's folder is given a time of its
own when all is gathered: whatever is changed in it later gives it another. An object store has no folders; there, one
listing tells.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sixtyforty.storage.lake import Entry, Lake, alone, canonical, digest, stamp, write_atomic

if TYPE_CHECKING:
    import pyarrow as pa

KEYS = ("_partition", "_stamp")


class Gathered:
    """A dataset's manifests as one table, in order of partitions: of each, what `row` takes of it, as `schema` says."""

    def __init__(
        self, lake: Lake, dataset: str, cache: Path, schema: pa.Schema, row: Callable[[Entry], Mapping[str, Any]]
    ) -> None:
        import pyarrow as pa

        self.lake, self.dataset, self.row = lake, dataset, row
        self.schema = pa.schema([*((k, pa.string()) for k in KEYS), *schema])
        self.folder = cache / "gathered" / dataset
        self._manifests, self._mark = lake.root / dataset, self.folder / "whole.json"

    @contextmanager
    def following(self) -> Iterator[dict[str, Entry]]:
        """Whoever writes partitions does it within, and puts their entries into the dict: the files follow at once.

        One that is killed, or doesn't, leaves them behind; the next reader finds that out.
        """
        with alone(self.folder / ".lock"):
            whole, made = self._whole(), dict[str, Entry]()
            yield made
            if whole is not None and made:
                moment, stamps = self._marked(), {p: _said(stamp(self._manifests / f"{p}.json")) for p in made}
                years = _by_year(stamps)
                for year, some in years.items():
                    self._put(year, {p: made[p] for p in some}, some, some)
                self._note(moment, {*whole, *years})

    def table(self) -> pa.Table:
        """All rows. What the files lack is gathered first."""
        import pyarrow as pa

        nothing = self.schema.empty_table()
        if isinstance(self._manifests, Path) and not self._manifests.exists():
            return nothing
        if self._whole() is None:
            with alone(self.folder / ".lock"):  # two that gather at once would leave a mix
                if self._whole() is None:
                    self._gather()
        return pa.concat_tables([nothing, *_read(self._mark, *stamp(self._mark))])

    def _whole(self) -> list[str] | None:
        """The years there are files of, if these hold what the manifests say; None: that isn't sure."""
        if isinstance(self._manifests, Path):
            with suppress(FileNotFoundError):
                said = json.loads(self._mark.read_bytes())
                if (said["of"], said["moment"]) == (self._shape, self._manifests.stat().st_mtime_ns):
                    return list(said["years"])
        return None

    @property
    def _shape(self) -> str:
        return digest(str(self.schema))

    def _marked(self) -> int:
        """Gives the folder a time of its own: the clock of files ticks slowly, a later change might get the same."""
        now = time.time_ns()
        if isinstance(self._manifests, Path):
            os.utime(self._manifests, ns=(now, now))
            return self._manifests.stat().st_mtime_ns
        return now

    def _note(self, moment: int, years: Iterable[str]) -> None:
        said = {"of": self._shape, "moment": moment, "years": sorted(years)}
        write_atomic(self._mark, canonical(said).encode())

    def _gather(self) -> None:
        """Brings the files up to date, from the manifests that are others than those they were made from."""
        moment, there = self._marked(), _by_year(self._listed())
        changed = isinstance(self._manifests, Path) or not self._mark.exists()
        for year in {f.stem for f in self.folder.glob("*.arrow")} | there.keys():
            now, held = there.get(year, {}), self._held(year)
            then = dict(zip(*(held[k].to_pylist() for k in KEYS), strict=True))
            other = {p for p in then.keys() | now.keys() if then.get(p) != now.get(p)}
            if other:
                entries, changed = self.lake.entries(self.dataset, sorted(other & now.keys())), True
                self._put(year, entries, now, other)
        if changed:
            self._note(moment, there)

    def _listed(self) -> dict[str, str]:
        """What is another whenever a manifest is, by partition."""
        found: dict[str, str] = {}
        if not isinstance(self._manifests, Path):
            found = {n: s.tag for n, s in self._manifests.listed().items()}
        else:
            found = {f.name: _said(stamp(f)) for f in self._manifests.glob("*.json")}
        return {n.removesuffix(".json"): said for n, said in found.items() if n.endswith(".json")}

    def _held(self, year: str) -> pa.Table:
        file = self.folder / f"{year}.arrow"
        held = _arrow(file) if file.exists() else self.schema.empty_table()
        return held if held.schema.equals(self.schema) else self.schema.empty_table()

    def _put(
        self, year: str, entries: Mapping[str, Entry], stamps: Mapping[str, str], replaced: Collection[str]
    ) -> None:
        """Writes a year's file anew: without the rows of the replaced partitions, with those of the entries."""
        import pyarrow as pa
        import pyarrow.compute as pc

        held = self._held(year)
        kept = held.filter(pc.invert(pc.is_in(held[KEYS[0]], pa.array(replaced, pa.string()))))
        rows = [{**self.row(e), **dict(zip(KEYS, (p, stamps[p]), strict=True))} for p, e in entries.items()]
        table = pa.concat_tables([kept, pa.Table.from_pylist(rows, schema=self.schema)]).sort_by(KEYS[0])
        sink = pa.BufferOutputStream()  # Arrow's own files are read five times as fast as Parquet with lists in it
        with pa.ipc.new_file(sink, self.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as out:
            out.write_table(table.combine_chunks())
        write_atomic(self.folder / f"{year}.arrow", sink.getvalue().to_pybytes())


def _arrow(file: Path) -> pa.Table:
    import pyarrow as pa

    return pa.ipc.open_file(file).read_all()


@lru_cache(maxsize=8)
def _read(mark: Path, *_: int) -> tuple[pa.Table, ...]:
    """The rows of all years, read once for each state there ever was."""
    return tuple(_arrow(mark.with_name(f"{y}.arrow")) for y in json.loads(mark.read_bytes())["years"])


def _said(of: Iterable[Any]) -> str:
    return " ".join(map(str, of))


def _by_year(stamps: Mapping[str, str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for partition, said in sorted(stamps.items()):
        found.setdefault(partition[:4], {})[partition] = said
    return found
