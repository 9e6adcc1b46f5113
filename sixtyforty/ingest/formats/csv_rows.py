"""Turn the records of a CSV file into rows with the columns of the data contract, with Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sixtyforty.ingest.extract import BrokenLine, Chunk, RefusedExtractError, empty_rows
from sixtyforty.ingest.formats.csv_header import Header
from sixtyforty.ingest.formats.csv_records import RecordBatch, break_record, list_records, split_fields
from sixtyforty.spec.sources import Source
from sixtyforty.spec.wording import format_plural

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from pyarrow import csv

NOT_UTF_8 = (
    "line {} is not UTF-8. Declare the `encoding` of the source: cp1252 if a Windows program wrote the file, or utf-8"
    " to quarantine only such lines."
)
NAMELESS_VALUE = "the line has a value in a column without a name"


class _Misfit(NamedTuple):
    """A record whose number of fields differs from the header's. number: the number of its first line."""

    number: int
    field_count: int
    record: bytes


class RecordReader:
    """Turns the records of one CSV file into rows. header: the file's header. source: the source of the file."""

    def __init__(self, header: Header, source: Source) -> None:
        self._header, self._source = header, source
        self._delimiter = header.delimiter.encode()
        positions = {name: position for position, name in reversed(list(enumerate(header.names)))}  # the first of each
        self._positions = [positions[name] for name in header.matched.file_columns]
        # In the extracts of a query, which this project writes, a missing value is an empty field without quotes.
        self._null_text = "" if source.query else source.null_text

    def read(self, batch: RecordBatch) -> Chunk:
        """Return the rows and the broken lines of a batch of CSV records. Raises RefusedExtractError."""
        import pyarrow as pa

        batch, broken = self._drop_undecodable_records(batch)
        rows, misfits, nameless = self._read_records(batch, len(self._header.names))
        tables = [rows]
        for field_count in range(self._header.named_count, len(self._header.names)):
            # Excel leaves out empty fields at the end of a line.
            short = [misfit for misfit in misfits if misfit.field_count == field_count]
            if short:
                misfits = [misfit for misfit in misfits if misfit.field_count != field_count]
                content = b"".join(misfit.record + b"\n" for misfit in short)
                short_batch = RecordBatch(content, [misfit.number for misfit in short], [], True)
                rows, _, short_nameless = self._read_records(short_batch, field_count)
                tables.append(rows)
                nameless += short_nameless
        for misfit in misfits:
            broken += break_record(misfit.record, misfit.number, self._misfit_reason(misfit))
        rows = pa.concat_tables(tables).sort_by("_row") if len(tables) > 1 else rows
        return Chunk(rows, sorted(broken + nameless))

    def _read_records(self, batch: RecordBatch, field_count: int) -> tuple[pa.Table, list[_Misfit], list[BrokenLine]]:
        """Return the rows of all records with `field_count` fields, then all other records, then the broken lines.

        A line is broken if it has a value in a column without a name, or different values in two columns that are names
        of one column of the contract.
        """
        import numpy as np
        import pyarrow as pa

        if not len(batch.numbers):
            return empty_rows(list(self._source.columns)), [], []
        table, misfits = self._parse(batch, field_count)
        misfit_numbers = [misfit.number for misfit in misfits]
        numbers = np.asarray(batch.numbers, "int64")
        if misfits:
            numbers = np.setdiff1d(numbers, misfit_numbers, assume_unique=True)
        broken: list[BrokenLine] = []
        is_sound, records = np.ones(len(numbers), bool), dict[int, bytes]()
        for reason, has_problem in self._find_problems(table, field_count):
            if (is_sound & has_problem).any():
                records = records or dict(zip(batch.numbers, list_records(batch, self._delimiter), strict=True))
            for number in numbers[is_sound & has_problem].tolist():
                broken += break_record(records[number], number, reason)
            is_sound &= ~has_problem
        if broken:
            table, numbers = table.filter(pa.array(is_sound)), numbers[is_sound]
        rows = self._to_contract(table, batch).append_column("_row", pa.array(numbers, pa.int64()))
        return rows, misfits, broken

    def _parse(self, batch: RecordBatch, field_count: int) -> tuple[pa.Table, list[_Misfit]]:
        """Return a table of the records with `field_count` fields, and a list of all other records.

        The table has only the needed fields, as text. The names of its columns are the positions of the fields.
        """
        import pyarrow as pa
        from pyarrow import csv

        invalid: list[csv.InvalidRow] = []

        def skip(row: csv.InvalidRow) -> str:
            invalid.append(row)
            return "skip"

        try:
            table = csv.read_csv(
                pa.BufferReader(batch.content),
                csv.ReadOptions(
                    use_threads=False,
                    block_size=len(batch.content) + 1,
                    column_names=list(map(str, range(field_count))),
                ),
                csv.ParseOptions(
                    delimiter=self._header.delimiter,
                    newlines_in_values=batch.has_line_breaks,
                    invalid_row_handler=skip,
                ),
                self._convert_options(range(self._header.named_count, field_count)),
            )
        except pa.ArrowInvalid as error:
            raise RefusedExtractError(
                f"the file is not readable as CSV: {error}. Ask the sender to check the file."
            ) from None
        row_count = table.num_rows + len(invalid)
        if row_count != len(batch.numbers):
            raise RefusedExtractError(
                f"the file is not readable as CSV: {len(batch.numbers)} records became {row_count} rows. Ask the sender"
                " to check the quotes and line ends in the file."
            )
        return table, [
            _Misfit(int(batch.numbers[row.number - 1]), row.actual_columns, row.text.encode()) for row in invalid
        ]

    def _convert_options(self, nameless: Sequence[int]) -> csv.ConvertOptions:
        """Return the options with which Arrow reads CSV fields as text, and missing values as null.

        nameless: the positions of further fields to read.
        """
        import pyarrow as pa
        from pyarrow import csv

        names, null = list(map(str, [*dict.fromkeys(self._positions), *nameless])), self._null_text
        return csv.ConvertOptions(
            include_columns=names,
            check_utf8=False,  # `_drop_undecodable_records` has checked the records
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[f"{before}{null}{after}" for before in ("", " ") for after in ("", " ")] if null else [""],
            strings_can_be_null=bool(null or self._source.query),
            quoted_strings_can_be_null=bool(null),
        )

    def _find_problems(self, table: pa.Table, field_count: int) -> Iterator[tuple[str, np.ndarray]]:
        """Yield for each possible problem of a row its reason, and for each row of the table whether it has it."""
        import pyarrow as pa
        import pyarrow.compute as pc

        for position in range(self._header.named_count, field_count):
            is_empty = pc.equal(pc.utf8_trim_whitespace(table[str(position)]), "")
            yield NAMELESS_VALUE, ~pc.fill_null(is_empty, False).to_numpy()
        matched = self._header.matched
        names = zip(matched.file_columns, self._positions, strict=True)
        yield from matched.find_conflicts(pa.table({name: table[str(position)] for name, position in names}))

    def _to_contract(self, table: pa.Table, batch: RecordBatch) -> pa.Table:
        """Return a table's needed columns under their names in the contract. A column that the file lacks is null."""
        import pyarrow as pa

        null = self._null_text.encode()
        # Python finds a single byte ten times faster than a text.
        has_null = bool(null) and null[:1] in batch.content and null in batch.content
        is_padded = has_null and (null + b"  " in batch.content or b"  " + null in batch.content)
        columns = {}
        for name, position in zip(self._header.matched.file_columns, self._positions, strict=True):
            column = table[str(position)]
            columns[name] = _replace_null_texts(column, self._null_text) if is_padded else column
        return self._header.matched.to_contract(pa.table(columns))

    def _drop_undecodable_records(self, batch: RecordBatch) -> tuple[RecordBatch, list[BrokenLine]]:
        """Drop the records of a batch that are not UTF-8 text, or have a zero byte.

        Return all other records, and all broken lines. The lines of the dropped records are among the broken lines.
        Raises RefusedExtractError if a record isn't UTF-8, and the source declares no encoding.
        """
        broken = list(batch.broken)
        if _is_utf_8(batch.content) and b"\0" not in batch.content:
            return batch, broken
        sound: dict[int, bytes] = {}
        for number, record in zip(batch.numbers, list_records(batch, self._delimiter), strict=True):
            if b"\0" in record:
                broken += break_record(record, int(number), self._zero_reason(record))
            elif _is_utf_8(record):
                sound[int(number)] = record
            elif self._source.encoding is None:
                raise RefusedExtractError(NOT_UTF_8.format(number))
            else:
                reason = f"the line is not text in the declared encoding {self._source.encoding}"
                broken += break_record(record, int(number), reason)
        return RecordBatch(b"".join(sound.values()), list(sound), [], batch.has_line_breaks), broken

    def _zero_reason(self, record: bytes) -> str:
        """Return the reason why a record with a zero byte is broken, which names the first field with one."""
        fields = split_fields(record.rstrip(b"\r\n"), self._delimiter)
        position = next(number for number, field in enumerate(fields) if b"\0" in field)
        name = self._header.names[position] if position < len(self._header.names) else ""
        return f"{f'the field {name!r}' if name else f'field {position + 1}'} has a zero byte"

    def _misfit_reason(self, misfit: _Misfit) -> str:
        subject = (
            "the line" if len(misfit.record.splitlines()) < 2 else f"the record that starts in line {misfit.number}"
        )
        field_count, expected = format_plural(misfit.field_count, "field"), len(self._header.names)
        return f"{subject} has {field_count}, the header has {expected}"


def _is_utf_8(content: bytes) -> bool:
    if content.isascii():
        return True
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _replace_null_texts(column: pa.ChunkedArray, null_text: str) -> pa.ChunkedArray:
    """Return a column in which each text for missing values, even with spaces around it, is replaced by null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_null = pc.equal(pc.ascii_trim(column, " "), null_text)
    return pc.if_else(is_null, pa.scalar(None, pa.string()), column)
