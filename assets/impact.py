"""kpi_impact, impact_report and model_record: what it was worth, told to those who decide and those who inherit."""

from __future__ import annotations

import base64

import dagster as dg

from assets.raw import table
from assets.stage import Check, CheckSpec, Published, Result, Step, stage
from expectations.docs import build_docs
from sixtyforty import charts, kpi, record, report
from sixtyforty.impact import Day, by_month, lift, summary
from sixtyforty.lake import digest
from sixtyforty.use_case import SNAPSHOT, UseCase

RECONCILES = CheckSpec(
    "money_reconciles", "Each day's money equals the sum of its decisions' payoffs, by independent SQL."
)
PAYS = CheckSpec("beats_present_process", "The lift over the present process is above zero, its lower bound included.")


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The stages that tell."""
    unit = use_case.kpi.unit
    return [
        stage(use_case, "kpi_impact", _kpi_impact, phase="evaluation", kinds={"duckdb"},
              deps=["decisions", "outcomes"], checks=[RECONCILES, PAYS],
              description=f"{use_case.kpi.name}, in {unit} ({use_case.kpi.label}), by day: decisions taken, present"
              " process, coin flip, perfect foresight.",
              columns={"partition": "day", "decisions": "count", "model": unit, "present_process": unit,
                       "coin_flip": unit, "perfect_foresight": unit}),
        stage(use_case, "impact_report", _impact_report, phase="evaluation", kinds={"html"}, deps=["kpi_impact"],
              partitioned=False,
              description="One page for the owner: what was decided, what it was worth, what to do next."),
        stage(use_case, "model_record", _model_record, phase="evaluation", kinds={"markdown"},
              deps=["champion", "kpi_impact"], partitioned=False,
              description="What was tried, found and decided, and on which data: for whoever comes next."),
        stage(use_case, "data_docs", _data_docs, phase="data_understanding", kinds={"greatexpectations"},
              deps=[f"validated/{s}" for s in use_case.sources], partitioned=False,
              description="Great Expectations' pages on the newest partitions and every rejected one; off the"
              " decisions' path."),
    ]  # fmt: skip


def _kpi_impact(step: Step) -> Result:
    result, track = Result(), step.clock.track
    for portion in step.chunks():
        for partition, entry in kpi.account(step.ws, portion, track).items():
            f = entry.facts
            policies = ("model", "present_process", "coin_flip", "perfect_foresight")
            money = {p.replace("_", " "): float(f[p]) for p in policies}
            shown = {**money, "net impact": money["model"] - money["present process"], "decisions": f["decisions"],
                     "differ from present process": f["differ"], "outcome unknown": f["unknown"]}  # fmt: skip
            result.published[partition] = Published(entry.version, shown)
    days = kpi.days(step.ws, track)
    if not days:
        step.log.info("kpi_impact: no decisions with known outcomes yet")
        return result
    found = summary(step.use_case.kpi, days)
    if result.published:  # what stands for the whole, on the newest partition: the picture people open first
        newest = result.published[max(result.published)].metadata
        newest["cumulative value"] = _image(charts.cumulative(step.use_case.kpi, days))
        newest["by month, per 1,000"] = table(_months(days))
    wrong = kpi.audit(step.ws, track, sorted(result.published))
    result.checks.append(Check(RECONCILES.name, not wrong, {"differences": "\n".join(wrong)}))
    gained = found["lift_vs_present"]
    low, high = (gained[k] or float("nan") for k in ("low", "high"))
    said = f"{gained['value']:+,.0f} {found['unit']} per 1,000 [{low:+,.0f} to {high:+,.0f}]"
    result.checks.append(
        Check(PAYS.name, bool(gained["low"] and gained["low"] > 0), {"lift": said}, warn=True, description=said)
    )
    step.log.info(f"kpi_impact: {found['decisions']:,} decisions, lift over the present process {said}")
    return result


def _months(days: list[Day]) -> list[dict[str, object]]:
    return [{"month": m, **{k: round(v) for k, v in summary_row(ds).items()}} for m, ds in by_month(days).items()]


def summary_row(days: list[Day]) -> dict[str, float]:
    """Per 1,000 decisions: the policies and the lift."""
    n = sum(d.decisions for d in days)
    per = {p: 1000 * sum(getattr(d, p) for d in days) / n for p in ("model", "present_process", "coin_flip")}
    return {"decisions": n, **per, "lift": lift(days).value}


def _image(png: bytes) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(f"![cumulative value](data:image/png;base64,{base64.b64encode(png).decode()})")


def _impact_report(step: Step) -> Result:
    days = kpi.days(step.ws, step.clock.track)
    if not days:
        return Result()
    path = report.write(step.ws, step.clock.track)
    step.log.info(f"impact_report: {path}")
    found = summary(step.use_case.kpi, days)
    shown = {
        "page": dg.MetadataValue.path(str(path)),
        "net impact": found["net_impact"],
        "unit": found["unit"],
        "label": found["label"],
    }
    return Result({SNAPSHOT: Published(digest(path.read_bytes()), shown)})


def _model_record(step: Step) -> Result:
    path = record.write(step.ws, step.clock.track)
    shown = {"page": dg.MetadataValue.path(str(path)), "record": dg.MetadataValue.md(path.read_text())}
    return Result({SNAPSHOT: Published(digest(path.read_bytes()), shown)})


def _data_docs(step: Step) -> Result:
    path = build_docs(step.use_case, step.ws.lake, step.ws.reports / "data_docs")
    return Result({SNAPSHOT: Published(digest(path.read_bytes()), {"Data Docs": dg.MetadataValue.path(str(path))})})
