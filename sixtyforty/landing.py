"""The landing zone and what has been seen of it: the arrivals ledger, one file a source.

An extract is known by its content. Each scan compares what lies there with the ledger, so nothing is missed
when a scan was: a file is new when its name is, changed when its bytes are. `seq` orders arrivals: of two rows
with one key the later arrival's counts. A file whose name starts with a dot is still being written.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sixtyforty.contract import placed
from sixtyforty.extracts import Reading, fingerprint, promised, read
from sixtyforty.lake import Lake, canonical, write_atomic
from sixtyforty.use_case import SNAPSHOT, UseCase

if TYPE_CHECKING:
    import pyarrow as pa

REMEMBERED = 16  # extracts


@dataclass(frozen=True)
class Extract:
    """One landed file: `partitions` maps a partition to its rows there; `problem` says why it is refused."""

    name: str
    sha256: str
    size: int
    mtime_ns: int
    seq: int
    rows: int
    partitions: dict[str, int] = field(default_factory=dict)
    problem: str | None = None

    @property
    def id(self) -> str:
        """What its rows carry."""
        return self.sha256[:16]


class Landing:
    """The landing folder of one use case, and its arrivals ledger in the lake."""

    def __init__(self, folder: Path, lake: Lake, use_case: UseCase) -> None:
        self.folder, self.lake, self.use_case = folder, lake, use_case
        self._recent: OrderedDict[tuple[str, str], dict[str, pa.Table]] = OrderedDict()

    def _ledger(self, source: str) -> Path:
        return self.lake.root / "arrivals" / f"{source}.json"

    def known(self, source: str) -> list[Extract]:
        """The extracts seen so far, in order of arrival; the latest of each name."""
        try:
            return [Extract(**e) for e in json.loads(self._ledger(source).read_bytes())]
        except FileNotFoundError:
            return []

    def scan(self, source: str) -> list[Extract]:
        """Brings the ledger up to date with the folder and returns it. Only new or changed files are read."""
        known = {e.name: e for e in self.known(source)}
        seq = max((e.seq for e in known.values()), default=0)
        paths = sorted(self.folder.glob(self.use_case.sources[source].files))
        changed = False
        # by time of landing, then name: the order in which a reader on the spot would have met them
        for path in sorted(paths, key=lambda p: (p.stat().st_mtime_ns, p.name)):
            stat, before = path.stat(), known.get(path.name)
            if path.name.startswith(".") or not path.is_file():
                continue
            if before and (before.size, before.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
                continue
            sha, changed = fingerprint(path), True
            if before and before.sha256 == sha:
                known[path.name] = Extract(**{**before.__dict__, "mtime_ns": stat.st_mtime_ns})
                continue
            seq += 1
            known[path.name] = self._look(source, path, sha, seq)
        arrivals = sorted(known.values(), key=lambda e: e.seq)
        if changed:
            write_atomic(self._ledger(source), canonical([e.__dict__ for e in arrivals]).encode())
        return arrivals

    def lines(self, source: str, name: str) -> dict[str, pa.Table]:
        """An extract's lines by partition; the last few read are remembered: scan and ingest meet the same ones."""
        if (source, name) not in self._recent:
            self._keep(source, name, read(self.folder / name, self.use_case.sources[source]))
        return self._recent[source, name]

    def _keep(self, source: str, name: str, reading: Reading) -> dict[str, pa.Table]:
        found = self._recent[source, name] = placed(reading, self.use_case, source, name)
        while len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
        return found

    def _look(self, source: str, path: Path, sha: str, seq: int) -> Extract:
        reading, stat = read(path, self.use_case.sources[source]), path.stat()
        counts: dict[str, int] = {}
        if not self.use_case.sources[source].partition:
            counts = {SNAPSHOT: reading.lines}
        else:  # a day the name speaks of that has no rows is told: it may have been cut off
            counts = dict.fromkeys(promised(path.name, self.use_case.zone), 0)
            counts |= {p: t.num_rows for p, t in self._keep(source, path.name, reading).items()}
        return Extract(
            name=path.name,
            sha256=sha,
            size=stat.st_size,
            mtime_ns=stat.st_mtime_ns,
            seq=seq,
            rows=reading.lines,
            partitions=counts,
            problem=reading.problem,
        )


def touching(extracts: Iterable[Extract], partitions: Iterable[str]) -> list[Extract]:
    """The extracts that hold, or promised to hold, rows of these partitions."""
    wanted = set(partitions)
    return [e for e in extracts if wanted & e.partitions.keys()]
