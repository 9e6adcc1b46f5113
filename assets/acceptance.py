"""acceptance: do people use it, and who was right where they disagreed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import dagster as dg

from assets.stage import Check, CheckSpec, Published, Result, Step, stage
from assets.tables import image, table
from sixtyforty.accounting import acceptance, usage
from sixtyforty.accounting.acceptance import Acceptance, Role
from sixtyforty.reports import charts
from sixtyforty.spec.use_case import UseCase

USED = CheckSpec("used", "People look at the decisions, mostly follow them, and now and then disagree.")

MATCHED = CheckSpec("responses_match", "Every response is to a decision that was taken on its partition.")


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
            checks=[USED, MATCHED],
            description=f"What the {use_case.people.role}s did with the decisions, by day: seen, followed, overridden,"
            " and what the overrides were worth.",
            columns=dict.fromkeys(usage.COUNTS, "count") | {"gain": use_case.kpi.unit},
        )
    ]


def _acceptance(step: Step) -> Result:
    result, track = Result(), step.clock.track
    for portion in step.chunks():
        for partition, entry in usage.account(step.ws, portion, track).items():
            shown = {c: entry.facts[c] for c in usage.COUNTS} | {"overrides' gain": round(entry.facts["gain"], 2)}
            result.published[partition] = Published(entry.version, shown)
    found = acceptance.facts(step.ws, track)
    if not found.decisions:
        step.log.info("acceptance: nothing was decided yet")
        return result
    if result.published:
        newest = result.published[max(result.published)].metadata
        newest |= {
            "in all": dg.MetadataValue.json(found.plain),
            "by week": table([asdict(w) for w in found.weeks]),
            "week by week": image(charts.weeks(found.weeks, found.label), "answers by week"),
        }
        if found.roles:
            newest["by role"] = table([_row(name, role, found.label) for name, role in found.roles.items()])
    alarms, said = found.alarms(step.ws), told(found)
    simulated = f" [{found.label}]" if found.label else ""
    why = " ".join(alarms.values()) + simulated if alarms else said
    result.checks.append(Check(USED.name, not alarms, {"simulated": found.label or "none"}, warn=True, description=why))
    lost = f"{found.unmatched:,} of {found.responses:,} responses are to no decision{simulated}"
    shown = {"to no decision": found.unmatched}
    result.checks.append(Check(MATCHED.name, not found.unmatched, shown, warn=True, description=lost))
    step.log.info(f"acceptance: {said}")
    return result


def _row(name: str, role: Role, label: str) -> dict[str, Any]:
    return {
        "role": name,
        "answered": role.accepted + role.overridden,
        "overridden": role.overridden,
        "right": role.right,
        "of known": role.known,
        "overrides' gain": round(role.gain, 2),
        "how sure": acceptance.sure(role.each).removeprefix(", "),
        "simulated": label or "no",
    }


def told(found: Acceptance) -> str:
    """In a line; what is simulated is said to be."""
    if not found.responses:
        return f"of {found.decisions:,} decisions nobody has looked at one"
    return (
        f"{found.seen:,} decisions seen, {found.accepted:,} followed, {found.overridden:,} overridden,"
        f" the overrides worth {found.gain:+,.0f}{f' [{found.label}]' if found.label else ''}"
    )
