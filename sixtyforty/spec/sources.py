"""Declared sources: the feeds of extracts, and their data contracts."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sixtyforty.spec.base import VARIABLE, DeclaredModel
from sixtyforty.spec.confinement import find_location_problem, leads_up, location_roots
from sixtyforty.spec.contract_types import ALLOWED, parse_type
from sixtyforty.spec.errors import FieldError
from sixtyforty.spec.file_endings import FORMAT_NAMES, FormatKind, format_kind_of
from sixtyforty.spec.shown_url import hide_passwords

WRITTEN_FORMS = ("decimal", "thousands", "date_format")  # fields that say how CSV extracts write numbers and dates
FORMATS_OF_FIELDS: dict[str, tuple[FormatKind, ...]] = {
    "encoding": ("csv", "json"),
    **dict.fromkeys(("delimiter", *WRITTEN_FORMS), ("csv",)),
}

# The key of a Dagster asset as its pages write it, such as dbt/orders.
AssetKeyText = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$")]
DATE_PARTS = {"d": "day", "m": "month", "b": "month", "B": "month", "Y": "year", "y": "year"}


class Source(DeclaredModel):
    """One feed of extracts, and the data contract of its rows."""

    description: str = Field(description="What the feed holds, and which system it comes from.")
    files: str | None = Field(
        default=None,
        description="Glob of the source's extracts below `location`. It must match the full name: `sales*.csv` doesn't"
        " match sales.csv.gz. Extracts may be packed with gzip. The content shows the format, or else the ending does"
        ' (see "File formats"). Declare either this or query.',
    )
    location: str | None = Field(
        default=None,
        description="Where extracts land: the full path of a folder, or an fsspec URL (s3://bucket/prefix). Credentials"
        " come from the environment. If left out: the use case's landing folder. Folders of the operating system,"
        " hidden folders and link-local addresses are refused. The setting SIXTYFORTY_LOCATION_ROOTS may allow less.",
    )
    requires_done_file: bool = Field(
        default=False, description="`true`: an extract is complete only if the file `<name>.done` is next to it."
    )
    settle_seconds: float = Field(
        default=0.0,
        ge=0,
        description="Number of seconds for which an extract must be unchanged before it is imported. Use it for senders"
        " that write an extract under its final name.",
    )
    query: str | None = Field(
        default=None,
        description="SQL query that returns the source's rows from a database. Declare either this or files.",
    )
    database: str | None = Field(
        default=None,
        pattern=VARIABLE,
        description="Environment variable with the SQLAlchemy URL of the query's database. If left out: the database"
        " that decisions are delivered to.",
    )
    cursor_column: str | None = Field(
        default=None,
        description="Column of the query whose values only grow: a serial number, or the time of the last change. Only"
        " new rows are then read. If left out, the source is a snapshot, and all rows are read each time.",
    )
    cursor_overlap: float = Field(
        default=600.0,
        ge=0,
        description="How far before the newest cursor value each query starts, to find rows that were committed late:"
        " seconds if the column holds times, otherwise a number in the column's unit. Rows that were imported already"
        " are skipped.",
    )
    query_interval_seconds: float = Field(
        default=0.0,
        ge=0,
        description="Shortest interval in seconds between two queries by the sensor. A longer interval gives fewer"
        " extracts.",
    )
    upstream: list[AssetKeyText] = Field(
        default_factory=list,
        description="Keys of the Dagster assets that make the source's rows, such as [dbt/orders], in any code location"
        " of the same Dagster instance. The graph shows them before the source. After a materialization, the sensor"
        " runs the query at once, without waiting for query_interval_seconds. While one of their checks fails, nothing"
        " is imported, and the rows imported earlier stay in force.",
    )
    columns: dict[str, str] = Field(
        description="The data contract: each column name with its DuckDB type, in the order of the extracts. Types:"
        f" {', '.join(ALLOWED)}. Declare lists, structures and intervals as VARCHAR or JSON."
    )
    other_names: dict[str, list[str]] = Field(
        default_factory=dict,
        description="Other names of a column, such as the one before its sender renamed it: {load: [weight]}. Extracts"
        " and partitions in which the column has one of these names are read, too. If an extract has several of the"
        " names, a row with different values under them is quarantined.",
    )
    optional_columns: list[str] = Field(
        default_factory=list,
        description="Columns that an extract may lack, such as a column that only newer extracts have. A column"
        " that an extract lacks is null. An extract that lacks any other column is refused.",
    )
    key: list[str] = Field(
        description="Columns that identify a row among all rows of the source. A row of a later extract replaces an"
        " earlier row with the same key. Different rows of one extract with the same key are all quarantined, also if"
        " their dates differ, because nothing shows which is right. A row without a value in one of the columns, or"
        " with only white space or invisible characters, is quarantined. A JSON column can't be one of them."
    )
    known_at: str | None = Field(
        default=None,
        description="SQL expression that returns the UTC time from which a row could be known. Needed if `partition` is"
        " declared.",
    )
    partition: str | None = Field(
        default=None,
        description="SQL expression that returns a local date in a row's partition; for hourly partitions, a UTC time."
        " If left out, the source is a snapshot.",
    )
    full: bool = Field(
        default=False,
        description="`true`: each extract holds all rows of the source, so rows that the newest one lacks are removed."
        " Otherwise rows accumulate: a row stays until a later extract replaces it. A query without `cursor_column`"
        " always replaces all rows.",
    )
    null_text: str = Field(
        default="NA",
        description="Text that stands for a missing value in CSV extracts. An empty text counts as missing, too."
        " Parquet, JSON and queries have nulls of their own, so there this text is an ordinary text. A change applies"
        " to later extracts.",
    )
    encoding: str | None = Field(
        default=None,
        description="Encoding of CSV and JSON extracts, such as cp1252 or latin-1. If left out: UTF-8, UTF-16, or"
        " UTF-32 with a byte order mark, as each file shows. A byte order mark in a file overrides a declared"
        " encoding.",
    )
    delimiter: str | None = Field(
        default=None,
        description="Character between the fields of CSV extracts. If left out: the comma, semicolon, tab or `|`,"
        " whichever splits the header into the declared columns. A first line such as `sep=;` in a file overrides it.",
    )
    decimal: Literal[".", ","] = Field(
        default=".", description="The decimal point of numbers in CSV extracts. Declare `','` for numbers such as 1,5."
    )
    thousands: str | None = Field(
        default=None,
        description="Character between groups of three digits in numbers of CSV extracts, such as the comma in 1,234.5."
        " If left out, a number with such a character is quarantined.",
    )
    date_format: str | None = Field(
        default=None,
        description="Form of dates in CSV extracts, such as `%d.%m.%Y`: %d day, %m month, %b or %B its English name, %Y"
        " year of four digits, %y of two. A time of day may follow after a space. If left out: year, month, day, as in"
        " 2024-02-03.",
    )
    derived: dict[str, str] = Field(
        default_factory=dict,
        description="Extra columns for the suite's rules, as SQL over the typed columns; they are not stored.",
    )
    personal: list[str] = Field(
        default_factory=list,
        description="Columns with personal data: they never appear in logs, Data Docs or reports.",
    )

    @model_validator(mode="after")
    def _check_text_format(self) -> Source:
        if self.encoding is not None:
            try:
                "é".encode(self.encoding, "ignore").decode(self.encoding)
            except (LookupError, UnicodeError):
                raise FieldError(
                    "encoding", f"'{self.encoding}' is not an encoding that Python knows; write for example cp1252"
                ) from None
        delimiter = self.delimiter
        if delimiter is not None and (len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0'):
            raise FieldError(
                "delimiter", f"{delimiter!r} is not a delimiter; write one ASCII character that is no quote"
            )
        return self

    @model_validator(mode="after")
    def _check_written_forms(self) -> Source:
        thousands = self.thousands
        if thousands is not None and (len(thousands) != 1 or thousands.isalnum() or thousands in "+-" + self.decimal):
            raise FieldError(
                "thousands", f"{thousands!r} can't group digits; write one character, other than the decimal point"
            )
        if self.date_format is not None:
            parts = re.findall(r"%-?(.)", self.date_format)
            date_parts = sorted(DATE_PARTS[part] for part in parts if part in DATE_PARTS)
            if date_parts != ["day", "month", "year"]:
                raise FieldError(
                    "date_format",
                    f"'{self.date_format}' must hold day, month and year exactly once each; write for example %d.%m.%Y",
                )
            if len(parts) > len(date_parts):
                raise FieldError(
                    "date_format",
                    f"'{self.date_format}' holds more than a date; write the date alone. A time such as 14:30 may"
                    " follow each date. Declare a column with other times, such as 2:30 PM, as VARCHAR",
                )
        return self

    @model_validator(mode="after")
    def _check_origin(self) -> Source:
        if (self.files is None) == (self.query is None):
            raise FieldError("", "a source needs either `files` (a glob) or `query` (SQL), not both")
        if self.files and (self.database or self.cursor_column or self.query_interval_seconds):
            raise FieldError(
                "files",
                "a source with `files` can't have database, cursor_column or query_interval_seconds; remove them",
            )
        return self

    @model_validator(mode="after")
    def _check_format(self) -> Source:
        """Refuse a declared field that applies only to file formats which the source's extracts don't have."""
        kind = format_kind_of(self.files) if self.files else None
        if self.files and kind is None:  # the files may have any format
            return self
        origin = f"the {FORMAT_NAMES[kind]} extracts that `files` names" if kind else "a query"
        for field in self._declared(*FORMATS_OF_FIELDS):
            if kind not in FORMATS_OF_FIELDS[field]:
                formats = " and ".join(FORMAT_NAMES[other] for other in FORMATS_OF_FIELDS[field])
                raise FieldError(field, f"the field applies to {formats} extracts, not to {origin}; remove the field")
        return self

    @model_validator(mode="after")
    def _check_types(self) -> Source:
        for column, declared in self.columns.items():
            contract_type = parse_type(declared)
            if contract_type is None:
                raise FieldError(f"columns.{column}", f"a column can't have the type '{declared}'", declared, ALLOWED)
            if contract_type.kind == "json" and column in self.key:
                raise FieldError(
                    "key", f"'{column}' is JSON, and equal documents may differ in their text; declare it VARCHAR"
                )
        return self

    @model_validator(mode="after")
    def _check_query(self) -> Source:
        if not self.query:
            return self
        if self.partition and not self.cursor_column:
            raise FieldError("query", "a query with `partition` needs a cursor_column whose values only grow")
        if self.cursor_column and not self.partition:
            raise FieldError(
                "cursor_column", "a source without `partition` is a snapshot, which needs no cursor_column; remove it"
            )
        if self.full and self.cursor_column:
            raise FieldError("full", "a query with cursor_column reads only new rows; remove full or cursor_column")
        if self.location:
            raise FieldError(
                "location", "a source with `query` writes its extracts to the landing folder; remove location"
            )
        return self

    @model_validator(mode="after")
    def _check_location(self) -> Source:
        if self.location is None or self.location.startswith("/"):
            return self
        if "://" not in self.location:
            raise FieldError(
                "location",
                f"'{self.location.rpartition('@')[2]}' is neither a full path nor a URL; write /folder or s3://bucket/prefix",
            )
        if "@" in self.location.split("://")[1].split("/")[0]:  # the message must not show the password
            raise FieldError(
                "location", "the URL contains a user or a password; set them in environment variables instead"
            )
        return self

    @model_validator(mode="after")
    def _check_confinement(self) -> Source:
        if self.location and (problem := find_location_problem(self.location, location_roots())):
            raise FieldError("location", problem)
        if self.files and (self.files.startswith("/") or leads_up(self.files)):
            raise FieldError("files", "the glob leaves the location; write it relative to location, without '..'")
        return self

    def names_of(self, column: str) -> list[str]:
        """Return the name of a column, then its other names in the declared order."""
        return [column, *self.other_names.get(column, [])]

    def _declared(self, *fields: str) -> list[str]:
        """Return which of some fields this source declares: those that differ from their defaults."""
        return [field for field in fields if getattr(self, field) != type(self).model_fields[field].default]

    @property
    def written_forms(self) -> list[str]:
        """The declared fields that say how CSV extracts write numbers and dates."""
        return self._declared(*WRITTEN_FORMS)

    @property
    def database_label(self) -> str:
        """The name of the query's database, for people. It holds no secrets."""
        return f"the database at ${self.database}" if self.database else "the database that decisions are delivered to"

    @property
    def origin(self) -> str:
        """A description, for people, of where the source's rows come from. It holds no secrets."""
        if self.query and self.cursor_column:
            return f"new rows of {self.database_label}, by {self.cursor_column}"
        if self.query:
            return f"all rows of {self.database_label}"
        return f"extracts `{self.files}`" + (f" in {hide_passwords(self.location)}" if self.location else "")
