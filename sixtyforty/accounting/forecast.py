"""Compare the gain that was forecast when a champion came into force with the gain that the champion achieved.

The forecast is the gain over the current process that the gate predicted for the next MONTH_DAYS days, from days that
the challenger hadn't been trained on. It has a prediction interval (`predict_lift`). The actual is the gain on the days
of this period when the champion was in force. Both are per 1,000 decisions. Champions that came into force in the same
month form one term, because a single day of each champion would be too little to compare. The forecast of a term is the
forecast of its first champion.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, zip_longest
from typing import Any, Literal

from sixtyforty.accounting import kpi_ledger
from sixtyforty.accounting.done_value import UncountedAnswersError, read_counted_days
from sixtyforty.accounting.exactness import describe_refutation
from sixtyforty.accounting.kpi_summary import CountedGain
from sixtyforty.decisions.declared_version import describe_outdated
from sixtyforty.spec.kpi import EvidenceLabel, Kpi
from sixtyforty.spec.money import format_money
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.spec.wording import format_date, format_plural
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.lift import FORECAST_CONFIDENCE, MONTH_DAYS, NO_INTERVAL, UNKNOWN, Interval
from sixtyforty.value.rounded_interval import RoundedInterval, round_known
from sixtyforty.workspace import Workspace

ForecastVerdict = Literal["within the forecast", "below the forecast", "above the forecast", "not known yet"]
MINIMUM_DAYS = 28  # days of a term that are compared with a forecast: as many as the shortest month has


@dataclass(frozen=True)
class ChampionTerm:
    """The champions that came into force in the same month, with the gain that was forecast and the actual gain.

    `since`: the local day on which the first champion came into force. `days`: the number of days from then on that are
    compared, at most MONTH_DAYS. Later days belong to no term, because they weren't forecast. `first`, `last`: the
    first and last partition of these days with an account; None without an account. `decisions`: the decisions of these
    days. `forecast`: the gain per 1,000 decisions that the gate forecast for the first champion. `actual`: the gain per
    1,000 decisions of all champions of the term; NaN without decisions. `done`: the same gain of what people did, which
    is compared with the target; None if nobody acted or it isn't recorded, and NaN if people's answers aren't counted.
    """

    since: str
    days: int
    versions: list[str]
    first: str | None
    last: str | None
    decisions: int
    forecast: Interval
    actual: float
    done: float | None = None

    @property
    def name(self) -> str:
        """The month in which the champions came into force, such as `May 2013`."""
        return date.fromisoformat(self.since).strftime("%B %Y")

    @property
    def verdict(self) -> ForecastVerdict:
        """How the actual gain compares with the forecast. It isn't known of less than MINIMUM_DAYS days."""
        return "not known yet" if self.days < MINIMUM_DAYS else compare_with_forecast(self.forecast, self.actual)

    def is_above_target(self, target: float, is_outdated: bool = False) -> bool | None:
        """Return whether the gain per 1,000 decisions is at least a target; None if it is unknown or outdated.

        A month is too short for an interval, so this doesn't show that the target is reached. On the live track, the
        gain is that of what people did, if it is recorded.
        """
        gain = self.actual if self.done is None else self.done
        return None if math.isnan(gain) or is_outdated else gain >= target

    def to_dict(self, target: float, is_outdated: bool = False) -> dict[str, Any]:
        """Return the champions' forecast and actual gain for JSON. target, is_outdated: see `is_above_target`."""
        return {
            "since": self.since,
            "days": self.days,
            "versions": self.versions,
            "from": self.first,
            "to": self.last,
            "decisions": self.decisions,
            "forecast": RoundedInterval.of(self.forecast).to_dict(),
            "actual": round_known(self.actual),
            "verdict": self.verdict,
            "above_target": self.is_above_target(target, is_outdated),
        }


@dataclass(frozen=True)
class ForecastRecord:
    """The forecast and actual gains of a track's champions, oldest first, and the forecast for the coming month.

    `coming_month`: the forecast for the newest champion. `is_outdated`: whether some decisions of the replay are
    outdated (see `OutdatedReplay`). Whether a term is above the KPI's target then counts as unknown. `confidence`: the
    confidence level of the forecasts' two-sided intervals. `days`: the number of days that a forecast is for.
    """

    terms: list[ChampionTerm]
    coming_month: Interval
    is_outdated: bool = False
    confidence: float = FORECAST_CONFIDENCE
    days: int = MONTH_DAYS

    @property
    def compared(self) -> int:
        """The number of terms whose verdict is known."""
        return sum(term.verdict != "not known yet" for term in self.terms)

    @property
    def within(self) -> int:
        """The number of terms whose gain was within the forecast."""
        return sum(term.verdict == "within the forecast" for term in self.terms)

    @property
    def coverage(self) -> str:
        """A sentence that compares the share of gains within the forecast with the share to be expected."""
        if not self.compared:
            return f"No champion with a forecast has decided for {MINIMUM_DAYS} days yet."
        months = format_plural(self.compared, "month")
        return f"{self.within} of {months} came out within their forecast ({self.confidence:.0%} were to be expected)."

    def describe_coming_range(self, currency: str) -> str:
        """Return the prediction interval of the coming month, such as `$700 to $1,300 (90%)`, or why there is none."""
        coming = self.coming_month
        if math.isnan(coming.low):
            return coming.problem or NO_INTERVAL
        low, high = (format_money(end, currency) for end in (coming.low, coming.high))
        return f"{low} to {high} ({self.confidence:.0%})"

    def to_dict(self, kpi: Kpi) -> dict[str, Any]:
        """Return the forecast and actual gains of all champions for JSON. An unknown figure is None."""
        return {
            "confidence": self.confidence,
            "within": self.within,
            "compared": self.compared,
            "target": kpi.target,
            "target_date": None if kpi.target_date is None else kpi.target_date.isoformat(),
            "terms": [term.to_dict(kpi.target, self.is_outdated) for term in self.terms],
            "coming_month": RoundedInterval.of(self.coming_month).to_dict(),
        }


def compare_with_forecast(forecast: Interval, actual: float) -> ForecastVerdict:
    """Return how an actual gain compares with the forecast: "within the forecast" if it is inside the interval.

    If the gain or an end of the interval is unknown, the verdict is "not known yet".
    """
    if any(math.isnan(amount) for amount in (forecast.low, forecast.high, actual)):
        return "not known yet"
    if actual < forecast.low:
        return "below the forecast"
    return "above the forecast" if actual > forecast.high else "within the forecast"


def read_forecast(rows: Sequence[ChampionRow], champion: ChampionRow) -> Interval:
    """Return the gate's forecast for a champion's version, from the newest evidence up to its promotion.

    rows: all rows of the champion ledger. The row of an adoption, approval or rollback contains no evidence, so an
    earlier row of the same version counts. The forecast is NaN if no row contains one.
    """
    judged = [row for row in rows if row.version == champion.version and row.seq <= champion.seq]
    forecasts = [row.forecast for row in judged if row.forecast is not None]
    return RoundedInterval.from_dict(forecasts[-1]).to_interval() if forecasts else UNKNOWN


def list_terms(
    use_case: UseCase,
    rows: Sequence[ChampionRow],
    champions: Sequence[ChampionRow],
    daily_values: Sequence[DailyValue],
    done_money: Mapping[str, float] | None = None,
) -> list[ChampionTerm]:
    """Return the forecast and the actual gain of the champions, grouped by the month in which they came into force.

    rows: all rows of the champion ledger. champions: must be in the order in which they came into force. daily_values:
    must be sorted by partition. A partition counts for the champion in force at its end, at most once. done_money: the
    money of what people did by partition. None: nobody acted, or it isn't recorded.
    """
    takeovers = {
        datetime.fromisoformat(row.effective_from): row for row in champions
    }  # of champions that came into force at the same time, the last one counts
    same_months = [
        list(group)
        for _, group in groupby(takeovers.values(), key=lambda row: _local_day(use_case, row).strftime("%Y-%m"))
    ]
    terms = []
    for same_month, next_month in zip_longest(same_months, same_months[1:]):
        until = None if next_month is None else next_month[0]
        terms.append(_make_term(use_case, rows, same_month, until, daily_values, done_money))
    return terms


def _make_term(
    use_case: UseCase,
    rows: Sequence[ChampionRow],
    same_month: Sequence[ChampionRow],
    successor: ChampionRow | None,
    daily_values: Sequence[DailyValue],
    done_money: Mapping[str, float] | None,
) -> ChampionTerm:
    """Return the term of champions that came into force in the same month. successor: the first champion after them."""
    since = _local_day(use_case, same_month[0])
    start = _first_governed(use_case, daily_values, same_month[0])
    stop = _first_governed(use_case, daily_values, successor) if successor else len(daily_values)
    if successor and stop < len(daily_values):
        end = _local_day(use_case, successor)
    else:  # the outcomes of later days aren't known yet
        end = use_case.local_day(use_case.closes_at(daily_values[-1].partition)) if stop > start else since
    end = min(end, since + timedelta(days=MONTH_DAYS))
    days = [day for day in daily_values[start:stop] if use_case.first_day(day.partition) < end]
    decisions = sum(day.decisions for day in days)
    current = sum(day.current_process for day in days)

    def per_1000(money: float) -> float:
        return 1000 * (money - current) / decisions if decisions else math.nan

    return ChampionTerm(
        since=since.isoformat(),
        days=(end - since).days,
        versions=list(dict.fromkeys(row.version for row in same_month)),
        first=days[0].partition if days else None,
        last=days[-1].partition if days else None,
        decisions=decisions,
        forecast=read_forecast(rows, same_month[0]),
        actual=per_1000(sum(day.model for day in days)),
        done=None if done_money is None else per_1000(sum(done_money.get(d.partition, math.nan) for d in days)),
    )


def _first_governed(use_case: UseCase, daily_values: Sequence[DailyValue], champion: ChampionRow) -> int:
    """Return the position of the first partition that ends after a champion came into force."""
    in_force = datetime.fromisoformat(champion.effective_from)
    return bisect_right(daily_values, in_force, key=lambda day: use_case.closes_at(day.partition))


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
    terms = list_terms(ws.use_case, rows, champions, daily_values, _read_done_money(ws, track, daily_values))
    coming_month = read_forecast(rows, champions[-1]) if champions else UNKNOWN
    is_outdated = bool(describe_outdated(ws, track, until) or describe_refutation(ws))
    return ForecastRecord(terms, coming_month, is_outdated)


def _read_done_money(ws: Workspace, track: Track, daily_values: Sequence[DailyValue]) -> dict[str, float] | None:
    """Return the money of what people did by partition; None if nobody acted or it isn't recorded; {} if refused."""
    if track == "replay" or ws.use_case.people.unanswered is None:
        return None
    try:
        return {day.partition: day.model for day in read_counted_days(ws, track, daily_values)}
    except UncountedAnswersError:
        return {}


def explain_target(kpi: Kpi, counted: CountedGain, label: EvidenceLabel, invalid_because: str | None = None) -> str:
    """Return sentences that compare the counted gain per 1,000 units with the target, and say what it counts.

    invalid_because: see `KpiSummary.invalid_because`. It replaces the comparison.
    """
    by = f" by {format_date(kpi.target_date)}" if kpi.target_date else ""
    target = format_money(kpi.target, kpi.currency)
    comparison = invalid_because or f"{_compare_with_target(kpi, counted.lift, label)} {counted.note}"
    return f"The target is {target} per 1,000 {kpi.unit_plural}{by}. {comparison}"


def _compare_with_target(kpi: Kpi, gain: RoundedInterval, label: EvidenceLabel) -> str:
    if gain.value is None:
        return "No gain is known yet."
    amount, is_above = format_money(gain.value, kpi.currency), gain.value >= kpi.target
    place = "above" if is_above else "below"
    if gain.low is None or gain.high is None:
        name = "assumed gain" if label == "assumed" else "gain"
        return f"The {name} of {amount} is {place} it, without an interval ({gain.problem or NO_INTERVAL})."
    if label == "assumed":
        return f"The assumed gain of {amount} is {place} it. Its effect is declared, not measured."
    interval = f"{format_money(gain.low, kpi.currency)} to {format_money(gain.high, kpi.currency)}"
    if gain.low >= kpi.target:
        return f"The gain of {amount} reaches it: the 95% confidence interval is {interval}."
    if is_above:
        return f"The gain of {amount} is above it, but the lower end of its 95% confidence interval isn't: {interval}."
    return f"The gain of {amount} is below it: the 95% confidence interval is {interval}."
