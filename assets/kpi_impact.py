"""kpi_impact: what the decisions were worth, by day, against the current process."""

from __future__ import annotations

import math
from typing import Any

import dagster as dg

from assets.stage import Check, CheckSpec, Published, Result, Step, stage
from assets.tables import image, table
from sixtyforty.accounting import kpi_ledger
from sixtyforty.accounting.forecast import forecast
from sixtyforty.reports import charts
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import Entry
from sixtyforty.value.lift import CANDIDATE, POLICIES, Day, by_period

RECONCILES = CheckSpec(
    "money_reconciles", "Each day's money equals the sum of its decisions' payoffs, by independent SQL."
)
NOWHERE_LOSES = CheckSpec(
    "no_segment_loses", "In no segment is the current process surely better, allowing for how many are looked at."
)
OPERATIONAL = CheckSpec(
    "operational", "Some decisions differ from the current process: a model that changes nothing isn't in use."
)
PAYS = CheckSpec("beats_current_process", "The lift over the current process is above zero, its lower bound included.")

AS_DEALT = CheckSpec(
    "arms_are_as_dealt",
    "Both arms have as many units as were dealt to them, and are alike in what was known before: none got lost.",
)


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The kpi_impact of a use case."""
    unit = use_case.kpi.unit
    return [
        stage(
            use_case,
            "kpi_impact",
            _kpi_impact,
            phase="evaluation",
            kinds={"duckdb"},
            deps=["decisions", "outcomes"],
            checks=[RECONCILES, PAYS, NOWHERE_LOSES, OPERATIONAL, *([AS_DEALT] if use_case.kpi.holdout else [])],
            description=f"{use_case.kpi.name}, in {unit} ({kpi_ledger.label(use_case, 'replay')}), by day: decisions"
            " taken, current process, random choice, perfect foresight, and each candidate.",
            columns={
                "partition": "day",
                "decisions": "count",
                "model": unit,
                "current_process": unit,
                "random_choice": unit,
                "perfect_foresight": unit,
                **{CANDIDATE + n: unit for n in use_case.kpi.candidates},
            },
        )
    ]


def _kpi_impact(step: Step) -> Result:
    result, track = Result(), step.clock.track
    label = kpi_ledger.label(step.use_case, track)
    for portion in step.chunks():
        for partition, entry in kpi_ledger.account(step.ws, portion, track).items():
            result.published[partition] = Published(entry.version, _shown(entry) | {"label": label})
    days = kpi_ledger.days(step.ws, track)
    if not days:
        step.log.info("kpi_impact: no decisions with known outcomes yet")
        return result
    found = kpi_ledger.summary(step.ws, track, known=days)
    if result.published:  # what stands for the whole, on the newest partition: the picture people open first
        newest = result.published[max(result.published)].metadata
        newest["cumulative value"] = image(charts.cumulative(step.use_case.kpi, days), "cumulative value")
        newest["by month, per 1,000"] = table(_months(days))
        if found["candidates"]:
            newest["candidates, per 1,000"] = table(_candidates(step.use_case, found))
        promised = forecast(step.ws, track, known=days).plain(step.use_case.kpi)
        if promised["terms"]:
            newest["forecast and actual, per 1,000"] = table([_term(t) for t in promised["terms"]])
        newest["forecast for the coming month, per 1,000"] = promised["coming_month"]["value"]
    wrong = kpi_ledger.audit(step.ws, track, sorted(result.published))
    result.checks.append(Check(RECONCILES.name, not wrong, {"differences": "\n".join(wrong)}))
    gained = found["lift_vs_current"]
    low, high = (None if gained[k] is None else f"{gained[k]:+,.0f}" for k in ("low", "high"))
    sure = f"[{low} to {high}]" if low else "(too few days to say how sure)"
    said = f"{gained['value']:+,.0f} {found['unit']} per 1,000 {sure}, {found['label']}"
    result.checks.append(Check(PAYS.name, (gained["low"] or 0) > 0, {"lift": said}, warn=True, description=said))
    parts = kpi_ledger.by_segment(step.ws, track)
    losing = ", ".join(f"{s.column} {s.name}" for s in parts if s.loses)
    shown = {"segments": table([s.plain for s in parts])} if parts else {}
    result.checks.append(Check(NOWHERE_LOSES.name, not losing, shown, warn=True, description=losing or "none does"))
    differ = f"{found['differ_share']:.1%} of the decisions differ" if found["operational"] else "none differ"
    share = {"share that differs": found["differ_share"]}
    result.checks.append(Check(OPERATIONAL.name, found["operational"], share, warn=True, description=differ))
    if step.use_case.kpi.holdout:
        result.checks.append(_as_dealt(found))
    step.log.info(f"kpi_impact: {found['decisions']:,} decisions, lift over the current process {said}")
    return result


def _shown(entry: Entry) -> dict[str, Any]:
    """A day's account, for its page: of arms dealt at random, what either was worth."""
    f = entry.facts
    if "held" in f:
        return {
            "decisions": f["decisions"],
            "held back": f["held"],
            "outcome unknown": f["unknown"],
            "model": round(f["model"], 2),
            "held back, worth": round(f["present"], 2),
        }
    money = {p.replace("_", " "): round(float(f[p]), 2) for p in POLICIES}
    money |= {CANDIDATE + n: round(float(v), 2) for n, v in f.get("candidates", {}).items()}
    return {
        **money,
        "gain": money["model"] - money["current process"],
        "decisions": f["decisions"],
        "differ from current process": f["differ"],
        "outcome unknown": f["unknown"],
    }


def _as_dealt(found: dict[str, Any]) -> Check:
    """The check on the arms, and all there is to know of the holdout beside it; of the past, nothing."""
    shown = found.get("holdout")
    metadata = {"holdout": dg.MetadataValue.json(shown)} if shown else {}
    return Check(AS_DEALT.name, not shown or shown["sound"], metadata, description=found["told"])


def _candidates(use_case: UseCase, found: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "candidate": n + (" (vendor)" if use_case.kpi.candidates[n].vendor else ""),
            "decisions": c["decisions"],
            "value": c["per_1000"],
            "over the current process": c["lift_vs_current"]["value"],
            "the model over it": c["model_minus"]["value"],
            "low": c["model_minus"]["low"],
            "high": c["model_minus"]["high"],
        }
        for n, c in found["candidates"].items()
    ]


def _months(days: list[Day]) -> list[dict[str, object]]:
    return [{"month": m, **{k: round(v) for k, v in summary_row(ds).items()}} for m, ds in by_period(days).items()]


def _term(plain: dict[str, Any]) -> dict[str, object]:
    intervals = {f"{k} {end}": plain[k][end] for k in ("forecast", "actual") for end in ("value", "low", "high")}
    return (
        {k: plain[k] for k in ("since", "decisions")} | intervals | {k: plain[k] for k in ("verdict", "target_reached")}
    )


def summary_row(days: list[Day]) -> dict[str, float]:
    """Per 1,000 decisions: the policies and the lift."""
    n = sum(d.decisions for d in days)
    per = {p: 1000 * sum(getattr(d, p) for d in days) / n for p in ("model", "current_process", "random_choice")}
    gained = {"lift": per["model"] - per["current_process"]}
    return {"decisions": n, **{p: v for p, v in (per | gained).items() if p == "lift" or not math.isnan(v)}}
