"""Sentences about what the figures of a period don't cover: missing months, and what was tuned on the same days."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from sixtyforty.decisions.declaration_record import list_declarations
from sixtyforty.lifecycle.plan_changes import find_changes
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_plural
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.workspace import Workspace

CHANGED_PARTS = {
    "payoff": "payoffs",
    "capacity": "limits of actions",
    "veto": "vetoes",
    "review": "reviews",
    "gate": "conditions for a model to take over",
    "recipe": "models",
    "replay": "times of training",
}
OTHER_PARTS = "data or SQL"


def describe_limits(ws: Workspace, track: Track, days: Sequence[DailyValue]) -> list[str]:
    """Return sentences about what the figures of a track don't cover, and what was tuned on the same days.

    days: the partitions with a known outcome.
    """
    seasons = describe_missing_months([day.partition for day in days])
    return [*([seasons] if seasons else []), *_describe_models(ws, track), _describe_declarations(ws)]


def describe_missing_months(partitions: Iterable[str]) -> str | None:
    """Return a sentence that names the months of the year without any partition; None if each month has one."""
    covered = {int(partition[5:7]) for partition in partitions}
    missing = [month for month in range(1, 13) if month not in covered]
    if not missing or not covered:
        return None
    starts = [month for month in missing if (month - 2) % 12 + 1 in covered]
    ranges = [_name_range(start, covered) for start in starts]
    return f"No figure covers {_join(ranges)}: no outcome of these months is known. The gain may differ there."


def _name_range(start: int, covered: set[int]) -> str:
    """Return the months from `start` to the month before the next covered one, such as `December to February`."""
    end = start
    while end % 12 + 1 not in covered:
        end = end % 12 + 1
    names = [date(2000, month, 1).strftime("%B") for month in (start, end)]
    return names[0] if start == end else " to ".join(names)


def _describe_models(ws: Workspace, track: Track) -> list[str]:
    rows = [row for row in ws.champion_ledger.rows() if row.track == track and row.tried_recipes]
    tried = {recipe for row in rows for recipe in row.tried_recipes}
    if not rows:
        return []
    looks = format_plural(len(rows), "time")
    compared = f"{format_plural(len(tried), 'way')} to build the model"
    return [
        f"The ledger records {compared}, judged {looks} on days of this period. A model decides only on days after it"
        " was judged."
    ]


def _describe_declarations(ws: Workspace) -> str:
    """Return what changed between the declarations under which decisions were stored."""
    unrecorded = "Changes that were tried without storing decisions aren't recorded."
    declarations = list_declarations(ws)
    if len(declarations) < 2:
        return f"The decisions were stored under one declaration. {unrecorded}"
    kinds = {change.kind for other in declarations[1:] for change in find_changes(declarations[0], other)}
    parts = [name for kind, name in CHANGED_PARTS.items() if kind in kinds]
    parts += [OTHER_PARTS] if kinds - CHANGED_PARTS.keys() else []
    return (
        f"Decisions were stored under {len(declarations)} declarations, which differ in {_join(parts)}. A change after"
        f" the outcomes were known may fit them. {unrecorded}"
    )


def _join(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
