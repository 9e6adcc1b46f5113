"""The promotion gate: a challenger decides nothing until its money is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sixtyforty.spec.recipe import Gate
from sixtyforty.storage.champion_ledger import Verdict
from sixtyforty.value.lift import DailyValue, Interval, estimate_lift, estimate_ratio


@dataclass(frozen=True)
class Judgement:
    """The gate's verdict on a challenger."""

    verdict: Verdict
    kind: Literal["first", "refresh", "recipe"]
    reasons: list[str]
    evidence: dict[str, Any]


def judge(
    gate: Gate,
    kind: Literal["first", "refresh", "recipe"],
    missing_share: float,
    walk_forward: Sequence[DailyValue],
    latest: tuple[Sequence[DailyValue], Sequence[DailyValue]] | None,
    current_recipe: Sequence[DailyValue] | None = None,
) -> Judgement:
    """Judges a challenger on value, by day, out of sample.

    walk_forward: its recipe's walk-forward days. latest: its recipe's and the champion's last block, same days.
    current_recipe: the champion's recipe on the days of walk_forward (new recipes only). missing_share: share of
    its training window that governance refused or that never came.
    """
    level = 2 * gate.confidence - 1  # a two-sided interval whose lower end is the one-sided bound
    evidence: dict[str, Any] = {"missing_share": round(missing_share, 4), "days": len(walk_forward)}
    if missing_share > gate.max_rejected_share:
        why = f"{missing_share:.0%} of its training days are missing or refused; {gate.max_rejected_share:.0%} may be"
        return Judgement("REJECT", kind, [why], evidence)
    if not walk_forward:
        return Judgement("HOLD", kind, ["there are no days yet to test it on"], evidence)
    present = estimate_lift(walk_forward, confidence=level)
    evidence["lift_vs_current"] = _plain(present)
    if not present.low > 0:
        verdict: Verdict = "HOLD" if present.value > 0 else "REJECT"
        return Judgement(verdict, kind, [f"its lift over the current process isn't proven: {_said(present)}"], evidence)
    reasons = [f"walk-forward lift over the current process {_said(present)}"]
    if kind == "recipe":
        if not current_recipe:
            return Judgement("HOLD", kind, [*reasons, "the current recipe has no days in common with it"], evidence)
        gain = _paired(walk_forward, current_recipe, level)
        evidence["gain_vs_recipe"] = _plain(gain)
        if not gain.low > gate.margin:
            why = f"not better than the current recipe by more than {gate.margin:g}: {_said(gain)}"
            return Judgement("HOLD", kind, [*reasons, why], evidence)
        reasons.append(f"better than the current recipe by {_said(gain)}")
    elif latest is not None:
        change = _paired(*latest, level)
        evidence["last_block_vs_champion"] = _plain(change)
        if change.value < -gate.margin:
            return Judgement(
                "HOLD", kind, [*reasons, f"its last block is worse than the champion's: {_said(change)}"], evidence
            )
        reasons.append(f"last block against the champion {change.value:+,.0f}, margin {gate.margin:,.0f}")
    return Judgement("PROMOTE", kind, reasons, evidence)


def _paired(a: Sequence[DailyValue], b: Sequence[DailyValue], confidence: float) -> Interval:
    other = {d.partition: d for d in b}
    both = [(d, other[d.partition]) for d in a if d.partition in other]
    return estimate_ratio([x.model - y.model for x, y in both], [x.decisions for x, _ in both], confidence)


def _said(i: Interval) -> str:
    return f"{i.value:+,.0f} per 1,000 [{i.low:+,.0f} to {i.high:+,.0f}]"


def _plain(i: Interval) -> dict[str, float | None]:
    return {k: None if v != v else round(v, 2) for k, v in i.__dict__.items()}
