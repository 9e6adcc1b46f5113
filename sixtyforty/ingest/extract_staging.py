"""Read new extracts once, chunk by chunk, and hold their lines by partition until the ingest stores them."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sixtyforty.ingest.extract import Chunk, OpenedExtract, RefusedExtractError
from sixtyforty.ingest.extract_reader import count_lines_of_format, is_bounded, read_extract
from sixtyforty.ingest.listing_memory import ListedFile
from sixtyforty.ingest.partitioning import ExtractPartitions, add_chunks
from sixtyforty.ingest.reader_process import BrokenReaderError, open_in_reader
from sixtyforty.ingest.schema_drift import describe_header
from sixtyforty.ingest.staged_lines import StagedLines, StagingArea
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.lake import Lake

ROWS_PER_BATCH = 1 << 18  # one query assigns about this many lines of new files to partitions; planning it takes time
BYTES_PER_BATCH = 1 << 24
READ_ATTEMPTS = 2  # an extract at which the reader process has ended this often is refused


@dataclass
class NewExtract:
    """A new or changed file that was read, with its lines by partition.

    - file, sha256: the file in the listing, and the hash of its bytes.
    - seq: the number of the file's earlier arrival, if it is read again under a changed data contract; otherwise None.
    - seen_at: the UTC time of the scan that reads the extract, in ISO format. See Arrival.
    - partitions: the partitions with their lines.
    - line_count: the number of lines, including lines that are refused.
    - problem: why the extract is refused as a whole; None if it is not refused.
    - has_broken_reader: whether the extract is refused because the reader process ended while reading it.
    - undeclared: the columns of the file that the data contract doesn't name.
    - header_notes: texts that say how the header differs from the data contract.
    """

    file: ListedFile
    sha256: str
    seq: int | None
    seen_at: str
    partitions: ExtractPartitions
    line_count: int = 0
    problem: str | None = None
    undeclared: list[str] = field(default_factory=list)
    header_notes: list[str] = field(default_factory=list)
    has_broken_reader: bool = False

    @property
    def lines(self) -> StagedLines:
        """The lines of the extract by partition, which wait for their ingest."""
        return self.partitions.lines


class ExtractStaging:
    """Reads a source's extracts, and assigns their lines to partitions. One query does this for several small extracts.

    While the lines of a large extract are assigned by a thread, the next lines are read.

    area: where the lines are staged. None: the lines are only counted.
    """

    def __init__(self, use_case: DecisionChain, source: str, lake: Lake, area: StagingArea | None) -> None:
        self._use_case, self._source, self._lake, self._area = use_case, source, lake, area
        self._chunks: list[tuple[NewExtract, Chunk]] = []  # the chunks that are not assigned to partitions yet
        self._row_count, self._byte_count = 0, 0  # the rows and bytes of `_chunks`
        self._assignment: Future[None] | None = None  # of a batch of earlier chunks, by a thread
        self._has_several_extracts = False  # whether this batch has chunks of several extracts
        self._lost: BaseException | None = None  # why lines of extracts that were read before were not assigned

    @property
    def stages_lines(self) -> bool:
        """Whether the lines of extracts are stored until their ingest, as in a run. Sensors only count the lines."""
        return self._area is not None

    def read(self, path: Path, file: ListedFile, sha256: str, seen_at: str, seq: int | None = None) -> NewExtract:
        """Read an extract to its end, and return it. The next `flush` assigns its last lines to partitions.

        path: the local file. seen_at: see ExtractPartitions. seq: see NewExtract. If the file can't be read, an OSError
        is raised, and nothing of the file is staged.
        """
        extract = NewExtract(file, sha256, seq, seen_at, self._new_partitions(file, seen_at))
        try:
            self._read_chunks(extract, path)
        except RefusedExtractError as error:
            extract.problem, extract.line_count = str(error), max(error.lines, extract.line_count)
            self.discard(extract)
        except BaseException:
            self.discard(extract)
            raise
        return extract

    def discard(self, extract: NewExtract) -> None:
        """Drop all lines of an extract that were read so far."""
        self._chunks = [(owner, chunk) for owner, chunk in self._chunks if owner is not extract]
        self._finish_assignment()
        extract.partitions = self._new_partitions(extract.file, extract.seen_at)

    def _read_chunks(self, extract: NewExtract, path: Path) -> None:
        """Read the chunks of an extract, and collect them for the next `flush`. Raises RefusedExtractError.

        This process reads only an extract for which `is_bounded` is true. The reader process reads any other extract.
        If the reader process ends, the extract is read again, because the extract may not be the cause.
        """
        source = self._use_case.sources[self._source]
        if is_bounded(path, source):
            self._add_all(extract, read_extract(path, source))
            return
        reason = ""
        for _ in range(READ_ATTEMPTS):
            try:
                with open_in_reader(path, source, self._lake.scratch) as opened:
                    self._add_all(extract, opened)
                return
            except BrokenReaderError as error:
                self.discard(extract)
                extract.line_count, reason = 0, str(error)
        extract.has_broken_reader = True
        raise RefusedExtractError(reason, count_lines_of_format(path, source))

    def _add_all(self, extract: NewExtract, opened: OpenedExtract) -> None:
        for chunk in opened.chunks:
            self._add(extract, chunk)
        self._finish_assignment()  # an error of this extract must not appear while the next one is read
        extract.undeclared = opened.undeclared
        extract.header_notes = describe_header(self._use_case.sources[self._source], opened)

    def flush(self) -> None:
        """Assign the lines of all collected chunks to partitions. If this fails, the chunks are not assigned again.

        Raises the earlier error if the assignment of a batch failed that had lines of several extracts.
        """
        self._start_assignment()
        self._finish_assignment()
        if self._lost:
            raise self._lost

    def _start_assignment(self) -> None:
        """Assign the lines of all collected chunks in a thread, after those of the batch before."""
        self._finish_assignment()
        chunks = [(extract.partitions, chunk) for extract, chunk in self._chunks]
        self._has_several_extracts = len({id(extract) for extract, _ in self._chunks}) > 1
        self._chunks, self._row_count, self._byte_count = [], 0, 0
        if chunks:
            thread = ThreadPoolExecutor(1)
            self._assignment = thread.submit(add_chunks, chunks, self._use_case, self._source, self._lake)
            thread.shutdown(wait=False)

    def _finish_assignment(self) -> None:
        """Wait until the thread has assigned its lines. Raises the error of the thread, if it failed."""
        assignment, self._assignment = self._assignment, None
        error = assignment.exception() if assignment else None
        if error:
            self._lost = error if self._has_several_extracts else self._lost
            raise error

    def _add(self, extract: NewExtract, chunk: Chunk) -> None:
        line_count = chunk.rows.num_rows + len(chunk.broken)
        extract.line_count += line_count
        self._chunks.append((extract, chunk))
        self._row_count += line_count
        self._byte_count += chunk.rows.nbytes + sum(len(line.text) for line in chunk.broken)
        if self._row_count >= ROWS_PER_BATCH or self._byte_count >= BYTES_PER_BATCH:
            self._start_assignment()

    def _new_partitions(self, file: ListedFile, seen_at: str) -> ExtractPartitions:
        lines = StagedLines(self._area)
        return ExtractPartitions(Path(file.name).name, self._use_case, self._source, lines, seen_at)
