"""A use case as a Dagster component, which reads a `defs.yaml` and returns the Dagster definitions of the chain."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field, create_model

from assets.metadata import table
from assets.resources import BusinessClock, ProjectHome
from assets.stage import Stage
from assets.stage_table import STAGES
from assets.wiring import EventRecorder as EventRecorderProtocol
from assets.wiring import Wiring, build_stage_assets
from pipelines.authoring import loader
from pipelines.automation.use_case_automation import build_automation
from pipelines.runtime.dagster_internals_assets import StageAsset
from pipelines.runtime.dagster_internals_events import EventRecorder
from pipelines.runtime.dagster_internals_jobs import define_chain_job
from pipelines.runtime.upstream_assets import read_upstream
from pipelines.settings import Settings, SettingsError, load_settings
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.errors import DeclarationError
from sixtyforty.spec.project_folders import USE_CASES_VARIABLE
from sixtyforty.spec.use_case import UseCase


def load_use_cases() -> list[UseCase]:
    """Return every use case whose declaration is valid, including drafts."""
    use_cases = []
    for name in loader.list_use_cases():
        with suppress(DeclarationError):  # build_broken_declaration shows the error on Dagster's pages
            use_cases.append(loader.load_declaration(loader.FOLDER / name))
    return use_cases


def build_chain(
    use_case: UseCase,
    stages: Sequence[Stage] = STAGES,
    recorder: EventRecorderProtocol | None = None,
    *,
    use_cases: int = 1,
) -> dg.Definitions:
    """Return a use case's assets and checks, the job that runs all of them, and its sensors and schedule.

    A draft, whose declaration has TODO fields, gets only the stages that need nothing but sources, and no automation.
    recorder: stores the materializations and check results of stages. None stores them in Dagster's event log.
    use_cases: how many use cases the project has. The more there are, the longer each sensor pauses.
    """
    is_draft = isinstance(use_case, Draft)
    wiring = Wiring(recorder or EventRecorder(), load_use_cases, read_upstream=read_upstream, asset_type=StageAsset)
    assets = [
        asset
        for stage in stages
        if stage.for_drafts or not is_draft
        for asset in build_stage_assets(stage, use_case, wiring)
    ]
    description = f"{use_case.title}: all stages of the chain, from the extracts to the impact report."
    job = define_chain_job(use_case.name, assets, description)
    automation = dg.Definitions() if is_draft else build_automation(use_case, use_cases)
    return dg.Definitions.merge(dg.Definitions(assets=assets, jobs=[job]), automation)


@lru_cache(maxsize=1)
def build_resources(settings: Settings) -> dict[str, Any]:
    """Return the resources of all stages. The same settings give the same objects, as Dagster merges no others."""
    return {"project_home": project_home(settings), "clock": BusinessClock()}


def project_home(settings: Settings) -> ProjectHome:
    """Return the locations of the project's data."""
    return ProjectHome(settings.home, settings.database_url, settings.dvc_remote, settings.lake)


class AnyFields(dg.Model):
    """Model that accepts every field, because the loader checks declarations and reports problems by file and line."""

    model_config = ConfigDict(extra="allow")


# The schema that editors and `dg` show: every field with its description.
_fields: dict[str, Any] = {
    name: (Any, Field(default=None, description=field.description))
    for name, field in UseCase.model_fields.items()
    if not field.exclude
}
Declaration = create_model("Declaration", __base__=AnyFields, **_fields)


class ScaffoldParameters(BaseModel):
    """The options of `dg scaffold` for a new use case."""

    extracts: str | None = Field(default=None, description="The extracts to start from: a file, a folder or a glob.")
    like: str | None = Field(default=None, description="The use case whose declaration the new use case copies.")


class Scaffolder(dg.Scaffolder[ScaffoldParameters]):
    """Make `dg scaffold defs pipelines.component.DecisionPipeline NAME` do what `sixtyforty new NAME` does."""

    @classmethod
    def get_scaffold_params(cls) -> type[ScaffoldParameters]:
        """Return the model of the options that `dg scaffold` accepts."""
        return ScaffoldParameters

    def scaffold(self, request: dg.ScaffoldRequest[ScaffoldParameters]) -> None:
        """Write the folder of the new use case and its suites of rules."""
        from pipelines.authoring.scaffold import create_use_case

        create_use_case(request.target_path.name, request.params.extracts, request.params.like)


@dg.scaffold_with(Scaffolder)
class DecisionPipeline(dg.Component, dg.Resolvable):
    """A use case as a Dagster component. Its declaration generates all assets, checks and jobs of its chain."""

    @classmethod
    def get_model_cls(cls) -> type[Any]:
        """Return the pydantic model of `attributes` in defs.yaml: the fields of a use case."""
        return Declaration

    @classmethod
    def load(cls, attributes: Any, context: dg.ComponentLoadContext) -> DecisionPipeline:
        """Return the component without reading the declaration. `build_defs` reads and checks the declaration."""
        return cls()

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the use case's assets, checks, job and automation, with the resources that its stages need.

        Raises DeclarationError if the declaration is wrong, and SettingsError if it is not in the folder of use cases.
        """
        folder = Path(context.path).resolve()
        if folder.parent != loader.FOLDER:
            raise SettingsError(
                f"{folder.name} is in {folder.parent}, but the use cases are in {loader.FOLDER}."
                f" Set {USE_CASES_VARIABLE} to the folder of all use cases."
            )
        chain = build_chain(loader.load_declaration(folder), use_cases=len(loader.list_use_cases()))
        return dg.Definitions.merge(chain, dg.Definitions(resources=build_resources(load_settings())))


def build_use_cases() -> dg.Definitions:
    """Return the definitions of every use case below `pipelines/use_cases`.

    A use case whose declaration is wrong becomes one asset that shows the problems; other use cases are not affected.
    When Dagster only validates (`dg check defs`, `dagster definitions validate`), problems are printed and the process
    exits with code 1.
    """
    is_validation = bool(os.environ.get("DAGSTER_IS_DEFS_VALIDATION_CLI"))
    chains, broken = list[dg.Definitions](), dict[str, DeclarationError]()
    names = loader.list_use_cases()
    for name in names:
        try:
            use_case = loader.load_declaration(loader.FOLDER / name, sql=is_validation)
        except DeclarationError as error:
            broken[name] = error
            continue
        if not is_validation:  # build the chain while its parsed suites are still in the cache
            chains.append(build_chain(use_case, use_cases=len(names)))
    if is_validation and broken:
        print("\n".join(map(str, broken.values())), file=sys.stderr, flush=True)
        os._exit(1)  # an exception would make Dagster print a stack trace around the problems
    if is_validation:  # use the same loader as Dagster's tools, although it takes twice as long
        return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    return dg.Definitions.merge(
        *chains,
        *(build_broken_declaration(name, error) for name, error in broken.items()),
    )


def build_broken_declaration(name: str, error: DeclarationError) -> dg.Definitions:
    """Return definitions with one asset, whose metadata lists the problems of a declaration that can't be loaded."""
    rows = [
        {
            "where": f"{problem.file.name}:{problem.line}",
            "field": problem.field,
            "problem": problem.message,
            "allowed": problem.allowed,
        }
        for problem in error.problems
    ]
    return dg.Definitions(
        assets=[
            dg.AssetSpec(
                [name, "declaration"],
                group_name=name,
                kinds={"yaml"},
                tags={"crisp_dm": "business_understanding"},
                description=f"BROKEN: the declaration can't be loaded. {error}",
                metadata={"problems": table(rows)},
            )
        ]
    )
