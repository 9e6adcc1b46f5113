"""Load extracts without a data contract: all columns as text, then with the types that fit all of their texts.

The files are read as a run reads them, so a run accepts what was profiled.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sixtyforty.ingest.decompression import is_packed
from sixtyforty.ingest.extract import CHUNK_BYTES, OTHER_TEXT, BrokenLine, Chunk, OpenedExtract, RefusedExtractError
from sixtyforty.ingest.extract_reader import read_extract
from sixtyforty.ingest.formats.base import UnreadableExtractError
from sixtyforty.ingest.number_forms import PLAIN, DetectedNumbers, NumberForm, detect_number_form
from sixtyforty.ingest.type_inference import InferredType, infer_types
from sixtyforty.progress import Work, begin_work
from sixtyforty.spec.cross_checks import RESERVED_COLUMNS
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.sources import Source
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.sql import digest_sql, identifier, literal

if TYPE_CHECKING:
    import duckdb

NULL_TEXTS = ("NA", "NaN", "nan", "NULL", "null", "None", "N/A", "n/a", "-", "?")  # usual spellings of a missing value
UNDECODABLE = "UTF-8"  # the reason for a refusal or a broken line contains this if a text is not UTF-8
OTHER_ENCODING = "cp1252"  # the encoding of most files that are not UTF-8; it contains Latin-1
RESERVED_NOTE = "the column '{0}' is left out, because the pipeline has a column of this name. Rename it in the files"
OTHER_TEXT_NOTE = "{}: the text looks like UTF-8, but others are not. Convert it to {}, or declare two sources"
MAX_COLUMNS = 10_000  # of a draft; profiling takes some dozen milliseconds a column
LONGEST_TEXT = 1000  # a profile has the digest of a longer text, which is neither a number nor a time
NUMBER = re.compile(r"-?[\d.,]*")


@dataclass(frozen=True)
class LoadedTexts:
    """What was detected in files that were loaded: types, missing values, encoding and number form.

    - null_text: the text for a missing value; None if none of the usual texts occurs.
    - types: the types of the columns, by name.
    - optional: the columns that some of the files lack.
    - encoding: the encoding of the files; None: UTF-8, UTF-16 or UTF-32, as each file shows.
    - number_form: how the files write numbers. number_doubts: by column, a sentence on its numbers in another form.
    - notes: sentences about what can't be read as it is: broken lines, reserved column names, mixed encodings.
    """

    null_text: str | None = None
    types: dict[str, InferredType] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    encoding: str | None = None
    number_form: NumberForm = PLAIN
    notes: tuple[str, ...] = ()
    number_doubts: Mapping[str, str] = field(default_factory=dict, kw_only=True)


class UndecodableExtractError(SixtyfortyError):
    """A file can't be decoded as UTF-8, and no other encoding is declared."""


def select_short_texts(db: duckdb.DuckDBPyConnection, rows: str) -> str:
    """Return SQL for rows in which each long text is replaced by its digest, so that a profile takes little memory.

    rows: SQL query. DuckDB works on 2048 rows at once, which may be gigabytes if the rows have long texts.
    """
    table = db.sql(f"select * from ({rows}) limit 0")
    cells = [
        f"{digest_sql(identifier(name), LONGEST_TEXT)} as {identifier(name)}" if kind == "VARCHAR" else identifier(name)
        for name, kind in zip(table.columns, map(str, table.types), strict=True)
    ]
    return f"select {', '.join(cells)} from ({rows})"


def _lacked_names(names_by_file: Sequence[Sequence[str]]) -> tuple[str, ...]:
    in_all_files = set.intersection(*map(set, names_by_file))
    return tuple(name for name in _all_names(names_by_file) if name not in in_all_files)


def _all_names(names_by_file: Sequence[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in names_by_file for name in names))


def load_texts(db: duckdb.DuckDBPyConnection, files: Sequence[Path], null_texts: Sequence[str]) -> LoadedTexts:
    """Load files into a new table `landed`. Each column gets the type that fits all of its texts.

    A column is matched by its name over all files. null_texts: texts that may stand for a missing value. Raises
    UnreadableExtractError if a file can't be read.
    """
    try:
        encoding = None
        landed = _insert_files(db, files, encoding)
    except UndecodableExtractError:
        encoding = OTHER_ENCODING
        landed = _insert_files(db, files, encoding)
    names = _all_names(landed.names_by_file)
    null_text = _most_frequent_null_text(db, names, null_texts)
    spelling = "null" if null_text is None else literal(null_text)
    texts = ", ".join(
        f"nullif(nullif(trim({identifier(name)}), ''), {spelling}) as {identifier(name)}" for name in names
    )
    # Tables, not views: each column is queried alone, and DuckDB would plan all columns of a view for each query.
    db.execute(f"create temp table trimmed_texts as select {texts} from landed_texts")
    db.execute("drop table landed_texts")
    numbers = detect_number_form(db, "trimmed_texts", names) if null_texts else DetectedNumbers()
    if numbers.columns:
        plain = ", ".join(
            f"{numbers.form.plain_sql(identifier(name))} as {identifier(name)}"
            if name in numbers.columns
            else identifier(name)
            for name in names
        )
        db.execute(f"create temp table plain_texts as select {plain} from trimmed_texts")
        db.execute("drop table trimmed_texts")
    else:
        db.execute("alter table trimmed_texts rename to plain_texts")
    types = infer_types(db, "plain_texts", names, landed.types)
    typed = ", ".join(f"{inferred.sql} as {identifier(name)}" for name, inferred in types.items())
    db.execute(f"create temp table landed as select {typed} from plain_texts")
    db.execute("drop table plain_texts")
    optional = _lacked_names(landed.names_by_file)
    return LoadedTexts(
        null_text,
        types,
        optional,
        encoding,
        numbers.form,
        tuple(filter(None, landed.notes)),
        number_doubts=numbers.doubts,
    )


@dataclass(frozen=True)
class _LandedFiles:
    """What was read from files: their column names, and sentences about what can't be read as it is.

    types: by column, the contract types that the files themselves declare.
    """

    names_by_file: list[list[str]]
    notes: list[str] = field(default_factory=list)
    types: dict[str, set[str]] = field(default_factory=dict)


def _insert_files(db: duckdb.DuckDBPyConnection, files: Sequence[Path], encoding: str | None) -> _LandedFiles:
    """Load files into a new table `landed_texts` with all columns as text."""
    listed = [read_column_names(file, encoding) for file in files]
    names_by_file = [[name for name in names if name.lower() not in RESERVED_COLUMNS] for names in listed]
    names, all_names = _all_names(names_by_file), _all_names(listed)
    if len(all_names) > MAX_COLUMNS:
        having = "it has" if len(files) == 1 else f"{len(files)} files have"
        raise UnreadableExtractError(
            f"{files[0].name}: {having} {len(all_names):,} columns. A draft can have {MAX_COLUMNS:,}. If the names of"
            " columns are data, such as ids, land a row for each name."
        )
    reserved = [name for name in all_names if name.lower() in RESERVED_COLUMNS]
    alike = {name.lower(): name for name in reversed(names)}
    for name in names:
        if (first := alike[name.lower()]) != name:  # SQL ignores upper and lower case in column names
            raise UnreadableExtractError(
                f"{files[0].name}: the columns '{first}' and '{name}' differ only in upper and lower case."
                " Rename one of them in the files."
            )
    columns = ", ".join(f"{identifier(name)} varchar" for name in names)
    db.execute(f"create or replace temp table landed_texts ({columns})")
    source = Source(
        description="Files to profile, for which no data contract exists yet.",
        files=files[0].name,
        columns=dict.fromkeys(names, "VARCHAR"),
        optional_columns=names,
        key=names[:1],
        null_text="",
        encoding=encoding,
    )
    landed = _LandedFiles(names_by_file, [RESERVED_NOTE.format(name) for name in reserved])
    sizes = [file.stat().st_size for file in files]
    with begin_work(f"read {format_plural(len(files), 'file')}", "row", 0, effort=sum(sizes)) as work:
        for file, size in zip(files, sizes, strict=True):
            with _errors_of(file, encoding):
                opened = read_extract(file, source)
                landed.notes.append(_insert_rows(db, file, source, _count_chunks(opened, file, size, work)))
            if OTHER_TEXT in opened.detected:
                landed.notes.append(OTHER_TEXT_NOTE.format(file.name, encoding))
            for name, kind in opened.types.items():
                landed.types.setdefault(name, set()).add(kind)
    return landed


def _count_chunks(opened: OpenedExtract, file: Path, size: int, work: Work) -> Iterator[Chunk]:
    """Yield the chunks of a file, and count their rows and about their bytes as progress.

    A chunk of a packed file or of a Parquet file has more bytes than its part of the file. The bytes of such a file
    count at its end. size: of the file, in bytes.
    """
    is_plain_text, remaining = not (opened.types or is_packed(file)), size
    for chunk in opened.chunks:
        counted = min(CHUNK_BYTES, remaining) if is_plain_text else 0
        remaining -= counted
        yield chunk
        work.advance(chunk.rows.num_rows, counted)
    work.advance(0, remaining)


def _insert_rows(db: duckdb.DuckDBPyConnection, file: Path, source: Source, chunks: Iterable[Chunk]) -> str:
    """Add the rows of a file to the table `landed_texts`.

    Return a sentence about the lines that can't be read as rows; empty without any. Raises UnreadableExtractError if
    these are most of its lines, because the file then isn't what its name and header say.
    """
    row_count, broken_count, first = 0, 0, list[BrokenLine]()
    for chunk in chunks:
        if source.encoding is None and any(UNDECODABLE in line.reason for line in chunk.broken):
            raise UndecodableExtractError(file.name)
        db.register("chunk", chunk.rows)
        db.execute(f"insert into landed_texts {select_short_texts(db, 'select * exclude (_row) from chunk')}")
        db.unregister("chunk")
        row_count += chunk.rows.num_rows
        broken_count += len(chunk.broken)
        first = first or chunk.broken[:1]
    if not first:
        return ""
    lines = format_plural(row_count + broken_count, "line")
    number, reason, _ = first[0]
    sentence = f"{file.name}: {broken_count:,} of {lines} can't be read as a row. Line {number}: {reason}."
    if broken_count > row_count:
        raise UnreadableExtractError(f"{sentence} Correct the file, and name each column in its header.")
    return sentence


def read_column_names(file: Path, encoding: str | None, delimiter: str | None = None) -> list[str]:
    """Return the names of the columns of a file.

    encoding, delimiter: those that a source declares. Raises UnreadableExtractError, and UndecodableExtractError if no
    encoding is declared and the file isn't UTF-8.
    """
    plain = Source(description="A file of which only the column names are read.", files=file.name, columns={}, key=[])
    # pydantic doesn't check the copied source, because a source of several formats may declare the delimiter of CSV.
    source = plain.model_copy(update={"encoding": encoding, "delimiter": delimiter})
    with _errors_of(file, encoding):
        opened = read_extract(file, source)
        if not opened.undeclared:  # in JSON, each object may have other names
            deque(opened.chunks, maxlen=0)
    if any(NUMBER.fullmatch(name.strip()) for name in opened.undeclared):
        raise UnreadableExtractError(f"{file.name}: the file has no header. Write the column names in its first line.")
    return opened.undeclared


@contextmanager
def _errors_of(file: Path, encoding: str | None) -> Iterator[None]:
    """Turn the refusal of a file into an error that names the file: UndecodableExtractError if it isn't UTF-8."""
    try:
        yield
    except RefusedExtractError as error:
        if encoding is None and UNDECODABLE in str(error):
            raise UndecodableExtractError(file.name) from error
        raise UnreadableExtractError(f"{file.name} can't be profiled: {error}") from error


def _most_frequent_null_text(
    db: duckdb.DuckDBPyConnection, names: Sequence[str], null_texts: Sequence[str]
) -> str | None:
    """Return the most frequent text for missing values; None if none of `null_texts` occurs."""
    if not null_texts:
        return None
    texts, spellings = ", ".join(map(identifier, names)), ", ".join(map(literal, null_texts))
    counts = db.execute(
        f"""select spelling, count(*) from (select unnest([{texts}]) as spelling from landed_texts)
        where spelling in ({spellings}) group by 1 order by 2 desc, 1 limit 1"""
    ).fetchall()
    return str(counts[0][0]) if counts else None
