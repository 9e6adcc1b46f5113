"""features: what is known of a unit at the moment of its decision, and the current process's answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import dagster as dg

from assets.stage import Check, CheckSpec, Published, Result, Step, stage
from assets.validated import counts, verdict_check
from expectations.serving_gate import check_features
from expectations.suites import load
from sixtyforty.modeling.features import Window
from sixtyforty.spec.use_case import UseCase

SERVING = CheckSpec(
    "serving", "Rows that would mislead the model are marked: the current process decides them.", each=True
)
NO_TIME_TRAVEL = CheckSpec(
    "no_time_travel", "Features recomputed for sampled moments, from only what was known then, are the same."
)


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The features of a use case."""
    return [
        stage(
            use_case,
            "features",
            _features,
            description=f"Point-in-time features of the {use_case.kpi.noun} (`features.sql`), known at `decided_at`"
            " and no later, with the current process's action.",
            phase="data_preparation",
            kinds={"duckdb", "parquet"},
            deps=[f"validated/{s}" for s in use_case.inputs],
            checks=[SERVING, NO_TIME_TRAVEL],
        )
    ]


def _features(step: Step) -> Result:
    result, suite = Result(), load(step.use_case.name, "features")
    docs, suspects, leaks = str(step.ws.reports / "data_docs" / "index.html"), 0, list[str]()
    for portion in step.chunks():
        with Window(step.use_case, step.ws.lake, portion) as window, ThreadPoolExecutor(1) as beside:
            built, fit, verdicts = window.build(), {}, {}
            # beside the judging, which keeps Python busy: this is DuckDB's work
            looked_back = beside.submit(window.time_travel, built.tables, sample=max(3, len(built.tables) // 40))
            for partition, (rows, verdict) in check_features(step.use_case, suite, built.tables).items():
                result.checks.append(verdict_check(SERVING.name, verdict, docs))
                suspects += verdict.quarantined
                if not verdict.accepted:
                    step.log.error(f"features {partition} rejected: {'; '.join(verdict.reasons)}")
                    continue
                fit[partition], verdicts[partition] = rows, verdict
            before = step.ws.lake.entries("features", fit)
            facts = {p: {"verdict": v.to_dict(), "verdict_id": v.id} for p, v in verdicts.items()}
            made = step.ws.lake.write_all("features", fit, inputs=built.inputs, code=step.ws.code, facts=facts)
            for partition, entry in made.items():
                result.published[partition] = Published(entry.version, counts(verdicts[partition]))
                result.restate(step.use_case, before.get(partition), entry, step.clock.moment())
            leaks += looked_back.result()
    said = "; ".join(leaks[:5]) if leaks else "what was computed then is what is computed now"
    result.checks.append(Check(NO_TIME_TRAVEL.name, not leaks, {"leaks": "\n".join(leaks)}, description=said[:500]))
    if leaks:
        step.log.error(f"features know the future: {said}")
    step.log.info(f"features: {len(result.published)} partitions, {suspects} rows not fit for the model")
    return result
