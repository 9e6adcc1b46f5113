"""The top of the impact report: three sentences (what it brought, how sure, what to do), and the key counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from sixtyforty.accounting.gain_basis import GainBasis
from sixtyforty.accounting.kpi_summary import KpiSummary
from sixtyforty.reports.gain_basis_texts import describe_activity
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.money import format_exact_money, format_money
from sixtyforty.spec.use_case import UseCase
from sixtyforty.spec.wording import format_date, format_plural
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.daily_values import group_by_month, period_name
from sixtyforty.value.hits import HitCounts
from sixtyforty.value.lift import NO_INTERVAL

DAYS_A_YEAR = 365.25


def write_headline(use_case: UseCase, summary: KpiSummary, basis: GainBasis, next_steps: Sequence[str]) -> list[str]:
    """Return three sentences: what the decisions brought, how sure that is, and what to do."""
    return [
        _what_it_brought(use_case, summary),
        _how_sure(use_case.kpi, summary, basis),
        next_steps[0] if next_steps else "Nothing is left to do.",
    ]


def _what_it_brought(use_case: UseCase, summary: KpiSummary) -> str:
    counted, currency = summary.counted, use_case.kpi.currency
    if summary.invalid_because:
        return "A gain a year isn't calculated from these figures."
    if counted.gain is None or counted.standing == "not known":
        return counted.note
    gain, units = format_money(abs(counted.gain), currency), use_case.kpi.unit_plural
    side = "more" if counted.gain >= 0 else "less"
    since = f"from {format_date(summary.first or '')} to {format_date(summary.last or '')}"
    on_units = f"on {summary.decisions:,} {units} {since}"
    match counted.standing:
        case "earned":
            return f"The decisions brought {gain} more than the current process, {on_units}."
        case "lost":
            return f"The decisions lost {gain} compared with the current process, {on_units}."
        case "replay":
            return f"The decisions would have brought {gain} {side} than the current process, {on_units}."
        case "assumed":
            return f"If the assumptions hold, the decisions bring {gain} {side} than the current process, {on_units}."
        case "retired":
            return f"Until the use case retired, the figure was {gain} {side} than the current process, {on_units}."
        case _:
            return f"No gain is shown yet: {gain} {side} than the current process, {on_units}, may be chance."


def _how_sure(kpi: Kpi, summary: KpiSummary, basis: GainBasis) -> str:
    lift = summary.counted.lift
    if summary.invalid_because:
        return summary.invalid_because
    if lift.low is None or lift.high is None:
        return f"How sure this is can't be said: {lift.problem or NO_INTERVAL}."
    low, high = (format_money(amount, kpi.currency) for amount in (lift.low, lift.high))
    sure = f"The 95% confidence interval is {low} to {high} per 1,000 {kpi.unit_plural}"
    rate = basis.success.break_even if basis.success else None
    if rate is not None:
        return f"{sure}; the gain is zero if only {rate:.0%} of the actions work."
    return f"{sure}."


def list_key_counts(use_case: UseCase, summary: KpiSummary, basis: GainBasis, days: Sequence[DailyValue]) -> list[str]:
    """Return sentences with the figures that an owner asks for first.

    - hits, misses and false alarms; the peak of the actions against the current process
    - the worst month, and the gain a year with its caveat
    - the cost of a unit, if the KPI is a cost
    """
    kpi = use_case.kpi
    sentences = [*_cost_of_a_unit(kpi, summary)]
    if basis.hits:
        sentences.append(f"{_hits_sentence('The decisions', basis.hits.taken, kpi)}")
        sentences.append(f"{_hits_sentence('The current process', basis.hits.current, kpi)}")
    return [*sentences, *describe_activity(basis, kpi), *_worst_month(kpi, days), _a_year(use_case, summary, days)]


def _cost_of_a_unit(kpi: Kpi, summary: KpiSummary) -> Iterator[str]:
    """Yield a sentence for a KPI that is a cost, such as `A slot costs $171 instead of $184, on average.`"""
    costs = cost_of_a_unit(kpi, summary)
    if costs:
        taken, current = (format_exact_money(round(cost, 2 if cost < 10 else 0), kpi.currency) for cost in costs)
        yield f"Each of the {kpi.unit_plural} costs {taken} instead of {current}, on average."


def cost_of_a_unit(kpi: Kpi, summary: KpiSummary) -> tuple[float, float] | None:
    """Return what a unit costs on average with the decisions and with the current process; None if the KPI is no cost.

    An amount only has costs: of one too few and of one too many.
    """
    taken, current = summary.per_1000.get("model"), summary.per_1000.get("current_process")
    if not kpi.amount or taken is None or current is None:
        return None
    return -taken / 1000, -current / 1000


def _hits_sentence(name: str, hits: HitCounts, kpi: Kpi) -> str:
    needed = format_plural(hits.hits + hits.misses, "needed action")
    return (
        f"{name} took {hits.hits:,} of {needed} (hits), missed {hits.misses:,} (misses), and acted on"
        f" {hits.false_alarms:,} {kpi.unit_plural} in vain (false alarms)."
    )


def _worst_month(kpi: Kpi, days: Sequence[DailyValue]) -> Iterator[str]:
    """Yield a sentence on the month with the smallest gain, of the months in which decisions differed."""
    months = {name: of_month for name, of_month in group_by_month(days).items() if any(day.differ for day in of_month)}
    if len(months) < 2:
        return
    gains = {name: sum(day.model - day.current_process for day in of_month) for name, of_month in months.items()}
    month = min(gains, key=lambda name: gains[name])
    amount = format_money(gains[month], kpi.currency, signed=True)
    yield (
        f"The worst month in which decisions differed was {period_name(month)}: {amount} compared with the current"
        " process."
    )


def _a_year(use_case: UseCase, summary: KpiSummary, days: Sequence[DailyValue]) -> str:
    """Return the gain a year at the rate so far, with its caveat; or why it isn't calculated.

    Its amounts have two digits, because more would look more precise than a rate of some months is.
    """
    counted = summary.counted
    if counted.gain is None or counted.lift.low is None or counted.lift.high is None or not days:
        return "A gain a year isn't calculated before there is a confidence interval."
    first, last = use_case.first_day(days[0].partition), use_case.first_day(days[-1].partition)
    covered = (last - first + timedelta(days=max(round(use_case.days_between_decisions), 1))).days
    a_year = DAYS_A_YEAR / covered
    units = summary.decisions / 1000 * a_year
    ends = (counted.gain * a_year, counted.lift.low * units, counted.lift.high * units)
    gain, low, high = (format_money(float(f"{amount:.2g}"), use_case.kpi.currency) for amount in ends)
    season = "" if covered >= DAYS_A_YEAR - 1 else " Seasons that these days don't cover may differ."
    verb = "is" if counted.standing in ("earned", "lost") else "would be"
    assumed = ", assumed" if summary.label == "assumed" else ""
    return (
        f"At this rate, the gain {verb} {gain} a year{assumed} (95% confidence interval: {low} to {high}). This extends"
        f" {format_plural(covered, 'day')}; it is no forecast.{season}"
    )
