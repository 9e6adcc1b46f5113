"""The landing zone of a use case: the extracts at each source's location, compared with the source's arrivals ledger.

Each scan compares all files at a location with the ledger, so a missed scan loses nothing. A file is new if its name is
new, and changed if its bytes have another hash.
"""

from __future__ import annotations

import errno
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from types import MappingProxyType

from sixtyforty.ingest.arrivals import Arrival, read_arrivals, write_arrivals
from sixtyforty.ingest.bucket import Bucket
from sixtyforty.ingest.database_source import DatabaseSource
from sixtyforty.ingest.extract_staging import ExtractStaging, NewExtract
from sixtyforty.ingest.landed_files import (
    DONE_ENDING,
    describe_failure,
    find_skip_reason,
    find_skipped_names,
    list_reachable_files,
    open_location,
    printable_name,
)
from sixtyforty.ingest.listing_memory import ListedFile, ListingMemory
from sixtyforty.ingest.locations import FileChangedError, Folder
from sixtyforty.ingest.new_arrivals import is_refusal_outdated, new_arrival
from sixtyforty.ingest.shared_readings import Group, SharedReadings, open_shared_readings
from sixtyforty.ingest.staged_lines import StagedLines, StagingArea
from sixtyforty.spec.clock import now
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.bounded_cache import BoundedCache
from sixtyforty.storage.files import access_error, file_sha256
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.locks import exclusive_lock
from sixtyforty.storage.memory import VARIABLE
from sixtyforty.storage.object_store import StoragePath
from sixtyforty.storage.response_log import open_response_log

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
MORE_MEMORY = f"Set {VARIABLE} to a larger size, or ask the sender for smaller files."
STAGED_BYTES = 1 << 33  # 8 GiB: how many bytes of staged lines, most of them in files, wait for their ingest


class LaterRefusalError(SixtyfortyError):
    """An extract is refused now, though an earlier scan accepted it. The ledger records the refusal."""


class LandingZone:
    """The locations where the extracts of one use case arrive, and the arrivals ledgers in its lake.

    folder: the location of sources that declare no location. The extracts of queries are written there, too.
    delivery_url: SQLAlchemy URL of the database for queries that declare no database.
    unread: after a scan, the reason for each file that couldn't be read, by source and file name. The next scan tries
    to read these files again. A scan without `patient` also gives the reason for files whose names nearly match.
    header_notes: how the headers of the extracts that this process read differ from the contract, as texts, by source
    and file name. Extracts whose header is as declared are left out.
    query_problems: after a scan, the problems with the times in a query's table, as texts, by source.
    """

    def __init__(self, folder: StoragePath, lake: Lake, use_case: DecisionChain, delivery_url: str = "") -> None:
        self.folder, self.lake, self.use_case, self._delivery_url = folder, lake, use_case, delivery_url
        self.unread: dict[str, dict[str, str]] = defaultdict(dict)
        self.header_notes: dict[str, dict[str, list[str]]] = {}
        self.query_problems: dict[str, list[str]] = {}
        self._locations: dict[str, Folder | Bucket] = {}
        self._area = StagingArea(lake)
        # An extract that is larger than the cache gets the weight of the whole cache, so it stays until the next
        # extract is read. So the ingest after a scan can take the extract's lines from the cache.
        self._staged: BoundedCache[tuple[str, str, str], StagedLines] = BoundedCache(
            STAGED_BYTES, weigh=lambda lines: min(lines.byte_count, STAGED_BYTES)
        )

    def _ledger(self, source: str) -> StoragePath:
        return self.lake.root / "arrivals" / f"{source}.json"

    def known(self, source: str) -> list[Arrival]:
        """Return the newest arrival of each file name of a source, as of the last scan, in order of arrival."""
        return read_arrivals(self._ledger(source))

    def scan(
        self, source: str, patient: bool = False, made_at: float = 0.0, partitions: Collection[str] = ()
    ) -> list[Arrival]:
        """Add new and changed extracts of a source to its ledger, and return all arrivals, in order of arrival.

        Only new or changed files are read. If the source is a query, its new rows are first written as extracts.

        patient: set by sensors, which scan often. The scan then runs a query only at its declared interval, or after
        `made_at` (see `DatabaseSource.was_read_recently`). It also lists a big bucket in parts, so a later scan may be
        the first to find a change. Lines are only counted, because another process ingests them.
        partitions: the partitions that a run imports next. Of many new extracts in an object store, it first reads
        those whose names mention these partitions, while other runs read the others (see `shared_readings`).
        Raises UnreachableSourceError if the location or the database can't be read.
        """
        arrivals, groups = self._scan(source, patient, made_at, may_share=not patient)
        if groups and (readings := self._readings(source)):
            readings.read(groups, partitions, partial(self._read_group, source))
            arrivals, _ = self._scan(source, patient, made_at, may_share=False)
        return arrivals

    def _read_group(self, source: str, group: Group) -> Iterator[Arrival]:
        return self._read_files(source, [(file, None) for file in group], 0, self._area)

    def _scan(
        self, source: str, patient: bool, made_at: float, may_share: bool
    ) -> tuple[list[Arrival], Sequence[Group]]:
        """Scan as `scan` does. If there are groups of extracts that runs can share, return them with no arrivals."""
        ledger, readings = self._ledger(source), self._readings(source)
        # Without the lock, two scans could assign the same `seq` to different extracts.
        with exclusive_lock(ledger.with_suffix(".lock"), f"scan {source}"):
            if source in self.queries and not (patient and self.queries[source].was_read_recently(made_at)):
                self._run_query(source)
            arrivals = {arrival.name: arrival for arrival in self.known(source)}
            present = (arrival.listed_file for arrival in arrivals.values() if arrival.is_present)
            memory = ListingMemory(ledger.with_suffix(".listing.json"), present, is_partial=patient)
            files = self.list_files(source, memory)
            new_files = (file for file in files if file.name not in arrivals and file.is_dated)
            if may_share and readings and (groups := readings.groups(new_files)):
                return [], groups
            updates = {a.name: a for a in self._updates(source, files, arrivals, None if patient else self._area)}
            ordered = sorted((arrivals | updates).values(), key=lambda arrival: arrival.seq)
            if updates:
                write_arrivals(ledger, ordered)
                if readings:
                    readings.remove()
            memory.save((arrival.listed_file for arrival in ordered), DONE_ENDING)
            if not patient:
                self.unread[source] |= find_skipped_names(self.location(source), source, self.use_case.sources)
            return ordered, []

    def _readings(self, source: str) -> SharedReadings | None:
        return open_shared_readings(self._ledger(source), self.use_case, source)

    def _updates(
        self, source: str, files: Sequence[ListedFile], arrivals: Mapping[str, Arrival], area: StagingArea | None
    ) -> Iterator[Arrival]:
        """Yield the arrivals that differ from the ledger: the file is new, changed, archived, or back at its location.

        files: the listed files. arrivals: the arrivals in the ledger, by file name. area: see ExtractStaging.
        """
        self.unread[source] = {}
        due = [(file, arrivals.get(file.name)) for file in files]
        due = [
            (file, known)
            for file, known in due
            if not (known and known.listed_file == file and file.is_dated)
            or is_refusal_outdated(known, self.use_case.sources[source], in_run=area is not None)
        ]
        names = {file.name for file in files}
        changed = set()
        last_seq = max((known.seq for known in arrivals.values()), default=0)
        readings = self._readings(source) if area else None
        read_elsewhere = readings.load() if readings and any(known is None for _, known in due) else {}
        for arrival in self._read_files(source, due, last_seq, area, read_elsewhere):
            present = replace(arrival, is_present=True)
            if present != arrivals.get(arrival.name):
                changed.add(arrival.name)
                yield present
        for known in arrivals.values():
            if known.name not in changed and known.is_present != (known.name in names):
                yield replace(known, is_present=known.name in names)

    def _run_query(self, source: str) -> None:
        prepare: Callable[[], object] | None = None
        is_own_table = self.use_case.sources[source].database is None
        if is_own_table and source not in self.use_case.inputs:  # the table of the response log may not exist yet
            lock = self.lake.root / ".responses.lock"
            prepare = partial(open_response_log, self.use_case.name, self._delivery_url, lock)
        self.queries[source].extract_new_rows(self.database_url(source), prepare)
        self.query_problems[source] = self.queries[source].problems

    def count_query_rows(self, source: str, columns: Sequence[str]) -> Iterator[tuple[list[str | None], int]]:
        """Group the rows of a source's query by some columns. Yield the values and the number of rows of each group."""
        return self.queries[source].count_rows(self.database_url(source), columns)

    def database_url(self, source: str) -> str | None:
        """Return the SQLAlchemy URL of a query's database; None if its environment variable is not set."""
        return os.environ.get(variable) if (variable := self.use_case.sources[source].database) else self._delivery_url

    @cached_property
    def queries(self) -> dict[str, DatabaseSource]:
        """The sources that are queries, by name."""
        return {
            name: DatabaseSource(name, source, self.folder / name, self._ledger(name).with_suffix(".cursor.json"))
            for name, source in self.use_case.sources.items()
            if source.query
        }

    def location(self, source: str) -> Folder | Bucket:
        """Return the location where the extracts of a source arrive."""
        if source not in self._locations:
            self._locations[source] = open_location(self.use_case.sources[source], self.folder)
        return self._locations[source]

    def list_files(self, source: str, memory: ListingMemory | None = None) -> list[ListedFile]:
        """List a source's finished files, sorted by modification time. Raises UnreachableSourceError.

        memory: the listing states that earlier scans stored, so that a big bucket can be listed in parts. None: all
        files are listed.
        """
        return list_reachable_files(source, self.use_case.sources[source], self.location(source), self.folder, memory)

    def lines(self, source: str, arrivals: Iterable[Arrival]) -> dict[int, StagedLines]:
        """Return {arrival number of an extract: the extract's lines by partition}.

        Lines that a scan of this process staged are used. Other extracts are read again. Extracts that were archived or
        replaced after their arrival are left out.

        Raises LaterRefusalError if an extract is refused that the scan of another process accepted, for example because
        this process has less memory. The refusal is recorded in the ledger first.
        """
        staging = ExtractStaging(self.use_case, source, self.lake, self._area)
        lines: dict[int, StagedLines] = {}
        read_again: list[tuple[Arrival, NewExtract]] = []
        for arrival in arrivals:
            staged = self._staged.get((source, arrival.name, arrival.sha256))
            if staged:
                lines[arrival.seq] = staged
            elif extract := self._read_again(source, staging, arrival):
                read_again.append((arrival, extract))
        staging.flush()
        for arrival, extract in read_again:
            lines[arrival.seq] = self._keep(source, extract)
        self._record_refusals(source, [(a, e) for a, e in read_again if e.has_broken_reader])
        return lines

    def _record_refusals(self, source: str, refused: Sequence[tuple[Arrival, NewExtract]]) -> None:
        """Record in the ledger that accepted extracts are refused now. If there are any, raise LaterRefusalError."""
        if not refused:
            return
        arrivals = {a.seq: new_arrival(self.use_case, source, extract, a.seq, a) for a, extract in refused}
        ledger = self._ledger(source)
        with exclusive_lock(ledger.with_suffix(".lock"), f"refuse extracts of {source}"):
            write_arrivals(ledger, [arrivals.get(known.seq, known) for known in self.known(source)])
        names = ", ".join(arrival.name for arrival in arrivals.values())
        raise LaterRefusalError(
            f"{source}: an earlier scan accepted extracts that are refused now: {names}. Start the run again to import"
            " the other extracts of the source."
        )

    def _read_again(self, source: str, staging: ExtractStaging, arrival: Arrival) -> NewExtract | None:
        """Read an extract that arrived earlier. Return None if its file was archived or replaced since then."""
        extract: NewExtract | None = None
        try:
            with self.location(source).open_file(arrival.listed_file, self.lake.scratch) as path:
                if file_sha256(path) == arrival.sha256:
                    extract = staging.read(path, arrival.listed_file, arrival.sha256, arrival.seen_at)
            return extract
        except (FileNotFoundError, FileChangedError):
            if extract:
                staging.discard(extract)
            return None

    def _keep(self, source: str, extract: NewExtract) -> StagedLines:
        """Store the lines of an extract until its partitions are ingested, and return these lines."""
        extract.partitions.finish()
        self._staged.put((source, extract.file.name, extract.sha256), extract.lines)
        if extract.header_notes:
            self.header_notes.setdefault(source, {})[extract.file.name] = extract.header_notes
        return extract.lines

    def _read_files(
        self,
        source: str,
        due: Iterable[tuple[ListedFile, Arrival | None]],
        last_seq: int,
        area: StagingArea | None,
        read_elsewhere: Mapping[ListedFile, Arrival] = MappingProxyType({}),
    ) -> Iterator[Arrival]:
        """Read listed files, and yield the arrival of each file that could be read.

        due: each file with its arrival in the ledger, or None if the file is new. last_seq: the largest `seq` in the
        ledger. area: see ExtractStaging.
        read_elsewhere: the arrivals of new files that runs have read and shared.
        Files that are missing, changing or unreadable are left for the next scan.
        """
        seen_at = now().isoformat(timespec="seconds")
        staging = ExtractStaging(self.use_case, source, self.lake, area)
        extracts: list[tuple[NewExtract | Arrival, Arrival | None]] = []
        for file, known in due:
            if not known and (arrival_elsewhere := read_elsewhere.get(file)):
                extracts.append((arrival_elsewhere, known))
                continue
            arrival = self._read_file(source, staging, file, known, seen_at)
            if isinstance(arrival, Arrival):
                yield arrival
            elif arrival:
                extracts.append((arrival, known))
        staging.flush()
        # A full extract lists the partitions of all earlier extracts, because it removes all of their rows.
        is_full, earlier = self.use_case.sources[source].full, set[str]()
        if is_full:
            earlier = {partition for arrival in self.known(source) for partition in arrival.partitions}
        for seq, (extract, known) in enumerate(extracts, last_seq + 1):
            if isinstance(extract, Arrival):
                yield replace(extract, seq=seq)
                continue
            if area:
                self._keep(source, extract)
            else:
                extract.partitions.finish()
            arrival = new_arrival(self.use_case, source, extract, seq, known)
            if is_full and not arrival.problem:
                arrival = replace(arrival, partitions=dict.fromkeys(sorted(earlier), 0) | arrival.partitions)
                earlier |= arrival.partitions.keys()
            yield arrival

    def _read_file(
        self, source: str, staging: ExtractStaging, file: ListedFile, known: Arrival | None, seen_at: str
    ) -> Arrival | NewExtract | None:
        """Read a listed file. Return its known arrival if its bytes are unchanged, otherwise its extract.

        Return None if the file can't be read. known: the file's arrival in the ledger. It is returned with the time and
        tag of the new listing. seen_at: the time of the scan. Raises FileAccessError if the disk of this machine is
        full.
        """
        if skip_reason := find_skip_reason(file.name):
            self.unread[source][printable_name(file.name)] = f"{skip_reason}. Rename the file."
            return None
        extract: NewExtract | None = None
        try:
            with self.location(source).open_file(file, self.lake.scratch) as path:
                sha256, seq = file_sha256(path), None
                if known and known.sha256 == sha256:
                    if not is_refusal_outdated(known, self.use_case.sources[source], in_run=staging.stages_lines):
                        return replace(known, size=file.size, mtime_ns=file.mtime_ns, tag=file.tag)
                    seq = known.seq
                extract = staging.read(path, file, sha256, seen_at, seq)
            return extract
        except (FileNotFoundError, FileChangedError):
            reason = ""
        except SixtyfortyError:
            raise
        except MemoryError as error:
            reason = f"{describe_failure(error)}. {MORE_MEMORY}"
        except OSError as error:  # the scan goes on with the other files
            if error.errno in DISK_FULL:  # a local copy of the file doesn't fit on the disk
                raise access_error(self.lake.scratch, error) from error
            reason = f"{describe_failure(error)}. Check that the user of this process may read the file."
        if extract:
            staging.discard(extract)
        if reason:
            self.unread[source][file.name] = reason
        return None
