"""The registry of file formats, where a new format is added: which formats exist, and which one an extract has."""

from __future__ import annotations

from sixtyforty.ingest.formats.base import BYTE_ORDER_MARK, ExtractFormat
from sixtyforty.ingest.formats.csv_lines import CsvLines
from sixtyforty.ingest.formats.json_lines import JsonLines
from sixtyforty.ingest.formats.parquet import Parquet

HEAD_BYTES = 1 << 16  # of a file, that formats look at to recognize it
DEFAULT_FORMAT = CsvLines()
FORMATS: tuple[ExtractFormat, ...] = (DEFAULT_FORMAT, Parquet(), JsonLines())


def describe_formats() -> str:
    """Return all formats with their endings, for help texts and messages."""
    *others, last = [extract_format.describe() for extract_format in FORMATS]
    return f"{', '.join(others)} or {last}"


def format_of_name(name: str | None) -> ExtractFormat | None:
    """Return the format that a file name or glob stands for by its ending, or None. `.gz` may follow the ending."""
    ending = (name or "").lower().removesuffix(".gz").rpartition(".")[2]
    return next((extract_format for extract_format in FORMATS if ending in extract_format.endings), None)


def choose_format(content: bytes, name: str | None) -> ExtractFormat:
    """Return an extract's format: by its first bytes, else by the ending of its source's file glob, else CSV."""
    head = content[:HEAD_BYTES].removeprefix(BYTE_ORDER_MARK)
    recognized = next((extract_format for extract_format in FORMATS if extract_format.recognizes(head)), None)
    return recognized or format_of_name(name) or DEFAULT_FORMAT
