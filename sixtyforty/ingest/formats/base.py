"""The interface that each file format of extracts implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sixtyforty.ingest.extract import OpenedExtract
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.sources import Source
from sixtyforty.storage.sql import literal

if TYPE_CHECKING:
    import duckdb

DEFAULT_NULL_TEXT = "NA"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class UnreadableExtractError(SixtyfortyError):
    """Some files can't be read as extracts, so they can't be profiled."""


@dataclass(frozen=True)
class LoadedFiles:
    """What a format detected in files when it loaded them for profiling.

    null_text: the text for a missing value in the files.
    casts: SQL expressions by column name, for columns that a plain cast can't read. A data contract declares such a
    column as text.
    """

    null_text: str = DEFAULT_NULL_TEXT
    casts: Mapping[str, str] = field(default_factory=dict)


class ExtractFormat(ABC):
    """One file format of extracts.

    kind: a short name, which Dagster shows as a tag of the raw asset.
    title: the name of the format for people.
    endings: the file name endings without the dot, the most common ending first.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    endings: ClassVar[tuple[str, ...]]

    def describe(self) -> str:
        """Return the title of the format and its endings, such as `JSON lines (.jsonl, .json)`."""
        return f"{self.title} ({', '.join(f'.{ending}' for ending in self.endings)})"

    @abstractmethod
    def recognizes(self, head: bytes) -> bool:
        """Return whether a file's first bytes prove that it has this format."""

    @abstractmethod
    def open(self, file: Path, source: Source) -> OpenedExtract:
        """Open an extract, to read it chunk by chunk against its data contract. Every value stays text.

        file: a local file, which may be compressed with gzip. Each line must become a row or a broken line, unless the
        whole file is refused with RefusedExtractError.
        """

    @abstractmethod
    def load_for_profiling(self, db: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> LoadedFiles:
        """Load files into a new DuckDB table `landed`, with the types that DuckDB detects.

        files: all must have the same columns. They may be compressed with gzip. Raises UnreadableExtractError or a
        DuckDB error.
        """


def sql_list(texts: Sequence[str]) -> str:
    """Return texts as a DuckDB list literal, such as `['a', 'b']`."""
    return f"[{', '.join(map(literal, texts))}]"


def load_with_reader(db: duckdb.DuckDBPyConnection, reader: str, files: Sequence[Path]) -> LoadedFiles:
    """Load files into a new DuckDB table `landed`.

    reader: the name of a DuckDB table function that needs no options.
    """
    db.execute(f"create temp table landed as select * from {reader}({sql_list([str(file) for file in files])})")
    return LoadedFiles()
