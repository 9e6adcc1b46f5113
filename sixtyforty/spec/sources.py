"""Feeds of extracts, and their data contracts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sixtyforty.spec.base import VARIABLE, DeclaredModel, FieldError


class Source(DeclaredModel):
    """One feed of extracts and its data contract."""

    description: str = Field(description="What the feed is, and which system it comes from.")
    files: str | None = Field(
        default=None,
        description="Glob of its extracts below their location: CSV, Parquet or JSON lines (.jsonl, .ndjson, .json),"
        " packed by gzip or not. This, or a query.",
    )
    location: str | None = Field(
        default=None,
        description="Where they land: a folder's full path or an fsspec URL (s3://bucket/prefix); keys come from the"
        " environment. None: the use case's landing folder.",
    )
    requires_done_file: bool = Field(
        default=False, description="Only extracts with a `<name>.done` beside them are finished."
    )
    settle_seconds: float = Field(
        default=0.0,
        ge=0,
        description="Extracts changed less long ago than this aren't taken yet; for senders that don't rename.",
    )
    query: str | None = Field(default=None, description="SQL of its rows in a database. This, or files.")
    database: str | None = Field(
        default=None,
        pattern=VARIABLE,
        description="Environment variable with the database's SQLAlchemy URL. None: where decisions are delivered.",
    )
    cursor_column: str | None = Field(
        default=None,
        description="Column of a query that only grows: a serial number, or when a row was changed. None: a"
        " snapshot, read whole.",
    )
    cursor_overlap: float = Field(
        default=600.0,
        ge=0,
        description="How far before the newest `since` each look reads again, for rows committed late: seconds, or"
        " numbers. Rows already taken aren't taken twice.",
    )
    query_interval_seconds: float = Field(
        default=0.0,
        ge=0,
        description="Seconds between two looks of the sensor at a query: a trickle of rows then makes few extracts.",
    )
    columns: dict[str, str] = Field(description="The contract: column name to DuckDB type, in order.")
    key: list[str] = Field(description="Columns that identify a row; a later extract's row replaces it.")
    known_at: str | None = Field(
        default=None, description="SQL: the UTC moment from which a row could be known. Partitioned sources."
    )
    partition: str | None = Field(
        default=None, description="SQL date of the partition a row belongs to. None: a snapshot, taken whole."
    )
    null_text: str = Field(default="NA", description="How the extracts spell a missing value, beside empty.")
    derived: dict[str, str] = Field(
        default_factory=dict, description="Columns the rules need, as SQL over the typed columns; not kept."
    )
    personal: list[str] = Field(
        default_factory=list, description="Columns that never reach logs, Data Docs or reports."
    )

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        if (self.files is None) == (self.query is None):
            raise ValueError("a source has either files (a glob) or a query (SQL)")
        if self.query and self.partition and not self.cursor_column:
            raise FieldError("query", "of a partitioned source needs since (a column that only grows)")
        if self.query and self.cursor_column and not self.partition:
            raise FieldError("since", "of a snapshot's query: it is read whole each time; leave it out")
        if self.query and self.location:
            raise FieldError(
                "location", "of a query: its extracts are written to the use case's landing folder; leave it out"
            )
        if self.files and (self.database or self.cursor_column or self.query_interval_seconds):
            raise FieldError("files", "with database, since or query_interval_seconds: those belong to a query")
        if self.location is not None and not self.location.startswith("/"):
            if "://" not in self.location:
                raise FieldError("location", f"'{self.location}' is neither a full path nor a URL such as s3://bucket")
            if "@" in self.location.split("://")[1].split("/")[0]:  # and is not told
                raise FieldError("location", "holds a user or password: those come from the environment")
        return self

    @property
    def format(self) -> Literal["csv", "parquet", "json"]:
        """What its extracts are by the ending of `files`, `.gz` left aside; the files themselves may know better."""
        ending = (self.files or "").lower().removesuffix(".gz").rpartition(".")[2]
        return "parquet" if ending in ("parquet", "pq") else "json" if ending in ("json", "jsonl", "ndjson") else "csv"

    @property
    def database_label(self) -> str:
        """The database of a query, in words; no secrets."""
        return f"the database at ${self.database}" if self.database else "the database that decisions are delivered to"

    @property
    def origin(self) -> str:
        """Where its rows come from, in words; no secrets."""
        if self.query:
            return f"rows of {self.database_label}, {f'by {self.cursor_column}' if self.cursor_column else 'all as they are'}"
        return f"extracts `{self.files}`" + (f" in {self.location}" if self.location else "")
