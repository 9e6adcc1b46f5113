"""A use case as a Dagster component: `defs.yaml` in, the whole chain out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import create_model

import assets.acceptance
import assets.backtest
import assets.break_even
import assets.build_or_buy
import assets.challenger
import assets.champion
import assets.data_docs
import assets.decisions
import assets.degradation
import assets.delivery
import assets.features
import assets.impact_report
import assets.kpi_impact
import assets.model_record
import assets.outcomes
import assets.raw
import assets.review_queue
import assets.stage_gate
import assets.training_set
import assets.validated
from pipelines import automation
from sixtyforty.use_case import UseCase

STAGES = (
    assets.raw,
    assets.validated,
    assets.data_docs,
    assets.features,
    assets.outcomes,
    assets.training_set,
    assets.challenger,
    assets.backtest,
    assets.degradation,
    assets.champion,
    assets.decisions,
    assets.review_queue,
    assets.delivery,
    assets.kpi_impact,
    assets.break_even,
    assets.acceptance,
    assets.stage_gate,
    assets.build_or_buy,
    assets.impact_report,
    assets.model_record,
)


def chain(use_case: UseCase) -> dg.Definitions:
    """All assets and checks of a use case, the job that runs it whole, and what runs by itself."""
    built = [a for module in STAGES for a in module.assets(use_case)]
    job = dg.define_asset_job(
        use_case.name,
        selection=dg.AssetSelection.groups(use_case.name),
        description=f"{use_case.title}: the whole chain, from extracts to impact.",
        executor_def=dg.in_process_executor,
    )
    return dg.Definitions.merge(dg.Definitions(assets=built, jobs=[job]), automation.of(use_case))


_fields: dict[str, Any] = {n: (f.annotation, f) for n, f in UseCase.model_fields.items() if n != "folder"}
Declaration = create_model("Declaration", __base__=dg.Model, **_fields)


class DecisionPipeline(dg.Component, dg.Resolvable):
    """One decision improved by a model: declare it, and its whole chain is generated."""

    def __init__(self, declared: dict[str, Any]) -> None:
        self.declared = declared

    @classmethod
    def get_model_cls(cls) -> type[Any]:
        """The schema of `attributes`: the fields of a use case."""
        return Declaration

    @classmethod
    def load(cls, attributes: Any, context: dg.ComponentLoadContext) -> DecisionPipeline:
        """Keeps the declaration as data; the use case itself checks it."""
        return cls(attributes.model_dump(exclude_unset=True) if attributes else {})

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The use case's assets, checks and job."""
        return chain(UseCase(**self.declared, folder=Path(context.path)))
