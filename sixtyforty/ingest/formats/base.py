"""The interface that each file format of extracts implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from sixtyforty.ingest.extract import OpenedExtract
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.file_endings import FormatKind
from sixtyforty.spec.sources import Source


class UnreadableExtractError(SixtyfortyError):
    """Some files can't be read as extracts, so they can't be profiled."""


class ExtractFormat(ABC):
    """One file format of extracts.

    kind: a short name, which Dagster shows as a tag of the raw asset.
    title: the name of the format for people.
    endings: the file name endings without the dot, the most common ending first.
    is_typed: whether a file itself declares the types of its columns.
    is_bounded: whether the size of a file without gzip bounds the memory that reading it needs.
    """

    kind: ClassVar[FormatKind]
    title: ClassVar[str]
    endings: ClassVar[tuple[str, ...]]
    is_typed: ClassVar[bool] = False
    is_bounded: ClassVar[bool] = True

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
