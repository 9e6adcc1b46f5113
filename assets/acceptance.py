"""acceptance: do people use it, and who was right where they disagreed."""

from __future__ import annotations

from dataclasses import asdict

import dagster as dg

from assets.stage import Check, CheckSpec, Published, Result, Step, stage
from assets.tables import image, table
from sixtyforty import acceptance, charts
from sixtyforty.acceptance import Acceptance
from sixtyforty.use_case import UseCase

USED = CheckSpec("used", "People look at the decisions, mostly follow them, and now and then disagree.")


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The acceptance of a use case that has responses."""
    source = use_case.people.responses
    if source is None:
        return []
    return [
        stage(
            use_case,
            "acceptance",
            _acceptance,
            phase="evaluation",
            kinds={"duckdb"},
            deps=[f"validated/{source}", "decisions", "outcomes"],
            checks=[USED],
            description=f"What the {use_case.people.role}s did with the decisions, by day: seen, followed, overridden,"
            " and what the overrides were worth.",
            columns=dict.fromkeys(acceptance.COUNTS, "count") | {"gain": use_case.kpi.unit},
        )
    ]


def _acceptance(step: Step) -> Result:
    result, track = Result(), step.clock.track
    for portion in step.chunks():
        for partition, entry in acceptance.account(step.ws, portion, track).items():
            shown = {c: entry.facts[c] for c in acceptance.COUNTS} | {"overrides' gain": round(entry.facts["gain"], 2)}
            result.published[partition] = Published(entry.version, shown)
    found = acceptance.facts(step.ws, track)
    if not found.decisions:
        step.log.info("acceptance: nothing was decided yet")
        return result
    if result.published:
        newest = result.published[max(result.published)].metadata
        newest |= {"in all": dg.MetadataValue.json(found.plain), "by week": table([asdict(w) for w in found.weeks]),
                   "week by week": image(charts.weeks(found.weeks), "answers by week")}  # fmt: skip
    alarms, said = found.alarms(step.ws), told(found)
    result.checks.append(
        Check(
            USED.name,
            not alarms,
            {"simulated": found.simulated},
            warn=True,
            description=" ".join(alarms.values()) or said,
        )
    )
    step.log.info(f"acceptance: {said}")
    return result


def told(found: Acceptance) -> str:
    """In a line; what is simulated is said to be."""
    if not found.responses:
        return f"of {found.decisions:,} decisions nobody has looked at one"
    simulated = f" ({found.simulated:,} of {found.responses:,} responses simulated)" if found.simulated else ""
    return (
        f"{found.seen:,} decisions seen, {found.accepted:,} followed, {found.overridden:,} overridden,"
        f" the overrides worth {found.gain:+,.0f}{simulated}"
    )
