"""The next steps for the owner of a use case, as sentences that follow from the figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sixtyforty.accounting.forecast import ForecastRecord, read_forecasts
from sixtyforty.accounting.kpi_ledger import read_daily_values
from sixtyforty.accounting.kpi_summary import KpiSummary, summarize_kpi, summarize_segments
from sixtyforty.decisions.column_labels import ColumnLabels, read_labels
from sixtyforty.lifecycle.stage_gate import partitions_with_champion
from sixtyforty.spec.money import format_money
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.daily_values import group_by_period, period_name
from sixtyforty.value.segments import Segment
from sixtyforty.workspace import Workspace

NO_MODEL = (
    "No model has passed the gate yet, so the current process decides. Read in the model record why the gate rejected"
    " the models."
)


@dataclass(frozen=True)
class Accounts:
    """The figures of a track (replay or live) from which the owner's next steps are derived."""

    summary: KpiSummary
    days: Sequence[DailyValue]
    champions: Sequence[ChampionRow]
    segments: Sequence[Segment]
    forecasts: ForecastRecord
    labels: ColumnLabels = field(default_factory=ColumnLabels, kw_only=True)


def read_accounts(ws: Workspace, track: Track, until: str | None = None) -> Accounts:
    """Return the figures of a track from which the owner's next steps are derived.

    until: the last partition to count; None counts all partitions. Only the figures of `segments`
    (groups of units, such as those of one region) always count all partitions.
    """
    days = read_daily_values(ws, track, until)
    return Accounts(
        summary=summarize_kpi(ws, track, until, days),
        days=days,
        champions=ws.champion_ledger.sound_promotions(track),
        segments=summarize_segments(ws, track),
        forecasts=read_forecasts(ws, track, until, days),
        labels=read_labels(ws),
    )


def recommend_next_steps(use_case: UseCase, accounts: Accounts) -> list[str]:
    """Return the next steps for the owner of a use case, one or two sentences each, the most important first."""
    if not accounts.champions:
        return [NO_MODEL]
    return [
        _about_the_gain(use_case, accounts),
        *_about_losses(accounts),
        *_about_better_candidates(use_case, accounts.summary),
        *_about_operation(use_case, accounts.summary),
    ]


def _about_the_gain(use_case: UseCase, accounts: Accounts) -> str:
    kpi, people, summary = use_case.kpi, use_case.people, accounts.summary
    counted = summary.counted
    gain = counted.lift
    if summary.invalid_because:
        return summary.invalid_because
    if summary.label == "assumed":
        return (
            f"The gain is assumed: only a holdout can measure it. Agree on one with {people.team}."
            f" `sixtyforty holdout {use_case.name}` shows how large it must be, and how long it must run."
        )
    if counted.standing == "not known":
        return counted.note
    if counted.standing == "retired":
        return "The use case is retired. Nothing is left to do."
    if gain.value is None or gain.low is None or gain.low <= 0:
        return "No gain is shown yet. Keep the current process in charge and wait for more days of outcomes."
    target = f"{format_money(kpi.target, kpi.currency)} per 1,000 {kpi.unit_plural}"
    is_above = gain.value >= kpi.target
    if counted.standing == "replay":
        shown = f"The replay shows a gain {'above' if is_above else 'below'} the target of {target}"
        by_models = _gain_since_the_first_model(use_case, accounts)
        if not is_above and by_models is not None and by_models >= kpi.target:
            shown += f", but {format_money(by_models, kpi.currency)} since the first model decided"
            is_above = True
        to_do = (
            f"Agree with {people.team} on a first live month." if is_above else "Improve the model before you go live."
        )
        return f"{shown}. {to_do}"
    standing = f"The gain is proven {'and above' if is_above else 'but below'} the target of {target}."
    return f"{standing} {'Extend the use case.' if is_above else 'Keep it running, and improve the model.'}"


def _gain_since_the_first_model(use_case: UseCase, accounts: Accounts) -> float | None:
    """Return the gain per 1,000 units on the days that the gate of a proof of concept judges; None without such days.

    Before the first model, the current process decides, so these days gain nothing.
    """
    partitions = [day.partition for day in accounts.days]
    judged = set(partitions_with_champion(use_case, accounts.champions, partitions))
    days = [day for day in accounts.days if day.partition in judged]
    decisions = sum(day.decisions for day in days)
    return 1000 * sum(day.model - day.current_process for day in days) / decisions if decisions else None


def _about_losses(accounts: Accounts) -> Iterator[str]:
    periods = group_by_period(accounts.days)
    losing = [period_name(p, "%B") for p, days in periods.items() if sum(d.model - d.current_process for d in days) < 0]
    if losing:
        yield f"Find out why the current process did better in {_listed(losing)}."
    short = [t.name for t in accounts.forecasts.terms if t.verdict == "below the forecast"]
    if short:
        yield f"Find out why the models in charge since {_listed(short)} gained less than forecast."
    worse = [f"{s.column} {accounts.labels.text(s.column, s.name)}" for s in accounts.segments if s.loses]
    if worse:
        yield f"Leave {_listed(worse)} to the current process, which does better there (95% confidence)."


def _about_better_candidates(use_case: UseCase, summary: KpiSummary) -> Iterator[str]:
    for name, candidate in use_case.kpi.candidates.items():
        figures = summary.candidates[name]
        high = figures.model_minus.high
        if figures.decisions and high is not None and high < 0:
            kind = "bought" if candidate.vendor else "simpler"
            description = candidate.description.rstrip(".")
            yield f"A {kind} way of deciding is better: {description}. Compare it with the model before you continue."


def _about_operation(use_case: UseCase, summary: KpiSummary) -> Iterator[str]:
    counted = summary.counted
    if counted.standing in ("earned", "lost", "no gain shown") and not counted.covers_costs:
        yield "The gain hasn't covered the costs of the use case yet."
    if counted.standing in ("replay", "assumed") and counted.payback is None:
        yield f"The {counted.standing} gain would not have covered the costs of the use case yet."
    if not summary.operational:
        yield "No decision differed from the current process, so the model has had no effect yet."
    left = summary.deciders.unscored
    if left:
        decisions = "1 decision was" if left == 1 else f"{left:,} decisions were"
        yield f"{decisions} left to the current process although a model had been promoted. Find out why."
    if use_case.stage == "poc":
        yield f"Name the {use_case.people.role}s who will try the decisions, and the week in which they start."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
