"""What was forecast when a champion took over, and what it then brought.

The forecast is the lift over the current process that the gate saw on days the challenger hadn't learned from; the
actual, the lift on the days it was in force. Both with the gate's two-sided interval, per 1,000 decisions. Champions
that follow each other within a month share a row, with the first one's forecast: one day proves nothing.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby, pairwise
from typing import Any, Literal

from sixtyforty.accounting import kpi_ledger
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.champion_ledger import Row
from sixtyforty.value.lift import Day, Interval, lift
from sixtyforty.workspace import Workspace

Verdict = Literal["within what was forecast", "below what was forecast", "above what was forecast", "not known yet"]
UNKNOWN = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Term:
    """Champions in force one after the other, and what was forecast and came of it.

    `since`: the local day on which the first took over. `first`, `last`: its accounted days; None without any.
    """

    since: str
    versions: list[str]
    first: str | None
    last: str | None
    decisions: int
    promised: Interval
    kept: Interval

    @property
    def name(self) -> str:
        """The month it began in, for people."""
        return date.fromisoformat(self.since).strftime("%B %Y")

    @property
    def verdict(self) -> Verdict:
        """Whether the two intervals overlap."""
        return verdict(self.promised, self.kept)

    def plain(self, target: float) -> dict[str, Any]:
        """As JSON; what isn't known is null."""
        known = not math.isnan(self.kept.value)
        return {
            "since": self.since,
            "versions": self.versions,
            "from": self.first,
            "to": self.last,
            "decisions": self.decisions,
            "forecast": _plain(self.promised),
            "actual": _plain(self.kept),
            "verdict": self.verdict,
            "target_reached": self.kept.value >= target if known else None,
        }


def verdict(promised: Interval, kept: Interval) -> Verdict:
    """What the actual is to the forecast; an interval that isn't known overlaps nothing and contradicts nothing."""
    if any(math.isnan(v) for v in (promised.low, promised.high, kept.low, kept.high)):
        return "not known yet"
    if kept.high < promised.low:
        return "below what was forecast"
    return "above what was forecast" if kept.low > promised.high else "within what was forecast"


def confidence(use_case: UseCase) -> float:
    """Of the two-sided intervals whose lower end is the gate's one-sided bound."""
    return 2 * use_case.gate.confidence - 1


def promise(rows: Sequence[Row], champion: Row) -> Interval:
    """The forecast its version was last judged with: an adoption, approval or rollback is judged on no figures."""
    mine = (r for r in rows if r.version == champion.version and r.seq <= champion.seq)
    seen = [r.evidence["lift_vs_current"] for r in mine if "lift_vs_current" in r.evidence]
    if not seen:
        return UNKNOWN
    return Interval(*(math.nan if seen[-1][k] is None else seen[-1][k] for k in ("value", "low", "high")))


def terms(use_case: UseCase, rows: Sequence[Row], champions: Sequence[Row], days: Sequence[Day]) -> list[Term]:
    """The terms of these champions (in order of effect), oldest first; `rows`: the whole ledger; `days` in order.

    A day counts for who was in force when it ended, so that each day with a champion counts once.
    """
    begun = {datetime.fromisoformat(r.effective_from): r for r in champions}  # of two at one moment, the later row
    in_force, found = list(begun.values()), []
    starts = [bisect_right(days, moment, key=lambda d: use_case.closes(d.partition)) for moment in begun]
    bounds = pairwise([*starts, len(days)])
    held = {r.hash: days[start:end] for r, (start, end) in zip(in_force, bounds, strict=True)}
    for _, group in groupby(in_force, key=lambda r: _local(use_case, r).strftime("%Y-%m")):
        together = list(group)
        mine = [day for row in together for day in held[row.hash]]
        found.append(
            Term(
                since=_local(use_case, together[0]).isoformat(),
                versions=list(dict.fromkeys(r.version for r in together)),
                first=mine[0].partition if mine else None,
                last=mine[-1].partition if mine else None,
                decisions=sum(d.decisions for d in mine),
                promised=promise(rows, together[0]),
                kept=lift(mine, confidence=confidence(use_case)),
            )
        )
    return found


def _local(use_case: UseCase, row: Row) -> date:
    moment = datetime.fromisoformat(row.effective_from).replace(tzinfo=UTC)
    return moment.astimezone(use_case.zone).date()


@dataclass(frozen=True)
class Forecast:
    """All terms of a track, and what is forecast for the coming month: the figure of the champion in force."""

    confidence: float
    terms: list[Term]
    coming: Interval

    def plain(self, kpi: Kpi) -> dict[str, Any]:
        """As JSON; what isn't known is null."""
        by = None if kpi.target_date is None else kpi.target_date.isoformat()
        return {
            "confidence": round(self.confidence, 4),
            "target": kpi.target,
            "target_date": by,
            "terms": [t.plain(kpi.target) for t in self.terms],
            "coming_month": _plain(self.coming),
        }


def forecast(ws: Workspace, track: str, until: str | None = None, known: Sequence[Day] | None = None) -> Forecast:
    """What was forecast and what came of it on a track, up to a partition's end if one is given.

    known: the days up to there, where they are at hand.
    """
    rows, end = ws.ledger.rows(), ws.use_case.closes(until).isoformat() if until else "9999"
    champions = [r for r in ws.ledger.champions(track) if r.effective_from <= end]
    found = terms(ws.use_case, rows, champions, kpi_ledger.days(ws, track, until) if known is None else known)
    return Forecast(confidence(ws.use_case), found, promise(rows, champions[-1]) if champions else UNKNOWN)


def aim(kpi: Kpi, gained: Mapping[str, float | None], label: str) -> str:
    """The target against a lift (`value`, `low`, `high`, as in `impact.summary`) and its label, in words.

    What is assumed is never sure.
    """
    by = f" by {kpi.target_date:%d %B %Y}".replace(" 0", " ") if kpi.target_date else ""
    said = f"The target is {kpi.target:+,.0f} {kpi.unit} per 1,000 {kpi.noun}{by}"
    value, low = gained["value"], gained["low"]
    if value is None:
        return f"{said}; nothing is known yet."
    sure = low is not None and low >= kpi.target and label != "assumed"
    became = "surely reached" if sure else "reached" if value >= kpi.target else "not reached"
    return f"{said}; so far it is {value:+,.0f}{' (assumed)' if label == 'assumed' else ''}: {became}."


def _plain(interval: Interval) -> dict[str, float | None]:
    return {k: None if math.isnan(v) else round(v, 2) for k, v in interval.__dict__.items()}
