"""Files in which people correct quarantined rows: their format, their names, and their content.

A file of corrections lands as a further extract of its source. So its name must match the source's glob, and a scan
must read its texts exactly as they landed.
"""

from __future__ import annotations

import codecs
import csv
import glob
import gzip
import io
import json
from collections.abc import Collection, Iterable, Sequence
from itertools import count
from pathlib import PurePosixPath

from sixtyforty.ingest.landed_files import find_name_problem
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.file_endings import FormatKind, format_kind_of
from sixtyforty.spec.sources import Source

COMMENTS = ("_reason", "_file", "_line", "_partition", "_text")  # for people; not imported when corrections land


class CorrectionError(SixtyfortyError):
    """Quarantined rows can't be exported to a file. The message says why, and how to correct the rows."""


def choose_correction_format(source: str, contract: Source, name: str, landed: Collection[str]) -> FormatKind:
    """Return the file format that a file with corrected rows of a source must have.

    source: the name of the source. name: the name of the file of corrections. landed: the names of the extracts that
    have landed, relative to the location. Raises CorrectionError if a file of this name, or any file of corrections,
    can't land.
    """
    _require_correctable(source, contract)
    kind = format_kind_of(contract.files or "")
    if kind is None:
        kind = format_kind_of(name) or "csv"
        if kind == "parquet" or (kind == "json" and contract.written_forms):
            raise CorrectionError(
                f"{name}: corrections of {source} can't be exported in the format of this file. Name a .csv file."
            )
    landed_names = {PurePosixPath(landed_name).name for landed_name in landed}
    problem = find_name_problem(contract, name)
    if problem is None and name in landed_names:
        problem = "an extract with this name has landed, and the corrections would replace all of its rows"
    if problem:
        raise CorrectionError(
            f"{name} can't hold the corrections: {problem}. Name another file{_suggest_name(contract, landed_names)}."
        )
    return kind


def _require_correctable(source: str, contract: Source) -> None:
    if contract.files is None:
        renewed = f", and give them a newer {contract.cursor_column}" if contract.cursor_column else ""
        raise CorrectionError(
            f"{source} is a query, so no file of corrections can land. Correct the rows in {contract.database_label}"
            f"{renewed}. The next query then reads them."
        )
    if contract.full:
        raise CorrectionError(
            f"{source} declares `full: true`, so a file of corrections would remove all other rows. Correct the rows in"
            " the newest extract, and land the whole extract again."
        )
    if format_kind_of(contract.files) == "parquet":
        raise CorrectionError(
            f"{source} takes Parquet extracts, which can't be edited as text. Ask the sender for an extract with the"
            " corrected rows."
        )
    if not glob.has_magic(PurePosixPath(contract.files).name):
        raise CorrectionError(
            f"{source} takes only {contract.files}, so a file of corrections would replace all of its rows. Correct the"
            " rows in that file, and land it again."
        )


def _suggest_name(contract: Source, landed_names: Collection[str]) -> str:
    """Return a new name for a file of corrections, as the clause `, such as NAME`; empty if no name fits the glob."""
    start, _, end = PurePosixPath(contract.files or "").name.replace("**", "*").partition("*")
    stem = f"{start.removesuffix('_')}_corrections".removeprefix("_")
    names = (f"{stem}{number if number > 1 else ''}{end.replace('*', '')}" for number in count(1))
    name = next(name for name in names if name not in landed_names)
    return "" if find_name_problem(contract, name) else f", such as {name}"


def encode_corrections(
    contract: Source, kind: FormatKind, name: str, rows: Iterable[Sequence[str | int | None]]
) -> bytes:
    """Return the bytes of a file of quarantined rows, which people correct and land again.

    kind, name: the format and the name of the file.
    rows: for each quarantined row, the landed texts of the contract's columns, then its entries for the columns in
    COMMENTS.
    """
    header = [*contract.columns, *COMMENTS]
    usual = ";" if contract.decimal == "," else ","  # spreadsheets write semicolons if numbers have a decimal comma
    text = _json_lines(header, rows) if kind == "json" else _csv_text(header, rows, contract.delimiter or usual)
    # The declared encoding may lack some characters, so the file is UTF-8. A byte order mark overrides the declaration.
    mark = codecs.BOM_UTF8 if contract.encoding else b""
    content = mark + text.encode()
    return gzip.compress(content, mtime=0) if name.lower().endswith(".gz") else content


def _json_lines(header: Sequence[str], rows: Iterable[Sequence[str | int | None]]) -> str:
    return "".join(json.dumps(dict(zip(header, row, strict=True)), ensure_ascii=False) + "\n" for row in rows)


def _csv_text(header: Sequence[str], rows: Iterable[Sequence[str | int | None]], delimiter: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")  # quotes a lone carriage return, too
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
