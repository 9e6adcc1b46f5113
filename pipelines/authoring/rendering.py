"""Render the files of a new use case from the templates and the profile of its extracts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Literal

from pipelines.authoring.feeds import ExtractFeed, SourceDraft
from pipelines.authoring.yaml_text import as_yaml, as_yaml_field
from sixtyforty.ingest.profiling import TimeProfile
from sixtyforty.spec.clock import now
from sixtyforty.storage.sql import bare_identifier

if TYPE_CHECKING:
    from jinja2 import Environment

# The shape of a use case is the kind of its decision. `sixtyforty new --help` describes each shape.
Shape = Literal["binary", "ranked", "amount", "experiment"]
TEMPLATES = ("defs.yaml", "features.sql", "outcomes.sql", "current_process.sql", "README.md")
LOOKBACK_PARTITIONS = {"hour": 168, "day": 28, "week": 12, "month": 12}
HISTORICAL_DAYS = 60  # if the newest extract is older than this, no new extracts are expected
EXAMPLE_DAYS = date(2026, 1, 1), date(2026, 1, 31)  # first and last day of a use case that is drafted without extracts
MAX_FACTS = 3  # at most this many columns are drafted as facts of the list of decisions
MAX_NUMBERS = 8  # at most this many numeric columns become drafted features
DAYS_PER_PARTITION = {"day": 1, "week": 7, "month": 28}


@dataclass(frozen=True)
class MainSource:
    """The source that a drafted use case decides about: the largest source with a time column.

    - `end`: the last day of historical extracts; None if new extracts are expected.
    - `closed_weekdays`: the weekdays on which there are never any rows.
    - `is_unit_per_partition`: whether each partition is a unit; otherwise each row is a unit.
    - `time_column`, `other_columns`: SQL names. `time_column_yaml` and `key_yaml` are the same names in YAML.
    - `partition_unit_sql`: SQL that computes a unit's key from `starts_at`, the start of its partition in UTC.
    - `label_sql`: SQL of what people call a row. `facts`: names and SQL of the columns that people see in a list of
      decisions, the time column first. Both are in YAML.
    - `numbers`: for each numeric column, the name of a feature and the SQL of the column.
    """

    name: str
    every: str
    end: date | None
    closed_weekdays: tuple[str, ...]
    is_unit_per_partition: bool
    time_column: str
    time_column_yaml: str
    partition_unit_sql: str
    key_yaml: list[str]
    numbers: list[tuple[str, str]]
    other_columns: list[str]
    label_sql: str
    facts: list[tuple[str, str]]


@dataclass(frozen=True)
class LabelDraft:
    """A column of codes, and the source and the SQL, in YAML, with a text for each code."""

    column: str
    source: str
    text: str


@dataclass(frozen=True)
class TemplateValues:
    """Values that the templates of a new use case insert.

    `start` and `last` are the first and last local day of the partitions. `first_day` is the replay's first day.
    """

    name: str
    today: date
    every: str
    sources: list[SourceDraft]
    key: list[str]
    main: MainSource | None
    start: date
    last: date
    lookback_partitions: int
    training_days: int
    first_day: date
    shape: Shape
    labels: list[LabelDraft]


def render_files(name: str, feeds: Sequence[ExtractFeed], shape: Shape = "binary") -> dict[str, str]:
    """Return the contents of the files of a new use case, by file name. shape: the kind of decision."""
    template_values = _template_values(name, feeds, shape)
    environment = _environment()
    main = template_values.main
    files = [*TEMPLATES, *(["units.sql"] if main and main.is_unit_per_partition else [])]
    shown = {field: getattr(template_values, field) for field in asdict(template_values)}
    return {file: environment.get_template(file).render(**shown) for file in files}


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader

    environment = Environment(  # no HTML escapes: the templates are YAML, SQL and Markdown
        loader=PackageLoader("pipelines.authoring", "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["yaml_field"] = as_yaml_field
    environment.filters["one_line"] = _one_line
    return environment


def _one_line(text: str) -> str:
    """Return a column name for a cell of a table in Markdown: without line breaks, and with escaped pipes."""
    return " ".join(text.split()).replace("|", "\\|")


def _template_values(name: str, feeds: Sequence[ExtractFeed], shape: Shape) -> TemplateValues:
    main = max((feed for feed in feeds if feed.history), key=lambda feed: feed.profile.rows, default=None)
    history = main.history if main else None
    feeds = [_with_shared_key(feed, main) for feed in feeds]
    every = history.every if history else "day"
    first, last = (history.first, history.last) if history else EXAMPLE_DAYS
    days = (last - first).days + 1
    main_source = _main_source(main, history, every, days) if main and history else None
    key = [bare_identifier(column) for column in main.key] if main else ["id"]
    if main_source and main_source.is_unit_per_partition:
        key = ["_partition", main_source.time_column]
    start = first.replace(day=1) if every == "month" else first
    return TemplateValues(
        name=name,
        today=now().date(),
        every=every,
        sources=[feed.draft_source() for feed in feeds],
        key=key,
        main=main_source,
        start=start,
        last=last,
        lookback_partitions=LOOKBACK_PARTITIONS[every],
        training_days=min(730, max(60, days // 2)),
        first_day=_first_replayed_day(start, last),
        shape=shape,
        labels=_labels(main, feeds) if main else [],
    )


def _labels(main: ExtractFeed, feeds: Sequence[ExtractFeed]) -> list[LabelDraft]:
    """Return the labels of the columns whose codes a source of two columns explains: the code and a text."""
    shared, drafts = {column.name for column in main.profile.columns}, []
    for feed in feeds:
        if feed.history or len(feed.profile.columns) != 2 or len(feed.key) != 1 or feed.key[0] not in shared:
            continue
        (text,) = [column for column in feed.profile.columns if column.name != feed.key[0]]
        if text.kind == "VARCHAR":
            drafts.append(LabelDraft(feed.key[0], feed.name, as_yaml(bare_identifier(text.name))))
    return drafts


def _with_shared_key(feed: ExtractFeed, main: ExtractFeed | None) -> ExtractFeed:
    """Return a reference feed with a key column that the main feed also has as its most likely key, if it has one."""
    if main is None or feed.history:
        return feed
    shared = {column.name for column in main.profile.columns}
    keys = sorted(feed.profile.keys, key=lambda key: not shared.issuperset(key))  # stable: equal keys keep their order
    return replace(feed, profile=replace(feed.profile, keys=tuple(keys)))


def _main_source(feed: ExtractFeed, history: TimeProfile, every: str, days: int) -> MainSource:
    is_historical = (now().date() - history.last).days > HISTORICAL_DAYS
    unit_sql = {"DATE": "local(starts_at)::date", "TIMESTAMP": "starts_at"}
    numbers = {_feature_name(column.name): column.sql for column in feed.profile.columns if column.numeric}
    return MainSource(
        name=feed.name,
        every=every,
        end=history.last if is_historical else None,
        closed_weekdays=history.closed_weekdays,
        is_unit_per_partition=_has_unit_per_partition(feed, history, days),
        time_column=bare_identifier(history.column),
        time_column_yaml=as_yaml(history.column),
        partition_unit_sql=unit_sql.get(history.kind, "_partition"),
        key_yaml=[as_yaml(column) for column in feed.key],
        numbers=list(numbers.items())[:MAX_NUMBERS],
        other_columns=[bare_identifier(c.name) for c in feed.profile.columns if c.name not in feed.key],
        label_sql=as_yaml(" || ' ' || ".join(bare_identifier(column) for column in feed.key[:MAX_FACTS])),
        facts=_facts(feed, history.column),
    )


def _facts(feed: ExtractFeed, time_column: str) -> list[tuple[str, str]]:
    """Return the names and the SQL, in YAML, of the time column and of the first columns outside the key.

    Personal columns are left out.
    """
    left_out = {*feed.key, *feed.draft_source().personal, time_column}
    others = [column.name for column in feed.profile.columns if column.name not in left_out]
    columns = [time_column, *others][:MAX_FACTS]
    return list({_fact_name(column): as_yaml(bare_identifier(column)) for column in columns}.items())


def _fact_name(column: str) -> str:
    """Return a column name as the name of a fact: lower-case letters, digits and underscores, after a letter."""
    name = re.sub(r"[^a-z0-9_]+", "_", column.lower())
    return name if name[:1].isalpha() else f"x{name}"


def _has_unit_per_partition(feed: ExtractFeed, history: TimeProfile, days: int) -> bool:
    """Return whether each partition of a feed has at most one row, so that the partition itself is the unit."""
    has_few_rows = feed.profile.rows <= days / DAYS_PER_PARTITION[history.every] + 1
    return history.most == 1 and has_few_rows and history.column not in ("starts_at", "decided_at")


def _feature_name(column: str) -> str:
    return re.sub(r"\W+", "_", f"x{column}" if column[0].isdigit() else column).lower()


def _first_replayed_day(start: date, last: date) -> date:
    """Return the first day of the replay: the start of the month after the first two fifths of the history.

    The days before it are for training. In a history without such a month, it is the day after the two fifths.
    """
    day = start + timedelta(days=int(((last - start).days + 1) * 0.4))
    next_month = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return next_month if next_month <= last else day
