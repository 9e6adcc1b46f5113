"""Fix the parts of a declaration that must not change once the use case has data: keys, time zone and partitions.

These parts identify partitions, units and decisions. Data that was stored under one key or calendar can't be mixed with
data of another one. Live decisions fix two more parts, because these value them: the currency, and the actions that the
decisions name.

The file `fixed_parts.json` in the lake records the parts under which the data was stored. If the declaration changes a
recorded part, every run is refused. Pages and reports then use the recorded parts.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sixtyforty.spec.draft import Draft
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.files import access_errors, canonical_json, write_atomic
from sixtyforty.storage.object_store import StoragePath
from sixtyforty.workspace import Workspace

FILE = "fixed_parts.json"
CURRENCY = "kpi.currency"
ACTIONS = "kpi.actions"  # actions may be added; an action may be removed only if no live decision names it
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WHOLE_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "INT", "BIGINT", "HUGEINT")  # equal numbers make equal decision ids
Parts = Mapping[str, Any]  # JSON values by the path of the declared field


class FixedPartError(SixtyfortyError):
    """The declared keys, time zone or partitions were edited, although data was already stored under the earlier ones.

    The message says what to do.
    """


@dataclass(frozen=True)
class ChangedPart:
    """A key, time zone or partition field that had another value in the declaration when the data was stored."""

    field: str
    stored: Any
    declared: Any

    def __str__(self) -> str:
        """Return a clause, such as `timezone was 'UTC' and is 'Europe/Berlin' now`."""
        return f"{self.field} was {_shown(self.stored)} and is {_shown(self.declared)} now"


def declared_parts(use_case: UseCase) -> dict[str, Any]:
    """Return the keys, time zone and partitions of a declaration, by field. Fields missing in a draft are left out."""
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
    if not isinstance(use_case, Draft):
        parts[ACTIONS], parts[CURRENCY] = sorted(use_case.kpi.actions), use_case.kpi.currency
    return parts


def _type_family(kind: str) -> str:
    return "a whole number" if kind.upper() in WHOLE_NUMBERS else kind.upper()


def find_changed_parts(ws: Workspace) -> list[ChangedPart]:
    """Return the fixed parts (keys, time zone, partitions) that were edited after data had been stored.

    A part on which no stored data depends is left out, because an edit of this part is allowed.
    """
    stored, declared = _read(_file(ws)), declared_parts(ws.use_case)
    changes = [
        ChangedPart(field, stored[field], part)
        for field, part in declared.items()
        if field in stored and stored[field] != part
    ]
    return [change for change in changes if _has_data(ws, change)]


def refuse_changed_parts(ws: Workspace) -> None:
    """Raise FixedPartError if keys, time zone or partitions were edited after data had been stored. Write nothing.

    ws: a workspace with the keys and the calendar of the current declaration. A draft may still change every part,
    because it has taken no decisions.
    """
    if isinstance(ws.use_case, Draft):
        return
    if changes := find_changed_parts(ws):
        raise FixedPartError(f"No run is possible with the edited declaration. {describe_changes(ws, changes)}")


def require_fixed_parts(ws: Workspace) -> None:
    """Record the declared keys, time zone and partitions. Raises FixedPartError if a recorded one was edited.

    The parts of a draft are not recorded.
    """
    if isinstance(ws.use_case, Draft):
        return
    refuse_changed_parts(ws)
    stored = _read(_file(ws))
    recorded = {**stored, **declared_parts(ws.use_case)}
    if recorded != stored:
        write_atomic(_file(ws), canonical_json(recorded).encode())


def describe_changes(ws: Workspace, changes: list[ChangedPart]) -> str:
    """Return sentences for people: what changed, why no run is possible, and what to do next."""
    name = ws.use_case.name
    cure = (
        "Restore the earlier declaration. To decide by another key, calendar or currency, declare a new use case:"
        f" `sixtyforty new {name}_2 --like {name}`. The accounts of {name} stay readable."
    )
    if any(change.field == ACTIONS for change in changes):
        cure = f"Live decisions name the removed action. Keep the action, and forbid it with a veto. {cure}"
    if not ws.champion_ledger.promotions("live"):
        cure += f" Or, because {name} isn't live, move {ws.lake.root} and the models away, then run {name} again."
    return f"{name}: {'; '.join(map(str, changes))}. Its data was stored under the earlier declaration. {cure}"


def with_stored_parts(ws: Workspace) -> Workspace:
    """Undo in memory an edit of the keys, time zone or partitions, so that the stored data stays readable.

    If the declaration changed some of them, the field `refusal` of the returned workspace says which.
    """
    if isinstance(ws.use_case, Draft):  # a draft has taken no decisions
        return ws
    changes = find_changed_parts(ws)
    if not changes:
        return ws
    stored = {change.field: change.stored for change in changes}
    return replace(ws, use_case=_restore(ws.use_case, stored), refusal=describe_changes(ws, changes))


def _restore(use_case: UseCase, parts: Parts) -> UseCase:
    decision = {name: parts[f"decision.{name}"] for name in ("key", "unit_source") if f"decision.{name}" in parts}
    partitions = {"every": parts["partitions.every"]} if "partitions.every" in parts else {}
    if "partitions.start" in parts:  # the declared start, moved back to the recorded weekday
        start = use_case.partitions.start
        partitions["start"] = start - timedelta(days=(start.weekday() - WEEKDAYS.index(parts["partitions.start"])) % 7)
    updates: dict[str, Any] = {"timezone": parts["timezone"]} if "timezone" in parts else {}
    if CURRENCY in parts:
        updates["kpi"] = use_case.kpi.model_copy(update={"currency": parts[CURRENCY]})
    if decision:
        updates["decision"] = use_case.decision.model_copy(update=decision)
    if partitions:
        updates["partitions"] = use_case.partitions.model_copy(update=partitions)
    # A plain copy of the use case would keep its cached time zone and limits.
    fields = {name: getattr(use_case, name) for name in type(use_case).model_fields}
    return type(use_case).model_construct(**fields | updates)


def _has_data(ws: Workspace, change: ChangedPart) -> bool:
    """Return whether stored data depends on a changed field of the declaration, so that the field must not change."""
    field = change.field
    if field == CURRENCY:
        return bool(ws.lake.partitions("decisions/live"))
    if field == ACTIONS:
        return _have_live_decisions(ws, set(change.stored) - set(change.declared))
    if field.startswith("sources."):
        return bool(ws.lake.partitions(f"raw/{field.split('.')[1]}"))
    if field.startswith("decision."):
        return any(ws.lake.partitions(dataset) for dataset in ("features", "decisions/live", "decisions/replay"))
    return any(ws.lake.partitions(f"raw/{name}") for name in ws.use_case.partitioned)


def _have_live_decisions(ws: Workspace, actions: Collection[str]) -> bool:
    """Return whether a live decision names one of `actions`, as the decided or as the current process's action."""
    entries = ws.lake.entries("decisions/live") if actions else {}
    if not entries:
        return False
    with ws.lake.open_session(ws.use_case.timezone) as db:
        named = db.execute(
            f"select distinct unnest([action, current_action]) from {ws.lake.select_rows(entries.values())}"
        ).fetchall()
    return not {action for (action,) in named}.isdisjoint(actions)


def _file(ws: Workspace) -> StoragePath:
    return ws.lake.root / FILE


def _read(file: StoragePath) -> dict[str, Any]:
    try:
        with access_errors(file):
            return dict(json.loads(file.read_bytes()))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise FixedPartError(f"{file} is damaged: it isn't JSON. Put it back from a backup.") from error


def _shown(part: Any) -> str:
    if part is None:
        return "absent"
    return f"[{', '.join(part)}]" if isinstance(part, list) else f"'{part}'"
