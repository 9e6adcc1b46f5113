"""`sixtyforty holdout` and `sixtyforty exactness`: what a holdout can detect, and what it has shown so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.answer import Answer
from pipelines.cli.commands import RUN, SEE, command
from pipelines.cli.errors import CommandError
from pipelines.cli.options import By, OptionalWhy, UseCaseName, current_user

if TYPE_CHECKING:
    from sixtyforty.spec.kpi import Kpi
    from sixtyforty.value.experiment_design import HoldoutDesign


@dataclass(frozen=True)
class HoldoutSize:
    """The size of a holdout that detects an effect: units (of both arms together) and days.

    Both are None if the effect is never detected. `smallest_effect`: the effect per 1,000 units below which waiting
    doesn't help; 0 if new units keep coming.
    """

    units: int | None
    days: float | None
    smallest_effect: float

    @classmethod
    def of(cls, design: HoldoutDesign, effect: float, always_valid: bool) -> HoldoutSize:
        """Return the size of a holdout that detects an effect per 1,000 units. See `HoldoutDesign.units`."""
        units, days = design.units(effect / 1000, always_valid), design.days(effect / 1000, always_valid)
        smallest = round(1000 * design.smallest_effect(always_valid), 2)
        if math.isinf(units) or math.isinf(days):
            return cls(None, None, smallest)
        return cls(math.ceil(units), days, smallest)


@dataclass(frozen=True)
class HoldoutPlan:
    """How many units and days a holdout needs to detect an effect per 1,000 units.

    `share`, `units_a_day`: see `HoldoutDesign`. `deviation`: the standard deviation of a unit's value. `recurring`: the
    effective number of units or clusters that recur; None if each unit is new. `effect`: the effect per 1,000 units, in
    the KPI's currency. `once`: the size if the estimate is read once, at a planned time. `always`: the size if the
    estimate may be read at any time.
    """

    share: float
    units_a_day: float
    deviation: float
    recurring: float | None
    effect: float
    once: HoldoutSize
    always: HoldoutSize

    @classmethod
    def of(cls, design: HoldoutDesign, effect: float) -> HoldoutPlan:
        """Return the plan of a holdout that detects an effect per 1,000 units."""
        return cls(
            share=design.share,
            units_a_day=round(design.units_a_day, 2),
            deviation=round(design.unit_deviation, 4),
            recurring=round(design.clusters, 1) if design.between else None,
            effect=effect,
            once=HoldoutSize.of(design, effect, always_valid=False),
            always=HoldoutSize.of(design, effect, always_valid=True),
        )


@dataclass(frozen=True, kw_only=True)
class HoldoutAnswer(Answer):
    """Answer of `sixtyforty holdout`: which effect a holdout can detect, and what the holdout has shown so far."""

    design: Annotated[
        HoldoutPlan,
        "The plan: share held out, units_a_day, deviation (standard deviation of a unit's value), recurring (effective"
        " number of units that recur), effect (to detect). Then the units and days needed if the estimate is read"
        " once at the end (once) or at any time (always); null if waiting never suffices.",
    ]
    holdout: Annotated[Mapping[str, Any] | None, "The estimate so far. Null before both groups have outcomes."]
    evidence: Annotated[str | None, "What the estimate shows so far. Null: nothing yet."]


@command(SEE, "holdout", "{demo}", "{demo} --effect 250")
def holdout(
    use_case: UseCaseName,
    effect: Annotated[
        float | None,
        typer.Option(
            help="Gain per 1,000 units that the holdout should detect. Default: the declared target. With exact"
            " figures: the change of the outcome per 1,000 units, which has no default."
        ),
    ] = None,
) -> HoldoutAnswer:
    """Show which effect a holdout can detect, how many days that takes, and what the holdout has shown so far."""
    from pipelines.authoring import catalog
    from sixtyforty.accounting import experiment_results, kpi_summary

    ws = catalog.open_workspace(use_case)
    kpi = ws.use_case.kpi
    if effect is None and kpi.measurement == "exact" and kpi.holdout:
        raise CommandError(
            "The holdout of exact figures tests whether the outcome changes. Give --effect: the change of the outcome"
            " per 1,000 units that it should detect."
        )
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
    if figures.exactness:
        estimate = figures.exactness.to_dict()
    return HoldoutAnswer(design=plan, holdout=estimate, evidence=figures.evidence, text="\n".join(lines))


@dataclass(frozen=True, kw_only=True)
class ExactnessAnswer(Answer):
    """Answer of `sixtyforty exactness`: whether a holdout refutes that figures are exact, after the change if any."""

    refutation: Annotated[
        str | None,
        "How a holdout shows that the action changes the outcome. Null: nothing shows it, or it was cleared.",
    ]
    test: Annotated[
        Mapping[str, Any] | None,
        "The test so far: units, held_out, mean outcome in both arms, difference with its interval. Null: no test.",
    ]
    history: Annotated[Sequence[Any], "All rows of the exactness ledger, oldest first."]


@command(RUN, "exactness", "{demo}", "{demo} --clear --why 'the two groups were mixed up in May'")
def exactness(
    use_case: UseCaseName,
    clear: Annotated[
        bool, typer.Option("--clear", help="Set the recorded refutation aside. Only later decisions are tested then.")
    ] = False,
    by: By = "",
    why: OptionalWhy = "",
) -> ExactnessAnswer:
    """Show whether a holdout refutes that figures are exact, or set a recorded refutation aside."""
    from pipelines.authoring import catalog
    from sixtyforty.accounting.exactness import clear_refutation, describe_refutation, describe_test, run_exactness_test
    from sixtyforty.spec.clock import now

    ws, lines = catalog.open_workspace(use_case), []
    if clear:
        if not why:
            raise CommandError("The option --clear needs a reason. Add --why TEXT. The reason is stored in the ledger.")
        row = clear_refutation(ws, by=by or current_user(), why=why, now=now())
        lines = [f"Cleared from {row.effective_from} UTC on, by {row.by}: {row.why}"]
    test, refutation, history = run_exactness_test(ws), describe_refutation(ws), ws.exactness_ledger.rows()
    if not clear:
        lines = [f"{row.effective_from} UTC  {row.event:8} by {row.by}: {row.why}" for row in history]
    lines.append(refutation or (describe_test(ws, test) if test else "No holdout tests whether the figures are exact."))
    return ExactnessAnswer(
        refutation=refutation, test=test.to_dict() if test else None, history=history, text="\n".join(lines)
    )


def _effect_unit(kpi: Kpi) -> str:
    """Return what an effect is measured in: money or, with exact figures, the outcome."""
    return kpi.outcome_name if kpi.measurement == "exact" else kpi.currency


def _plan_lines(kpi: Kpi, plan: HoldoutPlan, days_between: float) -> list[str]:
    every = "a day" if days_between <= 1 else f"every {days_between:,.0f} days"
    lines = [
        f"{plan.units_a_day * days_between:,.0f} {kpi.unit_plural} {every}, {plan.share:.1%} in the holdout",
        f"To detect {plan.effect:+,.0f} {_effect_unit(kpi)} per 1,000 with a probability of 80%:",
    ]
    sizes = {"read once at the end": plan.once, "read at any time": plan.always}
    for label, size in sizes.items():
        if size.units is None or size.days is None:
            lines.append(f"  {label:22}{'never':>12}")
        else:
            duration = f"{size.days:,.0f} days ({size.days / 7:,.0f} weeks)"
            lines.append(f"  {label:22}{size.units:>12,.0f} {kpi.unit_plural}, {duration}")
    smallest = [f"{s.smallest_effect:+,.0f} if {label}" for label, s in sizes.items() if s.units is None]
    if smallest and plan.recurring:
        lines.append(
            f"{plan.recurring:,.0f} recurring {kpi.unit_plural} or groups never reach 80% power by waiting: the"
            f" smallest effect per 1,000 that they can show is {' and '.join(smallest)} ({_effect_unit(kpi)}). Raise"
            f" kpi.holdout.share toward 0.5, or add {kpi.unit_plural}."
        )
    if plan.always.units is not None:
        planned = kpi.holdout.planned_units if kpi.holdout else 0
        lines.append(f"Before the start, declare kpi.holdout.planned_units: {plan.always.units} (declared: {planned}).")
    return lines
