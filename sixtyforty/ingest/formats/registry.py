"""The registry of file formats: which formats exist, and which format an extract has. Add new formats to FORMATS."""

from __future__ import annotations

from sixtyforty.ingest.formats.base import ExtractFormat
from sixtyforty.ingest.formats.csv_lines import CsvLines
from sixtyforty.ingest.formats.json_lines import JsonLines
from sixtyforty.ingest.formats.parquet import Parquet
from sixtyforty.ingest.formats.text_blocks import decode_head
from sixtyforty.spec.file_endings import format_kind_of

HEAD_BYTES = 1 << 16  # the formats recognize a file by this many bytes at its start
DEFAULT_FORMAT = CsvLines()
FORMATS: tuple[ExtractFormat, ...] = (DEFAULT_FORMAT, Parquet(), JsonLines())


def describe_formats() -> str:
    """Return a text that lists all file formats with their endings, for help texts and messages."""
    *others, last = [extract_format.describe() for extract_format in FORMATS]
    return f"{', '.join(others)} or {last}"


def format_of_name(name: str | None) -> ExtractFormat | None:
    """Return the format that has the ending of a file name or glob; None if no format has this ending.

    A `.gz` after the ending is ignored, and so is a `*` at the end of a glob.
    """
    kind = format_kind_of(name or "")
    return next((extract_format for extract_format in FORMATS if extract_format.kind == kind), None)


def choose_format(head: bytes, *names: str | None) -> ExtractFormat:
    """Return the format of an extract: the format that recognizes its first bytes, or the format of its ending, or CSV.

    head: the first bytes of the unpacked file. names: the file glob of the source, and the name of the file. The first
    one with an ending of a format counts.
    """
    heads = (head, decode_head(head))
    recognized = next((f for f in FORMATS if any(map(f.recognizes, heads))), None)
    return recognized or next(filter(None, map(format_of_name, names)), DEFAULT_FORMAT)
