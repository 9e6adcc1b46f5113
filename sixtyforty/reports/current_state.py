"""The report on a use case before any model: its data and data quality, similar data in other use cases, and the value
of the current process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sixtyforty.accounting import exactness
from sixtyforty.decisions.ledger_check import check_deciding_ledgers
from sixtyforty.ingest.arrival_delays import read_source_delays
from sixtyforty.ingest.contract_rows import select_validated_rows
from sixtyforty.ingest.profiled_texts import select_short_texts
from sixtyforty.ingest.profiling import ColumnProfile, profile_columns
from sixtyforty.ingest.quarantine import count_resubmitted
from sixtyforty.reports.findings import open_findings
from sixtyforty.reports.page_templates import page_environment
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.sources import Source
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.files import write_atomic
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.value.daily_value import value_of_day
from sixtyforty.value.summary import summarize_days
from sixtyforty.workspace import Workspace

MAX_PROFILED_ROWS = 200_000  # the profile of a source describes at most this many of its newest rows
SIMILAR_SHARE = 0.5  # two sources are similar if the smaller one has at least this share of its columns in common
MAX_FINDINGS = 3  # the report shows at most this many of the newest findings of each other use case


@dataclass(frozen=True)
class SourceProfile:
    """The figures of one source. Partitions without rows are not counted.

    - extracts, unreadable: the number of extracts, and the number of extracts that could not be read.
    - landed, accepted, quarantined, duplicates: numbers of rows. rejected: the number of rejected partitions.
    - resubmitted: the number of quarantined rows that people exported, corrected and landed again.
    - first, last: the oldest and the newest partition with rows. gaps: the number of partitions between them without
      rows.
    - arrivals: a sentence about when rows arrive, compared with `known_at`; empty for a snapshot or in a draft.
    - days_stale: days from the end of the newest partition to the time of the report; None for a snapshot.
    - columns: the profile of each column, measured on the `profiled` newest accepted rows.
    - personal: columns with personal data. A page may show counts of their values, but no value.
    """

    name: str
    description: str
    origin: str
    extracts: int
    unreadable: int
    landed: int
    accepted: int
    quarantined: int
    resubmitted: int
    rejected: int
    first: str | None
    last: str | None
    gaps: int
    arrivals: str
    days_stale: int | None
    profiled: int
    duplicates: int
    columns: tuple[ColumnProfile, ...]
    personal: tuple[str, ...]

    @property
    def accepted_share(self) -> float | None:
        """Share of the landed rows that were accepted; None if no row has landed."""
        return self.accepted / self.landed if self.landed else None

    def may_show_range(self, column: ColumnProfile) -> bool:
        """Return whether a page may show the column's lowest and highest value."""
        if column.name in self.personal or column.low is None:
            return False
        return column.numeric or not isinstance(column.low, str)


@dataclass(frozen=True)
class SimilarSource:
    """A source of another use case that is similar to a source of this use case.

    `source`: the source of this use case. `use_case`, `title`, `other_source`: the other use case and its source.
    `shared`: the columns that both sources have. `why`: why they are similar. `findings`: the newest findings of the
    other use case.
    """

    source: str
    use_case: str
    title: str
    other_source: str
    shared: tuple[str, ...]
    why: str
    findings: tuple[str, ...]


@dataclass(frozen=True)
class CurrentProcessValue:
    """The value of the current process on the partitions from `first` to `last`.

    `decisions`: the number of units. `per_1000`: for each way of deciding, such as the random choice, the value per
    1,000 units in `currency`.
    """

    first: str
    last: str
    decisions: int
    label: str
    currency: str
    per_1000: dict[str, float | None]


@dataclass(frozen=True)
class CurrentState:
    """The content of the report on the current state.

    `today`: the value of the current process; None if it is unknown. `why`: the reason why it is unknown; empty if it
    is known. `ledger_problem`: how a ledger that deciding reads differs; empty if none does.
    """

    sources: tuple[SourceProfile, ...]
    similar: tuple[SimilarSource, ...]
    today: CurrentProcessValue | None
    why: str
    ledger_problem: str = field(default="", kw_only=True)


def describe_current_state(ws: Workspace, others: Sequence[Workspace], now: datetime) -> CurrentState:
    """Return the current state of a use case: its data, similar data elsewhere, and the current process's value.

    others: the project's other use cases, including drafts. now: the current time (UTC, naive).
    """
    sources = tuple(_profile_source(ws, name, source, now) for name, source in ws.use_case.sources.items())
    is_draft = isinstance(ws.use_case, Draft)
    today = None if is_draft else value_of_current_process(ws)
    why = ""
    if today is None:
        why = "the declaration is still a draft" if is_draft else "no outcome is known yet"
    similar = tuple(match for other in others for match in _similar_sources(ws, other))
    doubt = "" if is_draft else check_deciding_ledgers(ws).reason
    return CurrentState(sources, similar, today, why, ledger_problem=doubt)


def _profile_source(ws: Workspace, name: str, source: Source, now: datetime) -> SourceProfile:
    use_case, lake = ws.use_case, ws.lake
    raw, accepted = lake.entries(f"raw/{name}"), lake.entries(f"validated/{name}")
    extracts = ws.landing.known(name)
    keys = sorted(partition for partition, entry in raw.items() if entry.rows)
    dated = [key for key in keys if key != SNAPSHOT]
    expected = len(use_case.partition_range(keys[0], keys[-1])) if keys and source.partition else len(keys)
    newest = _newest_entries(accepted)
    columns, duplicates = _profile_columns(ws, source, newest) if newest else ((), 0)
    return SourceProfile(
        name=name,
        description=source.description,
        origin=source.origin,
        extracts=len(extracts),
        unreadable=sum(e.problem is not None for e in extracts),
        landed=sum(e.rows for e in raw.values()),
        accepted=sum(e.rows for e in accepted.values()),
        quarantined=sum(e.rows for e in lake.entries(f"quarantine/{name}").values()),
        resubmitted=sum(count_resubmitted(ws.landing, name).values()),
        rejected=len(lake.partitions(f"rejected/{name}")),
        first=dated[0] if dated else None,
        last=dated[-1] if dated else None,
        gaps=expected - len(keys),
        arrivals=_describe_arrivals(ws, name),
        days_stale=_days_stale(use_case, keys[-1], now) if keys and source.partition else None,
        profiled=sum(e.rows for e in newest),
        duplicates=duplicates,
        columns=columns,
        personal=tuple(source.personal),
    )


def _describe_arrivals(ws: Workspace, source: str) -> str:
    if isinstance(ws.use_case, Draft) or source not in ws.use_case.partitioned:
        return ""
    delays = read_source_delays(ws.use_case, ws.lake, source)
    return f"{delays}. {delays.advice}" if delays.is_late else f"{delays}."


def _days_stale(use_case: UseCase, newest: str, now: datetime) -> int:
    """Return the age of the newest partition in days, at `now` or at the use case's declared end if that is earlier."""
    due = min(now, use_case.closes_at(use_case.limits[1])) if use_case.partitions.end else now
    return max(0, (due - use_case.closes_at(newest)).days)


def _newest_entries(entries: dict[str, Entry]) -> list[Entry]:
    """Return the manifests of the newest partitions, just enough of them to have MAX_PROFILED_ROWS rows.

    Return no manifest if no partition has rows.
    """
    newest: list[Entry] = []
    rows = 0
    for partition in sorted(entries, reverse=True):
        if rows >= MAX_PROFILED_ROWS:
            break
        newest.append(entries[partition])
        rows += entries[partition].rows
    return newest if rows else []


def _profile_columns(ws: Workspace, source: Source, entries: Sequence[Entry]) -> tuple[tuple[ColumnProfile, ...], int]:
    """Profile each column of a source in these partitions, and count the duplicate rows."""
    with ws.lake.open_session(ws.use_case.timezone) as db:
        # The profile runs dozens of queries over rows in many files. Copying them to a table first is faster.
        rows = f"select {identifiers(source.columns)} from {select_validated_rows(ws.lake, source, entries)}"
        db.execute(f"create or replace temp table profiled as {select_short_texts(db, rows)}")
        profile = profile_columns(db, "profiled")
    return profile.columns, profile.duplicates


def _similar_sources(ws: Workspace, other: Workspace) -> list[SimilarSource]:
    matches = []
    for name, source in ws.use_case.sources.items():
        for other_name, other_source in other.use_case.sources.items():
            shared = tuple(c for c in source.columns if c in other_source.columns)
            common = len(shared) / min(len(source.columns), len(other_source.columns))
            same = _reads_same_extracts(source, other_source)
            if same or (common >= SIMILAR_SHARE and len(shared) > 1):
                newest = open_findings(other).rows()[-MAX_FINDINGS:][::-1]
                matches.append(
                    SimilarSource(
                        source=name,
                        use_case=other.use_case.name,
                        title=other.use_case.title,
                        other_source=other_name,
                        shared=shared,
                        why="same extracts" if same else f"{len(shared)} columns in common",
                        findings=tuple(f"{f.title}: {f.text}" for f in newest),
                    )
                )
    return matches


def _reads_same_extracts(source: Source, other: Source) -> bool:
    if source.query:
        return source.query == other.query
    same_files = (source.location, source.files) == (other.location, other.files)
    return source.files is not None and source.location is not None and same_files


def value_of_current_process(ws: Workspace) -> CurrentProcessValue | None:
    """Return the value of the current process on all known outcomes; None if no outcome is known.

    All units are valued together, as if they were decided on one day. So the random choice takes each action as often
    as the current process does on all units.
    """
    use_case, lake = ws.use_case, ws.lake
    features, outcomes = lake.entries("features"), lake.entries("outcomes")
    partitions = [
        p for p in use_case.decision_partitions(features) if p in outcomes and features[p].rows and outcomes[p].rows
    ]
    if not partitions:
        return None
    query = _outcomes_query(
        use_case,
        lake.select_rows([features[p] for p in partitions]),
        lake.select_rows([outcomes[p] for p in partitions]),
    )
    with lake.open_session(use_case.timezone) as db:
        rows = db.execute(query).df()
    if rows.empty:
        return None
    first = str(rows["_partition"].iloc[0])
    value = value_of_day(use_case.kpi, first, rows, rows["an outcome"].to_numpy(float))
    summary = summarize_days(use_case.kpi, "replay", [value])
    return CurrentProcessValue(
        first=first,
        last=str(rows["_partition"].iloc[-1]),
        decisions=summary.decisions,
        label=exactness.label_figures(ws, "replay"),
        currency=use_case.kpi.currency,
        per_1000=summary.per_1000,
    )


def _outcomes_query(use_case: UseCase, features: str, outcomes: str) -> str:
    """Return the SQL that joins features and outcomes by unit.

    The KPI's outcome has the column name "an outcome", with a space.

    features, outcomes: the SQL of the two tables, such as subqueries.
    """
    kpi, key = use_case.kpi, identifiers(use_case.decision.key)
    payoff_inputs = _columns_of(kpi.payoff_sql, "f.") + _columns_of(kpi.outcome_columns[1:], "o.")
    required = _columns_of(kpi.outcome_columns, "o.")
    extra = "".join(f", {column}" for column in payoff_inputs)
    return f"""select _partition, f.decided_at, f.current_action, f.current_action as action,
            o.{identifier(kpi.outcome)} as "an outcome"{extra}
        from {features} f join {outcomes} o using (_partition, {key})
        where {" and ".join(f"{column} is not null" for column in required)}
        order by _partition, f.decided_at, {key}"""


def _columns_of(names: Sequence[str] | dict[str, str], prefix: str) -> list[str]:
    return [prefix + identifier(name) for name in names]


def write_report(ws: Workspace, state: CurrentState, now: datetime) -> Path:
    """Write the page `current_state.html` and return its path. now: the current time (UTC, naive)."""
    path = ws.reports / "current_state.html"
    blanks = ws.use_case.blanks if isinstance(ws.use_case, Draft) else ()
    template = page_environment().get_template("current_state.html")
    page = template.render(use_case=ws.use_case, state=state, now=now, blanks=blanks)
    write_atomic(path, page.encode())
    return path
