"""The landing zone and what has been seen of it: the arrivals ledger, one file a source.

An extract is known by its content. Each scan compares what lies there with the ledger, so nothing is missed
when a scan was: a file is new when its name is, changed when its bytes are. `seq` orders arrivals: of two rows
with one key the later arrival's counts. A file whose name starts with a dot is still being written.
"""

from __future__ import annotations

import json
import os
import stat
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
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
OUTSIDE = "a link to a file outside the landing folder: put the file itself there"


@dataclass(frozen=True)
class Extract:
    """One landed file, named by its path below the landing folder.

    `partitions` maps a partition to its rows there; `problem` says why it is refused.
    """

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
        changed = False
        for name, status in self._there(source):
            before = known.get(name)
            if before and (before.size, before.mtime_ns) == (status.st_size, status.st_mtime_ns):
                continue
            try:
                sha = fingerprint(self.folder / name)
                if before and before.sha256 == sha:
                    found = Extract(**{**before.__dict__, "mtime_ns": status.st_mtime_ns})
                else:
                    found = self._look(source, name, status, sha, seq + 1)
                if _changed(status, (self.folder / name).stat()):
                    self._recent.pop((source, name), None)
                    continue  # its rows may not be those of its hash: the next scan takes it
            except FileNotFoundError:  # archived meanwhile
                continue
            known[name], seq, changed = found, max(seq, found.seq), True
        arrivals = sorted(known.values(), key=lambda e: e.seq)
        if changed:
            write_atomic(self._ledger(source), canonical([e.__dict__ for e in arrivals]).encode())
        return arrivals

    def _there(self, source: str) -> list[tuple[str, os.stat_result]]:
        """The source's files by time of landing, then name: as a reader on the spot would have met them."""
        found = []
        for path in self.folder.glob(self.use_case.sources[source].files):
            with suppress(FileNotFoundError):  # archived since the folder was listed
                status = path.stat()
                if stat.S_ISREG(status.st_mode) and not path.name.startswith("."):
                    found.append((path.relative_to(self.folder).as_posix(), status))
        return sorted(found, key=lambda f: (f[1].st_mtime_ns, f[0]))

    def lines(self, source: str, name: str, sha256: str | None = None) -> dict[str, pa.Table]:
        """An extract's lines by partition; the last few read are remembered: scan and ingest meet the same ones.

        Raises FileNotFoundError when the file has gone, or by now isn't the one with that hash.
        """
        if (source, name) not in self._recent:
            reading = read(self.folder / name, self.use_case.sources[source])
            if sha256 and fingerprint(self.folder / name) != sha256:
                raise FileNotFoundError(f"{name} was replaced since it was looked at")
            self._keep(source, name, reading)
        return self._recent[source, name]

    def _keep(self, source: str, name: str, reading: Reading) -> dict[str, pa.Table]:
        found = self._recent[source, name] = placed(reading, self.use_case, source, Path(name).name)
        while len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
        return found

    def _look(self, source: str, name: str, status: os.stat_result, sha: str, seq: int) -> Extract:
        """Reads a file; `status` is from before, so that one that grows meanwhile is looked at again."""
        self._recent.pop((source, name), None)
        path = self.folder / name
        inside = path.resolve().is_relative_to(self.folder.resolve())
        reading = read(path, self.use_case.sources[source]) if inside else Reading(problem=OUTSIDE, lines=1)
        counts: dict[str, int] = {}
        if not self.use_case.sources[source].partition:
            counts = {SNAPSHOT: reading.lines}
        else:  # a day the name speaks of that has no rows is told: it may have been cut off
            counts = dict.fromkeys(promised(Path(name).name, self.use_case.zone), 0)
            counts |= {p: t.num_rows for p, t in self._keep(source, name, reading).items()}
        return Extract(
            name=name,
            sha256=sha,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            seq=seq,
            rows=reading.lines,
            partitions=counts,
            problem=reading.problem,
        )


def _changed(before: os.stat_result, now: os.stat_result) -> bool:
    return (before.st_ino, before.st_size, before.st_mtime_ns) != (now.st_ino, now.st_size, now.st_mtime_ns)


def touching(extracts: Iterable[Extract], partitions: Iterable[str]) -> list[Extract]:
    """The extracts that hold, or promised to hold, rows of these partitions."""
    wanted = set(partitions)
    return [e for e in extracts if wanted & e.partitions.keys()]
