"""The interface that each file format of extracts implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sixtyforty.ingest.extract import ParsedExtract
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.sources import Source
from sixtyforty.storage.sql import literal

if TYPE_CHECKING:
    import duckdb

DEFAULT_NULL_TEXT = "NA"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class UnreadableExtractError(SixtyfortyError):
    """Files that can't be profiled as extracts: which ones, and what to do."""


@dataclass(frozen=True)
class LoadedFiles:
    """What a format knows of files after it loaded them for profiling.

    null_text: how the files spell a missing value.
    casts: SQL that reads a column which a data contract has to keep as text, by column name.
    """

    null_text: str = DEFAULT_NULL_TEXT
    casts: Mapping[str, str] = field(default_factory=dict)


class ExtractFormat(ABC):
    """One file format of extracts.

    kind: a short name, which Dagster shows as a tag of the raw asset.
    title: the name for people.
    endings: the file name endings without the dot, the usual one first.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    endings: ClassVar[tuple[str, ...]]

    def describe(self) -> str:
        """Return the name for people with the endings, such as `JSON lines (.jsonl, .json)`."""
        return f"{self.title} ({', '.join(f'.{ending}' for ending in self.endings)})"

    @abstractmethod
    def recognizes(self, head: bytes) -> bool:
        """Return whether a file's first bytes show that it has this format."""

    @abstractmethod
    def parse(self, content: bytes, source: Source) -> ParsedExtract:
        """Parse an unpacked extract against its data contract: every value as text, every line accounted for."""

    @abstractmethod
    def load_for_profiling(self, db: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> LoadedFiles:
        """Load files of one shape into the DuckDB table `landed`, with the types that DuckDB finds.

        The files may be packed by gzip. Raises UnreadableExtractError or a DuckDB error.
        """


def sql_list(texts: Sequence[str]) -> str:
    """Return texts as a DuckDB list literal."""
    return f"[{', '.join(map(literal, texts))}]"


def load_with_reader(db: duckdb.DuckDBPyConnection, reader: str, files: Sequence[Path]) -> LoadedFiles:
    """Load files into the table `landed` with a DuckDB table function that needs no options."""
    db.execute(f"create temp table landed as select * from {reader}({sql_list([str(file) for file in files])})")
    return LoadedFiles()
