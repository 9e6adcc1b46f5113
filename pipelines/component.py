"""A use case as a Dagster component: `defs.yaml` in, the whole chain out."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field, create_model

import assets.acceptance
import assets.backtest
import assets.break_even
import assets.build_or_buy
import assets.challenger
import assets.champion
import assets.current_state
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
from assets.tables import table
from pipelines.authoring import loader
from pipelines.automation import sensors
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.errors import Mistakes
from sixtyforty.spec.use_case import UseCase

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

OF_A_DRAFT = (assets.raw, assets.validated, assets.data_docs)


def declared() -> list[UseCase]:
    """All use cases of the project that can be loaded, drafts among them."""
    found = []
    for name in loader.names():
        with suppress(Mistakes):  # told where it is itself looked at
            found.append(loader.load(loader.FOLDER / name))
    return found


def chain(use_case: UseCase) -> dg.Definitions:
    """All assets and checks of a use case, the job that runs it whole, and what runs by itself.

    Of a draft those that need no more than its sources; nothing runs by itself.
    """
    draft = isinstance(use_case, Draft)
    built = [a for module in (OF_A_DRAFT if draft else STAGES) for a in module.assets(use_case)]
    built += assets.current_state.assets(use_case, declared)
    job = dg.define_asset_job(
        use_case.name,
        selection=dg.AssetSelection.groups(use_case.name),
        description=f"{use_case.title}: the whole chain, from extracts to impact.",
        executor_def=dg.in_process_executor,
    )
    by_itself = dg.Definitions() if draft else sensors.of(use_case)
    return dg.Definitions.merge(dg.Definitions(assets=built, jobs=[job]), by_itself)


class Anything(dg.Model):
    """The schema that editors and `dg` show: every field with what it is for, whatever is written there."""

    model_config = ConfigDict(extra="allow")


_fields: dict[str, Any] = {
    n: (Any, Field(default=None, description=f.description)) for n, f in UseCase.model_fields.items() if not f.exclude
}
Declaration = create_model("Declaration", __base__=Anything, **_fields)


class Beginning(BaseModel):
    """What `dg scaffold` asks."""

    extracts: str | None = Field(default=None, description="Its extracts: a file, a folder or a glob.")
    like: str | None = Field(default=None, description="Begin with what this use case declares.")


class Scaffolder(dg.Scaffolder[Beginning]):
    """`dg scaffold defs pipelines.component.DecisionPipeline NAME` does what `sixtyforty new NAME` does."""

    @classmethod
    def get_scaffold_params(cls) -> type[Beginning]:
        """Its options."""
        return Beginning

    def scaffold(self, request: dg.ScaffoldRequest[Beginning]) -> None:
        """Writes the use case's folder, and its suites."""
        from pipelines.authoring.scaffold import begin

        begin(request.target_path.name, request.params.extracts, request.params.like)


@dg.scaffold_with(Scaffolder)
class DecisionPipeline(dg.Component, dg.Resolvable):
    """One decision improved by a model: declare it, and its whole chain is generated."""

    @classmethod
    def get_model_cls(cls) -> type[Any]:
        """The schema of `attributes`: the fields of a use case."""
        return Declaration

    @classmethod
    def load(cls, attributes: Any, context: dg.ComponentLoadContext) -> DecisionPipeline:
        """Nothing yet: the declaration is read, and checked, in the one place that does."""
        return cls()

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The use case's assets, checks and job."""
        return chain(loader.load(Path(context.path)))


def use_cases() -> dg.Definitions:
    """Every use case below `pipelines/use_cases`. A broken one is an asset that says why: the others go on.

    Where Dagster only checks (`dg check defs`, `dagster definitions validate`), all that is broken ends the check.
    """
    checking = bool(os.environ.get("DAGSTER_IS_DEFS_VALIDATION_CLI"))
    sound, broken = {}, {}
    for name in loader.names():
        try:
            sound[name] = loader.load(loader.FOLDER / name, sql=checking)
        except Mistakes as error:
            broken[name] = error
    if checking and broken:
        print("\n".join(map(str, broken.values())), file=sys.stderr, flush=True)
        os._exit(1)  # an exception would be told with Dagster's own frames
    if checking:  # as Dagster's own tools read it, which takes as long again: of a hundred use cases, seconds
        return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    return dg.Definitions.merge(*map(chain, sound.values()), *(stand_in(n, e) for n, e in broken.items()))


def stand_in(name: str, error: Mistakes) -> dg.Definitions:
    """What Dagster's pages show of a use case that can't be loaded."""
    rows = [
        {"where": f"{m.file.name}:{m.line}", "field": m.field, "mistake": m.said, "allowed": m.allowed}
        for m in error.found
    ]
    return dg.Definitions(
        assets=[
            dg.AssetSpec(
                [name, "declaration"],
                group_name=name,
                kinds={"yaml"},
                tags={"crisp_dm": "business_understanding"},
                description=f"BROKEN: {error}",
                metadata={"mistakes": table(rows)},
            )
        ]
    )
