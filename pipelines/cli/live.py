"""What is asked of going live: what a holdout can show and has shown, and the steps of the rollout."""

from __future__ import annotations

import math
from typing import Any

from pipelines.cli.say import Problem


def holdout(given: Any) -> tuple[Any, str]:
    """What a holdout of the declared share can show, and what it has."""
    from pipelines.authoring import catalog
    from sixtyforty.accounting import experiment_ledger, kpi_ledger

    ws = catalog.workspace(given.use_case)
    of = ws.use_case.kpi
    effect = of.target if given.effect is None else given.effect
    if not effect > 0:
        raise Problem("--effect: a difference above zero, per 1,000 units")
    design, apart = experiment_ledger.design(ws), ws.use_case.days_apart
    every = "a day" if apart <= 1 else f"every {apart:,.0f} days"
    planned: dict[str, Any] = {
        "share": design.share,
        "units_a_day": round(design.units_a_day, 2),
        "deviation": round(design.deviation, 4),
        "effect": effect,
    }
    lines = [
        f"{design.units_a_day * apart:,.0f} {of.noun} {every}, {design.share:.1%} of them held back",
        f"to find {effect:+,.0f} {of.unit} per 1,000, four times in five:",
    ]
    for name, always in (("one look, at the end", False), ("a look whenever one likes", True)):
        units, days = design.units(effect / 1000, always), design.days(effect / 1000, always)
        planned["always" if always else "once"] = {"units": math.ceil(units), "days": days}
        lines.append(f"  {name:26}{units:>12,.0f} {of.noun}, {days:,.0f} days ({days / 7:,.0f} weeks)")
    best = planned["always"]["units"]
    lines.append(
        f"  before the start: kpi.holdout.planned: {best} (declared: {of.holdout.planned_units if of.holdout else 0})"
    )
    found = kpi_ledger.summary(ws, "live")
    return {"design": planned, "holdout": found["holdout"], "told": found["told"]}, "\n".join([*lines, found["told"]])


def rollout(given: Any) -> tuple[Any, str]:
    """The step in force and what stands against the next, or a step taken."""
    from pipelines.authoring import catalog
    from sixtyforty.lifecycle import rollout as steps
    from sixtyforty.spec.clock import now

    ws, moment = catalog.workspace(given.use_case), now()
    if given.up or given.down:
        if not given.why:
            raise Problem("--why TEXT is needed: it is kept in the ledger")
        act = steps.up if given.up else steps.down
        row = act(ws, by=given.by, why=given.why, moment=moment)
        return row.model_dump(), f"{row.step} from {row.effective_from} UTC, by {row.by}: {row.why}"
    at = steps.standing(ws, moment)
    taken = [r.model_dump() for r in ws.rollout.rows()]
    lines = [f"{r['effective_from']} UTC  {r['step']:8} by {r['by']}: {r['why']}" for r in taken]
    lines.append(f"in force: {at.step}, since {at.since:%Y-%m-%d %H:%M} UTC; {at.days} whole days have outcomes")
    lines += [f"against going up: {reason}" for reason in at.against] or ["nothing stands against going up"]
    return {**at.plain, "history": taken}, "\n".join(lines)
