"""Name the actions that people must take, in the words of the desk's list: the label, the time, and the action.

A message must contain no personal data. So no unit is named if its key is personal. Declared labels and facts are left
out if a source that they are read from has a personal column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sixtyforty.decisions.column_labels import ColumnLabels, read_labels
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.listed_units import ListedUnit, list_inputs, read_listed_units
from sixtyforty.spec.kpi_wording import describe_action
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.workspace import Workspace

MAX_NAMED = 10  # actions that a message names
NO_UNIT = ListedUnit()
ActionRow = tuple[str, datetime, str, tuple[Any, ...]]  # decision id, decision time, action, key of the unit


def name_actions(ws: Workspace, track: Track, partitions: Sequence[str]) -> list[str]:
    """Return a line for each of the first MAX_NAMED actions, such as `- shop north (decide by 08:30): call a baker`.

    They come in the order of the desk's list: by the fact that `decision_list.sort` names, else by decision time.
    partitions: of the decisions, sorted.
    """
    use_case, key = ws.use_case, ws.use_case.decision.key
    if any(set(key) & set(source.personal) for source in use_case.sources.values()):
        return []
    rows, columns = _read_actions(ws, track, partitions)
    units, labels, order = _read_units(ws, track, partitions), _read_labels(ws), use_case.decision_list.sort or ""

    def place(row: ActionRow) -> tuple[object, ...]:
        decision_id, decided_at, _, unit = row
        fact = units.get(decision_id, NO_UNIT).facts.get(order)
        return (fact is None, decided_at if fact is None else fact, decided_at, unit)

    lines = []
    for decision_id, _, action, unit in sorted(rows, key=place)[:MAX_NAMED]:
        listed = units.get(decision_id, NO_UNIT)
        parts = [f"{c.replace('_', ' ')} {labels.text(c, unit[key.index(c)])}" for c in columns]
        time = _describe_time(use_case, order, listed.facts.get(order))
        lines.append(f"- {listed.label or ', '.join(parts)}{time}: {describe_action(action, use_case.kpi)}")
    more = len(rows) - len(lines)
    rest = [f"- and {format_plural(more, 'more action')}, listed on the desk"] if more else []
    return ["What to do:", *lines, *rest] if lines else []


def _read_actions(ws: Workspace, track: Track, partitions: Sequence[str]) -> tuple[list[ActionRow], list[str]]:
    """Return the decisions with action, and the columns of the key that tell the partitions' units apart."""
    key, idle = ws.use_case.decision.key, ws.use_case.kpi.idle_action
    chosen = ws.lake.select_rows(ws.lake.entries(decisions_dataset(track), partitions).values())
    distinct = ", ".join(f"count(distinct {identifier(column)})" for column in key)
    with ws.lake.open_session(ws.use_case.timezone) as db:
        counts = db.execute(f"select {distinct} from {chosen}").fetchall()[0]
        query = f"select decision_id, decided_at, action, {identifiers(key)} from {chosen} where action <> $1"
        rows = [(*row[:3], tuple(row[3:])) for row in db.execute(query, [idle]).fetchall()]
    return rows, [column for column, count in zip(key, counts, strict=True) if count > 1] or key


def _read_labels(ws: Workspace) -> ColumnLabels:
    """Return the labels of codes; none if a source that they are read from has personal columns."""
    sources = {label.source for label in ws.use_case.labels.values()}
    is_personal = any(ws.use_case.sources[name].personal for name in sources)
    return ColumnLabels() if is_personal else read_labels(ws)


def _read_units(ws: Workspace, track: Track, partitions: Sequence[str]) -> Mapping[str, ListedUnit]:
    """Return the listed units by decision id; none if a source that their facts may come from has personal columns."""
    import duckdb

    use_case, name = ws.use_case, ws.use_case.decision.unit_source
    sources = [use_case.sources[name]] if name else list(use_case.sources.values())
    if any(source.personal for source in sources):
        return {}
    try:
        return {i: u for p in partitions for i, u in read_listed_units(ws, p, track, list_inputs(ws, p)).items()}
    except duckdb.Error:  # the desk's list shows the reason; here the key names the unit
        return {}


def _describe_time(use_case: UseCase, name: str, fact: object) -> str:
    """Return a time of the list, UTC and naive, in the use case's time zone, such as ` (decide by 08:30)`."""
    if not isinstance(fact, datetime):
        return ""
    local = fact.replace(tzinfo=UTC).astimezone(use_case.zone)
    return f" ({name.replace('_', ' ')} {local:%H:%M})"
