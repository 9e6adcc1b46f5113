"""Group the extracts in a folder into feeds, profile each feed, and draft its declaration as a source."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path

from pipelines.authoring.yaml_text import as_yaml
from sixtyforty.ingest.formats.base import UnreadableExtractError
from sixtyforty.ingest.formats.registry import describe_formats, format_of_name
from sixtyforty.ingest.landed_files import either_case, is_unfinished
from sixtyforty.ingest.locations import is_file
from sixtyforty.ingest.profiling import TableProfile, TimeProfile, profile_files
from sixtyforty.ingest.query_profiling import profile_query
from sixtyforty.spec.cross_checks import RESERVED_SOURCES
from sixtyforty.spec.file_endings import format_kind_of
from sixtyforty.spec.yaml_positions import BLANK
from sixtyforty.storage.sql import RESERVED_WORDS, bare_identifier

PERSONAL_NAME = re.compile(
    r"e.?mail|phone|mobile|(first|last|sur|family|full).?name|address|birth|\bssn\b|iban", re.IGNORECASE
)
CHANGE_NAME = re.compile(r"chang|updat|modif|geändert", re.IGNORECASE)
DURATIONS = {"day": "1", "week": "interval 1 week", "month": "interval 1 month"}  # SQL to add to the day of a row
NUMBER = r"(?:[-_ ]?\d[\d_\-T]*Z?)?"  # a date or a number, such as the end of `orders_2024-03-05`
UUID = r"(?:[-_ ]?[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})?"


@dataclass(frozen=True)
class Query:
    """A query that returns the rows of a feed. database: the environment variable with the database's URL."""

    sql: str
    database: str


@dataclass(frozen=True)
class ExtractFeed:
    """The extracts of one feed and the profile of their rows. `files` is a glob pattern in the folder `location`.

    query: the query that returns the rows of the feed; None if files hold the rows.
    """

    name: str
    files: str
    location: Path
    profile: TableProfile
    query: Query | None = None

    @property
    def cursor_column(self) -> str:
        """Name of the column from which a later query sees which rows are new; TODO if no column shows that.

        A column with times of change is preferred, then a key of whole numbers, then any other column with times.
        """
        columns = [
            history.column for history in self.profile.histories if history.sql == bare_identifier(history.column)
        ]
        changes = [column for column in columns if CHANGE_NAME.search(column)]
        numbers = [c.name for c in self.profile.columns if c.kind == "BIGINT" and self.profile.keys[:1] == ((c.name,),)]
        return next(iter([*changes, *numbers, *columns]), BLANK)

    @property
    def history(self) -> TimeProfile | None:
        """Profile of the feed's first column that has a time in every row; None if the feed has no such column.

        A column such as a date of birth comes last.
        """
        with_nulls = {column.name for column in self.profile.columns if column.nulls}
        filled = [history for history in self.profile.histories if history.column not in with_nulls]
        return min(filled, key=lambda history: bool(PERSONAL_NAME.search(history.column)), default=None)

    @property
    def has_key(self) -> bool:
        """Whether a small set of columns identifies every row of the feed."""
        return bool(self.profile.keys)

    @property
    def key(self) -> list[str]:
        """The columns that most likely identify every row of the feed.

        If no small set of columns does, these are all columns that every file has: a row without a value in its key
        would be quarantined. If no column is in every file, these are all columns.
        """
        if self.has_key:
            return list(self.profile.keys[0])
        names = [column.name for column in self.profile.columns]
        return [name for name in names if name not in self.profile.optional] or names

    def draft_source(self) -> SourceDraft:
        """Return the texts with which the templates of a new use case declare this feed as a source."""
        history = self.history
        has_days = history is None or history.kind == "DATE"
        time = history.sql if history else ""
        return SourceDraft(
            name=self.name,
            files=as_yaml(self.files),
            location=as_yaml(str(self.location)),
            query=as_yaml(self.query.sql) if self.query else "",
            database=self.query.database if self.query else "",
            cursor_column=self.cursor_column if self.cursor_column == BLANK else as_yaml(self.cursor_column),
            key=[as_yaml(column) for column in self.key],
            has_key=self.has_key,
            other_keys=" or ".join("+".join(map(as_yaml, key)) for key in self.profile.keys[1:4]),
            partition=as_yaml(time if has_days else f"local({time})::date") if history else "",
            known_at=as_yaml(f"utc({time} + {DURATIONS[history.every]})" if history and has_days else time),
            other_readings=_describe_readings(history, "If this is wrong, write {} in partition and in known_at")
            if history
            else "",
            optional=[as_yaml(name) for name in self.profile.optional if name not in self.key],
            personal=[as_yaml(c.name) for c in self.profile.columns if PERSONAL_NAME.search(c.name)],
            profile=self.profile,
            column_notes=self._column_notes(),
        )

    def _column_notes(self) -> dict[str, str]:
        """Return what is to be checked about columns that can't be read for sure, by column.

        The column that gives the partition is left out if its dates are ambiguous: the note is next to `partition`.
        """
        ambiguous = {
            history.column: _describe_readings(history, "It may also be {}")
            for history in self.profile.histories
            if history.other_sql and (self.history is None or history.column != self.history.column)
        }
        doubts = {column.name: " ".join(column.doubt.split()) for column in self.profile.columns if column.doubt}
        return ambiguous | doubts


@dataclass(frozen=True)
class SourceDraft:
    """Texts with which the templates of a new use case declare a source. They are YAML, quoted where needed.

    `partition` is empty for a snapshot. `other_keys` names other sets of columns that identify every row.
    `column_notes` holds a text for each column that must be checked, by its name.
    `query`, `database` and `cursor_column` are used if a query returns the rows. `other_readings` is empty unless the
    dates are ambiguous.
    """

    name: str
    files: str
    location: str
    query: str
    database: str
    cursor_column: str
    key: list[str]
    has_key: bool
    other_keys: str
    partition: str
    known_at: str
    other_readings: str
    optional: list[str]
    personal: list[str]
    profile: TableProfile
    column_notes: dict[str, str]


def _describe_readings(history: TimeProfile, advice: str) -> str:
    """Return a warning that dates such as `03/04/2024` can be read in two ways; empty if they can't.

    advice: a sentence with a placeholder for the other ways.
    """
    if not history.other_sql:
        return ""
    sql, *others = (" ".join(reading.split()) for reading in (history.sql, *history.other_sql))  # a comment is one line
    span = f"{history.first} to {history.last}"
    return f"the order of day and month is ambiguous. {sql} gives {span}. {advice.format(' or '.join(others))}"


def find_feeds(extracts: str) -> list[ExtractFeed]:
    """Group the extracts of a file, folder or glob pattern into feeds, and profile each feed.

    Files of one format whose names end in different dates, numbers or UUIDs are one feed. Raises UnreadableExtractError
    if no file is an extract, or if an extract can't be read.
    """
    listed = _list_files(Path(extracts).expanduser())
    files = [f for f in listed if format_of_name(f.name) and not is_unfinished(f.name) and is_file(f)]
    if not files:
        formats = describe_formats()
        raise UnreadableExtractError(f"{extracts} contains no extract. The names of extracts must end in {formats}.")
    files_by_feed: dict[tuple[str, str], list[Path]] = {}
    for file in files:
        stem = file.name.split(".")[0]
        feed = re.sub(f"{NUMBER}{UUID}{NUMBER}$", "", stem) or stem, str(format_kind_of(file.name))
        files_by_feed.setdefault(feed, []).append(file)
    names = _source_names([stem for stem, _ in files_by_feed])
    return [
        _profile_feed(name, stem, feed_files, files)
        for name, ((stem, _), feed_files) in zip(names, files_by_feed.items(), strict=True)
    ]


def query_feed(query: Query, environment: Mapping[str, str]) -> ExtractFeed:
    """Profile the rows of a query, and return its feed, which is named after the first table of the query.

    environment: the environment variables. Raises UnreadableExtractError if the database can't be read.
    """
    url = environment.get(query.database)
    if not url:
        raise UnreadableExtractError(
            f"The environment variable {query.database} is not set. Set it to the SQLAlchemy URL of the database."
        )
    table = re.search(r'\bfrom\s+["`\[]?(?:\w+\.)?(\w+)', query.sql, re.IGNORECASE)
    return ExtractFeed(_source_name(table[1] if table else "rows"), "", Path(), profile_query(query.sql, url), query)


def _list_files(path: Path) -> Sequence[Path]:
    if path.is_file():
        return [path]
    return sorted(path.iterdir()) if path.is_dir() else sorted(path.parent.glob(path.name))


def _profile_feed(name: str, stem: str, files: Sequence[Path], all_files: Sequence[Path]) -> ExtractFeed:
    return ExtractFeed(name, _glob_of(stem, files, all_files), files[0].parent.resolve(), profile_files(files))


def _glob_of(stem: str, files: Sequence[Path], all_files: Sequence[Path]) -> str:
    """Return a glob that matches all files of a feed and, if possible, no file of another feed.

    stem: the part of the file names that all files of the feed share. all_files: the files of all feeds.
    """
    if len(files) == 1:
        return escape(files[0].name)
    ending = _ending_of([file.name for file in files])
    separators = {re.match("[-_ ]?", file.name[len(stem) :])[0] for file in files}  # type: ignore[index]
    starts = [f"{escape(stem)}{separator}" for separator in separators]
    forms = ("[0-9]*", "*-*-*-*-*")  # of a date or a number, and of a UUID
    globs = [f"{escape(stem)}*{ending}", *(f"{start}{form}{ending}" for form in forms for start in starts)]
    others = [file.name for file in all_files if file not in files]
    fitting = [glob for glob in globs if all(fnmatchcase(file.name, glob) for file in files)]
    return next((glob for glob in fitting if not any(fnmatchcase(name, glob) for name in others)), globs[0])


def _ending_of(names: Sequence[str]) -> str:
    """Return a glob for the endings of a feed's files, such as `.csv`, or `.csv*` if some files are packed."""
    endings = {"".join(Path(name).suffixes[-2 if name.lower().endswith(".gz") else -1 :]) for name in names}
    lowered = {ending.lower() for ending in endings}
    shortest = min(lowered, key=len)
    shared = shortest if all(ending.startswith(shortest) for ending in lowered) else "."
    spellings = {ending[: len(shared)] for ending in endings}
    glob = min(spellings) if len(spellings) == 1 else "".join(map(either_case, shared))
    return glob if len(lowered) == 1 else f"{glob}*"


def _source_names(stems: Iterable[str]) -> list[str]:
    """Return a source name for each file stem. If several stems would get the same name, later ones get a number."""
    names: list[str] = []
    for stem in stems:
        name = _source_name(stem)
        alternatives = (name if number == 1 else f"{name}_{number}" for number in itertools.count(1))
        names.append(next(other for other in alternatives if other not in names))
    return names


def _source_name(stem: str) -> str:
    """Return a source name for a feed's file stem. SQL uses it as a table name, so it is never a reserved name."""
    letters = unicodedata.normalize("NFKD", stem.lower().replace("ß", "ss")).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "_", letters).strip("_") or "extracts"
    if name in RESERVED_WORDS or name in RESERVED_SOURCES:
        return f"{name}_rows"
    return name if name[0].isalpha() else f"from_{name}"
