"""Advice to the portfolio's owner on each use case, such as expand, continue, prove or stop, with a reason."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sixtyforty.accounting.acceptance import Acceptance
from sixtyforty.accounting.acceptance_messages import list_objections
from sixtyforty.accounting.kpi_summary import KpiSummary
from sixtyforty.lifecycle import stage_gate
from sixtyforty.workspace import Workspace

Advice = Literal["expand", "continue", "prove", "build adoption", "start", "go live", "stop", "correct", "retired"]


def advise(
    ws: Workspace,
    summary: KpiSummary,
    people: Acceptance | None,
    net: float,
    status: stage_gate.StageStatus | None,
    now: datetime,
    refusal: str | None = None,
) -> tuple[Advice, str]:
    """Return the advice on a use case, and the reason in one or two sentences.

    people: how people use the decisions; None if their responses aren't recorded.
    net: the gain minus all costs, in the use case's currency.
    status: the status of its stage and gate; None if no stages are declared.
    now: the current time (UTC, naive).
    refusal: why the use case's figures can't be trusted; None if they can.
    """
    end_reason = ws.stage_ledger.end_reason_at(now)
    counted = summary.counted
    low, high = counted.lift.low, counted.lift.high
    if end_reason == "retired" or (end_reason is None and ws.use_case.stage == "retired"):
        return "retired", "The use case is retired."
    if refusal:
        return "correct", refusal
    if status and status.verdict == "stop":
        return "stop", f"The stage gate stopped the use case: {status.obstacles[0]}."
    if not summary.decisions:
        return "start", "No outcome is known yet. Run the chain on the first days of its data."
    if summary.outdated:
        return "continue", summary.outdated
    if summary.refutation:
        return "prove", summary.refutation
    if high is not None and high < 0:
        return "stop", "The current process does better (95% confidence)."
    if summary.label == "assumed":
        return "prove", "The gain is assumed. Run a holdout before you rely on it."
    if low is None or low <= 0:
        return "continue", "No gain is shown yet. Wait for more days of outcomes."
    shown = "The replay shows a gain" if counted.standing == "replay" else "The gain is proven"
    objections = list_objections(ws.use_case, people) if people else []
    if objections:
        return "build adoption", f"{shown}, but not that people use the decisions. {objections[0]}"
    if net < 0:
        return "continue", f"{shown}, but it is below the costs of the use case so far."
    if status and status.verdict == "continue":
        return "continue", f"{shown}, but the stage gate isn't passed yet: {status.obstacles[0]}."
    used = " and people use the decisions" if people else ""
    if counted.standing == "replay":
        return "go live", f"{shown} above the costs{used}. Nobody has acted on it yet: take the next step to live."
    return "expand", f"{shown} and covers the costs{used}. Extend the use case."
