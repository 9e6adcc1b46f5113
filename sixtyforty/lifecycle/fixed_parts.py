"""The parts of a declaration that stay as they are once there is data: keys, time zone and partitions.

They are the identity of partitions, units and decisions. A row, a decision or an account that was stored by one key or
calendar can't be mixed with those of another. The file `fixed_parts.json` in the lake holds the parts by which the data
was stored. A run by other parts is refused, and readers go on with the parts of the data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sixtyforty.spec.draft import Draft
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.files import canonical_json, write_atomic
from sixtyforty.storage.object_store import StoragePath
from sixtyforty.workspace import Workspace

FILE = "fixed_parts.json"
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WHOLE_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "INT", "BIGINT", "HUGEINT")  # equal numbers make equal decision ids
Parts = Mapping[str, Any]  # JSON values by the path of the declared field


class FixedPartError(SixtyfortyError):
    """A key or the calendar of a use case with data was changed. The text names the change and the cure."""


@dataclass(frozen=True)
class ChangedPart:
    """A part of the declaration that differs from the one by which the data was stored."""

    field: str
    stored: Any
    declared: Any

    def __str__(self) -> str:
        """Return the field with both values."""
        return f"{self.field} was {_shown(self.stored)} and is {_shown(self.declared)} now"


def declared_parts(use_case: UseCase) -> dict[str, Any]:
    """Return the fixed parts of a declaration. Those of blanks of a draft are left out."""
    parts: dict[str, Any] = {"timezone": use_case.timezone, "partitions.every": use_case.partitions.every}
    if use_case.partitions.every == "week":
        parts["partitions.start"] = WEEKDAYS[use_case.partitions.start.weekday()]
    for name, source in use_case.sources.items():
        parts[f"sources.{name}.key"] = sorted(source.key)
        parts[f"sources.{name}.partition"] = " ".join(source.partition.split()) if source.partition else None
    if not isinstance(use_case, Draft) or {"decision", "people"} <= use_case.model_fields_set:
        columns = use_case.unit_columns
        parts["decision.key"] = use_case.decision.key
        parts["decision.unit_source"] = use_case.decision.unit_source
        parts["decision.key types"] = [_type_family(columns[column]) for column in use_case.decision.key]
    return parts


def _type_family(kind: str) -> str:
    return "a whole number" if kind.upper() in WHOLE_NUMBERS else kind.upper()


def find_changed_parts(ws: Workspace) -> list[ChangedPart]:
    """Return the fixed parts that differ from those of the data. A part without data has not changed."""
    stored, declared = _read(_file(ws)), declared_parts(ws.use_case)
    changes = [
        ChangedPart(field, stored[field], part)
        for field, part in declared.items()
        if field in stored and stored[field] != part
    ]
    return [change for change in changes if _has_data(ws, change.field)]


def require_fixed_parts(ws: Workspace) -> None:
    """Record the fixed parts of a use case that has none yet. Raises FixedPartError if a recorded one has changed."""
    if changes := find_changed_parts(ws):
        raise FixedPartError(describe_changes(ws, changes))
    stored = _read(_file(ws))
    recorded = {**stored, **declared_parts(ws.use_case)}
    if recorded != stored:
        write_atomic(_file(ws), canonical_json(recorded).encode())


def describe_changes(ws: Workspace, changes: list[ChangedPart]) -> str:
    """Return what changed, why no run is possible, and the cure, in sentences for people."""
    name = ws.use_case.name
    cure = (
        f"Put it back. To decide by another key or calendar, declare a new use case: `sixtyforty new {name}_2 --like"
        f" {name}`. The accounts of {name} stay readable."
    )
    if not ws.champion_ledger.promotions("live"):
        cure += f" Or, as {name} isn't live, move {ws.lake.root} and its models away and run it again."
    return f"{name}: {'; '.join(map(str, changes))}. Its data was stored by the earlier declaration. {cure}"


def with_stored_parts(ws: Workspace) -> Workspace:
    """Return a workspace whose use case has the keys and the calendar of its data, so that these stay readable.

    Its `refusal` says what the declaration changed.
    """
    if isinstance(ws.use_case, Draft):  # it has taken no decisions
        return ws
    changes = find_changed_parts(ws)
    if not changes:
        return ws
    stored = {change.field: change.stored for change in changes}
    return replace(ws, use_case=_restore(ws.use_case, stored), refusal=describe_changes(ws, changes))


def _restore(use_case: UseCase, parts: Parts) -> UseCase:
    decision = {name: parts[f"decision.{name}"] for name in ("key", "unit_source") if f"decision.{name}" in parts}
    partitions = {"every": parts["partitions.every"]} if "partitions.every" in parts else {}
    if "partitions.start" in parts:  # the same week, by the weekday of the data
        start = use_case.partitions.start
        partitions["start"] = start - timedelta(days=(start.weekday() - WEEKDAYS.index(parts["partitions.start"])) % 7)
    updates: dict[str, Any] = {"timezone": parts["timezone"]} if "timezone" in parts else {}
    if decision:
        updates["decision"] = use_case.decision.model_copy(update=decision)
    if partitions:
        updates["partitions"] = use_case.partitions.model_copy(update=partitions)
    # A plain copy would keep the cached time zone and limits.
    fields = {name: getattr(use_case, name) for name in type(use_case).model_fields}
    return type(use_case).model_construct(**fields | updates)


def _has_data(ws: Workspace, field: str) -> bool:
    """Return whether something was stored by a part."""
    if field.startswith("sources."):
        return bool(ws.lake.partitions(f"raw/{field.split('.')[1]}"))
    if field.startswith("decision."):
        return any(ws.lake.partitions(dataset) for dataset in ("features", "decisions/live", "decisions/replay"))
    return any(ws.lake.partitions(f"raw/{name}") for name in ws.use_case.partitioned)


def _file(ws: Workspace) -> StoragePath:
    return ws.lake.root / FILE


def _read(file: StoragePath) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_bytes()))
    except FileNotFoundError:
        return {}


def _shown(part: Any) -> str:
    if part is None:
        return "absent"
    return f"[{', '.join(part)}]" if isinstance(part, list) else f"'{part}'"
