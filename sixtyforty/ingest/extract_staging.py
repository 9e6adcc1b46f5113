"""Read new extracts once, chunk by chunk, and stage their lines by partition."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sixtyforty.ingest.extract import Chunk, RefusedExtractError
from sixtyforty.ingest.extract_reader import read_extract
from sixtyforty.ingest.listing_memory import ListedFile
from sixtyforty.ingest.partitioning import ExtractPartitions, add_chunks
from sixtyforty.ingest.staged_lines import StagedLines, StagingArea
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.lake import Lake

ROWS_PER_BATCH = 50_000  # one query assigns about this many lines of new files to partitions
BYTES_PER_BATCH = 1 << 25


@dataclass
class NewExtract:
    """A new or changed file, whose lines are staged.

    - file, sha256: the file in the listing, and the hash of its bytes.
    - seq: the number of the file's earlier arrival, if it is read again under a changed data contract; otherwise None.
    - seen_at: the UTC time of the scan that reads the extract, in ISO format. See Arrival.
    - partitions: the partitions with their lines.
    - line_count: the number of lines, including lines that are refused.
    - problem: why the extract is refused as a whole; None if it is not refused.
    - undeclared: the columns of the file that the data contract doesn't name.
    """

    file: ListedFile
    sha256: str
    seq: int | None
    seen_at: str
    partitions: ExtractPartitions
    line_count: int = 0
    problem: str | None = None
    undeclared: list[str] = field(default_factory=list)

    @property
    def lines(self) -> StagedLines:
        """The staged lines by partition."""
        return self.partitions.lines


class ExtractStaging:
    """Stages the lines of a source's extracts. The chunks of several small extracts are assigned by one query.

    area: where the lines are staged. None: the lines are only counted.
    """

    def __init__(self, use_case: DecisionChain, source: str, lake: Lake, area: StagingArea | None) -> None:
        self._use_case, self._source, self._lake, self._area = use_case, source, lake, area
        self._chunks: list[tuple[NewExtract, Chunk]] = []  # not assigned yet
        self._row_count, self._byte_count = 0, 0  # of these chunks

    def read(self, path: Path, file: ListedFile, sha256: str, seen_at: str, seq: int | None = None) -> NewExtract:
        """Read an extract to its end, and return it. Its lines are staged after the next `flush`.

        path: the local file. seen_at: see ExtractPartitions. seq: see NewExtract. If the file can't be read, an OSError
        is raised, and nothing of the file is staged.
        """
        extract = NewExtract(file, sha256, seq, seen_at, self._new_partitions(file, seen_at))
        try:
            opened = read_extract(path, self._use_case.sources[self._source])
            for chunk in opened.chunks:
                self._add(extract, chunk)
            extract.undeclared = opened.undeclared
        except RefusedExtractError as error:
            extract.problem, extract.line_count = str(error), max(error.lines, extract.line_count)
            self.discard(extract)
        except BaseException:
            self.discard(extract)
            raise
        return extract

    def discard(self, extract: NewExtract) -> None:
        """Forget all lines of an extract."""
        self._chunks = [(owner, chunk) for owner, chunk in self._chunks if owner is not extract]
        extract.partitions = self._new_partitions(extract.file, extract.seen_at)

    def flush(self) -> None:
        """Assign the chunks that were read so far to their partitions, each of them once, even after an error."""
        chunks = [(extract.partitions, chunk) for extract, chunk in self._chunks]
        self._chunks, self._row_count, self._byte_count = [], 0, 0
        if chunks:
            add_chunks(chunks, self._use_case, self._source, self._lake)

    def _add(self, extract: NewExtract, chunk: Chunk) -> None:
        line_count = chunk.rows.num_rows + len(chunk.broken)
        extract.line_count += line_count
        self._chunks.append((extract, chunk))
        self._row_count += line_count
        self._byte_count += chunk.rows.nbytes + sum(len(line.text) for line in chunk.broken)
        if self._row_count >= ROWS_PER_BATCH or self._byte_count >= BYTES_PER_BATCH:
            self.flush()

    def _new_partitions(self, file: ListedFile, seen_at: str) -> ExtractPartitions:
        lines = StagedLines(self._area)
        return ExtractPartitions(Path(file.name).name, self._use_case, self._source, lines, seen_at)
