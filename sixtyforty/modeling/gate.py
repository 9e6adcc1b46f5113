"""Decide whether a challenger is promoted. A challenger takes no decisions until it passes the gate.

This is the only module that decides promotion. `judge` turns evidence (`gate_evidence.py`) into a verdict:

1. REJECT if the evidence can't be trusted: the challenger's files (`model_files.py`), the shares of a past experiment
   (`treatment_shares.py`), or features with leakage (`taint.py`).
2. REJECT if governance refused data that the model learned from, or if too much of its data is missing. REJECT, too,
   if the model breaks a monotone constraint, or if its version or recipe was withdrawn.
3. HOLD if the model learned from too few rows, or if too few outcomes are known. A first model and another recipe must
   prove a gain out of sample: REJECT or HOLD if they don't. All looks and all recipes of a year share one error budget
   (`error_budget.py`). A refresh claims no gain, so HOLD or REJECT if its twin is proven worse (`refresh_twin.py`).
4. PENDING if the challenger passes, the track is live, and the use case requires an approval.
5. PROMOTE otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sixtyforty.modeling.challengers import list_challengers
from sixtyforty.modeling.error_budget import error_share
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
from sixtyforty.value.blocks import count_blocks
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.lift import Interval, estimate_ratio, follow_lift, follow_ratio, predict_lift
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.value.unit_groups import GroupedSums, subtract_groups

Pairs = tuple[list[str], list[float], list[int]]  # partitions, differences in money, numbers of decisions
SHOWN_PARTITIONS = 5
LOSS_CONFIDENCE = 0.95  # one-sided confidence with which a refresh must be worse, to be held back
CHANGE_CONFIDENCE = 2 * LOSS_CONFIDENCE - 1  # of the two-sided interval


class GateError(SixtyfortyError):
    """A training day has no challenger to judge."""


@dataclass(frozen=True)
class GateFigures:
    """The figures on which the gate's verdict on a challenger rests. A figure that the verdict doesn't need is None.

    `missing_share`: share of the training window's partitions without features or outcomes. `days`: number of days with
    out-of-sample values. The three gains are per 1,000 decisions, in the KPI's currency: over the current process, over
    the champion's recipe, and of a refresh's twin over a champion. `forecast`: the gain over the current process
    that is expected in the next month (`predict_lift`). `twin`, `compared_champion`: the versions that were compared.
    `recipe_year`, `recipe_number`, `error_share`, `tried_recipes`: the recipe's share of the error budget (see
    `RecipeTrial`). `refused`: True if the challenger's files or a past experiment can't be trusted, so no gain was
    judged.
    """

    missing_share: float | None = None
    days: int | None = None
    lift_vs_current: RoundedInterval | None = None
    forecast: RoundedInterval | None = None
    gain_vs_recipe: RoundedInterval | None = None
    twin_vs_champion: RoundedInterval | None = None
    twin: str | None = None
    compared_champion: str | None = None
    recipe_year: int | None = None
    recipe_number: int | None = None
    error_share: float | None = None
    tried_recipes: Sequence[str] | None = None
    refused: bool | None = None

    def to_evidence(self) -> dict[str, Any]:
        """Return the figures that aren't None, as evidence for a row of the champion ledger."""
        known = {name: figure for name, figure in vars(self).items() if figure is not None}
        return {name: f.to_dict() if isinstance(f, RoundedInterval) else f for name, f in known.items()}


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
    verdict, reasons = value_verdict.verdict, [*value_verdict.reasons, *_notes(evidence, value_verdict.figures)]
    if evidence.broken_constraints:
        verdict, reasons = "REJECT", list(evidence.broken_constraints)
    elif evidence.refused_partitions:
        shown = ", ".join(evidence.refused_partitions[:SHOWN_PARTITIONS])
        verdict, reasons = "REJECT", [f"the challenger learned from partitions that governance refused: {shown}"]
    elif verdict == "PROMOTE" and needs_approval:
        verdict = "PENDING"
    return Judgement(verdict, evidence.kind, reasons, value_verdict.figures)


def _notes(evidence: GateEvidence, figures: GateFigures) -> Iterator[str]:
    if evidence.kind != "refresh" and figures.lift_vs_current and figures.error_share:
        yield (
            f"the recipe is number {figures.recipe_number} of those that were first tried in {figures.recipe_year}:"
            f" without a gain, it would ever pass with a probability of at most {100 * figures.error_share:.2g}%"
        )
    if evidence.selection_reason:
        yield evidence.selection_reason
    if evidence.unfit_champion:
        yield evidence.unfit_champion
    if evidence.refutation and evidence.kind == "refresh":
        yield f"the gain isn't exact: {evidence.refutation}"
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
    value = _ValueVerdict("PROMOTE", [], _first_figures(gate, evidence, len(days)))
    if evidence.missing_share > gate.max_rejected_share:
        return value.stop(
            "REJECT",
            f"{evidence.missing_share:.0%} of the challenger's training partitions are missing or refused;"
            f" at most {gate.max_rejected_share:.0%} are allowed",
        )
    if evidence.refutation and evidence.kind != "refresh":  # a refresh claims no gain
        return value.stop("HOLD", f"the gain isn't proven: {evidence.refutation}")
    if shortage := _find_shortage(gate, evidence, days):
        return value.stop("HOLD", f"too early to judge: {shortage}")
    confidence = _two_sided_confidence(gate, evidence)
    lift = follow_lift(days, confidence=confidence, block_days=evidence.block_days)
    forecast = predict_lift(days, block_days=evidence.block_days)
    value.figures = replace(
        value.figures, lift_vs_current=RoundedInterval.of(lift), forecast=RoundedInterval.of(forecast)
    )
    shown = _describe(lift, confidence, currency)
    if evidence.kind == "refresh":
        if lift.high < 0:
            return value.stop("REJECT", f"the recipe loses against the current process: {shown}")
        return _compare_twin(gate, evidence, currency, value)
    if lift.problem:
        return value.stop("HOLD", f"too early to judge the gain over the current process: {shown}")
    if not lift.low > 0:
        return value.stop(
            "HOLD" if lift.value > 0 else "REJECT", f"the gain over the current process isn't proven: {shown}"
        )
    value.reasons.append(f"walk-forward gain over the current process: {shown}")
    return _compare_recipes(gate, evidence, currency, value) if evidence.kind == "recipe" else value


def _first_figures(gate: Gate, evidence: GateEvidence, days: int) -> GateFigures:
    figures = GateFigures(missing_share=round(evidence.missing_share, 4), days=days)
    if evidence.trial is None:
        return figures
    return replace(
        figures,
        recipe_year=evidence.trial.year,
        recipe_number=evidence.trial.number,
        error_share=round(error_share(gate.confidence, evidence.trial.number), 6),
        tried_recipes=list(evidence.trial.tried),
    )


def _find_shortage(gate: Gate, evidence: GateEvidence, days: Sequence[DailyValue]) -> str:
    """Return which declared minimum the evidence doesn't reach; empty if it reaches all.

    A refresh claims no gain, so it needs no minimum of blocks.
    """
    if evidence.training_rows is not None and evidence.training_rows < gate.min_training_rows:
        learned = format_plural(evidence.training_rows, "row")
        return f"the challenger learned from {learned}, {gate.min_training_rows:,} needed"
    units = sum(day.decisions for day in days)
    if units < gate.min_units:
        return f"{format_plural(units, 'unit')} with known outcomes, {gate.min_units:,} needed"
    if evidence.overlap_problem and evidence.kind != "refresh":
        return evidence.overlap_problem
    blocks = count_blocks([day.partition for day in days], evidence.block_days)
    if blocks < gate.min_blocks and evidence.kind != "refresh":
        length = format_plural(evidence.block_days, "day")
        return f"{format_plural(blocks, 'block')} of at least {length} with known outcomes, {gate.min_blocks:,} needed"
    return ""


def _two_sided_confidence(gate: Gate, evidence: GateEvidence) -> float:
    """Return the confidence of the always-valid interval. Its lower end misses the truth with the recipe's share."""
    return 1 - 2 * error_share(gate.confidence, evidence.trial.number if evidence.trial else 1)


def _compare_recipes(gate: Gate, evidence: GateEvidence, currency: str, value: _ValueVerdict) -> _ValueVerdict:
    """Hold back the promotion unless the gain over the champion's recipe is proven to exceed `gate.margin`."""
    confidence = _two_sided_confidence(gate, evidence)
    pairs, groups = _pair_days(evidence.walk_forward, evidence.current_recipe or [])
    gain = follow_ratio(*pairs, confidence, evidence.block_days, groups)
    shown = _describe(gain, confidence, currency)
    if math.isnan(gain.value):
        return value.stop("HOLD", "too early to judge: challenger and champion have no day in common")
    value.figures = replace(value.figures, gain_vs_recipe=RoundedInterval.of(gain))
    if math.isnan(gain.low):
        return value.stop("HOLD", f"too early to compare the challenger with the champion's recipe: {shown}")
    if not gain.low > gate.margin:
        margin = format_money(gate.margin, currency)
        return value.stop("HOLD", f"the gain over the champion's recipe isn't proven to exceed {margin}: {shown}")
    value.reasons.append(f"gain over the champion's recipe: {shown}")
    return value


def _compare_twin(gate: Gate, evidence: GateEvidence, currency: str, value: _ValueVerdict) -> _ValueVerdict:
    """Hold back a refresh if its twin is proven worse than the champion.

    A refresh claims no gain, so a difference of up to `gate.margin` is allowed, and so is one that may be chance.
    """
    comparison, nothing = evidence.comparison, "nothing to compare: the refresh claims no gain"
    if comparison is None:
        value.reasons.append(f"{nothing}, and no model of its recipe is between the champion and the known outcomes")
        return value
    pairs, groups = _pair_days(comparison.twin, comparison.champion)
    change = _estimate_change(pairs, groups, evidence.block_days)
    if math.isnan(change.value):
        value.reasons.append(f"{nothing}, and no outcome is known of a day that twin and champion didn't learn from")
        return value
    value.figures = replace(
        value.figures,
        twin_vs_champion=RoundedInterval.of(change),
        twin=comparison.twin_version or None,
        compared_champion=comparison.champion_version or None,
    )
    shown = f"{_describe(change, CHANGE_CONFIDENCE, currency)}, from {pairs[0][0]} to {pairs[0][-1]}"
    if change.high < 0 and change.value < -gate.margin:
        return value.stop("HOLD", f"the refresh's twin is worse than the champion: {shown}")
    value.reasons.append(f"the refresh's twin isn't proven worse than the champion: {shown}")
    return value


def _estimate_change(pairs: Pairs, groups: GroupedSums | None, block_days: int) -> Interval:
    """Estimate the gain of a twin over a champion. Few days form no blocks, so each day then counts by itself."""
    change = estimate_ratio(*pairs, CHANGE_CONFIDENCE, block_days, groups)
    return estimate_ratio(*pairs, CHANGE_CONFIDENCE, 1, groups) if math.isnan(change.low) else change


def _pair_days(days: Sequence[DailyValue], other: Sequence[DailyValue]) -> tuple[Pairs, GroupedSums | None]:
    """Return the partitions that both lists have, with the differences in money and the numbers of decisions.

    Return also the differences by group of units; None if no unit recurs.
    """
    other_by_partition = {day.partition: day for day in other}
    pairs = [(day, other_by_partition[day.partition]) for day in days if day.partition in other_by_partition]
    partitions = [day.partition for day, _ in pairs]
    groups = subtract_groups((a.unit_groups, "model", b.unit_groups, "model") for a, b in pairs)
    return (partitions, [a.model - b.model for a, b in pairs], [day.decisions for day, _ in pairs]), groups


def _describe(interval: Interval, confidence: float, currency: str) -> str:
    estimate, low, high = (
        format_money(amount, currency, signed=True) for amount in (interval.value, interval.low, interval.high)
    )
    if math.isnan(interval.low):
        return f"{estimate} per 1,000 decisions ({interval.problem})"
    return f"{estimate} per 1,000 decisions ({100 * confidence:.4g}% confidence interval {low} to {high})"
