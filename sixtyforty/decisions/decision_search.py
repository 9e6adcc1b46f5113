"""Search for decisions whose key columns, partition or decision id begin with given words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sixtyforty.decisions.decision_records import records_from_rows
from sixtyforty.decisions.decision_table import DecidedBy, decisions_dataset
from sixtyforty.spec.track import Track
from sixtyforty.storage.duckdb_session import time_limit
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.workspace import Workspace

MAX_SECONDS = 20.0  # for a search, so that searches of many people can't occupy the desk


@dataclass(frozen=True)
class MatchingDecision:
    """A decision that matches a search. `decided_at`: UTC time. `unit`: the unit's key columns."""

    decision_id: str
    partition: str
    decided_at: datetime
    action: str
    decided_by: DecidedBy
    unit: Mapping[str, object]


def _as_stored_time(word: str) -> str:
    """Return a word as DuckDB writes times, if it is a time: without zeros at the end of the fraction and offset."""
    if ":" not in word:
        return word
    return re.sub(r"([-+]\d\d):00$", r"\1", re.sub(r"(:\d\d)(\.\d*?)0+(?=$|[-+])", r"\1\2", word)).rstrip(".")


@dataclass(frozen=True)
class SearchFilter:
    """Which decisions a search returns.

    first, last: the local days of the decision times, both included; None doesn't limit them. only_open: only decisions
    whose outcome isn't known yet.
    """

    first: date | None = None
    last: date | None = None
    only_open: bool = False


def search_decisions(
    ws: Workspace, track: Track, text: str, limit: int = 50, kept: SearchFilter | None = None
) -> list[MatchingDecision]:
    """Return the newest decisions of a track that match every word of a text, newest first, at most `limit`.

    A word matches if a word of a key column, the decision id or the partition begins with it, in upper or lower case.
    Without words, all decisions match that the filter `kept` lets through; without a filter, too, none does.
    Raises QueryTooSlowError if the search takes longer than MAX_SECONDS.
    """
    entries, key = ws.lake.entries(decisions_dataset(track)), ws.use_case.decision.key
    words, filtered = [_as_stored_time(word) for word in text.lower().split()], kept or SearchFilter()
    if not entries or not (words or filtered != SearchFilter()):
        return []
    searched = [*key, "decision_id", "_partition"]
    begins = " or ".join(f"contains(' ' || lower({identifier(column)}::varchar), ' ' || ?)" for column in searched)
    conditions = [*(f"({begins})" for _ in words), *_filter_conditions(ws, filtered)]
    columns = f"decision_id, _partition as partition, decided_at, action, decided_by, {identifiers(key)}"
    with ws.lake.open_session(ws.use_case.timezone) as db, time_limit(db, MAX_SECONDS):
        rows = db.sql(
            f"""select {columns} from {ws.lake.select_rows(entries.values())} d where {" and ".join(conditions)}
            order by decided_at desc, decision_id limit {limit}""",
            params=[word for word in words for _ in searched],
        )
        return records_from_rows(MatchingDecision, rows.columns, rows.fetchall())


def _filter_conditions(ws: Workspace, kept: SearchFilter) -> list[str]:
    """Return the SQL conditions of a filter. The decisions are the table `d`."""
    conditions = []
    if kept.first:
        conditions.append(f"decided_at >= timestamp '{ws.use_case.day_start(kept.first)}'")
    if kept.last:
        conditions.append(f"decided_at < timestamp '{ws.use_case.day_start(kept.last + timedelta(days=1))}'")
    outcomes = ws.lake.entries("outcomes") if kept.only_open else {}
    if outcomes:
        same = " and ".join(f"o.{identifier(column)} = d.{identifier(column)}" for column in ws.use_case.decision.key)
        is_known = f"o.{identifier(ws.use_case.kpi.outcome)} is not null and o.known_at is not null"
        known = f"from {ws.lake.select_rows(outcomes.values())} o where o._partition = d._partition and {same}"
        conditions.append(f"not exists (select 1 {known} and {is_known})")
    return conditions or ["true"]
