"""What has landed and what has been seen of it: the arrivals ledger, one file a source.

An extract is known by its content. Each scan compares what lies there with the ledger, so nothing is missed
when a scan was: a file is new when its name is, changed when its bytes are. `seq` orders arrivals: of two rows
with one key the later arrival's counts. Which files count as finished is said in `places`.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from sixtyforty.ingest.data_contract import placed
from sixtyforty.ingest.database_source import Query
from sixtyforty.ingest.extract import Reading
from sixtyforty.ingest.extract_reader import fingerprint, promised, read
from sixtyforty.ingest.locations import Known, Place, Seen, Unreachable, Unsettled, landed, place
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import Lake, alone, canonical, stamp, write_atomic
from sixtyforty.storage.object_store import Where
from sixtyforty.storage.response_log import opened

if TYPE_CHECKING:
    import pyarrow as pa

REMEMBERED = 1 << 28  # bytes
TOGETHER = 50_000  # lines of files that are placed at once


@dataclass(frozen=True)
class Extract:
    """One landed file, named by its path below its location.

    `partitions` maps a partition to its rows; `problem` says why it is refused. `tag`: what its store says of its
    content, if anything. `there`: the last scan met it; else it was archived, and only its rows are held.
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
    there: bool = True

    @property
    def id(self) -> str:
        """What its rows carry."""
        return self.sha256[:16]

    @property
    def seen(self) -> Seen:
        """As it was listed."""
        return Seen(self.name, self.size, self.mtime_ns, self.tag)


@lru_cache(maxsize=64)
def _known(path: Where, *_: object) -> tuple[Extract, ...]:
    """An arrivals ledger, parsed once for each file it ever was, as manifests are."""
    return tuple(Extract(**e) for e in json.loads(path.read_bytes()))


class Landing:
    """Where the extracts of one use case land, and their arrivals ledger in the lake.

    `folder` is for the sources that declare no location, and for what queries find; `delivered_to` (an SQLAlchemy URL)
    for the queries that declare no database. After a scan of a source, `unread` names the extracts that couldn't be
    read, with the reason: the next scan tries them again.
    """

    def __init__(self, folder: Where, lake: Lake, use_case: UseCase, delivered_to: str = "") -> None:
        self.folder, self.lake, self.use_case, self._delivered_to = folder, lake, use_case, delivered_to
        self.unread: dict[str, dict[str, str]] = {}
        self._places: dict[str, Place] = {}
        self._recent: OrderedDict[tuple[str, str, str], dict[str, pa.Table]] = OrderedDict()
        self._held = 0  # bytes of it

    def _ledger(self, source: str) -> Where:
        return self.lake.root / "arrivals" / f"{source}.json"

    def known(self, source: str) -> list[Extract]:
        """The extracts seen so far, in order of arrival; the latest of each name."""
        path = self._ledger(source)
        try:
            return list(_known(path, *stamp(path)))
        except FileNotFoundError:
            return []

    def scan(self, source: str, patient: bool = False) -> list[Extract]:
        """Brings the ledger up to date with what lies there and returns it. Only new or changed files are read.

        A query's new rows become extracts first. A patient scan, a sensor's, spares the other side: it asks a query
        not sooner than its source declares, and a big bucket for a few pages, so that what changed there may be seen
        some scans later. Raises Unreachable when the location or database can't be read.
        """
        with alone(self._ledger(source).with_suffix(".lock")):  # a sensor and a run would give one `seq` twice
            if source in self._queries and not (patient and self._queries[source].looked()):
                self._look_up(source)
            known, changed = {e.name: e for e in self.known(source)}, False
            there = (lambda: (e.seen for e in known.values() if e.there)) if patient else None
            listed, self.unread[source] = self.listed(source, there), {}
            due = [(f, known.get(f.name)) for f in listed]
            due = [(f, e) for f, e in due if not (e and e.seen == f and (f.mtime_ns or f.tag))]
            for found in self._look(source, due, max((e.seq for e in known.values()), default=0)):
                known[found.name], changed = found, changed or found != known.get(found.name)
            names = {f.name for f in listed}
            for name in [e.name for e in known.values() if e.there != (e.name in names)]:
                known[name], changed = replace(known[name], there=name in names), True
            arrivals = sorted(known.values(), key=lambda e: e.seq)
            if changed:
                write_atomic(self._ledger(source), canonical([e.__dict__ for e in arrivals]).encode())
            return arrivals

    def _look_up(self, source: str) -> None:
        database, case, ready = self.use_case.sources[source].database, self.use_case, None
        if database is None and source not in case.inputs:  # nobody may have answered yet
            ready = partial(opened, case.name, self._delivered_to, self.lake.root / ".responses.lock")
        self._queries[source].look(os.environ.get(database) if database else self._delivered_to, ready)

    @cached_property
    def _queries(self) -> dict[str, Query]:
        return {
            name: Query(name, source, self.folder / name, self._ledger(name).with_suffix(".seen.json"))
            for name, source in self.use_case.sources.items()
            if source.query
        }

    def _place(self, source: str) -> Place:
        if source not in self._places:
            self._places[source] = place(self.use_case.sources[source], self.folder)
        return self._places[source]

    def listed(self, source: str, known: Known | None = None) -> list[Seen]:
        """The finished files that lie there, by time of landing; `known`: see Place. Raises Unreachable."""
        contract = self.use_case.sources[source]
        try:
            return landed(contract, self._place(source), contract.files or f"{source}/*.csv", known)
        except Exception as error:  # each file system has errors of its own
            raise Unreachable(
                f"{source}: {contract.location or self.folder} can't be read ({_why(error)}); check that it is there,"
                " and that the environment holds what opens it"
            ) from error

    def lines(self, source: str, extract: Extract) -> dict[str, pa.Table]:
        """An extract's lines by partition; the last few read are remembered: scan and ingest meet the same ones.

        Raises FileNotFoundError when its bytes are no longer there: archived, or replaced by others.
        """
        name = source, extract.name, extract.sha256
        if name not in self._recent:
            try:
                data = self._place(source).read(extract.seen)
            except Unsettled as error:
                raise FileNotFoundError(f"{extract.name} was replaced") from error
            if fingerprint(data) != extract.sha256:
                raise FileNotFoundError(f"{extract.name} was replaced")
            reading = read(data, self.use_case.sources[source])
            self._keep(name, *placed([(Path(extract.name).name, reading)], self.use_case, source))
        return self._recent[name]

    def _keep(self, name: tuple[str, str, str], found: dict[str, pa.Table]) -> None:
        self._held += _size(found) - _size(self._recent.pop(name, {}))
        self._recent[name] = found
        while len(self._recent) > 1 and self._held > REMEMBERED:
            self._held -= _size(self._recent.popitem(last=False)[1])

    def _look(self, source: str, due: Iterable[tuple[Seen, Extract | None]], seq: int) -> Iterator[Extract]:
        """Reads files, each with what is known of it; `seq`: the last arrival's.

        Those are left out that are to be looked at again: gone, changing, or not to be read just now.
        """
        new: list[tuple[Seen, str, Reading]] = []
        lines = 0
        for seen, before in due:
            found = self._read(source, seen, before)
            if isinstance(found, Extract):
                yield found
            elif found:
                new.append((seen, *found))
                lines += found[1].lines
            if lines > TOGETHER:
                yield from self._arrived(source, new, seq)
                seq, new, lines = seq + len(new), [], 0
        yield from self._arrived(source, new, seq)

    def _read(self, source: str, seen: Seen, before: Extract | None) -> Extract | tuple[str, Reading] | None:
        """A file's hash and what was read of it; where its bytes are known, it as an extract."""
        try:
            data = self._place(source).read(seen)
        except (FileNotFoundError, Unsettled):
            return None
        except Exception as error:  # one file's trouble isn't the others'
            self.unread[source][seen.name] = f"{_why(error)}; check who may read it"
            return None
        sha = fingerprint(data)
        if before and before.sha256 == sha:
            return replace(before, size=seen.size, mtime_ns=seen.mtime_ns, tag=seen.tag)
        return sha, read(data, self.use_case.sources[source])

    def _arrived(self, source: str, new: Sequence[tuple[Seen, str, Reading]], seq: int) -> Iterator[Extract]:
        case = self.use_case
        found = placed([(Path(seen.name).name, reading) for seen, _, reading in new], case, source)
        for number, ((seen, sha, reading), lines) in enumerate(zip(new, found, strict=True), seq + 1):
            counts: dict[str, int] = {}
            if not case.sources[source].partition:
                counts = {SNAPSHOT: reading.lines}
            else:  # a day the name speaks of that has no rows is told: it may have been cut off
                first, last = case.limits
                days = [d for d in promised(Path(seen.name).name, case) if first <= d <= last]
                # what is refused is told somewhere, were it of no day of ours
                counts = dict.fromkeys(days or ([first] if reading.problem else []), 0)
                counts |= {p: t.num_rows for p, t in lines.items()}
                self._keep((source, seen.name, sha), lines)
            yield Extract(
                name=seen.name,
                sha256=sha,
                size=seen.size,
                mtime_ns=seen.mtime_ns,
                seq=number,
                rows=reading.lines,
                partitions=counts,
                problem=reading.problem,
                tag=seen.tag,
            )


def _size(found: Mapping[str, pa.Table]) -> int:
    return sum(table.nbytes for table in found.values())


def _why(error: Exception) -> str:
    said = str(error).splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__


def touching(extracts: Iterable[Extract], partitions: Iterable[str]) -> list[Extract]:
    """The extracts that hold, or promised to hold, rows of these partitions."""
    wanted = set(partitions)
    return [e for e in extracts if wanted & e.partitions.keys()]
