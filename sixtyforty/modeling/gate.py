"""Decide whether a challenger is promoted. A challenger takes no decisions until it passes the gate.

This is the only module that decides promotion. `judge` turns evidence (`gate_evidence.py`) into a verdict:

1. REJECT if the evidence can't be trusted: the challenger's files (`model_files.py`), the shares of a past experiment
   (`treatment_shares.py`), or features with leakage (`taint.py`).
2. REJECT if governance refused data that the model learned from, or if too much of its data is missing. REJECT, too,
   if the model breaks a monotone constraint, or if its version or recipe was withdrawn.
3. HOLD if the model learned from too few rows, or if too few outcomes are known. A first model and another recipe must
   prove a gain out of sample: REJECT or HOLD if they don't. All looks and all recipes of a year share one error budget
   (`error_share`). A refresh claims no gain, so HOLD or REJECT if it is proven worse.
4. PENDING if the challenger passes, the track is live, and the use case requires an approval.
5. PROMOTE otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

from sixtyforty.modeling.challengers import list_challengers
from sixtyforty.modeling.gate_evidence import ChallengerKind, GateEvidence, collect_evidence
from sixtyforty.modeling.model_store import ModelStore
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.money import format_money
from sixtyforty.spec.recipe import Gate
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.champion_ledger import ChampionLedger, ChampionRow, GateVerdict
from sixtyforty.storage.lake import Lake
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.lift import Interval, estimate_ratio, follow_lift, follow_ratio, predict_lift
from sixtyforty.value.rounded_interval import RoundedInterval

SHOWN_PARTITIONS = 5
LOSS_CONFIDENCE = 0.95  # one-sided confidence with which a refresh must be worse, to be held back


class GateError(SixtyfortyError):
    """A training day has no challenger to judge."""


@dataclass(frozen=True)
class GateFigures:
    """The figures on which the gate's verdict on a challenger rests. A figure that the verdict doesn't need is None.

    `missing_share`: share of the training window's partitions without features or outcomes. `days`: number of days with
    out-of-sample values. The three gains are per 1,000 decisions, in the KPI's currency: over the current process, over
    the champion's recipe, and over the champion in the newest backtest block. `forecast`: the gain over the current
    process that is expected in the first month, with its prediction interval (`predict_lift`). `refused`: True if the
    challenger's files or a past experiment can't be trusted, so no gain was judged.
    """

    missing_share: float | None = None
    days: int | None = None
    lift_vs_current: RoundedInterval | None = None
    forecast: RoundedInterval | None = None
    gain_vs_recipe: RoundedInterval | None = None
    last_block_vs_champion: RoundedInterval | None = None
    refused: bool | None = None

    def to_evidence(self) -> dict[str, Any]:
        """Return the figures that aren't None, as evidence for a row of the champion ledger."""
        return {name: figure for name, figure in asdict(self).items() if figure is not None}


@dataclass(frozen=True)
class Judgement:
    """The gate's verdict on a challenger, with the reasons, and the figures that the verdict uses."""

    verdict: GateVerdict
    kind: ChallengerKind
    reasons: list[str]
    figures: GateFigures = GateFigures()


def promote_challengers(
    use_case: UseCase,
    lake: Lake,
    store: ModelStore,
    ledger: ChampionLedger,
    track: Track,
    as_ofs: Sequence[date],
    now: datetime | None = None,
    not_before: str = "",
) -> list[ChampionRow]:
    """Judge the challengers of the training days `as_ofs`, oldest day first. Return the new champion ledger rows.

    A challenger is compared with the champion in force on its training day, which an earlier training day may have
    promoted. Once a challenger of a training day passes, the day's other challengers aren't judged. A promotion takes
    effect at the start of the training day or, on the live track, at `now` (UTC, naive). No promotion takes effect
    before `not_before` (UTC). Raises GateError if a training day has no challenger.
    """
    rows = []
    for as_of in sorted(as_ofs):
        challengers = list_challengers(use_case, lake, store, ledger, track, as_of)
        if not challengers:
            raise GateError(
                f"{use_case.name}: no challenger was trained on {as_of}. Materialize the asset `challenger` first."
            )
        is_live = track == "live" and now is not None
        start = now.isoformat(timespec="seconds") if is_live and now else use_case.day_start(as_of).isoformat()
        start = max(start, not_before)
        for challenger in challengers:
            evidence = collect_evidence(use_case, lake, store, ledger, track, challenger.version, challenger.reason)
            needs_approval = is_live and use_case.automation.approval == "required"
            judgement = judge(use_case.gate, evidence, use_case.kpi.currency, needs_approval)
            row = ledger.append(
                track=track,
                version=challenger.version,
                verdict=judgement.verdict,
                kind=judgement.kind,
                as_of=as_of.isoformat(),
                effective_from=start,
                reasons=judgement.reasons,
                evidence=judgement.figures.to_evidence(),
            )
            rows.append(row)
            if judgement.verdict in ("PROMOTE", "PENDING"):
                break
    return rows


def judge(gate: Gate, evidence: GateEvidence, currency: str, needs_approval: bool = False) -> Judgement:
    """Judge a challenger on its files, its training data, its monotone constraints and its out-of-sample value.

    gate: the declared rules. currency: the KPI's currency, used in the reasons. needs_approval: whether a challenger
    that passes must wait for a person's approval.
    """
    if refusal := evidence.file_problem or evidence.share_mismatch:
        return Judgement("REJECT", evidence.kind, [refusal], GateFigures(refused=True))
    if evidence.withdrawal:
        return Judgement("REJECT", evidence.kind, [f"the challenger's version or recipe was {evidence.withdrawal}"])
    if evidence.taint:
        return Judgement("REJECT", evidence.kind, [evidence.taint])
    value_verdict = _judge_value(gate, evidence, currency)
    verdict, reasons = value_verdict.verdict, [*value_verdict.reasons, *_notes(evidence)]
    if evidence.broken_constraints:
        verdict, reasons = "REJECT", list(evidence.broken_constraints)
    elif evidence.refused_partitions:
        shown = ", ".join(evidence.refused_partitions[:SHOWN_PARTITIONS])
        verdict, reasons = "REJECT", [f"the challenger learned from partitions that governance refused: {shown}"]
    elif verdict == "PROMOTE" and needs_approval:
        verdict = "PENDING"
    return Judgement(verdict, evidence.kind, reasons, value_verdict.figures)


def _notes(evidence: GateEvidence) -> Iterator[str]:
    if evidence.selection_reason:
        yield evidence.selection_reason
    if evidence.unfit_champion:
        yield evidence.unfit_champion
    if evidence.is_assumed:
        yield "the challenger's gain is assumed: the action may change the outcome"


@dataclass
class _ValueVerdict:
    """The gate's verdict on a challenger's out-of-sample gain. Each check adds its reasons and figures."""

    verdict: GateVerdict
    reasons: list[str]
    figures: GateFigures

    def stop(self, verdict: GateVerdict, reason: str) -> _ValueVerdict:
        self.verdict = verdict
        self.reasons.append(reason)
        return self


def _judge_value(gate: Gate, evidence: GateEvidence, currency: str) -> _ValueVerdict:
    days = [day for day in evidence.walk_forward if day.decisions]
    figures = GateFigures(missing_share=round(evidence.missing_share, 4), days=len(days))
    value = _ValueVerdict("PROMOTE", [], figures)
    if evidence.missing_share > gate.max_rejected_share:
        return value.stop(
            "REJECT",
            f"{evidence.missing_share:.0%} of the challenger's training partitions are missing or refused;"
            f" at most {gate.max_rejected_share:.0%} are allowed",
        )
    if evidence.training_rows is not None and evidence.training_rows < gate.min_training_rows:
        learned = format_plural(evidence.training_rows, "row")
        return value.stop(
            "HOLD", f"too early to judge: the challenger learned from {learned}, {gate.min_training_rows} needed"
        )
    units = sum(day.decisions for day in days)
    if units < gate.min_units:
        known = format_plural(units, "unit")
        return value.stop("HOLD", f"too early to judge: {known} with known outcomes, {gate.min_units} needed")
    confidence = 1 - 2 * error_share(gate, evidence.recipe_number)
    lift = follow_lift(days, confidence=confidence, block_days=evidence.block_days)
    forecast = predict_lift(days, block_days=evidence.block_days)
    value.figures = replace(
        value.figures, lift_vs_current=RoundedInterval.of(lift), forecast=RoundedInterval.of(forecast)
    )
    shown = _describe(lift, confidence, currency)
    if evidence.kind == "refresh":
        if lift.high < 0:
            return value.stop("REJECT", f"the recipe loses against the current process: {shown}")
        return _compare_latest_block(gate, evidence, currency, value)
    if lift.problem:
        return value.stop("HOLD", f"too early to judge the gain over the current process: {shown}")
    if not lift.low > 0:
        return value.stop(
            "HOLD" if lift.value > 0 else "REJECT", f"the gain over the current process isn't proven: {shown}"
        )
    value.reasons.append(f"walk-forward gain over the current process: {shown}")
    return _compare_recipes(gate, evidence, currency, value) if evidence.kind == "recipe" else value


def error_share(gate: Gate, recipe_number: int) -> float:
    """Return the probability with which a recipe without any gain may ever be promoted, over all looks at it.

    recipe_number: the position of the recipe among those that were first tried in the same year, from 1. The shares of
    all recipes of a year add up to at most 1 - gate.confidence, however many recipes there are.
    """
    return (1 - gate.confidence) / (recipe_number * (recipe_number + 1))


def _compare_recipes(gate: Gate, evidence: GateEvidence, currency: str, value: _ValueVerdict) -> _ValueVerdict:
    """Hold back the promotion unless the gain over the champion's recipe is proven to exceed `gate.margin`."""
    confidence = 1 - 2 * error_share(gate, evidence.recipe_number)
    pairs = _pair_days(evidence.walk_forward, evidence.current_recipe or [])
    gain = follow_ratio(*pairs, confidence, evidence.block_days)
    value.figures = replace(value.figures, gain_vs_recipe=RoundedInterval.of(gain))
    shown = _describe(gain, confidence, currency)
    if math.isnan(gain.low):
        return value.stop("HOLD", f"too early to compare the challenger with the champion's recipe: {shown}")
    if not gain.low > gate.margin:
        margin = format_money(gate.margin, currency)
        return value.stop("HOLD", f"the gain over the champion's recipe isn't proven to exceed {margin}: {shown}")
    value.reasons.append(f"gain over the champion's recipe: {shown}")
    return value


def _compare_latest_block(gate: Gate, evidence: GateEvidence, currency: str, value: _ValueVerdict) -> _ValueVerdict:
    """Hold back a refresh if it is proven worse than the champion on the newest days of the backtest.

    A refresh claims no gain, so a difference of up to `gate.margin` is allowed, and so is one that may be chance.
    """
    if evidence.latest is None:
        value.reasons.append(
            "champion and challenger aren't compared: the champion may have learned from every backtest block"
        )
        return value
    confidence = 2 * LOSS_CONFIDENCE - 1
    pairs = _pair_days(evidence.latest.challenger, evidence.latest.champion)
    change = estimate_ratio(*pairs, confidence, block_days=1)  # the days are too few for longer blocks
    if math.isnan(change.value):
        return value.stop(
            "HOLD", "too early to judge: no outcome is known yet of the days that compare champion and challenger"
        )
    value.figures = replace(value.figures, last_block_vs_champion=RoundedInterval.of(change))
    shown = _describe(change, confidence, currency)
    if change.high < 0 and change.value < -gate.margin:
        return value.stop("HOLD", f"the refresh is worse than the champion on the newest days of the backtest: {shown}")
    value.reasons.append(f"the refresh isn't proven worse than the champion on the newest days: {shown}")
    return value


def _pair_days(days: Sequence[DailyValue], other: Sequence[DailyValue]) -> tuple[list[str], list[float], list[int]]:
    """Return the partitions that both lists have, with the differences in money and the numbers of decisions."""
    other_by_partition = {day.partition: day for day in other}
    pairs = [(day, other_by_partition[day.partition]) for day in days if day.partition in other_by_partition]
    partitions = [day.partition for day, _ in pairs]
    return partitions, [a.model - b.model for a, b in pairs], [day.decisions for day, _ in pairs]


def _describe(interval: Interval, confidence: float, currency: str) -> str:
    estimate, low, high = (
        format_money(amount, currency, signed=True) for amount in (interval.value, interval.low, interval.high)
    )
    if math.isnan(interval.low):
        return f"{estimate} per 1,000 decisions ({interval.problem})"
    return f"{estimate} per 1,000 decisions ({confidence:.0%} confidence interval {low} to {high})"
