"""Compare the gain that was forecast when a champion came into force with the gain that the champion achieved.

The forecast is the gain over the current process that the gate measured, on days that the challenger hadn't been
trained on. The actual is the gain on the days when the champion was in force. Both are per 1,000 decisions, with the
gate's two-sided interval. Champions that came into force in the same month form one term, because a single day of each
champion would be too little to compare. The forecast of a term is the forecast of its first champion.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby, pairwise
from typing import Any, Literal

from sixtyforty.accounting import kpi_ledger
from sixtyforty.decisions.declared_version import describe_outdated
from sixtyforty.spec.kpi import EvidenceLabel, Kpi
from sixtyforty.spec.money import format_money
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.lift import Interval, estimate_lift
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.workspace import Workspace

ForecastVerdict = Literal["within the forecast", "below the forecast", "above the forecast", "not known yet"]
UNKNOWN = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class ChampionTerm:
    """The champions that came into force in the same month, with the gain that was forecast and the actual gain.

    `since`: the local day on which the first champion came into force. `first`, `last`: the first and last partition of
    the term with an account; None without an account. `forecast`: the gain per 1,000 decisions that the gate measured
    for the first champion. `actual`: the gain per 1,000 decisions of all champions of the term.
    """

    since: str
    versions: list[str]
    first: str | None
    last: str | None
    decisions: int
    forecast: Interval
    actual: Interval

    @property
    def name(self) -> str:
        """The month in which the champions came into force, such as `May 2013`."""
        return date.fromisoformat(self.since).strftime("%B %Y")

    @property
    def verdict(self) -> ForecastVerdict:
        """How the actual gain compares with the forecast, in words for people."""
        return compare_with_forecast(self.forecast, self.actual)

    def reaches_target(self, target: float, is_outdated: bool = False) -> bool | None:
        """Return whether the actual gain per 1,000 decisions reaches a target; None if it is unknown or outdated."""
        return None if math.isnan(self.actual.value) or is_outdated else self.actual.value >= target

    def to_dict(self, target: float, is_outdated: bool = False) -> dict[str, Any]:
        """Return the champions' forecast and actual gain for JSON. target, is_outdated: see `reaches_target`."""
        return {
            "since": self.since,
            "versions": self.versions,
            "from": self.first,
            "to": self.last,
            "decisions": self.decisions,
            "forecast": RoundedInterval.of(self.forecast).to_dict(),
            "actual": RoundedInterval.of(self.actual).to_dict(),
            "verdict": self.verdict,
            "target_reached": self.reaches_target(target, is_outdated),
        }


@dataclass(frozen=True)
class ForecastRecord:
    """The forecast and actual gains of a track's champions, oldest first, and the forecast for the coming month.

    `confidence`: the confidence level of the two-sided intervals. `is_outdated`: whether some decisions of the replay
    are outdated (see `OutdatedReplay`). Whether a term reaches the KPI's target then counts as unknown.
    """

    confidence: float
    terms: list[ChampionTerm]
    coming_month: Interval
    is_outdated: bool = False

    def to_dict(self, kpi: Kpi) -> dict[str, Any]:
        """Return the forecast and actual gains of all champions for JSON. An unknown figure is None."""
        return {
            "confidence": round(self.confidence, 4),
            "target": kpi.target,
            "target_date": None if kpi.target_date is None else kpi.target_date.isoformat(),
            "terms": [term.to_dict(kpi.target, self.is_outdated) for term in self.terms],
            "coming_month": RoundedInterval.of(self.coming_month).to_dict(),
        }


def compare_with_forecast(forecast: Interval, actual: Interval) -> ForecastVerdict:
    """Return how an actual gain compares with the forecast: "within the forecast" if their intervals overlap.

    If an end of an interval is unknown, the verdict is "not known yet".
    """
    if any(math.isnan(end) for end in (forecast.low, forecast.high, actual.low, actual.high)):
        return "not known yet"
    if actual.high < forecast.low:
        return "below the forecast"
    return "above the forecast" if actual.low > forecast.high else "within the forecast"


def interval_confidence(use_case: UseCase) -> float:
    """Return the confidence level of the two-sided interval whose lower end is the gate's one-sided lower bound."""
    return 2 * use_case.gate.confidence - 1


def read_forecast(rows: Sequence[ChampionRow], champion: ChampionRow) -> Interval:
    """Return the gain that the gate measured for a champion's version, in the newest evidence up to its promotion.

    rows: all rows of the champion ledger. The row of an adoption, approval or rollback contains no evidence, so an
    earlier row of the same version counts. The gain is NaN if no row contains evidence.
    """
    judged = [row for row in rows if row.version == champion.version and row.seq <= champion.seq]
    gains = [row.lift_vs_current for row in judged if row.lift_vs_current is not None]
    return RoundedInterval.from_dict(gains[-1]).to_interval() if gains else UNKNOWN


def list_terms(
    use_case: UseCase,
    rows: Sequence[ChampionRow],
    champions: Sequence[ChampionRow],
    daily_values: Sequence[DailyValue],
) -> list[ChampionTerm]:
    """Return the forecast and the actual gain of the champions, grouped by the month in which they came into force.

    rows: all rows of the champion ledger. champions: must be in the order in which they came into force. daily_values:
    must be sorted by partition. Each partition counts once, for the champion in force at the partition's end.
    """
    takeovers = {
        datetime.fromisoformat(row.effective_from): row for row in champions
    }  # of champions that came into force at the same time, the last one counts
    in_force = list(takeovers.values())
    starts = [bisect_right(daily_values, at, key=lambda d: use_case.closes_at(d.partition)) for at in takeovers]
    bounds = pairwise([*starts, len(daily_values)])
    days_of = {row.hash: daily_values[start:end] for row, (start, end) in zip(in_force, bounds, strict=True)}
    terms = []
    for _, group in groupby(in_force, key=lambda row: _local_day(use_case, row).strftime("%Y-%m")):
        same_month = list(group)
        days = [day for row in same_month for day in days_of[row.hash]]
        terms.append(
            ChampionTerm(
                since=_local_day(use_case, same_month[0]).isoformat(),
                versions=list(dict.fromkeys(row.version for row in same_month)),
                first=days[0].partition if days else None,
                last=days[-1].partition if days else None,
                decisions=sum(day.decisions for day in days),
                forecast=read_forecast(rows, same_month[0]),
                actual=estimate_lift(days, confidence=interval_confidence(use_case)),
            )
        )
    return terms


def _local_day(use_case: UseCase, row: ChampionRow) -> date:
    effective_from = datetime.fromisoformat(row.effective_from).replace(tzinfo=UTC)
    return effective_from.astimezone(use_case.zone).date()


def read_forecasts(
    ws: Workspace, track: Track, until: str | None = None, daily_values: Sequence[DailyValue] | None = None
) -> ForecastRecord:
    """Return the forecasts and the actual gains of a track's champions.

    until: the last partition to count; None counts all. daily_values: the daily values of these partitions, if the
    caller has already read them.
    """
    if daily_values is None:
        daily_values = kpi_ledger.read_daily_values(ws, track, until)
    rows = ws.champion_ledger.rows()
    end = ws.use_case.closes_at(until).isoformat() if until else "9999"
    champions = [row for row in ws.champion_ledger.promotions(track) if row.effective_from <= end]
    terms = list_terms(ws.use_case, rows, champions, daily_values)
    coming_month = read_forecast(rows, champions[-1]) if champions else UNKNOWN
    is_outdated = describe_outdated(ws, track, until) is not None
    return ForecastRecord(interval_confidence(ws.use_case), terms, coming_month, is_outdated)


def explain_target(kpi: Kpi, gain: RoundedInterval, label: EvidenceLabel, outdated: str | None = None) -> str:
    """Return sentences that compare a gain per 1,000 units with the target.

    outdated: the text from `describe_outdated`, which replaces the comparison; None if the gain isn't outdated.
    """
    by = f" by {kpi.target_date:%d %B %Y}".replace(" 0", " ") if kpi.target_date else ""
    target = format_money(kpi.target, kpi.currency)
    comparison = outdated or _compare_with_target(kpi, gain, label)
    return f"The target is {target} per 1,000 {kpi.unit_plural}{by}. {comparison}"


def _compare_with_target(kpi: Kpi, gain: RoundedInterval, label: EvidenceLabel) -> str:
    if gain.value is None:
        return "No gain is known yet."
    amount, reaches = format_money(gain.value, kpi.currency), gain.value >= kpi.target
    if label == "assumed":
        return f"The assumed gain of {amount} {'reaches' if reaches else 'does not reach'} it."
    if gain.low is None or gain.high is None:
        return f"The gain of {amount} is {'above' if reaches else 'below'} it, with too few days for an interval."
    interval = f"{format_money(gain.low, kpi.currency)} to {format_money(gain.high, kpi.currency)}"
    if gain.low >= kpi.target:
        return f"The gain of {amount} reaches it: the 95% confidence interval is {interval}."
    if reaches:
        return f"The gain of {amount} is above it, but the lower end of its 95% confidence interval isn't: {interval}."
    return f"The gain of {amount} is below it: the 95% confidence interval is {interval}."
