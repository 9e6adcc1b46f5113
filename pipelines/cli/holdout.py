"""`sixtyforty holdout`: which effect a holdout can detect, and what the holdout has shown so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.answer import Answer
from pipelines.cli.commands import SEE, command
from pipelines.cli.errors import CommandError
from pipelines.cli.options import UseCaseName

if TYPE_CHECKING:
    from sixtyforty.spec.kpi import Kpi
    from sixtyforty.value.experiment_design import HoldoutDesign


@dataclass(frozen=True)
class HoldoutSize:
    """The size of a holdout that detects an effect: units (of both arms together) and days."""

    units: int
    days: float

    @classmethod
    def of(cls, design: HoldoutDesign, effect: float, always_valid: bool) -> HoldoutSize:
        """Return the size of a holdout that detects an effect per 1,000 units. See `HoldoutDesign.units`."""
        return cls(math.ceil(design.units(effect / 1000, always_valid)), design.days(effect / 1000, always_valid))


@dataclass(frozen=True)
class HoldoutPlan:
    """How many units and days a holdout needs to detect an effect per 1,000 units.

    `share`, `units_a_day`, `deviation`: see `HoldoutDesign`. `effect`: the effect per 1,000 units, in the KPI's
    currency. `once`: the size if the estimate is read once, at a planned time. `always`: the size if the estimate may
    be read at any time.
    """

    share: float
    units_a_day: float
    deviation: float
    effect: float
    once: HoldoutSize
    always: HoldoutSize

    @classmethod
    def of(cls, design: HoldoutDesign, effect: float) -> HoldoutPlan:
        """Return the plan of a holdout that detects an effect per 1,000 units."""
        return cls(
            share=design.share,
            units_a_day=round(design.units_a_day, 2),
            deviation=round(design.deviation, 4),
            effect=effect,
            once=HoldoutSize.of(design, effect, always_valid=False),
            always=HoldoutSize.of(design, effect, always_valid=True),
        )


@dataclass(frozen=True, kw_only=True)
class HoldoutAnswer(Answer):
    """Answer of `sixtyforty holdout`: which effect a holdout can detect, and what the holdout has shown so far."""

    design: Annotated[
        HoldoutPlan,
        "The plan: share held out, units_a_day, deviation (standard deviation of a unit's value), effect (to detect)."
        " Then the units and days needed if the estimate is read once at the end (once) or at any time (always).",
    ]
    holdout: Annotated[Mapping[str, Any] | None, "The estimate so far. Null before both groups have outcomes."]
    evidence: Annotated[str | None, "What the estimate shows so far. Null: nothing yet."]


@command(SEE, "holdout", "{demo}", "{demo} --effect 250")
def holdout(
    use_case: UseCaseName,
    effect: Annotated[
        float | None,
        typer.Option(help="Gain per 1,000 units that the holdout should detect. Default: the declared target."),
    ] = None,
) -> HoldoutAnswer:
    """Show which effect a holdout can detect, how many days that takes, and what the holdout has shown so far."""
    from pipelines.authoring import catalog
    from sixtyforty.accounting import experiment_results, kpi_summary

    ws = catalog.open_workspace(use_case)
    kpi = ws.use_case.kpi
    effect = kpi.target if effect is None else effect
    if not effect > 0:
        raise CommandError(f"--effect is {effect:g}. Give a gain per 1,000 units above zero.")
    design = experiment_results.plan_experiment(ws)
    plan = HoldoutPlan.of(design, effect)
    figures = kpi_summary.summarize_kpi(ws, "live")
    lines = _plan_lines(kpi, plan, ws.use_case.days_between_decisions)
    if figures.evidence:
        lines.append(figures.evidence)
    estimate = figures.holdout.to_dict(kpi.target / 1000) if figures.holdout else None
    return HoldoutAnswer(design=plan, holdout=estimate, evidence=figures.evidence, text="\n".join(lines))


def _plan_lines(kpi: Kpi, plan: HoldoutPlan, days_between: float) -> list[str]:
    every = "a day" if days_between <= 1 else f"every {days_between:,.0f} days"
    lines = [
        f"{plan.units_a_day * days_between:,.0f} {kpi.unit_plural} {every}, {plan.share:.1%} in the holdout",
        f"To detect {plan.effect:+,.0f} {kpi.currency} per 1,000 with a probability of 80%:",
    ]
    for label, size in (("read once at the end", plan.once), ("read at any time", plan.always)):
        weeks = size.days / 7
        lines.append(f"  {label:22}{size.units:>12,.0f} {kpi.unit_plural}, {size.days:,.0f} days ({weeks:,.0f} weeks)")
    planned = kpi.holdout.planned_units if kpi.holdout else 0
    lines.append(f"Before the start, declare kpi.holdout.planned_units: {plan.always.units} (declared: {planned}).")
    return lines
