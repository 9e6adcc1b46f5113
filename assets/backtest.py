"""backtest: what the recipe was worth on days it hadn't seen."""

from __future__ import annotations

import dagster as dg

from assets.stage import Published, Result, Step, stage
from assets.tables import table
from assets.training_set import training_days
from sixtyforty.accounting import kpi_ledger
from sixtyforty.modeling import model_store
from sixtyforty.modeling.backtest import metrics, recipe_name, walk_forward
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import digest
from sixtyforty.value.lift import lift


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The backtest of a use case."""
    return [
        stage(
            use_case,
            "backtest",
            _backtest,
            phase="evaluation",
            kinds={"scikitlearn"},
            deps=["challenger"],
            partitioned=False,
            description="Walk-forward: what the recipe was worth on the days after those it learned from, beside the"
            " current process, random choice and perfect foresight.",
        )
    ]


def _backtest(step: Step) -> Result:
    rows, days, recipes = [], training_days(step), model_store.recipes(step.use_case)
    for day in days:
        for recipe in recipes:
            found = walk_forward(step.use_case, step.ws.lake, step.ws.models, recipe, day)
            if found:
                gained = lift(found[-92:])
                rows.append(
                    {
                        "as of": day.isoformat(),
                        "recipe": recipe_name(step.use_case, recipe),
                        "label": kpi_ledger.label(step.use_case, "replay"),
                        "days": len(found),
                        **metrics(found),
                        "lift, last 92 days": round(gained.value),
                        **{k: None if v != v else round(v) for k, v in (("low", gained.low), ("high", gained.high))},
                    }
                )
    if not days:
        return Result()
    shown = {"walk-forward, per 1,000": table(rows)} if rows else {}
    step.log.info(f"backtest: {len({r['as of'] for r in rows})} training days with out-of-sample days before them")
    return Result({SNAPSHOT: Published(digest(rows), shown)})
