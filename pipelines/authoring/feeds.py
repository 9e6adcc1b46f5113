"""Group the extracts in a folder into feeds, profile each feed, and draft its declaration as a source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from sixtyforty.ingest.formats.base import UnreadableExtractError
from sixtyforty.ingest.formats.registry import describe_formats, format_of_name
from sixtyforty.ingest.profiling import TableProfile, TimeProfile, profile_files
from sixtyforty.spec.yaml_positions import BLANK
from sixtyforty.storage.sql import RESERVED_WORDS

PERSONAL_NAME = re.compile(
    r"e.?mail|phone|mobile|(first|last|sur|family|full).?name|address|birth|\bssn\b|iban", re.IGNORECASE
)
DATE_OR_NUMBER = r"[-_ ]?\d[\d_\-T]*Z?$"  # end of a file name, such as `orders_2024-03-05`


@dataclass(frozen=True)
class ExtractFeed:
    """The extracts of one feed and the profile of their rows. `files` is a glob pattern in the folder `location`."""

    name: str
    files: str
    location: Path
    profile: TableProfile

    @property
    def history(self) -> TimeProfile | None:
        """Profile of the first column that has a time in every row. None if there is none: the feed is a snapshot."""
        histories = self.profile.histories
        return next((h for h in histories if not self.profile.column(h.column).nulls), None)

    @property
    def has_key(self) -> bool:
        """Whether a small set of columns identifies every row of the feed."""
        return bool(self.profile.keys)

    @property
    def key(self) -> list[str]:
        """The columns that most likely identify every row of the feed, or all columns if no small set does."""
        return list(self.profile.keys[0]) if self.has_key else [column.name for column in self.profile.columns]

    def draft_source(self) -> SourceDraft:
        """Return the texts with which the templates of a new use case declare this feed as a source."""
        history = self.history
        has_days = history is None or history.kind == "DATE"
        time = history.sql if history else ""
        return SourceDraft(
            name=self.name,
            files=self.files,
            location=as_yaml(str(self.location)),
            key=[as_yaml(column) for column in self.key],
            has_key=self.has_key,
            other_keys=" or ".join("+".join(key) for key in self.profile.keys[1:4]),
            partition=as_yaml(time if has_days else f"local({time})::date") if history else "",
            known_at=as_yaml(f"utc({time} + 1)" if has_days else time),
            personal=[as_yaml(c.name) for c in self.profile.columns if PERSONAL_NAME.search(c.name)],
            profile=self.profile,
        )


@dataclass(frozen=True)
class SourceDraft:
    """Texts with which the templates of a new use case declare a source. They are YAML, quoted where needed.

    `partition` is empty for a snapshot. `other_keys` names other sets of columns that identify every row.
    """

    name: str
    files: str
    location: str
    key: list[str]
    has_key: bool
    other_keys: str
    partition: str
    known_at: str
    personal: list[str]
    profile: TableProfile


def find_feeds(extracts: str) -> list[ExtractFeed]:
    """Group the extracts of a file, folder or glob pattern into feeds, and profile each feed.

    Files whose names differ only in dates or numbers are one feed. Raises UnreadableExtractError if no file is an
    extract, or if an extract can't be read.
    """
    files = [f for f in _list_files(Path(extracts).expanduser()) if f.is_file() and format_of_name(f.name)]
    if not files:
        formats = describe_formats()
        raise UnreadableExtractError(f"{extracts} contains no extract. The names of extracts must end in {formats}.")
    files_by_stem: dict[str, list[Path]] = {}
    for file in files:
        stem = file.name.split(".")[0]
        files_by_stem.setdefault(re.sub(DATE_OR_NUMBER, "", stem) or stem, []).append(file)
    return [_profile_feed(stem, files) for stem, files in files_by_stem.items()]


def _list_files(path: Path) -> Sequence[Path]:
    if path.is_file():
        return [path]
    return sorted(path.iterdir()) if path.is_dir() else sorted(path.parent.glob(path.name))


def _profile_feed(stem: str, files: Sequence[Path]) -> ExtractFeed:
    suffixes = files[0].suffixes
    ending = "".join(suffixes[-2:] if files[0].suffix == ".gz" else suffixes[-1:])
    pattern = files[0].name if len(files) == 1 else f"{stem}*{ending}"
    return ExtractFeed(_source_name(stem), pattern, files[0].resolve().parent, profile_files(files))


def _source_name(stem: str) -> str:
    """Return a source name for a feed's file stem. SQL uses it as a table name, so it is never a reserved word."""
    name = re.sub(r"\W+", "_", stem).strip("_").lower() or "extracts"
    if name in RESERVED_WORDS:
        return f"{name}_rows"
    return name if name[0].isalpha() else f"from_{name}"


def as_yaml(text: str) -> str:
    """Return a text as a YAML scalar, with quotes where YAML needs them."""
    if text == BLANK:
        return f'"{text}"'
    dumped: str = yaml.safe_dump(text, default_flow_style=True, width=10_000, allow_unicode=True)
    return dumped.split("\n...")[0].strip()
