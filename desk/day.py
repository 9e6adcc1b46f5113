"""A day's decisions as people are shown them: which unit, what to do, why, and who has answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from desk.web import Asked, Problem
from sixtyforty.decisions.assignment import KEPT
from sixtyforty.decisions.deciding import decisions_of
from sixtyforty.decisions.responses import of_these
from sixtyforty.spec.clock import now
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.response_log import ANSWERS, Response


@dataclass(frozen=True)
class Shown:
    """One decision on a page. `at`: its moment on the use case's own clock. `others`: what could be done instead."""

    id: str
    unit: dict[str, Any]
    at: datetime
    action: str
    others: list[str]
    differs: bool
    acts: bool
    expected: float | None
    answer: Response | None
    rating: int | None  # by the person who asks


@dataclass(frozen=True)
class Day:
    """A partition with its decisions; `days`: all that could have been asked for; `same`: what all its units share."""

    partition: str
    days: list[str]
    same: dict[str, Any]
    decisions: list[Shown]

    @property
    def date(self) -> date:
        """The day."""
        return date.fromisoformat(self.partition[:10])

    def beside(self, step: int) -> str | None:
        """The day before (-1) or after (1) it, of those that could have been asked for."""
        place = self.days.index(self.partition) + step
        return self.days[place] if 0 <= place < len(self.days) else None

    def find(self, decision_id: str) -> Shown:
        """One of its decisions. Raises Problem when it has no such decision."""
        found = next((d for d in self.decisions if d.id == decision_id), None)
        if found is None:
            raise Problem(404, "There is no such decision", "Nothing was done. Open the page again.")
        return found


def day(asked: Asked, dataset: str, nothing: str) -> Day:
    """The day asked for, of those that this dataset of the lake has partitions of.

    By default it is today or, when there is nothing of today, the newest there is. Raises Problem: there is no such
    day or, in the words of `nothing`, none at all.
    """
    ws, days = asked.ws, sorted(asked.ws.lake.entries(dataset))
    if not days:
        raise Problem(404, nothing, "They appear here as soon as the chain has run.")
    today = local(ws.use_case, now()).date().isoformat()
    partition = asked.query.get("date") or (today if today in days else days[-1])
    if partition not in days:
        raise Problem(404, f"There is nothing of {partition}", f"There are days from {days[0]} to {days[-1]}.")
    found, key = decisions_of(ws, partition, asked.track), ws.use_case.decision.key
    same = {c: found[0][c] for c in key if len(found) > 1 and len({d[c] for d in found}) == 1}
    responses = of_these(ws, [d["decision_id"] for d in found])
    columns = [c for c in key if c not in same]
    shown = [_shown(ws.use_case, d, columns, responses.get(d["decision_id"], []), asked.who.person) for d in found]
    return Day(partition, days, same, shown)


def _shown(
    case: UseCase, decision: Mapping[str, Any], columns: Sequence[str], responses: Sequence[Response], person: str
) -> Shown:
    action = decision["action"]
    return Shown(
        id=decision["decision_id"],
        unit={c: decision[c] for c in columns},
        at=local(case, decision["decided_at"]),
        action=action,
        others=[a for a in case.kpi.actions if a != action],
        differs=action != decision["current_action"],
        acts=action != case.kpi.idle,
        expected=None
        if decision["decided_by"] in KEPT
        else decision["expected"],  # whom it is kept from, is kept blind
        answer=next((r for r in responses if r.event in ANSWERS), None),
        rating=next((r.rating for r in reversed(responses) if r.event == "rated" and r.person == person), None),
    )


def local(case: UseCase, moment: datetime) -> datetime:
    """A naive UTC moment on the use case's own clock."""
    return moment.replace(tzinfo=ZoneInfo("UTC")).astimezone(case.zone)


def clock(moment: datetime, today: date) -> str:
    """The time of a local moment, with its day where that is another one."""
    return f"{moment:%H:%M}" if moment.date() == today else f"{moment:%H:%M on %-d %B}"


def matching(decisions: Sequence[Shown], words: str) -> list[Shown]:
    """Those of whose unit or id each word is the beginning of some part."""
    wanted = words.casefold().split()
    return [d for d in decisions if all(any(p.startswith(w) for p in _parts(d)) for w in wanted)]


def _parts(shown: Shown) -> list[str]:
    return [shown.id.casefold(), *(str(v).casefold() for v in shown.unit.values())]
