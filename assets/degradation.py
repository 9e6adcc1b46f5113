"""degradation: what the decisions are worth when a feed fails, and whether the gate before the model notices."""

from __future__ import annotations

from functools import partial
from typing import Any

import dagster as dg

from assets.stage import Check, CheckSpec, Published, Result, Step, stage
from assets.tables import table
from assets.training_set import training_days
from expectations.serving_gate import check_features
from expectations.suites import load
from sixtyforty.accounting import kpi_ledger
from sixtyforty.accounting.degradation import DATASET, Finding, drill
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase

GUARDED = CheckSpec(
    "faults_guarded",
    "No fault of a feed makes decisions worse than the current process does.",
)


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The degradation drill of a use case."""
    return [
        stage(
            use_case,
            DATASET,
            _degradation,
            phase="evaluation",
            kinds={"scikitlearn", "duckdb"},
            deps=["backtest"],
            partitioned=False,
            checks=[GUARDED],
            description="What decisions are worth with each feed missing, stale, duplicated or in a wrong unit at the"
            " moment they are taken, on a sample of past days: with and without the gate before the model.",
        )
    ]


def _degradation(step: Step) -> Result:
    days, suite = training_days(step), load(step.use_case.name, "features")
    found = drill(step.ws, days[-1], partial(check_features, step.use_case, suite)) if days else []
    if not found:
        step.log.info("degradation: no day yet that a model hasn't learned from")
        return Result()
    margin = step.use_case.gate.margin
    bad = [f for f in found if not f.guarded(margin)]
    said = "; ".join(f"{f.feed or 'sound feeds'}, {f.fault}: {f.gated.value:+,.0f} per 1,000" for f in bad)
    shown = {
        "value against the current process, per 1,000": table([_row(f) for f in found]),
        "label": kpi_ledger.label(step.use_case, "replay"),
    }
    entry = step.ws.lake.entry(DATASET, SNAPSHOT)
    step.log.info(f"degradation: {len(found) - 1} faults, {len(bad)} unguarded")
    return Result(
        {SNAPSHOT: Published(entry.version if entry else "", shown)},
        [Check(GUARDED.name, not bad, {"unguarded": said}, description=said or "each fault is borne or noticed")],
    )


def _row(f: Finding) -> dict[str, Any]:
    def interval(low: float, high: float) -> str:
        return f"{low:+,.0f} to {high:+,.0f}"

    return {
        "feed": f.feed or "all sound",
        "fault": f.fault,
        "lift, nobody looking": round(f.ungated.value),
        "95%": interval(f.ungated.low, f.ungated.high),
        "lift with the gate": round(f.gated.value),
        "95% ": interval(f.gated.low, f.gated.high),
        "share falling back": round(f.fallback, 3),
        "what happens": f.happens,
    }
